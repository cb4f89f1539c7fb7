"""Expiring documents: which tables have them, which documents go, and when."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from joelclaw.errors import AppRefused
from joelclaw.functions.loader import load_app
from joelclaw.schema.tables import EXPIRY_INDEX
from joelclaw.system.expiry import SLICE, SWEPT_AT_ONCE
from tests.functions.deployment import Deployment, write_app

Deploy = Callable[..., Deployment]

SCHEMA = """
    from joelclaw import Table, UNSET, UnsetType, index

    class Typing(Table, expires_at="gone_at"):
        __table__ = "typing"
        who: str
        gone_at: float | None | UnsetType = UNSET
        by_who = index("who")

    class Note(Table):
        __table__ = "notes"
        gone_at: float = 0.0
"""

FUNCTIONS = """
    from joelclaw import *
    from schema import *

    @mutation
    def add(ctx: MutationCtx, who: str, gone_at: float | None | UnsetType = UNSET) -> str:
        return ctx.db.insert(Typing(who=who, gone_at=gone_at))

    @mutation
    def add_many(ctx: MutationCtx, count: int, gone_at: float, padding: int = 0) -> None:
        for number in range(count):
            ctx.db.insert(Typing(who=f"{number} " + "x" * padding, gone_at=gone_at))

    @mutation
    def keep_until(ctx: MutationCtx, id: Id[Typing], gone_at: float) -> None:
        ctx.db.patch(id, gone_at=gone_at)

    @mutation
    def note(ctx: MutationCtx) -> None:
        ctx.db.insert(Note())

    @query
    def names(ctx: QueryCtx) -> list[str]:
        return [one.who for one in ctx.db.query(Typing)]

    @query
    def notes(ctx: QueryCtx) -> int:
        return ctx.db.query(Note).count()
