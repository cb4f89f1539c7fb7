"""The reader lane's judgement, with isolates that are played by the test."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from joelclaw.engine.isolate_process import IsolateProcess
from joelclaw.engine.reactor import Reactor, Resolved
from joelclaw.engine.reader_lane import ReaderLane
from joelclaw.engine.results import QueryKey
from joelclaw.engine.subscribers import Subscriber, Transition
from joelclaw.functions.calls import Outcome, Range
from joelclaw.isolate.messages import CallDone, RoundClosed, RoundOpened
from joelclaw.store.protocol import IndexKey

KEY = IndexKey(1, b"k", (0, 1))


class PlayedIsolate:
    """What a reader lane knows of an isolate."""

    def __init__(self) -> None:
        self.alive = True
        self.on_message: Callable[[Any], None] = lambda _: None
        self.on_death: Callable[[], None] = lambda: None
        self.sent: asyncio.Queue[Any] = asyncio.Queue()

    def send(self, *messages: Any) -> None:
        for message in messages:
            self.sent.put_nowait(message)

    def kill(self) -> None:
        self.alive = False

    async def close(self) -> None:
        self.alive = False

    def die(self) -> None:
        self.alive = False
        self.on_death()

    async def open_round(self) -> int:
        """Take the order to open a snapshot, and what is to be run on it."""
        number = int((await self.sent.get()).round)
        self.on_message(RoundOpened(round=number, ts=0))
        await self.sent.get()
        return number


class Shown:
    unsent_transitions = 0

    def __init__(self) -> None:
        self.failures: list[bool] = []

    def transition(self, transition: Transition) -> None:
        self.failures += [result.failure is not None for _, result in transition.updates]

    def response(self, response: object) -> None:
        raise AssertionError(response)


def test_a_query_that_has_answered_since_is_no_suspect() -> None:
    """A reader's death makes the call that it ran a suspect, until that call has come to its end elsewhere."""

    async def scene() -> None:
        reactor = Reactor(
            clock=lambda: 1.0,
            resolve=lambda path, args, journal, _: Resolved(QueryKey(path, args, journal)),
            round_wanted=lambda: lane.wake(),
        )
        spawned: asyncio.Queue[PlayedIsolate] = asyncio.Queue()

        async def respawn() -> IsolateProcess:
            spawned.put_nowait(isolate := PlayedIsolate())
            return cast("IsolateProcess", isolate)

        lane = ReaderLane(reactor, kill_after_s=60.0, memory_bytes_max=10**9, respawn=respawn)
        lane.install([await respawn()])
        subscriber = Subscriber(shown := Shown())
        reactor.attach(subscriber)
        reactor.subscribe(subscriber, 0, "q", b"{}", None)
        reactor.modified(subscriber, 1)

        victim = await spawned.get()
        await victim.open_round()
        victim.die()
        second = await spawned.get()
        number = await second.open_round()
        second.on_message(CallDone(round=number, outcome=Outcome(value=b"1", reads=[Range(index=1, prefix=b"k")])))
        second.on_message(RoundClosed(round=number))
        assert shown.failures == [False]

        reactor.publish(1, [KEY])
        await second.sent.get()  # The end of the round before.
        number = int((await second.sent.get()).round)
        second.on_message(RoundOpened(round=number, ts=1))
        await second.sent.get()
        second.die()
        assert shown.failures == [False], "condemned for two deaths that had nothing to do with each other"
        await lane.close()

    asyncio.run(asyncio.wait_for(scene(), 20))
