"""
Scheduling: `ctx.scheduler`, which has a function run later.

In a mutation that is part of the transaction: what is undone has scheduled nothing, and a job
begins after its parent is committed, never before. In an action each call is a transaction of
its own, so a job stands when the call returns. A query schedules nothing.

Arguments are checked here, by the function's own types, where the mistake is: not a week
later, when the job is due.

Elsewhere: `system/jobs.py` keeps and runs jobs.
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeAlias

from joelclaw.errors import LimitExceeded, Misuse
from joelclaw.limits import Limits, setting
from joelclaw.schema.marks import Id
from joelclaw.values import wire
from joelclaw.values.durations import parse_duration
from joelclaw.values.limits import value_size

if TYPE_CHECKING:
    from joelclaw.functions.app import LoadedApp, LoadedFunction
    from joelclaw.functions.decorators import Action, Function, Mutation
    from joelclaw.functions.run import Run
    from joelclaw.system.tables import ScheduledJob

    Schedulable: TypeAlias = Mutation["P", Any] | Action["P", Any]

P = ParamSpec("P")

SCHEDULE: Final = "_system/jobs:schedule"
CANCEL: Final = "_system/jobs:cancel"

HORIZON_MS: Final = 5 * 365 * 86_400_000.0
"""How far ahead or back a job may be scheduled."""


class Scheduler:
    """Has functions run later, if this transaction is committed."""

    __slots__ = ("_call_system", "_run")

    def __init__(self, run: "Run", call_system: Callable[..., Any]) -> None:
        self._run = run
        self._call_system = call_system

    def run_after(
        self, delay: timedelta | str, fn: "Schedulable[P]", /, *args: P.args, **kwargs: P.kwargs
    ) -> "Id[ScheduledJob]":
        """
        Run a mutation or an action with these arguments when so much time has passed; "0s": as soon as possible.

        It runs without an identity, after this transaction is committed: a mutation exactly once, an action at
        most once, unless it is declared with `retry=`.
        """
        return self._schedule(self._run.now_ms + _delay_ms(delay), fn, args, kwargs)

    def run_at(
        self, at: datetime | float, fn: "Schedulable[P]", /, *args: P.args, **kwargs: P.kwargs
    ) -> "Id[ScheduledJob]":
        """As `run_after`, at an instant: a datetime with a time zone, or milliseconds since the epoch."""
        return self._schedule(_instant_ms(at, self._run.now_ms), fn, args, kwargs)

    def cancel(self, id: "Id[ScheduledJob]", /) -> None:
        """Let a job not run. One that is over already stays what it is; an action that runs goes on."""
        self._as_platform(CANCEL, id=id)

    def _schedule(
        self, at: float, fn: "Function", args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> "Id[ScheduledJob]":
        function = self._run.app.schedulable(fn)
        raw = function.encode_arguments(args, kwargs)
        size_bytes = arguments_size(function, raw, self._run.limits)
        self._run.count_scheduled(size_bytes)
        job: Id[ScheduledJob] = self._as_platform(SCHEDULE, path=function.path, args=raw.decode(), at=at)
        return job

    def _as_platform(self, path: str, /, **keywords: Any) -> Any:
        with self._run.for_platform():
            return self._call_system(path, **keywords)


class AsyncScheduler:
    """Has functions run later. What a call returns for stands, whatever becomes of the action."""

    __slots__ = ("_app", "_ask_system", "_clock")

    def __init__(
        self, app: "LoadedApp", ask_system: Callable[..., Awaitable[bytes]], clock: Callable[[], float]
    ) -> None:
        self._app = app
        self._ask_system = ask_system
        self._clock = clock

    async def run_after(
        self, delay: timedelta | str, fn: "Schedulable[P]", /, *args: P.args, **kwargs: P.kwargs
    ) -> "Id[ScheduledJob]":
        """
        Run a mutation or an action with these arguments when so much time has passed; "0s": as soon as possible.

        It runs without an identity: a mutation exactly once, an action at most once, unless it is declared
        with `retry=`.
        """
        return await self._schedule(self._clock() + _delay_ms(delay), fn, args, kwargs)

    async def run_at(
        self, at: datetime | float, fn: "Schedulable[P]", /, *args: P.args, **kwargs: P.kwargs
    ) -> "Id[ScheduledJob]":
        """As `run_after`, at an instant: a datetime with a time zone, or milliseconds since the epoch."""
        return await self._schedule(_instant_ms(at, self._clock()), fn, args, kwargs)

    async def cancel(self, id: "Id[ScheduledJob]", /) -> None:
        """Let a job not run. One that is over already stays what it is; an action that runs goes on."""
        await self._ask_system("mutation", CANCEL, {"id": id})

    async def _schedule(
        self, at: float, fn: "Function", args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> "Id[ScheduledJob]":
        function = self._app.schedulable(fn)
        raw = function.encode_arguments(args, kwargs)
        arguments_size(function, raw, self._app.limits)
        answer = await self._ask_system("mutation", SCHEDULE, {"path": function.path, "args": raw.decode(), "at": at})
        job: Any = wire.decode(answer)
        id: Id[ScheduledJob] = job
        return id


def arguments_size(function: "LoadedFunction", raw: bytes, limits: Limits) -> int:
    """
    Bytes of the arguments of a job, as limits count them.

    Raises:
        LimitExceeded: They are too many for one job.
    """
    size_bytes = value_size(wire.decode(raw))
    if size_bytes > limits.scheduled_call_bytes:
        raise LimitExceeded(
            f"Arguments for {function.spec.python_path} are too large to be scheduled "
            f"(actual: {size_bytes} bytes, limit: {limits.scheduled_call_bytes} bytes). Store what is large in "
            f"documents and schedule with their ids, or {setting('scheduled_call_bytes')}."
        )
    return size_bytes


def _delay_ms(delay: timedelta | str) -> float:
    delay_ms = parse_duration(delay)
    if delay_ms > HORIZON_MS:
        raise Misuse(f"run_after: {delay!r} is more than 5 years in the future; schedule what checks again sooner")
    return delay_ms


def _instant_ms(at: object, now_ms: float) -> float:
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise Misuse(f"run_at: {at!r} has no time zone; write datetime(..., tzinfo=UTC), or datetime.now(UTC)")
        at_ms = at.timestamp() * 1_000
    elif isinstance(at, (int, float)) and not isinstance(at, bool):
        at_ms = float(at)
    else:
        raise Misuse(f"run_at: {at!r:.80} is no instant; give a datetime, or milliseconds since the epoch")
    if not math.isfinite(at_ms):
        raise Misuse(f"run_at: {at!r} must be a finite number")
    if abs(at_ms - now_ms) > HORIZON_MS:
        direction = "future" if at_ms > now_ms else "past"
        raise Misuse(f"run_at: {at!r} is more than 5 years in the {direction}; an instant counts milliseconds")
    return at_ms
