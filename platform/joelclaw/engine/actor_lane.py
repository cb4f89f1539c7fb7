"""
The actor lane: actions, many at once in one process.

Actions call queries, mutations and other actions through the gateway; such a call runs with
the action's own identity and the platform's rights, as a function calls a function. An actor
that dies takes its actions with it: they are not run again, because nobody knows how far they
came.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

import structlog

from joelclaw.engine.background import Background
from joelclaw.engine.isolates import Isolate
from joelclaw.engine.writer_lane import LEAVING, RESPAWN_DELAYS_S
from joelclaw.errors import PlatformError
from joelclaw.functions.calls import Call, Failure, Outcome
from joelclaw.isolate.messages import ActionDone, Answer, Ask, FromIsolate, RunAction

ACTIONS_MAX = 1_000
"""Actions of one process at a time; more wait."""

log = structlog.get_logger("joelclaw.actor")

CRASHED = Failure(
    message=(
        "The process that ran this action ended before it answered: it crashed or was killed. "
        "The action may have done part of its work; it is not run again."
    ),
    code="isolate_died",
    public=True,
)

RunCall = Callable[[str, Call], Awaitable[Outcome]]
"""Kind and call of what an action asks for."""


class Actor:
    """One actor isolate and the actions that run in it."""

    def __init__(self, lane: "ActorLane", isolate: Isolate) -> None:
        self.lane = lane
        self.isolate = isolate
        self.runs: dict[int, asyncio.Future[Outcome]] = {}
        isolate.on_message = self._hear
        isolate.on_death = self._died

    def run(self, number: int, call: Call, future: "asyncio.Future[Outcome]") -> None:
        self.runs[number] = future
        self.isolate.send(RunAction(run=number, call=call))

    def _hear(self, message: FromIsolate) -> None:
        if isinstance(message, ActionDone):
            future = self.runs.pop(message.run, None)
            if future is not None and not future.done():
                future.set_result(message.outcome)
            self.lane.freed(self)
        elif isinstance(message, Ask):
            self.lane.background.start(self._answer(message))

    async def _answer(self, ask: Ask) -> None:
        outcome = await self.lane.run_call(ask.kind, ask.call)
        self.isolate.send(Answer(ask=ask.ask, outcome=outcome))

    def _died(self) -> None:
        runs, self.runs = self.runs, {}
        for future in runs.values():
            if not future.done():
                future.set_result(Outcome(failure=CRASHED))
        self.lane.lost(self)


class ActorLane:
    """The actor of the current release, those of earlier ones that still work, and the actions that wait."""

    def __init__(self, *, run_call: RunCall, respawn: Callable[[], Awaitable[Isolate]]) -> None:
        self.run_call = run_call
        self.respawn = respawn
        self.restarts = 0
        self._actor: Actor | None = None
        self._retired: set[Actor] = set()
        self._queue: list[tuple[Call, asyncio.Future[Outcome]]] = []
        self._numbers = count(1)
        self.background = Background()
        self._closed = False

    async def submit(self, call: Call) -> Outcome:
        """Run an action to its end. It goes on if the caller does not wait any more."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._queue.append((call, future))
        self._dispatch()
        return await asyncio.shield(future)

    def _dispatch(self) -> None:
        actor = self._actor
        while actor is not None and self._queue and len(actor.runs) < ACTIONS_MAX:
            call, future = self._queue.pop(0)
            actor.run(next(self._numbers), call, future)

    def freed(self, actor: Actor) -> None:
        if actor in self._retired and not actor.runs:
            self._retired.discard(actor)
            self.background.finish(actor.isolate.close())
        self._dispatch()

    def install(self, isolate: Isolate) -> None:
        """An actor of a new release takes over; the old one finishes its actions and ends."""
        old, self._actor = self._actor, Actor(self, isolate)
        if old is not None:
            self._retired.add(old)
            self.freed(old)
        if not isolate.alive:
            self.lost(self._actor)
        self._dispatch()

    def lost(self, actor: Actor) -> None:
        self.background.finish(actor.isolate.close())
        self._retired.discard(actor)
        if actor is not self._actor or self._closed:
            return
        self._actor = None
        self.restarts += 1
        log.warning("the actor died", restarts=self.restarts)
        self.background.start(self._replace())

    async def _replace(self) -> None:
        attempt = 0
        while not self._closed and self._actor is None:
            await asyncio.sleep(RESPAWN_DELAYS_S[min(attempt, len(RESPAWN_DELAYS_S) - 1)])
            attempt += 1
            try:
                isolate = await self.respawn()
            except PlatformError as error:
                log.error("no actor could be started", error=str(error), attempt=attempt)
                continue
            if self._actor is not None:  # A deploy brought one meanwhile.
                await isolate.close()
                return
            self.install(isolate)

    async def drain(self, timeout_s: float) -> None:
        """Wait for running actions, at most so long."""
        actors = [actor for actor in [self._actor, *self._retired] if actor is not None]
        running = [future for actor in actors for future in actor.runs.values()]
        if running:
            await asyncio.wait(running, timeout=timeout_s)

    async def close(self) -> None:
        self._closed = True
        for actor in [self._actor, *self._retired]:
            if actor is not None:
                await actor.isolate.close()
                actor.runs, runs = {}, actor.runs
                for future in runs.values():
                    if not future.done():
                        future.set_result(Outcome(failure=CRASHED))
        for _, future in self._queue:
            if not future.done():
                future.set_result(Outcome(failure=LEAVING))
        await self.background.end()
