"""Deploys under load: no call is lost, no view mixes two versions of the code, and broken code changes nothing."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from joelclaw.engine.engine import Crew
from joelclaw.engine.isolates import Isolate
from joelclaw.errors import AppRefused
from joelclaw.isolate.messages import Load
from tests.engine.engines import PATIENCE_S, App, Viewer, kill, play, until_there, within_patience

COUNT = "    return ctx.db.query(Note.by_room, room=room).count()\n\n\n@query(allow=anyone)\ndef mine"


def test_new_code_answers_from_the_deploy_on(tmp_path: Path) -> None:
    """Callers and subscribers, all at once; connections stay."""

    async def scene(app: App) -> None:
        viewer = Viewer(app)
        viewer.subscribe(("notes:version", {}), ("notes:count", {"room": "a"}))
        await viewer.sees(1, 0)
        app.rewrite("VERSION = 1\n", "VERSION = 2\n")
        await app.deploy()
        assert await app.query("notes:version") == 2
        await viewer.sees(2, 0)
        await app.mutate("notes:add", room="a", text="x")
        await viewer.sees(2, 1)

    play(scene, tmp_path)


def test_a_view_never_mixes_versions(tmp_path: Path) -> None:
    """Two queries that tell their version change together, while writes keep rounds going."""

    async def scene(app: App) -> None:
        app.rewrite(COUNT, COUNT.replace("count()", "count() * 0 + VERSION"))
        await app.deploy()
        viewers = [Viewer(app) for _ in range(3)]
        for viewer in viewers:
            viewer.subscribe(("notes:count", {"room": "a"}), ("notes:version", {}))
        writes = [asyncio.create_task(load(app, "a", 60)) for _ in range(3)]
        for version in (2, 3, 4):
            app.rewrite(f"VERSION = {version - 1}\n", f"VERSION = {version}\n")
            await app.deploy()
        await asyncio.gather(*writes)
        for viewer in viewers:
            await viewer.sees(4, 4)
            assert all(values[0] == values[1] for _, values in viewer.history)

    play(scene, tmp_path, readers=2)


async def load(app: App, room: str, count: int) -> None:
    for number in range(count):
        await app.mutate("notes:add", room=room, text=f"{number:03}")
        await app.query("notes:count", room=room)


def test_no_call_is_lost_in_a_deploy(tmp_path: Path) -> None:
    """Mutations in order, queries, actions: all that were asked for while lanes are swapped are answered."""

    async def scene(app: App) -> None:
        viewer = Viewer(app)
        viewer.subscribe(("notes:texts", {"room": "a"}))
        others = [asyncio.create_task(load(app, "b", 40)) for _ in range(4)]
        actions = [asyncio.create_task(app.act("faults:addAndCount", room=f"r{n}")) for n in range(5)]
        sent = 0
        for _ in range(3):
            deploy = asyncio.create_task(app.deploy())
            while not deploy.done():
                viewer.mutate("notes:add", room="a", text=f"{sent:04}", call_id=str(sent))
                sent += 1
                await viewer.answered(sent)
            await deploy
        await asyncio.gather(*others)
        assert all(outcome.failure is None for _, outcome in viewer.responses)
        assert [name for name, _ in viewer.responses] == [str(number) for number in range(sent)]
        await viewer.sees([f"{number:04}" for number in range(sent)])
        assert [outcome.value for outcome in await asyncio.gather(*actions)] == [b"1"] * 5

    play(scene, tmp_path)


def test_broken_code_changes_nothing(tmp_path: Path) -> None:
    """It is refused with the place; the old code keeps answering, subscribers see nothing of it."""

    async def scene(app: App) -> None:
        viewer = Viewer(app)
        viewer.subscribe(("notes:version", {}))
        await viewer.sees(1)
        app.rewrite("VERSION = 1\n", "VERSION = 2 +\n")
        with pytest.raises(AppRefused) as refused:
            await app.deploy()
        assert refused.value.problems[0].place.file == "app_functions/notes.py"
        assert await app.query("notes:version") == 1
        await app.mutate("notes:add", room="a", text="x")
        assert len(viewer.history) == 1
        app.rewrite("VERSION = 2 +\n", "VERSION = 2\n")
        await app.deploy()
        await viewer.sees(2)

    play(scene, tmp_path)


def test_documents_that_do_not_fit_refuse_the_schema(tmp_path: Path) -> None:
    """Writes go on under the old one, also those that waited during the attempt."""

    async def scene(app: App) -> None:
        await app.mutate("notes:add", room="a", text="x")
        app.rewrite("    text: str\n", "    text: int\n", "schema.py")
        attempt = asyncio.create_task(app.deploy())
        writes = [asyncio.create_task(load(app, "a", 20)) for _ in range(2)]
        with pytest.raises(AppRefused):
            await attempt
        await asyncio.gather(*writes)
        assert await app.query("notes:count", room="a") == 41

    play(scene, tmp_path)


def test_an_action_finishes_on_its_code(tmp_path: Path) -> None:
    """The process it runs in stays until then; the next action runs on the new code."""

    async def scene(app: App) -> None:
        old = asyncio.create_task(app.act("faults:waitForFile", file=str(tmp_path / "go")))
        await until_there(tmp_path / "go.begun")
        app.rewrite("VERSION = 1\n", "VERSION = 2\n", "app_functions/faults.py")
        await app.deploy()
        new = asyncio.create_task(app.act("faults:waitForFile", file=str(tmp_path / "go")))
        (tmp_path / "go").touch()
        assert [(await old).value, (await new).value] == [b"1", b"2"]

    play(scene, tmp_path)


@pytest.mark.parametrize("role", ["reader", "actor", "writer"])
def test_a_process_that_was_started_for_old_code_joins_no_new_release(tmp_path: Path, role: str) -> None:
    """One dies, and a deploy is faster than its successor's start: only new code answers then."""

    async def scene(app: App) -> None:
        spawned = asyncio.Event()
        release = app.engine.release
        assert release is not None
        spawn, gate = release.spawn, asyncio.Event()

        async def late(role: Any) -> Isolate:
            isolate = await spawn(role)
            spawned.set()
            await gate.wait()
            return isolate

        release.spawn = late  # type: ignore[method-assign]
        kill(await pid_of[role](app))
        await within_patience("the successor's start", spawned.wait())
        app.rewrite("VERSION = 1\n", "VERSION = 2\n")
        app.rewrite("VERSION = 1\n", "VERSION = 2\n", "app_functions/faults.py")
        await app.deploy()
        gate.set()
        for number in range(20):
            assert await app.mutate("notes:increment", name="n") == number + 1
            await app.mutate("notes:add", room="a", text=str(number))
            assert await app.query("notes:version") == 2
            assert (await app.act("faults:version")).value == b"2"

    play(scene, tmp_path)


