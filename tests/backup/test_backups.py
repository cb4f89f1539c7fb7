"""Backups of a deployment: made while it is written to, proven, restored, refused, and cut off in the middle."""

import asyncio
import base64
import gzip
import hashlib
import io
import os
import random
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from joelclaw.backup import restoring
from joelclaw.backup.archive import find_name, read_archive
from joelclaw.backup.making import Backups
from joelclaw.backup.snapshot import check_database, take_snapshot
from joelclaw.config import Keep, load_config
from joelclaw.deploy.lock import locked
from joelclaw.errors import BackupDamaged, BackupFailed, ConfigRefused
from joelclaw.files.disk import DiskFiles
from joelclaw.files.receiving import Received, receive
from joelclaw.store.sqlite import open_sqlite
from tests.cli.conftest import Run
from tests.cli.conftest import joelclaw as joelclaw
from tests.files.conftest import s3_server as s3_server
from tests.files.s3_server import CREDENTIALS, S3Server
from tests.functions.deployment import Deployment, deploy

NOW = datetime(2026, 11, 24, 4, tzinfo=UTC)
APP = {
    "schema.py": """
from joelclaw import Table, index, search_index

class Note(Table):
    __table__ = "notes"
    text: str
    by_text = index("text")
    search_text = search_index("text")
""",
    "app_functions/notes.py": """
from joelclaw import MutationCtx, QueryCtx, mutation, query
from schema import Note

@mutation
def add(ctx: MutationCtx, text: str) -> None:
    ctx.db.insert(Note(text=text))

@query
def texts(ctx: QueryCtx) -> list[str]:
    return [note.text for note in ctx.db.query(Note)]
""",
}


class House:
    """A deployment on disk, with notes and one stored file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "data").mkdir()
        (root / "joelclaw.toml").write_text('[store]\nurl = "sqlite:///data/joelclaw.db"\n')
        self.config = load_config(root, {})
        self.files = DiskFiles(root / "data" / "files")
        (root / "app").mkdir()
        self.app: Deployment = deploy(root / "app", APP)
        self.app.mutate("notes:add", text="first")
        self.received = self.store_file(b"bytes of a file")

    def store_file(self, content: bytes) -> Received:
        async def pieces():  # type: ignore[no-untyped-def]
            yield content

        received = asyncio.run(receive(self.files, pieces()))
        digest = base64.b64encode(received.digest.sha256).decode()
        self.app.mutate("_system/files:record", key=received.key, sha256=digest, size=float(len(content)))
        return received

    def settle(self) -> None:
        """What the app has written so far is the deployment's database."""
        take_copy(Path(self.app.store.path), self.config.database)

    def backups(self) -> Backups:
        return Backups(load_config(self.root, {}))

    def archive(self, name: str) -> Path:
        return self.root / "data" / "backups" / name


def left_over(house: House) -> list[str]:
    """What work on backups has left beside the database, its locks aside."""
    return sorted(set(os.listdir(house.root / "data" / "joelclaw.db-backup-work")) - {"lock"})


def take_copy(source: Path, target: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    take_snapshot(source, target)


def notes(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM notes ORDER BY _creationTime")]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    made.settle()
    yield made
    made.app.close()


def test_a_backup_comes_back_whole(house: House, tmp_path: Path) -> None:
    """Documents, log mode, commit timestamp and stored files are the same after a restore to a folder."""
    made = house.backups().make(NOW)
    house.backups().restore_to(made.name, tmp_path / "again")

    database = tmp_path / "again" / "joelclaw.db"
    assert notes(database) == ["first"]
    assert check_database(database) == check_database(house.config.database)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    key = house.received.key
    assert (tmp_path / "again" / "files" / key[:2] / key[2:4] / key).read_bytes() == b"bytes of a file"
    with closing(open_sqlite(f"sqlite:///{database}", read_only=True)) as store:
        assert "notes" in {table.name for table in store.layout().tables}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".again")]


