"""Calendars: what is one, and what is said to whoever mistyped one."""

from datetime import datetime
from typing import Any

import pytest
from croniter import croniter  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from joelclaw.values.calendars import calendar_problem


@pytest.mark.parametrize(
    "calendar",
    [
        "* * * * *",
        "0 4 * * *",
        "*/15 9-17 * * mon-fri",
        "0,30 8-18/2 1,15 jan,JUL *",
        "0 0 L * *",
        "59 23 31 12 6",
        "0 0 29 2 *",
        "0 0 31 2 sun",
        "  5   4 * *   0 ",
    ],
)
def test_calendars_that_are_right(calendar: str) -> None:
    """Values, ranges, steps, lists, names in any case, the last day of a month."""
    assert calendar_problem(calendar) is None


@pytest.mark.parametrize(
    ("calendar", "reason", "advice"),
    [
        ("", "'' has 0 fields, and a calendar has five", 'write minute, hour, day, month and weekday: "0 4 * * *"'),
        ("0 4 * *", "has 4 fields", "minute, hour, day, month and weekday"),
        ("0 0 4 * * *", "has 6 fields", "minute, hour, day, month and weekday"),
        ("@daily", "'@daily' is a shorthand", 'write "0 0 * * *"'),
        ("60 * * * *", "the minute '60' is none", "a minute is a whole number from 0 to 59"),
        ("0 24 * * *", "the hour '24' is none", "an hour is a whole number from 0 to 23"),
        ("0 0 0 * *", "the day '0' is none", "from 1 to 31"),
        ("0 0 32 * *", "the day '32' is none", "from 1 to 31"),
        ("0 0 * 13 *", "the month '13' is none", "from 1 to 12, or jan to dec"),
        ("0 0 * * 7", "the weekday '7' is none", "write 0 for Sunday, or sun"),
        ("0 0 * * 8", "the weekday '8' is none", "from 0 to 6, or sun to sat"),
        ("0 0 * * funday", "the weekday 'funday' is none", "from 0 to 6, or sun to sat"),
        ("0 0 * mon *", "the month 'mon' is none", "jan to dec"),
        ("0 22-2 * * *", "the hour range '22-2' ends before it begins", "write two: 22-23,0-2"),
        ("5/15 * * * *", "the minute '5/15' has a step and no range", "write 5-59/15"),
        ("*/0 * * * *", "the minute step '0' is none", "from 1 to 59"),
        ("*/90 * * * *", "the minute step '90' is none", "from 1 to 59"),
        ("*/x * * * *", "the minute step 'x' is none", "from 1 to 59"),
        ("1, * * * *", "the minute '' is none", "from 0 to 59"),
        ("-1 * * * *", "the minute '-1' is none", "from 0 to 59"),
        ("1-5-7 * * * *", "the minute '1-5-7' is none", "from 0 to 59"),
        ("1.5 * * * *", "the minute '1.5' is none", "from 0 to 59"),
        ("\u0663 * * * *", "the minute '\u0663' is none", "from 0 to 59"),
        ("L * * * *", "the minute 'l' is none", "from 0 to 59"),
        ("0 0 30 2 *", "'0 0 30 2 *' never comes", 'the last day of a month is "L"'),
        ("0 0 31 4,jun,9,11 *", "never comes", '"L"'),
    ],
)
def test_calendars_that_are_wrong(calendar: str, reason: str, advice: str) -> None:
    """Each mistake has its sentence and what to write instead; Sunday is 0 and not 7 (SCH-23, SCH-24)."""
    problem = calendar_problem(calendar)

    assert problem is not None
    assert reason in problem[0]
    assert advice in problem[1]


def field(first: int, last: int) -> Any:
    number = st.integers(first, last)
    ranges = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    steps = st.tuples(st.one_of(st.just("*"), ranges), st.integers(1, last - first)).map(lambda p: f"{p[0]}/{p[1]}")
    item = st.one_of(st.just("*"), number.map(str), ranges, steps)
    return st.lists(item, min_size=1, max_size=3).map(",".join)


CALENDARS = st.tuples(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6)).map(" ".join)


@given(CALENDARS)
def test_whatever_is_right_has_a_next_time(calendar: str) -> None:
    """The library that finds times takes every calendar that we take, and finds one within the next leap cycles."""
    if calendar_problem(calendar) is None:
        assert croniter(calendar, datetime(2026, 1, 1)).get_next(datetime) > datetime(2026, 1, 1)  # noqa: DTZ001
