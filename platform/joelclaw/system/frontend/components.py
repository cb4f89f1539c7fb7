"""`_system/frontend/components`: what an app is put together from. An app here is one."""

from typing import Any

from joelclaw.functions.contexts import QueryCtx
from joelclaw.functions.decorators import query


@query(name="list")
def listed(ctx: QueryCtx) -> list[Any]:  # noqa: ARG001 (every function has a context)
    """No component: `run --inline-query --component` looks here, and then says so."""
    return []
