"""Jobs with real isolates: they run by themselves, once, whatever dies meanwhile."""

from pathlib import Path

import pytest

from joelclaw.scheduler.jobs import Jobs
from tests.engine.engines import App, Viewer, play, value_of
from tests.scheduler.fixtures import at_work, write

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

        @action
        async def work(ctx: ActionCtx, text: str) -> None:
            await ctx.run_mutation(write, text=text)

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
            await viewer.sees(["a", "b", "c"], ["success", "success", "success"])
            value_of(await app.act("f:workLater", text="d"))
            await viewer.sees(["a", "b", "c", "d"], ["success"] * 4)

    play(scene, tmp_path)


def test_actions_that_call_each_other_for_ever_end(tmp_path: Path) -> None:
    """The gateway hands on how deep a call is: the eighth level is the last (FN-12)."""

    async def scene(app: App) -> None:
        outcome = await app.act("f:endless")
        assert outcome.failure is not None
        assert "call depth limit exceeded" in outcome.failure.message

    play(scene, tmp_path)
