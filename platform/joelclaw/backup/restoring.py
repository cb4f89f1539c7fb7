"""
A backup in the place of a database, without a moment at which there is half of one.

The order is what makes it safe, whatever kills it in the middle:

1. Everything was unpacked beside and verified before anything is touched.
2. What is there is set aside: the database by a second name for the same file, and so every stored
   file. Nothing has changed yet.
3. Files of the backup join those that are there. Their names are random and never mean other bytes, so the
   old database does not notice.
4. The new database takes the old one's name, by one rename.

Before the rename the old database is served, after it the new one. Run again, it begins anew.
"""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from joelclaw.backup.archive import DATABASE, FILES, Manifest, keys_in
from joelclaw.backup.snapshot import sync_file
from joelclaw.errors import BackupFailed


def replace_database(unpacked: Path, manifest: Manifest, database: Path, files: Path, at: datetime) -> Path | None:
    """
    Put what was unpacked in the place of database and files; where the old ones are now, if there were any.

    The caller holds the database's lock, and `unpacked` is on the same file system as `database`.

    Raises:
        BackupFailed: The old database is open in another program, or something cannot be written. It serves as before.
    """
    try:
        aside = _set_aside(database, files, at)
        files.mkdir(parents=True, exist_ok=True)
        for key in keys_in(manifest):
            _place(unpacked / FILES / key, files / key[:2] / key[2:4] / key)
        _end_log(database)
        os.replace(unpacked / DATABASE, database)
        sync_file(database.parent)
    except OSError as error:
        raise BackupFailed(f"{database} cannot be replaced: {error.strerror or error}; it is as it was") from error
    return aside


def _set_aside(database: Path, files: Path, at: datetime) -> Path | None:
    if not database.exists():
        return None
    _empty_log(database)
    aside = database.with_name(f"{database.name}-before-{at.strftime('%Y%m%dT%H%M%S%fZ')}")
    aside.mkdir()
    for name in (database.name, f"{database.name}-wal"):
        if (old := database.with_name(name)).exists():
            _link(old, aside / name)
    for old in files.rglob("*") if files.is_dir() else ():
        if old.is_file():
            new = aside / "files" / old.relative_to(files)
            new.parent.mkdir(parents=True, exist_ok=True)
            _link(old, new)
    sync_file(aside)
    sync_file(aside.parent)
    return aside


def _empty_log(database: Path) -> None:
    """Have the log in the database, so that one file is all of it. A database that cannot be read keeps its log."""
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(database, isolation_level=None)) as connection:
        [busy, _, _] = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise BackupFailed(f"another program has {database} open; close it, and restore again")


def _end_log(database: Path) -> None:
    """A log belongs to the database that wrote it: under another it would be applied to that."""
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)


def _link(old: Path, new: Path) -> None:
    try:
        os.link(old, new)
    except OSError:  # Another file system, or one without links.
        shutil.copy2(old, new)
        sync_file(new)


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    _link(source, part)
    os.replace(part, target)
    sync_file(target.parent)
