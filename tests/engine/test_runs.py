"""Runs: what the lanes tell a recorder, of whom, and under which request id."""

import asyncio
import textwrap
from collections.abc import Sequence
from pathlib import Path

from joelclaw.engine.asker import ANONYMOUS
from joelclaw.engine.runs import Caller, RunKind
from joelclaw.engine.subscribers import Transition
from joelclaw.functions.calls import Outcome
from tests.engine.engines import App, Viewer, encoded, play, within_patience

FUNCTIONS = """
    import os
    from joelclaw import *

    @query(allow=anyone)
    def quiet(ctx: QueryCtx) -> int:
        return 1

    @query(allow=anyone)
    def talks(ctx: QueryCtx) -> int:
        print("talking")
        return 1

    @query(allow=anyone)
    def broken(ctx: QueryCtx, n: int = 0) -> int:
        raise ValueError("boom")

    @mutation(allow=anyone)
    def change(ctx: MutationCtx) -> int:
        return 1

    @action(allow=anyone)
    async def calls(ctx: ActionCtx) -> None:
        print("calling")
        await ctx.run_mutation(change)
        await ctx.run_query(talks)

    @action(allow=anyone)
    async def dies(ctx: ActionCtx) -> None:
        print("last words")
        await ctx.run_query(quiet)
        os.abort()
"""


class Notebook:
    """A recorder that writes down what it is told."""

    def __init__(self, *, quiet_queries: bool = False) -> None:
        self.quiet_queries = quiet_queries
        self.runs: list[tuple[str, str, str]] = []
        """Kind, path, caller."""

        self.request_ids: list[str] = []
        self.outcomes: list[Outcome] = []
        self.said: list[str] = []
        self.news = asyncio.Event()

    def ran(self, kind: RunKind, path: str, request_id: str, caller: Caller, outcome: Outcome, /) -> None:
        self.runs.append((kind, path, caller))
        self.request_ids.append(request_id)
        self.outcomes.append(outcome)
        self.news.set()

    def begin(self, kind: RunKind, path: str, request_id: str, caller: Caller, /) -> "NotedAction":
        return NotedAction(self, kind, path, request_id, caller)

    async def until(self, path: str) -> None:
        """Wait until a run of this function is told of."""

        async def told() -> None:
            while path not in [run[1] for run in self.runs]:
                self.news.clear()
                await self.news.wait()

        await within_patience(f"a run of {path}", told())


class NotedAction:
    def __init__(self, notebook: Notebook, kind: RunKind, path: str, request_id: str, caller: Caller) -> None:
        self._notebook = notebook
        self._facts = kind, path, request_id, caller

    def logged(self, lines: Sequence[str], /) -> None:
        self._notebook.said += lines

    def answered(self, status: int, /) -> None: ...

    def ended(self, outcome: Outcome, /) -> None:
        self._notebook.ran(*self._facts, outcome)


async def recorded(app: App, notebook: Notebook) -> Notebook:
    (app.root / "app_functions" / "f.py").write_text(textwrap.dedent(FUNCTIONS))
    await app.deploy()
    await app.mutate("notes:add", room="a", text="the first commit")
    app.engine.record(notebook)
    return notebook


def test_what_ran_is_told_and_what_did_not_is_not(tmp_path: Path) -> None:
    """Mutations always; queries that talk or fail; neither answers from memory nor repeated calls nor refusals."""

    async def scene(app: App) -> None:
        notebook = await recorded(app, Notebook())
        await app.query("f:quiet")
        for _ in range(2):
            await app.query("f:talks")
        for _ in range(2):
            await app.mutate("f:change", call_id="once")
        await app.answer("f:broken")
        await app.mutation("f:missing")
        assert [run[:2] for run in notebook.runs] == [
            ("query", "f:talks"),
            ("mutation", "f:change"),
            ("query", "f:broken"),
            ("mutation", "f:missing"),
        ]
        assert notebook.outcomes[0].log_lines == ["[LOG] talking"]

    play(scene, tmp_path)


