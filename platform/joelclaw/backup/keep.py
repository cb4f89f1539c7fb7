"""
Which backups are kept: the newest of each of so many days, weeks and months.

Pure. Days, ISO weeks and months are those of the declared time zone. The newest backup of all is
kept whatever is declared, so nothing that is deleted here is ever the last.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from joelclaw.backup.archive import BackupName
from joelclaw.config import Keep


def surplus(backups: Iterable[BackupName], keep: Keep, tz: str) -> list[BackupName]:
    """Those that may be deleted, oldest first."""
    zone = ZoneInfo(tz)
    newest_first = sorted(backups, key=lambda backup: (backup.at, backup.commit_ts), reverse=True)
    kept = set(newest_first[:1])
    periods: tuple[tuple[int, Callable[[datetime], Any]], ...] = (
        (keep.daily, lambda at: at.date()),
        (keep.weekly, lambda at: at.isocalendar()[:2]),
        (keep.monthly, lambda at: (at.year, at.month)),
    )
    for many, period_of in periods:
        newest: dict[Any, BackupName] = {}
        for backup in newest_first:
            newest.setdefault(period_of(backup.at.astimezone(zone)), backup)
        kept |= set(list(newest.values())[:many])
    return [backup for backup in reversed(newest_first) if backup not in kept]
