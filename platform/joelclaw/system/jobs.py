"""
Jobs: functions that run later, once, without anybody waiting for them.

A job is two documents. `ScheduledJob` is what apps and clients read. `QueueEntry` is private
and small: in which line the job stands, and when something is to be done about it. So what
is due is found by one index however many jobs wait, and without reading their arguments.

A mutation job runs inside the transaction that writes its end (`run`): nobody ever sees it
half done, and whoever finds it ended does not run it again. An action's effects are outside of
any transaction. It is claimed in one (`claim`), runs, and is ended in another (`end`); whoever
finds it claimed after a crash knows only that it began. It has failed then, or is tried again
if it was declared with `retry=` (`recover`).

A job has no identity, and the rights of the platform: whoever schedules a function may call it.

Elsewhere: `functions/scheduling.py` is what functions see of this; `scheduler/jobs.py`
subscribes to `due` and asks for the runs.
"""

from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

from msgspec import UNSET

from joelclaw.errors import LimitExceeded, Misuse
from joelclaw.functions.calls import Call
from joelclaw.functions.contexts import MutationCtx, QueryCtx
from joelclaw.functions.decorators import mutation, query
from joelclaw.functions.retries import RetrySpec
from joelclaw.functions.running import run_mutation
from joelclaw.limits import setting
from joelclaw.schema.bounds import lte
from joelclaw.schema.indexes import index
from joelclaw.schema.marks import Id
from joelclaw.schema.structs import Object
from joelclaw.schema.tables import Table
from joelclaw.system.tables import JobAttempt, JobState, ScheduledJob
from joelclaw.values import wire

KEPT_MS: Final = 7 * 86_400_000.0
"""How long a job can be looked at after its end."""

Line: TypeAlias = Literal["mutations", "actions", "running", "ended"]
"""Waits to run, as a mutation or as an action; runs; is over and waits to be forgotten."""

STEP_BYTES: Final = 2 * 2**20
"""A transaction over many jobs goes no further when it has read so much: one may have megabytes of arguments."""

ATTEMPT_ERROR_LENGTH_MAX: Final = 4_096
"""Characters that are kept of why one attempt failed; the job's own state has all of the last one."""

FINAL_CODES: Final = frozenset({"arguments_refused", "function_not_found", "wrong_kind"})
"""Failures that trying again cannot mend: only a deploy could."""

CUT_OFF: Final = (
    "The server or the process that ran this action ended before the action did. It may have done part of its work."
)
DECLARE_RETRY: Final = "To have such a one run again, declare it with @action(retry=...)."

FINISHED: Final[list[Callable[[MutationCtx, ScheduledJob], None]]] = []
"""Called when a job has come to its end, in the same transaction. Whoever schedules for the platform adds to it."""


class QueueEntry(Table):
    """What is to be done about a job, and when."""

    __table__ = "_job_queue"
    job: Id[ScheduledJob]
    path: str
    line: Line
    at: float
    """Waits: when it is due. Runs: since when. Ended: when it is forgotten."""

    by_job = index("job", unique=True)
    by_line = index("line", "at")


class JobCount(Table):
    """How many jobs have not ended. One document: counting them would read them all."""

    __table__ = "_job_count"
    outstanding: int


class DueJob(Object):
    """A job whose time has come."""

    id: Id[ScheduledJob]
    path: str
    at: float


class Backlog(Object):
    """What is still to be run."""

    outstanding: int
    next_at: float | None
    """When the first of those that wait is due, or was."""


# -- scheduling


def enqueue(ctx: MutationCtx, *, path: str, args: bytes | Any, at: float) -> Id[ScheduledJob]:
    """
    Have the function at this path run at an instant, if this transaction is committed.

    `args` is one argument object: a value, or its wire JSON.

    Raises:
        LimitExceeded: Too many jobs have not ended yet.
    """
    count, limit = _count(ctx), ctx.db.run.app.limits.scheduled_outstanding
    if count.outstanding >= limit:
        raise LimitExceeded(
            f"Too many scheduled functions wait for their time (limit: {limit}). Consider scheduling one function "
            f"that goes through the work and schedules itself again, or {setting('scheduled_outstanding')}."
        )
    value = wire.decode(args) if isinstance(args, bytes) else args
    parent = None if ctx.db.run.call.job is None else _find(ctx, ctx.db.run.call.job)
    canceled = parent is not None and parent.state.kind == "canceled"
    job = ScheduledJob(name=path, args=[value], scheduled_time=at, state=JobState(kind="pending"))
    ctx.db.insert(job)
    ctx.db.insert(QueueEntry(job=job.id, path=path, line=_line_of(ctx, path), at=at))
    ctx.db.patch(count, outstanding=count.outstanding + 1)
    if canceled:
        # It would have been left out, had whoever canceled the parent come before this line.
        _finish(ctx, job, JobState(kind="canceled"))
    return job.id


