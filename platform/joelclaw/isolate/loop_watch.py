"""
The loop watch: an action that awaits nothing for too long is interrupted.

An endless loop in an `async def` stops the event loop, and with it every other action and all
time limits that the loop keeps. So a signal ticks while actions run, and each tick asks the
loop for a sign of life. When there has been none for as long as is allowed, whatever code is
running gets a `LoopBlocked`, and at every later tick another one, until the loop turns again.
"""

import asyncio
import signal
import time
from types import FrameType
from typing import Final

from joelclaw.errors import LoopBlocked
from joelclaw.isolate.timer import in_platform

TICK_S: Final = 1.0
TICKS_PER_LIMIT: Final = 8


class LoopWatch:
    """Watches the event loop of the main thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limit_s: float) -> None:
        self._loop = loop
        self._limit_s = limit_s
        self._tick_s = min(TICK_S, limit_s / TICKS_PER_LIMIT)
        self._alive = True
        self._seen_alive_at = 0.0
        signal.signal(signal.SIGALRM, self._tick)

    def start(self) -> None:
        self._alive = True
        self._seen_alive_at = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, self._tick_s, self._tick_s)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.0)

    def _sign_of_life(self) -> None:
        self._alive = True

    def _tick(self, _signal: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._alive:
            self._alive = False
            self._seen_alive_at = now
            self._loop.call_soon_threadsafe(self._sign_of_life)
        elif now - self._seen_alive_at > self._limit_s and frame is not None and not in_platform(frame):
            raise LoopBlocked(self._limit_s)
