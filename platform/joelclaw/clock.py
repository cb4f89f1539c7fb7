"""
Clocks: what time it is, as something that is handed in.

Whoever needs the time takes a `Clock`, so that a test turns a week into a loop. Both methods
tell the same wall clock: instants are milliseconds since the epoch, as `creation_time` is;
commit timestamps grow from nanoseconds. A wall clock may go backwards: whoever needs order
keeps the last value beside it, as the store does.

Elsewhere: limits on running code are measured by the operating system's monotonic clock,
never by one of these.
"""

import time
from datetime import timedelta
from typing import Protocol


class Clock(Protocol):
    """The time of day."""

    def now_ms(self) -> float:
        """Milliseconds since the epoch, with a fraction."""
        ...

    def now_ns(self) -> int:
        """Nanoseconds since the epoch."""
        ...


class SystemClock:
    """This machine's clock."""

    def now_ms(self) -> float:
        return time.time_ns() / 1e6

    def now_ns(self) -> int:
        return time.time_ns()


class MovableClock:
    """A clock that stands still until it is moved, in either direction."""

    def __init__(self, at_ms: float = 1_700_000_000_000.0) -> None:
        self._now_ns = round(at_ms * 1e6)

    def now_ms(self) -> float:
        return self._now_ns / 1e6

    def now_ns(self) -> int:
        return self._now_ns

    def advance(self, duration: timedelta) -> None:
        """Move on, or back if it is negative."""
        self._now_ns += duration // timedelta(microseconds=1) * 1_000

    def set_ms(self, at_ms: float) -> None:
        """Show this instant, earlier ones included."""
        self._now_ns = round(at_ms * 1e6)
