"""
Users: which document of an app's table belongs to whoever asks, for actions, which have no database.
"""

from typing import Any

from joelclaw.functions.contexts import QueryCtx
from joelclaw.functions.decorators import query


@query
def find(ctx: QueryCtx, table: str) -> Any:
    """The document of whoever asks in the table of this name, or None."""
    app = ctx.db.run.app
    return ctx.auth.find_user(app.open_table(app.tables[table].cls))
