"""
Built-ins: functions that clients call like the app's, and that the gateway answers itself.

They run in no isolate. Somebody's token has to be renewed whatever the app's code is doing, and
what they handle (keys, codes, passwords) is no business of that code.

Elsewhere: `auth/sign_in.py` has those that there are.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import msgspec

from joelclaw.engine.asker import Asker
from joelclaw.functions.calls import Outcome
from joelclaw.functions.manifest import Anyone, FunctionSpec, Place
from joelclaw.schema.validators import ObjectType


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a call comes from, as far as the one who answers it needs to know. Nothing of it is proven."""

    page: str | None = None
    """The `Origin` header of the request or the socket: the page that asks, if it is one in a browser."""

    address: str = ""
    """Whose connection it is: the peer's, as trusted proxies tell it. Servers ask for many people."""

    socket: Any = None
    """The socket that asks, compared by identity; None: no socket does."""


NOWHERE = Origin()

BuiltIn: TypeAlias = Callable[[bytes, Asker, Origin], Awaitable[Outcome]]
"""Arguments (canonical wire JSON), who asks, and from where."""


def built_in_spec(path: str) -> FunctionSpec:
    """What is known of a built-in action: everybody may call it."""
    return FunctionSpec(
        path=path,
        python_path=path,
        kind="action",
        allow=Anyone(),
        args=ObjectType(fields=()),
        any_args=True,
        place=Place("joelclaw/auth/sign_in.py", 1),
    )
