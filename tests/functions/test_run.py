"""Runs: what a context is worth once its call is over."""

import gc
from collections.abc import Callable

import pytest

from joelclaw.functions.running import run_mutation, run_query
from tests.functions.deployment import CallError, Deployment, call, person, value_of

FILES = {
    "schema.py": """
        from joelclaw import *

        class Note(Table):
            __table__ = "notes"
            text: str
    """,
    "notes.py": """
        from typing import Any
        from joelclaw import *
        from schema import Note

        kept: list[Any] = []

        @mutation(allow=anyone)
        def add(ctx: MutationCtx, text: str) -> None:
            kept[:] = [ctx]
            ctx.db.insert(Note(text=text))

        @query(allow=anyone)
        def keep(ctx: QueryCtx) -> None:
            walk = iter(ctx.db.query(Note))
            next(walk, None)
            kept[:] = [ctx, ctx.db, ctx.db.query(Note), walk, ctx.auth, ctx.random]

        @query(allow=anyone)
        def use(ctx: QueryCtx, expression: str) -> Any:
            return eval(expression)

        @mutation(allow=anyone)
        def write(ctx: MutationCtx) -> None:
            kept[0].db.insert(Note(text="late"))

        @mutation(allow=anyone)
        def write_nested(ctx: MutationCtx) -> None:
            kept[0].run_mutation(add, text="late")

        @query(allow=anyone)
        def texts(ctx: QueryCtx) -> list[str]:
            return [note.text for note in ctx.db.query(Note)]
    """,
}

ENDED = "Uncaught Misuse: this belongs to a call that has ended"


@pytest.fixture
def notes(deployment: Callable[..., Deployment]) -> Deployment:
    app = deployment(FILES)
    app.mutate("notes:add", text="first")
    app.mutate("notes:add", text="second")
    return app


@pytest.mark.parametrize(
    "expression",
    [
        "kept[0].db.query(Note).first()",
        "kept[0].run_query(texts)",
        "kept[0].auth.identity",
        "kept[0].now()",
        "kept[0].within(0.0, '1s')",
        "kept[0].random.random()",
        "kept[0].env['GREETING']",
        "kept[1].get('j57000000000000000000000056dp1yp')",
        "kept[2].collect()",
        "kept[2].count()",
        "list(kept[3])",
        "kept[4].identity",
    ],
)
def test_a_kept_context_is_of_no_use(notes: Deployment, expression: str) -> None:
    """Not on a later snapshot, and not to a call of the same batch: it would read past the read set of that one."""
    notes.query("notes:keep")
    with pytest.raises(CallError, match=ENDED):
        notes.query("notes:use", expression=expression)

    with notes.store.read() as snapshot:
        run_query(notes.app, snapshot, call("notes:keep", None, {}), notes.hooks)
        outcome = run_query(notes.app, snapshot, call("notes:use", {"expression": expression}, {}), notes.hooks)
    with pytest.raises(CallError, match=ENDED):
        value_of(outcome)


def test_a_kept_context_does_not_tell_who_asked_before(notes: Deployment) -> None:
    """What one caller's identity gives would be shared with all: the run that is over cannot make a result personal."""
    notes.run_query("notes:keep", identity=person("ann"))
    outcome = notes.run_query("notes:use", {"expression": "kept[0].auth.identity.subject"}, identity=person("bob"))
    with pytest.raises(CallError, match=ENDED):
        value_of(outcome)


@pytest.mark.parametrize("path", ["notes:write", "notes:writeNested"])
def test_a_kept_context_does_not_write(notes: Deployment, path: str) -> None:
    """Neither into a later transaction nor beside another mutation of the same one."""
    with pytest.raises(CallError, match=ENDED):
        notes.mutate(path)

    with notes.store.write() as txn:
        run_mutation(notes.app, txn, call("notes:add", {"text": "third"}, {}), notes.hooks)
        outcome = run_mutation(notes.app, txn, call(path, None, {}), notes.hooks)
    with pytest.raises(CallError, match=ENDED):
        value_of(outcome)
    assert notes.query("notes:texts") == ["first", "second"]


@pytest.mark.filterwarnings("error")
def test_a_walk_that_is_dropped_after_the_call_says_nothing(notes: Deployment) -> None:
    """Python closes it whenever it likes, and its end is nobody's business any more."""
    notes.query("notes:keep")
    notes.query("notes:use", expression="kept.clear()")
    gc.collect()