@mutation
def schedule(ctx: MutationCtx, path: str, args: str, at: float) -> Id[ScheduledJob]:
    """Have a function run at an instant. `args` is the wire JSON of its argument object."""
    return enqueue(ctx, path=path, args=args.encode(), at=at)


@mutation
def cancel(ctx: MutationCtx, id: Id[ScheduledJob]) -> None:
    """
    Let a job not run. One that is over, or is forgotten, stays what it is.

    An action that runs already goes on, but schedules nothing any more and is not tried again.
    """
    known = ctx.db.parse_id(ScheduledJob, id) if isinstance(id, str) else None
    if known is None:
        raise Misuse(
            f"scheduler.cancel: {id!r:.80} is no id of a scheduled job; give what run_after or run_at returned"
        )
    job = ctx.db.get(known)
    if job is not None and job.state.kind in ("pending", "inProgress"):
        _finish(ctx, job, JobState(kind="canceled"))


# -- running


@query
def due(ctx: QueryCtx, line: Line, limit: int) -> list[DueJob]:
    """Jobs of a line whose time has come, the earliest first. Looks again when the next one's has."""
    found: list[DueJob] = []
    for entry in ctx.db.query(QueueEntry.by_line, line=line):
        if len(found) == limit or ctx.before(entry.at):
            break
        found.append(DueJob(id=entry.job, path=entry.path, at=entry.at))
    return found


class RunReport(Object):
    """How the run of a mutation job went, for the log."""

    error: str | None = None
    frames: str = ""
    code: str = ""


@mutation
def run(ctx: MutationCtx, id: Id[ScheduledJob]) -> RunReport | None:
    """Run a mutation job and write down its end, in one transaction. None: it is not to be run."""
    job = ctx.db.get(id)
    if job is None or job.state.kind != "pending":
        return None  # It was canceled, or we ask a second time.
    outer = ctx.db.run
    txn = outer.txn
    assert txn is not None
    # A run of its own: with the limits of a call from outside, and a failure that is told like one.
    call = Call(
        path=job.name,
        args=wire.encode(job.args[0]),
        privileged=True,
        request_id=outer.call.request_id,
        now=outer.now_ms,
        job=id,
    )
    savepoint = txn.savepoint()
    outcome = run_mutation(outer.app, txn, call, outer.hooks)
    if outcome.failure is None:
        txn.release(savepoint)
        _finish(ctx, ctx.db.require(id), JobState(kind="success"))
        return RunReport()
    txn.rollback_to(savepoint)
    error = _explained(ctx, job, outcome.failure.message, outcome.failure.code)
    _finish(ctx, job, JobState(kind="failed", error=error))
    return RunReport(error=error, frames=outcome.failure.frames, code=outcome.failure.code)


@mutation
def claim(ctx: MutationCtx, id: Id[ScheduledJob]) -> str | None:
    """Take an action job in order to run it: the wire JSON of its argument object. None: it is not to be run."""
    job = ctx.db.get(id)
    if job is None or job.state.kind != "pending":
        return None
    ctx.db.patch(job, state=JobState(kind="inProgress"))
    _move(ctx, id, "running", ctx.now())
    return wire.encode(job.args[0]).decode()


@mutation
def release(ctx: MutationCtx, id: Id[ScheduledJob]) -> None:
    """An action job that was claimed has not begun: let it be due again."""
    job = ctx.db.get(id)
    if job is not None and job.state.kind == "inProgress":
        ctx.db.patch(job, state=JobState(kind="pending"))
        _move(ctx, id, "actions", ctx.now())


@mutation
def end(ctx: MutationCtx, id: Id[ScheduledJob], error: str | None, code: str) -> None:
    """
    An action job that was claimed has run, or a mutation job could not; why it failed, if it did.

    What was canceled meanwhile stays canceled.
    """
    job = ctx.db.get(id)
    if job is not None and job.state.kind in ("pending", "inProgress"):
        _end_attempt(ctx, job, None if error is None else _explained(ctx, job, error, code), code)


@mutation
def recover(ctx: MutationCtx, limit: int) -> bool:
    """At the start: end the attempts that an earlier life of the server began; whether there may be more."""
    cut_off = ctx.db.query(QueueEntry.by_line, line="running").take(limit)
    for entry in cut_off:
        if ctx.db.run.bytes_read > STEP_BYTES:
            return True
        job = ctx.db.get(entry.job)
        if job is not None:
            error = CUT_OFF if _retry_of(ctx, job) is not None else f"{CUT_OFF} {DECLARE_RETRY}"
            _end_attempt(ctx, job, error, "cut_off")
    return len(cut_off) == limit