"""


@pytest.fixture
def app(deployment: Deploy) -> Deployment:
    return deployment({"schema.py": SCHEMA, "typing_now.py": FUNCTIONS})


def add(app: Deployment, who: str, **fields: Any) -> Any:
    return app.mutate("typingNow:add", who=who, **fields)


def names(app: Deployment) -> list[str]:
    found: list[str] = app.query("typingNow:names")
    return found


def now(app: Deployment) -> float:
    return app.hooks.clock()


def due(app: Deployment) -> list[str]:
    return [f"{one['table']} {one['at'] - app.hooks.clock():+.0f}" for one in app.query("_system/expiry:due")]


def sweep(app: Deployment, **arguments: Any) -> Any:
    return app.mutate("_system/expiry:sweep", **{"table": "typing", "at": 0.0} | arguments)


# -- which documents go, and when


def test_what_has_expired_is_due_and_swept(app: Deployment) -> None:
    """A document is due from its instant on, not before, and a sweep removes those that are due only."""
    add(app, "later", goneAt=now(app) + 2_000)
    add(app, "soon", goneAt=now(app) + 1_000)
    assert due(app) == []

    app.hooks.time.advance(timedelta(seconds=1))
    assert due(app) == ["typing +0"]
    assert sweep(app) is False
    assert names(app) == ["later"]
    assert due(app) == []


def test_who_asks_what_is_due_is_told_at_the_next_instant(app: Deployment) -> None:
    """The result of the query expires at the first instant that is to come, of whichever document."""
    add(app, "later", goneAt=now(app) + 2_000)
    assert app.run_query("_system/expiry:due").expires == now(app) + 2_000
    add(app, "soon", goneAt=now(app) + 1_000)
    assert app.run_query("_system/expiry:due").expires == now(app) + 1_000


def test_a_document_that_is_kept_alive_stays(app: Deployment) -> None:
    """The instant that counts is the one that the document has now."""
    id = add(app, "ann", goneAt=now(app) + 1_000)
    app.mutate("typingNow:keepUntil", id=id, goneAt=now(app) + 5_000)

    app.hooks.time.advance(timedelta(seconds=1))
    assert (due(app), sweep(app), names(app)) == ([], False, ["ann"])


def test_documents_without_an_instant_stay(app: Deployment) -> None:
    """Null, an absent field, NaN and infinity never come; the largest negative number has come always."""
    add(app, "null", goneAt=None)
    add(app, "absent")
    add(app, "nan", goneAt=float("nan"))
    add(app, "-nan", goneAt=-float("nan"))
    add(app, "infinite", goneAt=float("inf"))
    add(app, "past", goneAt=float("-inf"))

    app.hooks.time.advance(timedelta(days=10_000))
    assert app.query("_system/expiry:due") == [{"table": "typing", "at": float("-inf")}]
    assert sweep(app) is False
    assert names(app) == ["null", "absent", "nan", "-nan", "infinite"]


def test_tables_that_do_not_expire_are_left_alone(app: Deployment) -> None:
    """A field of the same name in another table means nothing, and nobody can ask for it."""
    app.mutate("typingNow:note")

    assert due(app) == []
    assert sweep(app, table="notes") is False
    assert app.query("typingNow:notes") == 1


def test_a_clock_that_is_behind_does_not_stop_a_sweep(app: Deployment) -> None:
    """What was due for the process that looked is removed, although the one that sweeps has an earlier time."""
    add(app, "ann", goneAt=now(app) + 5)

    sweep(app, at=now(app) + 5)
    assert names(app) == []


def test_a_sweep_is_bounded(app: Deployment) -> None:
    """One transaction removes so many documents, the oldest first, and says that there are more."""
    app.mutate("typingNow:addMany", count=3 * SWEPT_AT_ONCE, goneAt=now(app) - 1)
    add(app, "older", goneAt=now(app) - 2)

    assert sweep(app) is True
    assert len(names(app)) == 2 * SWEPT_AT_ONCE + 1
    assert "older" not in names(app)
    assert [sweep(app), sweep(app), sweep(app)] == [True, True, False]
    assert names(app) == []


def test_large_documents_are_swept_in_smaller_steps(app: Deployment) -> None:
    """Documents that together exceed what a function may read are removed all the same, few at a time."""
    for _ in range(3):
        app.mutate("typingNow:addMany", count=SLICE, goneAt=now(app) - 1, padding=900_000)

    assert sweep(app) is True
    assert app.query("_system/expiry:due") != []
    assert [sweep(app), sweep(app), sweep(app)] == [True, True, False]
    assert names(app) == []


def test_live_queries_are_told(app: Deployment) -> None:
    """The keys of what was swept are among those that the commit tells, in every index of the table."""
    id = add(app, "ann", goneAt=now(app) - 1)
    sweep(app)

    assert app.last_commit is not None
    table = next(table for table in app.layout.tables if table.name == "typing")
    touched = {key.index for key in app.last_commit.keys}
    assert touched == {table.by_id.number, table.by_creation_time.number, *(index.number for index in table.indexes)}
    assert any(key.key == id.encode() for key in app.last_commit.keys)


def test_a_table_that_begins_to_expire_is_swept_of_what_it_has(deployment: Deploy, tmp_path: Path) -> None:
    """`expires_at` on a table with documents covers these, too: its index is filled by the deploy."""
    before = deployment({"schema.py": SCHEMA.replace(', expires_at="gone_at"', ""), "typing_now.py": FUNCTIONS})
    add(before, "ann", goneAt=1.0)
    after = load_app(write_app(tmp_path, {"schema.py": SCHEMA}))
    before.app = after
    after.expect(before.layout)
    before.layout = before.store.prepare([info.spec for info in after.tables.values()], before._examine)  # noqa: SLF001
    after.adopt(before.layout)

    assert sweep(before) is False
    assert names(before) == []


# -- what is wrong is told when the app is loaded


def told(folder: Path, schema: str) -> list[str]:
    with pytest.raises(AppRefused) as refused:
        load_app(write_app(folder, {"schema.py": "from joelclaw import *\n\n" + schema}))
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize(
    ("option", "field", "sentence"),
    [
        ('"gone"', "until: float", "4: Typing: expires_at names 'gone', and there is no such field; there is until"),
        ('"untill"', "until: float", "4: Typing: expires_at names 'untill', and there is no such field; did you mean"),
        ('"id"', "until: float", "4: Typing: expires_at names 'id', and there is no such field"),
        ("5", "until: float", "4: Typing: expires_at=5 is no field; name a field as text"),
        ('"until"', "until: str", "6: Typing.until: says when a document expires, and is no instant; write until: flo"),
        ('"until"', "until: int", "6: Typing.until: says when a document expires, and is no instant"),
        ('"until"', "until: float | str", "6: Typing.until: says when a document expires, and is no instant"),
        ('"until"', "until: bool | None", "6: Typing.until: says when a document expires, and is no instant"),
        ('"until"', "until: set[int]", "6: Typing.until"),
    ],
)
def test_what_is_no_instant_is_refused(tmp_path: Path, option: str, field: str, sentence: str) -> None:
    """`expires_at` names a field of the table that holds a float; whatever else it says is told with its line."""
    [problem] = told(tmp_path, f'\nclass Typing(Table, expires_at={option}):\n    __table__ = "typing"\n    {field}\n')

    assert problem.startswith(f"schema.py:{sentence}")


def test_only_documents_expire(tmp_path: Path) -> None:
    """A nested object has no life of its own."""
    [problem] = told(tmp_path, 'class Point(Object, expires_at="until"):\n    until: float\n')

    assert problem == "schema.py:3: Point: has expires_at, and only documents of tables expire; leave it out"


def test_a_misspelt_option_is_told(tmp_path: Path) -> None:
    """Type checkers do not see options of a class; a load does."""
    [problem] = told(tmp_path, 'class Typing(Table, expire_at="until"):\n    __table__ = "typing"\n    until: float\n')

    assert problem == "schema.py:3: Typing: has no option 'expire_at'; write expires_at"


def test_what_a_table_derives_from_can_say_it(tmp_path: Path) -> None:
    """A base without a name in the database hands `expires_at` on, like indexes."""
    schema = """
        from joelclaw import Table

        class Passing(Table, expires_at="until"):
            until: float

        class Typing(Passing):
            __table__ = "typing"
    """
    app = load_app(write_app(tmp_path, {"schema.py": schema}))

    assert app.tables["typing"].spec.expires_at == "until"


def test_the_platforms_index_is_nobody_elses(app: Deployment) -> None:
    """The manifest says which field it is; the index is there for the database, and not for type definitions."""
    from joelclaw.codegen import generate

    spec = app.app.tables["typing"].spec
    assert spec.expires_at == "goneAt"
    assert [index.name for index in spec.indexes] == ["byWho", EXPIRY_INDEX]
    assert EXPIRY_INDEX not in "".join(generate(app.app.manifest).values())


def test_the_index_is_not_offered_as_what_was_meant(deployment: Deploy) -> None:
    """A misspelt index is compared with those of the app."""
    with pytest.raises(AppRefused) as refused:
        deployment(
            {
                "schema.py": SCHEMA,
                "typing_now.py": FUNCTIONS + "\n\n    def f(ctx: QueryCtx) -> None:\n"
                "        ctx.db.query(Typing._expir, who='x')\n",
            }
        )

    assert EXPIRY_INDEX not in str(refused.value)
