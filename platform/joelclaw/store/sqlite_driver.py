"""
One connection to a SQLite file, with our settings and our errors.

Everything that the standard `sqlite3` raises becomes ours here, by its code and never by its
text. An error inside a transaction poisons it: SQLite undoes some transactions by itself (no
room, no memory, I/O error), and a statement after that would commit on its own.

Values come back as bytes, also those of TEXT columns: a document goes from the page into the
decoder without becoming a `str`.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeAlias

from joelclaw.errors import (
    LayoutChanged,
    OutcomeUnknown,
    StatementInterrupted,
    StoreBusy,
    StoreFailed,
    StoreFull,
    StoreUnreadable,
)

Durability: TypeAlias = Literal["full", "normal", "none"]
"""What survives a power cut: every commit, all but the last few, or possibly nothing (tests)."""

SQLITE_VERSION_MIN: Final = (3, 37, 0)
STATEMENTS_KEPT: Final = 1_024
"""Prepared statements a connection keeps: some ten for each index."""

CACHE_KIB: Final = 16_384
"""
Pages a connection keeps, in private memory. The file is not mapped instead: after each commit of
another process SQLite unmaps it, and every page is a fault again (measured: 290 against 170
microseconds for 50 documents, and 120 against 26 to open the snapshot).
"""

LOG_BYTES_KEPT: Final = 64 * 1_024 * 1_024
"""A log that had to grow beyond this is cut when it starts anew."""

PROGRESS_STEPS: Final = 20_000
"""Steps of SQLite's machine, about a millisecond, between two questions whether to go on."""

_SYNCHRONOUS: Final = {"full": "FULL", "normal": "NORMAL", "none": "OFF"}


