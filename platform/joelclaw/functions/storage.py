"""
`ctx.storage`: files, as functions see them.

In queries and mutations a file is its documents: asking for its URL or deleting it reads and
writes them, part of the transaction like everything else. Bytes are for actions, which read and
write them where they are kept, past the gateway, and then have them recorded.

Elsewhere: `system/files.py` has the documents, `joelclaw.files` the bytes.
"""

import base64
import binascii
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from os import PathLike
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

from joelclaw.errors import Misuse
from joelclaw.functions.http import is_field_value
from joelclaw.schema.structs import Object
from joelclaw.values import wire

if TYPE_CHECKING:
    from joelclaw.files.protocol import FileStore
    from joelclaw.schema.marks import Id
    from joelclaw.system.tables import StoredFile

Content: TypeAlias = "bytes | bytearray | memoryview | PathLike[str] | AsyncIterable[bytes]"
"""What an action may store: bytes, a file of this machine, or pieces that come one after another."""

PIECE_BYTES: Final = 1024 * 1024
CONTENT_TYPE_LENGTH_MAX: Final = 1_024

_RECORD: Final = "_system/files:record"
_OF_ID: Final = "_system/files:ofId"
_URL: Final = "_system/files:url"
_METADATA: Final = "_system/files:metadata"
_UPLOAD_URL: Final = "_system/files:generateUploadUrl"
_DELETE: Final = "_system/files:delete"


