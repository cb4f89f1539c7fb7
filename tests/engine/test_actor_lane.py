"""Actions in the engine: how many at once, who waits, and how they end when the server stops."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from joelclaw.engine import actor_lane
from joelclaw.engine.actor_lane import ActorLane
from joelclaw.engine.isolate_process import IsolateProcess
from joelclaw.engine.results import Result
from joelclaw.engine.variables import Variables
from joelclaw.functions.calls import Call, Outcome
from joelclaw.isolate.messages import SetVariables
from tests.engine.engines import App, play, until_there, value_of, within_patience
from tests.engine.played import PlayedIsolate


def limit(app: App, **limits: float) -> None:
    app.engine.limit(replace(app.engine.limits, **limits))


def code(outcome: Outcome) -> str | None:
    return None if outcome.failure is None else outcome.failure.code


def test_so_many_at_once_and_so_many_wait(tmp_path: Path) -> None:
    """The others are refused in words that say what to do; who waits runs when there is room."""

    async def scene(app: App) -> None:
        limit(app, actions=1, actions_waiting=2)
        gate = tmp_path / "gate"
        first = asyncio.create_task(app.act("faults:waitForFile", file=str(gate)))
        await until_there(gate.with_suffix(".begun"))
        waiting = [asyncio.create_task(app.act("faults:version")) for _ in range(2)]
        await asyncio.sleep(0)
        refused = await app.act("faults:version")
        assert refused.failure is not None
        assert refused.failure.message == (
            "Too many actions: 1 are running and 2 wait; try again later, "
            "or raise limits.actions or limits.actions_waiting in joelclaw.toml"
        )
        assert not any(task.done() for task in waiting)
        gate.touch()
        assert [code(outcome) for outcome in await asyncio.gather(first, *waiting)] == [None, None, None]
        assert code(await app.act("faults:version")) is None

    play(scene, tmp_path)


def test_what_an_action_calls_does_not_wait(tmp_path: Path) -> None:
    """Its caller holds the only place: it would wait for itself."""

    async def scene(app: App) -> None:
        limit(app, actions=1, actions_waiting=1)
        assert value_of(await app.act("faults:askVersion")) == 1

    play(scene, tmp_path)


def test_stopping_waits_then_cancels(tmp_path: Path) -> None:
    """`finally` blocks run and may write; who waits for the action is told; what waited has not run."""

    async def scene(app: App) -> None:
        limit(app, actions=1, action_drain_s=0.01)
        begun = tmp_path / "begun"
        running = asyncio.create_task(app.act("faults:waitAndTidy", begun=str(begun)))
        await until_there(begun)
        waiting = asyncio.create_task(app.act("faults:version"))
        await asyncio.sleep(0)
        await within_patience("the drain", app.engine.drain())
        assert code(await running) == "action_cancelled"
        assert code(await waiting) == "shutting_down"
        assert code(await app.act("faults:version")) == "shutting_down"
        assert await app.query("notes:texts", room="tidied") == ["left in good order"]

    play(scene, tmp_path)


def test_an_action_that_ends_in_time_is_not_cancelled(tmp_path: Path) -> None:
    """What runs is left to end, with all that it still calls."""

    async def scene(app: App) -> None:
        gate = tmp_path / "gate"
        running = asyncio.create_task(app.act("faults:waitForFile", file=str(gate)))
        await until_there(gate.with_suffix(".begun"))
        draining = asyncio.create_task(app.engine.drain())
        await asyncio.sleep(0)
        gate.touch()
        await within_patience("the drain", draining)
        assert value_of(await running) == 1

    play(scene, tmp_path)


def test_one_that_does_not_heed_its_cancelling_is_answered_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server does not wait for it for ever."""
    monkeypatch.setattr(actor_lane, "CANCEL_GRACE_S", 0.05)

    async def scene(app: App) -> None:
        limit(app, action_drain_s=0.01)
        begun = tmp_path / "begun"
        running = asyncio.create_task(app.act("faults:ignoreCancelling", begun=str(begun)))
        await until_there(begun)
        await within_patience("the drain", app.engine.drain())
        assert code(await running) == "action_cancelled"

    play(scene, tmp_path)


class NoVariables:
    """An engine that is asked for variables only, and has none."""

    def recall(self, *_: object) -> Result:
        return Result(Outcome(value=b"[]"))

    async def query(self, *_: object, **__: object) -> tuple[Result, int]:
        raise AssertionError("they are in memory")


def test_an_actor_that_comes_while_the_lane_ends_ends_with_it() -> None:
    """A successor whose start is over only after its lane began to end is not left running."""

    async def scene() -> None:
        old, victim, successor = PlayedIsolate(), PlayedIsolate(), PlayedIsolate()
        asked, started = asyncio.Event(), asyncio.Event()

        async def respawn() -> IsolateProcess:
            asked.set()
            await started.wait()
            return cast("IsolateProcess", successor)

        async def run_call(kind: str, call: Call) -> Outcome:
            raise AssertionError("nothing is called")

        lane = ActorLane(run_call=run_call, variables=Variables(NoVariables()), respawn=respawn)
        lane.install(cast("IsolateProcess", old))
        running = asyncio.create_task(lane.submit(Call(path="notes:wait", args=b"{}")))
        assert not isinstance(await old.sent.get(), SetVariables)
        lane.install(cast("IsolateProcess", victim))
        victim.die()
        await asked.wait()
        old.may_end.clear()
        closing = asyncio.create_task(lane.close())
        await asyncio.sleep(0)  # The old one is being ended.
        started.set()
        await asyncio.sleep(0)  # The successor is there.
        old.may_end.set()
        await closing
        assert code(await running) == "isolate_died"
        assert not successor.alive

    asyncio.run(within_patience("the scene", scene()))
