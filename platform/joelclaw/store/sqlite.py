"""
The store on SQLite: one file, one writer, any number of readers.

The write-ahead log gives each reader the snapshot it began with while the writer goes on; a
transaction takes the write lock when it begins, so it never fails for another's sake later.

A store that only reads opens nothing before it is needed: an isolate that only reads may be started
before the writer has made the file. Connections are kept and used again, one snapshot after
another.

Elsewhere: `sqlite_driver.py` has the connection and the errors, `sqlite_statements.py` the
statements, `sqlite_search.py` and `sqlite_vectors.py` the indexes that find by content,
`sqlite_catalog.py` what the file holds and how it comes to fit a schema. Why it is laid out
this way, and what was measured, is in DESIGN.md.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf, nextafter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from joelclaw.clock import Clock
from joelclaw.errors import DuplicateId, DuplicateKey, LayoutChanged, StoreUnreadable
from joelclaw.schema.finding import Conditions, told_keys
from joelclaw.schema.layout import (
    DocumentKey,
    IndexKey,
    IndexLayout,
    Layout,
    SearchEntry,
    TableLayout,
    VectorEntry,
)
from joelclaw.schema.specs import TableSpec
from joelclaw.store.protocol import Commit, Examine, Finish, Match, Rank
from joelclaw.store.sqlite_catalog import (
    Fitting,
    find_finder,
    find_statements,
    make_ours,
    read_layout,
    require_ours,
    unique_range,
)
from joelclaw.store.sqlite_driver import Driver, Durability
from joelclaw.store.sqlite_intake import STAGED
from joelclaw.store.sqlite_search import SearchTables
from joelclaw.store.sqlite_statements import DocumentStatements, IndexStatements
from joelclaw.store.sqlite_vectors import VectorTable
from joelclaw.values.terms import Question
from joelclaw.values.timestamps import CommitTs

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

LOCK_TIMEOUT_S: Final = 5.0

NO_NUMBERS: Final[Mapping[str, int]] = {}

CALLS_FORGOTTEN_AT_ONCE: Final = 256
"""A deployment that comes back after a month forgets in slices, not all within somebody's mutation."""


def open_sqlite(
    url: str,
    durability: Durability = "full",
    *,
    read_only: bool = False,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
    size_max_bytes: int | None = None,
) -> "SqliteStore":
    """
    Open `sqlite:///folder/file.db` (four slashes: from the root), making file and folder if need be.

    `sqlite://` is a database of its own that ends with the store: for tests, one process, several
    connections. `size_max_bytes` is a limit that the file does not outgrow.

    Raises:
        StoreUnreadable: The file is no database of ours, or of another version; or the URL is none.
        StoreBusy: Another process is making it.
    """
    path = sqlite_path(url)
    folder = None
    if path is None:
        import tempfile  # For tests only: isolates need not carry it.

        # Not `:memory:`: several connections share that only without snapshots of their own.
        folder = tempfile.TemporaryDirectory(prefix="joelclaw-", ignore_cleanup_errors=True)
        path, durability = os.path.join(folder.name, "memory.db"), "none"
    elif not read_only:
        _make_folder(path)

    def connect(read_only: bool) -> Driver:
        return Driver(
            path,
            durability=durability,
            read_only=read_only,
            lock_timeout_s=lock_timeout_s,
            size_max_bytes=size_max_bytes,
        )

    store = SqliteStore(path, connect, read_only, folder)
    if not read_only:
        store.open_writer()
    return store


def sqlite_path(url: str) -> str | None:
    """The file of a `sqlite:` URL, None for `sqlite://`."""
    scheme, separator, path = url.partition("://")
    if scheme != "sqlite" or not separator or (path and not path.startswith("/")) or path == "/":
        raise StoreUnreadable(url, "is no SQLite URL; write sqlite:///folder/file.db")
    return path[1:] or None


def _make_folder(path: str) -> None:
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    except OSError as error:
        raise StoreUnreadable(path, f"has no folder to be in: {error.strerror}") from error


_Entry: TypeAlias = SearchEntry | VectorEntry


