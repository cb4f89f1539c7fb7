"""
Imports: what becomes of each, as the command line and the dashboard watch it.

    uploaded -> waiting_for_confirmation -> in_progress -> completed
        any of the first three          -> failed

A file is read, and all of it checked, before anybody is asked whether it shall replace
anything. `completed` is written in the very transaction that brings the documents in, by the
process that does it: an import that is not completed has changed nothing.

Elsewhere: `joelclaw.transfer` does the work; `cli/query_import.py` tells of it in the official
command line's words.
"""

from typing import Final, Literal, TypeAlias

from joelclaw.functions.contexts import MutationCtx, QueryCtx
from joelclaw.functions.decorators import mutation, query
from joelclaw.schema.indexes import index
from joelclaw.schema.marks import Id
from joelclaw.schema.tables import Table
from joelclaw.values.int64 import Int64

Format: TypeAlias = Literal["zip", "jsonLines", "jsonArray", "csv"]
Mode: TypeAlias = Literal["requireEmpty", "append", "replace", "replaceAll"]
State: TypeAlias = Literal["uploaded", "waiting_for_confirmation", "in_progress", "completed", "failed"]

UNFINISHED: Final = ("uploaded", "waiting_for_confirmation", "in_progress")


class Import(Table):
    """One file that is, was, or was to be imported."""

    __table__ = "_imports"
    state: State
    format: Format
    mode: Mode
    table_name: str | None = None
    """The table that all of it is for; a ZIP names its tables itself."""

    message: str = ""
    """What will happen, what is going on, or why it has failed."""

    needs_consent: bool = False
    """Documents would be deleted: somebody has to agree."""

    rows_read: float = 0.0
    rows_written: float = 0.0
    bytes_read: float = 0.0
    bytes_total: float = 0.0
    checkpoints: list[str] = []  # noqa: RUF012 (each document gets its own)
    completed_ts: Int64 = Int64(0)
    """The commit that brought the documents in."""

    by_state = index("state")


@mutation
def create(
    ctx: MutationCtx, format: Format, mode: Mode, bytes_total: float, table_name: str | None = None
) -> Id[Import]:
    """A file has arrived whole."""
    return ctx.db.insert(
        Import(state="uploaded", format=format, mode=mode, table_name=table_name, bytes_total=bytes_total)
    )


@query
def find(ctx: QueryCtx, id: str) -> Import | None:
    """One import; None if there is none of this id."""
    parsed = ctx.db.parse_id(Import, id)
    return None if parsed is None else ctx.db.get(parsed)


@query
def unfinished(ctx: QueryCtx) -> list[Import]:
    """Imports that wait or run, oldest first."""
    return [found for state in UNFINISHED for found in ctx.db.query(Import.by_state, state=state)]


@mutation
def progress(ctx: MutationCtx, id: Id[Import], rows_read: float, bytes_read: float, message: str) -> None:
    """How far it is."""
    found = ctx.db.get(id)
    if found is not None and found.state in UNFINISHED:
        ctx.db.patch(found, rows_read=rows_read, bytes_read=bytes_read, message=message)


@mutation
def staged(
    ctx: MutationCtx, id: Id[Import], rows_read: float, message: str, needs_consent: bool, checkpoints: list[str]
) -> bool:
    """All of it was read and found right. False: it was cancelled meanwhile."""
    found = ctx.db.get(id)
    if found is None or found.state != "uploaded":
        return False
    ctx.db.patch(
        found,
        state="waiting_for_confirmation",
        rows_read=rows_read,
        bytes_read=found.bytes_total,
        message=message,
        needs_consent=needs_consent,
        checkpoints=checkpoints,
    )
    return True


@mutation
def begin(ctx: MutationCtx, id: Id[Import]) -> bool:
    """Bring the documents in from here on. False: it does not wait for that."""
    found = ctx.db.get(id)
    if found is None or found.state != "waiting_for_confirmation":
        return False
    ctx.db.patch(found, state="in_progress", message="Importing")
    return True


@mutation
def fail(ctx: MutationCtx, id: Id[Import], reason: str) -> bool:
    """It has come to nothing, and nothing was changed. False: it is over already."""
    found = ctx.db.get(id)
    if found is None or found.state not in UNFINISHED:
        return False
    ctx.db.patch(found, state="failed", message=reason)
    return True
