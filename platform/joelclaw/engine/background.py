"""Background: the tasks that a lane has started beside its work, none of which outlives it."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Background:
    """Tasks of one owner. They are held until they are over; the loop itself would not."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._closings: set[asyncio.Task[None]] = set()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Begin something that may be cancelled when the owner ends."""
        return self._hold(self._tasks, coroutine)

    def finish(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Begin something that must come to its end, as the end of a process."""
        self._hold(self._closings, coroutine)

    @staticmethod
    def _hold(tasks: "set[asyncio.Task[None]]", coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(coroutine)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    async def end(self) -> None:
        """Cancel what may be cancelled, and wait for all of it."""
        for task in self._tasks:
            task.cancel()
        while self._tasks or self._closings:
            await asyncio.wait([*self._tasks, *self._closings])