class _View(ABC):
    """Documents as one connection sees them now: a snapshot, or a transaction."""

    def __init__(self, store: "SqliteStore", driver: Driver, timestamp: CommitTs) -> None:
        self._store = store
        self.driver = driver
        self.timestamp = timestamp
        self._closed = False

    def get(self, table: TableLayout, id: str) -> bytes | None:
        rows = self.driver.rows(self._documents(table).get, (id,))
        return rows[0][0] if rows else None

    def scan(
        self,
        table: TableLayout,  # noqa: ARG002 (an index number says it all here)
        index: IndexLayout,
        start: bytes,
        end: bytes | None,
        *,
        reverse: bool = False,
        limit: int | None = None,
    ) -> list[tuple[bytes, bytes]]:
        statements = self._index(index.number)
        limit = -1 if limit is None else limit
        if end is None:
            return self.driver.rows(
                statements.backward_to_end if reverse else statements.forward_to_end, (start, limit)
            )
        return self.driver.rows(statements.backward if reverse else statements.forward, (start, end, limit))

    def count(
        self,
        table: TableLayout,  # noqa: ARG002
        index: IndexLayout,
        start: bytes,
        end: bytes | None,
    ) -> int:
        statements = self._index(index.number)
        if end is None:
            [(number,)] = self.driver.rows(statements.count_to_end, (start,))
        else:
            [(number,)] = self.driver.rows(statements.count, (start, end))
        return int(number)

    def search(
        self,
        index: IndexLayout,
        question: Question,
        conditions: Conditions,
        *,
        after: Rank | None = None,
        up_to: Rank | None = None,
        limit: int,
    ) -> list[Match]:
        tables = self._search_tables(index)
        return tables.search(self.driver, question, conditions, after, up_to, limit)

    def count_matches(self, index: IndexLayout, question: Question, conditions: Conditions) -> int:
        tables = self._search_tables(index)
        return tables.count(self.driver, question, conditions)

    def nearest(
        self, index: IndexLayout, vector: bytes, conditions: Conditions, *, limit: int
    ) -> list[tuple[str, float]]:
        table = self.finder(index.number)
        assert isinstance(table, VectorTable), f"{index.name} is no vector index"
        return table.nearest(self.driver, vector, conditions, limit)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None: ...

    def _index(self, number: int) -> IndexStatements:
        try:
            return self._store.statements[number][0]
        except KeyError:
            return self._learn(number)[0]

    def _documents(self, table: TableLayout) -> DocumentStatements:
        try:
            return self._store.statements[table.by_id.number][1]
        except KeyError:
            return self._learn(table.by_id.number)[1]

    def row(self, table: TableLayout, id: str) -> int:
        """The row number of a document that is there."""
        [(row,)] = self.driver.rows(self._documents(table).row, (id,))
        return int(row)

    def _search_tables(self, index: IndexLayout) -> SearchTables:
        found = self.finder(index.number)
        assert isinstance(found, SearchTables), f"{index.name} is no search index"
        return found

    def finder(self, number: int) -> SearchTables | VectorTable:
        """The tables of a search or vector index."""
        found = self._store.finders.get(number)
        if found is None:
            found = find_finder(self.driver, number)
            if found is None:
                raise LayoutChanged
            self._store.finders[number] = found
        return found

    def _learn(self, number: int) -> tuple[IndexStatements, DocumentStatements]:
        statements = find_statements(self.driver, number)
        if statements is None:
            raise LayoutChanged
        self._store.statements[number] = statements
        return statements


class SqliteSnapshot(_View):
    """A view that never changes. Its connection goes back to the store when it is closed."""

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.driver.rollback()
            self._store.idle_readers.append(self.driver)


