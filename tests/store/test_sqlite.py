"""What is SQLite's own: the file, its log, its locks, its limits, and what other tools see in it."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from joelclaw.errors import StatementInterrupted, StoreBusy, StoreFull, StoreUnreadable
from joelclaw.store.protocol import Store
from joelclaw.store.sqlite import SqliteStore, open_sqlite, sqlite_path
from joelclaw.store.sqlite_catalog import FORMAT
from tests.store.backends import Backend
from tests.store.users import PLAIN, Users, add, commit, table_spec, user


def ask(store: SqliteStore, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
    """What somebody with the `sqlite3` shell sees."""
    with closing(sqlite3.connect(store.path)) as connection:
        return connection.execute(sql, parameters).fetchall()


# -- files that are opened


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///data/joelclaw.db", "data/joelclaw.db"),
        ("sqlite:////var/lib/joelclaw.db", "/var/lib/joelclaw.db"),
        ("sqlite:///with space & 50%.db", "with space & 50%.db"),
        ("sqlite://", None),
    ],
)
def test_a_url_names_a_file(url: str, path: str | None) -> None:
    """Three slashes from here, four from the root, none for a database that ends with the store."""
    assert sqlite_path(url) == path


@pytest.mark.parametrize("url", ["", "data.db", "sqlite:data.db", "sqlite://data.db", "sqlite:///", "postgres:///x"])
def test_what_is_no_url_of_a_file_is_refused(url: str) -> None:
    """The sentence shows the form."""
    with pytest.raises(StoreUnreadable, match="write sqlite:///"):
        open_sqlite(url)


def test_a_file_with_an_awkward_name_is_that_file(tmp_path: Path) -> None:
    """Characters that mean something in URIs are part of the name."""
    path = tmp_path / "a?mode=memory #50%.db"
    with closing(open_sqlite(f"sqlite:///{path}")):
        assert path.exists()


def test_a_memory_database_leaves_nothing_behind() -> None:
    """Its files end with the store; another store is another database."""
    first, second = open_sqlite("sqlite://"), open_sqlite("sqlite://")
    users = Users.prepare(first, PLAIN)
    add(first, users, user(1))
    assert second.layout().tables == ()
    paths = [first.path, second.path]
    first.close()
    second.close()
    assert not any(os.path.exists(os.path.dirname(path)) for path in paths)


def test_a_stores_url_opens_the_same_database() -> None:
    """Also that of a memory database: other connections of a test join it."""
    with closing(open_sqlite("sqlite://")) as store:
        users = Users.prepare(store, PLAIN)
        add(store, users, user(1))
        with closing(open_sqlite(store.url, "none", read_only=True)) as other, other.read() as snapshot:
            assert users.all(snapshot) == [user(1)]


def test_a_reader_waits_for_no_writer_to_be_opened(file: Backend) -> None:
    """It may be opened before there is a file, says so when it reads, and reads once there is one."""
    reader = file.open(read_only=True)
    with pytest.raises(StoreUnreadable, match="does it exist"):
        reader.read()
    users = Users.prepare(file.open(), PLAIN)
    with reader.read() as snapshot:
        assert users.all(snapshot) == []


def test_an_empty_file_becomes_ours_when_it_is_opened_for_writing(file: Backend, tmp_path: Path) -> None:
    """`touch` made it, or a failed start; a reader says that nobody has written to it yet."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "joelclaw.db").touch()
    with pytest.raises(StoreUnreadable, match="no deployment has written"):
        file.open(read_only=True).read()
    assert file.open().layout().tables == ()


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("made_by", "sentence"),
    [
        ("CREATE TABLE albums (id)", "is another program's database"),
        ("PRAGMA application_id = 7", "is another program's database"),
        ("PRAGMA user_version = 1", "is another program's database"),
    ],
)
def test_another_programs_database_is_left_alone(
    file: Backend, tmp_path: Path, made_by: str, sentence: str, read_only: bool
) -> None:
    """The refusal is a sentence, and the file is the same byte by byte."""
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "joelclaw.db"
    with closing(sqlite3.connect(path)) as theirs:
        theirs.execute(made_by)
    before = path.read_bytes()
    with pytest.raises(StoreUnreadable, match=sentence):
        file.open(read_only=read_only).read()
    file.close()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("file_format", "sentence"),
    [(FORMAT + 1, "newer joelclaw .* upgrade joelclaw"), (FORMAT - 1, "older joelclaw .* export it")],
)
def test_a_file_of_another_version_is_refused(file: Backend, file_format: int, sentence: str) -> None:
    """With a sentence that says which, and what to do; for readers and writers."""
    store = file.open()
    ask(store, f"PRAGMA user_version = {file_format}")
    store.close()
    for read_only in (False, True):
        with pytest.raises(StoreUnreadable, match=sentence):
            file.open(read_only=read_only).read()


