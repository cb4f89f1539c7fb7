"""Deploys under load: no call is lost, no view mixes two versions of the code, and broken code changes nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from joelclaw.engine.isolates import Isolate
from joelclaw.errors import AppRefused
from tests.engine.engines import App, Viewer, kill, play, until_there, within_patience

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
