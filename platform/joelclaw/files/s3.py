"""
Files in a bucket of S3, or of anything that speaks its protocol.

    <prefix>/<key>     the bytes
    <prefix>/.owner    whose files these are

A file that fits into one part is one request. A larger one is a multipart upload, which the
library feeds from our pieces: at most two parts of it are in memory, and nothing is visible
before it is completed. Reading asks for a range at a time, so that neither memory nor the
length of one request depends on the file, nor on how slowly somebody takes it.

What a killed process leaves of a multipart upload no listing shows: a lifecycle rule of the
bucket removes it (`docs/files.md`).
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from joelclaw.errors import BytesMissing, FileStoreFailed
from joelclaw.files.protocol import KEYS_MAX, Digest, KeptBytes

PART_BYTES: Final = 5 * 1024 * 1024
"""The least that S3 takes, but for the last. It takes 10,000: 50 GB."""

PIECE_BYTES: Final = 1024 * 1024
READ_BYTES: Final = 4 * 1024 * 1024
SENT_BYTES: Final = 256 * 1024
"""Who takes a piece may copy it several times."""


_OWNER: Final = ".owner"
_TIMEOUT: Final = timedelta(seconds=60)
"""For one request: a part, or a range."""

_RETRIES: Final = 3
_FAILURES: Final = (BaseError, OSError)
"""What the library raises: where something is missing (an object, a bucket), Python's own error."""

_SETTINGS: Final = frozenset({"endpoint", "region"})


class S3Files:
    """A bucket, or what is below a prefix in it: `s3://bucket/prefix?endpoint=https://...&region=...`."""

    def __init__(self, url: str, credentials: Mapping[str, str]) -> None:
        """Without `credentials` those of the process environment are taken: `AWS_ACCESS_KEY_ID` and so on."""
        parts = urlsplit(url)
        settings = {name: values[-1] for name, values in parse_qs(parts.query).items() if name in _SETTINGS}
        self.place = f"s3://{parts.netloc}{parts.path}"
        options: dict[str, Any] = {**settings, **credentials}
        self._store = S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            client_options={"timeout": _TIMEOUT, "allow_http": settings.get("endpoint", "").startswith("http://")},
            retry_config={"max_retries": _RETRIES, "retry_timeout": _TIMEOUT},
            **options,
        )

    def begin(self) -> "S3Upload":
        return S3Upload(self._store, str(uuid4()), self.place)

    async def read(self, key: str, start: int, end: int) -> "S3Reading":
        reading = S3Reading(self._store, key, start, end, self.place)
        await reading.fetch()
        return reading

    async def remove(self, name: str) -> None:
        try:
            await obstore.delete_async(self._store, name)
        except FileNotFoundError:
            return
        except _FAILURES as error:
            raise _failed(self.place, error) from error

    async def kept(self) -> AsyncIterator[list[KeptBytes]]:
        listing = obstore.list(self._store, chunk_size=KEYS_MAX)
        try:
            async for found in listing:
                yield [
                    KeptBytes(each["path"], each["last_modified"].timestamp() * 1000)
                    for each in found
                    if each["path"] != _OWNER
                ]
        except _FAILURES as error:
            raise _failed(self.place, error) from error

    async def claim(self, owner: str) -> bool:
        try:
            found = bytes(await (await obstore.get_async(self._store, _OWNER)).bytes_async())
            return found == owner.encode()
        except FileNotFoundError:
            pass
        except _FAILURES as error:
            raise _failed(self.place, error) from error
        try:
            await obstore.put_async(self._store, _OWNER, owner.encode(), use_multipart=False)
        except _FAILURES as error:
            raise _failed(self.place, error) from error
        return True


class _Abort(Exception):
    """The upload is given up."""


