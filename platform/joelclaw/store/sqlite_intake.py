"""
Taking many documents into a SQLite file in one step.

An import must be all or nothing, and must not keep mutations waiting for as long as it takes to
read and check a file. So it happens in two steps. `Staging` writes checked documents and their
index keys into a file of its own beside the database, each index sorted at the end. `Intake`
copies that into the database inside one transaction: sorted rows go to the ends of the trees,
which is what makes it short (DESIGN.md has the measurements), and undone is undone.

A staging file that a crash leaves behind means nothing to anybody and can be removed.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from joelclaw.errors import DuplicateId, DuplicateKey, StoreFailed, StoreFull
from joelclaw.schema.layout import DocumentKey, IndexKey, IndexLayout, TableLayout
from joelclaw.store.protocol import Examine
from joelclaw.store.sqlite_catalog import EXAMINED_AT_ONCE, Fitting, find_finder, unique_range
from joelclaw.store.sqlite_driver import Driver
from joelclaw.store.sqlite_statements import quoted

STAGED: Final = "staged"
"""What a staging file is called while it is attached to the database."""

INTAKE_CACHE_KIB: Final = 128 * 1024
"""
Ids are random, so their tree is written everywhere at once. As long as its pages stay in memory each goes
into the log once; with the usual cache a million documents write some of them dozens of times.
"""

STAGING_CACHE_KIB: Final = 16 * 1024


class StagedDocument(NamedTuple):
    """A checked document, its keys, and the line of the file that it stood in."""

    line: int
    id: str
    document: bytes
    keys: Sequence[DocumentKey]


class StagedTwice(NamedTuple):
    """Two documents of one file that cannot be in one table: lines, and what they share."""

    id: str
    line: int
    first_line: int
    index_name: str
    """A unique index whose key both have; `by_id`: the id itself."""


class Staging:
    """A file of documents that are to be taken in. For one thread."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._connection = sqlite3.connect(path, isolation_level=None)
            # Nothing here outlives a crash, so nothing is made to.
            for setting in (
                "journal_mode = OFF",
                "synchronous = OFF",
                "locking_mode = EXCLUSIVE",
                f"cache_size = -{STAGING_CACHE_KIB}",
            ):
                self._connection.execute(f"PRAGMA {setting}")
            self._connection.execute("BEGIN")
        except sqlite3.Error as error:
            raise _ours(path, error) from error

    def add_table(self, table: TableLayout) -> None:
        """Have room for the documents of a table."""
        self._run(f"CREATE TABLE {_documents(table)} (row INTEGER PRIMARY KEY, id TEXT, doc TEXT, line INTEGER)")
        for index in _ordered(table):
            self._run(f"CREATE TABLE {_raw(index)} (key BLOB, row INTEGER, head BLOB, past BLOB)")

    def add(self, table: TableLayout, documents: Sequence[StagedDocument], first_row: int) -> None:
        """Add documents; their rows are numbered from `first_row`, in order."""
        numbered = list(enumerate(documents, first_row))
        self._run_many(
            f"INSERT INTO {_documents(table)} VALUES (?, ?, CAST(? AS TEXT), ?)",
            ((row, each.id, each.document, each.line) for row, each in numbered),
        )
        for index in _ordered(table):
            number = index.number
            self._run_many(
                f"INSERT INTO {_raw(index)} VALUES (?, ?, ?, ?)",
                (
                    (key.key, row, *(unique_range(key) if index.unique else (None, None)))
                    for row, each in numbered
                    for key in each.keys
                    if key.index == number and isinstance(key, IndexKey)
                ),
            )

    def finish(self, table: TableLayout) -> StagedTwice | None:
        """Sort what was added; two documents that cannot both be in the table, if there are any."""
        twice = self._find_twice(
            "by_id", f"SELECT id, min(line), max(line) FROM {_documents(table)} GROUP BY id HAVING count(*) > 1"
        )
        if twice is not None:
            return twice
        for index in _ordered(table):
            self._run(f"CREATE TABLE {_sorted(index)} AS SELECT * FROM {_raw(index)} ORDER BY key")
            self._run(f"DROP TABLE {_raw(index)}")
            if index.unique:
                twice = self._find_twice(
                    index.name,
                    f"SELECT max(id), min(line), max(line) FROM {_sorted(index)} JOIN {_documents(table)} USING (row) "
                    f"GROUP BY head HAVING count(*) > 1",
                )
                if twice is not None:
                    return twice
        return None

    def _find_twice(self, index: str, sql: str) -> StagedTwice | None:
        row = self._run(f"{sql} LIMIT 1").fetchone()
        return None if row is None else StagedTwice(id=row[0], line=row[2], first_line=row[1], index_name=index)

    def close(self) -> None:
        """Let the database have it."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise _ours(self.path, error) from error
        finally:
            self._connection.close()

    def abandon(self) -> None:
        """Nobody needs it any more, closed or not."""
        self._connection.close()

    def _run(self, sql: str) -> sqlite3.Cursor:
        try:
            return self._connection.execute(sql)
        except sqlite3.Error as error:
            raise _ours(self.path, error) from error

    def _run_many(self, sql: str, rows: Iterable[tuple[object, ...]]) -> None:
        try:
            self._connection.executemany(sql, rows)
        except sqlite3.Error as error:
            raise _ours(self.path, error) from error


class Conflict(NamedTuple):
    """A staged document that the database has no room for."""

    id: str
    line: int
    index_name: str
    holder: str


class Intake:
    """
    Brings a staging file into the database, inside a transaction that the caller commits or undoes.

    The file is attached to the driver already, under the name `STAGED`.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        driver.rows(f"PRAGMA cache_size = -{INTAKE_CACHE_KIB}")

    def empty(self, table: TableLayout) -> None:
        """Remove all documents of a table, and whatever finds them."""
        for index in (table.by_id, *_ordered(table)):
            self._driver.change(f"DELETE FROM {self._relation(index)}")
        for index in table.finders:
            finder = find_finder(self._driver, index.number)
            assert finder is not None, index.name
            finder.drop(self._driver)
            finder.create(self._driver)

    def renumber(self, numbers: Mapping[str, int]) -> None:
        """
        Give empty tables these numbers.

        Raises:
            TableNumberTaken: One has documents, or another that has documents has its number.
        """
        Fitting(self._driver, lambda _table, _raws: [], numbers).renumber()

    def find_conflict(self, table: TableLayout) -> Conflict | None:
        """A staged document whose id, or key of a unique index, the table has already."""
        rows = self._driver.rows(
            f"SELECT id, line FROM {STAGED}.{_documents(table)} AS s "
            f"WHERE EXISTS (SELECT 1 FROM {self._relation(table.by_id)} WHERE _id = s.id) ORDER BY line LIMIT 1"
        )
        if rows:
            return Conflict(rows[0][0].decode(), rows[0][1], "by_id", rows[0][0].decode())
        for index in _ordered(table):
            if index.unique:
                rows = self._driver.rows(
                    f"SELECT d.id, d.line, m._id FROM {STAGED}.{_sorted(index)} AS s "
                    f"CROSS JOIN {self._relation(index)} AS i ON i.key >= s.head AND i.key < s.past "
                    f"CROSS JOIN {STAGED}.{_documents(table)} AS d ON d.row = s.row "
                    f"CROSS JOIN {self._relation(table.by_id)} AS m ON m.row = i.row LIMIT 1"
                )
                if rows:
                    return Conflict(rows[0][0].decode(), rows[0][1], index.name, rows[0][2].decode())
        return None

    def take(self, table: TableLayout, examine: Examine) -> int:
        """
        Copy the staged documents of a table; how many. `examine` gives their entries in search and vector indexes.

        Raises:
            DuplicateId, DuplicateKey: `find_conflict` finds one.
        """
        conflict = self.find_conflict(table)
        if conflict is not None:
            if conflict.index_name == "by_id":
                raise DuplicateId(table.name, conflict.id)
            raise DuplicateKey(table.name, conflict.index_name, conflict.holder)
        documents = self._relation(table.by_id)
        [(base,)] = self._driver.rows(f"SELECT coalesce(max(row), 0) FROM {documents}")
        taken = self._driver.change(
            f"INSERT INTO {documents} (row, _id, doc) "
            f"SELECT row + ?, id, doc FROM {STAGED}.{_documents(table)} ORDER BY row",
            (base,),
        )
        for index in _ordered(table):
            self._driver.change(
                f"INSERT INTO {self._relation(index)} (key, row) "
                f"SELECT key, row + ? FROM {STAGED}.{_sorted(index)} ORDER BY rowid",
                (base,),
            )
        if table.finders:
            self._fill_finders(table, base, examine)
        return taken

    def count(self, table: TableLayout) -> int:
        """How many documents a table has."""
        [(count,)] = self._driver.rows(f"SELECT count(*) FROM {self._relation(table.by_id)}")
        return int(count)

    def _fill_finders(self, table: TableLayout, last: int, examine: Examine) -> None:
        finders = {index.number: find_finder(self._driver, index.number) for index in table.finders}
        documents = self._relation(table.by_id)
        while rows := self._driver.rows(
            f"SELECT row, doc FROM {documents} WHERE row > ? ORDER BY row LIMIT {EXAMINED_AT_ONCE}", (last,)
        ):
            for (row, _), keys in zip(rows, examine(table, [doc for _, doc in rows]), strict=True):
                for key in keys:
                    if not isinstance(key, IndexKey) and (finder := finders.get(key.index)) is not None:
                        finder.add(self._driver, row, key)  # type: ignore[arg-type]  # Its number says its kind.
            last = rows[-1][0]

    def _relation(self, index: IndexLayout) -> str:
        """The table of an index; of `by_id`, that of the documents."""
        [(relation,)] = self._driver.rows('SELECT relation FROM "joelclaw.indexes" WHERE number = ?', (index.number,))
        return f"main.{quoted(relation.decode())}"


def _ordered(table: TableLayout) -> tuple[IndexLayout, ...]:
    return (table.by_creation_time, *table.indexes)


def _documents(table: TableLayout) -> str:
    return quoted(f"documents.{table.by_id.number}")


def _raw(index: IndexLayout) -> str:
    return quoted(f"raw.{index.number}")


def _sorted(index: IndexLayout) -> str:
    return quoted(f"sorted.{index.number}")


def _ours(path: str, error: sqlite3.Error) -> StoreFull | StoreFailed:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_INTERNAL) & 0xFF
    return StoreFull(path) if code == sqlite3.SQLITE_FULL else StoreFailed(path, str(error))
