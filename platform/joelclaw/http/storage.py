"""
Files over HTTP: uploading with a token, and serving by a URL that nobody can guess.

    POST     /api/storage/upload?token=...   the bytes themselves, not a form
    GET|HEAD /api/storage/<uuid>

Bytes pass through piece by piece, in both directions as fast as the slower side goes. Content
under a URL never changes, so its digest is a strong entity tag; ranges and conditions are those
of RFC 9110, one range at a time.

Whoever uploads chooses the content type, and may choose badly. So browsers are told not to
guess another one, and whatever could run scripts when somebody opens its URL (a page, an SVG)
is put into a sandbox.

Elsewhere: `files/` keeps the bytes, `system/files.py` knows which of them are files; deleting,
and making URLs and tokens, is for functions.
"""

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

import msgspec
import structlog

from joelclaw.clock import Clock
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import (
    BytesMissing,
    DigestMismatch,
    FileStoreFailed,
    FileStoreFull,
    FileTooLarge,
    RequestRefused,
    SystemCallFailed,
)
from joelclaw.files.protocol import FileStore
from joelclaw.files.receiving import base64_text, receive
from joelclaw.files.upload_tokens import check_token
from joelclaw.functions.storage import CONTENT_TYPE_LENGTH_MAX, is_content_type
from joelclaw.http.requests import Answer, Header, Receive, Scope, Send, respond

PREFIX: Final = "/api/storage/"
UPLOAD: Final = "/api/storage/upload"

AT_KEY: Final = "_system/files:atKey"
RECORD: Final = "_system/files:record"

STALLED_S: Final = 60.0
"""An upload of which nothing comes for so long is given up."""

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")
_PLACE_DIGITS_MAX: Final = 18
"""A number in a range with more digits is beyond the end of any file; Python refuses to read one of thousands."""

_INERT: Final = re.compile(rb"((audio|video|font)/[^,;]*|image/(?!svg)[^,;]*|application/pdf)(;[^,]*)?")
"""
Types whose viewers a sandbox would hinder, and that run nothing in the name of our origin.

Without a comma anywhere: of several types in one header browsers take the last.
"""

_CACHED: Final[Header] = (b"cache-control", b"private, max-age=2592000")
_RANGES: Final[Header] = (b"accept-ranges", b"bytes")
_NO_GUESSING: Final[Header] = (b"x-content-type-options", b"nosniff")
_SANDBOX: Final[Header] = (b"content-security-policy", b"sandbox")

log = structlog.get_logger("joelclaw.http")


class Served(NamedTuple):
    """A file that somebody asked for."""

    key: str
    sha256: str
    size: int
    content_type: str | None

    @property
    def tag(self) -> str:
        """The strong entity tag."""
        return f'"{self.sha256}"'

    def headers(self) -> list[Header]:
        headers = [_CACHED, _RANGES, _NO_GUESSING, (b"etag", self.tag.encode())]
        # An import may have brought one that is no header.
        kind = (self.content_type or "").encode("latin-1") if is_content_type(self.content_type or "") else b""
        if kind:
            headers.append((b"content-type", kind))
        if not _INERT.fullmatch(kind.strip().lower()):
            headers.append(_SANDBOX)
        return headers


