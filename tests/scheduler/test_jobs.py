"""Jobs with real isolates: they run by themselves, once, whatever dies meanwhile."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random, getrandbits
from typing import Any

import pytest

from joelclaw.engine.runs import Caller, OngoingRun, RunKind
from joelclaw.functions.calls import Failure, Outcome
from joelclaw.scheduler import jobs as scheduler_jobs
from joelclaw.scheduler.jobs import Jobs
from tests.engine.engines import App, Viewer, kill, play, value_of, within_patience
from tests.scheduler.fixtures import at_work, write

ROOT = Path(__file__).parents[2]

FILES = {
    "schema.py": """
        from joelclaw import Table, index

        class Note(Table):
            __table__ = "notes"
            text: str
            by_text = index("text")
        """,
    "app_functions/f.py": """
        import asyncio
        import ctypes
        import os
        import signal
        from typing import Any
        from joelclaw import *
        from schema import Note

        @mutation(allow=anyone)
        def write(ctx: MutationCtx, text: str) -> None:
            ctx.db.insert(Note(text=text))

        @mutation(allow=anyone)
        def later(ctx: MutationCtx, text: str, delay: str = "0s", count: int = 1) -> Id[ScheduledJob]:
            for _ in range(count):
                job = ctx.scheduler.run_after(delay, write, text=text)
            return job

        @query(allow=anyone)
        def texts(ctx: QueryCtx) -> list[str]:
            return [note.text for note in ctx.db.query(Note)]

        @query(allow=anyone)
        def count(ctx: QueryCtx, text: str) -> int:
            return ctx.db.query(Note.by_text, text=text).count()

        @query(allow=anyone)
        def states(ctx: QueryCtx) -> list[str]:
            return [job.state.kind for job in ctx.db.query(ScheduledJob)]

        @query(allow=anyone)
        def jobs(ctx: QueryCtx) -> list[ScheduledJob]:
            return ctx.db.query(ScheduledJob).collect()

        @query(allow=anyone)
        def begun(ctx: QueryCtx) -> bool:
            return ctx.db.query(Note).first() is not None

        @query(allow=anyone)
        def first(ctx: QueryCtx, count: int) -> list[str]:
            return [note.text for note in ctx.db.query(Note).take(count)]

        @query(allow=anyone)
        def pending(ctx: QueryCtx) -> bool:
            jobs = ctx.db.query(ScheduledJob).order("desc").take(1_000)
            return any(job.state.kind == "pending" for job in jobs)

        @mutation(allow=anyone)
        def pid(ctx: MutationCtx) -> int:
            return os.getpid()

        @action(allow=anyone)
        async def die(ctx: ActionCtx) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        @action
        async def work(ctx: ActionCtx, text: str) -> None:
            await ctx.run_mutation(write, text=text)
            await ctx.run_mutation(write, text=text + " done")

        @action(retry=Retry(attempts=3, backoff="10ms"))
        async def suicide(ctx: ActionCtx) -> None:
            if await ctx.run_mutation(once):
                os.kill(os.getpid(), signal.SIGKILL)

        @mutation
        def once(ctx: MutationCtx) -> bool:
            if ctx.db.query(Note).first() is not None:
                return False
            ctx.db.insert(Note(text="once"))
            return True

        @mutation(allow=anyone)
        def suicide_later(ctx: MutationCtx) -> None:
            ctx.scheduler.run_after("0s", suicide)

        @mutation
        def poison(ctx: MutationCtx, text: str) -> None:
            ctx.db.insert(Note(text=text))
            ctypes.string_at(0)

        @mutation(allow=anyone)
        def poison_later(ctx: MutationCtx, text: str) -> None:
            ctx.scheduler.run_after("0s", poison, text)

        @mutation
        def slow(ctx: MutationCtx, text: str) -> None:
            ctx.db.insert(Note(text=text))
            while True:
                pass

        @mutation(allow=anyone)
        def slow_later(ctx: MutationCtx, text: str) -> None:
            ctx.scheduler.run_after("0s", slow, text)

        @query
        def my_job(ctx: QueryCtx) -> Id[ScheduledJob]:
            return ctx.db.query(ScheduledJob).collect()[0].id

        @action
        async def cancels_itself(ctx: ActionCtx) -> None:
            await ctx.scheduler.cancel(await ctx.run_query(my_job))
            await ctx.scheduler.run_after("0s", write, text="child")
            await ctx.run_mutation(later, text="grandchild")
            await ctx.run_mutation(write, text="went on")

        @mutation(allow=anyone)
        def cancels_itself_later(ctx: MutationCtx) -> None:
            ctx.scheduler.run_after("0s", cancels_itself)

        @action(allow=anyone)
        async def waits(ctx: ActionCtx, text: str) -> int:
            await ctx.scheduler.run_after("1ms", write, text=text)
            while not (found := await ctx.run_query(count, text=text)):
                await asyncio.sleep(0)
            return found

        @mutation
        def refuse(ctx: MutationCtx) -> None:
            raise AppError({"why": "full"})

        @action
        async def catches(ctx: ActionCtx) -> None:
            try:
                await ctx.run_mutation(refuse)
            except AppError as error:
                await ctx.run_mutation(write, text=error.data["why"])

        @mutation(allow=anyone)
        def catches_later(ctx: MutationCtx) -> None:
            ctx.scheduler.run_after("0s", catches)

        @mutation
        def talk(ctx: MutationCtx, fail: bool) -> None:
            print("said")
            if fail:
                raise AppError("no")

        @mutation(allow=anyone)
        def talk_later(ctx: MutationCtx, fail: bool) -> None:
            ctx.scheduler.run_after("0s", talk, fail)

        @action
        async def hang(ctx: ActionCtx) -> None:
            await asyncio.get_running_loop().create_future()

        @action(retry=Retry(attempts=3, backoff="1ms"))
        async def hang_again(ctx: ActionCtx) -> None:
            await asyncio.get_running_loop().create_future()

        @mutation(allow=anyone)
        def hang_later(ctx: MutationCtx) -> None:
            ctx.scheduler.run_after("0s", hang)
            ctx.scheduler.run_after("0s", hang_again)

        @action(allow=anyone)
        async def work_later(ctx: ActionCtx, text: str) -> Id[ScheduledJob]:
            return await ctx.scheduler.run_after("0s", work, text=text)

        @action(allow=anyone)
        async def endless(ctx: ActionCtx) -> None:
            await ctx.run_action(endless)

        @mutation(allow=anyone)
        def act_later(ctx: MutationCtx, text: str) -> Id[ScheduledJob]:
            return ctx.scheduler.run_after("0s", work, text=text)
        """,
}


@pytest.fixture(autouse=True)
def _app(tmp_path: Path) -> None:
    write(tmp_path, FILES)


def test_jobs_run_by_themselves_and_a_subscriber_sees_them_change(tmp_path: Path) -> None:
    """Due at once or soon, mutation or action; no mutation is ever seen inProgress (SCH-4, SCH-5)."""

    async def scene(app: App) -> None:
        async with at_work(Jobs(app.engine)):
            viewer = Viewer(app)
            viewer.subscribe(("f:texts", {}), ("f:states", {}))
            await app.mutate("f:later", text="a")
            await viewer.sees(["a"], ["success"])
            await app.mutate("f:later", text="b", delay="200ms")
            await viewer.sees(["a"], ["success", "pending"])
            await viewer.sees(["a", "b"], ["success", "success"])
            assert "inProgress" not in str(viewer.history)
            await app.mutate("f:actLater", text="c")
            await viewer.sees(["a", "b", "c", "c done"], ["success", "success", "success"])
            value_of(await app.act("f:workLater", text="d"))
            await viewer.sees(["a", "b", "c", "c done", "d", "d done"], ["success"] * 4)

    play(scene, tmp_path)


def test_actions_that_call_each_other_for_ever_end(tmp_path: Path) -> None:
    """The gateway hands on how deep a call is: the eighth level is the last (FN-12)."""

    async def scene(app: App) -> None:
        outcome = await app.act("f:endless")
        assert outcome.failure is not None
        assert "call depth limit exceeded" in outcome.failure.message

    play(scene, tmp_path)


def test_ten_thousand_jobs_due_at_once_leave_callers_their_turn(tmp_path: Path) -> None:
    """Ten callers, one after another, are served long before the last of 10,000 jobs; each job runs once."""
    total = 10_000

    async def scene(app: App) -> None:
        for _ in range(total // 1_000):
            await app.mutate("f:later", text="job", count=1_000)
        async with at_work(Jobs(app.engine)):
            viewer = Viewer(app)
            viewer.subscribe(("f:begun", {}))
            await viewer.sees(True)
            for n in range(10):
                await app.mutate("f:write", text=f"caller {n}")
            texts = await app.query("f:first", count=total // 2)
            assert "caller 9" in texts
            viewer.subscribe(("f:pending", {}))
            await viewer.sees(True, False)
        assert await app.query("f:count", text="job") == total

    play(scene, tmp_path)


def kinds(view: dict[int, Any]) -> list[str]:
    """What the first query of a viewer, `f:states`, says."""
    states: list[str] = view.get(0, [])
    return states


def are_over(viewer: Viewer) -> bool:
    states = kinds(viewer.values())
    return bool(states) and not {"pending", "inProgress"} & set(states)


def test_a_writer_that_is_killed_again_and_again_loses_no_job_and_runs_none_twice(tmp_path: Path) -> None:
    """Mutation jobs, whenever their process is killed, run exactly once (SCH-12, SCH-22)."""
    rng = seeded()

    async def scene(app: App) -> None:
        for n in range(120):
            await app.mutate("f:later", text=str(n))
        async with at_work(Jobs(app.engine)):
            viewer = Viewer(app)
            viewer.subscribe(("f:states", {}))
            for _ in range(6):
                pid = await app.mutate("f:pid")
                seen = len(viewer.history) + rng.randrange(3)
                await viewer.until("progress", lambda one, seen=seen: len(one.history) > seen or are_over(one))  # type: ignore[misc]
                kill(pid)
            await viewer.until("the end of all jobs", are_over)
        assert set(kinds(viewer.values())) == {"success"}
        assert sorted(await app.query("f:texts"), key=int) == [str(n) for n in range(120)]

    play(scene, tmp_path)


def test_an_actor_that_is_killed_fails_its_jobs_and_runs_none_twice(tmp_path: Path) -> None:
    """Action jobs begin at most once; each ends as success, or as failed if it was cut off (SCH-12)."""
    rng = seeded()

    async def scene(app: App) -> None:
        for n in range(150):
            await app.mutate("f:actLater", text=str(n))
        async with at_work(Jobs(app.engine)):
            viewer = Viewer(app)
            viewer.subscribe(("f:states", {}))
            for _ in range(4):
                seen = len(viewer.history) + rng.randrange(4)
                await viewer.until("progress", lambda one, seen=seen: len(one.history) > seen or are_over(one))  # type: ignore[misc]
                await app.act("f:die")
            await viewer.until("the end of all jobs", are_over)
        assert_at_most_once(await app.query("f:texts"), await app.query("f:jobs"))

    play(scene, tmp_path)


def test_a_retried_action_survives_the_death_of_its_process(tmp_path: Path) -> None:
    """The first attempt is cut off, and says so; the second one succeeds."""

    async def scene(app: App) -> None:
        async with at_work(Jobs(app.engine)):
            viewer = Viewer(app)
            viewer.subscribe(("f:states", {}))
            await app.mutate("f:suicideLater")
            await viewer.sees(["success"])
        [job] = await app.query("f:jobs")
        first, second = job["attempts"]
        assert "The process that ran this action ended before it answered" in first["error"]
        assert "error" not in second
        assert second["startedAt"] > first["endedAt"]

    play(scene, tmp_path)


def test_a_job_that_ends_its_process_fails_alone(tmp_path: Path) -> None:
    """It does not come again, and those around it succeed; so does one that is over its time."""

    async def scene(app: App) -> None:
        for path in ("f:later", "f:poisonLater", "f:later", "f:slowLater", "f:later"):
            await app.mutate(path, text="x")
        async with at_work(Jobs(app.engine)):
            viewer = Viewer(app)
            viewer.subscribe(("f:states", {}))
            await viewer.sees(["success", "failed", "success", "failed", "success"])
        poison, slow = (job["state"]["error"] for job in await app.query("f:jobs") if job["state"]["kind"] == "failed")
        assert "The process that ran this mutation ended before it answered" in poison
        assert "timed out" in slow
        assert await app.query("f:texts") == ["x", "x", "x"]

    play(scene, tmp_path, wall_s=2.0)


def test_a_canceled_action_schedules_nothing_any_more(tmp_path: Path) -> None:
    """It goes on, but its children are canceled from the start, those of its mutations too (SCH-8, SCH-9)."""

    async def scene(app: App) -> None:
        async with at_work(Jobs(app.engine)):
            viewer = Viewer(app)
            viewer.subscribe(("f:states", {}), ("f:texts", {}))
            await app.mutate("f:cancelsItselfLater")
            await viewer.sees(["canceled", "canceled", "canceled"], ["went on"])

    play(scene, tmp_path)


def test_an_action_waits_for_what_it_has_scheduled(tmp_path: Path) -> None:
    """It polls until the effect of a mutation shows, and nothing stands still meanwhile (SCH-16)."""

    async def scene(app: App) -> None:
        async with at_work(Jobs(app.engine)):
            assert value_of(await app.act("f:waits", text="effect")) == 1

    play(scene, tmp_path)


def test_a_scheduled_action_catches_an_app_error(tmp_path: Path) -> None:
    """And acts on its data; the job has not failed (ERR-10)."""

    async def scene(app: App) -> None:
        async with at_work(Jobs(app.engine)):
            viewer = Viewer(app)
            viewer.subscribe(("f:states", {}), ("f:texts", {}))
            await app.mutate("f:catchesLater")
            await viewer.sees(["success"], ["full"])

    play(scene, tmp_path)


def test_what_fails_for_a_reason_that_passes_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, or too many actions, is not the job's fault: it waits, and runs once."""
    monkeypatch.setattr(scheduler_jobs, "RETRY_S", 0.0)

    async def scene(app: App) -> None:
        failing = FailingOnce(app, monkeypatch)
        async with at_work(Jobs(app.engine)):
            viewer = Viewer(app)
            viewer.subscribe(("f:states", {}))
            await app.mutate("f:later", text="mutation")
            await viewer.sees(["success"])
            await app.mutate("f:actLater", text="action")
            await viewer.sees(["success", "success"])
        assert failing.failed == ["_system/jobs:run", "_system/jobs:claim", "f:work", "_system/jobs:end"]
        assert await app.query("f:texts") == ["mutation", "action", "action done"]

    play(scene, tmp_path)


