"""
When crons run: the times of a calendar in a time zone, and those of an interval.

A calendar speaks of the clock on the wall. croniter finds the next time that such a clock
shows, and the zone says which instant that is. Twice a year it is not one instant:

- a time that the clock skips, when it is put forward, is taken to be the moment right after
  the gap. However many of a day's times fall into it, that is one run;
- a time that the clock shows twice, when it is put back, is the first of the two (croniter itself, given
  a zone, would have both).

Instants are milliseconds since the epoch, as everywhere.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

_SECOND: Final = timedelta(seconds=1)


def calendar_times(calendar: str, tz: str, after_ms: float) -> Iterator[float]:
    """All times of a calendar that are later than an instant, in order. It has passed `calendar_problem`."""
    # Late: it takes long to import, and most deployments have no calendars.
    from croniter import croniter  # type: ignore[import-untyped]

    zone = ZoneInfo(tz)
    begin = datetime.fromtimestamp(after_ms / 1000, zone).replace(tzinfo=None, fold=0)
    walls: Iterator[datetime] = croniter(calendar, begin, ret_type=datetime)
    last_ms = after_ms
    for wall in walls:
        at_ms = _instant(wall, zone).timestamp() * 1000
        # Times of a gap are one instant. Those of the hour that comes twice may be over already.
        if at_ms > last_ms:
            last_ms = at_ms
            yield at_ms


def interval_times(every_ms: float, origin_ms: float, after_ms: float) -> Iterator[float]:
    """All times of an interval that are later than an instant. It ticks since `origin_ms`, forward and backward."""
    ticks = (after_ms - origin_ms) // every_ms + 1
    while True:
        yield origin_ms + ticks * every_ms
        ticks += 1


def _instant(wall: datetime, zone: tzinfo) -> datetime:
    """When clocks of a zone show this, for the first time; if they never do, when they have skipped it."""
    early = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if early.astimezone(zone).replace(tzinfo=None) == wall:
        return early
    # In a gap: with the offset of before it this is after its end, with the one of after it before its begin.
    before, after = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), early
    offset = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
