"""The writer lane's judgement, with isolates that are played by the test."""

import asyncio
from typing import cast

from joelclaw.engine.isolate_process import IsolateProcess
from joelclaw.engine.reactor import Reactor, Resolved
from joelclaw.engine.writer_lane import Mutation, WriterLane
from joelclaw.functions.calls import Call, Outcome
from joelclaw.isolate.messages import BatchDone, Prepared
from tests.engine.engines import within_patience
from tests.engine.played import PlayedIsolate

TOO_LARGE = 200


def test_a_writer_that_was_replaced_dies_alone() -> None:
    """
    One that grew too large is ended, and a deploy brings another before its death is heard of.

    That other one goes on: its calls are answered, and nobody starts a third.
    """

    async def scene() -> None:
        reactor = Reactor(clock=lambda: 1.0, resolve=lambda *_: Resolved(None), round_wanted=lambda: None)
        respawned: list[PlayedIsolate] = []

        async def respawn() -> tuple[IsolateProcess, Prepared]:
            respawned.append(PlayedIsolate())
            raise AssertionError("a third writer")

        lane = WriterLane(reactor, kill_after_s=60.0, respawn=respawn, first_batch=1, memory_bytes_max=100)
        old, new = PlayedIsolate(), PlayedIsolate()
        lane.install(cast("IsolateProcess", old))
        first = submit(lane)
        await old.sent.get()
        old.on_message(BatchDone(batch=1, ts=1, outcomes=[Outcome(value=b"1")], keys=[], memory_bytes=TOO_LARGE))
        assert (await first).value == b"1"
        assert not old.alive

        await lane.pause()
        assert lane.release() is None
        lane.install(cast("IsolateProcess", new))
        lane.resume()
        second = submit(lane)
        old.die()
        await new.sent.get()
        new.on_message(BatchDone(batch=2, ts=2, outcomes=[Outcome(value=b"2")], keys=[]))
        assert (await second).value == b"2"
        third = submit(lane)
        await new.sent.get()
        new.on_message(BatchDone(batch=3, ts=3, outcomes=[Outcome(value=b"3")], keys=[]))
        assert (await third).value == b"3"
        assert (respawned, lane.restarts) == ([], 0)
        await lane.close()

    asyncio.run(within_patience("the scene", scene()))


def submit(lane: WriterLane) -> "asyncio.Future[Outcome]":
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    lane.submit(Mutation(Call(path="notes:add", args=b"{}"), future=future))
    return future
