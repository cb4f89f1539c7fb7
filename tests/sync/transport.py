"""An ASGI server of one WebSocket, driven by a test: what the peer sends, and when it reads."""

import asyncio
from typing import Any

import msgspec

from tests.sync.stand_in import parsed


class Transport:
    """`receive` and `send` as a server gives them to an app. While `stalled`, the peer reads nothing."""

    def __init__(self) -> None:
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._writable = asyncio.Event()
        self._writable.set()
        self.gone = False
        self._incoming.put_nowait({"type": "websocket.connect"})

    # -- the app's side

    async def receive(self) -> dict[str, Any]:
        return await self._incoming.get()

    async def send(self, message: dict[str, Any]) -> None:
        await self._writable.wait()
        if self.gone:
            raise OSError("the peer is gone")
        self._sent.put_nowait(message)
        if message["type"] == "websocket.close":
            self._incoming.put_nowait({"type": "websocket.disconnect", "code": message.get("code")})

    # -- the app's side, of a server that writes at once (`Outlet`)

    def takes_frames(self) -> bool:
        return self._writable.is_set() and not self.gone

    def write_text(self, text: str) -> None:
        assert self.takes_frames(), "whoever writes asks first"
        self._sent.put_nowait({"type": "websocket.send", "text": text})

    # -- the peer's side

    def say(self, **message: Any) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "text": msgspec.json.encode(message).decode()})

    def say_text(self, text: str) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "text": text})

    def hang_up(self) -> None:
        self.gone = True
        self._writable.set()
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1006})

    def stall(self) -> None:
        self._writable.clear()

    def resume(self) -> None:
        self._writable.set()

    async def event(self) -> dict[str, Any]:
        """The next thing that the app has sent, whatever it is."""
        async with asyncio.timeout(60):
            return await self._sent.get()

    async def message(self) -> dict[str, Any]:
        """The next frame, decoded."""
        event = await self.event()
        assert event["type"] == "websocket.send", event
        return parsed(event["text"])

    @property
    def quiet(self) -> bool:
        """Nothing more was sent."""
        return self._sent.empty()


async def idle() -> None:
    """Let every task run until it waits for something. Steps of a loop, no time."""
    for _ in range(20):
        await asyncio.sleep(0)
