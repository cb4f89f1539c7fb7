"""Vector search: the nearest documents, in actions and inside of queries."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from joelclaw.engine.read_index import ReadIndex
from joelclaw.limits import Limits
from tests.behaviours.lab import FUNCTIONS, Lab
from tests.functions.deployment import CallError, Deployment, value_of

SCHEMA = """
    from joelclaw import *

    class Doc(Table):
        __table__ = "docs"
        name: str
        topic: str | None | UnsetType = UNSET
        author: str = "ann"
        seen: bool = False
        embedding: list[float] | None | UnsetType = UNSET
        by_embedding = vector_index("embedding", dimensions=2, filter=["topic", "author"])
"""

ACTIONS = """
    import textwrap
    from typing import Any
    from joelclaw import *
    from schema import *

    @action
    async def act(ctx: ActionCtx, body: str) -> Any:
        names = dict(globals())
        exec("async def body(ctx):\\n" + textwrap.indent(body, "    "), names)
        return await names["body"](ctx)

    @query
    def seen_names(ctx: QueryCtx, ids: list[Id[Doc]]) -> list[str]:
        return [doc.name for doc in ctx.db.get_many(ids) if doc is not None and doc.seen]
"""

DOCS = {
    "east": [2.0, 0.0],
    "north-east": [1.0, 1.0],
    "north": [0.0, 5.0],
    "west": [-1.0, 0.0],
}


@pytest.fixture
def lab(deployment: Callable[..., Deployment]) -> Lab:
    return Lab(deployment({"schema.py": SCHEMA, "lab.py": FUNCTIONS, "actions.py": ACTIONS}))


def add(lab: Lab, name: str, embedding: list[float], **fields: Any) -> None:
    extra = "".join(f", {field}={value!r}" for field, value in fields.items())
    lab.write(f"ctx.db.insert(Doc(name={name!r}, embedding={embedding!r}{extra}))")


@pytest.fixture
def docs(lab: Lab) -> Lab:
    for name, embedding in DOCS.items():
        add(lab, name, embedding)
    return lab


def nearest(lab: Lab, arguments: str) -> list[str]:
    found: list[str] = lab.read(
        f"return [ctx.db.require(hit.id).name for hit in ctx.db.vector_search(Doc.by_embedding, {arguments})]"
    )
    return found


def act(lab: Lab, body: str) -> Any:
    return value_of(asyncio.run(lab.deployment.run_action("actions:act", {"body": body})))


def test_vec_01_actions_find_the_nearest_by_cosine(docs: Lab) -> None:
    """VEC-1: ids and scores, nearest first; the length of a vector does not matter, and it scores 1 against itself."""
    found = act(
        docs,
        "return [[hit.id, hit.score] for hit in await ctx.vector_search(Doc.by_embedding, [3.0, 0.0])]",
    )
    names = docs.read(f"return [ctx.db.require(id).name for id in {[id for id, _ in found]}]")
    assert names == ["east", "north-east", "north", "west"]
    assert [score for _, score in found] == pytest.approx([1.0, 0.5**0.5, 0.0, -1.0])


def test_vec_01_queries_and_mutations_search_too(docs: Lab) -> None:
    """VEC-1: here a query may search as well, and a mutation sees what it has written."""
    assert nearest(docs, "[0, 1]") == ["north", "north-east", "west", "east"]
    assert nearest(docs, "(0.0, 1.0), limit=1") == ["north"]
    body = """
        id = ctx.db.insert(Doc(name="new", embedding=[0.0, 1.0]))
        return [ctx.db.require(hit.id).name for hit in ctx.db.vector_search(Doc.by_embedding, [0.0, 1.0], limit=2)]
    """
    assert docs.write(body) == ["new", "north"]


def test_vec_02_limit(docs: Lab) -> None:
    """VEC-2: ten documents unless another limit is given, which is from 1 to 256."""
    for _ in range(2):
        for name, embedding in DOCS.items():
            add(docs, name, embedding)
    assert len(nearest(docs, "[1.0, 0.0]")) == 10
    assert len(nearest(docs, "[1.0, 0.0], limit=256")) == 12
    for limit in ("0", "257", "1.5", "True"):
        message = docs.refuse(f"ctx.db.vector_search(Doc.by_embedding, [1.0, 0.0], limit={limit})", "read")
        assert "`limit` must be a whole number from 1 to 256" in message


def test_vec_03_filters(lab: Lab) -> None:
    """VEC-3: one value of a field, any of several, any of several fields; more than one filter all hold."""
    add(lab, "a-ann", [1.0, 0.0], topic="a")
    add(lab, "a-bob", [1.0, 0.1], topic="a", author="bob")
    add(lab, "b-bob", [1.0, 0.2], topic="b", author="bob")
    add(lab, "none", [1.0, 0.3])
    add(lab, "null", [1.0, 0.4], topic=None)
    assert nearest(lab, '[1.0, 0.0], topic="a"') == ["a-ann", "a-bob"]
    assert nearest(lab, '[1.0, 0.0], topic=any_of("b", None)') == ["b-bob", "null"]
    assert nearest(lab, '[1.0, 0.0], any_of(topic="a", author="bob")') == ["a-ann", "a-bob", "b-bob"]
    assert nearest(lab, '[1.0, 0.0], topic="a", author="bob"') == ["a-bob"]
    assert nearest(lab, "[1.0, 0.0], topic=UNSET") == ["none"]
    assert nearest(lab, "[1.0, 0.0], topic=any_of()") == []
    body = 'return len(await ctx.vector_search(Doc.by_embedding, [1.0, 0.0], any_of(topic="b", author="ann"), limit=9))'
    assert act(lab, body) == 4


def test_vec_03_wrong_filters(docs: Lab) -> None:
    """VEC-3: an unknown field, a value of another type, and too many conditions are refused."""
    search = "ctx.db.vector_search(Doc.by_embedding, [1.0, 0.0]"
    assert "equality filter on 'seen' but that field isn't" in docs.refuse(f"{search}, seen=True)", "read")
    assert "'author' is compared with int 7" in docs.refuse(f"{search}, author=7)", "read")
    assert "Max: 64 Actual: 65" in docs.refuse(f'{search}, topic=any_of(*"a" * 65))', "read")
    assert "any_of takes fields by name" in docs.refuse(f'{search}, any_of("a"))', "read")
    assert "the third argument is any_of" in docs.refuse(f'{search}, {{"topic": "a"}})', "read")


def test_vec_05_an_empty_vector_is_refused(docs: Lab) -> None:
    """VEC-5: with the client's words; in an action, too, and text is no vector."""
    for vector in ("[]", "'ab'"):
        message = docs.refuse(f"ctx.db.vector_search(Doc.by_embedding, {vector})", "read")
        assert "`vector` must be a non-empty Array" in message
    with pytest.raises(CallError, match="`vector` must be a non-empty Array"):
        act(docs, "await ctx.vector_search(Doc.by_embedding, [])")
    assert "something in it that is no number" in docs.refuse(
        "ctx.db.vector_search(Doc.by_embedding, [1.0, None])", "read"
    )


