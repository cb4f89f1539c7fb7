"""Transactions and snapshots: who sees what, what is undone, what a commit tells and remembers."""

from datetime import timedelta

import pytest

from joelclaw.clock import MovableClock
from joelclaw.store.protocol import CALLS_KEPT_MS, Store
from joelclaw.values.timestamps import CommitTs
from tests.store.backends import Backend
from tests.store.users import PLAIN, Users, add, commit, keys_of, user

# -- what is seen


def test_a_transaction_sees_its_own_writes(store: Store, users: Users) -> None:
    """Reads of a transaction include what it has written, through every index and in counts."""
    add(store, users, user(1, "ada"), user(2, "bob"))
    with store.write() as txn:
        users.insert(txn, user(3, "ada"))
        users.replace(txn, user(1, "ada"), user(1, "cy"))
        users.delete(txn, user(2, "bob"))
        assert users.all(txn) == [user(1, "cy"), user(3, "ada")]
        assert users.named(txn, "ada") == [user(3, "ada")]
        assert txn.count(users.layout, users.by_name, b"", None) == 2
        assert txn.get(users.layout, user(2)["_id"]) is None


def test_a_snapshot_never_changes(store: Store, users: Users) -> None:
    """Neither open transactions nor commits show in a snapshot that was opened before (TXN-11)."""
    first = add(store, users, user(1))
    with store.read() as before:
        with store.write() as txn:
            users.insert(txn, user(2))
            users.delete(txn, user(1))
            with store.read() as during:
                assert users.all(during) == [user(1)]
            second = commit(store, txn).ts
        with store.read() as after:
            assert (before.timestamp, after.timestamp) == (first, second)
            assert users.all(before) == [user(1)]
            assert users.all(after) == [user(2)]


def test_a_snapshot_is_of_the_moment_it_was_opened(store: Store, users: Users) -> None:
    """Not of its first scan: a commit in between does not show, so the timestamp tells the truth."""
    with store.read() as snapshot:
        add(store, users, user(1))
        assert users.all(snapshot) == []


def test_snapshots_follow_one_another(store: Store, users: Users) -> None:
    """Each new snapshot sees the newest commit, however many were opened and closed before it."""
    for number in range(1, 20):
        ts = add(store, users, user(number))
        with store.read() as snapshot:
            assert snapshot.timestamp == ts
            assert len(users.all(snapshot)) == number


