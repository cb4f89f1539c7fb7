"""
Crons: when each is due next, the runs that there have been, and that none overlaps itself.

What the app declares is in the manifest, here as in the gateway. `agenda` compares it with what
is kept and with the time: a subscription to it is told at a deploy that changes something, and
when a cron is due. What follows is decided outside (`scheduler/crons.py`), for times of
calendars take a library that isolates do without; it is written down by `plan` and `start`.

A start is one transaction: the job, the run's document, and the next time. So a crash before
it leaves the cron due, and one after it leaves a job that will be run. While that job is not
over, the cron is not due; the job's end is heard of in the transaction that writes it.

Elsewhere: `functions/crons.py` reads declarations; `jobs.py` runs what is started.
"""

from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from joelclaw.errors import AppError
from joelclaw.functions.contexts import MutationCtx, QueryCtx
from joelclaw.functions.decorators import mutation, query
from joelclaw.functions.manifest import CronSpec
from joelclaw.schema.indexes import index
from joelclaw.schema.marks import Id
from joelclaw.schema.structs import Object
from joelclaw.schema.tables import Table
from joelclaw.system.jobs import FINISHED, enqueue
from joelclaw.system.tables import ScheduledJob

RUNS_KEPT: Final = 100
"""Documents in the history of one cron."""


class Cron(Table):
    """A cron of the app, and when it is due."""

    __table__ = "_crons"
    name: str
    schedule: str
    """In words, all of it."""

    definition: str
    """The whole declaration, to see whether it has changed."""

    due_at: float
    free_at: float = 0.0
    """When the last run ended. What fell due before then was missed."""

    job: Id[ScheduledJob] | UnsetType = UNSET
    """Of the run that is not over."""

    by_name = index("name", unique=True)


class CronRun(Table):
    """What came of one due time, or of several that were skipped."""

    __table__ = "_cron_runs"
    cron: str
    outcome: Literal["running", "success", "failed", "canceled", "skipped"]
    due_at: float
    """Skipped: the first of them."""

    skipped: int = 0
    """How many runs there should have been and were not."""

    by_hand: bool = False
    started_at: float | UnsetType = UNSET
    finished_at: float | UnsetType = UNSET
    duration_ms: float | UnsetType = UNSET
    error: str | UnsetType = UNSET
    job: Id[ScheduledJob] | UnsetType = UNSET
    by_cron = index("cron")
    by_job = index("job", unique=True)


class DueCron(Object):
    """A cron whose time has come, with what it takes to say what follows."""

    name: str
    schedule: str
    calendar: str
    tz: str
    every_ms: float
    catch_up: bool
    due_at: float
    free_at: float


class Unplanned(Object):
    """A declared cron that is new or has changed."""

    name: str
    schedule: str
    calendar: str
    tz: str


class Agenda(Object):
    """What there is to do."""

    unplanned: list[Unplanned]
    gone: list[str]
    """Crons that are not declared any more."""

    due: list[DueCron]


class FirstTime(Object):
    """When a cron with this schedule is due first, counted from now."""

    name: str
    schedule: str
    at: float


@query
def agenda(ctx: QueryCtx) -> Agenda:
    """What there is to do now. Looks again when the next cron is due."""
    kept = {row.name: row for row in ctx.db.query(Cron)}
    declared = _declared(ctx)
    due = []
    unplanned = []
    for spec in declared.values():
        row = kept.get(spec.name)
        if row is None or row.definition != _definition(spec):
            unplanned.append(Unplanned(name=spec.name, schedule=spec.schedule, calendar=spec.calendar, tz=spec.tz))
        elif row.job is UNSET and not ctx.before(row.due_at):
            due.append(_due(spec, row))
    return Agenda(unplanned=unplanned, gone=sorted(kept.keys() - declared.keys()), due=due)


@mutation
def plan(ctx: MutationCtx, first: list[FirstTime]) -> None:
    """
    Keep what is declared, and nothing else.

    A cron whose schedule is what it was keeps its next time, so that a deploy neither skips
    nor repeats a run. The others get theirs from `first`; one that has none there waits, for
    the agenda still names it.
    """
    times = {(one.name, one.schedule): one.at for one in first}
    kept = {row.name: row for row in ctx.db.query(Cron).collect()}
    declared = _declared(ctx)
    for name in kept.keys() - declared.keys():
        ctx.db.delete(kept[name])
    for spec in declared.values():
        row = kept.get(spec.name)
        at = times.get((spec.name, spec.schedule))
        if row is not None and row.schedule == spec.schedule:
            ctx.db.patch(row, definition=_definition(spec))
        elif row is not None and at is not None:
            ctx.db.patch(row, definition=_definition(spec), schedule=spec.schedule, due_at=at)
        elif at is not None:
            row = Cron(name=spec.name, schedule=spec.schedule, definition=_definition(spec), due_at=at)
            row.job = _running_job(ctx, spec.name)
            ctx.db.insert(row)