def test_vec_06_dimensions_are_checked(docs: Lab) -> None:
    """VEC-6: a vector of other dimensions is neither stored nor searched for; nothing of its document is written."""
    said = "Expected a vector with dimensions 2, received 3"
    assert said in docs.refuse('ctx.db.insert(Doc(name="long", embedding=[1.0, 0.0, 0.0]))')
    assert said in docs.refuse("ctx.db.patch(ctx.db.query(Doc).first(), embedding=[1.0, 0.0, 0.0])")
    assert said in docs.refuse("ctx.db.vector_search(Doc.by_embedding, [1.0, 0.0, 0.0])", "read")
    assert docs.read("return ctx.db.query(Doc).count()") == len(DOCS)
    assert nearest(docs, "[1.0, 0.0], limit=1") == ["east"]


@pytest.mark.parametrize(
    ("vector", "said"),
    [("[0.0, 0.0]", "is all zeros"), ('[1.0, float("nan")]', "not finite"), ('[1.0, float("inf")]', "not finite")],
)
def test_a_vector_without_direction_is_refused(docs: Lab, vector: str, said: str) -> None:
    """Zeros and numbers that are none have no angle to anything: neither stored nor searched for."""
    assert said in docs.refuse(f'ctx.db.insert(Doc(name="bad", embedding={vector}))')
    assert said in docs.refuse(f"ctx.db.vector_search(Doc.by_embedding, {vector})", "read")


def test_vec_07_documents_without_the_field_are_not_found(docs: Lab) -> None:
    """VEC-7: absent or null is no error, and not found; one that loses its vector is found no more."""
    docs.write('ctx.db.insert(Doc(name="absent")); ctx.db.insert(Doc(name="null", embedding=None))')
    docs.write('ctx.db.patch(ctx.db.query(Doc).filter(lambda doc: doc.name == "west").unique(), embedding=UNSET)')
    assert sorted(nearest(docs, "[1.0, 0.0]")) == ["east", "north", "north-east"]


