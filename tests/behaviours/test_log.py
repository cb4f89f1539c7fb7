"""Log lines: what functions say, in which form, and who is shown it."""

import asyncio
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from joelclaw.functions.calls import Outcome
from joelclaw.isolate.messages import ActionDone, ActionLogged, Answer, Ask, RunAction
from tests.http.test_api import World
from tests.isolate.isolates import Deployment, call
from tests.sync.stand_in import value

SAID = """
    import asyncio
    import json
    import logging
    import threading
    from typing import Any

    import structlog
    from joelclaw import *

    @query
    def inner(ctx: QueryCtx) -> None:
        print("inner")

    @query
    def outer(ctx: QueryCtx) -> None:
        print("before")
        ctx.run_query(inner)
        print("after")

    @query
    def levels(ctx: QueryCtx) -> None:
        log = logging.getLogger("app")
        log.setLevel(logging.DEBUG)
        log.debug("debug")
        log.info("info")
        print("printed", "it's", {"a": [1, "b"]})
        log.warning("warn")
        log.error("error")
        print("one\\ntwo")

    @query
    def json_lines(ctx: QueryCtx) -> None:
        structlog.get_logger().warning("full", room=7)

    @query
    def through_logging(ctx: QueryCtx) -> None:
        structlog.get_logger().error("full", room=7)

    @query
    def fails_after_a_word(ctx: QueryCtx) -> None:
        print("about to fail")
        raise ValueError("boom")

    @action
    async def many(ctx: ActionCtx, name: str) -> None:
        print(name, "itself")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.to_thread(print, name, "in a thread"))
        await asyncio.create_task(say(name))

    async def say(name: str) -> None:
        print(name, "in a task")

    @action
    async def slow(ctx: ActionCtx) -> None:
        print("one")
        print("two")
        await ctx.run_query(inner)
        print("three")
"""


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    opened = Deployment(tmp_path)
    (opened.root / "app_functions" / "said.py").write_text(textwrap.dedent(SAID))
    yield opened
    opened.close()


def lines(deployment: Deployment, path: str, **args: Any) -> list[str]:
    [outcome] = deployment.reader().run(call(path, **args))
    assert outcome.failure is None, outcome.failure
    return outcome.log_lines


def test_log_01_a_line_has_its_level(deployment: Deployment) -> None:
    """LOG-1: `[LEVEL] text` with the five levels; one print is one line, whatever line breaks are in it."""
    assert lines(deployment, "said:levels") == [
        "[DEBUG] debug",
        "[INFO] info",
        "[LOG] printed it's {'a': [1, 'b']}",
        "[WARN] warn",
        "[ERROR] error",
        "[LOG] one\ntwo",
    ]


def test_log_03_lines_of_nested_calls_stand_where_they_were_said(deployment: Deployment) -> None:
    """LOG-3: what a nested call says stands between what its caller said before and after."""
    assert lines(deployment, "said:outer") == ["[LOG] before", "[LOG] inner", "[LOG] after"]


@pytest.mark.parametrize(
    ("configuration", "path", "line"),
    [
        (
            "structlog.configure(processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()])",
            "said:jsonLines",
            '[LOG] {"room": 7, "event": "full", "level": "warning"}',
        ),
        (
            "structlog.configure([to_logging], logger_factory=structlog.stdlib.LoggerFactory())",
            "said:throughLogging",
            "[ERROR] full",
        ),
    ],
    ids=["to standard output", "through logging"],
)
def test_structlog_as_the_app_configures_it(deployment: Deployment, configuration: str, path: str, line: str) -> None:
    """An app's own configuration of structlog stays, and what it renders becomes a line."""
    with (deployment.root / "schema.py").open("a") as schema:
        schema.write(
            f"\nimport structlog\nfrom structlog.stdlib import render_to_log_kwargs as to_logging\n{configuration}\n"
        )
    assert lines(deployment, path) == [line]


def test_what_is_said_before_a_failure_is_kept(deployment: Deployment) -> None:
    """A run that fails has its lines like one that succeeds."""
    [outcome] = deployment.reader().run(call("said:failsAfterAWord"))
    assert outcome.failure is not None
    assert outcome.log_lines == ["[LOG] about to fail"]


def test_actions_side_by_side_keep_their_lines_apart(deployment: Deployment) -> None:
    """Tasks and threads that an action starts speak for it, and for no other that runs meanwhile."""
    actor = deployment.actor()
    for number, name in enumerate(("ann", "bob", "cat"), start=1):
        actor.send(RunAction(run=number, call=call("said:many", name=name)))
    said = {done.run: done.outcome.log_lines for done in (actor.receive(ActionDone) for _ in range(3))}
    assert said == {
        number: [f"[LOG] {name} itself", f"[LOG] {name} in a thread", f"[LOG] {name} in a task"]
        for number, name in enumerate(("ann", "bob", "cat"), start=1)
    }


def test_lines_of_an_action_come_while_it_runs(deployment: Deployment) -> None:
    """What an action says between two waits is told in one message; its outcome holds all of it again."""
    actor = deployment.actor()
    actor.send(RunAction(run=1, call=call("said:slow")))
    ask = actor.receive(Ask)
    assert actor.receive(ActionLogged).lines == ["[LOG] one", "[LOG] two"]
    actor.send(Answer(ask=ask.ask, outcome=Outcome()))
    assert actor.receive(ActionDone).outcome.log_lines == ["[LOG] one", "[LOG] two", "[LOG] three"]


def test_log_05_answers_from_memory_do_not_repeat_lines() -> None:
    """LOG-5: only the answer of the run that said them has the lines."""

    async def scene(world: World) -> None:
        world.engine.answer("q:list", value("[1]", log_lines=["[LOG] 'listing'"]))
        replies = [await world.post("/api/query", {"path": "q:list", "args": {}}) for _ in range(3)]
        assert [reply.json["logLines"] for reply in replies] == [["[LOG] 'listing'"], [], []]
        assert world.engine.runs.count("q:list") == 1

    asyncio.run(scene(World()))
