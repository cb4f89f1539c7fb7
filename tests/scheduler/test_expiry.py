"""Sweeping with real isolates: documents go by themselves, and nobody waits for it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import SystemCallFailed
from joelclaw.scheduler import expiry
from joelclaw.scheduler.expiry import SWEEP, Expiry
from joelclaw.system.expiry import SWEPT_AT_ONCE
from tests.engine.engines import App, Viewer, play, within_patience
from tests.scheduler.fixtures import at_work, write

FILES = {
    "schema.py": """
        from joelclaw import Table

        class Typing(Table, expires_at="until"):
            __table__ = "typing"
            who: str
            until: float
        """,
    "app_functions/typing_now.py": """
        from joelclaw import *
        from schema import Typing

        @mutation(allow=anyone)
        def add(ctx: MutationCtx, who: str, for_ms: float, count: int = 1) -> None:
            for _ in range(count):
                ctx.db.insert(Typing(who=who, until=ctx.now() + for_ms))

        @query(allow=anyone)
        def names(ctx: QueryCtx) -> list[str]:
            return [one.who for one in ctx.db.query(Typing)]

        @query(allow=anyone)
        def count(ctx: QueryCtx) -> int:
            return ctx.db.query(Typing).count()
        """,
}


@pytest.fixture(autouse=True)
def _app(tmp_path: Path) -> None:
    write(tmp_path, FILES)


def test_a_document_goes_by_itself_and_live_queries_are_told(tmp_path: Path) -> None:
    """A subscriber of a table sees a document go at its instant, with nobody asking and nothing polled."""

    async def scene(app: App) -> None:
        async with at_work(Expiry(SystemCalls(app.engine))):
            viewer = Viewer(app)
            viewer.subscribe(("typingNow:names", {}))
            await app.mutate("typingNow:add", who="late", forMs=1e9)
            await app.mutate("typingNow:add", who="ann", forMs=300)
            await viewer.sees(["late", "ann"])
            await viewer.sees(["late"])

    play(scene, tmp_path)


def test_what_expired_while_nobody_served_is_swept_at_the_next_start(tmp_path: Path) -> None:
    """Nothing is remembered outside the database: a new process finds what the old one has not removed."""

    async def before(app: App) -> None:
        await app.mutate("typingNow:add", who="ann", forMs=-1, count=3 * SWEPT_AT_ONCE)

    async def after(app: App) -> None:
        viewer = Viewer(app)
        viewer.subscribe(("typingNow:count", {}))
        await viewer.sees(3 * SWEPT_AT_ONCE)
        async with at_work(Expiry(SystemCalls(app.engine))):
            await viewer.sees(0)

    play(before, tmp_path)
    play(after, tmp_path)


def test_callers_are_served_while_much_is_swept(tmp_path: Path) -> None:
    """A mutation is answered between two steps of a sweep, long before the sweep is over."""

    async def scene(app: App) -> None:
        await app.mutate("typingNow:add", who="ann", forMs=-1, count=40 * SWEPT_AT_ONCE)
        async with at_work(Expiry(SystemCalls(app.engine))):
            viewer = Viewer(app)
            viewer.subscribe(("typingNow:count", {}))
            await viewer.until("a first step", lambda one: bool(one.view) and one.values()[0] < 40 * SWEPT_AT_ONCE)
            await app.mutate("typingNow:add", who="bob", forMs=1e9)
            assert await app.query("typingNow:count") > 20 * SWEPT_AT_ONCE
            await viewer.sees(1)

    play(scene, tmp_path)


def test_a_deploy_does_not_end_the_sweeping(tmp_path: Path) -> None:
    """A table that begins to expire with new code is swept by the service that runs already."""

    async def scene(app: App) -> None:
        app.rewrite(', expires_at="until"', "", file="schema.py")
        await app.deploy()
        await app.mutate("typingNow:add", who="ann", forMs=-1)
        async with at_work(Expiry(SystemCalls(app.engine))):
            viewer = Viewer(app)
            viewer.subscribe(("typingNow:names", {}))
            await viewer.sees(["ann"])
            app.rewrite("(Table)", '(Table, expires_at="until")', file="schema.py")
            await app.deploy()
            await viewer.sees([])

    play(scene, tmp_path)


class FailingOnce(SystemCalls):
    """The first sweep finds the disk full."""

    def __init__(self, app: App) -> None:
        super().__init__(app.engine)
        self.failed = asyncio.Event()

    async def tell(self, path: str, **arguments: Any) -> Any:
        if path == SWEEP and not self.failed.is_set():
            self.failed.set()
            raise SystemCallFailed(path, "the disk is full")
        return await super().tell(path, **arguments)


def test_a_sweep_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk stops no service: what could not be removed is, when it can."""
    monkeypatch.setattr(expiry, "RETRY_S", 0.0)

    async def scene(app: App) -> None:
        await app.mutate("typingNow:add", who="ann", forMs=-1)
        system = FailingOnce(app)
        async with at_work(Expiry(system)):
            await within_patience("the failure", system.failed.wait())
            viewer = Viewer(app)
            viewer.subscribe(("typingNow:names", {}))
            await viewer.sees([])

    play(scene, tmp_path)
