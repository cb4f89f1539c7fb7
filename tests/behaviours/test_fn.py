"""Functions: how they are called, how their arguments and results are checked, and what may call what."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from joelclaw.functions.calls import Outcome
from joelclaw.values.int64 import Int64
from joelclaw.values.paths import normalise
from tests.functions.deployment import CallError, Deployment, value_of

FILES = {
    "schema.py": """
        from joelclaw import *
        class Note(Table):
            __table__ = "notes"
            text: str
    """,
    "f.py": """
        import asyncio
        from typing import Any, Literal
        from joelclaw import *
        from schema import Note

        class Options(Object):
            label: str | UnsetType = UNSET
            size: int = 1

        @query
        def takes(
            ctx: QueryCtx,
            options: Options,
            either: str | list[int] | None = None,
            exactly: Literal["a", 3, True] = "a",
            record: dict[str, bool] = {},
            anything: Any = None,
        ) -> Any:
            return [options.label is UNSET, either, exactly, record, anything]

        @query
        def gives(ctx: QueryCtx, sizes: list[Any]) -> list[Options]:
            results = [Options() for _ in sizes]
            for result, size in zip(results, sizes):
                result.size = size
            return results

        @query
        def gives_as_it_comes(ctx: QueryCtx, value: Any) -> list[Options]:
            return value

        @query(name="default")
        def first(ctx: QueryCtx) -> str:
            return "the default"

        @query
        def length(ctx: QueryCtx, text: str) -> int:
            return len(text)

        @query
        def cannot(ctx: QueryCtx) -> list[bool]:
            return [hasattr(ctx, "run_mutation"), hasattr(ctx, "run_action")]

        @mutation
        def add(ctx: MutationCtx, text: str) -> Any:
            ctx.db.insert(Note(text=text))
            return [hasattr(ctx, "run_action"), ctx.db.query(Note).count()]

        @action
        async def adds(ctx: ActionCtx, texts: list[str]) -> list[Any]:
            return await asyncio.gather(*(ctx.run_mutation(add, text) for text in texts))

        @action
        async def add_one(ctx: ActionCtx) -> None:
            await ctx.run_mutation(add, "one")

        @action
        async def adds_twice(ctx: ActionCtx) -> None:
            await ctx.run_action(add_one)
            await ctx.run_action(add_one)

        @query
        def count(ctx: QueryCtx) -> int:
            return helper(ctx)

        def helper(ctx: QueryCtx) -> int:
            return ctx.db.query(Note).count()
    """,
}


@pytest.fixture
def app(deployment: Callable[..., Deployment]) -> Deployment:
    return deployment(FILES)


def refusal(outcome: Outcome) -> str:
    assert outcome.failure is not None
    return outcome.failure.message


@pytest.mark.parametrize("path", ["f", "f:default", "f.js", "f.js:default"])
def test_fn_03_spellings_of_a_path(app: Deployment, path: str) -> None:
    """FN-3: a file alone means its function `default`, and an extension means nothing."""
    assert app.query(normalise(path)) == "the default"
    assert app.query(normalise("f.py:count")) == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, [True, None, "a", {}, None]),
        ({"either": "text"}, [True, "text", "a", {}, None]),
        ({"either": [1.0, 2.0]}, [True, [1, 2], "a", {}, None]),
        ({"exactly": 3.0}, [True, None, 3, {}, None]),
        ({"exactly": True}, [True, None, True, {}, None]),
        ({"record": {"x": True, "": False}}, [True, None, "a", {"x": True, "": False}, None]),
        ({"anything": {"deep": [Int64(1), b"x"]}}, [True, None, "a", {}, {"deep": [Int64(1), b"x"]}]),
    ],
)
def test_fn_06_what_arguments_may_be(app: Deployment, arguments: dict[str, Any], expected: list[Any]) -> None:
    """FN-6: optional ones may be absent, unions try all members, records hold any key, `Any` takes everything."""
    assert app.query("f:takes", options={}, **arguments) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        {"options": {"label": None}},
        {"options": {"size": None}},
        {"options": {}, "either": [1.0, "x"]},
        {"options": {}, "either": 3.0},
        {"options": {}, "exactly": "b"},
        {"options": {}, "exactly": 1.0},
        {"options": {}, "record": {"x": 1.0}},
        {"options": {"other": 1.0}},
    ],
)
def test_fn_06_what_arguments_may_not_be(app: Deployment, arguments: dict[str, Any]) -> None:
    """FN-6: null is not absent, literals are exact, and a record's keys and values are checked."""
    assert refusal(app.run_query("f:takes", arguments)).startswith("ArgumentValidationError: ")


@pytest.mark.parametrize(
    ("path", "arguments", "place"),
    [
        ("f:gives", {"sizes": [1.0, "x"]}, "Path: [1].size"),
        ("f:gives", {"sizes": [1.5]}, "Path: [0].size"),
        ("f:givesAsItComes", {"value": [None]}, "Path: [0]"),
        ("f:givesAsItComes", {"value": {}}, "Value: {}"),
    ],
)
def test_fn_09_results_are_checked_deep_inside(
    app: Deployment, path: str, arguments: dict[str, Any], place: str
) -> None:
    """FN-9: a wrong field anywhere in a result fails the call and is told with its place."""
    message = refusal(app.run_query(path, arguments))
    assert message.startswith("ReturnsValidationError: ")
    assert place in message


def test_fn_13_who_may_call_whom(app: Deployment) -> None:
    """FN-13: a query can call queries only, a mutation no actions; an action calls all kinds."""
    assert app.query("f:cannot") == [False, False]
    assert app.mutate("f:add", text="x") == [False, 1]
    assert asyncio.run(app.run_action("f:addsTwice")).failure is None


def test_fn_14_an_action_starts_several_mutations(app: Deployment) -> None:
    """FN-14: each is a transaction of its own, and all are committed when the action has its answers."""
    results = value_of(asyncio.run(app.run_action("f:adds", {"texts": list("abcd")})))
    assert sorted(count for _, count in results) == [1, 2, 3, 4]
    assert app.query("f:count") == 4


def test_fn_15_an_action_called_twice_runs_twice(app: Deployment) -> None:
    """FN-15: nothing that an action calls is taken for a repetition."""
    assert asyncio.run(app.run_action("f:addsTwice")).failure is None
    assert app.query("f:count") == 2


def test_fn_16_large_arguments(app: Deployment) -> None:
    """FN-16: 5 MB of arguments, and more, are a call like others."""
    assert app.query("f:length", text="x" * 5_000_000) == 5_000_000
    assert app.query("f:length", text="x" * 16_000_000) == 16_000_000


def test_fn_17_helpers_are_nobodys_to_call(app: Deployment) -> None:
    """FN-17: a function without a decorator is not callable from outside, also by administrators."""
    assert app.query("f:count") == 0
    with pytest.raises(CallError, match="Could not find public function for 'f:helper'"):
        app.query("f:helper")
    assert refusal(app.run_query("f:helper", privileged=True)).startswith("Could not find function for 'f:helper'")