def test_what_is_no_database_is_refused(file: Backend, tmp_path: Path) -> None:
    """A text file under the name of the database is named in a sentence and kept."""
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "joelclaw.db"
    path.write_text("dear diary " * 1_000)
    with pytest.raises(StoreUnreadable, match="is not a SQLite database"):
        file.open()
    assert path.read_text().startswith("dear diary")


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    """A path that cannot be opened is named in a sentence."""
    with pytest.raises(StoreUnreadable, match="cannot be opened"):
        open_sqlite(f"sqlite:///{tmp_path}")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file stands where the database's folder should be."""
    (tmp_path / "data").touch()
    with pytest.raises(StoreUnreadable, match="no folder to be in"):
        open_sqlite(f"sqlite:///{tmp_path}/data/joelclaw.db")


def test_a_store_that_reads_cannot_write(file: Backend) -> None:
    """Readers run user code: the connection itself refuses to write, not only the store."""
    file.open()
    reader = file.open(read_only=True)
    with pytest.raises(AssertionError):
        reader.write()
    with reader.read() as snapshot, pytest.raises(StoreUnreadable, match="may not be written"):
        snapshot.driver.change('DELETE FROM "joelclaw.calls"')


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("normal", 1)])
def test_durability_is_what_was_declared(tmp_path: Path, durability: Any, level: int) -> None:
    """`full` waits for the disk at each commit, `normal` at checkpoints; both keep a log."""
    with closing(open_sqlite(f"sqlite:///{tmp_path}/joelclaw.db", durability)) as store:
        writer = store.open_writer()
        assert writer.rows("PRAGMA synchronous") == [(level,)]
        assert writer.rows("PRAGMA fullfsync") == [(1,)]
        assert writer.rows("PRAGMA journal_mode") == [(b"wal",)]


# -- locks


def test_a_locked_database_says_so(file: Backend) -> None:
    """A writer that does not get the lock in time is told; when it is free, the same store writes."""
    first = file.open()
    users = Users.prepare(first, PLAIN)
    second = file.open(lock_timeout_s=0.0)
    with first.write() as txn:
        users.insert(txn, user(1))
        with pytest.raises(StoreBusy):
            second.write()
        with pytest.raises(StoreBusy):
            second.prepare([PLAIN], lambda _table, _documents: [])
        commit(first, txn)
    add(second, users, user(2))
    with first.read() as snapshot:
        assert users.all(snapshot) == [user(1), user(2)]


def test_a_lock_goes_with_its_connection(file: Backend) -> None:
    """A store that is closed in the middle of a transaction leaves neither writes nor the lock."""
    first = file.open()
    users = Users.prepare(first, PLAIN)
    txn = first.write()
    users.insert(txn, user(1))
    first.close()
    second = file.open(lock_timeout_s=0.0)
    add(second, users, user(2))
    with second.read() as snapshot:
        assert users.all(snapshot) == [user(2)]


# -- the log


def test_a_checkpoint_empties_the_log(file: Backend) -> None:
    """With no snapshot open, all of the log goes into the database, and commits are all there."""
    store = file.open()
    users = Users.prepare(store, PLAIN)
    add(store, users, *(user(number) for number in range(100)))
    with store.read():
        pass
    assert store.log_bytes() > 0
    assert store.checkpoint() == store.log_bytes() == 0
    with store.read() as snapshot:
        assert len(users.all(snapshot)) == 100


def test_a_checkpoint_waits_for_no_reader(file: Backend) -> None:
    """An open snapshot keeps what it needs of the log; the checkpoint leaves it and returns at once."""
    store = file.open(lock_timeout_s=1_000.0)
    users = Users.prepare(store, PLAIN)
    add(store, users, user(1))
    with store.read() as snapshot:
        add(store, users, user(2))
        assert store.checkpoint() > 0
        assert users.all(snapshot) == [user(1)]
    assert store.checkpoint() == 0


def test_the_log_is_bounded_while_nobody_reads(file: Backend) -> None:
    """Commits alone keep it short: it starts anew instead of growing with everything ever written."""
    store = file.open()
    users = Users.prepare(store, PLAIN)
    text = "x" * 10_000
    sizes = []
    for number in range(60):
        add(store, users, *(user(100 * number + n, text) for n in range(10)))
        sizes.append(store.log_bytes())
    assert max(sizes[30:]) <= max(sizes[:30]) + 200_000