class FailingOnce:
    """The first call of each function for a job fails: there is no room on the disk, or for actions."""

    def __init__(self, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failed: list[str] = []
        engine = app.engine
        mutate, act = engine.mutate, engine.act
        paths = {"_system/jobs:run", "_system/jobs:claim", "_system/jobs:end", "f:work"}

        async def failing(
            call: Callable[..., Awaitable[Outcome]], code: str, path: str, *args: Any, **options: Any
        ) -> Outcome:
            if path in paths:
                paths.remove(path)
                self.failed.append(path)
                return Outcome(failure=Failure(message="not now", code=code))
            return await call(path, *args, **options)

        monkeypatch.setattr(engine, "mutate", partial(failing, mutate, "store_full"))
        monkeypatch.setattr(engine, "act", partial(failing, act, "too_many_actions"))


class RunLog:
    """Remembers what it is told of runs."""

    quiet_queries = False

    def __init__(self) -> None:
        self.runs: list[tuple[str, str, str, list[str], str | None]] = []

    def ran(self, kind: RunKind, path: str, request_id: str, caller: Caller, outcome: Outcome, /) -> None:
        assert re.fullmatch("[0-9a-f]{16}", request_id) or caller != "Scheduler"
        failure = outcome.failure
        self.runs.append((kind, path, caller, outcome.log_lines, None if failure is None else failure.code))

    def begin(self, kind: RunKind, path: str, request_id: str, caller: Caller, /) -> OngoingRun:
        return RunOfLog(lambda outcome: self.ran(kind, path, request_id, caller, outcome))

    def of_jobs(self) -> list[tuple[str, str, str, list[str], str | None]]:
        return [run for run in self.runs if run[2] == "Scheduler" and not run[1].startswith("_system/")]


class RunOfLog:
    def __init__(self, ended: Callable[[Outcome], None]) -> None:
        self.ended = ended

    def logged(self, lines: Sequence[str], /) -> None: ...

    def answered(self, status: int, /) -> None: ...


def test_runs_of_jobs_are_logged_as_those_of_their_functions(tmp_path: Path) -> None:
    """Each once, with its lines and its failure, mutations and actions alike."""

    async def scene(app: App) -> None:
        runs = RunLog()
        app.engine.record(runs)
        async with at_work(Jobs(app.engine)):
            viewer = Viewer(app)
            viewer.subscribe(("f:states", {}))
            await app.mutate("f:talkLater", fail=False)
            await viewer.sees(["success"])
            await app.mutate("f:talkLater", fail=True)
            await viewer.sees(["success", "failed"])
            await app.mutate("f:slowLater", text="x")
            await viewer.sees(["success", "failed", "failed"])
            await app.mutate("f:actLater", text="y")
            await viewer.sees(["success", "failed", "failed", "success"])
        said = "[LOG] said"
        assert runs.of_jobs() == [
            ("mutation", "f:talk", "Scheduler", [said], None),
            ("mutation", "f:talk", "Scheduler", [said], "app_error"),
            ("mutation", "f:slow", "Scheduler", [], "function_timed_out"),
            ("action", "f:work", "Scheduler", [], None),
        ]

    play(scene, tmp_path, wall_s=2.0)


def test_a_deploy_that_removes_a_function_fails_its_jobs(tmp_path: Path) -> None:
    """With a sentence that names it; jobs of what is left run on the new code (SCH-19)."""

    async def scene(app: App) -> None:
        await app.mutate("f:later", text="old", delay="1ms")
        await app.mutate("f:actLater", text="acted")
        app.rewrite("async def work(", "async def renamed(", file="app_functions/f.py")
        app.rewrite('"0s", work,', '"0s", renamed,', file="app_functions/f.py")
        app.rewrite(
            "insert(Note(text=text))", 'insert(Note(text=text + ", run by new code"))', file="app_functions/f.py"
        )
        await app.deploy()
        async with at_work(Jobs(app.engine)):
            viewer = Viewer(app)
            viewer.subscribe(("f:states", {}))
            await viewer.until("the end of all jobs", are_over)
        old, acted = await app.query("f:jobs")
        assert old["state"] == {"kind": "success"}
        assert "nonexistent path: f:work. A deploy has removed" in acted["state"]["error"]
        assert await app.query("f:texts") == ["old, run by new code"]

    play(scene, tmp_path)


def test_stopping_begins_nothing_and_writes_down_how_it_ended(tmp_path: Path) -> None:
    """An action that does not end in time has failed, and says why, or is tried again at the next start (SCH-22)."""

    async def stopped(app: App) -> None:
        app.engine.limit(replace(app.engine.limits, action_drain_s=0.0))
        async with at_work(Jobs(app.engine)):
            viewer = Viewer(app)
            viewer.subscribe(("f:states", {}))
            await app.mutate("f:hangLater")
            await viewer.sees(["inProgress", "inProgress"])
        await viewer.sees(["failed", "pending"])
        await app.mutate("f:later", text="after")
        failed, retried, _ = await app.query("f:jobs")
        assert "The server is shutting down" in failed["state"]["error"]
        assert len(retried["attempts"]) == 1

    async def started(app: App) -> None:
        async with at_work(Jobs(app.engine)):
            viewer = Viewer(app)
            viewer.subscribe(("f:states", {}))
            await viewer.until(
                "the next attempt", lambda one: kinds(one.values()) == ["failed", "inProgress", "success"]
            )
            app.engine.limit(replace(app.engine.limits, action_drain_s=0.0))

    play(stopped, tmp_path)
    play(started, tmp_path)


def assert_at_most_once(texts: list[str], jobs: list[dict[str, Any]]) -> None:
    """Each action has begun once at most, and what it has done agrees with what its job says."""
    assert len(texts) == len(set(texts)), "an action began twice"
    for job in jobs:
        text, state = job["args"][0]["text"], job["state"]
        if state["kind"] == "success":
            assert f"{text} done" in texts
        else:
            assert state["kind"] == "failed"
            assert "ended before" in state["error"] or "cut off" in state["error"]


def seeded() -> Random:
    seed = getrandbits(32)
    print(f"seed: {seed}")
    return Random(seed)


def test_a_gateway_that_is_killed_again_and_again_loses_no_job_and_runs_none_twice(tmp_path: Path) -> None:
    """SIGKILL at any moment: mutations run exactly once, actions at most once (SCH-12, SCH-22)."""
    rng = seeded()

    async def before(app: App) -> None:
        for n in range(100):
            await app.mutate("f:later", text=f"mutation {n}")
            await app.mutate("f:actLater", text=f"action {n}")

    async def after(app: App) -> None:
        async with at_work(Jobs(app.engine)):
            viewer = Viewer(app)
            viewer.subscribe(("f:states", {}))
            await viewer.until("the end of all jobs", are_over)
        texts, jobs = await app.query("f:texts"), await app.query("f:jobs")
        assert len(jobs) == 200
        assert_at_most_once(texts, [job for job in jobs if job["name"] == "f:work"])
        assert {job["state"]["kind"] for job in jobs if job["name"] == "f:write"} == {"success"}
        written = [text for text in texts if text.startswith("mutation")]
        assert sorted(written) == sorted(f"mutation {n}" for n in range(100))

    play(before, tmp_path)
    for _ in range(3):
        asyncio.run(kill_gateway(tmp_path, after=rng.randrange(1, 6)))
    play(after, tmp_path)


async def kill_gateway(folder: Path, *, after: int) -> None:
    """Serve in a process of its own, and kill that when the jobs have changed so many times."""
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.scheduler.gateway", str(folder), stdout=subprocess.PIPE, cwd=ROOT
    )
    assert gateway.stdout is not None
    try:
        for _ in range(after):
            if not await within_patience("progress", gateway.stdout.readline()):
                break
    finally:
        gateway.kill()
        await within_patience("the end of the gateway", gateway.wait())
