"""
A consistent copy of the database, taken while others write, and whether a copy is sound.

`VACUUM INTO` is one statement and so sees one commit, however long it takes; in WAL mode its read
transaction keeps no writer waiting. The online backup API would copy page for page: the room
and the remains of what was deleted, too. It begins anew whenever another process commits, unless
it is told to copy everything in one step.

The copy is written without a log, and is told here to have one, as every database of ours has.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from joelclaw.errors import BackupDamaged, BackupFailed
from joelclaw.store.sqlite_catalog import APPLICATION_ID, FORMAT
from joelclaw.store.sqlite_statements import quoted

HEADER_BYTES: Final = 100

_COUNT_DANGLING = "SELECT count(*) FROM {} AS i WHERE NOT EXISTS (SELECT 1 FROM {} AS d WHERE d.row = i.row)"


class StoredBytes(NamedTuple):
    """A file that a database refers to."""

    key: str
    size: int
    sha256: str
    """In base64."""


class Contents(NamedTuple):
    """What a sound database holds."""

    commit_ts: int
    counts: dict[str, int]
    """Documents of each table, the platform's own among them."""


def take_snapshot(database: Path, copy: Path) -> None:
    """
    Copy the database as of one commit to a file that does not exist yet.

    Raises:
        BackupFailed: It cannot be read, or there is no room.
    """
    if not database.is_file():
        raise BackupFailed(f"there is no database at {database}; [store] url says where it is")
    try:
        with closing(sqlite3.connect(database, isolation_level=None)) as source:
            source.execute("VACUUM INTO ?", (str(copy),))
        with closing(sqlite3.connect(copy, isolation_level=None)) as made:
            made.execute("PRAGMA journal_mode = WAL")
    except sqlite3.Error as error:
        raise BackupFailed(f"{database} cannot be copied to {copy}: {error}") from error
    sync_file(copy)


def database_bytes(header: bytes) -> int:
    """
    How large a database is by the first `HEADER_BYTES` of it; 0, if it is none.

    Follows "Database File Format", section 1.3. `VACUUM INTO` writes all of its pages and nothing else.
    """
    if len(header) < HEADER_BYTES or not header.startswith(b"SQLite format 3\0"):
        return 0
    page_bytes = int.from_bytes(header[16:18], "big")
    return (65_536 if page_bytes == 1 else page_bytes) * int.from_bytes(header[28:32], "big")


def check_database(path: Path) -> Contents:
    """
    What a database holds, after everything about it that can be checked without its app.

    SQLite's own structures; that documents are JSON and stand under their own ids; that every ordered index
    has a row for each document (a unique one: at most), and no index points at a document that is not there.

    Raises:
        BackupDamaged: Something is wrong with it.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA query_only = ON")
            return _check(path, connection)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise BackupDamaged(path.name, f"its database cannot be read: {error}") from error


def _check(path: Path, connection: sqlite3.Connection) -> Contents:
    def one(sql: str) -> int:
        return int(connection.execute(sql).fetchone()[0])

    def require(is_so: bool, otherwise: str) -> None:
        if not is_so:
            raise BackupDamaged(path.name, otherwise)

    require(one("PRAGMA application_id") == APPLICATION_ID, "its database is not one of joelclaw's")
    require(one("PRAGMA user_version") == FORMAT, f"its database is not of format {FORMAT}; use the joelclaw it is of")
    [verdict] = connection.execute("PRAGMA integrity_check(1)").fetchone()
    require(verdict == "ok", f"its database is damaged: {verdict}")
    counts = {}
    for table, documents, indexes in _catalog(connection):
        counts[table] = one(f"SELECT count(*) FROM {quoted(documents)}")
        wrong = one(
            f"SELECT count(*) FROM {quoted(documents)} "
            "WHERE CASE WHEN json_valid(doc) THEN json_extract(doc, '$._id') IS NOT _id ELSE 1 END"
        )
        require(wrong == 0, f"{wrong} documents of {table} are no documents")
        for index, relation, unique, ordered in indexes:
            name = f"the index {index} of {table}"
            rows = one(f"SELECT count(*) FROM {quoted(relation)}")
            fits = rows <= counts[table] if unique or not ordered else rows == counts[table]
            require(fits, f"{name} has {rows} rows for {counts[table]} documents")
            dangling = one(_COUNT_DANGLING.format(quoted(relation), quoted(documents)))
            require(dangling == 0, f"{name} points at {dangling} documents that are not there")
    return Contents(one('SELECT commit_ts FROM "joelclaw.meta"'), counts)


def _catalog(connection: sqlite3.Connection) -> list[tuple[str, str, list[tuple[str, str, bool, bool]]]]:
    """Each table's name, the relation of its documents, and its indexes: name, relation, unique, ordered."""
    found = []
    for number, table in connection.execute('SELECT number, name FROM "joelclaw.tables" ORDER BY name').fetchall():
        rows = connection.execute(
            'SELECT name, relation, is_unique, definition FROM "joelclaw.indexes" WHERE table_number = ?', (number,)
        ).fetchall()
        documents = next(relation for name, relation, _, _ in rows if name == "by_id")
        indexes = [
            # The definition of an index that finds by content is an object.
            (name, relation, bool(unique), not definition.startswith("{"))
            for name, relation, unique, definition in rows
            if name != "by_id"
        ]
        found.append((table, documents, indexes))
    return found


def stored_files(path: Path) -> Iterator[StoredBytes]:
    """The files that a database refers to."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA query_only = ON")
        relations = {table: quoted(documents) for table, documents, _ in _catalog(connection)}
        if "_storage_keys" not in relations:
            return
        rows = connection.execute(
            f"SELECT k.doc, f.doc FROM {relations['_storage_keys']} AS k "
            f"JOIN {relations['_storage']} AS f ON f._id = json_extract(k.doc, '$.file')"
        )
        for key, file in rows:
            document = json.loads(file)
            yield StoredBytes(json.loads(key)["key"], int(document["size"]), document["sha256"])


def sync_file(path: Path) -> None:
    """Put a file's bytes, or a folder's names, on the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