# -- limits


def test_a_full_database_refuses_and_loses_nothing(file: Backend) -> None:
    """The transaction is lost and says so at every further call; what was committed stays, and small writes go on."""
    store = file.open(size_max_bytes=300_000)
    users = Users.prepare(store, PLAIN)
    ts = add(store, users, user(1))
    with store.write() as txn:
        users.insert(txn, user(2))
        with pytest.raises(StoreFull):
            users.insert(txn, *(user(number, "x" * 10_000) for number in range(10, 100)))
        with pytest.raises(StoreFull):
            users.insert(txn, user(3))
        with pytest.raises(StoreFull):
            users.all(txn)
        with pytest.raises(StoreFull):
            txn.savepoint()
        with pytest.raises(StoreFull):
            commit(store, txn)
    with store.read() as snapshot:
        assert snapshot.timestamp == ts
        assert users.all(snapshot) == [user(1)]
    assert len(store.replies_after(0)) == 1
    add(store, users, user(4))
    assert ask(store, "PRAGMA integrity_check") == [("ok",)]


def test_a_schema_that_does_not_fit_into_the_file_changes_nothing(file: Backend) -> None:
    """Filling an index can be what the disk has no room for; the old layout goes on."""
    store = file.open(size_max_bytes=300_000)
    users = Users.prepare(store, table_spec())
    add(store, users, *(user(number, "x" * 3_000) for number in range(40)))
    before = store.layout()
    with pytest.raises(StoreFull):
        Users.prepare(store, PLAIN)
    assert store.layout() == before


def test_a_long_read_can_be_interrupted(store: Store, users: Users) -> None:
    """The statement ends when its callback says so; the transaction, with what it wrote, goes on."""
    expired = False
    store.interruptible(lambda: expired)
    with store.write() as txn:
        users.insert(txn, *(user(number) for number in range(5_000)))
        expired = True
        with pytest.raises(StatementInterrupted):
            users.all(txn)
        expired = False
        assert len(users.all(txn)) == 5_000
        commit(store, txn)
    with store.read() as snapshot:
        expired = True
        with pytest.raises(StatementInterrupted):
            users.all(snapshot)
        expired = False
        assert len(users.all(snapshot)) == 5_000


def test_writes_are_never_interrupted(store: Store, users: Users) -> None:
    """An interrupted write would undo the whole transaction, with the writes of others in it."""
    asked = []
    store.interruptible(lambda: not asked.append(1))  # type: ignore[func-returns-value]
    with store.write() as txn:
        users.insert(txn, *(user(number) for number in range(3_000)))
        commit(store, txn)
    store.interruptible(lambda: False)
    with store.read() as snapshot:
        assert snapshot.count(users.layout, users.by_id, b"", None) == 3_000


# -- what other tools see


def test_people_see_a_column_per_field(file: Backend) -> None:
    """The view has the app's own names; nested values are JSON, absent ones NULL."""
    store = file.open()
    users = Users.prepare(store, table_spec(fields=("name", "github", "order")))
    add(store, users, user(1, "ada"), {**user(2, "bob", github=7), "order": {"by": ["x"]}})
    columns = 'SELECT _id, _creationTime, name, github, "order" FROM users ORDER BY _creationTime'
    assert ask(store, columns) == [
        (user(1)["_id"], 1.0, "ada", None, None),
        (user(2)["_id"], 2.0, "bob", 7, '{"by":["x"]}'),
    ]


def test_a_view_follows_its_schema(file: Backend) -> None:
    """A field that comes or goes is a column that comes or goes; documents stay JSON text beneath."""
    store = file.open()
    users = Users.prepare(store, PLAIN)
    add(store, users, user(1))
    Users.prepare(store, table_spec(fields=("name", 'it\'s "quoted"')))
    columns = [name for _, name, *_ in ask(store, "PRAGMA table_info(users)")]
    assert columns == ["_id", "_creationTime", "name", 'it\'s "quoted"']
    assert ask(store, 'SELECT typeof(doc), json_valid(doc) FROM "users.documents"') == [("text", 1)]


def test_names_in_the_file_are_readable(file: Backend) -> None:
    """Tables and indexes of the app are found under their names."""
    store = file.open()
    Users.prepare(store, PLAIN)
    names = {name for (name,) in ask(store, "SELECT name FROM sqlite_schema WHERE name LIKE 'users%'")}
    assert names == {"users", "users.documents", "users.by_creation_time", "users.byName", "users.byGithub"}
