"""What the official command line asks system functions, and what it is told."""

from collections.abc import Callable
from typing import Any

import pytest

from joelclaw.functions.calls import Outcome
from tests.functions.deployment import Deployment

Deploy = Callable[..., Deployment]

SCHEMA = """
    from joelclaw import Table

    class Note(Table):
        __table__ = "notes"
        text: str
        stars: int = 0

    class Empty(Table):
        __table__ = "empties"
"""

FUNCTIONS = """
    from typing import Any

    from joelclaw import *
    from schema import *

    @mutation
    def add(ctx: MutationCtx, text: str) -> Id[Note]:
        return ctx.db.insert(Note(text=text))

    @mutation
    def add_empty(ctx: MutationCtx) -> None:
        ctx.db.insert(Empty())

    @query(allow=anyone)
    def newest(ctx: QueryCtx) -> Note | None:
        return ctx.db.query(Note).order("desc").first()

    @query(name="default")
    def anything(ctx: QueryCtx, /, **arguments: Any) -> Any:
        return arguments

    @http_action("GET", "/notes")
    async def page(ctx: ActionCtx, request: Request) -> Response:
        return Response("")

    @http_action("POST", "/notes/*")
    async def below(ctx: ActionCtx, request: Request) -> Response:
        return Response("")
"""


@pytest.fixture
def app(deployment: Deploy) -> Deployment:
    return deployment({"schema.py": SCHEMA, "notes.py": FUNCTIONS})


def page_of(app: Deployment, table: str, order: str = "asc", cursor: str | None = None, size: float = 100.0) -> Any:
    options = {"cursor": cursor, "numItems": size}
    return app.query("_system/cli/tableData:default", table=table, order=order, paginationOpts=options)


def touches(app: Deployment, before: Outcome) -> bool:
    """Would the last commit wake who holds this result?"""
    assert app.last_commit is not None
    return any(
        read.index == key.index and key.key.startswith(read.prefix)
        for read in before.reads
        for key in app.last_commit.keys
    )


def test_pages_of_a_table_meet(app: Deployment) -> None:
    """A table is read in pages of any size, in both directions; nothing is lost or doubled."""
    for number in range(7):
        app.mutate("notes:add", text=str(number))

    found, cursor, done = [], None, False
    while not done:
        page = page_of(app, "notes", "desc", cursor, 3.0)
        found += [note["text"] for note in page["page"]]
        cursor, done = page["continueCursor"], page["isDone"]

    assert found == [str(number) for number in reversed(range(7))]
    assert [note["text"] for note in page_of(app, "notes")["page"]] == [str(number) for number in range(7)]


def test_more_than_may_be_read_is_as_much_as_may_be_read(app: Deployment) -> None:
    """A page that is asked for too large is cut, not refused: the command line asks for what its user typed."""
    app.mutate("notes:add", text="one")

    assert page_of(app, "notes", size=1e9)["isDone"] is True


def test_tables_are_listed_without_the_platforms(app: Deployment) -> None:
    """The list has the app's tables, those without documents, too, on one page."""
    listed = app.query("_system/cli/tables:default", paginationOpts={"cursor": None, "numItems": 10_000.0})

    assert listed["page"] == [{"name": "empties"}, {"name": "notes"}]
    assert listed["isDone"] is True


def test_a_size_is_the_number_of_documents(app: Deployment) -> None:
    """The size of a table counts its documents; a table that is not there has none, and is no error."""
    app.mutate("notes:add", text="one")

    assert app.query("_system/cli/tableSize:default", tableName="notes") == 1.0
    assert app.query("_system/cli/tableSize:default", tableName="empties") == 0.0
    assert app.query("_system/cli/tableSize:default", tableName="note") == 0.0
    assert app.query("_system/cli/queryTable:default", tableName="note") == ""
    assert page_of(app, "note") == page_of(app, "note") | {"page": [], "isDone": True}


def test_a_watched_table_changes_with_each_write_to_it_alone(app: Deployment) -> None:
    """The result differs after a write to the table; a write to another one does not touch what was read."""
    app.mutate("notes:add", text="one")
    before = app.run_query("_system/cli/queryTable:default", {"tableName": "notes"})

    app.mutate("notes:addEmpty")
    assert not touches(app, before)
    app.mutate("notes:add", text="two")
    assert touches(app, before)
    assert app.run_query("_system/cli/queryTable:default", {"tableName": "notes"}).value != before.value


def test_the_specification_tells_functions_and_routes(app: Deployment) -> None:
    """
    Arguments are told as callers write them, results as they read them: a default is optional, then always there.

    Prefix routes end with a star.
    """
    spec = app.query("_system/cli/modules:apiSpec")
    told = {one.get("identifier") or f"{one['method']} {one['path']}": one for one in spec}

    assert list(told) == [
        "notes.js:add",
        "notes.js:addEmpty",
        "notes.js:default",
        "notes.js:newest",
        "GET /notes",
        "POST /notes/*",
    ]
    assert told["POST /notes/*"] == {"functionType": "HttpAction", "method": "POST", "path": "/notes/*"}
    assert told["notes.js:default"]["args"] == {"type": "any"}
    assert told["notes.js:default"]["returns"] == {"type": "any"}
    document, nothing = told["notes.js:newest"]["returns"]["value"]
    assert document["value"]["stars"] == {"fieldType": {"type": "number"}, "optional": False}
    assert nothing == {"type": "null"}
    assert told["notes.js:newest"]["visibility"] == {"kind": "public"}
    assert told["notes.js:add"] == {
        "identifier": "notes.js:add",
        "functionType": "Mutation",
        "visibility": {"kind": "internal"},
        "args": {"type": "object", "value": {"text": {"fieldType": {"type": "string"}, "optional": False}}},
        "returns": {"type": "id", "tableName": "notes"},
    }
