"""
WebSockets as uvicorn speaks them, made lighter.

Handshake, parsing, pings and closing are uvicorn's, on the `websockets` library. What differs
is what thousands of connections feel:

- it is an `Outlet`: a text frame is its header and the text, written at once, where uvicorn
  makes several objects for every peer of a broadcast;
- an idle connection has no queue and no event of asyncio, each with deques for those who wait,
  and forgets the headers of its handshake.

Of the three that uvicorn has, this one (`websockets-sansio`) was the cheapest to begin with.

Elsewhere: `server/` hands this to uvicorn; `socket.py` relies on `send` waiting while the
peer does not read, and writes most frames without it.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from joelclaw.sync.socket import OUTLET

FINAL_TEXT: Final = 0x81
"""First byte of a frame that is a whole text message (RFC 6455, section 5.2)."""


def text_frame(text: str) -> bytes:
    """A message from the server: not fragmented, not masked (RFC 6455, section 5.1)."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return bytes((FINAL_TEXT, size)) + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class Mailbox:
    """Messages on their way to the one task that receives; as much of `asyncio.Queue` as uvicorn uses."""

    __slots__ = ("_messages", "_waiter")

    def __init__(self) -> None:
        self._messages: list[Any] = []
        self._waiter: asyncio.Future[None] | None = None

    def put_nowait(self, message: Any) -> None:
        self._messages.append(message)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def get(self) -> Any:
        while not self._messages:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._messages.pop(0)

    def empty(self) -> bool:
        return not self._messages


class Gate:
    """Open most of the time; as much of `asyncio.Event` as uvicorn uses, and none of one until it is closed."""

    __slots__ = ("_opening",)

    def __init__(self) -> None:
        self._opening: asyncio.Event | None = None

    def set(self) -> None:
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.set()

    def clear(self) -> None:
        if self._opening is None:
            self._opening = asyncio.Event()

    def is_set(self) -> bool:
        return self._opening is None

    async def wait(self) -> None:
        while self._opening is not None:
            await self._opening.wait()


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One connection."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.queue = Mailbox()  # type: ignore[assignment]
        self.writable = Gate()  # type: ignore[assignment]

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            self.scope["extensions"][OUTLET] = self  # type: ignore[assignment]

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.accept":
            self.request.headers.clear()
            self.response.headers.clear()

    def takes_frames(self) -> bool:
        """Nothing has to be waited for or refused, which is uvicorn's to do."""
        return (
            self.handshake_complete
            and not self.close_sent
            and not self.disconnected
            and self.conn.state is State.OPEN
            and self.writable.is_set()
        )

    def write_text(self, text: str) -> None:
        self.transport.write(text_frame(text))
