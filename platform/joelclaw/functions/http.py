"""
Requests and responses: what an HTTP action is handed, and what it gives back.

A body is a stream in both directions. `request.body()`, `json()` and `text()` read all of it and
keep it, so that a signature can be checked over the very bytes that are parsed afterwards;
`stream()` gives the pieces as they come, once. A response may be made of an async generator,
which runs while the client reads, and no faster.

Names of headers count in any case. A header that is there several times is one text with
commas for `headers["name"]` (RFC 9110, section 5.3), and a list for `headers.get_all`.

Elsewhere: `http_actions.py` has the decorator, `isolate/http_streams.py` the way between the
socket and here.
"""

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from joelclaw.errors import Misuse

HeaderPairs: TypeAlias = tuple[tuple[str, str], ...]

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_BODILESS: Final = frozenset({204, 205, 304})
_OF_THE_CONNECTION: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers between two neighbours on the way; the server writes them (RFC 9110, section 7.6.1)."""

_to_json: Final = msgspec.json.encode


class BodySource(Protocol):
    """Where a request's body comes from."""

    async def next_piece(self) -> bytes:
        """The next piece as it comes; empty at the end."""
        ...


class Headers(Mapping[str, str]):
    """Headers, in order, under names that count in any case."""

    __slots__ = ("_by_name", "pairs")

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self.pairs: HeaderPairs = tuple(pairs)
        self._by_name: dict[str, list[str]] = {}
        for name, value in self.pairs:
            self._by_name.setdefault(name.lower(), []).append(value)

    def __getitem__(self, name: str) -> str:
        values = self._by_name[name.lower()]
        # Cookies are the exception: a comma may be part of one (RFC 9113, section 8.2.3).
        return ("; " if name.lower() == "cookie" else ", ").join(values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._by_name

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def __repr__(self) -> str:
        return f"Headers({list(self.pairs)!r})"

    def get_all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        return list(self._by_name.get(name.lower(), ()))


class Request:
    """What a client sent."""

    __slots__ = ("_body", "_source", "client", "headers", "method", "url")

    def __init__(
        self, method: str, url: str, headers: Headers, source: BodySource, *, client: str | None = None
    ) -> None:
        self.method = method
        self.url = url
        """As it was asked for, query and all; nothing in it is decoded."""

        self.headers = headers
        self.client = client
        """The client's address, as far as it is known: behind a trusted proxy, the one that it names."""

        self._source: BodySource | None = source
        self._body: bytes | None = None

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.url}>"

    @property
    def path(self) -> str:
        """The path, percent-encoded as it came: `/profile/a%2Fb`."""
        rest = self.url.partition("://")[2].partition("?")[0]
        return "/" + rest.partition("/")[2]

    @property
    def query(self) -> Mapping[str, list[str]]:
        """The parameters behind the `?`, decoded; a name may be there several times."""
        # Not at the top: this module is part of every isolate, and few of them ever answer a request.
        from urllib.parse import parse_qs

        return parse_qs(self.url.partition("?")[2], keep_blank_values=True)

    def stream(self) -> AsyncIterator[bytes]:
        """
        The body's pieces as they come, which can be read once.

        Raises:
            RequestTooLarge: The body is larger than it may be; what was read is its beginning.
            ClientGone: The client went away before its end.
        """
        source, self._source = self._source, None
        if source is None:
            raise Misuse("the request's body was read already; call request.body() once, or stream() once")
        return _pieces(source)

    async def body(self) -> bytes:
        """All of the body, to be had again. Raises what `stream` raises."""
        if self._body is None:
            self._body = b"".join([piece async for piece in self.stream()])
        return self._body

    async def text(self) -> str:
        """The body as UTF-8; what is no UTF-8 becomes U+FFFD. Raises what `stream` raises."""
        return (await self.body()).decode("utf-8", "replace")

    async def json(self) -> Any:
        """
        The body, parsed. Raises what `stream` raises, and:

        Raises:
            msgspec.DecodeError: It is no JSON.
        """
        return msgspec.json.decode(await self.body())


async def _pieces(source: BodySource) -> AsyncIterator[bytes]:
    while piece := await source.next_piece():
        yield piece


class Response:
    """What goes back. `headers` is a mapping, or pairs where a name is there several times."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        body: bytes | str | AsyncIterator[bytes] = b"",
        *,
        status: int = 200,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    ) -> None:
        """
        A text is sent as UTF-8, and as `text/plain` unless `headers` say otherwise.

        Raises:
            Misuse: A status or a header that no HTTP response may have.
        """
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers or ())
        _check_head(status, pairs, has_body=not (isinstance(body, (bytes, str)) and not body))
        if isinstance(body, str):
            body = body.encode("utf-8", "replace")
            if not any(name.lower() == "content-type" for name, _ in pairs):
                pairs.append(("Content-Type", "text/plain;charset=UTF-8"))
        self.body: bytes | AsyncIterator[bytes] = body
        self.status = status
        self.headers = Headers(pairs)

    def __repr__(self) -> str:
        return f"<Response {self.status}>"

    @classmethod
    def json(
        cls,
        value: object,
        *,
        status: int = 200,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    ) -> "Response":
        """A value as plain JSON: documents, lists, dicts, whatever msgspec encodes."""
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers or ())
        if not any(name.lower() == "content-type" for name, _ in pairs):
            pairs.append(("Content-Type", "application/json"))
        return cls(_to_json(value), status=status, headers=pairs)


def is_field_value(text: str) -> bool:
    """May this be the value of a header? Line breaks above all: whoever can write one writes headers of their own."""
    return _FIELD_VALUE.fullmatch(text) is not None


def _check_head(status: int, pairs: list[tuple[str, str]], *, has_body: bool) -> None:
    if type(status) is not int or not 200 <= status <= 599:
        raise Misuse(f"a response's status is a whole number from 200 to 599, not {status!r:.40}")
    if status in _BODILESS and has_body:
        raise Misuse(f"a response of status {status} has no body; leave it out, or choose another status")
    for name, value in pairs:
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise Misuse(f"{name!r:.80} is no name of a header")
        if name.lower() in _OF_THE_CONNECTION:
            raise Misuse(f"the header {name} is the server's own; leave it out")
        if not isinstance(value, str) or not is_field_value(value):
            raise Misuse(f"{value!r:.80} is no value of a header; {name} takes one line of Latin-1 text")
