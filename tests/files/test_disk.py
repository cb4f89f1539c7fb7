"""The folder: what happens when the disk does not do as it is told, and what lies in it meanwhile."""

import asyncio
import os
import resource
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from joelclaw.errors import FileStoreFailed, FileStoreFull
from joelclaw.files.disk import WRITE_BYTES, DiskFiles
from joelclaw.files.receiving import receive
from tests.engine.engines import within_patience
from tests.files.test_stores import content, keep, names, pieces, read

NOBODY = 65_534


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Files can grow to this size and no further, as on a disk that is full then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def powerless() -> Iterator[None]:
    """Root may write everywhere, so be somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that is read-only, below folders that everybody may enter."""
    with tempfile.TemporaryDirectory() as above:
        os.chmod(above, 0o755)
        folder = Path(above) / "files"
        folder.mkdir(mode=0o755)
        yield folder


def test_a_full_disk_keeps_nothing(tmp_path: Path) -> None:
    """The error says so, the part that was written is gone, and the next file that fits is kept."""
    files = DiskFiles(tmp_path)

    async def scene() -> None:
        with room_for(WRITE_BYTES * 2), pytest.raises(FileStoreFull, match="there is no room for the file"):
            await keep(files, content(WRITE_BYTES * 3))
        assert await names(files) == []
        assert len((await keep(files, b"small")).key) == 36

    asyncio.run(scene())


def test_a_folder_that_may_not_be_written(open_folder: Path) -> None:
    """The error names the place and the setting; nothing is left."""
    open_folder.chmod(0o555)

    async def scene() -> None:
        files = DiskFiles(open_folder)
        with powerless(), pytest.raises(FileStoreFailed, match=r"Permission denied; look at \[files\]"):
            await keep(files, b"bytes")
        assert await names(files) == []

    asyncio.run(scene())


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    """Is an error of ours, for writing, claiming and removing; and nothing to list."""
    (tmp_path / "files").write_text("in the way")
    files = DiskFiles(tmp_path / "files")

    async def scene() -> None:
        with pytest.raises(FileStoreFailed, match="Not a directory"):
            await keep(files, b"bytes")
        with pytest.raises(FileStoreFailed):
            await files.claim("ann")
        assert await names(files) == []

    asyncio.run(scene())


def test_an_upload_is_not_there_before_its_end(tmp_path: Path) -> None:
    """Its bytes have another name till then, which a listing tells, so that they can be swept."""
    files = DiskFiles(tmp_path)

    async def scene() -> None:
        upload = files.begin()
        await upload.write(content(WRITE_BYTES))
        [part] = await names(files)
        assert part == f".{upload.key}.part"
        await upload.finish()
        assert await names(files) == [part]
        await upload.commit()
        assert await names(files) == [upload.key]

    asyncio.run(scene())


def test_parts_can_be_removed(tmp_path: Path) -> None:
    """By the name that the listing gave."""
    files = DiskFiles(tmp_path)

    async def scene() -> None:
        await files.begin().write(content(WRITE_BYTES))
        [part] = await names(files)
        await files.remove(part)
        assert await names(files) == []

    asyncio.run(scene())


def test_nobody_else_may_read(tmp_path: Path) -> None:
    """Files are for the server's user alone."""
    files = DiskFiles(tmp_path)
    received = asyncio.run(keep(files, b"private"))
    [path] = tmp_path.glob(f"*/*/{received.key}")

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.relative_to(tmp_path).parts == (received.key[:2], received.key[2:4])


def test_an_owner_that_a_crash_left_empty(tmp_path: Path) -> None:
    """Is none: who comes next is it."""
    (tmp_path / ".owner").touch()

    assert asyncio.run(DiskFiles(tmp_path).claim("ann"))
    assert not asyncio.run(DiskFiles(tmp_path).claim("bob"))


def test_a_slow_disk_and_an_impatient_sender(tmp_path: Path) -> None:
    """An upload that is given up while a thread still writes for it leaves nothing behind, whoever is first."""
    files = DiskFiles(tmp_path)

    async def part() -> None:
        while not list(tmp_path.glob("*/*/.*")):
            await asyncio.sleep(0)

    async def scene() -> None:
        for _ in range(20):
            task = asyncio.create_task(receive(files, _endless()))
            await within_patience("a part", part())
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await names(files) == []

    asyncio.run(scene())


async def _endless() -> AsyncIterator[bytes]:
    while True:
        yield content(WRITE_BYTES)


def test_a_reader_keeps_what_it_opened(tmp_path: Path) -> None:
    """A file that is removed while somebody reads it is read to its end."""
    files = DiskFiles(tmp_path)

    async def scene() -> None:
        data = content(1_000_000)
        received = await receive(files, pieces(data))
        reading = await files.read(received.key, 0, len(data))
        first = await anext(reading)
        await files.remove(received.key)
        assert first + b"".join([piece async for piece in reading]) == data
        await reading.aclose()
        with pytest.raises(Exception, match="the bytes of this file are gone"):
            await read(files, received.key, 0, 1)

    asyncio.run(scene())
