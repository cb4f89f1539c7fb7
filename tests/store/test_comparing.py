"""Search and vector indexes that have something else than their documents say are found, and sound ones are not."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from joelclaw.store.sqlite import SqliteStore, open_sqlite
from joelclaw.store.sqlite_comparing import EntryComparison
from tests.store.test_finders import People


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(open_sqlite(f"sqlite:///{tmp_path}/people.db")) as opened:
        yield opened


@pytest.fixture
def people(store: SqliteStore) -> People:
    people = People(store)
    people.add(1, name="ada byron ada", place=[1.0, 0.0])
    people.add(2, name="grace hopper", place=[0.0, 1.0])
    people.add(3, name="alan turing")
    return people


def compared(people: People, store: SqliteStore, *, all_told: bool = True) -> list[str]:
    """What is found wrong."""
    with store.read() as snapshot:
        comparison = EntryComparison(store, snapshot, people.table)
        wrong = []
        for _, raw in snapshot.scan(people.table, people.table.by_id, b"", None):
            document = msgspec.json.decode(raw)
            wrong.append(comparison.compare(document["_id"], people.keys(document)))
        wrong.append(comparison.end(all_told=all_told))
    return [reason for reason in wrong if reason]


def damage(store: SqliteStore, sql: str) -> None:
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        assert connection.execute(sql).rowcount


def test_sound_indexes_compare_equal(people: People, store: SqliteStore) -> None:
    """Documents with entries, without any, replaced and deleted: nothing is wrong with them."""
    gone = people.add(4, name="gone", place=[1.0, 1.0])
    with store.write() as txn:
        txn.delete(people.table, gone["_id"], people.keys(gone))
        people.commit(txn)

    assert compared(people, store) == []


@pytest.mark.parametrize(
    ("sql", "index", "reason"),
    [
        ('UPDATE "users.searchName" SET length = 7 WHERE row = 1', "searchName", "something else of"),
        ("UPDATE \"users.searchName\" SET f0 = f0 || 'x' WHERE row = 2", "searchName", "something else of"),
        ('INSERT INTO "users.byPlace" (row, vector) VALUES (3, zeroblob(8))', "byPlace", "something else of"),
        ('DELETE FROM "users.byPlace" WHERE row = 1', "byPlace", "something else of"),
        ('UPDATE "users.byPlace" SET vector = zeroblob(8) WHERE row = 2', "byPlace", "something else of"),
        (
            "INSERT INTO \"users.searchName.words\" (rowid, text) VALUES (2, 'stranger')",
            "searchName",
            "other words than the documents",
        ),
        (
            """INSERT INTO "users.searchName.words" ("users.searchName.words", rowid, text)
            VALUES ('delete', 1, 'ada byron ada')""",
            "searchName",
            "other words than the documents",
        ),
    ],
)
def test_what_differs_is_told(people: People, store: SqliteStore, sql: str, index: str, reason: str) -> None:
    """A row too many, one too few, other values, or other words: the index is named."""
    damage(store, sql)

    wrong = compared(people, store)[0]

    assert wrong.startswith(f"the index {index} of users has ")
    assert reason in wrong


def test_words_are_compared_only_with_all_documents(people: People, store: SqliteStore) -> None:
    """Of a part of the documents nothing follows for the words."""
    damage(store, "INSERT INTO \"users.searchName.words\" (rowid, text) VALUES (2, 'stranger')")

    assert compared(people, store, all_told=False) == []


def test_damaged_words_are_told(people: People, store: SqliteStore) -> None:
    """What FTS5 finds wrong with its own structures is told as the index's."""
    damage(store, 'UPDATE "users.searchName.words_data" SET block = zeroblob(length(block)) WHERE id > 10')

    [wrong] = compared(people, store, all_told=False)

    assert wrong.startswith("the index searchName of users is damaged: ")
