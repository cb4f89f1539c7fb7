"""Several processes on one database, and the death of one of them at the worst moment."""

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from joelclaw.store.sqlite import SqliteStore
from tests.store.backends import Backend
from tests.store.users import PLAIN, Users, add, user

ROOT = Path(__file__).parents[2]


class Child:
    """A process that plays one part of `child.py`."""

    def __init__(self, process: "subprocess.Popen[str]", lines: IO[str]) -> None:
        self._process = process
        self._lines = lines

    def hear(self) -> str:
        """What it says next; waits for it."""
        line = self._lines.readline()
        assert line, "the child ended before it said what it should"
        return line.strip()

    def kill(self) -> list[str]:
        """SIGKILL, and what it had still said."""
        self._process.kill()
        # A line that the kill cut short was not said.
        rest = [line.strip() for line in self._lines if line.endswith("\n")]
        self._process.wait()
        return rest


@contextmanager
def child(file: Backend, part: str) -> Iterator[Child]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.store.child", file.url, part],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            yield Child(process, process.stdout)
        finally:
            process.kill()


@pytest.fixture
def prepared(file: Backend) -> tuple[SqliteStore, Users]:
    """The file with one document in it; a store that does not wait for locks."""
    store = file.open(lock_timeout_s=0.0)
    users = Users.prepare(store, PLAIN)
    add(store, users, user(1, github=1))
    return store, users


def assert_sound(store: SqliteStore, users: Users) -> None:
    """Every index has exactly the documents, and the file is whole."""
    with store.read() as snapshot:
        everybody = users.all(snapshot)
        assert users.all(snapshot, users.by_name) == everybody
        assert users.all(snapshot, users.by_github) == everybody
        assert snapshot.driver.rows("PRAGMA integrity_check") == [(b"ok",)]


def test_a_snapshot_does_not_see_other_processes(file: Backend, prepared: tuple[SqliteStore, Users]) -> None:
    """It stays as it was opened, and a new one has the other's commit with its timestamp."""
    store, users = prepared
    with store.read() as before, child(file, "commit_without_answer") as other:
        _, ts = other.hear().split()
        assert users.all(before) == [user(1, github=1)]
        with store.read() as after:
            assert after.timestamp == int(ts) > before.timestamp
            assert users.all(after) == [user(1, github=1), user(2, github=2)]


def test_a_death_before_the_commit_leaves_nothing(file: Backend, prepared: tuple[SqliteStore, Users]) -> None:
    """Neither document nor call record, and the lock is free for the next writer at once."""
    store, users = prepared
    with child(file, "write_without_commit") as writer:
        assert writer.hear() == "written"
        writer.kill()
    with store.write() as txn:
        assert txn.find_call("call 2") is None
        assert users.all(txn) == [user(1, github=1)]
    assert len(store.replies_after(0)) == 1
    add(store, users, user(2, github=2))
    assert_sound(store, users)


def test_a_death_after_the_commit_loses_nothing(file: Backend, prepared: tuple[SqliteStore, Users]) -> None:
    """The document, the call's outcome and the unsent reply are there, under the timestamp of the commit."""
    store, users = prepared
    with child(file, "commit_without_answer") as writer:
        _, ts = writer.hear().split()
        writer.kill()
    assert (int(ts), b"reply 2") in store.replies_after(0)
    with store.write() as txn:
        assert txn.timestamp == int(ts)
        assert txn.find_call("call 2") == b"outcome 2"
        assert users.all(txn) == [user(1, github=1), user(2, github=2)]
    assert_sound(store, users)


@pytest.mark.parametrize("seed", range(5))
def test_a_death_at_any_moment_tears_no_commit(file: Backend, prepared: tuple[SqliteStore, Users], seed: int) -> None:
    """All that was told is there, at most one commit more; and each has its document, record and reply or none."""
    store, users = prepared
    with child(file, "commit_for_ever") as writer:
        told = [writer.hear() for _ in range(random.Random(seed).randrange(1, 60))]
        told += writer.kill()
    with store.write() as txn:
        numbers = [round(document["_creationTime"]) for document in users.all(txn)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(told) <= len(numbers) - 1 <= len(told) + 1
        for number in range(2, len(numbers) + 2):
            assert (txn.find_call(f"call {number}") is not None) == (number <= len(numbers))
    replies = [(int(reply), ts) for ts, reply in store.replies_after(0) if reply]
    assert [number for number, _ in replies] == numbers[1:]
    assert replies[: len(told)] == [(int(number), int(ts)) for number, ts in map(str.split, told)]
    assert_sound(store, users)


def test_a_death_while_preparing_leaves_the_old_schema(file: Backend, prepared: tuple[SqliteStore, Users]) -> None:
    """Tables, indexes and numbers are as before; a process of the old schema goes on."""
    store, users = prepared
    before = store.layout()
    with child(file, "prepare_without_commit") as other:
        assert other.hear() == "preparing"
        other.kill()
    assert store.layout() == before
    add(store, users, user(2, github=2))
    assert_sound(store, users)


def test_a_commit_that_fails_half_way_is_told_as_unknown(file: Backend, prepared: tuple[SqliteStore, Users]) -> None:
    """When the log cannot be written nobody knows what is on the disk; here it was nothing, and later commits stand."""
    store, users = prepared
    with child(file, "commit_onto_a_broken_disk") as writer:
        assert writer.hear() == "OutcomeUnknown"
        ts = int(writer.hear())
        writer.kill()
    with store.read() as snapshot:
        assert snapshot.timestamp == ts
        assert users.all(snapshot) == [user(1, github=1), user(2)]
    assert b"lost" not in [reply for _, reply in store.replies_after(0)]


def test_a_transaction_that_memory_did_not_suffice_for_is_lost_whole(
    file: Backend, prepared: tuple[SqliteStore, Users]
) -> None:
    """SQLite undoes it by itself; no later statement of it commits on its own, and the next transaction can."""
    store, users = prepared
    with child(file, "run_out_of_memory") as writer:
        assert [writer.hear(), writer.hear()] == ["MemoryError", "StoreFailed"]
        ts = int(writer.hear())
        writer.kill()
    with store.read() as snapshot:
        assert snapshot.timestamp == ts
        assert users.all(snapshot) == [user(1, github=1), user(3)]
