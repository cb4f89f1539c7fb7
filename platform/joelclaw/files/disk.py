"""
Files in a folder of this machine.

    <folder>/2f/6c/2f6c01b4-...        the bytes, named by their key
    <folder>/2f/6c/.2f6c01b4-....part  bytes that are being written
    <folder>/.owner                    whose files these are

An upload is written beside its place and takes it by a rename, after the bytes and before the
folder are on the disk: a power cut leaves all of a file or none. Two levels of folders keep
each of them short.

All input and output is done by threads, a mebibyte at a time. A thread cannot be interrupted:
who is cancelled leaves it behind, so each upload has a lock, and what comes after its end
does nothing.
"""

import asyncio
import contextlib
import errno
import os
import threading
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final, NoReturn
from uuid import uuid4

from joelclaw.errors import BytesMissing, FileStoreFailed, FileStoreFull
from joelclaw.files.protocol import KEYS_MAX, Digest, KeptBytes

WRITE_BYTES: Final = 1024 * 1024
READ_BYTES: Final = 256 * 1024

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_OWNER: Final = ".owner"
_PART: Final = ".part"


class DiskFiles:
    """A folder. It is made when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def place(self) -> str:
        return str(self._folder)

    def begin(self) -> "DiskUpload":
        key = str(uuid4())
        return DiskUpload(key, self._path(key))

    async def read(self, key: str, start: int, end: int) -> "DiskReading":
        path = self._path(key)
        return DiskReading(path, await asyncio.to_thread(_open_at, path, start), end - start)

    async def remove(self, name: str) -> None:
        await asyncio.to_thread(_remove, self._path(name))

    async def kept(self) -> AsyncIterator[list[KeptBytes]]:
        for folder in await asyncio.to_thread(_folders_of, self._folder):
            kept = await asyncio.to_thread(_files_below, folder)
            for first in range(0, len(kept), KEYS_MAX):
                yield kept[first : first + KEYS_MAX]

    async def claim(self, owner: str) -> bool:
        return await asyncio.to_thread(_claim, self._folder / _OWNER, owner)

    def _path(self, name: str) -> Path:
        key = name.removeprefix(".")
        return self._folder / key[:2] / key[2:4] / name


class DiskUpload:
    """Bytes on their way into the folder."""

    def __init__(self, key: str, path: Path) -> None:
        self.key = key
        self.size = 0
        self._path = path
        self._part = path.with_name(f".{key}{_PART}")
        self._waiting = bytearray()
        self._hash = sha256()
        self._fd = -1
        self._ended = False
        self._lock = threading.Lock()

    async def write(self, piece: bytes, /) -> None:
        self._waiting += piece
        self.size += len(piece)
        if len(self._waiting) >= WRITE_BYTES:
            await self._write_out()

    async def finish(self) -> Digest:
        await self._write_out()
        return Digest(self._hash.digest(), self.size)

    async def commit(self) -> None:
        await asyncio.to_thread(self._commit)

    async def abort(self) -> None:
        await asyncio.to_thread(self._abort)

    async def _write_out(self) -> None:
        block, self._waiting = self._waiting, bytearray()
        await asyncio.to_thread(self._write, block)

    # -- in threads

    def _write(self, block: bytearray) -> None:
        with self._lock, _told(self._part):
            if self._ended:
                return
            if self._fd < 0:
                self._part.parent.mkdir(parents=True, exist_ok=True)
                self._fd = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._hash.update(block)
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(self._fd, rest) :]

    def _commit(self) -> None:
        with self._lock, _told(self._path):
            if self._ended:
                return
            os.fsync(self._fd)
            self._close()
            os.rename(self._part, self._path)
            _sync_folders(self._path.parent)
            self._ended = True

    def _abort(self) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = True
            # What cannot be removed now is swept later.
            with contextlib.suppress(OSError):
                self._close()
            for path in (self._part, self._path):
                with contextlib.suppress(OSError):
                    path.unlink()

    def _close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


class DiskReading:
    """An open file, read to a given length."""

    def __init__(self, path: Path, fd: int, size: int) -> None:
        self._path = path
        self._fd = fd
        self._left = size
        self._lock = threading.Lock()

    def __aiter__(self) -> "DiskReading":
        return self

    async def __anext__(self) -> bytes:
        if self._left == 0:
            raise StopAsyncIteration
        piece = await asyncio.to_thread(self._read)
        self._left -= len(piece)
        return piece

    async def aclose(self) -> None:
        await asyncio.to_thread(self._close)

    def _read(self) -> bytes:
        with self._lock, _told(self._path):
            piece = os.read(self._fd, min(READ_BYTES, self._left)) if self._fd >= 0 else b""
        if not piece:
            raise BytesMissing(str(self._path))
        return piece

    def _close(self) -> None:
        with self._lock:
            if self._fd >= 0:
                fd, self._fd = self._fd, -1
                os.close(fd)


async def read_file(path: "os.PathLike[str]") -> AsyncIterator[bytes]:
    """Any file of this machine, in pieces. Raises what opening and reading it raise."""
    file = await asyncio.to_thread(open, path, "rb", 0)
    try:
        while piece := await asyncio.to_thread(file.read, WRITE_BYTES):
            yield piece
    finally:
        file.close()


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """The system's errors as ours."""
    try:
        yield
    except OSError as error:
        _raise(path, error)


def _raise(path: Path, error: OSError) -> NoReturn:
    if error.errno in _NO_ROOM:
        raise FileStoreFull(str(path)) from error
    raise FileStoreFailed(str(path), os.strerror(error.errno or 0)) from error


def _open_at(path: Path, start: int) -> int:
    with _told(path):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise BytesMissing(str(path)) from error
        if start:
            os.lseek(fd, start, os.SEEK_SET)
        return fd


def _remove(path: Path) -> None:
    with _told(path):
        path.unlink(missing_ok=True)


def _sync_folders(folder: Path) -> None:
    """Put a new name on the disk: in its folder, and the folder, which may be as new, in those above it."""
    for each in (folder, folder.parent, folder.parent.parent):
        fd = os.open(each, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _folders_of(folder: Path) -> list[Path]:
    with _told(folder):
        return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _files_below(folder: Path) -> list[KeptBytes]:
    kept = []
    with _told(folder):
        for path in folder.glob("*/*"):
            with contextlib.suppress(FileNotFoundError):  # Removed, or finished, meanwhile.
                kept.append(KeptBytes(path.name, path.stat().st_mtime * 1000))
    return kept


def _claim(mark: Path, owner: str) -> bool:
    with _told(mark):
        mark.parent.mkdir(parents=True, exist_ok=True)
        try:
            found = mark.read_text("ascii")
        except FileNotFoundError:
            found = ""
        if not found:  # None yet, or one that a crash left empty.
            mark.write_text(owner, "ascii")
        return found in ("", owner)
