"""
Expiring documents: what `class Typing(Table, expires_at="until")` promises.

Such a table has an index of its own over that field (`EXPIRY_INDEX`), which no app can name.
`due` looks at the first document of each and promises to look again at its instant, so that a
subscription to it is told when there is something to remove, and nothing is polled. `sweep`
removes the oldest ones, a bounded number at a time, as ordinary writes: live queries are told.

Null, absent and NaN are no instants: such documents stay.

Elsewhere: `scheduler/expiry.py` subscribes and sweeps.
"""

from collections.abc import Iterator
from typing import Any, Final

from joelclaw.functions.app import OpenTable
from joelclaw.functions.contexts import MutationCtx, QueryCtx
from joelclaw.functions.decorators import mutation, query
from joelclaw.functions.rows import Scan
from joelclaw.schema.bounds import Bounds, between
from joelclaw.schema.structs import Object
from joelclaw.schema.tables import EXPIRY_INDEX

SWEPT_AT_ONCE: Final = 128
"""Documents that one transaction removes: a few milliseconds, in which callers wait."""

SWEPT_BYTES: Final = 4 * 2**20
"""A transaction stops after so much, or `SLICE` documents more: they are read to be removed from every index."""

SLICE: Final = 16


class Expired(Object):
    """A table in which documents wait to be removed."""

    table: str
    at: float
    """The instant of the one that has waited longest."""


@query
def due(ctx: QueryCtx) -> list[Expired]:
    """Tables with documents whose instant has come. Looks again at the next instant of any table."""
    found = []
    for table in _expiring(ctx):
        at = _first_instant(ctx, table)
        if at is not None and not ctx.before(at):
            found.append(Expired(table=table.name, at=at))
    return found


@mutation
def sweep(ctx: MutationCtx, table: str, at: float) -> bool:
    """
    Remove documents of a table whose instant has come; whether there are more.

    `at` is an instant that is known to have come, in case this process's clock is a little behind.
    """
    run = ctx.db.run
    assert run.txn is not None
    opened = next((found for found in _expiring(ctx) if found.name == table), None)
    if opened is None:
        return False  # A deploy has come between.
    expired = _until(opened, max(ctx.now(), at))
    count = size_bytes = 0
    while count < SWEPT_AT_ONCE and size_bytes < SWEPT_BYTES:
        # Past the limits of functions, on purpose: what is too large for them has to go all the same.
        rows = run.snapshot.scan(opened.layout, expired.index, expired.start, expired.end, limit=SLICE)
        for _, raw in rows:
            document = opened.decode(raw)
            run.txn.delete(opened.layout, document.id, opened.info.keys(document, opened.layout))
            size_bytes += len(raw)
        count += len(rows)
        if len(rows) < SLICE:
            return False
    return True


def _expiring(ctx: QueryCtx) -> Iterator[OpenTable]:
    return (table for table in ctx.db.run.app.by_number.values() if EXPIRY_INDEX in table.info.indexes)


def _until(table: OpenTable, at: float) -> Bounds:
    """The documents whose instant is not after this one."""
    return table.info.bounds(EXPIRY_INDEX, {}, between(float("-inf"), at), table.layout)


def _first_instant(ctx: QueryCtx, table: OpenTable) -> float | None:
    document = Scan[Any](ctx.db, table, _until(table, float("inf"))).first()
    if document is None:
        return None
    instant: float = table.info.indexes[EXPIRY_INDEX].fields[0].find(document)
    return instant
