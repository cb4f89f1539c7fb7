"""
Requests and answers of the client API, under every framework's layers.

What handlers need is read from the ASGI scope in one pass; an answer goes out in two
messages. Origins are mirrored, on errors and preflights too, for without those headers a page
sees only a network failure. That is harmless: nothing here is authenticated by a cookie.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, MutableMapping
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import unquote

import msgspec

from joelclaw.auth.authenticator import Authenticator
from joelclaw.engine.asker import Asker
from joelclaw.errors import RequestRefused
from joelclaw.limits import DEFAULT_LIMITS, setting

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]
Header: TypeAlias = tuple[bytes, bytes]

ENVELOPE_BYTES = 2_000
"""What a body may have beside the arguments."""

JSON: Header = (b"content-type", b"application/json")
TEXT: Header = (b"content-type", b"text/plain; charset=utf-8")

_PREFLIGHT_METHODS = b"GET, POST, OPTIONS, PATCH, DELETE, PUT"
_PREFLIGHT_MAX_AGE = b"86400"
_LOCAL = re.compile(rb"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
_VARY: Header = (b"vary", b"origin, access-control-request-method, access-control-request-headers")


def path_of(scope: Scope) -> str:
    """
    The path as it was asked for, with one slash in front.

    Not `scope["path"]`, which the framework's mounts cut and end with a slash. Slashes in front
    are many when the address that a client was given ends in one.
    """
    raw: bytes = scope["raw_path"]
    path = raw.decode("latin-1")
    if "%" in path:
        path = unquote(path)
    return "/" + path.lstrip("/") if path.startswith("//") else path


class Request:
    """One HTTP request. Only the headers that somebody asks for are kept."""

    __slots__ = (
        "_receive",
        "arguments_bytes_max",
        "authorization",
        "client",
        "content_encoding",
        "content_length",
        "content_type",
        "idempotency_key",
        "method",
        "origin",
        "path",
        "query_string",
        "requested_headers",
        "scope",
    )

    def __init__(
        self, scope: Scope, receive: Receive, arguments_bytes_max: int = DEFAULT_LIMITS.arguments_bytes
    ) -> None:
        self._receive = receive
        self.scope = scope
        self.arguments_bytes_max = arguments_bytes_max
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query_string: bytes = scope["query_string"]
        self.authorization: bytes | None = None
        self.client: bytes = b""
        self.content_encoding: bytes = b""
        self.content_length: bytes | None = None
        self.content_type: bytes = b""
        self.idempotency_key: bytes | None = None
        self.origin: bytes | None = None
        self.requested_headers: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"content-type":
                self.content_type = value
            elif name == b"content-length":
                self.content_length = value
            elif name == b"convex-client":
                self.client = value
            elif name == b"authorization":
                self.authorization = value
            elif name == b"origin":
                self.origin = value
            elif name == b"idempotency-key":
                self.idempotency_key = value
            elif name == b"access-control-request-headers":
                self.requested_headers = value
            elif name == b"content-encoding":
                self.content_encoding = value

    async def body(self) -> bytes:
        """
        All of the body.

        Raises:
            RequestRefused: It is larger than it may be, or the client went away before its end.
        """
        bytes_max = self.arguments_bytes_max + ENVELOPE_BYTES
        if self.content_length is not None and int(self.content_length) > bytes_max:
            raise _too_large(bytes_max)
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            return _within(body, bytes_max)
        pieces = [body]
        size = len(body)
        while message.get("more_body", False):
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise RequestRefused(400, "BadRequest", "The request ended before its body did")
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > bytes_max:
                raise _too_large(bytes_max)
        return b"".join(pieces)

    async def skip(self, bytes_max: int) -> None:
        """Read the body and keep nothing, up to a limit: an answer in the middle of one is taken for a broken line."""
        size, more = 0, True
        while more and size <= bytes_max:
            message = await self._receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)

    async def left(self) -> None:
        """Until the client hangs up. For requests whose body was read, or that have none."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def check_json(self) -> None:
        """
        Raises:
            RequestRefused: The body does not say that it is JSON.
        """
        kind = self.content_type
        if kind == b"application/json":
            return
        kind = kind.partition(b";")[0].strip().lower()
        if kind != b"application/json" and not kind.endswith(b"+json"):
            raise RequestRefused(400, "BadJsonBody", "Expected request with Content-Type: application/json")


