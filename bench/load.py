"""
Load: callers on keep-alive connections, and WebSocket watchers, as cheap as Python allows.

The generator shares two cores with what it measures, so it does little: requests are bytes
made beforehand or by one small function, responses are cut at their length and shown to one
cheap check. Each caller sends its next request when the last one is answered. No answer is
taken on trust: one that the check refuses ends the benchmark.
"""

import asyncio
import base64
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import cycle
from typing import cast

import msgspec

ANSWER_TIMEOUT_S = 30.0
"""What is not answered after so long will not be."""

PONG = 0xA
PING = 0x9
TEXT = 0x1

MakeRequest = Callable[[], bytes]
Check = Callable[[bytes], bool]
"""Is this body the right answer?"""


class WrongAnswer(Exception):
    """What is measured does not do what it should, so its speed means nothing."""


def request(method: str, path: str, content: bytes = b"") -> bytes:
    """A request, as bytes."""
    return (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    ).encode() + content


def post(path: str, body: object) -> bytes:
    return request("POST", path, msgspec.json.encode(body))


def in_turn(requests: Iterable[bytes]) -> MakeRequest:
    """Each of them, again and again."""
    return cycle(requests).__next__


@dataclass
class Figures:
    """What a run of callers measured."""

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def answers(self) -> int:
        return len(self.latencies_ms)

    @property
    def rate(self) -> float:
        return self.answers / self.seconds

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Caller(asyncio.Protocol):
    """One connection that calls again and again until the time is up."""

    def __init__(self, make: MakeRequest, until: float, check: Check, figures: Figures) -> None:
        self._make = make
        self._until = until
        self._check = check
        self._figures = figures
        self._buffer = b""
        self._sent_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's are none by inheritance.
        self._call()

    def _call(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(self._make())

    def data_received(self, data: bytes) -> None:
        self._buffer = buffer = self._buffer + data if self._buffer else data
        body = body_of(buffer)
        if body is None:
            return
        now = time.perf_counter()
        if not buffer.startswith(b"HTTP/1.1 200 ") or not self._check(body):
            self._end(WrongAnswer(buffer[:2_000].decode("utf-8", "replace")))
            return
        self._figures.latencies_ms.append((now - self._sent_at) * 1000)
        self._buffer = b""
        if now < self._until:
            self._call()
        else:
            self._end(None)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._end(WrongAnswer("the server hung up on a caller"))

    def _end(self, error: Exception | None) -> None:
        self._transport.close()
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


def body_of(response: bytes) -> bytes | None:
    """The body of a complete response; both servers write header names in small letters."""
    head = response.find(b"\r\n\r\n")
    if head < 0:
        return None
    at = response.index(b"content-length: ", 0, head) + 16
    end = head + 4 + int(response[at : response.index(b"\r", at)])
    return response[head + 4 : end] if len(response) >= end else None


async def drive(port: int, make: MakeRequest, *, callers: int, seconds: float, check: Check) -> Figures:
    """Call with so many callers for so long; every call that was begun is answered."""
    loop = asyncio.get_running_loop()
    figures = Figures()
    started = time.perf_counter()
    everyone = [Caller(make, started + seconds, check, figures) for _ in range(callers)]
    for caller in everyone:
        await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", port)  # type: ignore[misc]
    async with asyncio.timeout(seconds + ANSWER_TIMEOUT_S):
        await asyncio.gather(*(caller.done for caller in everyone))
    figures.seconds = time.perf_counter() - started
    return figures


async def ask(port: int, request: bytes) -> bytes:
    """One request; the body of its answer."""
    bodies: list[bytes] = []
    await drive(port, lambda: request, callers=1, seconds=0.0, check=lambda body: not bodies.append(body))  # type: ignore[func-returns-value]
    return bodies[0]


class Watcher(asyncio.Protocol):
    """A WebSocket that hands on the text frames that it is sent, and answers pings."""

    def __init__(self, path: str, on_frame: Callable[[bytes], None]) -> None:
        self._path = path
        self._on_frame = on_frame
        self._buffer = b""
        self._is_open = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast(asyncio.WriteTransport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def send(self, message: object) -> None:
        """One message as a text frame."""
        self._write(TEXT, msgspec.json.encode(message))

    def _write(self, opcode: int, payload: bytes) -> None:
        """Masked with zeros: legal, and free."""
        size = len(payload)
        if size < 126:
            header = bytes([0x80 | opcode, 0x80 | size])
        elif size < 65_536:
            header = bytes([0x80 | opcode, 0xFE]) + size.to_bytes(2, "big")
        else:
            header = bytes([0x80 | opcode, 0xFF]) + size.to_bytes(8, "big")
        self.transport.write(header + b"\0\0\0\0" + payload)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if not self._is_open:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = buffer
                return
            buffer = buffer[end + 4 :]
            self._is_open = True
            self.opened.set_result(None)
        at = 0
        while (frame := _frame(buffer, at)) is not None:
            start, at = frame
            opcode = buffer[start[0]] & 0x0F
            if opcode == TEXT:
                self._on_frame(buffer[start[1] : at])
            elif opcode == PING:
                self._write(PONG, buffer[start[1] : at])
        self._buffer = buffer[at:]


def _frame(buffer: bytes, at: int) -> tuple[tuple[int, int], int] | None:
    """Where the next frame has its head, its payload and its end; None: it is not complete."""
    if len(buffer) - at < 2:
        return None
    size, payload = buffer[at + 1] & 0x7F, at + 2
    if size == 126:
        size, payload = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
    elif size == 127:
        size, payload = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
    return ((at, payload), payload + size) if len(buffer) >= payload + size else None


async def watch(port: int, path: str, on_frame: Callable[[bytes], None]) -> Watcher:
    """Open a WebSocket."""
    watcher = Watcher(path, on_frame)
    await asyncio.get_running_loop().create_connection(lambda: watcher, "127.0.0.1", port)
    async with asyncio.timeout(ANSWER_TIMEOUT_S):
        await watcher.opened
    return watcher
