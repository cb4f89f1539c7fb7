"""
Another process on the same database, to be killed: `python -m tests.store.child <url> <part>`.

It says how far it is on its standard output, a line each, and waits on its standard input
where a part says so.
"""

import resource
import sys
from itertools import count

from joelclaw.clock import MovableClock
from joelclaw.errors import PlatformError
from joelclaw.schema.layout import IndexKey, TableLayout
from joelclaw.store.sqlite import SqliteStore, open_sqlite
from tests.store.users import BY_NAME, PLAIN, Users, add, commit, examine, table_spec, user


def say(*words: object) -> None:
    print(*words, flush=True)


def wait() -> None:
    sys.stdin.readline()


def write_without_commit(store: SqliteStore, users: Users) -> None:
    txn = store.write()
    users.insert(txn, user(2, github=2))
    txn.record_call("call 2", b"outcome 2", 2.0)
    say("written")
    wait()


def commit_without_answer(store: SqliteStore, users: Users) -> None:
    with store.write() as txn:
        users.insert(txn, user(2, github=2))
        txn.record_call("call 2", b"outcome 2", 2.0)
        say("committed", commit(store, txn, reply=b"reply 2").ts)
    wait()


def commit_for_ever(store: SqliteStore, users: Users) -> None:
    """One document, one call record and one reply a commit; each commit is told after it."""
    clock = MovableClock()
    for number in count(2):
        with store.write() as txn:
            users.insert(txn, user(number, github=number))
            txn.record_call(f"call {number}", b"", float(number))
            say(number, commit(store, txn, clock, reply=str(number).encode()).ts)


def prepare_without_commit(store: SqliteStore, _users: Users) -> None:
    def pause(table: TableLayout, documents: list[bytes]) -> list[list[IndexKey]]:
        say("preparing")
        wait()
        return examine(table, documents)

    store.prepare([table_spec(BY_NAME, fields=("name", "github", "bio")), table_spec(name="rooms")], pause)


def commit_onto_a_broken_disk(store: SqliteStore, users: Users) -> None:
    """The log cannot grow: its file reaches a size that the system allows no file."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (store.log_bytes() + 20_000, resource.RLIM_INFINITY))
    txn = store.write()
    users.insert(txn, *(user(number, "x" * 1_000) for number in range(100, 200)))
    try:
        commit(store, txn, reply=b"lost")
    except PlatformError as error:
        say(type(error).__name__)
    txn.close()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    say(add(store, users, user(2)))
    wait()


def run_out_of_memory(store: SqliteStore, users: Users) -> None:
    """The limit can only be lowered, for the whole process, so this one dies with it."""
    store.open_writer().rows("PRAGMA hard_heap_limit = 1000000")
    txn = store.write()
    try:
        users.insert(txn, *(user(number, "x" * 3_000) for number in range(100, 1_000)))
    except MemoryError:
        say("MemoryError")
    try:
        users.insert(txn, user(2))
    except PlatformError as error:
        say(type(error).__name__)
    txn.close()
    say(add(store, users, user(3)))
    wait()


PARTS = {
    part.__name__: part
    for part in (
        write_without_commit,
        commit_without_answer,
        commit_for_ever,
        prepare_without_commit,
        commit_onto_a_broken_disk,
        run_out_of_memory,
    )
}

if __name__ == "__main__":
    url, part = sys.argv[1:]
    opened = open_sqlite(url)
    PARTS[part](opened, Users.prepare(opened, PLAIN))