@mutation
def start(
    ctx: MutationCtx, name: str, due_at: float, run_for: float | None, skipped: int, next_at: float
) -> Id[ScheduledJob] | None:
    """
    A cron is due: run it for one of its due times, or for none, note those that are skipped, set the next time.

    Only if it is still due as it was when that was decided; the job, if there is one.
    """
    spec = _declared(ctx).get(name)
    row = ctx.db.find(Cron.by_name, name=name)
    if spec is None or row is None or row.definition != _definition(spec):
        return None  # A deploy has come between: the agenda says so.
    if row.due_at != due_at or row.job is not UNSET:
        return None  # It was decided already.
    if skipped:
        ctx.db.insert(CronRun(cron=name, outcome="skipped", due_at=due_at, skipped=skipped))
    job = UNSET if run_for is None else _begin(ctx, spec, run_for, by_hand=False)
    ctx.db.patch(row, due_at=next_at, job=job)
    _forget_old(ctx, name)
    return None if job is UNSET else job


# -- for people


class CronInfo(Object):
    """A cron as it is listed."""

    name: str
    schedule: str
    function: str
    args: str
    """Wire JSON of the argument object."""

    next_at: float
    running: bool
    last: CronRun | None
    """The newest document of its history."""


@query(name="list")
def list_all(ctx: QueryCtx) -> list[CronInfo]:
    """All crons, by name."""
    declared = _declared(ctx)
    rows = sorted(ctx.db.query(Cron), key=lambda row: row.name)
    return [
        CronInfo(
            name=row.name,
            schedule=row.schedule,
            function=declared[row.name].function,
            args=declared[row.name].args,
            next_at=row.due_at,
            running=row.job is not UNSET,
            last=ctx.db.query(CronRun.by_cron, cron=row.name).order("desc").first(),
        )
        for row in rows
        if row.name in declared
    ]


@query
def history(ctx: QueryCtx, name: str | None = None, limit: int = 50) -> list[CronRun]:
    """The newest runs, of one cron or of all, newest first. Those of crons that are gone are still there."""
    if name is None:
        return ctx.db.query(CronRun).order("desc").take(limit)
    return ctx.db.query(CronRun.by_cron, cron=name).order("desc").take(limit)


@mutation
def run(ctx: MutationCtx, name: str) -> Id[ScheduledJob]:
    """Run a cron now, by hand; its job. When it is due next does not change."""
    spec = _declared(ctx).get(name)
    row = ctx.db.find(Cron.by_name, name=name)
    if spec is None or row is None:
        names = ", ".join(sorted(_declared(ctx))) or "none"
        raise AppError(f"there is no cron {name!r}; there are: {names}")
    if row.job is not UNSET:
        raise AppError(f"{name} is running, and a cron never overlaps itself; wait until it has ended")
    job = _begin(ctx, spec, ctx.now(), by_hand=True)
    ctx.db.patch(row, job=job)
    _forget_old(ctx, name)
    return job


# -- inside


def _declared(ctx: QueryCtx) -> dict[str, CronSpec]:
    return {spec.name: spec for spec in ctx.db.run.app.manifest.crons}


def _definition(spec: CronSpec) -> str:
    return msgspec.json.encode([spec.schedule, spec.function, spec.args, spec.catch_up]).decode()


def _due(spec: CronSpec, row: Cron) -> DueCron:
    return DueCron(
        name=spec.name,
        schedule=spec.schedule,
        calendar=spec.calendar,
        tz=spec.tz,
        every_ms=spec.every_ms,
        catch_up=spec.catch_up,
        due_at=row.due_at,
        free_at=row.free_at,
    )


def _begin(ctx: MutationCtx, spec: CronSpec, due_at: float, *, by_hand: bool) -> Id[ScheduledJob]:
    now = ctx.now()
    job = enqueue(ctx, path=spec.function, args=spec.args.encode(), at=now)
    ctx.db.insert(CronRun(cron=spec.name, outcome="running", due_at=due_at, by_hand=by_hand, started_at=now, job=job))
    return job


def _running_job(ctx: QueryCtx, name: str) -> Id[ScheduledJob] | UnsetType:
    """The job of the run that is not over: a deploy may have removed a cron in the middle of one and bring it back."""
    newest = ctx.db.query(CronRun.by_cron, cron=name).order("desc").first()
    return newest.job if newest is not None and newest.outcome == "running" else UNSET


def _forget_old(ctx: MutationCtx, name: str) -> None:
    runs = ctx.db.query(CronRun.by_cron, cron=name)
    surplus = runs.count() - RUNS_KEPT
    for old in runs.take(surplus) if surplus > 0 else []:
        ctx.db.delete(old)


def _note_end(ctx: MutationCtx, job: ScheduledJob) -> None:
    """A job is over. If it was a cron's run, that is over, too."""
    run = ctx.db.find(CronRun.by_job, job=job.id)
    if run is None:
        return
    now = ctx.now()
    assert job.state.kind in ("success", "failed", "canceled")
    assert run.started_at is not UNSET
    ctx.db.patch(run, outcome=job.state.kind, finished_at=now, duration_ms=now - run.started_at, error=job.state.error)
    cron = ctx.db.find(Cron.by_name, name=run.cron)
    if cron is not None and cron.job == job.id:
        ctx.db.patch(cron, job=UNSET, free_at=now)


FINISHED.append(_note_end)
