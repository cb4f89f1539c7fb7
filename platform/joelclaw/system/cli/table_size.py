"""`_system/cli/tableSize`: what a push asks before it removes an index."""

from joelclaw.functions.contexts import QueryCtx
from joelclaw.functions.decorators import query
from joelclaw.system.cli.whole_tables import table_named


@query(name="default")
def document_count(ctx: QueryCtx, table_name: str) -> int:
    """How many documents a table has."""
    return ctx.db.query(table_named(ctx, table_name).info.cls).count()
