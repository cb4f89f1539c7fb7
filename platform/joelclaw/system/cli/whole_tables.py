"""Tables by name, and all of each: what the functions of this folder have in common. It has none itself."""

from typing import TYPE_CHECKING

from joelclaw.errors import Misuse
from joelclaw.functions.app import PUBLIC_SYSTEM_TABLES, OpenTable
from joelclaw.functions.contexts import QueryCtx
from joelclaw.schema.text import did_you_mean

if TYPE_CHECKING:
    from joelclaw.schema.bounds import Bounds


def table_named(ctx: QueryCtx, name: str) -> OpenTable:
    """
    A table of the app or of the system.

    Raises:
        Misuse: There is none of this name.
    """
    app = ctx.db.run.app
    info = app.tables.get(name)
    if info is None:
        shown = sorted(other for other in app.tables if not other.startswith("_") or other in PUBLIC_SYSTEM_TABLES)
        raise Misuse(f"There is no table {name[:80]!r}; {did_you_mean(name, shown)}")
    return app.open_table(info.cls)


def bounds_of(table: OpenTable) -> "Bounds":
    """All of a table, by creation time."""
    return table.info.bounds(None, {}, None, table.layout)
