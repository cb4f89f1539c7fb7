"""
The form of a backup: one compressed tar file, whose name carries its digest.

    joelclaw-20261124T040000Z-<commit_ts>-<first 16 hex digits of its SHA-256>.tar.gz

        joelclaw.db        the database
        files/<key>        the bytes of each stored file
        manifest.json      last: the form's version, counts, and the SHA-256 of all before it

With the digest in its name a backup is whole or it is not there: no second file can be missing
or be another's. Any flipped bit is found before anything is unpacked, also where a tar file
has room that nothing looks at.

Reading trusts nothing: no name but these is unpacked, no links, everything in pieces, and no more
than was announced: the database is as large as its own first page says, and fits into the room that there is;
it is sound before anything after it is looked at, and says which files there are and how large.
"""

import asyncio
import base64
import gzip
import hashlib
import io
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Final, NamedTuple, Self

import msgspec

from joelclaw.backup.snapshot import (
    HEADER_BYTES,
    Contents,
    StoredBytes,
    check_database,
    database_bytes,
    stored_files,
    sync_file,
)
from joelclaw.errors import BackupDamaged, BackupFailed, BytesMissing
from joelclaw.files.protocol import FileStore

FORMAT: Final = 1
DATABASE: Final = "joelclaw.db"
FILES: Final = "files/"
MANIFEST: Final = "manifest.json"
PIECE_BYTES: Final = 1024 * 1024
MANIFEST_BYTES_MAX: Final = 512 * 1024 * 1024
ROOM_LEFT_BYTES: Final = 64 * 1024 * 1024
LEVEL: Final = 6
DIGEST_LENGTH: Final = 16

_NAME: Final = re.compile(r"joelclaw-(\d{8}T\d{6}Z)-(\d{1,20})-([0-9a-f]{16})\.tar\.gz", re.ASCII)
_KEY: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_TIME: Final = "%Y%m%dT%H%M%SZ"


class BackupName(NamedTuple):
    """What the name of a backup says."""

    at: datetime
    commit_ts: int
    digest: str

    def __str__(self) -> str:
        return f"joelclaw-{self.at.strftime(_TIME)}-{self.commit_ts}-{self.digest}.tar.gz"


