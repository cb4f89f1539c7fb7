"""
Running jobs: what is due is run, and nothing is polled.

A service beside the protocols. It subscribes to what is due, once for mutations and once for
actions, so that neither waits behind the other. Of each so many run at once: they share group
commits, and a caller finds at most so many jobs before him in a queue, however many are due.

Exactly once, and at most once, are the database's doing (`system/jobs.py`): a job is run or
claimed in the transaction that looks whether it may be. Here nothing is remembered that could
be lost. A subscription's result may be a moment old and hold a job that has run already; it is
not asked for again, only to save the question.

When the server stops, no job is begun any more. Actions are left to end for a while, and how
they ended is written down; what is cut off nevertheless is found at the next start.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from random import getrandbits
from typing import Any, Final

import msgspec
import structlog

from joelclaw.engine.asker import ADMIN
from joelclaw.engine.engine import Engine
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import SystemCallFailed
from joelclaw.functions.calls import Failure, Outcome
from joelclaw.values import wire

DUE: Final = "_system/jobs:due"
RUN: Final = "_system/jobs:run"
CLAIM: Final = "_system/jobs:claim"
RELEASE: Final = "_system/jobs:release"
END: Final = "_system/jobs:end"
RECOVER: Final = "_system/jobs:recover"
FORGETTABLE: Final = "_system/jobs:forgettable"
FORGET: Final = "_system/jobs:forget"

MUTATIONS_AT_ONCE: Final = 32
"""In the writer's queue. Fewer would leave group commits half empty, more keep callers waiting."""

ACTIONS_AT_ONCE: Final = 64
"""At most half of what runs at once may be jobs, besides."""

STEP: Final = 100
"""Jobs that one transaction forgets, or recovers."""

RETRY_S: Final = 1.0
"""What could not be done for a reason that passes (the disk is full, say) is tried again after so long."""

CLOSE_S: Final = 10.0
"""When the server stops, actions have ended by then; only a database that takes nothing can last longer."""

NOT_RUN: Final = frozenset(
    {"store_busy", "store_full", "store_failed", "layout_changed", "shutting_down", "outcome_unknown"}
)
"""Failures of a mutation job's call that say nothing about the job: it is still there, and is run again."""

NOT_BEGUN: Final = frozenset({"too_many_actions", "shutting_down"})
"""Failures of an action that has not begun."""

log = structlog.get_logger("joelclaw.jobs")


class Due(msgspec.Struct, frozen=True):
    """A job whose time has come: one that is tried again is another one, for it has another instant."""

    id: str
    path: str
    at: float


