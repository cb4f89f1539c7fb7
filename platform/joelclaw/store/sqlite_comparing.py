"""
Whether search and vector indexes have of documents what they should: for whoever doubts a file.

An ordered index can be asked for a key. Of a vector index there is a row for each document, and of a
search index too, beside the terms. Those FTS5 keeps by term and not by document, so they are compared
all at once: as the sum of a mark for each time that a term stands in a document. Sums of different
terms are the same once in four billion times.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from joelclaw.errors import StoreFailed
from joelclaw.schema.layout import DocumentKey, IndexLayout, SearchEntry, TableLayout, VectorEntry
from joelclaw.store.sqlite import SqliteSnapshot, SqliteStore
from joelclaw.store.sqlite_search import SearchTables

_MARKS: Final = 2**32
"""How many there are. SQLite adds up two billion of them before its integers end."""


class EntryComparison:
    """
    Compares the entries that one table's documents should have with those that the indexes have.

    Each method answers with what is wrong, as the end of a sentence; empty: nothing.
    """

    def __init__(self, store: SqliteStore, snapshot: SqliteSnapshot, table: TableLayout) -> None:
        """The snapshot stays open meanwhile."""
        self._store = store
        self._snapshot = snapshot
        self._table = table
        self._marks = {finder.number: 0 for finder in table.finders}

    def compare(self, id: str, keys: Iterable[DocumentKey]) -> str:
        """Compare what indexes have of a document beside its terms. `keys` is all that it should be in them."""
        entries = {key.index: key for key in keys if isinstance(key, (SearchEntry, VectorEntry))}
        row = self._snapshot.row(self._table, id)
        for finder in self._table.finders:
            entry = entries.get(finder.number)
            expected = [] if entry is None else [_columns(entry)]
            if self._snapshot.finder(finder.number).find(self._snapshot.driver, row) != expected:
                return self._told(finder, f"has something else of {id}")
            if isinstance(entry, SearchEntry):
                self._marks[finder.number] += sum(_mark(term, row) * count for term, count in entry.terms)
        return ""

    def end(self, *, all_told: bool) -> str:
        """
        Have FTS5 look at its own structures, and compare the terms if all documents of the table were told.

        The store is open for writing: it is by an INSERT that FTS5 is told to look.
        """
        for finder, tables in self._searched():
            try:
                tables.check(self._store.open_writer())
                marks = tables.sum_of_marks(self._snapshot.driver, _mark) if all_told else self._marks[finder.number]
            except StoreFailed as error:
                return self._told(finder, f"is damaged: {error.reason}")
            if marks != self._marks[finder.number]:
                return self._told(finder, "has other words than the documents")
        return ""

    def _searched(self) -> Iterator[tuple[IndexLayout, SearchTables]]:
        for finder in self._table.finders:
            tables = self._snapshot.finder(finder.number)
            if isinstance(tables, SearchTables):
                yield finder, tables

    def _told(self, finder: IndexLayout, reason: str) -> str:
        return f"the index {finder.name} of {self._table.name} {reason}"


def _columns(entry: SearchEntry | VectorEntry) -> tuple[object, ...]:
    if isinstance(entry, VectorEntry):
        return (entry.vector, *entry.filters)
    return (sum(count for _, count in entry.terms), entry.created_at, *entry.filters)


def _mark(term: str, row: int) -> int:
    return hash((term, row)) % _MARKS
