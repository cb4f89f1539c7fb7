"""The reader lane's judgement, with isolates that are played by the test."""

import asyncio
from typing import cast

from joelclaw.engine.isolate_process import IsolateProcess
from joelclaw.engine.reactor import Reactor, Resolved
from joelclaw.engine.reader_lane import ReaderLane
from joelclaw.engine.results import QueryKey
from joelclaw.engine.subscribers import Subscriber, Transition
from joelclaw.functions.calls import Outcome, Range
from joelclaw.isolate.messages import CallDone, RoundClosed, RoundOpened
from joelclaw.store.protocol import IndexKey
from tests.engine.engines import within_patience
from tests.engine.played import PlayedIsolate

KEY = IndexKey(1, b"k", (0, 1))


async def open_round(isolate: PlayedIsolate) -> int:
    """Take the order to open a snapshot, and what is to be run on it."""
    number = int((await isolate.sent.get()).round)
    isolate.on_message(RoundOpened(round=number, ts=0))
    await isolate.sent.get()
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
            resolve=resolved,
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
        await open_round(victim)
        victim.die()
        second = await spawned.get()
        number = await open_round(second)
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

    asyncio.run(within_patience("the scene", scene()))


def test_a_reader_that_comes_while_the_lane_ends_ends_with_it() -> None:
    """A successor whose start is over only after its lane began to end is not left running."""

    async def scene() -> None:
        reactor = Reactor(clock=lambda: 1.0, resolve=resolved, round_wanted=lambda: lane.wake())
        victim, neighbour, successor = PlayedIsolate(), PlayedIsolate(), PlayedIsolate()
        asked, started = asyncio.Event(), asyncio.Event()

        async def respawn() -> IsolateProcess:
            asked.set()
            await started.wait()
            return cast("IsolateProcess", successor)

        lane = ReaderLane(reactor, kill_after_s=60.0, memory_bytes_max=10**9, respawn=respawn)
        lane.install([cast("IsolateProcess", victim), cast("IsolateProcess", neighbour)])
        victim.die()
        await asked.wait()
        neighbour.may_end.clear()
        closing = asyncio.create_task(lane.close())
        await asyncio.sleep(0)  # The neighbour is being ended.
        started.set()
        await asyncio.sleep(0)  # The successor is there.
        neighbour.may_end.set()
        await closing
        assert not successor.alive

    asyncio.run(within_patience("the scene", scene()))


def resolved(path: str, args: bytes, journal: str | None, _: Subscriber) -> Resolved:
    return Resolved(QueryKey(path, args, journal))
