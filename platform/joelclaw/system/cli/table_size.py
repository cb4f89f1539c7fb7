"""`_system/cli/tableSize`: what a push asks before it removes an index."""

from joelclaw.functions.contexts import QueryCtx
from joelclaw.functions.decorators import query
from joelclaw.system.cli.whole_tables import find_table


@query(name="default")
def document_count(ctx: QueryCtx, table_name: str) -> int:
    """How many documents a table has."""
    table = find_table(ctx, table_name)
    return 0 if table is None else ctx.db.query(table.info.cls).count()
