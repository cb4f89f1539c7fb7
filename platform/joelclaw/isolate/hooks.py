"""
Hooks of a process: `functions/hooks.py`, made of the guard, the timer and the log lines.

`writer.py` and `reader.py` wrap each call in `run`, which gives it fresh limits and collects
what it logged.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import msgspec

from joelclaw.clock import Clock, SystemClock
from joelclaw.errors import FunctionTimedOut, Interrupted
from joelclaw.functions.calls import Outcome
from joelclaw.isolate.guard import Guard
from joelclaw.isolate.logs import CallLog, log_of_call
from joelclaw.isolate.messages import Load
from joelclaw.isolate.timer import Timer


class TimeKeeper(Protocol):
    """What keeps the time of runs: `timer.Timer`, where a process has nothing else to do."""

    running: bool
    """User code runs now, or what it called."""

    @property
    def violation(self) -> FunctionTimedOut | None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def begin_call(self) -> None: ...

    def expired(self) -> bool: ...


class ProcessHooks:
    """One for the whole life of a reader or writer; it runs one call at a time."""

    def __init__(
        self,
        load: Load,
        *,
        guard: Guard,
        timer: TimeKeeper,
        wall_clock: Clock,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.env: Mapping[str, str] = load.env
        self.roles: Mapping[str, Sequence[str]] = load.roles
        self.guard = guard
        self.timer = timer
        self.wall_clock = wall_clock
        self._limits = load.limits
        self._random_bytes = random_bytes

    @classmethod
    def of_process(cls, load: Load) -> "ProcessHooks":
        """Those of a process that is a reader or writer and nothing else: its signals and audit events are ours."""
        guard = Guard()
        guard.install()
        timer = Timer(load.limits.transaction_time_s, load.limits.transaction_wall_s)
        return cls(load, guard=guard, timer=timer, wall_clock=SystemClock())

    def clock(self) -> float:
        """Milliseconds since the epoch."""
        return self.wall_clock.now_ms()

    def random_bytes(self, count: int) -> bytes:
        return self._random_bytes(count)

    def arm(self) -> None:
        """The app's code begins."""
        self.guard.armed = self.timer.running = True

    def disarm(self) -> None:
        """The app's code ended."""
        self.guard.armed = self.timer.running = False

    def violation(self) -> Interrupted | None:
        """What was raised into this run, whether or not the app let it through."""
        return self.timer.violation or self.guard.violation

    @contextmanager
    def batch(self) -> Iterator[None]:
        """The timer ticks inside, once for all calls."""
        self.timer.start()
        try:
            yield
        finally:
            self.timer.stop()

    def run(self, function: Callable[[], Outcome]) -> Outcome:
        """Run one call with limits of its own; its outcome, with what it logged."""
        log = CallLog(self._limits)
        token = log_of_call.set(log)
        self.guard.violation = None
        self.timer.begin_call()
        try:
            outcome = function()
        finally:
            self.disarm()
            log_of_call.reset(token)
        lines = log.finish()
        return msgspec.structs.replace(outcome, log_lines=lines) if lines else outcome
