"""
Hooks of a process: `functions/hooks.py`, made of the guard, the timer and the log lines.

The loops of `writer.py` and `reader.py` wrap each call in `run`, which gives it fresh limits
and collects what it logged.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from joelclaw.clock import Clock, SystemClock
from joelclaw.errors import Interrupted
from joelclaw.functions.calls import Outcome
from joelclaw.isolate.guard import Guard
from joelclaw.isolate.logs import CallLog, log_of_call
from joelclaw.isolate.messages import Load
from joelclaw.isolate.timer import Timer

TRANSACTION_TIME_S = 1.0
TRANSACTION_WALL_S = 5.0


class ProcessHooks:
    """One for the whole life of a reader or writer; it runs one call at a time."""

    def __init__(self, load: Load, clock: Clock | None = None) -> None:
        self.env: Mapping[str, str] = load.env
        self.roles: Mapping[str, Sequence[str]] = load.roles
        self.guard = Guard()
        self.guard.install()
        self.timer = Timer(
            load.limits.get("transaction_time_s", TRANSACTION_TIME_S),
            load.limits.get("transaction_wall_s", TRANSACTION_WALL_S),
        )
        self._clock = clock or SystemClock()

    def clock(self) -> float:
        """Milliseconds since the epoch."""
        return self._clock.now_ms()

    def random_bytes(self, count: int) -> bytes:
        return os.urandom(count)

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
        log = CallLog()
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
