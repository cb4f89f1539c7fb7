"""
Where backups are kept: a folder, or a bucket of S3 or of what speaks its protocol.

A backup gets its name as its last step, so a name is always that of a whole one: in a folder by
a rename, in a bucket because an object is not there before it is complete.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from joelclaw.backup.archive import BackupName, find_name
from joelclaw.backup.snapshot import sync_file
from joelclaw.errors import BackupFailed

PIECE_BYTES: Final = 8 * 1024 * 1024
_SETTINGS: Final = frozenset({"endpoint", "region"})


class Destination(Protocol):
    """One place. All of it raises BackupFailed when the place cannot be used."""

    @property
    def place(self) -> str:
        """What it is called in messages."""
        ...

    def put(self, path: Path, name: BackupName) -> None:
        """Keep the file under this name, whole and durably, or not at all."""
        ...

    def names(self) -> list[BackupName]:
        """The backups there, oldest first; other files are passed over."""
        ...

    def fetch(self, name: BackupName, path: Path) -> None:
        """Bring a backup to a file that does not exist yet."""
        ...

    def remove(self, name: BackupName) -> None: ...

    def probe(self) -> None:
        """Write something small there, and remove it."""
        ...


def open_destination(url: str, credentials: Mapping[str, str]) -> Destination:
    """The place at `file:///absolute/folder` or `s3://bucket/prefix?endpoint=...`. Nothing is touched yet."""
    if url.startswith("s3://"):
        return BucketDestination(url, credentials)
    return FolderDestination(Path(url.removeprefix("file://")))


class FolderDestination:
    """A folder. It is made when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.place = str(folder)

    def put(self, path: Path, name: BackupName) -> None:
        part = self._folder / f".{name}.part"
        with self._told():
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(path, part)
                os.chmod(part, 0o600)
                sync_file(part)
                part.rename(self._folder / str(name))
            except BaseException:
                with contextlib.suppress(OSError):
                    part.unlink()
                raise
            sync_file(self._folder)

    def names(self) -> list[BackupName]:
        with self._told():
            found = os.listdir(self._folder) if self._folder.is_dir() else []
        return sorted(name for text in found if (name := find_name(text)) is not None)

    def fetch(self, name: BackupName, path: Path) -> None:
        with self._told():
            shutil.copyfile(self._folder / str(name), path)

    def remove(self, name: BackupName) -> None:
        with self._told():
            (self._folder / str(name)).unlink(missing_ok=True)

    def probe(self) -> None:
        with self._told():
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder) as file:
                file.write(b"joelclaw")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = f"backups in {self.place} cannot be read or written: {error.strerror or error}"
            raise BackupFailed(f"{reason}; see to its room and permissions, or name another in backup.to") from error


class BucketDestination:
    """A bucket, or what is below a prefix in it."""

    def __init__(self, url: str, credentials: Mapping[str, str]) -> None:
        from obstore.store import S3Store

        parts = urlsplit(url)
        settings = {name: values[-1] for name, values in parse_qs(parts.query).items() if name in _SETTINGS}
        options: dict[str, Any] = {**settings, **credentials}
        self.place = f"s3://{parts.netloc}{parts.path}"
        self._store = S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            client_options={
                "timeout": timedelta(minutes=10),
                "allow_http": settings.get("endpoint", "").startswith("http://"),
            },
            **options,
        )

    def put(self, path: Path, name: BackupName) -> None:
        import obstore

        with self._told():
            # In parts, a few at a time; the object is there when the last one is.
            obstore.put(self._store, str(name), path, chunk_size=PIECE_BYTES, max_concurrency=2)

    def names(self) -> list[BackupName]:
        import obstore

        with self._told():
            found = [each["path"] for some in obstore.list(self._store) for each in some]
        return sorted(name for text in found if (name := find_name(text)) is not None)

    def fetch(self, name: BackupName, path: Path) -> None:
        import obstore

        with self._told(), path.open("xb") as file:
            for piece in obstore.get(self._store, str(name)).stream(min_chunk_size=PIECE_BYTES):
                file.write(piece)

    def remove(self, name: BackupName) -> None:
        import obstore

        with self._told(), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, str(name))

    def probe(self) -> None:
        import obstore

        name = f".joelclaw-probe-{uuid4()}"
        with self._told():
            obstore.put(self._store, name, b"joelclaw")
            obstore.delete(self._store, name)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            raise BackupFailed(
                f"backups in {self.place} cannot be reached: {str(error).partition(chr(10))[0]}"
            ) from error
