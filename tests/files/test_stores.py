"""Places for bytes: what every one of them does, on a folder and on a real S3 server."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from hashlib import sha256
from random import Random

import pytest

from joelclaw.errors import BytesMissing, DigestMismatch, FileTooLarge
from joelclaw.files.protocol import FileStore
from joelclaw.files.receiving import Received, receive
from joelclaw.files.s3 import PART_BYTES, READ_BYTES

NOWHERE = "00000000-0000-4000-8000-000000000000"

SIZES = (0, 1, 1_000_000, PART_BYTES, PART_BYTES + 1, 12_345_678)
"""Nothing, a byte, one request, just one part, just two, several."""


def content(size: int) -> bytes:
    """Bytes that no two places of which are alike."""
    return Random(size).randbytes(size)


async def pieces(data: bytes, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    """As they come from a network."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def keep(files: FileStore, data: bytes) -> Received:
    return await receive(files, pieces(data))


async def read(files: FileStore, key: str, start: int, end: int) -> bytes:
    async with aclosing(await files.read(key, start, end)) as reading:
        return b"".join([piece async for piece in reading])


async def names(files: FileStore) -> list[str]:
    """Everything that is kept."""
    return sorted([each.name async for some in files.kept() for each in some])


@pytest.mark.parametrize("size", SIZES)
def test_bytes_come_back_as_they_were(files: FileStore, size: int) -> None:
    """Whatever their number, with their digest, whole and from the middle."""

    async def scene() -> None:
        data = content(size)
        received = await keep(files, data)
        assert received.digest == (sha256(data).digest(), size)
        assert await names(files) == [received.key]
        if size == 0:
            return
        assert await read(files, received.key, 0, size) == data
        assert await read(files, received.key, size // 3, size // 2 + 1) == data[size // 3 : size // 2 + 1]

    asyncio.run(scene())


def test_a_range_larger_than_one_reading(files: FileStore) -> None:
    """A file comes in pieces, in order, to its last byte."""

    async def scene() -> None:
        data = content(2 * READ_BYTES + 7)
        received = await keep(files, data)
        assert await read(files, received.key, 5, len(data)) == data[5:]

    asyncio.run(scene())


def test_equal_bytes_are_two_files(files: FileStore) -> None:
    """Each upload has a key of its own."""

    async def scene() -> None:
        first, second = await keep(files, b"same"), await keep(files, b"same")
        assert await names(files) == sorted([first.key, second.key])

    asyncio.run(scene())


@pytest.mark.parametrize("size", [10, PART_BYTES + 2_000_000])
def test_a_wrong_digest_keeps_nothing(files: FileStore, size: int) -> None:
    """Neither of a small file nor of one whose first parts are there already."""

    async def scene() -> None:
        with pytest.raises(DigestMismatch):
            await receive(files, pieces(content(size)), sha256=sha256(b"other").digest())
        assert await names(files) == []

    asyncio.run(scene())


@pytest.mark.parametrize("size", [10, PART_BYTES + 2_000_000])
def test_a_source_that_fails_keeps_nothing(files: FileStore, size: int) -> None:
    """The sender goes away at the last moment; its error is the one that is raised."""

    async def broken() -> AsyncIterator[bytes]:
        async for piece in pieces(content(size)):
            yield piece
        raise ConnectionResetError

    async def scene() -> None:
        with pytest.raises(ConnectionResetError):
            await receive(files, broken())
        assert await names(files) == []

    asyncio.run(scene())


def test_a_cancelled_upload_keeps_nothing(files: FileStore) -> None:
    """We are told to stop while more is to come."""

    async def scene() -> None:
        waiting = asyncio.Event()

        async def stalled() -> AsyncIterator[bytes]:
            async for piece in pieces(content(PART_BYTES + 2_000_000)):
                yield piece
            waiting.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(receive(files, stalled()))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await names(files) == []

    asyncio.run(scene())


def test_more_than_may_come_keeps_nothing(files: FileStore) -> None:
    """A limit is kept to the byte."""

    async def scene() -> None:
        await receive(files, pieces(content(100_000)), bytes_max=100_000)
        with pytest.raises(FileTooLarge):
            await receive(files, pieces(content(100_001)), bytes_max=100_000)
        assert len(await names(files)) == 1

    asyncio.run(scene())


def test_removed_bytes_are_gone(files: FileStore) -> None:
    """Removing twice is no error; reading is."""

    async def scene() -> None:
        received = await keep(files, b"short-lived")
        await files.remove(received.key)
        await files.remove(received.key)
        assert await names(files) == []
        with pytest.raises(BytesMissing):
            await files.read(received.key, 0, 5)
        with pytest.raises(BytesMissing):
            await files.read(NOWHERE, 0, 5)

    asyncio.run(scene())


def test_bytes_that_were_cut_are_noticed(files: FileStore) -> None:
    """Fewer than are known of is an error, not a shorter file."""

    async def scene() -> None:
        received = await keep(files, b"12345")
        with pytest.raises(BytesMissing):
            await read(files, received.key, 0, 9)

    asyncio.run(scene())


def test_a_listing_tells_when(files: FileStore) -> None:
    """All that is kept, with the time at which it was written; to the second, which is S3's."""

    async def scene() -> None:
        before = time.time() * 1000
        keys = sorted([(await keep(files, b"x")).key for _ in range(3)])
        found = [each async for some in files.kept() for each in some]
        assert sorted(each.name for each in found) == keys
        assert all(before - 1000 <= each.modified_at <= time.time() * 1000 + 1000 for each in found)

    asyncio.run(scene())


def test_a_place_has_one_owner(files: FileStore) -> None:
    """The first who claims it; again and again, and nobody else. The mark is not among the files."""

    async def scene() -> None:
        assert await files.claim("ann")
        assert await files.claim("ann")
        assert not await files.claim("bob")
        assert await names(files) == []

    asyncio.run(scene())