def test_quiet_queries_are_told_to_who_wants_them(tmp_path: Path) -> None:
    """A recorder may ask for all runs; answers from memory are none."""

    async def scene(app: App) -> None:
        notebook = await recorded(app, Notebook(quiet_queries=True))
        for _ in range(2):
            await app.query("f:quiet")
        assert notebook.runs == [("query", "f:quiet", "HttpApi")]

    play(scene, tmp_path)


def test_who_asked(tmp_path: Path) -> None:
    """A socket, a request, or an action that calls others: those under the action's request id."""

    async def scene(app: App) -> None:
        notebook = await recorded(app, Notebook())
        viewer = Viewer(app)
        viewer.subscribe(("f:talks", {}))
        await viewer.sees(1)
        viewer.mutate("f:change")
        await viewer.answered(1)
        assert notebook.runs == [("query", "f:talks", "SyncWorker"), ("mutation", "f:change", "SyncWorker")]

        viewer.leave()
        await app.deploy()  # Nothing is in memory any more.
        notebook.runs.clear()
        notebook.request_ids.clear()
        await within_patience("the action", app.engine.act("f:calls", b"{}", ANONYMOUS, request_id="the action's"))
        assert notebook.runs == [
            ("mutation", "f:change", "Action"),
            ("query", "f:talks", "Action"),
            ("action", "f:calls", "HttpApi"),
        ]
        assert notebook.request_ids == ["the action's"] * 3
        assert notebook.said == ["[LOG] calling"]

    play(scene, tmp_path)


def test_the_id_that_is_told_is_the_one_that_is_recorded(tmp_path: Path) -> None:
    """A query that several ask for at once runs once, and all of them are told the id of that run."""

    async def scene(app: App) -> None:
        notebook = await recorded(app, Notebook())
        queries = [
            app.engine.query("f:broken", encoded({"n": 1}), ANONYMOUS, request_id=f"request {number}")
            for number in range(5)
        ]
        results = [result for result, _ in await within_patience("the answers", asyncio.gather(*queries))]
        assert notebook.request_ids
        assert {result.request_id for result in results} <= set(notebook.request_ids)

    play(scene, tmp_path)


def test_a_live_query_that_fails_shows_the_id_of_its_run(tmp_path: Path) -> None:
    """What subscribers are told of a failure is found in the log, though no request of theirs has a number."""

    async def scene(app: App) -> None:
        notebook = await recorded(app, Notebook())
        shown: list[str] = []

        class Reading(Viewer):
            def transition(self, transition: Transition) -> None:
                shown.extend(result.request_id for _, result in transition.updates)
                super().transition(transition)

        viewer = Reading(app)
        viewer.subscribe(("f:broken", {}))
        await viewer.sees("internal")
        assert shown == notebook.request_ids
        assert len(shown[0]) == 16
        viewer.leave()

    play(scene, tmp_path)


def test_an_action_whose_process_dies_is_told_of(tmp_path: Path) -> None:
    """With what it had said, and the failure that its caller was told."""

    async def scene(app: App) -> None:
        notebook = await recorded(app, Notebook())
        outcome = await app.act("f:dies")
        assert notebook.runs[-1][:2] == ("action", "f:dies")
        assert notebook.outcomes[-1].failure == outcome.failure
        assert notebook.said == ["[LOG] last words"]

    play(scene, tmp_path)


def test_a_mutation_that_kills_its_process_is_told_of(tmp_path: Path) -> None:
    """It leaves no outcome of its own; what its caller is told is recorded."""

    async def scene(app: App) -> None:
        notebook = await recorded(app, Notebook())
        outcome = await app.mutation("faults:abortMutation", room="a")
        await notebook.until("faults:abortMutation")
        assert notebook.outcomes[-1].failure == outcome.failure
        assert len(notebook.runs) == 1

    play(scene, tmp_path)