def test_vec_08_what_is_dropped_after_the_search_has_used_up_hits(docs: Lab) -> None:
    """VEC-8: the limit counts what is found, not what the function keeps of it."""
    docs.write('ctx.db.patch(ctx.db.query(Doc).filter(lambda doc: doc.name == "west").unique(), seen=True)')
    body = """
from app_functions import actions
hits = await ctx.vector_search(Doc.by_embedding, [1.0, 0.0], limit={})
return await ctx.run_query(actions.seen_names, ids=[hit.id for hit in hits])
"""
    assert act(docs, body.format(3)) == []
    assert act(docs, body.format(4)) == ["west"]


def test_vec_10_a_write_is_found_by_the_next_search(docs: Lab) -> None:
    """VEC-10: an insert, a change and a delete show in the next search."""
    add(docs, "south", [0.0, -1.0])
    assert nearest(docs, "[0.0, -1.0], limit=1") == ["south"]
    docs.write('ctx.db.patch(ctx.db.query(Doc).order("desc").first(), embedding=[1.0, -1.0], name="south-east")')
    assert nearest(docs, "[1.0, -1.0], limit=1") == ["south-east"]
    docs.write('ctx.db.delete(ctx.db.query(Doc).order("desc").first())')
    assert nearest(docs, "[1.0, -1.0], limit=1") == ["east"]


@pytest.mark.parametrize(
    ("filters", "write", "disturbed"),
    [
        ("", 'ctx.db.insert(Doc(name="x", embedding=[1.0, 2.0]))', True),
        ("", 'ctx.db.insert(Doc(name="x"))', False),
        ("", "ctx.db.patch(ctx.db.query(Doc).first(), seen=True)", False),
        ("", "ctx.db.patch(ctx.db.query(Doc).first(), embedding=[1.0, 2.0])", True),
        ("", "ctx.db.delete(ctx.db.query(Doc).first())", True),
        ('topic="a"', 'ctx.db.insert(Doc(name="x", embedding=[1.0, 2.0], topic="a"))', True),
        ('topic="a"', 'ctx.db.insert(Doc(name="x", embedding=[1.0, 2.0], topic="b"))', False),
        ('topic="a"', 'ctx.db.patch(ctx.db.query(Doc).first(), topic="a")', True),
        ('any_of(topic="a", author="bob")', 'ctx.db.insert(Doc(name="x", embedding=[1.0, 2.0], author="bob"))', True),
        ('any_of(topic="a", author="bob")', 'ctx.db.insert(Doc(name="x", embedding=[1.0, 2.0], author="cid"))', False),
    ],
)
def test_a_search_in_a_query_hears_of_vectors_it_could_find(
    docs: Lab, filters: str, write: str, disturbed: bool
) -> None:
    """A vector that comes, goes or changes where the filters look wakes the query; nothing else does."""
    reads = docs.run("read", f"return len(ctx.db.vector_search(Doc.by_embedding, [1.0, 0.0], {filters}))").reads
    docs.write(write)
    assert docs.deployment.last_commit is not None
    index: ReadIndex[str] = ReadIndex()
    index.add(reads, "search")
    assert (index.stab(docs.deployment.last_commit.keys) == {"search"}) is disturbed


def test_commits_do_not_carry_vectors(docs: Lab) -> None:
    """What a commit tells of a vector is that there was one."""
    add(docs, "one more", [0.123, 0.456], topic="a")
    assert docs.deployment.last_commit is not None
    assert max(len(key.key) for key in docs.deployment.last_commit.keys) < 50


def test_limits_are_declared(deployment: Callable[..., Deployment]) -> None:
    """VEC-2, VEC-3: `[limits]` says how many hits and filters a vector search may have, in an action, too."""
    limits = Limits(vector_results=2, vector_filters=1)
    lab = Lab(deployment({"schema.py": SCHEMA, "lab.py": FUNCTIONS, "actions.py": ACTIONS}, limits=limits))
    said = "`limit` must be a whole number from 1 to 2, not 3; for more, raise limits.vector_results in joelclaw.toml"
    assert said in lab.refuse("ctx.db.vector_search(Doc.by_embedding, [1.0, 0.0], limit=3)", "read")
    assert lab.read("return len(ctx.db.vector_search(Doc.by_embedding, [1.0, 0.0]))") == 0
    with pytest.raises(CallError, match=r"Max: 1 Actual: 2\. Use fewer, or raise limits\.vector_filters"):
        act(lab, 'await ctx.vector_search(Doc.by_embedding, [1.0, 0.0], topic=any_of("a", "b"), limit=1)')
