"""`ctx.db`: reading and writing documents, what is refused, and that a refusal changes nothing."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.functions.deployment import CallError, Deployment

SCHEMA = """
    from typing import Annotated
    from joelclaw import *

    class Inner(Object):
        x: int

    class Room(Table):
        __table__ = "rooms"
        name: str
        by_name = index("name", unique=True)

    class Message(Table):
        __table__ = "messages"
        room: str
        n: int
        body: Annotated[str, Meta(max_length=10)] = ""
        tag: str | None | UnsetType = UNSET
        inner: Inner | UnsetType = UNSET
        by_room = index("room", "n")
        by_tag = index("tag")
        by_inner = index("inner.x")

    class Profile(Table):
        __table__ = "profiles"
        handle: str | UnsetType = UNSET
        by_handle = index("handle", unique=True)
"""
HEAD = "from typing import Any\nfrom joelclaw import *\nfrom schema import *\n"


@pytest.fixture
def run(deployment: Callable[..., Deployment]) -> Callable[..., Any]:
    """Runs the body of a mutation, `ctx` in hand, and gives what it returns; `again` keeps the database."""
    bodies: list[str] = []
    made: list[Deployment] = []

    def run(body: str, *, kind: str = "mutation", again: bool = False) -> Any:
        indented = "\n".join("    " + line for line in body.splitlines())
        context = "MutationCtx" if kind == "mutation" else "QueryCtx"
        bodies.append(f"@{kind}\ndef f{len(bodies)}(ctx: {context}) -> Any:\n{indented}\n")
        fresh = deployment({"schema.py": SCHEMA, "f.py": HEAD + "".join(bodies)})
        if again:
            fresh.close()
            fresh.store, fresh.hooks = made[-1].store, made[-1].hooks
            fresh.app.adopt(made[-1].layout)
        else:
            made.append(fresh)
        path = f"f:f{len(bodies) - 1}"
        return fresh.mutate(path) if kind == "mutation" else fresh.query(path)

    return run


FILL = """
for n in (3, 1, 2):
    for room in ("a", "b"):
        ctx.db.insert(Message(room=room, n=n))
"""


# -- writing


def test_insert_gives_an_id_and_a_creation_time(run: Callable[..., Any]) -> None:
    """The document has both at once, and the id finds it (DOC-1)."""
    assert run(
        """
