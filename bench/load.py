"""
Load: callers on keep-alive connections, and WebSocket watchers, as cheap as Python allows.

The generator shares two cores with what it measures, so it does little: requests are bytes
made beforehand or by one small function, responses are cut at their length and looked at only
for their status. Each caller sends its next request when the last one is answered.
"""

import asyncio
import base64
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

MakeRequest = Callable[[], bytes]


def post(path: str, body: bytes) -> bytes:
    """A request, as bytes."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


@dataclass
class Figures:
    """What a run of callers measured."""

    seconds: float
    latencies_ms: list[float] = field(default_factory=list)
    failures: int = 0

    @property
    def rate(self) -> float:
        return len(self.latencies_ms) / self.seconds

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    @property
    def median_ms(self) -> float:
        return median(self.latencies_ms)


class Caller(asyncio.Protocol):
    """One connection that calls again and again until the time is up."""

    def __init__(self, make: MakeRequest, until: float, figures: Figures, must_hold: bytes) -> None:
        self._make = make
        self._until = until
        self._figures = figures
        self._must_hold = must_hold
        self._buffer = b""
        self._sent_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._call()

    def _call(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(self._make())

    def data_received(self, data: bytes) -> None:
        self._buffer = buffer = self._buffer + data if self._buffer else data
        head = buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        at = buffer.lower().find(b"content-length: ", 0, head) + 16
        length = int(buffer[at : buffer.index(b"\r", at)])
        if len(buffer) < head + 4 + length:
            return
        now = time.perf_counter()
        if b" 200 " not in buffer[:16] or self._must_hold not in buffer:
            self._figures.failures += 1
        self._figures.latencies_ms.append((now - self._sent_at) * 1000)
        self._buffer = b""
        if now < self._until:
            self._call()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def drive(port: int, make: MakeRequest, *, callers: int, seconds: float, must_hold: bytes = b"") -> Figures:
    """Call with so many callers for so long."""
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    figures = Figures(seconds)
    everyone = []
    for _ in range(callers):
        caller = Caller(make, started + seconds, figures, must_hold)
        await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", port)  # type: ignore[misc]
        everyone.append(caller)
    await asyncio.gather(*(caller.done for caller in everyone))
    figures.seconds = time.perf_counter() - started
    return figures


async def ask(port: int, request: bytes) -> bytes:
    """One request; the body of its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**26)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    at = head.lower().index(b"content-length: ") + 16
    body = await reader.readexactly(int(head[at : head.index(b"\r", at)]))
    writer.close()
    return body


class Watcher(asyncio.Protocol):
    """A WebSocket that counts what it is told; text frames only, no pings answered within a run."""

    def __init__(self, path: str, on_frame: Callable[[bytes, float], None]) -> None:
        self._path = path
        self._on_frame = on_frame
        self._buffer = bytearray()
        self._open = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def send(self, text: bytes) -> None:
        """One text frame, masked with zeros: legal, and free."""
        size = len(text)
        header = bytes([0x81, 0x80 | size]) if size < 126 else bytes([0x81, 0xFE]) + size.to_bytes(2, "big")
        self.transport.write(header + b"\0\0\0\0" + text)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            del self._buffer[: end + 4]
            self._open = True
            self.opened.set_result(None)
        now = time.perf_counter()
        while (frame := self._take()) is not None:
            self._on_frame(frame, now)

    def _take(self) -> bytes | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, at = buffer[1] & 0x7F, 2
        if size == 126:
            size, at = int.from_bytes(buffer[2:4], "big"), 4
        elif size == 127:
            size, at = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < at + size:
            return None
        frame = bytes(buffer[at : at + size])
        text = buffer[0] & 0x0F == 1
        del buffer[: at + size]
        return frame if text else b""


async def watch(port: int, path: str, on_frame: Callable[[bytes, float], None]) -> Watcher:
    watcher = Watcher(path, on_frame)
    await asyncio.get_running_loop().create_connection(lambda: watcher, "127.0.0.1", port)
    await watcher.opened
    return watcher
