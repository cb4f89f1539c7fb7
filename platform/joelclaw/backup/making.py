"""
Making, verifying, drilling and restoring backups of one deployment: the parts put together.

Work is done in a folder beside the database (`working.py`). A place keeps a backup from the moment it
has its name.
"""

import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from joelclaw.backup.archive import DATABASE, BackupName, Manifest, find_name, read_archive, write_archive
from joelclaw.backup.declaring import check_declaration
from joelclaw.backup.destinations import Destination, open_destination
from joelclaw.backup.keep import surplus
from joelclaw.backup.opening import FindApp, no_app, open_as_a_server
from joelclaw.backup.restoring import replace_database
from joelclaw.backup.snapshot import check_database, stored_files, take_snapshot
from joelclaw.backup.working import working
from joelclaw.config import Config
from joelclaw.errors import BackupFailed
from joelclaw.files.opening import open_files
from joelclaw.files.staying import staying


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that is kept everywhere it should be."""

    name: str
    size: int
    places: list[str]
    counts: dict[str, int]
    files: int
    gone: list[str]
    removed: list[str]
    """Older ones that went, as `keep` has it."""


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was unpacked and checked, all of it."""

    name: str
    place: str
    counts: dict[str, int]
    files: int
    sampled: list[str] = []
    """Tables too large to compare each document with the schema and its indexes."""

    checked_with: str = ""
    """Which app the documents fit: `version 7`. Empty: none was there, and they are only known to be JSON."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A backup in one place."""

    name: str
    place: str
    at: str
    commit_ts: str


