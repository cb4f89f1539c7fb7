"""
The timer: a query or mutation that runs too long is interrupted.

A repeating signal ticks while a batch runs. Each tick looks where the main thread is, as a
sampling profiler does, and charges the processor time since the last one: to the app, if the
innermost frame is the app's or a library's, and to nobody if it is ours, for time in database
calls does not count. So a call costs two assignments, and a query's speed does not depend on
there being a limit.

Over its time, the app gets a `FunctionTimedOut`, and at every later tick another one, until it
gives up. It is raised in the app's frames only: ours may be in the middle of something. A long
statement of the database ends through SQLite's progress handler, which asks `expired`.

Two limits: processor time in the app, so that a busy machine fails nobody, and time by the
clock for everything, so that a call which waits or drives the database for ever ends too.

What never returns to the interpreter sees no tick. The gateway kills such a process; should
the gateway be gone, the dead man's switch does: a second timer, put off by each tick, whose
signal the kernel itself answers.
"""

import signal
import time
from signal import ITIMER_PROF, ITIMER_REAL, setitimer  # Before the guard puts its own into the module.
from types import FrameType
from typing import Final

from joelclaw.errors import FunctionTimedOut

TICK_S: Final = 0.01
URGENT_TICK_S: Final = 0.001
"""Once the time is over: a call that is mostly inside our code is caught outside of it soon."""

TICKS_PER_LIMIT: Final = 8
"""Short limits tick faster, or they would be measured too coarsely."""

STUCK_GRACE_S: Final = 2.0
"""Processor time without a tick, beyond the longest a call may take, after which the process is given up."""


class Timer:
    """Interrupts what runs too long. Only the main thread may make and use one."""

    def __init__(self, user_s: float, wall_s: float) -> None:
        self.user_s = user_s
        self.wall_s = wall_s
        self.running = False
        """User code runs now, or what it called."""

        self.violation: FunctionTimedOut | None = None
        self._tick_s = min(TICK_S, user_s / TICKS_PER_LIMIT, wall_s / TICKS_PER_LIMIT)
        self._spent_s = 0.0
        self._seen_s = 0.0
        self._deadline = 0.0
        signal.signal(signal.SIGALRM, self._tick)

    def start(self) -> None:
        """A batch begins: tick."""
        self._seen_s = time.thread_time()
        setitimer(ITIMER_REAL, self._tick_s, self._tick_s)
        setitimer(ITIMER_PROF, self.wall_s + STUCK_GRACE_S)

    def stop(self) -> None:
        """The batch is over."""
        setitimer(ITIMER_REAL, 0.0)
        setitimer(ITIMER_PROF, 0.0)

    def begin_call(self) -> None:
        """The next call of the batch has all its time before it."""
        if self.violation is not None:
            self.violation = None
            self.start()
        self._spent_s = 0.0
        self._deadline = time.monotonic() + self.wall_s

    def expired(self) -> bool:
        """For the database, in the middle of a statement: is there nobody any more who waits for it?"""
        return self.running and self.violation is not None

    def _tick(self, _signal: int, frame: FrameType | None) -> None:
        seen_s = time.thread_time()
        passed_s, self._seen_s = seen_s - self._seen_s, seen_s
        setitimer(ITIMER_PROF, self.wall_s + STUCK_GRACE_S)
        if not self.running or frame is None:
            return
        in_app = not in_platform(frame)
        if in_app:
            self._spent_s += passed_s
        if self.violation is None:
            self._judge()
        if in_app and self.violation is not None:
            raise FunctionTimedOut(self.violation.limit_s, self.violation.limit)

    def _judge(self) -> None:
        if self._spent_s > self.user_s:
            self.violation = FunctionTimedOut(self.user_s, "transaction_time_s")
        elif time.monotonic() > self._deadline:
            self.violation = FunctionTimedOut(self.wall_s, "transaction_wall_s")
        else:
            return
        setitimer(ITIMER_REAL, URGENT_TICK_S, URGENT_TICK_S)


def in_platform(frame: FrameType) -> bool:
    """Is this code ours, and not to be interrupted?"""
    # The import system and the event loop count as ours: interrupted there, they could leave half of something behind.
    package = frame.f_globals.get("__name__", "").partition(".")[0]
    return package in ("joelclaw", "importlib", "asyncio")
