"""
Vector indexes in a SQLite file: one table each, a row for every document that has a vector.

A search is exact: it looks at every vector that the filters leave, in slices, newest first. For
what one machine serves that is fast enough (10,000 vectors of 384 dimensions take some 20
milliseconds) and needs no index to be built, tuned and trusted.

The arithmetic is in `nearest.py`, which carries NumPy. Only a process that searches loads it.
"""

from functools import lru_cache
from typing import Any, Final

from joelclaw.schema.finding import Conditions
from joelclaw.schema.layout import VectorEntry
from joelclaw.store.sqlite_driver import Driver
from joelclaw.store.sqlite_search import conditions_sql
from joelclaw.store.sqlite_statements import quoted

SLICE_BYTES: Final = 8 * 2**20
"""Vectors that are in memory at once."""


class VectorTable:
    """The table of one vector index."""

    def __init__(self, relation: str, documents: str, filters: int) -> None:
        self._relation = relation
        self._documents = documents
        self._filters = filters
        columns = "".join(f", f{number}" for number in range(filters))
        self._insert = f"INSERT INTO {quoted(relation)} (row, vector{columns}) VALUES (?, ?{', ?' * filters})"
        self._delete = f"DELETE FROM {quoted(relation)} WHERE row = ?"
        self._find = f"SELECT vector{columns} FROM {quoted(relation)} WHERE row = ?"

    def create(self, driver: Driver) -> None:
        # The filters first: a vector fills pages, and what stands behind it is far away.
        columns = "".join(f"f{number} BLOB NOT NULL, " for number in range(self._filters))
        driver.change(f"CREATE TABLE {quoted(self._relation)} (row INTEGER PRIMARY KEY, {columns}vector BLOB NOT NULL)")

    def drop(self, driver: Driver) -> None:
        driver.change(f"DROP TABLE {quoted(self._relation)}")

    def add(self, driver: Driver, row: int, entry: VectorEntry) -> None:
        driver.change(self._insert, (row, entry.vector, *entry.filters))

    def remove(self, driver: Driver, row: int, entry: VectorEntry) -> None:  # noqa: ARG002 (as of other indexes)
        driver.change(self._delete, (row,))

    def find(self, driver: Driver, row: int) -> list[tuple[Any, ...]]:
        """What is kept of a document, or nothing: its vector, keys of the filter fields."""
        return driver.rows(self._find, (row,))

    def nearest(self, driver: Driver, vector: bytes, conditions: Conditions, limit: int) -> list[tuple[str, float]]:
        """See `Snapshot.nearest`."""
        from joelclaw.store.nearest import Nearest

        groups = tuple(tuple(number for number, _ in group) for group in conditions.groups)
        keys = [key for group in conditions.groups for _, key in group]
        scan = _scan(self._relation, groups)
        nearest = Nearest(vector, limit)
        slice_rows = max(1, SLICE_BYTES // len(vector))
        last = 2**63 - 1
        while rows := driver.rows(scan, (last, *keys, slice_rows)):
            nearest.look_at(rows)
            last = rows[-1][0]
        id_of = f"SELECT _id FROM {quoted(self._documents)} WHERE row = ?"
        return [(driver.rows(id_of, (row,))[0][0].decode(), score) for row, score in nearest.found()]


@lru_cache(maxsize=256)
def _scan(relation: str, groups: tuple[tuple[int, ...], ...]) -> str:
    return (
        f"SELECT row, vector FROM {quoted(relation)} AS v WHERE row < ?{conditions_sql(groups, 'v')} "
        f"ORDER BY row DESC LIMIT ?"
    )
