"""
Calendars: five fields that say when something runs, as cron has them: `0 4 * * mon-fri`.

Minute, hour, day of the month, month, weekday. A field is `*`, a value, a range, or a list of
these with commas; `*` and a range take a step. Months and weekdays have names; Sunday is 0.
`L` is the last day of the month. Where both days are given, one of them has to fit.

Only the form is checked here, strictly, and with words for whoever mistyped it: programs that
read cron lines disagree about `7`, `22-2` and `5/15`, so these are refused. Which times a
calendar names is computed in `scheduler/calendars.py`.
"""

import re
from typing import Final, NamedTuple

Problem = tuple[str, str]
"""What is wrong, without its subject, and what to write instead."""


class _Field(NamedTuple):
    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    _Field("weekday", 0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)
_DAY, _MONTH, _WEEKDAY = _FIELDS[2:]
_DAYS_IN: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ITEM: Final = re.compile(r"(?P<all>\*)|(?P<low>[a-z0-9]+)(?:-(?P<high>[a-z0-9]+))?")
_SHORTHANDS: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_EXAMPLE: Final = 'write minute, hour, day, month and weekday: "0 4 * * *" is every day at 4:00'


class _Wrong(Exception):
    """Carries a problem out of a field."""


def calendar_problem(text: str) -> Problem | None:
    """What is wrong with a calendar; None: it names times, and again and again."""
    if text in _SHORTHANDS:
        return f"{text!r} is a shorthand", f'write "{_SHORTHANDS[text]}"'
    parts = text.lower().split()
    if len(parts) != len(_FIELDS):
        return f"{text!r} has {len(parts)} fields, and a calendar has five", _EXAMPLE
    try:
        values = {field: _values(field, part) for field, part in zip(_FIELDS, parts, strict=True)}
    except _Wrong as wrong:
        reason, advice = wrong.args
        return reason, advice
    if parts[4] == "*" and not any(day <= _DAYS_IN[month - 1] for day in values[_DAY] for month in values[_MONTH]):
        return f"{text!r} never comes: no such month has so many days", 'the last day of a month is "L"'
    return None


def _values(field: _Field, part: str) -> set[int]:
    """All values that a field names."""
    return {value for item in part.split(",") for value in _item(field, item)}


def _item(field: _Field, item: str) -> range:
    if field is _DAY and item == "l":
        return range(28, 29)  # Every month has one; which, does not matter here.
    text, slash, step = item.partition("/")
    match = _ITEM.fullmatch(text)
    if match is None:
        raise _Wrong(f"the {field.name} {item!r} is none", _advice(field))
    low = field.first if match["all"] else _value(field, match["low"])
    high = field.last if match["all"] else _value(field, match["high"]) if match["high"] else low
    if high < low:
        raise _Wrong(
            f"the {field.name} range {text!r} ends before it begins",
            f"write two: {low}-{field.last},{field.first}-{high}",
        )
    if not slash:
        return range(low, high + 1)
    if match["low"] and not match["high"]:
        raise _Wrong(f"the {field.name} {item!r} has a step and no range", f"write {low}-{field.last}/{step}")
    span = field.last - field.first
    if not (step.isascii() and step.isdecimal() and 1 <= int(step) <= span):
        raise _Wrong(f"the {field.name} step {step!r} is none", f"a step is a whole number from 1 to {span}")
    return range(low, high + 1, int(step))


def _value(field: _Field, text: str) -> int:
    if text in field.names:
        return field.first + field.names.index(text)
    if field is _WEEKDAY and text == "7":
        raise _Wrong("the weekday '7' is none", "write 0 for Sunday, or sun")
    if not text.isdecimal() or not field.first <= int(text) <= field.last:
        raise _Wrong(f"the {field.name} {text!r} is none", _advice(field))
    return int(text)


def _advice(field: _Field) -> str:
    names = f", or {field.names[0]} to {field.names[-1]}" if field.names else ""
    article = "an" if field.name == "hour" else "a"
    return f"{article} {field.name} is a whole number from {field.first} to {field.last}{names}"