class StorageRoutes:
    """Takes and serves files. `secret` and `bytes_max` are asked for at each upload: deploys change them."""

    def __init__(
        self,
        system: SystemCalls,
        files: FileStore,
        clock: Clock,
        *,
        secret: Callable[[], bytes],
        bytes_max: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._system = system
        self._files = files
        self._clock = clock
        self._secret = secret
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send, more_headers: list[Header]) -> None:
        """
        Answer a request for something below `PREFIX`.

        Raises:
            RequestRefused, TokenRefused: Nothing was answered.
        """
        path, method = scope["path"], scope["method"]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if path == UPLOAD:
            _check_method(path, method, "POST")
            id = await self._upload(scope["query_string"], headers, receive)
            await respond(send, Answer(msgspec.json.encode({"storageId": id})), more_headers)
            return
        _check_method(path, method, "GET", "HEAD")
        served = await self._find(path.removeprefix(PREFIX).lower())
        await self._serve(served, headers, receive, send, more_headers, body=method == "GET")

    # -- uploading

    async def _upload(self, query: bytes, headers: dict[str, str], receive_message: Receive) -> str:
        token = parse_qs(query.decode("latin-1")).get("token", [""])[-1]
        check_token(self._secret(), token, self._clock.now_ms())
        sha256 = _expected_digest(headers.get("digest"))
        content_type = headers.get("content-type")
        if content_type is not None and len(content_type) > CONTENT_TYPE_LENGTH_MAX:
            raise RequestRefused(400, "BadHeader", f"A Content-Type has at most {CONTENT_TYPE_LENGTH_MAX} characters")
        bytes_max = self._bytes_max()
        if bytes_max is not None and int(headers.get("content-length", 0)) > bytes_max:
            raise _too_large(FileTooLarge(bytes_max))
        try:
            received = await receive(self._files, _pieces_of(receive_message), sha256=sha256, bytes_max=bytes_max)
        except DigestMismatch as error:
            raise RequestRefused(400, "Sha256Mismatch", str(error)) from error
        except FileTooLarge as error:
            raise _too_large(error) from error
        except (FileStoreFull, FileStoreFailed) as error:
            log.error("a file could not be stored", reason=str(error))
            raise _not_stored(error) from error
        try:
            id: str = await self._system.tell(
                RECORD,
                key=received.key,
                sha256=base64_text(received.digest.sha256),
                size=float(received.digest.size),
                contentType=content_type,
            )
        except SystemCallFailed as error:
            # Its bytes have no record, so nobody is served them, and the sweeper takes them.
            log.error("a stored file could not be recorded", reason=error.message)
            raise RequestRefused(500, "StorageFailed", "The file could not be recorded; send it again") from error
        return id

    # -- serving

    async def _find(self, key: str) -> Served:
        if _UUID.fullmatch(key) is None:
            raise RequestRefused(400, "InvalidStoragePath", "The URL of a file ends in a UUID")
        found: Any = await self._system.ask(AT_KEY, key=key)
        if found is None:
            raise _not_found()
        return Served(found["key"], found["sha256"], int(found["size"]), found["contentType"])

    async def _serve(
        self,
        served: Served,
        headers: dict[str, str],
        receive_message: Receive,
        send: Send,
        more_headers: list[Header],
        *,
        body: bool,
    ) -> None:
        common = [*served.headers(), *more_headers]
        if _matches(headers.get("if-none-match"), served.tag):
            await _start(send, 304, common)
            await send({"type": "http.response.body", "body": b""})
            return
        status, start, end = 200, 0, served.size
        if body and "range" in headers and headers.get("if-range", served.tag) == served.tag:
            status, start, end = _range_of(headers["range"], served.size)
        if status == 416:
            common.append((b"content-range", b"bytes */%d" % served.size))
            refusal = {"code": "RangeNotSatisfiable", "message": f"One range within {served.size} bytes can be had"}
            await respond(send, Answer(msgspec.json.encode(refusal), 416), [_NO_GUESSING, *common[-1:], *more_headers])
            return
        if status == 206:
            common.append((b"content-range", b"bytes %d-%d/%d" % (start, end - 1, served.size)))
        else:
            common.append((b"digest", b"sha-256=" + served.sha256.encode()))
        common.append((b"content-length", b"%d" % (end - start)))
        if not body or start == end:
            await _start(send, status, common)
            await send({"type": "http.response.body", "body": b""})
            return
        await self._stream(served, start, end, status, common, receive_message, send)

    async def _stream(
        self,
        served: Served,
        start: int,
        end: int,
        status: int,
        headers: list[Header],
        receive_message: Receive,
        send: Send,
    ) -> None:
        try:
            reading = await self._files.read(served.key, start, end)
        except BytesMissing as error:
            log.error("a stored file is damaged", reason=str(error))
            raise _not_found() from error
        except FileStoreFailed as error:
            log.error("a stored file cannot be read", reason=str(error))
            raise RequestRefused(500, "StorageFailed", "The file cannot be read now; try again later") from error
        gone = asyncio.ensure_future(_until_gone(receive_message))
        async with aclosing(reading):
            try:
                await _start(send, status, headers)
                async for piece in reading:
                    if gone.done():
                        return
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            except (BytesMissing, FileStoreFailed) as error:
                # The head is sent: to stop short is all that tells the client.
                log.error("a stored file could not be read to its end", reason=str(error))
            finally:
                gone.cancel()


