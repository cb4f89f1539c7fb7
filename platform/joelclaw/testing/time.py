"""
The clock of a test: it stands still until it is moved, and then stops at every moment that matters.

Nothing else keeps time in the engine. What is due in a while (a job, a cron, a result that
expires, a document that does) is a live query with a moment at which its answer changes; the
clock goes from one such moment to the next and waits each time until all that follows has
happened. So an hour of crons is an hour of crons, in order, however long it takes.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from joelclaw.clock import MovableClock
from joelclaw.values.durations import parse_duration

START_MS = 1_700_000_000_000.0
"""Where every test begins: 2023-11-14, 22:13:20 UTC."""

MICROSECOND = timedelta(microseconds=1)


class TestClock:
    """The engine's only clock, as the test moves it."""

    __test__ = False  # pytest takes what begins with "Test" for tests.

    def __init__(self, clock: MovableClock, next_moment: Callable[[], float], settle: Callable[[], None]) -> None:
        self._clock = clock
        self._next_moment = next_moment
        self._settle = settle

    def now(self) -> float:
        """Milliseconds since the epoch, as `ctx.now()` tells it."""
        return self._clock.now_ms()

    def advance(self, duration: timedelta | str) -> None:
        """
        Move on by "15s", "1h30m", or a timedelta; whatever becomes due on the way happens when it is due.

        Raises:
            BadDuration: It is none.
        """
        self.advance_to(self.now() + parse_duration(duration))

    def advance_to(self, at: datetime | float) -> None:
        """
        Move on to an instant: a datetime with a time zone, or milliseconds since the epoch.

        Raises:
            ValueError: It is over already, or it is a datetime that does not say in which time zone.
        """
        end_ms = _milliseconds(at)
        if end_ms < self.now():
            raise ValueError(f"it is {_shown(self.now())}, and {_shown(end_ms)} is over; the clock goes forward only")
        while (moment := self._next_moment()) <= end_ms:
            self._set(moment)
        self._set(end_ms)

    def _set(self, at_ms: float) -> None:
        if at_ms > self.now():
            self._clock.set_ms(at_ms)
            if self.now() < at_ms:  # Nanoseconds are counted whole: never stop right before the moment.
                self._clock.advance(MICROSECOND)
        self._settle()

    def __repr__(self) -> str:
        return f"<TestClock {_shown(self.now())}>"


def _milliseconds(at: datetime | float) -> float:
    if not isinstance(at, datetime):
        return at
    if at.tzinfo is None:
        raise ValueError(f"{at} does not say in which time zone; give it a tzinfo")
    return at.timestamp() * 1e3


def _shown(at_ms: float) -> str:
    return datetime.fromtimestamp(at_ms / 1e3, UTC).isoformat(" ", "milliseconds")