class Jobs:
    """Runs what is due, as long as it runs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._system = SystemCalls(engine)
        self._lines = [
            Line("mutations", lambda: MUTATIONS_AT_ONCE, self._run),
            # Asked for each time: a deploy may bring another limit.
            Line("actions", lambda: max(1, min(ACTIONS_AT_ONCE, engine.limits.actions // 2)), self._run),
        ]

    async def run(self) -> None:
        """Work until cancelled."""
        # Whatever runs according to the database was begun by an earlier life of this server: ours runs nothing yet.
        while await self._tell(RECOVER, limit=STEP):
            pass
        async with asyncio.TaskGroup() as group:
            for line in self._lines:
                group.create_task(line.follow(self._system))
            group.create_task(self._forget())

    async def close(self) -> None:
        """Let what was begun come to its end, and write it down."""
        await self._engine.drain()
        for line in self._lines:
            await line.close()

    # -- one job

    async def _run(self, job: Due) -> bool:
        """Run a job; False if that has to be asked for again."""
        spec = self._engine.find(job.path)
        # Not by the line that it waited in: a deploy may have made something else of the function.
        if spec is not None and spec.kind == "action":
            return await self._run_action(job)
        return await self._run_mutation(job)

    async def _run_mutation(self, job: Due) -> bool:
        request_id = _request_id()
        outcome = await self._engine.mutate(
            RUN, wire.encode({"id": job.id}), ADMIN, request_id=request_id, job=job.id, unrecorded=True
        )
        failure = outcome.failure
        if failure is not None and failure.code in NOT_RUN:
            log.error("a job could not be run", path=job.path, job=job.id, reason=failure.message)
            await asyncio.sleep(RETRY_S)
            return False
        ran = _outcome_of_job(outcome)
        if ran is not None:
            self._engine.tell_run("mutation", job.path, request_id, "Scheduler", ran)
            self._tell_of_failure(job, request_id, ran.failure)
        if failure is None:
            return True
        # It was over its time, or ended its process: nothing of it is left, and it must not come again.
        self._tell_of_failure(job, request_id, failure)
        await self._tell(END, id=job.id, error=failure.message, code=failure.code)
        return True

    async def _run_action(self, job: Due) -> bool:
        args = await self._tell(CLAIM, id=job.id)
        if args is None:
            return True  # It was canceled, or we ask a second time.
        request_id = _request_id()
        outcome = await self._engine.act(job.path, args.encode(), ADMIN, request_id=request_id, job=job.id)
        failure = outcome.failure
        if failure is not None and failure.code in NOT_BEGUN:
            await self._tell(RELEASE, id=job.id)
            await asyncio.sleep(RETRY_S)
            return False
        self._tell_of_failure(job, request_id, failure)
        error, code = (None, "") if failure is None else (failure.message, failure.code)
        await self._tell(END, id=job.id, error=error, code=code)
        return True

    def _tell_of_failure(self, job: Due, request_id: str, failure: Failure | None) -> None:
        if failure is not None:
            log.error(
                "a job failed",
                path=job.path,
                job=job.id,
                request_id=request_id,
                message=failure.message,
                frames=failure.frames,
            )

    # -- the platform's own functions

    async def _forget(self) -> None:
        watch = self._system.watch(FORGETTABLE)
        try:
            while True:
                more = await watch.changed()
                while more:
                    more = await self._tell(FORGET, limit=STEP)
        finally:
            watch.close()

    async def _tell(self, path: str, **arguments: Any) -> Any:
        """Have something written, however often it takes."""
        while True:
            try:
                return await self._system.tell(path, **arguments)
            except SystemCallFailed as error:
                log.error("jobs wait", path=path, reason=error.message)
                await asyncio.sleep(RETRY_S)


class Line:
    """The jobs of one kind that are due, and those of them that run."""

    def __init__(self, name: str, at_once: Callable[[], int], run: Callable[[Due], Coroutine[Any, Any, bool]]) -> None:
        self._name = name
        self._at_once = at_once
        self._run = run
        self._due: list[Due] = []
        self._running: dict[Due, asyncio.Task[bool]] = {}
        self._over: set[Due] = set()
        """Have run, though the newest list that we know may hold them."""

    async def follow(self, system: SystemCalls) -> None:
        """Run what is due until cancelled. What runs then is the owner's to `close`."""
        # As many again as can run: when those are over there are others, before the next list has come.
        watch = system.watch(DUE, line=self._name, limit=2 * self._at_once())
        try:
            while True:
                self._due = msgspec.convert(await watch.changed(), list[Due])
                self._over.intersection_update(self._due)
                self._start()
        finally:
            self._due = []
            watch.close()

    def _start(self) -> None:
        at_once = self._at_once()
        for job in self._due:
            if len(self._running) >= at_once:
                return
            if job not in self._running and job not in self._over:
                task = self._running[job] = asyncio.create_task(self._run(job))
                task.add_done_callback(partial(self._ended, job))

    def _ended(self, job: Due, task: "asyncio.Task[bool]") -> None:
        del self._running[job]
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            log.error("a job could not be run: a defect of the platform", job=job.id, exc_info=error)
        if error is not None or task.result():
            self._over.add(job)
        self._start()

    async def close(self) -> None:
        """Wait for what runs, while the engine answers. What cannot be written down now is found at the next start."""
        if self._running:
            _, cut_off = await asyncio.wait(self._running.values(), timeout=CLOSE_S)
            for task in cut_off:
                task.cancel()


def _outcome_of_job(outcome: Outcome) -> Outcome | None:
    """
    The outcome of a mutation job's function, by that of the system's, which fails only if it cannot finish.

    None: it did not run, for the job was canceled, or we asked a second time.
    """
    if outcome.failure is not None:
        return outcome
    report: Any = wire.decode(outcome.value)
    if report is None or report["error"] is None:
        return None if report is None else outcome
    failure = Failure(message=report["error"], frames=report["frames"], code=report["code"])
    return msgspec.structs.replace(outcome, value=b"null", failure=failure)


def _request_id() -> str:
    return f"{getrandbits(64):016x}"
