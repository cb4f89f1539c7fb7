"""
HTTP/1.1 as uvicorn speaks it, except that an answer leaves in one piece.

Uvicorn writes an answer's head, then its body, and each write is a system call: together they
are 40 % of what a cached query costs the gateway. Here the head waits for what is written
next, or for the end of the loop's step if nothing is, so that a stream's head is not held up.

Elsewhere: `server/` hands this to uvicorn. WebSockets leave it at their handshake, for
`sync/websocket.py`.
"""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HANG_UP: Final = "joelclaw.hang_up"
"""Under which name a request's `state` has what ends its connection, for who must not answer."""


class Outlet:
    """The part of a transport that answers are written to."""

    __slots__ = ("_flushing", "_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: bytes | None = None
        self._flushing: asyncio.Handle | None = None

    def write(self, data: bytes) -> None:
        if self._held is None:
            self._held = data
            self._flushing = self._loop.call_soon(self._flush)
            return
        held, self._held = self._held, None
        if self._flushing is not None:
            self._flushing.cancel()
        self._transport.write(held + data)

    def _flush(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._transport.write(held)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, HANG_UP: transport.close}
        self._outlet = Outlet(transport, self.loop)

    def on_headers_complete(self) -> None:
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            self.cycle.transport = self._outlet  # type: ignore[assignment]

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        # The parser holds us and we hold it: without this, both stay until cycles are looked for.
        self.parser = None  # type: ignore[assignment]
