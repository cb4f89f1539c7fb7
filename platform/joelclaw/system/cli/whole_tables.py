"""
Tables by name, and all of each: what the functions of this folder have in common. It has none itself.

A table that is not there is one without documents. The command line takes a query that fails for a
defect of its own: it reports it to its makers, and where they cannot be reached it never ends.
"""

from typing import TYPE_CHECKING

from joelclaw.functions.app import OpenTable
from joelclaw.functions.contexts import QueryCtx

if TYPE_CHECKING:
    from joelclaw.schema.bounds import Bounds


def find_table(ctx: QueryCtx, name: str) -> OpenTable | None:
    """A table of the app or of the system, None if there is none of this name."""
    app = ctx.db.run.app
    info = app.tables.get(name)
    return None if info is None else app.open_table(info.cls)


def bounds_of(table: OpenTable) -> "Bounds":
    """All of a table, by creation time."""
    return table.info.bounds(None, {}, None, table.layout)
