"""`joelclaw.clock`: time that is handed in."""

from datetime import timedelta

import pytest

from joelclaw.clock import Clock, MovableClock, SystemClock


def test_a_movable_clock_stands_still_until_it_is_moved() -> None:
    """In either direction; both units tell the same instant."""
    clock = MovableClock(1_000.5)
    assert (clock.now_ms(), clock.now_ns()) == (1_000.5, 1_000_500_000)
    assert (clock.now_ms(), clock.now_ns()) == (1_000.5, 1_000_500_000)
    clock.advance(timedelta(seconds=1, microseconds=7))
    assert clock.now_ns() == 2_000_507_000
    clock.advance(timedelta(seconds=-2))
    assert clock.now_ns() == 507_000
    clock.set_ms(0.25)
    assert (clock.now_ms(), clock.now_ns()) == (0.25, 250_000)


def test_the_system_clock_tells_one_time_in_both_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Milliseconds with a fraction, nanoseconds whole, of the wall clock."""
    monkeypatch.setattr("time.time_ns", lambda: 1_700_000_000_123_456_789)
    clock: Clock = SystemClock()
    assert clock.now_ns() == 1_700_000_000_123_456_789
    assert clock.now_ms() == pytest.approx(1_700_000_000_123.456789, abs=1e-3)
