"""
The bodies of an HTTP action, on their way between its code and the gateway.

Both directions are bounded by credit: who sends may be ahead of who takes by `WINDOW_BYTES`, and
what is taken is given back as credit. So a body of any size passes through a few hundred
kilobytes of memory on either side, and a client that reads slowly slows the code that writes.

Elsewhere: `engine/exchange.py` is the gateway's end of this, `functions/http.py` what the
action's code sees.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final

from joelclaw.errors import ClientGone, Misuse, RequestTooLarge, ResponseTooLarge
from joelclaw.functions.http import HeaderPairs, Response
from joelclaw.isolate.messages import (
    PIECE_BYTES,
    WINDOW_BYTES,
    BodyEnd,
    FromIsolate,
    RequestCredit,
    ResponsePiece,
    ResponseStart,
)

_WITHOUT_LENGTH: Final = frozenset({204, 304})

Send = Callable[[FromIsolate], None]


class RequestBody:
    """A request's body as it arrives; a `BodySource`."""

    def __init__(self, run: int, send: Send, bytes_max: int, *, has_body: bool) -> None:
        self._run = run
        self._send = send
        self._bytes_max = bytes_max
        self._pieces: deque[bytes] = deque()
        self._end: BodyEnd | None = None if has_body else "whole"
        self._news = asyncio.Event()

    def add(self, data: bytes, end: BodyEnd | None) -> None:
        """The gateway sent the next piece, or the end, or both."""
        if data:
            self._pieces.append(data)
        self._end = end
        self._news.set()

    async def next_piece(self) -> bytes:
        while not self._pieces and self._end is None:
            self._news.clear()
            await self._news.wait()
        if self._pieces:
            piece = self._pieces.popleft()
            if self._end is None:
                self._send(RequestCredit(run=self._run, size=len(piece)))
            return piece
        if self._end == "too_large":
            raise RequestTooLarge(self._bytes_max)
        if self._end == "gone":
            raise ClientGone
        return b""


class ResponseStream:
    """Sends a response, no faster than its client reads."""

    def __init__(self, run: int, send: Send, bytes_max: int, *, head_only: bool) -> None:
        self._run = run
        self._send = send
        self._bytes_max = bytes_max
        self._head_only = head_only
        self._credit = WINDOW_BYTES
        self._news = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        """What runs the app's generator."""

        self._dropped = False

    def add_credit(self, size: int) -> None:
        self._credit += size
        self._news.set()

    def drop(self) -> None:
        """The client is gone: what is left to send goes nowhere, and a generator is not kept waiting for it."""
        self._dropped = True
        self._news.set()
        if self._writing is not None:
            self._writing.cancel()

    async def send(self, response: Response) -> None:
        """
        Send it all.

        Raises:
            ResponseTooLarge: It is larger than a response may be.
            Misuse: A piece of the body is no bytes, or it is not as long as its `Content-Length` says.
        """
        if isinstance(response.body, bytes):
            await self._send_bytes(response, response.body)
        else:
            await self._send_stream(response, response.body)

    async def _send_bytes(self, response: Response, body: bytes) -> None:
        if len(body) > self._bytes_max:
            raise ResponseTooLarge(self._bytes_max)
        headers = tuple(pair for pair in response.headers.pairs if pair[0].lower() != "content-length")
        if response.status not in _WITHOUT_LENGTH:
            headers += (("Content-Length", str(len(body))),)
        self._start(response.status, headers)
        if not self._head_only:
            await self._write(body)

    async def _send_stream(self, response: Response, body: AsyncIterator[bytes]) -> None:
        length = _declared_length(response)
        self._start(response.status, response.headers.pairs)
        try:
            if not self._head_only and not self._dropped:
                await self._run_generator(body, length)
        finally:
            # Left in the middle, a generator would wait for the collector with its `finally` blocks.
            close = getattr(body, "aclose", None)
            if close is not None:
                await close()

    async def _run_generator(self, body: AsyncIterator[bytes], length: int | None) -> None:
        """In a task of its own: to be ended where it waits, whatever for, without ending the action."""
        self._writing = asyncio.get_running_loop().create_task(self._write_pieces(body, length))
        try:
            await self._writing
        except asyncio.CancelledError:
            if not self._dropped or _is_being_cancelled():
                raise

    async def _write_pieces(self, body: AsyncIterator[bytes], length: int | None) -> None:
        sent = 0
        async for piece in body:
            if not isinstance(piece, (bytes, bytearray, memoryview)):
                raise Misuse(f"a response's body is made of bytes, not of {type(piece).__name__}; encode it")
            sent += len(piece)
            if sent > self._bytes_max:
                raise ResponseTooLarge(self._bytes_max)
            if length is not None and sent > length:
                raise Misuse(f"the response's body is longer than its Content-Length, {length}")
            await self._write(bytes(piece))
            if self._dropped:
                return
        if length is not None and sent != length:
            raise Misuse(f"the response's body has {sent} bytes, and its Content-Length says {length}")

    def _start(self, status: int, headers: HeaderPairs) -> None:
        self._send(ResponseStart(run=self._run, status=status, headers=headers))

    async def _write(self, data: bytes) -> None:
        for start in range(0, len(data), PIECE_BYTES):
            while self._credit <= 0 and not self._dropped:
                self._news.clear()
                await self._news.wait()
            if self._dropped:
                return
            piece = data[start : start + PIECE_BYTES]
            self._credit -= len(piece)
            self._send(ResponsePiece(run=self._run, data=piece))


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _declared_length(response: Response) -> int | None:
    text = response.headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise Misuse(f"{text!r:.80} is no Content-Length; leave it out, and the body is sent in chunks")
    return int(text)
