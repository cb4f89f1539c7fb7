"""`_system/cli/tableData`: what `data <table>` shows."""

from typing import Any, Literal

from msgspec.structs import replace

from joelclaw.functions.contexts import QueryCtx
from joelclaw.functions.decorators import query
from joelclaw.functions.pages import IndexCourse, paginate
from joelclaw.schema.pagination import Page, PageOptions
from joelclaw.system.cli.whole_tables import bounds_of, find_table
from joelclaw.values import wire


@query(name="default")
def documents(ctx: QueryCtx, table: str, order: Literal["asc", "desc"], pagination_opts: PageOptions) -> Page[Any]:
    """
    Documents by creation time, as they are stored: what an older schema left is shown, too.

    A page holds what one query may read; whoever wants more asks for the next.
    """
    run = ctx.db.run
    opened = find_table(ctx, table)
    if opened is None:
        return Page(page=[], is_done=True, continue_cursor="")
    options = replace(pagination_opts, num_items=min(pagination_opts.num_items, run.limits.documents_read))
    course = IndexCourse(run, opened, bounds_of(opened), order == "desc")
    return paginate(ctx.db, course, wire.decode, None, options)
