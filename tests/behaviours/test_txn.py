"""Transactions: what nested calls leave, and what one sees of the others."""

from collections.abc import Callable

import pytest

from tests.functions.deployment import CallError, Deployment

FILES = {
    "schema.py": """
        from joelclaw import *
        class Note(Table):
            __table__ = "notes"
            text: str
    """,
    "f.py": """
        from typing import Any
        from joelclaw import *
        from schema import Note

        @mutation
        def add(ctx: MutationCtx, text: str, fail: bool = False) -> Id[Note]:
            id = ctx.db.insert(Note(text=text))
            if fail:
                raise ValueError(text)
            return id

        @query
        def texts(ctx: QueryCtx) -> list[str]:
            return [note.text for note in ctx.db.query(Note)]

        @mutation
        def merges(ctx: MutationCtx) -> Any:
            patched, deleted = ctx.run_mutation(add, "one"), ctx.run_mutation(add, "two")
            ctx.db.patch(patched, text="patched")
            ctx.db.delete(deleted)
            return ctx.run_query(texts)

        @mutation
        def goes_on(ctx: MutationCtx) -> Any:
            ctx.db.insert(Note(text="before"))
            try:
                ctx.run_mutation(add, "undone", fail=True)
            except ValueError:
                ctx.db.insert(Note(text="after"))
            return ctx.run_query(texts)

        @mutation
        def gives_up(ctx: MutationCtx) -> None:
            ctx.run_mutation(add, "undone")
            raise ValueError("after all")

        @mutation
        def many(ctx: MutationCtx, undone: int, kept: int) -> int:
            for _ in range(undone):
                try:
                    ctx.run_mutation(add_many, 1_000, fail=True)
                except ValueError:
                    pass
            for _ in range(kept):
                ctx.run_mutation(add_many, 1_000)
            return ctx.db.query(Note).count()

        @mutation
        def add_many(ctx: MutationCtx, count: int, fail: bool = False) -> None:
            for n in range(count):
                ctx.db.insert(Note(text=str(n)))
            if fail:
                raise ValueError

        @query
        def twice(ctx: QueryCtx) -> list[float]:
            first = ctx.now()
            return [first, ctx.now() - first, ctx.run_query(now) - first]

        @query
        def now(ctx: QueryCtx) -> float:
            return ctx.now()
    """,
}


@pytest.fixture
def app(deployment: Callable[..., Deployment]) -> Deployment:
    return deployment(FILES)


def test_txn_04_a_nested_failure_undoes_itself_only(app: Deployment) -> None:
    """TXN-4: what the child wrote vanishes; what the parent wrote before and after is committed."""
    assert app.mutate("f:goesOn") == ["before", "after"]
    assert app.query("f:texts") == ["before", "after"]


def test_txn_05_a_parents_failure_undoes_all(app: Deployment) -> None:
    """TXN-5: a child's writes are gone with its parent's."""
    with pytest.raises(CallError, match="after all"):
        app.mutate("f:givesUp")
    assert app.query("f:texts") == []


def test_txn_06_the_parent_may_change_what_the_child_inserted(app: Deployment) -> None:
    """TXN-6: a child's insert and the parent's patch or delete of it merge in their order."""
    assert app.mutate("f:merges") == ["patched"]
    assert app.query("f:texts") == ["patched"]


def test_txn_07_undone_writes_count_for_nothing(app: Deployment) -> None:
    """TXN-7, LIM-5: writes that were rolled back use up no limit; those of all calls that stay add up."""
    assert app.mutate("f:many", undone=20.0, kept=3.0) == 3_000
    with pytest.raises(CallError, match="Too many writes"):
        app.mutate("f:many", undone=0.0, kept=17.0)
    assert len(app.query("f:texts")) == 3_000


def test_txn_12_time_stands_still_in_a_run(app: Deployment) -> None:
    """TXN-12: a run has one now, also in what it calls; the next run has its own."""
    first = app.query("f:twice")
    app.hooks.time.set_ms(first[0] + 5_000)
    assert first[1:] == [0, 0]
    assert app.query("f:twice") == [first[0] + 5_000, 0, 0]
