"""Which backups are kept, as time goes by."""

from datetime import UTC, datetime, timedelta

from joelclaw.backup.archive import BackupName
from joelclaw.backup.keep import surplus
from joelclaw.config import Keep


def nights(count: int, keep: Keep) -> list[BackupName]:
    """What is left after so many nights, each with a backup and what follows from it."""
    kept: list[BackupName] = []
    for night in range(count):
        kept.append(BackupName(datetime(2026, 1, 1, 4, tzinfo=UTC) + timedelta(days=night), night, f"{night:016x}"))
        gone = surplus(kept, keep, "UTC")
        kept = [backup for backup in kept if backup not in gone]
    return kept


def test_days_weeks_and_months_are_kept() -> None:
    """After a year: the last seven days, the newest of four weeks and of three months, each once."""
    found = [backup.at.strftime("%m-%d") for backup in nights(365, Keep(daily=7, weekly=4, monthly=3))]

    assert found == [
        "10-31", "11-30", "12-13", "12-20", "12-25", "12-26", "12-27", "12-28", "12-29", "12-30", "12-31",
    ]  # fmt: skip


def test_the_newest_is_never_surplus() -> None:
    """Whatever is declared, also nothing, the newest stays."""
    assert [backup.commit_ts for backup in nights(3, Keep(daily=0, weekly=0, monthly=0))] == [2]