def find_name(text: str) -> BackupName | None:
    """The name of a backup, read; None if it is none."""
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    try:
        at = datetime.strptime(match[1], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return BackupName(at, int(match[2]), match[3])


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One file in a backup."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself."""

    format: int
    joelclaw: str
    at: str
    commit_ts: int
    counts: dict[str, int]
    parts: list[Part]
    gone: list[str]
    """Keys of files that were deleted between the snapshot and the reading of their bytes."""


def write_archive(
    path: Path,
    copy: Path,
    contents: Contents,
    files: FileStore,
    at: datetime,
    still_there: Callable[[str], bool],
) -> tuple[Manifest, str]:
    """
    Write a backup of a copied database; its manifest, and the digest of the whole.

    `still_there` tells whether the live database refers to a file whose bytes are missing.

    Raises:
        BackupFailed: There is no room, or bytes of a file are missing that should be there.
        FileStoreFailed: Stored files cannot be read.
    """
    parts: list[Part] = []
    gone: list[str] = []
    try:
        with path.open("xb") as raw:
            hashing = _Hashing(raw)
            with (
                gzip.GzipFile("", "wb", LEVEL, hashing, 0) as compressed,
                tarfile.open(fileobj=compressed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
            ):
                with copy.open("rb") as database:
                    parts.append(_add(tar, DATABASE, copy.stat().st_size, database))
                for stored in stored_files(copy):
                    try:
                        reading = _Reading(files, stored)
                    except BytesMissing as error:
                        if still_there(stored.key):
                            raise BackupFailed(f"the bytes of a stored file are missing: {error}") from error
                        gone.append(stored.key)
                        continue
                    with reading:
                        part = _add(tar, FILES + stored.key, stored.size, reading)
                    if base64.b64encode(bytes.fromhex(part.sha256)).decode() != stored.sha256:
                        raise BackupFailed(f"the bytes of the stored file {stored.key} are not what was stored")
                    parts.append(part)
                manifest = Manifest(
                    format=FORMAT,
                    joelclaw=version("joelclaw"),
                    at=at.strftime(_TIME),
                    commit_ts=contents.commit_ts,
                    counts=contents.counts,
                    parts=parts,
                    gone=gone,
                )
                text = msgspec.json.encode(manifest)
                _add(tar, MANIFEST, len(text), io.BytesIO(text))
            raw.flush()
            os.fsync(raw.fileno())
    except OSError as error:
        raise BackupFailed(f"{path} cannot be written: {error.strerror or error}") from error
    return manifest, hashing.digest.hexdigest()[:DIGEST_LENGTH]


def read_archive(path: Path, name: str, folder: Path) -> Manifest:
    """
    Unpack a backup into an empty folder and check everything about it, files and database.

    Raises:
        BackupDamaged: It is not what was written, or no backup of ours.
        BackupFailed: There is no room to unpack it.
    """
    expected = find_name(name)
    if expected is None:
        raise BackupDamaged(name, "no backup has such a name")
    try:
        with path.open("rb") as raw:
            digest = hashlib.file_digest(raw, "sha256").hexdigest()
        if digest[:DIGEST_LENGTH] != expected.digest:
            raise BackupDamaged(name, "its bytes are not those that were written")
        (folder / FILES).mkdir(parents=True)
        manifest = _unpack(path, name, folder)
    except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise BackupDamaged(name, f"it cannot be unpacked: {error}") from error
    except OSError as error:
        raise BackupFailed(f"{name} cannot be unpacked into {folder}: {error.strerror or error}") from error
    _check(manifest, expected, name, folder)
    return manifest


def _unpack(path: Path, name: str, folder: Path) -> Manifest:
    parts: list[Part] = []
    sizes: dict[str, int] = {}
    with gzip.open(path, "rb") as compressed, tarfile.open(fileobj=compressed, mode="r|") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is None:
                raise BackupDamaged(name, f"{member.name!r:.80} in it is no ordinary file")
            if member.name == MANIFEST:
                if member.size > MANIFEST_BYTES_MAX:
                    raise BackupDamaged(name, "its manifest is too large")
                try:
                    manifest = msgspec.json.decode(content.read(), type=Manifest)
                except msgspec.DecodeError as error:
                    raise BackupDamaged(name, f"its manifest cannot be read: {error}") from error
                if manifest.format != FORMAT:
                    raise BackupDamaged(name, f"it is of format {manifest.format}, and this joelclaw reads {FORMAT}")
                if manifest.parts != parts:
                    raise BackupDamaged(name, "its parts are not those of its manifest")
                return manifest
            if not _is_part(member.name, first=not parts):
                raise BackupDamaged(name, f"{member.name!r:.80} is no part of a backup")
            head = b""
            if parts:
                if sizes.get(member.name) != member.size:
                    raise BackupDamaged(name, f"{member.name} in it is not what its database says")
            else:
                head = content.read(HEADER_BYTES)
                if database_bytes(head) != member.size:
                    raise BackupDamaged(name, "its database is none, or not as large as it says itself")
            _require_room(folder, member.size)
            with (folder / member.name).open("xb") as target:
                hashing = _Hashing(target)
                hashing.write(head)
                while piece := content.read(PIECE_BYTES):
                    hashing.write(piece)
                target.flush()
                os.fsync(target.fileno())
            parts.append(Part(name=member.name, size=member.size, sha256=hashing.digest.hexdigest()))
            if len(parts) == 1:
                check_database(folder / DATABASE)
                sizes = {FILES + stored.key: stored.size for stored in stored_files(folder / DATABASE)}
    raise BackupDamaged(name, "it has no manifest")


def _require_room(folder: Path, size: int) -> None:
    """Before it is written, and with something left: the deployment that runs here needs room, too."""
    free = shutil.disk_usage(folder).free
    if size > free - ROOM_LEFT_BYTES:
        raise BackupFailed(f"there is no room in {folder} to unpack {size:,} bytes: {free:,} are free; make some")


def _is_part(name: str, *, first: bool) -> bool:
    if first:
        return name == DATABASE
    return name.startswith(FILES) and _KEY.fullmatch(name.removeprefix(FILES)) is not None


def _check(manifest: Manifest, expected: BackupName, name: str, folder: Path) -> None:
    database = folder / DATABASE
    contents = check_database(database)
    if contents != Contents(manifest.commit_ts, manifest.counts) or contents.commit_ts != expected.commit_ts:
        raise BackupDamaged(name, "its database is not the one of its manifest")
    found = {part.name: part for part in manifest.parts[1:]}
    gone = set(manifest.gone)
    for stored in stored_files(database):
        part = found.pop(FILES + stored.key, None)
        if part is None and stored.key not in gone:
            raise BackupDamaged(name, f"the stored file {stored.key} is not in it")
        if part and base64.b64encode(bytes.fromhex(part.sha256)).decode() != stored.sha256:
            raise BackupDamaged(name, f"the stored file {stored.key} is not what was stored")
    if found:
        raise BackupDamaged(name, "it has files that its database does not know")
    for each in (folder / FILES, folder):
        sync_file(each)


def _add(tar: tarfile.TarFile, name: str, size: int, content: "IO[bytes] | _Reading") -> Part:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o600
    hashing = _HashingReader(content)
    tar.addfile(info, hashing)  # type: ignore[arg-type]  # It is only read from.
    return Part(name=name, size=size, sha256=hashing.digest.hexdigest())


class _Hashing:
    """Bytes on their way into a file."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self.digest = hashlib.sha256()

    def write(self, piece: bytes) -> int:
        self.digest.update(piece)
        return self._target.write(piece)

    def flush(self) -> None:
        self._target.flush()


class _HashingReader:
    """Bytes on their way out of one."""

    def __init__(self, source: "IO[bytes] | _Reading") -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        piece = self._source.read(size)
        self.digest.update(piece)
        return piece


class _Reading:
    """A stored file as something that is read from, for what knows no event loop."""

    def __init__(self, files: FileStore, stored: StoredBytes) -> None:
        self._runner = asyncio.Runner()
        self._left = bytearray()
        try:
            self._reading = self._runner.run(files.read(stored.key, 0, stored.size))
        except BaseException:
            self._runner.close()
            raise

    def read(self, size: int) -> bytes:
        while len(self._left) < size and (piece := self._runner.run(self._next())):
            self._left += piece
        taken = bytes(self._left[:size])
        del self._left[:size]
        return taken

    async def _next(self) -> bytes:
        try:
            return await self._reading.__anext__()
        except StopAsyncIteration:
            return b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._reading.aclose())
        self._runner.close()


def keys_in(manifest: Manifest) -> Iterable[str]:
    """Keys of the stored files in a backup."""
    return (part.name.removeprefix(FILES) for part in manifest.parts[1:])