def test_an_uncommitted_transaction_leaves_nothing(store: Store, users: Users) -> None:
    """Leaving the block without a commit undoes all of it, and the next transaction can begin."""

    def fail_half_way() -> None:
        with store.write() as txn:
            users.insert(txn, user(1, github=7))
            txn.record_call("call", b"outcome", 0.0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    with store.write() as txn:
        assert users.all(txn) == []
        assert txn.find_call("call") is None
        users.insert(txn, user(1, github=7))


def test_other_stores_of_the_file_see_commits_only(file: Backend) -> None:
    """Snapshot isolation holds between connections that share nothing but the file."""
    writer = file.open()
    users = Users.prepare(writer, PLAIN)
    reader = file.open(read_only=True)
    with reader.read() as before, writer.write() as txn:
        users.insert(txn, user(1))
        with reader.read() as during:
            assert users.all(during) == []
        commit(writer, txn)
        with reader.read() as after:
            assert users.all(after) == [user(1)]
        assert users.all(before) == []


# -- savepoints


def test_savepoints_nest(store: Store, users: Users) -> None:
    """Undoing an inner unit keeps the outer one; undoing an outer one takes along what its inner ones kept."""
    with store.write() as txn:
        outer = txn.savepoint()
        users.insert(txn, user(1))
        inner = txn.savepoint()
        users.insert(txn, user(2))
        txn.rollback_to(inner)
        assert users.all(txn) == [user(1)]
        inner = txn.savepoint()
        users.insert(txn, user(3))
        txn.release(inner)
        assert users.all(txn) == [user(1), user(3)]
        txn.rollback_to(outer)
        assert users.all(txn) == []
        users.insert(txn, user(4))
        assert commit(store, txn).keys == keys_of(users.layout, user(4))
    with store.read() as snapshot:
        assert users.all(snapshot) == [user(4)]


def test_an_outer_savepoint_closes_those_inside_it(store: Store, users: Users) -> None:
    """Rolling back to an outer savepoint ends inner ones that were left open; new ones nest as before."""
    with store.write() as txn:
        outer = txn.savepoint()
        txn.savepoint()
        users.insert(txn, user(1))
        txn.rollback_to(outer)
        again = txn.savepoint()
        users.insert(txn, user(2))
        txn.release(again)
        commit(store, txn)
    with store.read() as snapshot:
        assert users.all(snapshot) == [user(2)]


def test_a_savepoint_undoes_replacements_deletions_and_records(store: Store, users: Users) -> None:
    """All that a unit wrote goes: unique keys are as before, its call has not run, its keys are not told."""
    add(store, users, user(1, github=1), user(2, github=2))
    with store.write() as txn:
        mark = txn.savepoint()
        users.replace(txn, user(1, github=1), user(1, "renamed", github=3))
        users.delete(txn, user(2, github=2))
        txn.record_call("call", b"outcome", 0.0)
        assert txn.changed
        txn.rollback_to(mark)
        assert not txn.changed
        assert txn.writes() == []
        assert txn.find_call("call") is None
        assert users.all(txn, users.by_github) == [user(1, github=1), user(2, github=2)]


# -- write sets


def test_a_commit_tells_old_and_new_keys_once(store: Store, users: Users) -> None:
    """Every index of a written document is told, where it was and where it is, without repetition."""
    add(store, users, user(1, "ada"), user(2, "bob"))
    with store.write() as txn:
        users.replace(txn, user(1, "ada"), user(1, "cy"))
        users.replace(txn, user(1, "cy"), user(1, "dee"))
        users.delete(txn, user(2, "bob"))
        told = commit(store, txn).keys
    documents = [user(1, "ada"), user(1, "cy"), user(1, "dee"), user(2, "bob")]
    assert len(told) == len(set(told))
    assert set(told) == {key for document in documents for key in keys_of(users.layout, document)}


def test_a_replacement_that_moves_nothing_is_told(store: Store, users: Users) -> None:
    """A document whose keys stay has changed all the same: whoever read its range must hear of it."""
    add(store, users, user(1))
    with store.write() as txn:
        users.replace(txn, user(1), {**user(1), "bio": "new"})
        assert commit(store, txn).keys == keys_of(users.layout, user(1))


def test_the_write_set_is_known_before_the_commit(store: Store, users: Users) -> None:
    """The reply that a commit leaves behind can name the keys: `writes` is what the commit will tell."""
    with store.write() as txn:
        assert not txn.changed
        users.insert(txn, user(1))
        before = txn.writes()
        assert txn.changed
        assert commit(store, txn).keys == before


# -- timestamps and creation times


def test_timestamps_are_the_time_and_never_go_back(store: Store, users: Users) -> None:
    """A commit takes the time of day, or, when the clock stands still or was set back, the next integer."""
    clock = MovableClock(1_700_000_000_000.0)
    seen = []
    for number, step in enumerate([timedelta(0), timedelta(seconds=1), timedelta(0), timedelta(days=-30)]):
        clock.advance(step)
        with store.write() as txn:
            users.insert(txn, user(number))
            seen.append(commit(store, txn, clock).ts)
    noon = 1_700_000_000_000_000_000
    assert seen == [noon, noon + 10**9, noon + 10**9 + 1, noon + 10**9 + 2]


def test_timestamps_do_not_go_back_over_a_restart(file: Backend) -> None:
    """The last timestamp and the last creation time are in the database, not in the process."""
    store = file.open()
    users = Users.prepare(store, PLAIN)
    clock = MovableClock(2_000.0)
    with store.write() as txn:
        created = txn.next_creation_time(clock.now_ms())
        users.insert(txn, user(1))
        last = commit(store, txn, clock).ts
    store.close()
    clock.set_ms(1_000.0)
    store = file.open()
    with store.read() as snapshot:
        assert snapshot.timestamp == last
    with store.write() as txn:
        assert txn.timestamp == last
        assert store.next_timestamp(clock) == last + 1
        assert txn.next_creation_time(clock.now_ms()) > created


def test_creation_times_are_never_given_twice(store: Store, users: Users) -> None:
    """They are the time, or the next number after the last one given; undoing a unit does not give any back."""
    with store.write() as txn:
        first = txn.next_creation_time(1_000.0)
        mark = txn.savepoint()
        second = txn.next_creation_time(1_000.0)
        txn.rollback_to(mark)
        third = txn.next_creation_time(999.0)
        fourth = txn.next_creation_time(1_001.5)
        users.insert(txn, user(1))
        commit(store, txn)
    assert first == 1_000.0
    assert first < second < third < 1_000.001
    assert fourth == 1_001.5
    with store.write() as txn:
        assert txn.next_creation_time(0.0) > fourth


# -- calls and replies


def test_a_call_is_found_once_it_is_recorded(store: Store) -> None:
    """By later calls of the same transaction, and by later transactions."""
    with store.write() as txn:
        assert txn.find_call("session:1") is None
        txn.record_call("session:1", b"outcome", 0.0)
        assert txn.find_call("session:1") == b"outcome"
        assert txn.changed
        commit(store, txn)
    with store.write() as txn:
        assert txn.find_call("session:1") == b"outcome"
        assert txn.find_call("session:2") is None


def test_calls_are_forgotten_when_they_are_old(store: Store) -> None:
    """Records older than the limit go, the others stay."""
    now = 100 * 86_400_000.0
    with store.write() as txn:
        txn.record_call("old", b"", now - CALLS_KEPT_MS - 1)
        txn.record_call("young", b"", now - CALLS_KEPT_MS + 1)
        commit(store, txn)
    with store.write() as txn:
        assert txn.forget_calls(now - CALLS_KEPT_MS) == 1
        assert txn.find_call("old") is None
        assert txn.find_call("young") == b""


def test_many_old_calls_are_forgotten_in_slices(store: Store) -> None:
    """No single transaction pays for all of a long absence, and repeating it reaches the end."""
    total = 1_000
    with store.write() as txn:
        for number in range(total):
            txn.record_call(str(number), b"", 0.0)
        commit(store, txn)
    slices = []
    while True:
        with store.write() as txn:
            forgotten = txn.forget_calls(1.0)
            commit(store, txn)
        if not forgotten:
            break
        slices.append(forgotten)
    assert sum(slices) == total
    assert max(slices) < total / 2


def test_replies_are_kept_until_they_are_published(store: Store, users: Users) -> None:
    """Each commit's reply is there, in order, from the commit on until it is said to have arrived."""
    stamps = []
    for number in (1, 2, 3):
        with store.write() as txn:
            users.insert(txn, user(number))
            stamps.append(commit(store, txn, reply=b"reply %d" % number).ts)
    assert store.replies_after(0) == list(zip(stamps, [b"reply 1", b"reply 2", b"reply 3"], strict=True))
    assert store.replies_after(stamps[0]) == [(stamps[1], b"reply 2"), (stamps[2], b"reply 3")]
    with store.write() as txn:
        txn.forget_replies(stamps[1])
        commit(store, txn, reply=b"reply 4")
    assert [reply for _, reply in store.replies_after(0)] == [b"reply 3", b"reply 4"]


def test_a_reply_that_was_not_committed_is_not_there(store: Store, users: Users) -> None:
    """Reply and writes become durable together or not at all."""
    add(store, users, user(1))
    with store.write() as txn:
        users.insert(txn, user(2))
    assert len(store.replies_after(0)) == 1


def test_one_transaction_at_a_time(store: Store, users: Users) -> None:
    """A second transaction of the same store is a mistake, and so is a timestamp that is not newer."""
    with store.write() as txn:
        with pytest.raises(AssertionError):
            store.write()
        users.insert(txn, user(1))
        with pytest.raises(AssertionError):
            txn.commit(b"", CommitTs(txn.timestamp))