class SqliteTransaction(_View):
    """The open transaction of the store's only writing connection."""

    def __init__(self, store: "SqliteStore", driver: Driver, timestamp: CommitTs, creation_time: float) -> None:
        super().__init__(store, driver, timestamp)
        self._creation_time = creation_time
        self._keys: list[IndexKey] = []
        self._calls = 0
        self._terms_wait = False
        """FTS5 holds terms in memory."""

        self._marks: list[tuple[int, int]] = []
        """For each open savepoint, how many keys and calls there were before it."""

    @property
    def changed(self) -> bool:
        return bool(self._keys or self._calls)

    # -- documents

    def insert(self, table: TableLayout, id: str, document: bytes, keys: Sequence[DocumentKey]) -> None:
        documents = self._documents(table)
        keys, entries = _divided(table, keys)
        self._refuse_duplicates(keys)
        row = self.driver.insert(documents.insert, (id, document))
        if row is None:
            raise DuplicateId(table.name, id)
        self._add_keys(keys, row)
        self._keys += keys
        if entries:
            self._exchange_entries((), entries, row)

    def replace(
        self, table: TableLayout, id: str, document: bytes, old: Sequence[DocumentKey], new: Sequence[DocumentKey]
    ) -> None:
        documents = self._documents(table)
        old, old_entries = _divided(table, old)
        new, new_entries = _divided(table, new)
        removed = [key for key in old if key not in new]
        added = [key for key in new if key not in old]
        self._refuse_duplicates(added)
        [(row,)] = self.driver.rows(documents.row, (id,))
        self.driver.change(documents.update, (document, row))
        self._remove_keys(removed)
        self._add_keys(added, row)
        self._keys += old
        self._keys += added
        if old_entries != new_entries:
            self._exchange_entries(old_entries, new_entries, row)

    def delete(self, table: TableLayout, id: str, keys: Sequence[DocumentKey]) -> None:
        keys, entries = _divided(table, keys)
        if entries:
            self._exchange_entries(entries, (), self.row(table, id))
        deleted = self.driver.change(self._documents(table).delete, (id,))
        assert deleted == 1, f"{table.name} has no {id}"
        self._remove_keys(keys)
        self._keys += keys

    def writes(self) -> list[IndexKey]:
        return list(dict.fromkeys(self._keys))

    def next_creation_time(self, now_ms: float) -> float:
        self._creation_time = max(now_ms, nextafter(self._creation_time, inf))
        return self._creation_time

    def _refuse_duplicates(self, keys: Sequence[IndexKey]) -> None:
        for key in keys:
            statements = self._index(key.index)
            if statements.unique:
                holders = self.driver.rows(statements.holder, unique_range(key))
                if holders:
                    raise DuplicateKey(statements.table, statements.index, holders[0][0].decode())

    def _add_keys(self, keys: Sequence[IndexKey], row: int) -> None:
        for key in keys:
            statements = self._index(key.index)
            if statements.insert:
                self.driver.change(statements.insert, (key.key, row))

    def _remove_keys(self, keys: Sequence[IndexKey]) -> None:
        for key in keys:
            statements = self._index(key.index)
            if statements.delete:
                deleted = self.driver.change(statements.delete, (key.key,))
                assert deleted == 1, f"{statements.table}.{statements.index} has no such key"

    def _exchange_entries(self, old: Sequence[_Entry], new: Sequence[_Entry], row: int) -> None:
        """Write what changed in search and vector indexes, and tell of it."""
        self._terms_wait = True
        for entry in old:
            if entry not in new:
                finder: Any = self.finder(entry.index)  # An entry's number says what kind it is for.
                finder.remove(self.driver, row, entry)
                self._keys += told_keys(entry)
        for entry in new:
            if entry not in old:
                finder = self.finder(entry.index)
                finder.add(self.driver, row, entry)
                self._keys += told_keys(entry)

    def _search_tables(self, index: IndexLayout) -> SearchTables:
        if self._terms_wait:
            # FTS5 would write them when it is first read, and an interrupted write undoes the transaction.
            self.driver.change("SAVEPOINT terms")
            self.driver.change("RELEASE terms")
            self._terms_wait = False
        return super()._search_tables(index)

    def created_until(self, at_ms: float) -> None:
        """Documents that were taken in have creation times up to this; `next_creation_time` goes on after it."""
        self._creation_time = max(self._creation_time, at_ms)

    # -- savepoints

    def savepoint(self) -> int:
        self.driver.change(f"SAVEPOINT s{len(self._marks) + 1}")
        self._marks.append((len(self._keys), self._calls))
        return len(self._marks)

    def rollback_to(self, savepoint: int) -> None:
        self.driver.change(f"ROLLBACK TO s{savepoint}")
        self.driver.change(f"RELEASE s{savepoint}")
        keys, self._calls = self._marks[savepoint - 1]
        del self._keys[keys:]
        del self._marks[savepoint - 1 :]

    def release(self, savepoint: int) -> None:
        self.driver.change(f"RELEASE s{savepoint}")
        del self._marks[savepoint - 1 :]

    # -- calls and replies

    def find_call(self, call_id: str) -> bytes | None:
        rows = self.driver.rows('SELECT outcome FROM "joelclaw.calls" WHERE call_id = ?', (call_id,))
        return rows[0][0] if rows else None

    def record_call(self, call_id: str, outcome: bytes, at_ms: float) -> None:
        row = self.driver.insert(
            'INSERT INTO "joelclaw.calls" (call_id, outcome, at) VALUES (?, ?, ?)',
            (call_id, outcome, at_ms),
        )
        assert row is not None, f"the call {call_id} is recorded already"
        self._calls += 1

    def forget_calls(self, before_ms: float) -> int:
        # Rows are numbered in the order of time: the oldest are looked at, no index is needed.
        return self.driver.change(
            f"""
            DELETE FROM "joelclaw.calls" WHERE at < ? AND row IN (
                SELECT row FROM "joelclaw.calls" ORDER BY row LIMIT {CALLS_FORGOTTEN_AT_ONCE}
            )
            """,
            (before_ms,),
        )

    def forget_replies(self, published_ts: int) -> None:
        self.driver.change('DELETE FROM "joelclaw.replies" WHERE ts <= ?', (published_ts,))

    # -- the end

    def commit(self, reply: bytes, ts: CommitTs) -> Commit:
        assert ts > self.timestamp
        assert not self._marks
        self.driver.change('INSERT INTO "joelclaw.replies" (ts, reply) VALUES (?, ?)', (ts, reply))
        self.driver.change(
            'UPDATE "joelclaw.meta" SET commit_ts = ?, creation_time = ?',
            (ts, self._creation_time),
        )
        self.driver.commit()
        self._end()
        return Commit(ts=ts, keys=self.writes())

    def rollback(self) -> None:
        if not self._closed:
            self.driver.rollback()
            self._end()

    def close(self) -> None:
        self.rollback()

    def _end(self) -> None:
        self._closed = True
        self._store.open_transaction = None


