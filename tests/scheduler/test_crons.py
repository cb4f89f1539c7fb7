"""Crons with real isolates: they run by themselves, over deploys and restarts, and whatever is killed."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import SystemCallFailed
from joelclaw.scheduler import crons
from joelclaw.scheduler.crons import START, Crons
from joelclaw.scheduler.jobs import Jobs
from tests.engine.engines import App, Viewer, kill, play, within_patience
from tests.scheduler.fixtures import at_work, write

ROOT = Path(__file__).parents[2]

FILES = {
    "schema.py": """
        from joelclaw import Table

        class Run(Table):
            __table__ = "runs"
            what: str
        """,
    "app_functions/clocks.py": """
        import os
        from joelclaw import *
        from schema import Run

        @mutation(allow=anyone)
        def writer_pid(ctx: MutationCtx) -> int:
            return os.getpid()

        @cron(every="1h")
        @mutation
        def hourly(ctx: MutationCtx) -> None:
            ctx.db.insert(Run(what="hourly"))

        @query(allow=anyone)
        def runs(ctx: QueryCtx) -> list[str]:
            return [run.what for run in ctx.db.query(Run)]

        @mutation(allow=anyone)
        def note(ctx: MutationCtx, what: str = "noted") -> None:
            ctx.db.insert(Run(what=what))

        @action
        async def failing(ctx: ActionCtx) -> None:
            await ctx.run_mutation(note)
            raise ValueError("no such room")
        """,
}


@pytest.fixture(autouse=True)
def _app(tmp_path: Path) -> None:
    write(tmp_path, FILES)


@asynccontextmanager
async def serving(app: App, system: SystemCalls | None = None) -> AsyncIterator[SystemCalls]:
    """Crons and jobs at work."""
    system = system or SystemCalls(app.engine)
    async with at_work(Jobs(app.engine)), at_work(Crons(system, app.engine.clock)):
        yield system


async def ended(app: App, count: int) -> list[dict[str, Any]]:
    """So many runs, when they are over, oldest first."""
    watch = SystemCalls(app.engine).watch("_system/crons:history", name=None, limit=50)
    while True:
        history: list[dict[str, Any]] = await within_patience(f"{count} runs", watch.changed())
        if len(history) >= count and all(run["outcome"] != "running" for run in history):
            watch.close()
            return history[::-1]


def test_a_cron_runs_by_itself(tmp_path: Path) -> None:
    """A deploy is enough: the run is made, its end is written down, and a live query shows what it did."""

    async def scene(app: App) -> None:
        async with serving(app) as system:
            viewer = Viewer(app)
            viewer.subscribe(("clocks:runs", {}))
            await viewer.sees(["hourly"])
            [run] = await ended(app, 1)
            assert (run["cron"], run["outcome"]) == ("clocks.hourly", "success")
            [listed] = await system.ask("_system/crons:list")
            assert listed["nextAt"] == run["dueAt"] + 3_600_000

    play(scene, tmp_path)


def test_the_clock_starts_runs(tmp_path: Path) -> None:
    """An interval of a second ticks with nobody asking, and each tick is a run of its own."""
    write(tmp_path, {**FILES, "app_functions/clocks.py": FILES["app_functions/clocks.py"].replace('"1h"', '"1s"')})

    async def scene(app: App) -> None:
        async with serving(app):
            first, second = (await ended(app, 2))[:2]
            assert second["dueAt"] - first["dueAt"] == 1_000

    play(scene, tmp_path)


def test_an_action_runs_and_fails(tmp_path: Path) -> None:
    """A failing action's error is in the history; what it has done stands."""

    async def scene(app: App) -> None:
        async with serving(app) as system:
            await ended(app, 1)
            app.rewrite("@action\n", '@cron(every="2h")\n@action\n', file="app_functions/clocks.py")
            await app.deploy()
            runs = await ended(app, 2)
            assert [run["outcome"] for run in runs] == ["success", "failed"]
            assert "no such room" in runs[1]["error"]
            assert await app.query("clocks:runs") == ["hourly", "noted"]
            assert len(await system.ask("_system/crons:list")) == 2

    play(scene, tmp_path)


