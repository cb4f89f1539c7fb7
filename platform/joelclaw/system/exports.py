"""
Exports: what becomes of each, as the command line and the dashboard watch it.

One runs at a time. Its file is kept until the next one is asked for.

Elsewhere: `joelclaw.transfer` does the work; `cli/exports.py` tells of it in the official
command line's words.
"""

from typing import Final, Literal, TypeAlias

from joelclaw.functions.contexts import MutationCtx, QueryCtx
from joelclaw.functions.decorators import mutation, query
from joelclaw.schema.marks import Id
from joelclaw.schema.tables import Table
from joelclaw.values.int64 import Int64

Format: TypeAlias = Literal["zip", "jsonl", "json", "csv"]

UNFINISHED: Final = ("requested", "in_progress")


class Export(Table):
    """One file that is, was, or was to be written."""

    __table__ = "_exports"
    state: Literal["requested", "in_progress", "completed", "failed"]
    format: Format
    table_name: str | None = None
    """The one table that is in it; None: all."""

    include_storage: bool = False
    start_ts: Int64 = Int64(0)
    """The snapshot that it shows. The file is asked for by it."""

    complete_ts: Int64 = Int64(0)
    rows_written: float = 0.0
    rows_total: float = 0.0
    size: float = 0.0
    """Of the file, in bytes."""

    message: str = ""
    """Why it has failed."""


@mutation
def request(
    ctx: MutationCtx, format: Format, include_storage: bool, table_name: str | None = None
) -> Id[Export] | None:
    """Begin an export; None: one is running."""
    latest = ctx.db.query(Export).order("desc").first()
    if latest is not None and latest.state in UNFINISHED:
        return None
    return ctx.db.insert(
        Export(state="requested", format=format, table_name=table_name, include_storage=include_storage)
    )


@query
def latest(ctx: QueryCtx) -> Export | None:
    """The newest export."""
    return ctx.db.query(Export).order("desc").first()


@query
def at(ctx: QueryCtx, start_ts: Int64) -> Export | None:
    """The export whose file is kept, if it is of this snapshot."""
    newest = ctx.db.query(Export).order("desc").first()
    return newest if newest is not None and newest.state == "completed" and newest.start_ts == start_ts else None


@mutation
def progress(ctx: MutationCtx, id: Id[Export], start_ts: Int64, rows_written: float, rows_total: float) -> None:
    """How far it is."""
    found = ctx.db.get(id)
    if found is not None and found.state in UNFINISHED:
        ctx.db.patch(found, state="in_progress", start_ts=start_ts, rows_written=rows_written, rows_total=rows_total)


@mutation
def complete(ctx: MutationCtx, id: Id[Export], start_ts: Int64, rows_written: float, size: float) -> None:
    """The file is whole."""
    found = ctx.db.get(id)
    if found is not None and found.state in UNFINISHED:
        ctx.db.patch(
            found,
            state="completed",
            start_ts=start_ts,
            complete_ts=Int64(int(ctx.now() * 1_000_000)),
            rows_written=rows_written,
            rows_total=rows_written,
            size=size,
        )


@mutation
def fail(ctx: MutationCtx, id: Id[Export], reason: str) -> None:
    """There is no file."""
    found = ctx.db.get(id)
    if found is not None and found.state in UNFINISHED:
        ctx.db.patch(found, state="failed", message=reason)