class S3Upload:
    """Bytes on their way into the bucket."""

    def __init__(self, store: S3Store, key: str, place: str) -> None:
        self.key = key
        self.size = 0
        self._store = store
        self._place = place
        self._hash = sha256()
        self._waiting = bytearray()
        self._held: deque[bytes] = deque()
        """Pieces that are not asked for yet; while the file fits into one part, all of it."""

        self._sending: asyncio.Task[object] | None = None
        self._ending: Exception | None = None
        """What ends the pieces: `StopAsyncIteration` completes the upload, anything else gives it up."""

        self._news = asyncio.Condition()

    async def write(self, piece: bytes, /) -> None:
        self._waiting += piece
        self.size += len(piece)
        if len(self._waiting) >= PIECE_BYTES:
            await self._hold()
            if self.size > PART_BYTES:
                await self._let_flow()

    async def finish(self) -> Digest:
        await self._hold()
        return Digest(self._hash.digest(), self.size)

    async def commit(self) -> None:
        try:
            if self._sending is None:
                await obstore.put_async(self._store, self.key, b"".join(self._held), use_multipart=False)
            else:
                await self._end(StopAsyncIteration())
                await self._sending
        except _FAILURES as error:
            raise _failed(self._place, error) from error

    async def abort(self) -> None:
        if self._sending is not None:
            await self._end(_Abort())
            # It tells the server, and then us, that it was given up. The task has kept whatever it raised.
            await asyncio.wait([self._sending])
            self._sending.exception()

    async def _hold(self) -> None:
        piece, self._waiting = bytes(self._waiting), bytearray()
        await asyncio.to_thread(self._hash.update, piece)
        if piece:
            self._held.append(piece)

    async def _let_flow(self) -> None:
        """Have the held pieces sent, and wait until they are taken."""
        if self._sending is None:
            put = obstore.put_async(
                self._store, self.key, self._pieces(), use_multipart=True, chunk_size=PART_BYTES, max_concurrency=1
            )
            self._sending = asyncio.ensure_future(put)
            self._sending.add_done_callback(lambda _: asyncio.ensure_future(self._tell()))
        async with self._news:
            self._news.notify_all()
            await self._news.wait_for(lambda: not self._held or self._sending_is_over())
        if self._sending_is_over():
            try:
                await self._sending
            except _FAILURES as error:
                raise _failed(self._place, error) from error

    def _sending_is_over(self) -> bool:
        return self._sending is not None and self._sending.done()

    async def _pieces(self) -> AsyncIterator[bytes]:
        while True:
            async with self._news:
                await self._news.wait_for(lambda: self._held or self._ending is not None)
                if not self._held or isinstance(self._ending, _Abort):
                    break
                piece = self._held.popleft()
                self._news.notify_all()
            yield piece
        if isinstance(self._ending, _Abort):
            raise self._ending

    async def _end(self, ending: Exception) -> None:
        self._ending = ending
        await self._tell()

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()


class S3Reading:
    """A file that is read a range at a time, and handed on in smaller pieces."""

    def __init__(self, store: S3Store, key: str, start: int, end: int, place: str) -> None:
        self._store = store
        self._key = key
        self._place = f"{place}/{key}"
        self._next = start
        self._end = end
        self._range = memoryview(b"")

    async def fetch(self) -> None:
        """Read the next range; the first one at once, to know whether there is anything."""
        size = min(READ_BYTES, self._end - self._next)
        try:
            found = await obstore.get_range_async(self._store, self._key, start=self._next, length=size)
        except FileNotFoundError as error:
            raise BytesMissing(self._place) from error
        except _FAILURES as error:
            raise _failed(self._place, error) from error
        self._range = memoryview(found)
        if len(self._range) != size:
            raise BytesMissing(self._place)
        self._next += size

    def __aiter__(self) -> "S3Reading":
        return self

    async def __anext__(self) -> bytes:
        if not self._range:
            if self._next >= self._end:
                raise StopAsyncIteration
            await self.fetch()
        piece, self._range = bytes(self._range[:SENT_BYTES]), self._range[SENT_BYTES:]
        return piece

    async def aclose(self) -> None:
        self._next, self._range = self._end, memoryview(b"")


def _failed(place: str, error: Exception) -> FileStoreFailed:
    """The library's sentence without its details, which span a page."""
    return FileStoreFailed(place, str(error).partition("\n")[0])