room = Room(name="x")
id = ctx.db.insert(room)
return [id == room.id, room.creation_time >= ctx.now(), ctx.db.get(id).name, len(id)]
"""
    ) == [True, True, "x", 32.0]


def test_creation_times_increase(run: Callable[..., Any]) -> None:
    """Strictly, also within one transaction and across transactions at one instant."""
    first = run(
        "return [ctx.db.get(ctx.db.insert(Room(name=str(n)))).creation_time for n in range(3)]",
    )
    assert first == sorted(set(first))
    second = run("id = ctx.db.insert(Room(name='later'))\nreturn ctx.db.get(id).creation_time", again=True)
    assert second > first[-1]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("r = Room(name='x')\nctx.db.insert(r)\nctx.db.insert(r)", "Provided document ID"),
        ("r = Room(name='x')\nr.creation_time = 1.0\nctx.db.insert(r)", "Provided creation time"),
        ("ctx.db.insert(StoredFile(sha256='', size=1.0))", "System tables (prefixed with `_`) are read-only."),
        ("ctx.db.get(None)", "Invalid argument `id` for `db.get`"),
        ("ctx.db.get('junk')", "Unable to decode ID"),
        ("ctx.db.patch(Room(name='x'), name='y')", "this Room is not in the database"),
        ("ctx.db.save(Room(name='x'))", "this Room is not in the database yet; insert it"),
        ("i = ctx.db.insert(Room(name='x'))\nctx.db.delete(i)\nctx.db.patch(i, name='y')", "Update on nonexistent"),
        ("r = Room(name='x')\nctx.db.insert(r)\nctx.db.delete(r)\nctx.db.save(r)", "Update on nonexistent document ID"),
        ("i = ctx.db.insert(Room(name='x'))\nctx.db.delete(i)\nctx.db.delete(i)", "Delete on nonexistent document ID"),
        (
            "i = ctx.db.insert(Room(name='x'))\nctx.db.delete(i)\nctx.db.replace(i, Room(name='y'))",
            "Replace on nonexistent document ID",
        ),
        ("i = ctx.db.insert(Room(name='x'))\nctx.db.delete(i)\nctx.db.require(i)", "nonexistent document ID"),
        ("i = ctx.db.insert(Room(name='x'))\nctx.db.patch(i, id='other')", "does not match the document ID"),
        (
            "i = ctx.db.insert(Room(name='x'))\nctx.db.patch(i, creation_time=1.0)",
            "doesn't match '_creationTime' field",
        ),
        ("i = ctx.db.insert(Room(name='x'))\nctx.db.patch(i, **{'nme': 1})", "Room has no field 'nme'; did you mean"),
        ("i = ctx.db.insert(Room(name='x'))\nctx.db.patch(i, name=1)", "does not match the schema"),
        ("i = ctx.db.insert(Room(name='x'))\nctx.db.patch(i, name=UNSET)", "does not match the schema"),
        ("r = Room(name='x')\nctx.db.insert(r)\nr.name = 5\nctx.db.save(r)", "does not match the schema"),
        ("ctx.db.insert(Message(room='r', n=1, body='x' * 11))", "does not match the schema"),
        ("i = ctx.db.insert(Room(name='x'))\nctx.db.replace(i, Message(room='r', n=1))", "got Id[Room] instead"),
        ("ctx.db.insert(Room(name='x'))\nctx.db.insert(Room(name='x'))", "rooms.byName is unique"),
        ("ctx.db.query(Room).order('desc').order('asc')", "Queries may only specify order at most once"),
        ("ctx.db.query(Room).take(-1)", "0 or more"),
        ("ctx.db.find(Message.by_room, **{'room': 'a', 'n': 1})", "is not unique"),
        ("ctx.db.query(Message.by_room, **{'n': 1})", "didn't use the index fields in order"),
        ("ctx.db.query(Message.by_room, **{'x': 1})", "Message.by_room has no field 'x'"),
        ("ctx.db.query(Message.by_room, room=gt('a'), n=1)", "can only be applied to a single index field"),
        ("ctx.db.query(Message.by_room, room=5)", "is compared with int 5"),
        ("ctx.db.query(str)", "is no table of this app"),
    ],
)
def test_what_is_refused(run: Callable[..., Any], body: str, message: str) -> None:
    """
    Each in words that say what is wrong; the mutation leaves nothing (DOC-3, DOC-4, DOC-7, DOC-8, DOC-11,
    DOC-14, DOC-16, IDX-7).
    """
    with pytest.raises(CallError) as caught:
        run(body + "\nreturn None")
    assert message in caught.value.failure.message
    assert run("return [ctx.db.query(Room).count(), ctx.db.query(Message).count()]", again=True) == [0, 0]


def test_a_refused_document_is_shown_to_developers_only(run: Callable[..., Any]) -> None:
    """Its value may be a secret of the function, and its type tells of a private table."""
    with pytest.raises(CallError, match="Validator: ") as caught:
        run("ctx.db.insert(Room(name=7))")
    assert not caught.value.failure.public


def test_a_refused_insert_leaves_the_document_as_it_was(run: Callable[..., Any]) -> None:
    """It can be mended and inserted then."""
    assert run(
        """
ctx.db.insert(Room(name="x"))
room = Room(name="x")
try:
    ctx.db.insert(room)
except Exception as error:
    unset = room.id is UNSET and room.creation_time is UNSET
room.name = "y"
ctx.db.insert(room)
return [unset, ctx.db.query(Room).count()]
"""
    ) == [True, 2]


def test_save_writes_changes_back(run: Callable[..., Any]) -> None:
    """Index included: the old key is gone, the new one is there."""
    assert run(
        """
