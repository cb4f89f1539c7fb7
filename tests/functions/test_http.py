"""Requests and responses as an HTTP action sees them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from joelclaw.errors import Misuse, RequestTooLarge
from joelclaw.functions.http import Headers, Request, Response


class Pieces:
    """A body of these pieces; an exception among them is raised."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self.pieces = list(pieces)

    async def next_piece(self) -> bytes:
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece


def request(*pieces: bytes | Exception, url: str = "http://a.test/", headers: Any = ()) -> Request:
    return Request("POST", url, Headers(headers), Pieces(*pieces), client="192.0.2.1")


def test_names_of_headers_count_in_any_case() -> None:
    """Several of one name are one list, cookies with semicolons; each can be had by itself."""
    headers = Headers([("X-A", "1"), ("x-a", "2"), ("Cookie", "a=1"), ("cookie", "b=2")])
    assert headers["x-A"] == "1, 2"
    assert headers["COOKIE"] == "a=1; b=2"
    assert headers.get_all("x-A") == ["1", "2"]
    assert headers.get_all("none") == []
    assert headers.get("none") is None
    assert "X-a" in headers
    assert 5 not in headers
    assert list(headers) == ["x-a", "cookie"]
    assert len(headers) == 2
    with pytest.raises(KeyError):
        headers["none"]


def test_a_body_is_read_whole_and_kept() -> None:
    """As bytes, text and JSON, in any order, for it is the same bytes that are signed and parsed (HTTP-8)."""

    async def scene() -> None:
        sent = request(b'{"a":', b'"\xc3\xa9"}')
        assert await sent.json() == {"a": "é"}
        assert await sent.text() == '{"a":"é"}'
        assert await sent.body() == b'{"a":"\xc3\xa9"}'
        assert await request(b"\xff").text() == "�"
        with pytest.raises(msgspec.DecodeError):
            await request(b"{").json()

    asyncio.run(scene())


def test_a_stream_is_read_once() -> None:
    """Piece by piece; a second reader is told, not left waiting."""

    async def scene() -> None:
        sent = request(b"a", b"b")
        assert [piece async for piece in sent.stream()] == [b"a", b"b"]
        with pytest.raises(Misuse, match="was read already"):
            sent.stream()
        with pytest.raises(Misuse, match="was read already"):
            await sent.body()

    asyncio.run(scene())


def test_what_becomes_of_a_body_is_raised_to_its_reader() -> None:
    """In the middle of it."""

    async def scene() -> None:
        with pytest.raises(RequestTooLarge, match=r"larger than 5 bytes; raise limits\.http_body_bytes"):
            await request(b"a", RequestTooLarge(5)).body()

    asyncio.run(scene())


def test_path_and_query() -> None:
    """The path as it was sent, the parameters decoded, each as often as it is there."""
    sent = request(url="https://a.test/x%2Fy/%C3%A9?b=1&b=%20&c=&d?e")
    assert sent.path == "/x%2Fy/%C3%A9"
    assert sent.query == {"b": ["1", " "], "c": [""], "d?e": [""]}
    assert request(url="https://a.test/?a=/b").path == "/"


def test_responses() -> None:
    """Text is UTF-8 and says so, unless it is said otherwise; JSON is plain (HTTP-9)."""
    assert Response().body == b""
    assert Response().headers.pairs == ()
    text = Response("é", status=404)
    assert (text.status, text.body, text.headers["content-type"]) == (404, b"\xc3\xa9", "text/plain;charset=UTF-8")
    assert Response("<p>", headers={"content-type": "text/html"}).headers.pairs == (("content-type", "text/html"),)
    value = Response.json({"a": [1, 2.5, None]}, status=201, headers={"X-A": "b"})
    assert (value.status, value.body) == (201, b'{"a":[1,2.5,null]}')
    assert value.headers.pairs == (("X-A", "b"), ("Content-Type", "application/json"))
    assert Response(headers=[("Set-Cookie", "a"), ("Set-Cookie", "b")]).headers.get_all("set-cookie") == ["a", "b"]


async def pieces() -> AsyncIterator[bytes]:
    yield b"a"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"status": 199}, "a response's status is a whole number from 200 to 599, not 199"),
        ({"status": 600}, "not 600"),
        ({"status": True}, "not True"),
        ({"status": 204, "body": "x"}, "a response of status 204 has no body"),
        ({"status": 304, "body": pieces}, "a response of status 304 has no body"),
        ({"headers": {"a b": "c"}}, "'a b' is no name of a header"),
        ({"headers": {"": "c"}}, "'' is no name of a header"),
        ({"headers": {"X-A": "b\r\nSet-Cookie: c"}}, "is no value of a header; X-A takes one line of Latin-1 text"),
        ({"headers": {"X-A": "b\n"}}, "is no value of a header"),
        ({"headers": {"X-A": "\0"}}, "is no value of a header"),
        ({"headers": {"X-A": "🦀"}}, "is no value of a header"),
        ({"headers": {"X-A": 5}}, "5 is no value of a header"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "the header Transfer-Encoding is the server's own"),
        ({"headers": {"connection": "close"}}, "the header connection is the server's own"),
    ],
)
def test_a_head_that_no_response_can_have_is_refused(options: dict[str, Any], sentence: str) -> None:
    """Where it is made, and above all nobody gets a header of their own into it."""
    body = options.pop("body", b"")
    with pytest.raises(Misuse) as refused:
        Response(body() if callable(body) else body, **options)
    assert sentence in str(refused.value)
