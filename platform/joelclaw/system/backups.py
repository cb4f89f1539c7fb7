"""
Backups: when the next is due, what came of those that were made, and whether all is well.

What joelclaw.toml declares is in the gateway, and functions do not see it. So the service writes down
its schedule (`declare`) and reads it back as a subscription (`due`), which is told when the time has
come. An attempt, at a backup or at a drill of one, is written down when it is over (`record`), in the
transaction that moves the next one: after a crash in the middle of one there is nothing to clear up, it
is due still.

A backup that has failed stays due; only the next attempt is later. So a plan tells by itself for how
long there should have been a backup.

Elsewhere: `scheduler/backups.py` works this off; `joelclaw.backup` makes backups, and leaves notes of
those that are made by hand.
"""

from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from joelclaw.functions.contexts import MutationCtx, QueryCtx
from joelclaw.functions.decorators import mutation, query
from joelclaw.schema.indexes import index
from joelclaw.schema.structs import Object
from joelclaw.schema.tables import Table

KEPT: Final = 100
"""Attempts at each kind of work that are kept."""

OVERDUE_MS: Final = 2 * 3_600_000.0
"""A backup that is later than this is overdue, whatever the reason."""

DRILL_RETRY_MS: Final = 3_600_000.0
"""A drill that failed is tried again after so long: a restore takes room, and a bucket that was away may be back."""

Work: TypeAlias = Literal["backup", "drill"]
Outcome: TypeAlias = Literal["success", "failed"]


class BackupPlan(Table):
    """When the next backup is due. One document, or none: then nobody wants backups by the clock."""

    __table__ = "_backup_plan"
    schedule: str
    """Calendar and time zone, to see whether they have changed."""

    due_at: float
    attempt_at: float
    """When it is tried (again)."""


class BackupAttempt(Table):
    """A backup that was made, or restored into a scratch folder to see whether it can be; or why not."""

    __table__ = "_backups"
    work: Work
    outcome: Outcome
    begun_at: float
    ended_at: float
    by_hand: bool = False
    name: str = ""
    size: float = 0.0
    documents: float = 0.0
    files: float = 0.0
    sampled: list[str] = []  # noqa: RUF012 (each document gets its own)
    """Tables too large for a drill to look at each document."""

    checked_with: str = ""
    """Which app a drill looked at documents with: `version 7`. Empty: none, or it was no drill."""

    destinations: list[str] = []  # noqa: RUF012
    error: str = ""
    by_work = index("work", "begun_at")


class BackupHealth(Object):
    """Whether backups are well."""

    ok: bool
    problem: str


class DueWork(Object):
    """Work whose time has come."""

    backup_at: float | None
    """Since when a backup is to be tried; None: it is not its time."""

    drill_at: float | None
    """Since when a drill that failed is to be tried again."""

    drilled_at: float | None
    """When a drill has succeeded last."""


@query
def plan(ctx: QueryCtx) -> BackupPlan | None:
    """When the next backup is due; None: none is declared."""
    return ctx.db.query(BackupPlan).first()


@query
def due(ctx: QueryCtx) -> DueWork | None:
    """What to do now, if there is anything. Looks again when the next is due."""
    planned = ctx.db.query(BackupPlan).first()
    if planned is None:
        return None
    backup_at = None if ctx.before(planned.attempt_at) else planned.attempt_at
    last = _newest(ctx, "drill")
    failed_at = last.ended_at if last is not None and last.outcome == "failed" else None
    drill_at = None if failed_at is None or ctx.before(failed_at + DRILL_RETRY_MS) else failed_at + DRILL_RETRY_MS
    if backup_at is None and drill_at is None:
        return None
    drilled = ctx.db.query(BackupAttempt.by_work, work="drill").order("desc").filter(_succeeded).first()
    return DueWork(backup_at=backup_at, drill_at=drill_at, drilled_at=None if drilled is None else drilled.ended_at)