room = Room(name="old")
ctx.db.insert(room)
room.name = "new"
ctx.db.save(room)
return [ctx.db.find(Room.by_name, name="old"), ctx.db.find(Room.by_name, name="new").id == room.id]
"""
    ) == [None, True]


def test_patch_changes_single_fields(run: Callable[..., Any]) -> None:
    """
    Nested objects whole; UNSET removes; what is not named stays; the result is the document now (DOC-5, DOC-6,
    DOC-7).
    """
    assert run(
        """
id = ctx.db.insert(Message(room="a", n=1, tag="t", inner=Inner(x=1)))
one = ctx.db.patch(id, n=2, tag=UNSET, inner=Inner(x=5))
two = ctx.db.get(id)
given = ctx.db.get(id)
ctx.db.patch(given, body="new", id=id)
return [one.n, one.tag is UNSET, two.inner.x, two.room, given.body, ctx.db.query(Message.by_inner, inner_x=5).count()]
"""
    ) == [2, True, 5, "a", "new", 1]


def test_replace_keeps_id_and_creation_time_only(run: Callable[..., Any]) -> None:
    """All other fields are the new document's (DOC-10)."""
    assert run(
        """
id = ctx.db.insert(Message(room="a", n=1, tag="t"))
before = ctx.db.get(id).creation_time
new = ctx.db.replace(id, Message(room="b", n=2))
now = ctx.db.get(id)
return [now.room, now.tag is UNSET, now.creation_time == before, new.id == id]
"""
    ) == ["b", True, True, True]


def test_a_transaction_sees_its_own_writes(run: Callable[..., Any]) -> None:
    """Inserts, patches and deletes, by id, by index, and in counts."""
    assert run(
        """
a, b = ctx.db.insert(Room(name="a")), ctx.db.insert(Room(name="b"))
ctx.db.patch(a, name="c")
ctx.db.delete(b)
return [[room.name for room in ctx.db.query(Room)], ctx.db.get(b), ctx.db.query(Room).count(),
        ctx.db.query(Room.by_name, name="b").first()]
"""
    ) == [["c"], None, 1, None]


def test_reads_are_copies(run: Callable[..., Any]) -> None:
    """Changing a document changes nothing until it is saved."""
    assert (
        run(
            """
id = ctx.db.insert(Room(name="a"))
ctx.db.get(id).name = "changed"
return ctx.db.get(id).name
"""
        )
        == "a"
    )


def test_a_unique_index_ignores_absent_keys(run: Callable[..., Any]) -> None:
    """Any number of documents may lack the key, and `find` finds none of them."""
    assert run(
        """
ctx.db.insert(Profile())
ctx.db.insert(Profile())
ctx.db.insert(Profile(handle="ann"))
return [ctx.db.query(Profile).count(), ctx.db.find(Profile.by_handle, handle=UNSET),
        ctx.db.find(Profile.by_handle, handle="ann").handle]
"""
    ) == [3, None, "ann"]