# -- watching over them


@query
def backlog(ctx: QueryCtx) -> Backlog:
    """How many jobs have not ended, and since when the one that is most overdue could have begun."""
    count = ctx.db.query(JobCount).first()
    first = [
        entry.at
        for line in ("mutations", "actions")
        if (entry := ctx.db.query(QueueEntry.by_line, line=line).first()) is not None
    ]
    return Backlog(outstanding=0 if count is None else count.outstanding, next_at=min(first, default=None))


# -- forgetting


@query
def forgettable(ctx: QueryCtx) -> bool:
    """Is there a job that nobody needs to see any more? Looks again when there is."""
    entry = ctx.db.query(QueueEntry.by_line, line="ended").first()
    return entry is not None and not ctx.before(entry.at)


@mutation
def forget(ctx: MutationCtx, limit: int) -> bool:
    """Remove jobs that ended long ago; whether there may be more."""
    old = ctx.db.query(QueueEntry.by_line, line="ended", at=lte(ctx.now())).take(limit)
    for entry in old:
        if ctx.db.run.bytes_read > STEP_BYTES:
            return True
        if ctx.db.get(entry.job) is not None:
            ctx.db.delete(entry.job)
        ctx.db.delete(entry)
    return len(old) == limit


# -- inside


def _find(ctx: QueryCtx, id: str) -> ScheduledJob | None:
    known = ctx.db.parse_id(ScheduledJob, id)
    return None if known is None else ctx.db.get(known)


def _line_of(ctx: QueryCtx, path: str) -> Line:
    """Where it waits. What a deploy has made of the function meanwhile is seen when it runs."""
    function = ctx.db.run.app.functions.get(path)
    return "actions" if function is not None and function.kind == "action" else "mutations"


def _count(ctx: MutationCtx) -> JobCount:
    count = ctx.db.query(JobCount).first()
    if count is None:
        count = JobCount(outstanding=0)
        ctx.db.insert(count)
    return count


def _move(ctx: MutationCtx, id: Id[ScheduledJob], line: Line, at: float) -> None:
    entry = ctx.db.find(QueueEntry.by_job, job=id)
    assert entry is not None, "a job and its entry come and go together"
    ctx.db.patch(entry, line=line, at=at)


def _finish(ctx: MutationCtx, job: ScheduledJob, state: JobState) -> None:
    """This is the end of the job, unless it has had one: a function may cancel the job that it runs for."""
    if job.completed_time is not UNSET:
        return
    now = ctx.now()
    ctx.db.patch(job, state=state, completed_time=now)
    count = _count(ctx)
    ctx.db.patch(count, outstanding=count.outstanding - 1)
    _move(ctx, job.id, "ended", now + KEPT_MS)
    for tell in FINISHED:
        tell(ctx, job)


def _end_attempt(ctx: MutationCtx, job: ScheduledJob, error: str | None, code: str) -> None:
    state = JobState(kind="success") if error is None else JobState(kind="failed", error=error)
    retry = _retry_of(ctx, job)
    if retry is not None:
        _note_attempt(ctx, job, error)
        attempts = [] if job.attempts is UNSET else job.attempts
        if error is not None and code not in FINAL_CODES and len(attempts) < retry.attempts:
            at = ctx.now() + retry.delay_ms(len(attempts), ctx.random.random())
            ctx.db.patch(job, state=JobState(kind="pending"), scheduled_time=at)
            _move(ctx, job.id, "actions", at)
            return
    _finish(ctx, job, state)


def _retry_of(ctx: QueryCtx, job: ScheduledJob) -> RetrySpec | None:
    function = ctx.db.run.app.functions.get(job.name)
    return None if function is None else function.spec.retry


def _note_attempt(ctx: MutationCtx, job: ScheduledJob, error: str | None) -> None:
    entry = ctx.db.find(QueueEntry.by_job, job=job.id)
    assert entry is not None, "a job and its entry come and go together"
    began = entry.at if entry.line == "running" else ctx.now()
    told = UNSET if error is None else error[:ATTEMPT_ERROR_LENGTH_MAX]
    attempt = JobAttempt(started_at=began, ended_at=ctx.now(), error=told)
    earlier = [] if job.attempts is UNSET else job.attempts
    ctx.db.patch(job, attempts=[*earlier, attempt])


def _explained(ctx: QueryCtx, job: ScheduledJob, error: str, code: str) -> str:
    """Why a job failed, in words for whoever reads it later."""
    if code == "function_not_found" and job.name not in ctx.db.run.app.functions:
        return (
            f"Attempted to run a scheduled function at nonexistent path: {job.name}. "
            f"A deploy has removed or renamed it since the job was scheduled"
        )
    return error
