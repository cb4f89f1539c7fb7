"""When crons run: months and leap years, both edges of summer time, intervals."""

from datetime import datetime
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joelclaw.scheduler.calendars import calendar_times, interval_times

LOS_ANGELES = "America/Los_Angeles"


def times(calendar: str, tz: str, after: str, count: int) -> list[str]:
    """The next times of a calendar, as clocks of the zone show them."""
    zone = ZoneInfo(tz)
    begin_ms = datetime.fromisoformat(after).replace(tzinfo=zone).timestamp() * 1000
    found = islice(calendar_times(calendar, tz, begin_ms), count)
    return [datetime.fromtimestamp(at_ms / 1000, zone).strftime("%Y-%m-%d %H:%M %z") for at_ms in found]


def test_a_calendar_is_read_in_its_zone() -> None:
    """Four in the morning is another instant elsewhere, and stays four in the morning when clocks change (SCH-23)."""
    assert times("0 4 * * *", "UTC", "2026-01-01 04:00", 2) == ["2026-01-02 04:00 +0000", "2026-01-03 04:00 +0000"]
    assert times("0 4 * * *", LOS_ANGELES, "2026-03-07 03:59", 3) == [
        "2026-03-07 04:00 -0800",
        "2026-03-08 04:00 -0700",
        "2026-03-09 04:00 -0700",
    ]


def test_ends_of_months_and_leap_days() -> None:
    """Day 31 passes over shorter months, `L` is each month's last day, and February 29 waits for its year."""
    assert times("0 0 31 * *", "UTC", "2026-01-31 00:00", 2) == ["2026-03-31 00:00 +0000", "2026-05-31 00:00 +0000"]
    assert times("0 0 L * *", "UTC", "2028-01-31 12:00", 3) == [
        "2028-02-29 00:00 +0000",
        "2028-03-31 00:00 +0000",
        "2028-04-30 00:00 +0000",
    ]
    assert times("0 0 29 2 *", "UTC", "2026-01-01 00:00", 2) == ["2028-02-29 00:00 +0000", "2032-02-29 00:00 +0000"]
    assert times("0 0 29 2 *", "UTC", "2096-03-01 00:00", 1) == ["2104-02-29 00:00 +0000"]


def test_of_two_days_one_has_to_fit() -> None:
    """A day of the month and a weekday together are either of them, as cron has always had it."""
    assert times("0 0 13 * fri", "UTC", "2026-02-07 00:00", 3) == [
        "2026-02-13 00:00 +0000",
        "2026-02-20 00:00 +0000",
        "2026-02-27 00:00 +0000",
    ]


@pytest.mark.parametrize("calendar", ["30 2 * * *", "0 2 * * *", "59 2 * * *", "*/20 2 * * *"])
def test_a_time_that_clocks_skip_runs_once_right_after(calendar: str) -> None:
    """On March 8 clocks go from 1:59 to 3:00: what is due in between runs at 3:00, once however often it is due."""
    first, second = times(calendar, LOS_ANGELES, "2026-03-07 12:00", 2)

    assert first == "2026-03-08 03:00 -0700"
    assert second.startswith("2026-03-09 02:")


def test_a_time_next_to_the_gap_is_not_run_twice() -> None:
    """What is due in the gap and at its end is one run."""
    assert times("0,30 2-3 * * *", LOS_ANGELES, "2026-03-08 00:00", 3) == [
        "2026-03-08 03:00 -0700",
        "2026-03-08 03:30 -0700",
        "2026-03-09 02:00 -0700",
    ]


def test_a_time_that_clocks_show_twice_runs_the_first_time() -> None:
    """On November 1 clocks go from 1:59 back to 1:00: half past one is run once, in the first hour."""
    assert times("30 1 * * *", LOS_ANGELES, "2026-10-31 12:00", 2) == [
        "2026-11-01 01:30 -0700",
        "2026-11-02 01:30 -0800",
    ]


def test_who_asks_in_the_second_hour_is_told_of_the_next_day() -> None:
    """In the hour that is repeated nothing of the first one comes again."""
    zone = ZoneInfo(LOS_ANGELES)
    second = datetime(2026, 11, 1, 1, 10, tzinfo=zone, fold=1).timestamp() * 1000
    following = next(calendar_times("30 1 * * *", LOS_ANGELES, second))

    assert datetime.fromtimestamp(following / 1000, zone) == datetime(2026, 11, 2, 1, 30, tzinfo=zone)


def test_gaps_that_are_no_hour() -> None:
    """On Lord Howe Island clocks skip thirty minutes; in Apia a whole day never was."""
    assert times("15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00", 2) == [
        "2026-10-04 02:30 +1100",
        "2026-10-05 02:15 +1100",
    ]
    assert times("0 12 * * *", "Pacific/Apia", "2011-12-29 12:00", 2) == [
        "2011-12-31 00:00 +1400",
        "2011-12-31 12:00 +1400",
    ]


@given(
    calendar=st.sampled_from(["*/7 * * * *", "30 1,2 * * *", "15 */3 * * *", "0 0 L * *", "59 23 * * sun"]),
    tz=st.sampled_from([LOS_ANGELES, "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
    after_ms=st.integers(1_700_000_000_000, 1_900_000_000_000),
)
def test_times_go_on_from_wherever_one_begins(calendar: str, tz: str, after_ms: int) -> None:
    """Times are later than the begin and rise, are whole minutes, and do not depend on where one begins to look."""
    found = list(islice(calendar_times(calendar, tz, after_ms), 20))

    assert found[0] > after_ms
    assert all(earlier < later for earlier, later in pairwise(found))
    assert all(at_ms % 60_000 == 0 for at_ms in found)
    assert list(islice(calendar_times(calendar, tz, found[9]), 10)) == found[10:]
    assert next(calendar_times(calendar, tz, found[0] - 1)) == found[0]


def test_an_interval_ticks_from_its_begin() -> None:
    """The next tick is later than the moment that one asks at, also on a tick."""
    assert list(islice(interval_times(30_000, 5_000, 5_000), 3)) == [35_000, 65_000, 95_000]
    assert next(interval_times(30_000, 5_000, 34_999)) == 35_000
    assert next(interval_times(30_000, 5_000, 1_000_000)) == 1_025_000