class Backups:
    """The backups of one deployment."""

    def __init__(self, config: Config) -> None:
        """
        Raises:
            ConfigRefused: What is declared of backups cannot be.
        """
        check_declaration(config)
        self._config = config
        self._destinations: Sequence[Destination] = [
            open_destination(url, config.files_credentials) for url in config.backup_urls
        ]

    def make(self, now: datetime) -> Made:
        """
        Make a backup, check it, keep it in every place, and let old ones go.

        A place that fails does not keep the others from theirs; it is told when all are done.

        Raises:
            BackupFailed, BackupDamaged, FileStoreFailed: There is no new backup, or not everywhere.
        """
        at = now.astimezone(UTC).replace(microsecond=0)
        config = self._config
        with working(config.database) as folder, staying(config.database):
            copy = folder / "copy.db"
            take_snapshot(config.database, copy)
            contents = check_database(copy)
            archive = folder / "archive"
            files = open_files(config.files_url, config.files_credentials)
            manifest, digest = write_archive(
                archive, copy, contents, files, at, lambda key: self._refers_to(folder, key)
            )
            name = BackupName(at, contents.commit_ts, digest)
            removed, failures = self._keep_everywhere(archive, name)
            if failures:
                raise BackupFailed("; ".join(failures))
            return Made(
                name=str(name),
                size=archive.stat().st_size,
                places=[each.place for each in self._destinations],
                counts=manifest.counts,
                files=len(manifest.parts) - 1,
                gone=manifest.gone,
                removed=sorted(removed),
            )

    def kept(self) -> list[Kept]:
        """All backups, oldest first. Raises BackupFailed."""
        found = [(name, each.place) for each in self._destinations for name in each.names()]
        return [
            Kept(name=str(name), place=place, at=name.at.isoformat(), commit_ts=str(name.commit_ts))
            for name, place in sorted(found)
        ]

    def prove(self, wanted: str | None, find_app: FindApp = no_app) -> Proven:
        """
        Unpack a backup, or the newest, into a scratch folder, check all of it, and open it as a server would.

        That server has the app that is found. It is loaded into this process.

        Raises:
            BackupDamaged: It is not what was written.
            BackupFailed: There is none, or it cannot be read.
        """
        with working(self._config.database) as folder:
            name, destination, manifest = self._unpack(wanted, folder / "unpacked", folder)
            database = folder / "unpacked" / DATABASE
            app = find_app(database, folder)
            sampled = open_as_a_server(database, str(name), app.load, folder)
            return Proven(
                name=str(name),
                place=destination.place,
                counts=manifest.counts,
                files=len(manifest.parts) - 1,
                sampled=sampled,
                checked_with=app.told,
            )

    def restore_to(self, wanted: str, target: Path) -> Proven:
        """
        Unpack a backup to a folder that does not exist or is empty: `joelclaw.db`, and `files` as a `[files]` folder.

        Raises:
            BackupDamaged, BackupFailed: The folder is as it was.
        """
        target = target.resolve()
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise BackupFailed(f"{target} is not empty; name a folder that does not exist yet")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        except OSError as error:
            raise BackupFailed(f"{target} cannot be made: {error.strerror}") from error
        try:
            name, destination, manifest = self._unpack(wanted, folder / "unpacked", folder)
            made = folder / "made"
            made.mkdir()
            at = datetime.now(UTC)
            replace_database(folder / "unpacked", manifest, made / "joelclaw.db", made / "files", at)
            made.replace(target)
        except OSError as error:
            raise BackupFailed(f"{target} cannot be made: {error.strerror or error}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return Proven(name=str(name), place=destination.place, counts=manifest.counts, files=len(manifest.parts) - 1)

    def restore(self, wanted: str, *, replace: bool, now: datetime) -> tuple[Proven, Path | None]:
        """
        Put a backup where the deployment's database and files are; also where the old ones are now.

        The caller holds the deployment's lock.

        Raises:
            BackupDamaged, BackupFailed: Database and files are as they were.
        """
        config = self._config
        if config.database.exists() and not replace:
            raise BackupFailed(
                f"there is a database at {config.database}; say --replace to set it aside, or --to another folder"
            )
        if not config.files_url.startswith("file://"):
            raise BackupFailed(
                f"files of this deployment are in {config.files.url}; restore with --to a folder and copy them there"
            )
        with working(config.database) as folder:
            name, destination, manifest = self._unpack(wanted, folder / "unpacked", folder)
            files = Path(config.files_url.removeprefix("file://"))
            aside = replace_database(folder / "unpacked", manifest, config.database, files, now.astimezone(UTC))
        proven = Proven(name=str(name), place=destination.place, counts=manifest.counts, files=len(manifest.parts) - 1)
        return proven, aside

    # -- inside

    def _keep_everywhere(self, archive: Path, name: BackupName) -> tuple[set[str], list[str]]:
        removed, failures = set(), []
        for destination in self._destinations:
            try:
                destination.put(archive, name)
                for old in surplus(destination.names(), self._config.backup.keep, self._config.backup.tz):
                    destination.remove(old)
                    removed.add(str(old))
            except BackupFailed as error:
                failures.append(str(error))
        return removed, failures

    def _refers_to(self, folder: Path, key: str) -> bool:
        """Whether the live database refers to these bytes now: asked only for bytes that are missing."""
        copy = folder / "now.db"
        copy.unlink(missing_ok=True)
        take_snapshot(self._config.database, copy)
        return any(stored.key == key for stored in stored_files(copy))

    def _unpack(self, wanted: str | None, target: Path, folder: Path) -> tuple[BackupName, Destination, Manifest]:
        name, destination = self._find(wanted)
        archive = folder / "fetched"
        destination.fetch(name, archive)
        manifest = read_archive(archive, str(name), target)
        archive.unlink()
        return name, destination, manifest

    def _find(self, wanted: str | None) -> tuple[BackupName, Destination]:
        found = sorted(((name, each) for each in self._destinations for name in each.names()), key=lambda pair: pair[0])
        if not found:
            places = " and ".join(each.place for each in self._destinations)
            raise BackupFailed(f"there is no backup in {places}; make one with `joelclaw backup now`")
        if wanted is None:
            return found[-1]
        name = find_name(wanted)
        for pair in found:
            if pair[0] == name:
                return pair
        raise BackupFailed(f"there is no backup {wanted!r:.120}; `joelclaw backup list` has their names")