# -- reading


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("[m.n for m in ctx.db.query(Message) if m.room == 'a']", [3, 1, 2]),
        ("[m.n for m in ctx.db.query(Message.by_room, room='a')]", [1, 2, 3]),
        ("[m.n for m in ctx.db.query(Message.by_room, room='a').order('desc')]", [3, 2, 1]),
        ("[m.n for m in ctx.db.query(Message.by_room, room='a', n=gt(1)).collect()]", [2, 3]),
        ("[m.n for m in ctx.db.query(Message.by_room, room='a', n=lte(2)).collect()]", [1, 2]),
        ("[m.n for m in ctx.db.query(Message.by_room, room='a', n=between(2, 2)).collect()]", [2]),
        ("[m.n for m in ctx.db.query(Message.by_room, room='a', n=between(3, 1)).collect()]", []),
        ("[m.room for m in ctx.db.query(Message.by_room).take(4)]", ["a", "a", "a", "b"]),
        ("[m.n for m in ctx.db.query(Message.by_room, room='a').take(0)]", []),
        ("ctx.db.query(Message.by_room, room='a').count()", 3),
        ("ctx.db.query(Message).filter(lambda m: m.n > 1).count()", 4),
        ("ctx.db.query(Message.by_room, room='c').first()", None),
        ("ctx.db.query(Message.by_room, room='b').order('desc').first().n", 3),
        ("ctx.db.query(Message.by_room, room='b', n=2).unique().n", 2),
        (
            "[m.n for m in ctx.db.query(Message).filter(lambda m: m.n != 3).filter(lambda m: m.room == 'a').take(1)]",
            [1],
        ),
        ("[m.n for m in ctx.db.query(Message).order('desc').filter(lambda m: m.room == 'a').take(2)]", [2, 1]),
        ("[m.n for m in ctx.db.query(Message).filter(lambda m: m.room == 'a').order('desc').take(2)]", [2, 1]),
        ("ctx.db.query(Message.by_tag, tag=UNSET).count()", 6),
        ("ctx.db.query(Message.by_tag, tag=None).count()", 0),
        ("ctx.db.query(Message.by_tag, tag=gt(UNSET)).count()", 0),
        ("[m is None for m in ctx.db.get_many([m.id for m in ctx.db.query(Message).take(2)])]", [False, False]),
        ("ctx.db.parse_id(Room, ctx.db.query(Message).first().id)", None),
        ("ctx.db.parse_id(Room, 'junk')", None),
        ("ctx.db.parse_id(Message, ctx.db.query(Message).first().id) is not None", True),
        ("ctx.db.query(ScheduledJob).collect()", []),
        ("ctx.db.query(StoredFile).first()", None),
    ],
)
def test_what_a_query_gives(run: Callable[..., Any], expression: str, expected: Any) -> None:
    """Order, bounds and ways of taking."""
    assert run(FILL + f"return {expression}") == expected


def test_unique_names_what_it_met(run: Callable[..., Any]) -> None:
    """The first two ids, so that somebody can look."""
    with pytest.raises(
        CallError, match=r"unique\(\) query returned more than one result from table messages:\n\[.*, .*, \.\.\.\]"
    ):
        run(FILL + "return ctx.db.query(Message.by_room, room='a').unique()")


def test_a_walk_meets_documents_that_are_written_under_way(run: Callable[..., Any]) -> None:
    """Deleting while iterating empties the table, however many slices it takes."""
    assert (
        run(
            """
for n in range(100):
    ctx.db.insert(Room(name=str(n)))
for room in ctx.db.query(Room):
    ctx.db.delete(room)
return ctx.db.query(Room).count()
"""
        )
        == 0
    )


def test_a_rows_can_be_used_again(run: Callable[..., Any]) -> None:
    """It describes, and reads anew each time (QRY-5)."""
    assert run(
        "rows = ctx.db.query(Room)\none = rows.count()\nctx.db.insert(Room(name='x'))\nreturn [one, rows.count()]"
    ) == [
        0,
        1,
    ]


def test_private_tables_look_empty(deployment: Callable[..., Deployment]) -> None:
    """An app that knows the class and even the id of an admin key sees nothing of it (QRY-18)."""
    app = deployment(
        {
            "f.py": """
                from typing import Any
                from joelclaw import *
                from joelclaw.system.admin_keys import AdminKey, list_all
                @query
                def look(ctx: QueryCtx, id: str) -> Any:
                    found = ctx.db.find(AdminKey.by_hash, hash="h")
                    page = ctx.db.query(AdminKey).paginate(PageOptions(num_items=5, cursor=None))
                    return [found, ctx.db.query(AdminKey).collect(), ctx.db.query(AdminKey).count(), ctx.db.get(id),
                            page.page, page.is_done]
                @query
                def borrow(ctx: QueryCtx) -> Any:
                    return ctx.run_query(list_all)
                @query
                def call(ctx: QueryCtx) -> Any:
                    return list_all(ctx)
                @mutation
                def forge(ctx: MutationCtx) -> None:
                    ctx.db.insert(AdminKey(name="mine", hash="x"))
            """
        }
    )
    id = app.mutate("_system/adminKeys:create", name="dev", hash="h")
    assert app.query("f:look", id=id) == [None, [], 0, None, [], True]
    assert app.query("_system/adminKeys:find", hash="h")["name"] == "dev"
    with pytest.raises(CallError, match="read-only"):
        app.mutate("f:forge")
    with pytest.raises(CallError, match="takes a function of the app"):
        app.query("f:borrow")
    assert app.query("f:call") == []
    assert [key["_id"] for key in app.query("_system/adminKeys:list")] == [id]
    assert app.mutate("_system/adminKeys:revoke", id=id) is True
    assert app.query("_system/adminKeys:list") == []
    assert app.mutate("_system/adminKeys:revoke", id=id) is False


