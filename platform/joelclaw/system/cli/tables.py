"""`_system/cli/tables`: what `data` lists."""

from joelclaw.functions.contexts import QueryCtx
from joelclaw.functions.decorators import query
from joelclaw.schema.pagination import Page, PageOptions
from joelclaw.schema.structs import Object


class TableName(Object):
    name: str


@query(name="default")
def listed(ctx: QueryCtx, pagination_opts: PageOptions) -> Page[TableName]:  # noqa: ARG001 (clients insist on it)
    """The app's tables by name, on one page: there are as many as somebody wrote classes."""
    names = sorted(name for name in ctx.db.run.app.tables if not name.startswith("_"))
    return Page(page=[TableName(name=name) for name in names], is_done=True, continue_cursor="")
