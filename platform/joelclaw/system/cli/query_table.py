"""`_system/cli/queryTable`: what `dev` watches to learn that a table has changed."""

from joelclaw.functions.contexts import QueryCtx
from joelclaw.functions.decorators import query
from joelclaw.functions.rows import range_of
from joelclaw.system.cli.whole_tables import bounds_of, find_table


@query(name="default")
def newest_look(ctx: QueryCtx, table_name: str) -> str:
    """
    The commit timestamp at which the table was looked at; another one whenever something in it changed.

    Whoever watches wants to hear of a change and nothing more, so no document is read for it.
    """
    run = ctx.db.run
    table = find_table(ctx, table_name)
    if table is None:
        return ""  # A deploy that brings it runs every query anew.
    run.note_range(range_of(bounds_of(table)))
    return str(run.snapshot.timestamp)
