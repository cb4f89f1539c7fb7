"""
The actor lane: actions, many at once in one process.

Actions call queries, mutations and other actions through the gateway; such a call runs with
the action's own identity and the platform's rights, as a function calls a function. An actor
that dies takes its actions with it: they are not run again, because nobody knows how far they
came.

So many run at once, and the others wait their turn, so many at most. What an action calls does not
wait: its caller holds a place already, and might wait for it for ever.

When the server stops, actions that run are left to end for a while, then cancelled, which their
code sees as asyncio shows it; those that wait do not begin.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import structlog

from joelclaw.engine.background import Background
from joelclaw.engine.exchange import Exchange
from joelclaw.engine.isolates import Isolate
from joelclaw.engine.runs import UNRECORDED, Caller, OngoingRun, Recorder, RunKind, caller_of
from joelclaw.engine.tally import LaneState, Tally
from joelclaw.engine.variables import Variables, decoded
from joelclaw.engine.writer_lane import LEAVING, RESPAWN_DELAYS_S
from joelclaw.errors import PlatformError
from joelclaw.functions.actions import CANCELLED
from joelclaw.functions.calls import Call, Failure, Outcome
from joelclaw.isolate.messages import (
    ActionDone,
    ActionLogged,
    Answer,
    Ask,
    CancelRuns,
    FromIsolate,
    LoopHeld,
    RequestCredit,
    ResponsePiece,
    ResponseStart,
    RunAction,
    SetVariables,
)

CANCEL_GRACE_S: Final = 2.0
"""How long the code of a cancelled action may take over its `finally` blocks."""

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


@dataclass(eq=False)
class Run:
    """One action, from when it is asked for to its end."""

    call: Call
    exchange: Exchange | None = None
    """For an HTTP action: its request and response."""

    caller: Caller = "HttpApi"
    ongoing: OngoingRun | None = None
    """What records it; None before it has begun."""

    done: "asyncio.Future[Outcome]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def end(self, outcome: Outcome) -> None:
        """Answer whoever waits for it."""
        if self.ongoing is not None:
            self.ongoing.ended(outcome)
        if self.exchange is not None:
            self.exchange.end(outcome)
        if not self.done.done():
            self.done.set_result(outcome)


class Actor:
    """One actor isolate and the actions that run in it."""

    def __init__(self, lane: "ActorLane", isolate: Isolate) -> None:
        self.lane = lane
        self.isolate = isolate
        self.runs: dict[int, Run] = {}
        self._variables = b"[]"
        """What it was told of variables set at run time."""

        isolate.on_message = self._hear
        isolate.on_death = self._died

    def start(self, number: int, run: Run) -> None:
        self.runs[number] = run
        variables = self.lane.variables.recall()
        if variables is None:
            self.lane.background.start(self._start_later(number, run))
        else:
            self._send(number, run, variables)

    async def _start_later(self, number: int, run: Run) -> None:
        variables = await self.lane.variables.ask()
        if number in self.runs:
            self._send(number, run, variables)

    def _send(self, number: int, run: Run, variables: bytes) -> None:
        if variables != self._variables:
            self._variables = variables
            self.isolate.send(SetVariables(values=decoded(variables)))
        kind: RunKind = "action" if run.exchange is None else "http_action"
        caller = caller_of(run.call, run.caller)
        ongoing = self.lane.recorder.begin(kind, run.call.path, run.call.request_id, caller)
        run.ongoing = self.lane.tally.follow(kind, run.call.path, ongoing)
        if run.exchange is None:
            self.isolate.send(RunAction(run=number, call=run.call))
        else:
            run.exchange.begin(number, run.call, self.isolate.send)

    def cancel_all(self) -> None:
        """Cancel what runs; each is answered for when it has ended."""
        self.isolate.send(CancelRuns())

    def _hear(self, message: FromIsolate) -> None:
        match message:
            case ActionDone(run=number, outcome=outcome):
                run = self.runs.pop(number, None)
                if run is not None:
                    run.end(outcome)
                self.lane.freed(self)
            case Ask():
                self.lane.background.start(self._answer(message))
            case ActionLogged(run=number, lines=lines):
                run = self.runs.get(number)
                if run is not None and run.ongoing is not None:
                    run.ongoing.logged(lines)
            case ResponseStart() | ResponsePiece() | RequestCredit():
                run = self.runs.get(message.run)
                if isinstance(message, ResponseStart) and run is not None and run.ongoing is not None:
                    run.ongoing.answered(message.status)
                if run is not None and run.exchange is not None:
                    run.exchange.hear(message)
            case LoopHeld(path=path, place=place, seconds=seconds):
                log.warning("an action blocked all others", path=path, place=place, seconds=round(seconds, 3))

    async def _answer(self, ask: Ask) -> None:
        outcome = await self.lane.run_call(ask.kind, ask.call)
        self.isolate.send(Answer(ask=ask.ask, outcome=outcome))

    def _died(self) -> None:
        self.end_all(CRASHED)
        self.lane.lost(self)

    def end_all(self, failure: Failure) -> None:
        """Answer for whatever has not ended by itself."""
        runs, self.runs = self.runs, {}
        for run in runs.values():
            run.end(Outcome(failure=failure))


class ActorLane:
    """The actor of the current release, those of earlier ones that still work, and the actions that wait."""

    def __init__(
        self,
        *,
        run_call: RunCall,
        variables: Variables,
        respawn: Callable[[], Awaitable[Isolate]],
        actions_max: int = 1_000,
        waiting_max: int = 10_000,
        tally: Tally | None = None,
    ) -> None:
        self.run_call = run_call
        self.tally = tally or Tally()
        self.variables = variables
        self.recorder: Recorder = UNRECORDED
        self.respawn = respawn
        self.actions_max = actions_max
        """Actions of one process at a time."""

        self.waiting_max = waiting_max
        self.restarts = 0
        self._actor: Actor | None = None
        self._retired: set[Actor] = set()
        self._queue: deque[Run] = deque()
        self._numbers = count(1)
        self.background = Background()
        self._leaving = False
        self._closed = False

    @property
    def state(self) -> LaneState:
        isolates = [self._actor.isolate] if self._actor is not None and self._actor.isolate.alive else []
        running = sum(len(actor.runs) for actor in self._actors())
        return LaneState(isolates, len(self._queue), running, self.restarts)

    async def submit(self, call: Call, caller: Caller = "HttpApi") -> Outcome:
        """Run an action to its end. It goes on if the caller does not wait any more."""
        run = Run(call, caller=caller)
        self._admit(run)
        return await asyncio.shield(run.done)

    def serve(self, call: Call, exchange: Exchange) -> None:
        """Run an HTTP action. It goes on if its client is gone."""
        self._admit(Run(call, exchange, caller="HttpEndpoint"))

    def _admit(self, run: Run) -> None:
        called_by_action = run.call.depth > 0
        if self._leaving and not called_by_action:
            run.end(Outcome(failure=LEAVING))
        elif called_by_action and self._actor is not None:
            self._actor.start(next(self._numbers), run)
        elif len(self._queue) >= self.waiting_max:
            run.end(Outcome(failure=self._overloaded()))
        else:
            self._queue.append(run)
            self._dispatch()

    def _overloaded(self) -> Failure:
        return Failure(
            message=(
                f"Too many actions: {self.actions_max} are running and {self.waiting_max} wait; try again later, or "
                f"raise limits.actions or limits.actions_waiting in joelclaw.toml"
            ),
            code="too_many_actions",
            public=True,
        )

    def _dispatch(self) -> None:
        actor = self._actor
        while actor is not None and self._queue and len(actor.runs) < self.actions_max:
            actor.start(next(self._numbers), self._queue.popleft())

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
            if self._closed or self._actor is not None:  # A deploy brought one meanwhile.
                await isolate.close()
                return
            self.install(isolate)

    async def drain(self, timeout_s: float) -> None:
        """Begin nothing any more; leave what runs so long to end, then cancel it. Everybody is answered."""
        self._leaving = True
        while self._queue:
            self._queue.popleft().end(Outcome(failure=LEAVING))
        if await self._idle(timeout_s):
            return
        for actor in self._actors():
            actor.cancel_all()
        if await self._idle(CANCEL_GRACE_S):
            return
        for actor in self._actors():
            actor.end_all(CANCELLED)

    async def _idle(self, timeout_s: float) -> bool:
        """Wait until no action runs, at most so long; whether none does."""
        try:
            async with asyncio.timeout(timeout_s):
                # Until there is none, not for those of now: what runs may call others.
                while running := [run.done for actor in self._actors() for run in actor.runs.values()]:
                    await asyncio.wait(running)
        except TimeoutError:
            return False
        return True

    def _actors(self) -> list[Actor]:
        return [actor for actor in [self._actor, *self._retired] if actor is not None]

    async def close(self) -> None:
        self._closed = True
        for actor in self._actors():
            await actor.isolate.close()
            actor.end_all(CRASHED)
        while self._queue:
            self._queue.popleft().end(Outcome(failure=LEAVING))
        await self.background.end()
