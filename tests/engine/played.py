"""An isolate that is played by the test: what a lane knows of one, without a process."""

import asyncio
from collections.abc import Callable
from typing import Any


class PlayedIsolate:
    """What a lane knows of an isolate."""

    def __init__(self) -> None:
        self.alive = True
        self.on_message: Callable[[Any], None] = lambda _: None
        self.on_death: Callable[[], None] = lambda: None
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.may_end = asyncio.Event()
        """A process takes its time to end, if this is cleared."""

        self.may_end.set()

    def send(self, *messages: Any) -> None:
        for message in messages:
            self.sent.put_nowait(message)

    def kill(self) -> None:
        self.alive = False

    async def close(self) -> None:
        self.alive = False
        await self.may_end.wait()

    def die(self) -> None:
        self.alive = False
        self.on_death()