@query
def health(ctx: QueryCtx) -> BackupHealth | None:
    """Whether backups are made as declared, and can be restored; None: none is declared."""
    planned = ctx.db.query(BackupPlan).first()
    if planned is None:
        return None
    problem = _problem(ctx, planned)
    return BackupHealth(ok=not problem, problem=problem)


@query(name="list")
def list_all(ctx: QueryCtx, limit: int = 50) -> list[BackupAttempt]:
    """The newest attempts at backups, newest first."""
    return ctx.db.query(BackupAttempt.by_work, work="backup").order("desc").take(limit)


@query
def drills(ctx: QueryCtx, limit: int = 50) -> list[BackupAttempt]:
    """The newest drills, newest first."""
    return ctx.db.query(BackupAttempt.by_work, work="drill").order("desc").take(limit)


@mutation
def declare(ctx: MutationCtx, schedule: str, at: float) -> None:
    """Keep a schedule, first due at an instant. One that is kept already stays due when it was."""
    planned = ctx.db.query(BackupPlan).first()
    if planned is None:
        ctx.db.insert(BackupPlan(schedule=schedule, due_at=at, attempt_at=at))
    elif planned.schedule != schedule:
        ctx.db.patch(planned, schedule=schedule, due_at=at, attempt_at=at)


@mutation
def withdraw(ctx: MutationCtx) -> None:
    """Plan no backups any more."""
    for planned in ctx.db.query(BackupPlan).collect():
        ctx.db.delete(planned)


@mutation
def record(
    ctx: MutationCtx,
    work: Work,
    outcome: Outcome,
    begun_at: float,
    ended_at: float,
    by_hand: bool = False,
    next_at: float | None = None,
    name: str = "",
    size: float = 0.0,
    documents: float = 0.0,
    files: float = 0.0,
    sampled: list[str] = [],  # noqa: B006 (never changed)
    checked_with: str = "",
    destinations: list[str] = [],  # noqa: B006
    error: str = "",
) -> None:
    """
    An attempt is over. `next_at` is the next backup's time, or that of another attempt at this one.

    One that was recorded already is passed over: who has told us may have died before he knew.
    """
    if ctx.db.query(BackupAttempt.by_work, work=work, begun_at=begun_at).first() is not None:
        return
    ctx.db.insert(
        BackupAttempt(
            work=work,
            outcome=outcome,
            begun_at=begun_at,
            ended_at=ended_at,
            by_hand=by_hand,
            name=name,
            size=size,
            documents=documents,
            files=files,
            sampled=sampled,
            checked_with=checked_with,
            destinations=destinations,
            error=error,
        )
    )
    planned = ctx.db.query(BackupPlan).first()
    if work == "backup" and planned is not None and next_at is not None:
        if outcome == "failed":
            ctx.db.patch(planned, attempt_at=next_at)
        # One that was made by hand is in the place of one that is due, not of one to come.
        elif not by_hand or begun_at >= planned.due_at:
            ctx.db.patch(planned, attempt_at=next_at, due_at=next_at)
    _forget_old(ctx, work)


# -- inside


def _problem(ctx: QueryCtx, planned: BackupPlan) -> str:
    last = _newest(ctx, "backup")
    if last is not None and last.outcome == "failed":
        return f"the last backup failed at {_time(last.ended_at)}: {last.error}"
    if not ctx.before(planned.due_at + OVERDUE_MS):
        return f"a backup was due at {_time(planned.due_at)}, and there is none yet"
    drill = _newest(ctx, "drill")
    if drill is not None and drill.outcome == "failed":
        return f"the last drill failed at {_time(drill.ended_at)}: {drill.error}"
    return ""


def _newest(ctx: QueryCtx, work: Work) -> BackupAttempt | None:
    return ctx.db.query(BackupAttempt.by_work, work=work).order("desc").first()


def _succeeded(attempt: BackupAttempt) -> bool:
    return attempt.outcome == "success"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _forget_old(ctx: MutationCtx, work: Work) -> None:
    rows = ctx.db.query(BackupAttempt.by_work, work=work)
    surplus = rows.count() - KEPT
    for old in rows.take(surplus) if surplus > 0 else []:
        ctx.db.delete(old)
