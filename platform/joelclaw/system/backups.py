"""
Backups by the clock: when the next is due, what came of those that were made, and whether all is well.

What joelclaw.toml declares is in the gateway, and functions do not see it. So the service writes down
its schedule (`declare`) and reads it back as a subscription (`due`), which is told when the time has
come. An attempt is written down when it is over (`record`), in the transaction that moves the next
one: after a crash in the middle of one there is nothing to clear up, the backup is due still.

A backup that has failed stays due; only the next attempt is later. So a plan tells by itself for how
long there should have been a backup.

Elsewhere: `scheduler/backups.py` works this off; `joelclaw.backup` makes backups, and those that
`joelclaw backup now` makes by hand are not written down here.
"""

from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from joelclaw.functions.contexts import MutationCtx, QueryCtx
from joelclaw.functions.decorators import mutation, query
from joelclaw.schema.indexes import index
from joelclaw.schema.structs import Object
from joelclaw.schema.tables import Table

KEPT: Final = 100
"""Documents in each history."""

OVERDUE_MS: Final = 2 * 3_600_000.0
"""A backup that is later than this is overdue, whatever the reason."""

Outcome: TypeAlias = Literal["success", "failed"]


class BackupPlan(Table):
    """When the next backup is due. One document, or none: then nobody wants backups by the clock."""

    __table__ = "_backup_plan"
    schedule: str
    """Calendar and time zone, to see whether they have changed."""

    due_at: float
    attempt_at: float
    """When it is tried (again)."""


class BackupRun(Table):
    """An attempt to make a backup that is over."""

    __table__ = "_backups"
    outcome: Outcome
    begun_at: float
    ended_at: float
    name: str = ""
    size: float = 0.0
    documents: float = 0.0
    files: float = 0.0
    destinations: list[str] = []  # noqa: RUF012 (each document gets its own)
    error: str = ""


class BackupDrill(Table):
    """A backup that was restored into a scratch folder, to see whether it can be."""

    __table__ = "_drills"
    outcome: Outcome
    begun_at: float
    ended_at: float
    name: str = ""
    documents: float = 0.0
    files: float = 0.0
    error: str = ""
    by_outcome = index("outcome")


class BackupHealth(Object):
    """Whether backups are well."""

    ok: bool
    problem: str


class DueBackup(Object):
    """A backup whose time has come."""

    attempt_at: float
    drilled_at: float | None
    """When a drill has succeeded last."""


@query
def plan(ctx: QueryCtx) -> BackupPlan | None:
    """When the next backup is due; None: none is declared."""
    return ctx.db.query(BackupPlan).first()


@query
def due(ctx: QueryCtx) -> DueBackup | None:
    """The backup to make now, if there is one. Looks again when the next is due."""
    planned = ctx.db.query(BackupPlan).first()
    if planned is None or ctx.before(planned.attempt_at):
        return None
    drilled = ctx.db.query(BackupDrill.by_outcome, outcome="success").order("desc").first()
    return DueBackup(attempt_at=planned.attempt_at, drilled_at=None if drilled is None else drilled.ended_at)


@query
def health(ctx: QueryCtx) -> BackupHealth | None:
    """Whether backups are made as declared, and can be restored; None: none is declared."""
    planned = ctx.db.query(BackupPlan).first()
    if planned is None:
        return None
    problem = _problem(ctx, planned)
    return BackupHealth(ok=not problem, problem=problem)


@query(name="list")
def list_all(ctx: QueryCtx, limit: int = 50) -> list[BackupRun]:
    """The newest attempts, newest first."""
    return ctx.db.query(BackupRun).order("desc").take(limit)


@query
def drills(ctx: QueryCtx, limit: int = 50) -> list[BackupDrill]:
    """The newest drills, newest first."""
    return ctx.db.query(BackupDrill).order("desc").take(limit)


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
    outcome: Outcome,
    begun_at: float,
    ended_at: float,
    next_at: float,
    name: str = "",
    size: float = 0.0,
    documents: float = 0.0,
    files: float = 0.0,
    destinations: list[str] = [],  # noqa: B006 (never changed)
    error: str = "",
) -> None:
    """An attempt is over. `next_at` is the next backup's time, or that of another attempt at this one."""
    ctx.db.insert(
        BackupRun(
            outcome=outcome,
            begun_at=begun_at,
            ended_at=ended_at,
            name=name,
            size=size,
            documents=documents,
            files=files,
            destinations=destinations,
            error=error,
        )
    )
    planned = ctx.db.query(BackupPlan).first()
    if planned is not None:
        ctx.db.patch(planned, attempt_at=next_at, due_at=next_at if outcome == "success" else planned.due_at)
    _forget_old(ctx, BackupRun)


@mutation
def record_drill(
    ctx: MutationCtx,
    outcome: Outcome,
    begun_at: float,
    ended_at: float,
    name: str = "",
    documents: float = 0.0,
    files: float = 0.0,
    error: str = "",
) -> None:
    """A drill is over."""
    ctx.db.insert(
        BackupDrill(
            outcome=outcome,
            begun_at=begun_at,
            ended_at=ended_at,
            name=name,
            documents=documents,
            files=files,
            error=error,
        )
    )
    _forget_old(ctx, BackupDrill)


# -- inside


def _problem(ctx: QueryCtx, planned: BackupPlan) -> str:
    last = ctx.db.query(BackupRun).order("desc").first()
    if last is not None and last.outcome == "failed":
        return f"the last backup failed at {_time(last.ended_at)}: {last.error}"
    if not ctx.before(planned.due_at + OVERDUE_MS):
        return f"a backup was due at {_time(planned.due_at)}, and there is none yet"
    drill = ctx.db.query(BackupDrill).order("desc").first()
    if drill is not None and drill.outcome == "failed":
        return f"the last drill failed at {_time(drill.ended_at)}: {drill.error}"
    return ""


def _time(at: float) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _forget_old(ctx: MutationCtx, table: type[BackupRun] | type[BackupDrill]) -> None:
    rows = ctx.db.query(table)
    surplus = rows.count() - KEPT
    for old in rows.take(surplus) if surplus > 0 else []:
        ctx.db.delete(old)