async def reader_pid(app: App) -> int:
    return int(await app.query("faults:pid"))


async def writer_pid(app: App) -> int:
    return int(await app.mutate("faults:writerPid"))


async def actor_pid(app: App) -> int:
    return int((await app.act("faults:actorPid")).value)


pid_of: dict[str, Callable[[App], Awaitable[int]]] = {"reader": reader_pid, "writer": writer_pid, "actor": actor_pid}


Turn = Callable[[App, Crew], Awaitable[object]]
"""What a crew may be mustered for."""


def installed(app: App, crew: Crew) -> Awaitable[object]:
    return app.engine.install(crew)


def tried_out(app: App, crew: Crew) -> Awaitable[object]:
    return app.engine.try_out(crew)


@pytest.mark.parametrize("turn", [installed, tried_out])
def test_who_gives_up_waiting_for_a_turn_leaves_no_process(tmp_path: Path, turn: Turn) -> None:
    """A deploy, or a trial of one, that is cancelled while another has its turn ends what it has started."""

    async def scene(app: App) -> None:
        async with taking_a_turn(app):
            crew = await mustered(app)
            await given_up(turn(app, crew))
            assert alive(crew) == []
        assert await app.query("notes:version") == 1

    play(scene, tmp_path)


def test_a_renewal_that_gives_up_waiting_leaves_no_process(tmp_path: Path) -> None:
    """So does the end of an import, which starts its processes itself."""

    async def scene(app: App) -> None:
        crews: list[Crew] = []
        there = asyncio.Event()
        muster = app.engine.muster

        async def seen(load: Load) -> Crew:
            crews.append(await muster(load))
            there.set()
            return crews[-1]

        async def change() -> bool:
            pytest.fail("it had its turn")

        async with taking_a_turn(app):
            app.engine.muster = seen  # type: ignore[method-assign]
            renewal = asyncio.ensure_future(app.engine.renew(change))
            await within_patience("a crew", there.wait())
            await given_up(renewal)
            assert alive(crews[0]) == []

    play(scene, tmp_path)


@pytest.mark.parametrize("turn", [installed, tried_out])
def test_who_gives_up_lets_mutations_go_on(tmp_path: Path, turn: Turn) -> None:
    """A deploy that is cancelled while it waits for a running mutation does not keep those that follow."""

    async def scene(app: App) -> None:
        crew = await mustered(app)
        writer = await writer_pid(app)
        os.kill(writer, signal.SIGSTOP)
        running = asyncio.create_task(app.mutate("notes:increment", name="n"))
        await asyncio.sleep(0)  # It is the writer's now.
        await given_up(turn(app, crew))
        os.kill(writer, signal.SIGCONT)
        assert await running == 1
        assert await app.mutate("notes:increment", name="n") == 2
        assert alive(crew) == []

    play(scene, tmp_path, wall_s=PATIENCE_S)  # However slow: nobody ends the stopped writer for its silence.


@asynccontextmanager
async def taking_a_turn(app: App) -> AsyncIterator[None]:
    """Somebody has the database for himself, and changes nothing."""
    begun, done = asyncio.Event(), asyncio.Event()

    async def change() -> bool:
        begun.set()
        await done.wait()
        return False

    holder = asyncio.create_task(app.engine.renew(change))
    await within_patience("a turn", begun.wait())
    yield
    done.set()
    await within_patience("the end of a turn", holder)


async def given_up(work: Awaitable[object]) -> None:
    """Begin it, up to where it waits, and cancel it."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within_patience("the end of what was cancelled", task)


async def mustered(app: App) -> Crew:
    """A crew for the code that serves."""
    assert app.engine.release is not None
    return await within_patience("a crew", app.engine.muster(app.engine.release.load))


def alive(crew: Crew) -> list[int]:
    """The processes of a crew that are there."""
    return [one.pid for one in (crew.writer, *crew.readers, crew.actor) if is_there(one.pid)]


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
