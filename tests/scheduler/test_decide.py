"""What becomes of a cron that is due: run, skipped, caught up."""

from typing import Any

import pytest

from joelclaw.scheduler.crons import COUNTED_MAX, LATE_MS, Decision, Due, decide

EVERY = 100_000.0
DAY = 86_400_000.0


def due(**fields: Any) -> Due:
    return Due(**{"name": "x", "every_ms": EVERY, "due_at": 0.0, "free_at": -1.0} | fields)


def test_what_has_just_fallen_due_is_run() -> None:
    """One time has come: it is run, and the next one is an interval later."""
    assert decide(due(), 0) == Decision(0, 0, EVERY)
    assert decide(due(), 20) == Decision(0, 0, EVERY)


def test_a_little_late_is_not_missed() -> None:
    """A restart that takes up to a minute costs no run, one that takes longer does."""
    assert decide(due(), LATE_MS) == Decision(0, 0, EVERY)
    assert decide(due(), LATE_MS + 1) == Decision(None, 1, EVERY)


def test_what_was_missed_is_skipped_and_counted() -> None:
    """After a day without a server nothing is made up for, and the ticks are what they were (SCH-26)."""
    assert decide(due(), 10 * EVERY - 1) == Decision(None, 10, 10 * EVERY)


def test_the_newest_of_several_is_run_if_it_is_fresh() -> None:
    """Coming back right after a due time runs that one, and skips those before it."""
    assert decide(due(), 10 * EVERY + 5) == Decision(10 * EVERY, 10, 11 * EVERY)


def test_a_cron_that_catches_up_runs_once_for_all() -> None:
    """With `catch_up` what was missed is made up for by one run, however much it was."""
    assert decide(due(catch_up=True), 10 * EVERY - 1) == Decision(9 * EVERY, 9, 10 * EVERY)
    assert decide(due(catch_up=True), LATE_MS + 1) == Decision(0, 0, EVERY)


def test_what_fell_due_during_a_run_is_skipped() -> None:
    """A cron does not overlap itself, and does not run back to back instead (SCH-26)."""
    assert decide(due(free_at=2.5 * EVERY), 2.5 * EVERY) == Decision(None, 3, 3 * EVERY)
    assert decide(due(free_at=EVERY), EVERY) == Decision(None, 2, 2 * EVERY)


def test_what_fell_due_during_a_run_is_caught_up_with() -> None:
    """With `catch_up` one run follows at once."""
    assert decide(due(free_at=2.5 * EVERY, catch_up=True), 2.5 * EVERY) == Decision(2 * EVERY, 2, 3 * EVERY)


def test_a_run_by_hand_that_is_over_before_delays_nothing() -> None:
    """What fell due after the last run ended is on time."""
    assert decide(due(free_at=-1.0), 0) == Decision(0, 0, EVERY)


@pytest.mark.parametrize("catch_up", [False, True])
def test_counting_has_an_end(catch_up: bool) -> None:
    """A cron of every minute that missed years is decided at once: a thousand are counted, and time goes on."""
    calendar = due(every_ms=0.0, calendar="* * * * *", tz="UTC", catch_up=catch_up)
    decision = decide(calendar, 4_000 * DAY + 1)

    assert decision.next_at == 4_000 * DAY + 60_000
    assert decision.run_for == 4_000 * DAY
    assert decision.skipped == COUNTED_MAX - 1


def test_a_calendar_that_was_missed_long_ago() -> None:
    """A nightly cron after a week: seven nights are skipped, the eighth comes."""
    nightly = due(every_ms=0.0, calendar="0 4 * * *", tz="UTC", due_at=DAY / 6)
    assert decide(nightly, 7 * DAY) == Decision(None, 7, 7 * DAY + DAY / 6)
    assert decide(Due(name="x", calendar="0 4 * * *", tz="UTC", due_at=DAY / 6, catch_up=True), 7 * DAY) == Decision(
        6 * DAY + DAY / 6, 6, 7 * DAY + DAY / 6
    )
