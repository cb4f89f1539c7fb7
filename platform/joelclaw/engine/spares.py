"""
Spares: isolates that are started before anybody asks for one.

Starting a process and importing the platform takes longer than loading most apps. In
development, where every save needs new processes, some wait that have done the first half:
they know neither app nor role yet. In production they would be memory for nothing, except for a
while after a deploy: who sees that it was a mistake wants the old code back at once.

Elsewhere: `engine.py` says how many, and when processor time is free to start them.
"""

import asyncio

import structlog

from joelclaw.engine.isolates import Isolate, StartIsolate
from joelclaw.isolate.messages import Role

log = structlog.get_logger("joelclaw.engine")


class Spares:
    """Up to `number` started isolates, of those that `start` starts."""

    def __init__(self, number: int, start: StartIsolate) -> None:
        self._always = self._number = number
        self._start = start
        self._waiting: list[Isolate] = []
        self._over: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None
        self._filling: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Processes that wait, those that died meanwhile included."""
        return len(self._waiting)

    async def take(self, role: Role) -> Isolate:
        """A process that waits for `load`: a spare, or a new one if there is none."""
        while self._waiting:
            isolate = self._waiting.pop()
            if isolate.alive:
                isolate.role = role
                return isolate
            await isolate.close()
        return await self._start(role)

    def refill(self) -> None:
        """Start what is missing; nobody waits for it."""
        if len(self._waiting) < self._number and (self._filling is None or self._filling.done()):
            self._filling = asyncio.get_running_loop().create_task(self._fill())

    def hold(self, number: int, for_s: float) -> None:
        """Let so many wait for a time; it begins anew with each call."""
        if self._over is not None:
            self._over.cancel()
        self._number = max(self._always, number)
        self._over = asyncio.get_running_loop().call_later(for_s, self._let_go)
        self.refill()

    def _let_go(self) -> None:
        self._over, self._number = None, self._always
        self._closing = asyncio.get_running_loop().create_task(self._close_surplus())

    async def _close_surplus(self) -> None:
        if self._filling is not None:
            await asyncio.wait([self._filling])
        surplus = [self._waiting.pop() for _ in range(len(self._waiting) - self._number)]
        await asyncio.gather(*(isolate.close() for isolate in surplus))

    async def _fill(self) -> None:
        try:
            while len(self._waiting) < self._number:
                self._waiting.append(await self._start("reader"))
        except OSError as error:  # Whoever needs a process starts one, and tells if that fails.
            log.warning("no spare isolate could be started", error=str(error))

    async def close(self) -> None:
        """End those that wait."""
        if self._over is not None:
            self._over.cancel()
        self._always = self._number = 0
        if self._closing is not None:
            await asyncio.wait([self._closing])
        await self._close_surplus()