async def require_admin(authenticator: Authenticator, request: Request, *, read_only: bool = False) -> Asker:
    """
    Who asks, an administrator; with `read_only` also one who may only look.

    Raises:
        RequestRefused: The request does not carry an admin key, or one that does not reach so far.
        AdminKeyRefused: Its key opens nothing here.
    """
    authorization = request.authorization
    asker = await authenticator.header(None if authorization is None else authorization.decode("latin-1"))
    if not asker.admin:
        raise RequestRefused(403, "BadDeployKey", f"{request.path} is for administrators; send an admin key")
    if asker.read_only and not read_only:
        raise RequestRefused(403, "ReadOnlyKey", f"{request.path} needs an admin key with the scope 'full'")
    return asker


def _within(body: bytes, bytes_max: int) -> bytes:
    if len(body) > bytes_max:
        raise _too_large(bytes_max)
    return body


def _too_large(bytes_max: int) -> RequestRefused:
    return RequestRefused(
        413, "RequestTooLarge", f"The request's body is larger than {bytes_max:,} bytes; {setting('arguments_bytes')}"
    )


class Answer(NamedTuple):
    """What goes back."""

    body: bytes
    status: int = 200
    content_type: Header = JSON
    headers: tuple[Header, ...] = ()
    pieces: AsyncIterator[bytes] | None = None
    """More of the body, if it is not to be in memory whole; a header says how long all of it is."""


def unverifiable() -> RequestRefused:
    """Nobody can tell now whether a token is good; what is wrong, the log has."""
    sentence = "The issuer of the token cannot be asked for its keys right now. Try again later."
    return RequestRefused(503, "AuthProviderDiscoveryFailed", sentence)


def text_answer(text: str) -> Answer:
    return Answer(text.encode(), content_type=TEXT)


def refusal_answer(error: RequestRefused) -> Answer:
    """`{"code": ..., "message": ...}`: some clients insist on it for whatever is not a 200."""
    return Answer(msgspec.json.encode({"code": error.reason_code, "message": error.reason}), error.status)


class Cors:
    """
    Which pages may read our answers: those of the declared origins; of all, if none are declared.

    In development also those of this machine, at whichever port a site's server has found free: people who sign in
    return there, too.

    They may bring credentials if somebody has named them. None of ours are cookies; but a proxy in front may have
    some, and where any page may call, none is to read what it gets by those of its visitors.
    """

    def __init__(self, allowed_origins: Collection[str] = (), *, development: bool = False) -> None:
        self._allowed = frozenset(origin.encode() for origin in allowed_origins)
        self._development = development

    def headers(self, request: Request) -> list[Header]:
        origin = request.origin
        if origin is None or not self._allows(origin):
            return [_VARY]
        headers = [_VARY, (b"access-control-allow-origin", origin)]
        return [*headers, (b"access-control-allow-credentials", b"true")] if self._allowed else headers

    def _allows(self, origin: bytes) -> bool:
        if not self._allowed or origin in self._allowed:
            return True
        return self._development and _LOCAL.fullmatch(origin) is not None

    def preflight(self, request: Request) -> list[Header]:
        headers = self.headers(request)
        if len(headers) > 1:
            headers += [
                (b"access-control-allow-methods", _PREFLIGHT_METHODS),
                (b"access-control-allow-headers", request.requested_headers or b""),
                (b"access-control-max-age", _PREFLIGHT_MAX_AGE),
            ]
        return headers


async def respond(send: Send, answer: Answer, more_headers: list[Header]) -> None:
    """Send an answer."""
    body = answer.body
    if answer.pieces is not None:
        await _stream(send, answer, answer.pieces, more_headers)
        return
    headers = [answer.content_type, (b"content-length", b"%d" % len(body)), *answer.headers, *more_headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _stream(send: Send, answer: Answer, pieces: AsyncIterator[bytes], more_headers: list[Header]) -> None:
    headers = [answer.content_type, *answer.headers, *more_headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