def test_a_snapshot_waits_for_nobody_and_is_of_one_commit(house: House, tmp_path: Path) -> None:
    """While a transaction is open the snapshot is taken, of the last commit, and the transaction commits."""
    live = house.config.database
    with closing(sqlite3.connect(live, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute('UPDATE "joelclaw.meta" SET commit_ts = commit_ts + 1')
        take_snapshot(live, tmp_path / "copy.db")
        writer.execute("COMMIT")

    assert check_database(tmp_path / "copy.db").commit_ts + 1 == check_database(live).commit_ts


def test_a_backup_that_no_server_can_open_is_found(house: House) -> None:
    """What SQLite and the checks of documents find sound, and the platform's own tables do not take, is told."""
    house.app.mutate("_system/backups:declare", schedule="0 4 * * * UTC", at=0.0)
    house.settle()
    with closing(sqlite3.connect(house.config.database)) as connection, connection:
        connection.execute("UPDATE \"_backup_plan.documents\" SET doc = json_remove(doc, '$.schedule')")
    house.backups().make(NOW)

    with pytest.raises(BackupDamaged, match=r"a server cannot open its database: .*schedule"):
        house.backups().prove(None)


def test_any_damage_is_found(house: House) -> None:
    """A flipped bit anywhere in a backup, or an end that is missing, is found."""
    name = house.backups().make(NOW).name
    path = house.archive(name)
    whole = path.read_bytes()
    seed = 20261124
    print("seed", seed)
    chosen = random.Random(seed)
    offsets = [0, 4, 9, len(whole) - 1, *(chosen.randrange(len(whole)) for _ in range(30))]

    for offset in offsets:
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << chosen.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(BackupDamaged):
            house.backups().prove(name)
    path.write_bytes(whole[: chosen.randrange(len(whole))])
    with pytest.raises(BackupDamaged):
        house.backups().prove(name)
    path.write_bytes(whole)
    assert house.backups().prove(None).files == 1


def hostile(tmp_path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> tuple[Path, str]:
    """A file with a name that fits it, and anything in it."""
    path = tmp_path / "hostile"
    with gzip.open(path, "wb") as compressed, tarfile.open(fileobj=compressed, mode="w|") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path, f"joelclaw-20261124T040000Z-1-{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}.tar.gz"


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "joelclaw.db/../../escaped", "files/x", "other"])
def test_nothing_is_unpacked_outside(tmp_path: Path, name: str) -> None:
    """A name that climbs out, is absolute or none of ours is refused, and nothing but our folder was written."""
    path, backup = hostile(tmp_path, (tarfile.TarInfo(name), b"x"))
    with pytest.raises(BackupDamaged, match="is no part of a backup"):
        read_archive(path, backup, tmp_path / "unpacked")

    assert sorted(os.listdir(tmp_path)) == ["hostile", "unpacked"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_links_are_refused(tmp_path: Path, kind: bytes) -> None:
    """A link, a pipe or a folder in the place of the database is refused."""
    info = tarfile.TarInfo("joelclaw.db")
    info.type, info.linkname = kind, "/etc/passwd"
    path, backup = hostile(tmp_path, (info, b""))
    with pytest.raises(BackupDamaged, match="is no ordinary file"):
        read_archive(path, backup, tmp_path / "unpacked")


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    """What is no archive, or has no database, is refused with the reason."""
    (tmp_path / "noise").write_bytes(b"noise")
    digest = hashlib.sha256(b"noise").hexdigest()[:16]
    with pytest.raises(BackupDamaged, match="cannot be unpacked"):
        read_archive(tmp_path / "noise", f"joelclaw-20261124T040000Z-1-{digest}.tar.gz", tmp_path / "a")
    path, backup = hostile(tmp_path, (tarfile.TarInfo("joelclaw.db"), b"x"))
    with pytest.raises(BackupDamaged, match="its database is none"):
        read_archive(path, backup, tmp_path / "b")
    with pytest.raises(BackupDamaged, match="such a name"):
        read_archive(path, "backup.tar.gz", tmp_path / "c")


@pytest.mark.parametrize("pages", [1, 2**22])
def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path, pages: int) -> None:
    """A database that is not as large as it says, or larger than the room that there is, is never written."""
    page = bytearray(2**20)
    page[:16] = b"SQLite format 3\0"
    page[16:18] = (4_096).to_bytes(2, "big")
    page[28:32] = pages.to_bytes(4, "big")
    # Gigabytes of zeros, of which only the beginning is here: whoever read on would find the end missing.
    info = tarfile.TarInfo("joelclaw.db")
    info.size = 2**34
    raw = gzip.compress(info.tobuf(tarfile.PAX_FORMAT) + bytes(page))
    name = f"joelclaw-20261124T040000Z-1-{hashlib.sha256(raw).hexdigest()[:16]}.tar.gz"
    (tmp_path / name).write_bytes(raw)
    folder = tmp_path / "unpacked"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2**34))
        with pytest.raises((BackupDamaged, BackupFailed)) as caught:
            read_archive(tmp_path / name, name, folder)

    assert ("as large as it says" if pages == 1 else "there is no room") in str(caught.value)
    assert not (folder / "joelclaw.db").exists()