async def _pieces_of(receive_message: Receive) -> AsyncIterator[bytes]:
    """
    The body of a request.

    Raises:
        RequestRefused: The client went away, or sends nothing any more.
    """
    more = True
    while more:
        try:
            async with asyncio.timeout(STALLED_S):
                message = await receive_message()
        except TimeoutError as error:
            raise RequestRefused(408, "RequestTimeout", f"Nothing came for {STALLED_S:g} s; send it again") from error
        if message["type"] == "http.disconnect":
            raise RequestRefused(400, "BadRequest", "The request ended before its body did")
        more = message.get("more_body", False)
        if message.get("body"):
            yield message["body"]


async def _until_gone(receive_message: Receive) -> None:
    """Wait until the client has gone away."""
    while (await receive_message())["type"] != "http.disconnect":
        pass


async def _start(send: Send, status: int, headers: list[Header]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


def _check_method(path: str, method: str, *allowed: str) -> None:
    if method not in allowed:
        raise RequestRefused(405, "MethodNotAllowed", f"{path} takes {' or '.join(allowed)}")


def _expected_digest(header: str | None) -> bytes | None:
    """What the bytes have to be, by RFC 3230: `sha-256=<base64>`. One that we cannot check is refused, not ignored."""
    if header is None:
        return None
    algorithm, _, text = header.strip().partition("=")
    try:
        digest = base64.b64decode(text, validate=True)
    except binascii.Error:
        digest = b""
    if algorithm.lower() != "sha-256" or len(digest) != 32:
        raise RequestRefused(400, "BadHeader", "A Digest is 'sha-256=' and the base64 of 32 bytes")
    return digest


def _matches(header: str | None, tag: str) -> bool:
    """Is the tag among those that the client has? By the weak comparison, RFC 9110, section 13.1.2."""
    if header is None:
        return False
    return header.strip() == "*" or tag in (each.strip().removeprefix("W/") for each in header.split(","))


def _range_of(header: str, size: int) -> tuple[int, int, int]:
    """
    Status, and the bytes `[start, end)` of it.

    An empty file is sent whole, whatever was asked of it, and so is a range in words that we do
    not know (RFC 9110, section 14.2); one that lies outside, and several, are refused.
    """
    if size == 0:
        return 200, 0, 0
    if "," in header and header.startswith("bytes="):
        return 416, 0, 0
    found = _RANGE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]):
        return 200, 0, size
    if not found[1]:  # The last so many.
        start, end = max(0, size - _place(found[2])), size
    else:
        start, end = _place(found[1]), min(size, _place(found[2]) + 1) if found[2] else size
        if found[2] and _place(found[2]) < start:
            return 200, 0, size  # Not a range at all.
    return (206, start, end) if start < end else (416, 0, 0)


def _place(digits: str) -> int:
    return int(digits) if len(digits) <= _PLACE_DIGITS_MAX else 10**_PLACE_DIGITS_MAX


def _not_found() -> RequestRefused:
    return RequestRefused(404, "FileNotFound", "There is no such file, or not any more")


def _too_large(error: FileTooLarge) -> RequestRefused:
    return RequestRefused(413, "FileTooLarge", str(error))


def _not_stored(error: FileStoreFull | FileStoreFailed) -> RequestRefused:
    """What the client is told; where it went wrong is for the log."""
    if isinstance(error, FileStoreFull):
        return RequestRefused(507, "StorageFull", "There is no room for the file; nothing was stored")
    return RequestRefused(500, "StorageFailed", "The file could not be stored; nothing of it was kept")