def test_system_tables_have_small_numbers(deployment: Callable[..., Deployment]) -> None:
    """Below ten thousand; an app's begin above."""
    app = deployment({"schema.py": SCHEMA})
    assert all((table.number < 10_000) == table.name.startswith("_") for table in app.layout.tables)


# -- limits


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("for _ in range(4_097):\n    ctx.db.query(Room).first()", "Too many reads in a single function execution"),
        ("for n in range(16_001):\n    ctx.db.insert(Message(room='a', n=n))", "Too many writes"),
        (
            "large = ctx.db.insert(Room(name='x' * 1_000_000))\nfor _ in range(17):\n    ctx.db.get(large)",
            "Too many bytes read",
        ),
        ("for n in range(17):\n    ctx.db.insert(Room(name=str(n) + 'x' * 1_000_000))", "Too many bytes written"),
    ],
)
def test_limits_cannot_be_swallowed(run: Callable[..., Any], body: str, message: str) -> None:
    """The run fails although the function catches everything, and nothing of it stays (LIM-2, LIM-3, LIM-4, ERR-14)."""
    indented = "\n".join("    " + line for line in body.splitlines())
    with pytest.raises(CallError) as caught:
        run(f"try:\n{indented}\nexcept Exception:\n    pass\nreturn 'went on'")
    assert message in caught.value.failure.message
    assert caught.value.failure.code == "limit_exceeded"
    assert run("return ctx.db.query(Room).count()", again=True) == 0


def test_collecting_too_many_documents_is_refused(run: Callable[..., Any]) -> None:
    """32,000 in all, over several queries; the limit is told (LIM-1, LIM-5)."""
    fill = "for n in range(11_000):\n    ctx.db.insert(Message(room='a', n=n))\nreturn None"
    run(fill)
    with pytest.raises(CallError, match=r"Too many documents read in a single function execution \(limit: 32000\)"):
        run("for _ in range(3):\n    ctx.db.query(Message).collect()\nreturn None", kind="query", again=True)


def test_close_to_a_limit_is_warned(run: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    """At three quarters, one line."""
    run("for _ in range(3_100):\n    ctx.db.query(Room).first()\nreturn None")
    assert [record.getMessage().split(".")[0] for record in caplog.records] == [
        "Many reads in a single function execution (actual: 3100, limit: 4096)"
    ]


# -- what is no value of its kind


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("ctx.before(float('nan'))", "NaN is no instant: nothing is before or after it; look where it was computed"),
        ("ctx.after(float('nan'))", "NaN is no instant"),
        ("ctx.within(float('nan'), '15s')", "NaN is no instant"),
        ("ctx.db.parse_id(Room, 5)", "Invalid argument `text` for `db.parse_id`: 5 is no text"),
        ("ctx.db.parse_id(Room, None)", "Invalid argument `text` for `db.parse_id`: None is no text"),
    ],
)
def test_what_is_no_instant_or_text_is_refused(run: Callable[..., Any], expression: str, message: str) -> None:
    """A comparison with NaN has no answer that changes, and what is no text is no id: both are mistakes, and told."""
    with pytest.raises(CallError, match=re.escape(f"Uncaught Misuse: {message}")):
        run(f"return {expression}")


def test_endless_instants_are_instants(run: Callable[..., Any]) -> None:
    """Infinity is after everything: what lasts for ever is written like this."""
    assert run("return [ctx.before(float('inf')), ctx.after(float('-inf'))]") == [True, True]
