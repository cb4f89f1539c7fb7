"""
Running crons: what is due is started, and when it is due next is computed.

A service beside the protocols. It is told by subscription what the manifest has new and which
crons are due, and decides what follows: `decide` is pure. Nothing is kept here; what was decided
on an old view of things is refused by the database (`system/crons.py`), and decided again.

Started means scheduled: the run itself is a job like others (`jobs.py`).
"""

import asyncio
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from joelclaw.clock import Clock
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import SystemCallFailed
from joelclaw.scheduler.calendars import calendar_times, interval_times

AGENDA: Final = "_system/crons:agenda"
PLAN: Final = "_system/crons:plan"
START: Final = "_system/crons:start"

LATE_MS: Final = 60_000.0
"""A run that is no later than this has not been missed: a restart takes a few seconds."""

COUNTED_MAX: Final = 1_000
"""Runs that were missed are counted up to here: a cron of every minute may have missed a year."""

RETRY_S: Final = 1.0
"""What failed (the disk is full, say) is tried again after so long."""

log = structlog.get_logger("joelclaw.scheduler")


class Due(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A cron whose time has come."""

    name: str
    schedule: str = ""
    calendar: str = ""
    tz: str = ""
    every_ms: float = 0.0
    catch_up: bool = False
    due_at: float
    free_at: float = 0.0
    """When its last run ended."""

    def times_after(self, at: float) -> Iterator[float]:
        """When it is due after an instant."""
        if self.calendar:
            return calendar_times(self.calendar, self.tz, at)
        return interval_times(self.every_ms, self.due_at, at)


class _Unplanned(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    schedule: str
    calendar: str
    tz: str

    def first_time(self, now: float) -> float:
        """An interval begins now, a calendar at its next time."""
        return next(calendar_times(self.calendar, self.tz, now)) if self.calendar else now


class _Agenda(msgspec.Struct, frozen=True, kw_only=True):
    unplanned: list[_Unplanned]
    gone: list[str]
    due: list[Due]


class Decision(NamedTuple):
    """What becomes of a cron that is due."""

    run_for: float | None
    """The due time that is run for; None: all were missed."""

    skipped: int
    next_at: float


def decide(due: Due, now: float) -> Decision:
    """
    What follows when a cron is found due.

    Several of its times may have come: while its last run was not over, or while nobody served.
    At most one run is made for all of them, the newest: if it is not missed, or if the cron
    catches up. Missed is what fell due before the last run ended, or more than `LATE_MS` ago.
    """
    count, newest = 0, due.due_at
    for at in chain([due.due_at], due.times_after(due.due_at)):
        if at > now or count == COUNTED_MAX:
            break
        count, newest = count + 1, at
    for at in due.times_after(max(newest, now - LATE_MS)):
        if at > now:
            break
        newest = at  # Beyond those that were counted.
    missed = newest <= due.free_at or newest < now - LATE_MS
    next_at = next(due.times_after(now))
    if missed and not due.catch_up:
        return Decision(None, count, next_at)
    return Decision(newest, count - 1, next_at)


class Crons:
    """Starts crons when they are due, as long as it runs."""

    def __init__(self, system: SystemCalls, clock: Clock) -> None:
        self._system = system
        self._clock = clock

    async def run(self) -> None:
        """Work until cancelled."""
        watch = self._system.watch(AGENDA)
        try:
            while True:
                agenda = await watch.changed()
                while not await self._work_off(msgspec.convert(agenda, _Agenda)):
                    await asyncio.sleep(RETRY_S)
                    agenda = await self._ask(agenda)
        finally:
            watch.close()

    async def close(self) -> None:
        """A start is one transaction: it was made, or it is made at the next start."""

    async def _work_off(self, agenda: _Agenda) -> bool:
        """Do what there is to do; False if something could not be done."""
        done = True
        if agenda.unplanned or agenda.gone:
            now = self._clock.now_ms()
            first = [
                {"name": one.name, "schedule": one.schedule, "at": one.first_time(now)} for one in agenda.unplanned
            ]
            done = await self._tell(PLAN, first=first)
        for due in agenda.due:
            # The isolate has seen that it is due; its clock may be a little ahead of ours.
            run_for, skipped, next_at = decide(due, max(self._clock.now_ms(), due.due_at))
            started = await self._tell(
                START, name=due.name, dueAt=due.due_at, runFor=run_for, skipped=skipped, nextAt=next_at
            )
            if started and skipped:
                log.warning("runs of a cron were skipped", cron=due.name, skipped=skipped)
            done = done and started
        return done

    async def _ask(self, before: Any) -> Any:
        try:
            return await self._system.ask(AGENDA)
        except SystemCallFailed as error:
            log.error("crons wait", reason=error.message)
            return before

    async def _tell(self, path: str, **arguments: Any) -> bool:
        try:
            await self._system.tell(path, **arguments)
        except SystemCallFailed as error:
            log.error("crons wait", path=path, reason=error.message)
            return False
        return True