def _divided(table: TableLayout, keys: Sequence[DocumentKey]) -> tuple[Sequence[IndexKey], Sequence[_Entry]]:
    """Keys of ordered indexes, and entries in the others."""
    if not table.finders:
        return keys, ()  # type: ignore[return-value]  # There is nothing else among them.
    return (
        [key for key in keys if isinstance(key, IndexKey)],
        [key for key in keys if not isinstance(key, IndexKey)],
    )


class SqliteStore:
    """A `Store` on a SQLite file; made by `open_sqlite`. For one thread."""

    def __init__(
        self,
        path: str,
        connect: Callable[[bool], Driver],
        read_only: bool,
        folder: "TemporaryDirectory[str] | None",
    ) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        """Opens the same database from elsewhere, a temporary one included."""

        self.statements: dict[int, tuple[IndexStatements, DocumentStatements]] = {}
        """By index number. A number never means another index, so nothing here is ever wrong."""

        self.finders: dict[int, SearchTables | VectorTable] = {}
        """Search and vector indexes, by number likewise."""

        self.idle_readers: list[Driver] = []
        self.open_transaction: SqliteTransaction | None = None
        self._connect = connect
        self._read_only = read_only
        self._folder = folder
        self._drivers: list[Driver] = []
        self._writer: Driver | None = None
        self._layout_version: int | None = None
        self._expired: Callable[[], bool] | None = None

    def open_writer(self) -> Driver:
        """The writing connection; makes the file's own tables when it is opened."""
        assert not self._read_only, "this store was opened for reading"
        if self._writer is None:
            self._writer = self._open(read_only=False)
        return self._writer

    def read(self) -> SqliteSnapshot:
        driver = self.idle_readers.pop() if self.idle_readers else self._open(read_only=True)
        driver.begin(write=False)
        try:
            [(ts,)] = driver.rows('SELECT commit_ts FROM "joelclaw.meta"')
        except BaseException:
            driver.rollback()
            self.idle_readers.append(driver)
            raise
        return SqliteSnapshot(self, driver, CommitTs(ts))

    def write(self) -> SqliteTransaction:
        assert self.open_transaction is None, "one transaction at a time"
        driver = self.open_writer()
        driver.begin(write=True)
        try:
            [(ts, creation_time, version)] = driver.rows(
                'SELECT commit_ts, creation_time, layout_version FROM "joelclaw.meta"'
            )
            if self._layout_version is None:
                self._layout_version = version
            elif self._layout_version != version:
                raise LayoutChanged
        except BaseException:
            driver.rollback()
            raise
        self.open_transaction = SqliteTransaction(self, driver, CommitTs(ts), creation_time)
        return self.open_transaction

    @contextmanager
    def attached(self, staging: str) -> Iterator[None]:
        """Have the writing connection see a staging file (`sqlite_intake.py`), between transactions."""
        driver = self.open_writer()
        driver.rows(f"ATTACH DATABASE ? AS {STAGED}", (staging,))
        try:
            yield
        finally:
            driver.rows(f"DETACH DATABASE {STAGED}")

    def next_timestamp(self, clock: Clock) -> CommitTs:
        assert self.open_transaction is not None, "a timestamp is for a transaction that is open"
        return CommitTs(max(clock.now_ns(), self.open_transaction.timestamp + 1))

    def prepare(
        self,
        tables: Sequence[TableSpec],
        examine: Examine,
        numbers: Mapping[str, int] = NO_NUMBERS,
        finish: Finish | None = None,
    ) -> Layout:
        driver = self.open_writer()
        driver.begin(write=True)
        try:
            layout = Fitting(driver, examine, numbers).fit(tables)
            [(ts, creation_time, version)] = driver.rows(
                'SELECT commit_ts, creation_time, layout_version FROM "joelclaw.meta"'
            )
            if finish is None:
                driver.commit()
            else:
                self.open_transaction = SqliteTransaction(self, driver, CommitTs(ts), creation_time)
                finish(layout, self.open_transaction)
        except BaseException:
            if self.open_transaction is not None:
                self.open_transaction.rollback()
            else:
                driver.rollback()
            raise
        self._layout_version = version
        return layout

    def layout(self) -> Layout:
        with self.read() as snapshot:
            return read_layout(snapshot.driver)

    def replies_after(self, ts: int) -> list[tuple[CommitTs, bytes]]:
        with self.read() as snapshot:
            return snapshot.driver.rows('SELECT ts, reply FROM "joelclaw.replies" WHERE ts > ? ORDER BY ts', (ts,))

    def interruptible(self, expired: Callable[[], bool]) -> None:
        self._expired = expired
        for driver in self._drivers:
            driver.ask_during_reads(expired)

    def checkpoint(self) -> int:
        assert self.open_transaction is None
        self.open_writer().checkpoint()
        return self.log_bytes()

    def log_bytes(self) -> int:
        try:
            return os.path.getsize(f"{self.path}-wal")
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        if self.open_transaction is not None:
            self.open_transaction.rollback()
        # The writer last: whoever is last copies the log into the database and removes it.
        for driver in sorted(self._drivers, key=lambda driver: driver is self._writer):
            driver.close()
        self._drivers.clear()
        self.idle_readers.clear()
        if self._folder is not None:
            self._folder.cleanup()

    def _open(self, *, read_only: bool) -> Driver:
        driver = self._connect(read_only)
        try:
            (require_ours if read_only else make_ours)(driver)
        except BaseException:
            driver.close()
            raise
        if self._expired is not None:
            driver.ask_during_reads(self._expired)
        self._drivers.append(driver)
        return driver