def test_files_that_the_database_does_not_know_are_refused(house: House, tmp_path: Path) -> None:
    """Before they are unpacked, whatever their size."""
    made = house.backups().make(NOW)
    with tarfile.open(house.archive(made.name)) as whole:
        database = whole.extractfile("joelclaw.db")
        assert database is not None
        raw = database.read()
    name = "files/00000000-0000-4000-8000-000000000000"
    path, hostile_name = hostile(tmp_path, (tarfile.TarInfo("joelclaw.db"), raw), (tarfile.TarInfo(name), b"0" * 99))
    with pytest.raises(BackupDamaged) as caught:
        read_archive(path, hostile_name, tmp_path / "unpacked")

    assert "not what its database says" in str(caught.value)
    assert os.listdir(tmp_path / "unpacked" / "files") == []

    path, hostile_name = hostile(tmp_path, (tarfile.TarInfo("joelclaw.db"), raw))
    with pytest.raises(BackupDamaged, match="no manifest"):
        read_archive(path, hostile_name, tmp_path / "again")


def test_restoring_in_place_sets_the_old_aside(house: House) -> None:
    """Refused without `replace`; with it the backup serves, and the old database and files are all there."""
    made = house.backups().make(NOW)
    later = house.store_file(b"later")
    house.app.mutate("notes:add", text="second")
    house.settle()
    with pytest.raises(BackupFailed, match="--replace"):
        house.backups().restore(made.name, replace=False, now=NOW)
    assert notes(house.config.database) == ["first", "second"]

    _, aside = house.backups().restore(made.name, replace=True, now=NOW)

    assert notes(house.config.database) == ["first"]
    assert aside is not None
    assert notes(aside / "joelclaw.db") == ["first", "second"]
    assert (aside / "files" / later.key[:2] / later.key[2:4] / later.key).read_bytes() == b"later"


@pytest.mark.parametrize("step", ["_set_aside", "_empty_log", "_place", "_end_log", "sync_file"])
def test_a_restore_that_is_killed_leaves_a_whole_database(house: House, step: str) -> None:
    """Killed at any step, the deployment has the old database or the new one, and a second restore works."""
    made = house.backups().make(NOW)
    house.app.mutate("notes:add", text="second")
    house.settle()
    program = f"""
import os, signal
from datetime import UTC, datetime
from pathlib import Path
from joelclaw.backup import restoring
from joelclaw.backup.making import Backups
from joelclaw.config import Keep, load_config

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

restoring.{step} = die
Backups(load_config(Path({str(house.root)!r}), {{}})).restore({made.name!r}, replace=True, now=datetime.now(UTC))
"""
    assert hasattr(restoring, step)
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9

    assert notes(house.config.database) in (["first", "second"], ["first"])
    check_database(house.config.database)
    house.backups().restore(made.name, replace=True, now=NOW)
    assert notes(house.config.database) == ["first"]


def test_bytes_that_are_missing_are_told(house: House) -> None:
    """A stored file whose bytes are gone fails the backup, and no backup is kept."""
    asyncio.run(house.files.remove(house.received.key))
    with pytest.raises(BackupFailed, match="bytes of a stored file are missing"):
        house.backups().make(NOW)

    assert house.backups().kept() == []


def test_a_place_that_cannot_be_written_is_told_and_the_other_has_it(house: House) -> None:
    """One of two places fails: the command fails with its reason, and the other keeps the backup."""
    (house.root / "blocked").write_text("")
    places = '["file:///blocked/here", "file:///data/backups"]'
    (house.root / "joelclaw.toml").write_text(f'[store]\nurl = "sqlite:///data/joelclaw.db"\n[backup]\nto = {places}\n')
    with pytest.raises(BackupFailed, match=r"blocked/here.*backup\.to"):
        house.backups().make(NOW)

    assert len(list((house.root / "data" / "backups").iterdir())) == 1


def test_what_is_declared_is_checked(tmp_path: Path) -> None:
    """A time zone that is none, and no place at all, are told with their line."""
    for line, reason in (("to = []", "names no place"), ('tz = "Mars"', "no time zone 'Mars'")):
        (tmp_path / "joelclaw.toml").write_text(f"[backup]\n{line}\n")
        with pytest.raises(ConfigRefused, match=rf"joelclaw.toml:2: .*{reason}"):
            Backups(load_config(tmp_path, {}))


def test_the_command_line(house: House, joelclaw: Run) -> None:
    """now, list, verify, drill, restore: names on standard output; refused while a server holds the lock."""
    project = ("--project", str(house.root))
    assert joelclaw("backup", "list", *project).out == ""
    made = joelclaw("backup", "now", *project)
    name = made.out.strip()
    assert find_name(name) is not None
    assert "1 documents in 1 tables, 1 files" in made.err
    assert name in joelclaw("backup", "list", "--json", *project).out
    assert joelclaw("backup", "verify", *project).out.strip() == name
    assert joelclaw("backup", "drill", *project).out.strip() == name
    with locked(house.config.database):
        refused = joelclaw("backup", "restore", name, "--replace", *project)
    assert (refused.code, "is served already" in refused.err) == (1, True)
    assert joelclaw("backup", "restore", name, *project).code == 1
    assert joelclaw("backup", "restore", name, "--replace", *project).code == 0
    assert notes(house.config.database) == ["first"]


