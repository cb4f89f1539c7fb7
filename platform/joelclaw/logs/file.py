"""
The log's file: a SQLite database of its own, beside the app's.

Its own, so that writing the log waits for no mutation and no mutation for the log, and a backup of
the data does not carry it. It is written in batches and not forced to the disk: a power cut may
cost the last of them, and so does a server that is killed. The file stays whole either way.

Every method blocks, and all are called from one thread. The driver is the store's: one library
opens SQLite files in a process, and one place knows its errors.

A file that is damaged, or of another version, is set aside and a new one begun: the log is the
last thing that should keep a server from starting.
"""

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from joelclaw.errors import LayoutChanged, PlatformError
from joelclaw.logs.entries import Entry, Filter, names
from joelclaw.store.sqlite_driver import Driver

_VERSION: Final = 1
_TABLES: Final = (
    """CREATE TABLE runs (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, function TEXT NOT NULL, caller TEXT NOT NULL,
        request_id TEXT NOT NULL, execution_id TEXT NOT NULL, took_ms REAL NOT NULL, status INTEGER,
        level INTEGER NOT NULL, code TEXT, error TEXT NOT NULL, frames TEXT NOT NULL,
        lines TEXT NOT NULL, times TEXT NOT NULL)""",
    "CREATE INDEX runs_by_request ON runs (request_id)",
    f"PRAGMA user_version = {_VERSION}",
)
_INSERT: Final = f"INSERT OR REPLACE INTO runs VALUES ({', '.join('?' * 14)})"
_FIELDS: Final = (
    "id, kind, function, caller, request_id, execution_id, took_ms, status, code, error, frames, lines, times"
)

TRIM_RUNS: Final = 10_000
"""How many runs at most are dropped in one go, so that nobody waits long for it."""

SCAN_RUNS: Final = 1_000
"""How many are looked at in one go for those that a filter wants."""

_encode = msgspec.json.Encoder().encode
_decode_lines = msgspec.json.Decoder(list[str]).decode
_decode_times = msgspec.json.Decoder(list[float]).decode


class LogFile:
    """The runs of a deployment, oldest first. Opened when it is first needed, and again after a failure."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.set_aside: Path | None = None
        """Where a file went that could not be used, until somebody asks."""

        self._read_only = read_only
        self._driver: Driver | None = None

    def append(self, entries: Iterable[Entry]) -> None:
        """
        Keep these, all or none.

        Raises:
            PlatformError: There is no room, or the file cannot be written. None is kept.
        """
        driver = self._open()
        try:
            driver.begin(write=True)
            for entry in entries:
                driver.change(_INSERT, _row(entry))
            driver.commit()
        except BaseException as error:
            with suppress(PlatformError):
                driver.rollback()
            self.close()
            if isinstance(error, PlatformError) and _unusable(error):
                self._put_aside()  # The next attempt begins a new one.
            raise

    def trim(self, *, before_id: int, bytes_max: int) -> int:
        """
        Drop what is older than `before_id`, and the oldest if all is larger than it may be; how many runs.

        Room that becomes free is used again: the file does not grow beyond, and does not shrink either.
        """
        driver = self._open()
        dropped = driver.change(
            "DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE id < ? ORDER BY id LIMIT ?)",
            (before_id, TRIM_RUNS),
        )
        if self._used_bytes(driver) > bytes_max:
            [(count,)] = driver.rows("SELECT count(*) FROM runs")
            dropped += driver.change(
                "DELETE FROM runs WHERE id IN (SELECT id FROM runs ORDER BY id LIMIT ?)",
                (min(TRIM_RUNS, count // 10 + 1),),
            )
        return dropped

    def newest(self, limit: int, wanted: Filter) -> list[Entry]:
        """The last runs that are wanted, in order."""
        entries: list[Entry] = []
        below = 2**62
        while len(entries) < limit:
            rows, below = self._rows(wanted, "id < ? AND id > ?", (below, wanted.since_id), "DESC")
            entries += rows
            if not below:
                break
        return entries[:limit][::-1]

    def after(self, id: int, limit: int) -> list[Entry]:
        """The first runs after this one, in order."""
        rows = self._open().rows(f"SELECT {_FIELDS} FROM runs WHERE id > ? ORDER BY id LIMIT ?", (id, limit))
        return [_entry(row) for row in rows]

    def newest_id(self) -> int:
        """Of the last run; 0 if there is none. Begins no file."""
        if not self.path.exists():
            return 0
        [(id,)] = self._open().rows("SELECT coalesce(max(id), 0) FROM runs")
        return int(id)

    def close(self) -> None:
        if self._driver is not None:
            self._driver.close()
            self._driver = None

    def _rows(self, wanted: Filter, where: str, parameters: Sequence[object], order: str) -> tuple[list[Entry], int]:
        """Wanted runs of the next slice, and where the slice ended; 0 at the end of all."""
        conditions, values = [where, "level >= ?"], [*parameters, wanted.level]
        if wanted.request_id is not None:
            conditions.append("request_id = ?")
            values.append(wanted.request_id)
        rows = self._open().rows(
            f"SELECT {_FIELDS} FROM runs WHERE {' AND '.join(conditions)} ORDER BY id {order} LIMIT {SCAN_RUNS}", values
        )
        if not rows:
            return [], 0
        found = [_entry(row) for row in rows if names(wanted.functions, row[2].decode())]
        return found, rows[-1][0] if len(rows) == SCAN_RUNS else 0

    def _used_bytes(self, driver: Driver) -> int:
        [(pages,)], [(free,)], [(size,)] = (
            driver.rows(f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _open(self) -> Driver:
        if self._driver is None:
            try:
                self._driver = self._opened()
            except PlatformError as error:
                if self._read_only or not _unusable(error):
                    raise
                self._put_aside()
                self._driver = self._opened()
        return self._driver

    def _opened(self) -> Driver:
        if not self._read_only:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        driver = Driver(str(self.path), durability="normal", read_only=self._read_only)
        try:
            [(version,)] = driver.rows("PRAGMA user_version")
            if version == 0 and not self._read_only:
                driver.rows("PRAGMA journal_mode = WAL")
                driver.begin(write=True)
                for statement in _TABLES:
                    driver.change(statement)
                driver.commit()
            elif version != _VERSION:
                raise LayoutChanged
        except BaseException:
            driver.close()
            raise
        return driver

    def _put_aside(self) -> None:
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}-unusable-{number}")).exists():
            number += 1
        os.replace(self.path, aside)
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        self.set_aside = aside


def _unusable(error: PlatformError) -> bool:
    """No log of ours, now and for ever: not a matter of room or permission."""
    code = getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, LayoutChanged) or code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


def _row(entry: Entry) -> tuple[object, ...]:
    return (
        entry.id,
        entry.kind,
        entry.function,
        entry.caller,
        entry.request_id,
        entry.execution_id,
        entry.took_ms,
        entry.status,
        entry.level,
        entry.code,
        entry.error,
        entry.frames,
        _encode(entry.lines).decode() if entry.lines else "[]",
        _encode(entry.times).decode() if entry.times else "[]",
    )


def _entry(row: Sequence[Any]) -> Entry:
    id, kind, function, caller, request_id, execution_id, took_ms, status, code, error, frames, lines, times = row
    return Entry(
        id=id,
        kind=kind.decode(),
        function=function.decode(),
        caller=caller.decode(),
        request_id=request_id.decode(),
        execution_id=execution_id.decode(),
        took_ms=took_ms,
        status=status,
        code=None if code is None else code.decode(),
        error=error.decode(),
        frames=frames.decode(),
        lines=_decode_lines(lines),
        times=_decode_times(times),
    )