def test_a_deploy_that_changes_nothing_about_it_runs_nothing(tmp_path: Path) -> None:
    """Hot reload while crons run, and a restart: an interval is not begun again. A cron that goes, stops."""

    async def scene(app: App) -> None:
        async with serving(app) as system:
            [first] = await ended(app, 1)
            app.rewrite('"noted"', '"written"', file="app_functions/clocks.py")
            await app.deploy()
            await system.tell("_system/crons:plan", first=[])
            assert await system.ask("_system/crons:agenda") == {"unplanned": [], "gone": [], "due": []}
            assert await ended(app, 1) == [first]

    async def restarted(app: App) -> None:
        async with serving(app) as system:
            watch = system.watch("_system/crons:list")
            assert len(await within_patience("the list", watch.changed())) == 1
            app.rewrite('@cron(every="1h")\n', "", file="app_functions/clocks.py")
            await app.deploy()
            assert await within_patience("the list", watch.changed()) == []
            watch.close()
            assert len(await ended(app, 1)) == 1

    play(scene, tmp_path)
    play(restarted, tmp_path)


class Killing(SystemCalls):
    """The writer is killed with the first start in its hands."""

    pid = 0

    async def tell(self, path: str, **arguments: Any) -> Any:
        if path == START and self.pid:
            kill(self.pid)
            self.pid = 0
        return await super().tell(path, **arguments)


def test_a_killed_writer_costs_no_run(tmp_path: Path) -> None:
    """The writer dies when a cron is due and has not been started: it is started by the next one, once."""

    async def scene(app: App) -> None:
        system = Killing(app.engine)
        system.pid = await app.mutate("clocks:writerPid")
        async with serving(app, system):
            await ended(app, 1)
            assert system.pid == 0
            assert await app.query("clocks:runs") == ["hourly"]

    play(scene, tmp_path)


def test_a_server_that_is_killed_between_due_and_started(tmp_path: Path) -> None:
    """The whole server dies, right before a start is committed or right after: the next one makes one run of it."""
    for moment in ("before", "after"):
        folder = tmp_path / moment
        write(folder, FILES)
        done = subprocess.run([sys.executable, "-c", DYING, str(folder), moment], cwd=ROOT, timeout=60, check=False)
        assert done.returncode == -9

        async def scene(app: App) -> None:
            async with serving(app) as system:
                await ended(app, 1)
                assert await app.query("clocks:runs") == ["hourly"]
                [listed] = await system.ask("_system/crons:list")
                assert listed["last"]["outcome"] == "success"

        play(scene, folder)


DYING = """
import os, signal, sys
from pathlib import Path
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.scheduler.crons import START, Crons
from tests.engine.engines import App, play, within_patience

folder, moment = Path(sys.argv[1]), sys.argv[2]

class Dying(SystemCalls):
    async def tell(self, path, **arguments):
        if path == START and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await super().tell(path, **arguments)
        if path == START:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

async def scene(app):
    await within_patience("the end", Crons(Dying(app.engine), app.engine.clock).run())

play(scene, folder)
"""


class FailingOnce(SystemCalls):
    """The first start finds the disk full."""

    failures = 0

    async def tell(self, path: str, **arguments: Any) -> Any:
        if path == START and not self.failures:
            self.failures += 1
            raise SystemCallFailed(path, "the disk is full")
        return await super().tell(path, **arguments)


def test_a_start_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk stops no service: what could not be started is started when it can."""
    monkeypatch.setattr(crons, "RETRY_S", 0.0)

    async def scene(app: App) -> None:
        system = FailingOnce(app.engine)
        async with serving(app, system):
            [run] = await ended(app, 1)
            assert (system.failures, run["outcome"]) == (1, "success")

    play(scene, tmp_path)
