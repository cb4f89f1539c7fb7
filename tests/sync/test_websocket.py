"""`joelclaw.sync.websocket`: what is lighter than in uvicorn means the same."""

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode

from joelclaw.sync.socket import OUTLET
from joelclaw.sync.websocket import Gate, Mailbox, WebSocketProtocol, text_frame

HANDSHAKE = (
    b"GET /api/sync HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
HANGING_UP = b"\x88\x80\0\0\0\0"


class Wire(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_frames_are_those_of_the_library(size: int) -> None:
    """A text frame has the same bytes as one of `websockets`, whatever its length takes to be written."""
    text = "é" * (size // 2) + "x" * (size % 2)
    assert text_frame(text) == Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


def test_messages_are_received_in_order() -> None:
    """What came before anybody waited comes first, and who waits gets what comes then."""

    async def scenario() -> None:
        mailbox = Mailbox()
        mailbox.put_nowait(1)
        mailbox.put_nowait(2)
        assert [await mailbox.get(), await mailbox.get()] == [1, 2]
        assert mailbox.empty()
        waiting = asyncio.create_task(mailbox.get())
        await asyncio.sleep(0)
        assert not waiting.done()
        mailbox.put_nowait(3)
        mailbox.put_nowait(4)
        assert await waiting == 3
        assert await mailbox.get() == 4

    asyncio.run(scenario())


def test_whoever_leaves_takes_no_message_along() -> None:
    """A receiver that is cancelled while it waits leaves the next message to the next one."""

    async def scenario() -> None:
        mailbox = Mailbox()
        waiting = asyncio.create_task(mailbox.get())
        await asyncio.sleep(0)
        waiting.cancel()
        mailbox.put_nowait(1)
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await mailbox.get() == 1

    asyncio.run(scenario())


def test_a_gate_lets_all_through_when_it_opens() -> None:
    """Nobody passes a closed gate, all who waited pass when it opens, and nobody waits at an open one."""

    async def scenario() -> None:
        gate = Gate()
        await gate.wait()
        gate.clear()
        gate.clear()
        waiting = [asyncio.create_task(gate.wait()) for _ in range(2)]
        await asyncio.sleep(0)
        assert not gate.is_set()
        assert not any(task.done() for task in waiting)
        gate.set()
        await asyncio.gather(*waiting)
        assert gate.is_set()

    asyncio.run(scenario())


def test_frames_are_taken_between_handshake_and_close() -> None:
    """
    An outlet takes no frame before the handshake is over, while the peer does not read, or
    when it has hung up; in between it writes at once.
    """
    offered: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        outlet = scope["extensions"][OUTLET]
        offered.append((outlet, outlet.takes_frames()))
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    async def scenario() -> None:
        config = uvicorn.Config(app, lifespan="off", log_config=None, ws_ping_interval=None)
        config.load()
        state, wire = ServerState(), Wire()
        protocol = WebSocketProtocol(config, state, {}, asyncio.get_running_loop())
        protocol.connection_made(wire)
        protocol.data_received(HANDSHAKE)
        while not protocol.takes_frames():
            await asyncio.sleep(0)
        assert wire.written.startswith(b"HTTP/1.1 101 ")
        assert offered == [(protocol, False)]
        wire.written = b""
        protocol.write_text("hello")
        assert wire.written == text_frame("hello")
        protocol.pause_writing()
        assert not protocol.takes_frames()
        protocol.resume_writing()
        assert protocol.takes_frames()
        protocol.data_received(HANGING_UP)
        assert not protocol.takes_frames()
        await asyncio.gather(*state.tasks)

    asyncio.run(scenario())