class Places:
    """Where the deployment is reached, and keeps bytes of files."""

    def __init__(
        self, api_origin: str = "", files_url: str = "", files_credentials: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.api_origin = api_origin
        self._files_url = files_url
        self._credentials = files_credentials
        self._files: FileStore | None = None

    @property
    def files(self) -> "FileStore":
        """
        Opened when it is first asked for: most processes never do.

        Raises:
            Misuse: Whoever runs this process keeps no files.
        """
        if self._files is None:
            if not self._files_url:
                raise Misuse("there is nowhere to keep files here; run this in a deployment, or name a folder for them")
            from joelclaw.files.opening import open_files

            self._files = open_files(self._files_url, self._credentials)
        return self._files


class FileMetadata(Object):
    """What is known of a stored file."""

    storage_id: str
    sha256: str
    """Of the bytes, in hexadecimal."""

    size: float
    """In bytes."""

    content_type: str | None
    """As it was uploaded."""


class Storage:
    """Stored files, in a query."""

    __slots__ = ("_call",)

    def __init__(self, call_system: Callable[..., Any]) -> None:
        self._call = call_system

    def get_url(self, id: "Id[StoredFile]") -> str | None:
        """Where the file is served, to whoever has the URL; None if there is no such file (any more)."""
        url: str | None = self._call(_URL, id=id)
        return url

    def get_metadata(self, id: "Id[StoredFile]") -> FileMetadata | None:
        """What is known of the file; None if there is no such file (any more)."""
        metadata: FileMetadata | None = self._call(_METADATA, id=id)
        return metadata


class WritableStorage(Storage):
    """Stored files, in a mutation."""

    __slots__ = ()

    def generate_upload_url(self) -> str:
        """A URL for a client to post one or more files to, within an hour; it answers `{storageId}`."""
        url: str = self._call(_UPLOAD_URL)
        return url

    def delete(self, id: "Id[StoredFile]") -> None:
        """
        Delete the file, if this mutation succeeds.

        Raises:
            StoredFileNotFound: There is none.
        """
        self._call(_DELETE, id=id)


class StorageHost(Protocol):
    """What runs an action, as its storage sees it."""

    @property
    def files(self) -> "FileStore":
        """Where bytes are kept."""
        ...

    async def ask_system(
        self, kind: Literal["query", "mutation", "action"], path: str, arguments: Mapping[str, Any]
    ) -> bytes: ...


class StoredBlob:
    """A stored file that can be read: as a whole, or `async for piece in blob`."""

    __slots__ = ("_files", "_key", "content_type", "id", "sha256", "size")

    def __init__(
        self, files: "FileStore", key: str, id: "Id[StoredFile]", sha256: str, size: int, content_type: str | None
    ) -> None:
        self._files = files
        self._key = key
        self.id = id
        self.sha256 = sha256
        """Of the bytes, in base64."""

        self.size = size
        self.content_type = content_type

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.pieces()

    async def pieces(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes, or those in `[start, end)`, in pieces of some 100 KB to some MB."""
        end = self.size if end is None else min(end, self.size)
        if start >= end:
            return
        async with aclosing(await self._files.read(self._key, start, end)) as reading:
            async for piece in reading:
                yield piece

    async def read(self) -> bytes:
        """All of it, in memory."""
        return b"".join([piece async for piece in self])

    async def text(self) -> str:
        """All of it, as UTF-8."""
        return (await self.read()).decode()


class AsyncStorage:
    """Stored files, in an action."""

    __slots__ = ("_host",)

    def __init__(self, host: StorageHost) -> None:
        self._host = host

    async def store(
        self, content: Content, /, *, content_type: str | None = None, sha256: str | None = None
    ) -> "Id[StoredFile]":
        """
        Store a file; when this returns, it is safe and can be served. `sha256`, in base64, is what it has to be.

        Raises:
            DigestMismatch, FileStoreFull, FileStoreFailed: Nothing was stored.
        """
        from joelclaw.files.receiving import base64_text, receive

        if content_type is None and isinstance(content, StoredBlob):
            content_type = content.content_type
        if content_type is not None and not is_content_type(content_type):
            raise Misuse(
                f"content_type={content_type!r:.80} is no content type; give one line of Latin-1 text, "
                f"of at most {CONTENT_TYPE_LENGTH_MAX} characters"
            )
        received = await receive(self._host.files, _pieces(content), sha256=_digest(sha256))
        recorded = await self._host.ask_system(
            "mutation",
            _RECORD,
            {
                "key": received.key,
                "sha256": base64_text(received.digest.sha256),
                "size": float(received.digest.size),
                "contentType": content_type,
            },
        )
        id: Id[StoredFile] = _decoded(recorded)
        return id

    async def get(self, id: "Id[StoredFile]") -> StoredBlob | None:
        """The file, to be read; None if there is no such file (any more)."""
        found = _decoded(await self._host.ask_system("query", _OF_ID, {"id": id}))
        if found is None:
            return None
        key, sha256, size, content_type = (found[name] for name in ("key", "sha256", "size", "contentType"))
        return StoredBlob(self._host.files, key, id, sha256, int(size), content_type)

    async def get_url(self, id: "Id[StoredFile]") -> str | None:
        """Where the file is served, to whoever has the URL; None if there is no such file (any more)."""
        url: str | None = _decoded(await self._host.ask_system("query", _URL, {"id": id}))
        return url

    async def get_metadata(self, id: "Id[StoredFile]") -> FileMetadata | None:
        """What is known of the file; None if there is no such file (any more)."""
        found = _decoded(await self._host.ask_system("query", _METADATA, {"id": id}))
        if found is None:
            return None
        return FileMetadata(
            storage_id=found["storageId"],
            sha256=found["sha256"],
            size=found["size"],
            content_type=found["contentType"],
        )

    async def generate_upload_url(self) -> str:
        """A URL for a client to post one or more files to, within an hour; it answers `{storageId}`."""
        url: str = _decoded(await self._host.ask_system("mutation", _UPLOAD_URL, {}))
        return url

    async def delete(self, id: "Id[StoredFile]") -> None:
        """
        Delete the file.

        Raises:
            CallFailed: There is none.
        """
        await self._host.ask_system("mutation", _DELETE, {"id": id})


def is_content_type(text: str) -> bool:
    """May this be what a file is served as? Which types there are is not our business."""
    return isinstance(text, str) and len(text) <= CONTENT_TYPE_LENGTH_MAX and is_field_value(text)


def _decoded(result: bytes) -> Any:
    """What a system function returned, of whose type it takes care itself."""
    return wire.decode(result)


def _digest(sha256: str | None) -> bytes | None:
    if sha256 is None:
        return None
    try:
        digest = base64.b64decode(sha256, validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != 32:
        raise Misuse(f"sha256={sha256!r:.80} is no SHA-256; give the base64 of its 32 bytes")
    return digest


def _pieces(content: Content) -> AsyncIterable[bytes]:
    if isinstance(content, (bytes, bytearray, memoryview)):
        return _slices(memoryview(content).cast("B"))
    if isinstance(content, PathLike):
        from joelclaw.files.disk import read_file

        return read_file(content)
    if isinstance(content, AsyncIterable):
        return content
    raise Misuse(
        f"ctx.storage.store takes bytes, a pathlib.Path or an asynchronous iterable of bytes, not "
        f"{type(content).__name__}; encode text, or read what it is first"
    )


async def _slices(content: memoryview) -> AsyncIterator[bytes]:
    for start in range(0, len(content), PIECE_BYTES):
        yield bytes(content[start : start + PIECE_BYTES])