def test_the_declaration_on_the_page_is_one(tmp_path: Path) -> None:
    """What docs/backups.md declares is accepted, places and all."""
    page = (Path(__file__).parents[2] / "docs" / "backups.md").read_text("utf-8")
    (tmp_path / "joelclaw.toml").write_text(page.split("```toml\n")[1].split("```")[0])
    config = load_config(tmp_path, {})

    assert config.backup.keep == Keep(daily=7, weekly=4, monthly=6)
    assert Backups(config)


def test_a_bucket_keeps_backups(house: House, s3_server: S3Server, tmp_path: Path) -> None:
    """To a bucket and back: kept, listed, proven, restored to a folder; files of others there are passed over."""
    bucket = s3_server.url("backups/here")
    (house.root / "joelclaw.toml").write_text(
        f'[store]\nurl = "sqlite:///data/joelclaw.db"\n[files]\n'
        f'access_key_id = "{CREDENTIALS["access_key_id"]}"\nsecret_access_key = "{CREDENTIALS["secret_access_key"]}"\n'
        f'[backup]\nto = ["{bucket}"]\nkeep = {{ daily = 1, weekly = 0, monthly = 0 }}\n'
    )
    first = house.backups().make(NOW)
    second = house.backups().make(NOW + timedelta(days=1))

    assert second.removed == [first.name]
    assert [kept.name for kept in house.backups().kept()] == [second.name]
    assert house.backups().prove(None).name == second.name
    house.backups().restore_to(second.name, tmp_path / "again")
    assert notes(tmp_path / "again" / "joelclaw.db") == ["first"]


def test_a_full_disk_leaves_no_half_backup(house: House) -> None:
    """No room for the archive: the reason is told, nothing is kept, and nothing is left lying about."""
    for number in range(40):
        house.app.mutate("notes:add", text=random.Random(number).randbytes(5_000).hex())
    house.settle()
    copy_bytes = house.config.database.stat().st_size
    program = f"""
import resource, signal
from datetime import UTC, datetime
from pathlib import Path
from joelclaw.backup import making
from joelclaw.config import load_config

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
take = making.take_snapshot

def take_and_fill(*paths):
    take(*paths)
    resource.setrlimit(resource.RLIMIT_FSIZE, ({copy_bytes // 8},) * 2)

making.take_snapshot = take_and_fill
making.Backups(load_config(Path({str(house.root)!r}), {{}})).make(datetime.now(UTC))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "BackupFailed" in done.stderr
    assert "cannot be written" in done.stderr
    assert house.backups().kept() == []
    assert left_over(house) == []


def test_a_backup_that_is_killed_leaves_none(house: House) -> None:
    """Killed while the archive is written: no backup is there, and the next one works and clears away."""
    program = f"""
import os, signal
from datetime import UTC, datetime
from pathlib import Path
from joelclaw.backup import archive
from joelclaw.backup.making import Backups
from joelclaw.config import load_config

archive.stored_files = lambda _: os.kill(os.getpid(), signal.SIGKILL)
Backups(load_config(Path({str(house.root)!r}), {{}})).make(datetime.now(UTC))
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    assert house.backups().kept() == []

    name = house.backups().make(NOW).name
    assert [kept.name for kept in house.backups().kept()] == [name]
    assert left_over(house) == []


def test_a_snapshot_among_writes_is_of_one_commit(tmp_path: Path) -> None:
    """Another process moves amounts between two tables all the while; in each snapshot the total is what it was."""
    live = tmp_path / "live.db"
    with closing(sqlite3.connect(live, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for table in ("a", "b"):
            connection.execute(f"CREATE TABLE {table} (amount INTEGER, filling BLOB)")
            connection.executemany(
                f"INSERT INTO {table} VALUES (?, randomblob(2000))", [(100,)] + [(0,) for _ in range(500)]
            )
    program = f"""
import sqlite3
connection = sqlite3.connect({str(live)!r}, isolation_level=None, timeout=30)
connection.execute("PRAGMA synchronous = OFF")
while True:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE a SET amount = amount - 1 WHERE rowid = 1")
    connection.execute("UPDATE b SET amount = amount + 1 WHERE rowid = 1")
    connection.execute("COMMIT")
    print(flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        moved = []
        for number in range(5):
            writer.stdout.readline()
            copy = tmp_path / f"{number}.db"
            take_snapshot(live, copy)
            with closing(sqlite3.connect(copy)) as connection:
                [(a,)] = connection.execute("SELECT sum(amount) FROM a").fetchall()
                [(b,)] = connection.execute("SELECT sum(amount) FROM b").fetchall()
            assert a + b == 200
            moved.append(b - 100)
        writer.kill()
    assert moved == sorted(moved)
    assert moved[-1] > 0
