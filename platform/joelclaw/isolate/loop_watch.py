"""
The loop watch: what an action does that awaits nothing for too long, it tells, and ends.

One that blocks stops the event loop, and with it every other action and all time limits that
the loop keeps. So a signal ticks while actions run, and each tick looks where the main thread
is. In the selector, the loop is waiting: all is well. Elsewhere, the loop is asked for a sign of
life; until that comes, the loop is held by whatever code is there.

Time in which the machine had no processor for us is nobody's fault and does not count.

Held for longer than `told_s`, it is told once, when the loop turns again: who held it, where, and
for how long. Held for longer than `limit_s`, whatever code is running gets a `LoopBlocked`, and at
every later tick another one, until the loop turns.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Final, NamedTuple

from joelclaw.errors import LoopBlocked
from joelclaw.functions.failures import is_users
from joelclaw.isolate.logs import CallLog, log_of_call
from joelclaw.isolate.timer import in_platform

TICK_S: Final = 1.0
TICKS_PER_LIMIT: Final = 8
TICKS_PER_TOLD: Final = 4
"""What is told may have lasted this much of `told_s` longer than it is said to have."""


class Held(NamedTuple):
    """The loop was kept from turning."""

    log: CallLog | None
    """Of the call that held it; None if no call did."""

    place: str
    """`fetch (app_functions/feeds.py:12)`"""

    seconds: float


class GivenTime:
    """The time that the machine gave to this thread: the clock's, less what was spent waiting for a processor."""

    def __init__(self, schedstat: str = "/proc/thread-self/schedstat") -> None:
        """`schedstat` is where Linux keeps it, in nanoseconds; elsewhere, it is the clock's time."""
        try:
            self._file = os.open(schedstat, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = -1

    def now_s(self) -> float:
        waited_ns = int(os.pread(self._file, 100, 0).split()[1]) if self._file >= 0 else 0
        return time.monotonic() - waited_ns / 1e9


class LoopWatch:
    """Watches the event loop of the main thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        limit_s: float,
        told_s: float,
        root: str,
        tell: Callable[[Held], None] = lambda _: None,
    ) -> None:
        """`root` is the folder of the app's files: places are told of those."""
        self.tell = tell
        self._loop = loop
        self._limit_s = limit_s
        self._told_s = told_s
        self._root = root
        self._time = GivenTime()
        self._tick_s = min(TICK_S, limit_s / TICKS_PER_LIMIT, told_s / TICKS_PER_TOLD)
        self._turns = True
        self._held_since = 0.0
        self._ticked_at = 0.0
        self._holder: tuple[CallLog | None, str] | None = None
        signal.signal(signal.SIGALRM, self._tick)

    def start(self) -> None:
        self._turns = True
        self._ticked_at = self._time.now_s()
        signal.setitimer(signal.ITIMER_REAL, self._tick_s, self._tick_s)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.0)

    def settle(self) -> None:
        """A call ends, or the loop turns: whoever held it until now is told."""
        holder, self._holder = self._holder, None
        if holder is not None:
            self.tell(Held(*holder, self._time.now_s() - self._held_since))

    def _sign_of_life(self) -> None:
        self._turns = True
        self.settle()

    def _tick(self, _signal: int, frame: FrameType | None) -> None:
        now = self._time.now_s()
        before, self._ticked_at = self._ticked_at, now
        if frame is None or frame.f_globals.get("__name__") == "selectors":
            self._turns = True
            return
        if self._turns:
            self._turns = False
            # While code in C runs, no tick gets through; then this one is late, by as much as that lasted.
            self._held_since = before if now - before > self._told_s else now
            self._loop.call_soon_threadsafe(self._sign_of_life)
        held_s = now - self._held_since
        if held_s > self._told_s and self._holder is None:
            self._holder = (log_of_call.get(), self._place(frame))
        if held_s > self._limit_s and not in_platform(frame):
            raise LoopBlocked(self._limit_s)

    def _place(self, frame: FrameType) -> str:
        """Where the app is, or the library that it does not wait in."""
        found: FrameType | None = frame
        while found is not None and not is_users(found.f_code, self._root):
            found = found.f_back
        found = found or frame
        file = found.f_code.co_filename
        if file.startswith(self._root + os.sep):
            file = os.path.relpath(file, self._root)
        return f"{found.f_code.co_qualname} ({file}:{found.f_lineno})"
