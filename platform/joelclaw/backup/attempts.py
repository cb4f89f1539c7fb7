"""
Attempts: what came of a backup or a drill, to be written down by the server.

The history is documents, and whatever changes those goes through a server. A backup that is made by
hand needs none, so it leaves a note of its attempt beside the database. Whoever made it hands it to
the server at once if there is one; otherwise the next start finds it.

Elsewhere: `system/backups.py` is the history; `scheduler/backups.py` reads the notes.
"""

import os
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec
import structlog

from joelclaw.backup.snapshot import sync_file
from joelclaw.backup.working import work_folder

Work: TypeAlias = Literal["backup", "drill"]

RECORD: Final = "_system/backups:record"

NOTE_BYTES_MAX: Final = 1024 * 1024
_NOTE: Final = "attempt-*.json"

log = structlog.get_logger("joelclaw.backup")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was made or proven, or why there is none."""

    error: str = ""
    name: str = ""
    size: int = 0
    places: list[str] = []
    counts: dict[str, int] = {}
    files: int = 0
    sampled: list[str] = []
    checked_with: str = ""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A report, and when. Instants are milliseconds since the epoch."""

    work: Work
    begun_at: float
    ended_at: float
    report: Report
    by_hand: bool = False

    def arguments(self, next_at: float | None) -> dict[str, Any]:
        """Those of `RECORD`; `next_at` is the time of the next backup, or of another attempt at this one."""
        report = self.report
        return {
            "work": self.work,
            "outcome": "failed" if report.error else "success",
            "begunAt": self.begun_at,
            "endedAt": self.ended_at,
            "byHand": self.by_hand,
            "nextAt": next_at,
            "name": report.name,
            "size": float(report.size),
            "documents": float(sum(report.counts.values())),
            "files": float(report.files),
            "sampled": report.sampled,
            "checkedWith": report.checked_with,
            "destinations": report.places,
            "error": report.error,
        }


def leave(database: Path, attempt: Attempt) -> Path:
    """Leave a note for the server of this database; where it is. Raises OSError."""
    path = work_folder(database) / f"attempt-{attempt.begun_at:.0f}-{os.getpid()}.json"
    part = path.with_suffix(".part")
    part.write_bytes(msgspec.json.encode(attempt))
    sync_file(part)
    part.rename(path)
    return path


def left(database: Path) -> list[tuple[Path, Attempt]]:
    """The notes that wait, oldest first. One that cannot be read is told, and passed over."""
    found = []
    for path in sorted(work_folder(database).glob(_NOTE)):
        try:
            with path.open("rb") as file:
                found.append((path, msgspec.json.decode(file.read(NOTE_BYTES_MAX), type=Attempt)))
        except (OSError, msgspec.DecodeError) as error:
            advice = "the note of a backup made by hand cannot be read; remove it"
            log.warning(advice, path=str(path), reason=str(error))
    return found