class Driver:
    """An open connection; at most one transaction at a time."""

    def __init__(
        self,
        path: str,
        *,
        durability: Durability = "full",
        read_only: bool = False,
        lock_timeout_s: float = 5.0,
        size_max_bytes: int | None = None,
    ) -> None:
        """
        Raises:
            StoreUnreadable: There is no such file (`read_only`), or it is no database.
        """
        if sqlite3.sqlite_version_info < SQLITE_VERSION_MIN:
            needed = ".".join(map(str, SQLITE_VERSION_MIN[:2]))
            raise StoreUnreadable(path, f"needs SQLite {needed} or newer; this Python has {sqlite3.sqlite_version}")
        self.path = path
        self.lock_timeout_s = lock_timeout_s
        self._open = False
        self._failure: BaseException | None = None
        self._changing = False
        self._defined: set[str] = set()
        # Read-only is `query_only`, not `mode=ro`: the first reader after a crash must be able to recover the log.
        uri = f"file://{_in_uri(os.path.abspath(path))}?mode={'rw' if read_only else 'rwc'}"
        try:
            self._connection = sqlite3.connect(
                uri, timeout=lock_timeout_s, isolation_level=None, cached_statements=STATEMENTS_KEPT, uri=True
            )
        except sqlite3.Error as error:
            raise self._ours(error) from error
        self._connection.text_factory = bytes
        self._execute = self._connection.cursor().execute
        for setting in (
            f"synchronous = {_SYNCHRONOUS[durability]}",
            "fullfsync = ON",  # macOS: an ordinary fsync leaves the data in the disk's own cache.
            "checkpoint_fullfsync = ON",
            f"cache_size = -{CACHE_KIB}",
            "mmap_size = 0",
            f"journal_size_limit = {LOG_BYTES_KEPT}",
            "temp_store = MEMORY",
        ):
            self.rows(f"PRAGMA {setting}")
        if size_max_bytes is not None:
            [(page_bytes,)] = self.rows("PRAGMA page_size")
            self.rows(f"PRAGMA max_page_count = {size_max_bytes // page_bytes}")
        if read_only:
            self.rows("PRAGMA query_only = ON")

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Run a statement that reads; all its rows."""
        if self._failure is not None:
            raise self._failure
        try:
            return self._execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error
        except MemoryError:
            self._fail_if_undone()
            raise

    def change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """
        Run a statement that writes; how many rows it touched.

        It is never interrupted: that would undo the transaction.
        """
        return self._change(sql, parameters).rowcount

    def insert(self, sql: str, parameters: Sequence[object]) -> int | None:
        """Run an INSERT of one row; the row's number, or None if there is one with its unique value."""
        try:
            return self._change(sql, parameters).lastrowid
        except sqlite3.IntegrityError:
            return None

    def _change(self, sql: str, parameters: Sequence[object]) -> sqlite3.Cursor:
        if self._failure is not None:
            raise self._failure
        self._changing = True
        try:
            return self._execute(sql, parameters)
        except sqlite3.IntegrityError:
            raise  # The one error of a statement after which all is well.
        except sqlite3.Error as error:
            raise self._failed(error) from error
        except MemoryError:
            self._fail_if_undone()
            raise
        finally:
            self._changing = False

    @property
    def total_changes(self) -> int:
        """Rows written so far, ever."""
        return self._connection.total_changes

    def begin(self, *, write: bool) -> None:
        """
        Begin a transaction; one that only reads sees what is newest when it first reads.

        Raises:
            StoreBusy: Somebody else holds the write lock.
        """
        assert not self._open
        self.change("BEGIN IMMEDIATE" if write else "BEGIN")
        self._open = True

    def commit(self) -> None:
        """
        Raises:
            OutcomeUnknown: It may be durable or not.
            StoreFull: It is not.
        """
        if self._failure is not None:
            raise self._failure
        try:
            self._execute("COMMIT")
        except sqlite3.Error as error:
            ours = self._failed(error)
            if isinstance(ours, StoreFailed):
                ours = OutcomeUnknown(self.path, ours.reason)
            raise ours from error
        self._open = False

    def rollback(self) -> None:
        """Undo the open transaction, or what a failure left of it."""
        self._open = False
        self._failure = None
        if self._connection.in_transaction:
            try:
                self._execute("ROLLBACK")
            except sqlite3.Error as error:
                raise self._ours(error) from error

    def checkpoint(self) -> None:
        """Copy the log into the database and empty it, as far as others allow without waiting for them."""
        self.rows("PRAGMA busy_timeout = 0")
        try:
            self.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self.rows(f"PRAGMA busy_timeout = {round(self.lock_timeout_s * 1_000)}")

    def ask_during_reads(self, expired: Callable[[], bool]) -> None:
        """Ask this every few milliseconds of a reading statement; True ends the statement."""
        self._connection.set_progress_handler(lambda: not self._changing and expired(), PROGRESS_STEPS)

    def define(self, name: str, arguments: int, function: Callable[..., float]) -> None:
        """Let statements call a function, which answers the same whenever it is asked the same."""
        if name not in self._defined:  # Each definition makes all prepared statements be prepared again.
            self._connection.create_function(name, arguments, function, deterministic=True)
            self._defined.add(name)

    def close(self) -> None:
        self._connection.close()

    def _failed(self, error: sqlite3.Error) -> BaseException:
        """Our error for the driver's; a transaction that is open is lost, unless it may go on."""
        ours = self._ours(error)
        # Ours to say, not `in_transaction`'s: SQLite may have undone it by itself.
        if self._open and not isinstance(ours, StatementInterrupted):
            self._failure = ours
        return ours

    def _fail_if_undone(self) -> None:
        """`sqlite3` tells this one error as Python's own. A transaction may survive it, or be gone."""
        if self._open and not self._connection.in_transaction:
            self._failure = StoreFailed(self.path, "out of memory")

    def _ours(self, error: sqlite3.Error) -> BaseException:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_INTERNAL) & 0xFF
        match code:
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return StoreBusy(self.path, self.lock_timeout_s)
            case sqlite3.SQLITE_FULL:
                return StoreFull(self.path)
            case sqlite3.SQLITE_INTERRUPT:
                return StatementInterrupted()
            case sqlite3.SQLITE_CANTOPEN:
                return StoreUnreadable(self.path, "cannot be opened; does it exist, and may we read and write it?")
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
                return StoreUnreadable(self.path, "may not be written by us; look at its permissions and its folder's")
            case sqlite3.SQLITE_NOTADB:
                return StoreUnreadable(self.path, "is not a SQLite database; name another file in [store] url")
            case sqlite3.SQLITE_ERROR:
                # Our statements are fixed: one that does not compile names a table that is gone.
                return LayoutChanged()
        return StoreFailed(self.path, str(error))


def _in_uri(path: str) -> str:
    for character in "%?#":
        path = path.replace(character, f"%{ord(character):02x}")
    return path
