"""HTTP under the framework: how an answer leaves."""

import asyncio
from typing import Any, cast

import uvicorn
from uvicorn.server import ServerState

from joelclaw.http.protocol import HANG_UP, HttpProtocol, Outlet

REQUEST = b"GET /a HTTP/1.1\r\nHost: here\r\n\r\n"


class Wire(asyncio.Transport):
    """A transport that keeps what is written to it, each write by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def serve(app: Any, wire: Wire) -> HttpProtocol:
    """A connection on this wire, answered by this app."""
    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    protocol = HttpProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    protocol.connection_made(wire)
    return protocol


async def turn() -> None:
    """Let the loop finish this step and the next."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_an_answer_leaves_in_one_piece() -> None:
    """Head and body of an answer are one write, for each request of a connection."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})

    async def scenario() -> None:
        wire = Wire()
        protocol = serve(app, wire)
        for number in (1, 2):
            protocol.data_received(REQUEST)
            await turn()
            assert len(wire.writes) == number
            assert wire.writes[-1].startswith(b"HTTP/1.1 200 ")
            assert wire.writes[-1].endswith(b"\r\n\r\nhello")
        protocol.connection_lost(None)

    asyncio.run(scenario())


def test_a_head_does_not_wait_for_a_slow_body() -> None:
    """A stream's head is sent before its first piece is there."""
    piece = asyncio.Event()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await piece.wait()
        await send({"type": "http.response.body", "body": b"hello"})

    async def scenario() -> None:
        wire = Wire()
        protocol = serve(app, wire)
        protocol.data_received(REQUEST)
        await turn()
        [head] = wire.writes
        assert head.endswith(b"\r\n\r\n")
        piece.set()
        await turn()
        await turn()
        assert b"".join(wire.writes[1:]) == b"hello"
        protocol.connection_lost(None)

    asyncio.run(scenario())


def test_an_app_can_hang_up() -> None:
    """Without an answer: the connection ends, and not a byte was written."""

    async def app(scope: Any, receive: Any, _send: Any) -> None:
        scope["state"][HANG_UP]()
        while (await receive())["type"] != "http.disconnect":
            pass

    async def scenario() -> None:
        wire = Wire()
        protocol = serve(app, wire)
        protocol.data_received(REQUEST)
        await turn()
        assert wire.closed
        protocol.connection_lost(None)
        await turn()
        assert wire.writes == []

    asyncio.run(scenario())


def test_closing_sends_what_is_held() -> None:
    """What was written before a close goes out before it, and once."""

    async def scenario() -> None:
        wire = Wire()
        outlet = Outlet(cast(asyncio.Transport, wire), asyncio.get_running_loop())
        outlet.write(b"last words")
        outlet.close()
        assert outlet.is_closing()
        await turn()
        assert wire.writes == [b"last words"]

    asyncio.run(scenario())
