"""Limits: what one function may read and write, and the warning before."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from joelclaw.errors import AppRefused
from joelclaw.functions.actions import run_action
from joelclaw.functions.calls import Call, Outcome
from joelclaw.limits import Limits
from joelclaw.values import wire
from tests.behaviours.lab import FUNCTIONS, SCHEMA, Lab
from tests.functions.deployment import Deployment, value_of


@pytest.mark.parametrize(
    ("setup", "body", "message"),
    [
        (
            "for n in range(9_000):\n    ctx.db.insert(Room(name='x'))",
            "for _ in range(4):\n    ctx.db.query(Room).collect()",
            "Too many documents read in a single function execution (limit: 32000).",
        ),
        (
            "ctx.db.insert(Room(name='x' * 1_000_000))",
            "for _ in range(17):\n    ctx.db.query(Room).collect()",
            "Too many bytes read in a single function execution (limit: 16777216 bytes).",
        ),
        (
            "ctx.db.insert(Room(name='x'))",
            "id = ctx.db.query(Room).first().id\nfor _ in range(4_096):\n    ctx.db.get(id)",
            "Too many reads in a single function execution (limit: 4096).",
        ),
    ],
)
def test_lim_01_02_03_what_a_function_may_read(lab: Lab, setup: str, body: str, message: str) -> None:
    """LIM-1, LIM-2, LIM-3: documents, bytes and ranges are limited, and a `get` is a range."""
    lab.write(setup)
    assert message in lab.refuse(body, "read")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "for _ in range(16_001):\n    ctx.db.insert(Room(name='x'))",
            "Too many writes in a single function execution (limit: 16000).",
        ),
        (
            "for _ in range(17):\n    ctx.db.insert(Room(name='x' * 1_000_000))",
            "Too many bytes written in a single function execution (limit: 16777216 bytes).",
        ),
    ],
)
def test_lim_04_what_a_function_may_write(lab: Lab, body: str, message: str) -> None:
    """LIM-4: documents and bytes are limited, and a mutation that goes beyond leaves nothing."""
    assert message in lab.refuse(body)
    assert lab.read("return ctx.db.query(Room).count()") == 0


@pytest.mark.parametrize(
    ("body", "warning"),
    [
        ("for _ in range(3_073):\n    ctx.db.query(Room).first()", "Many reads"),
        ("for _ in range(12_001):\n    ctx.db.insert(Room(name='x'))", "Many writes"),
        ("for _ in range(13):\n    ctx.db.insert(Room(name='x' * 1_000_000))", "Many bytes written"),
    ],
)
def test_lim_07_a_warning_comes_first(lab: Lab, caplog: pytest.LogCaptureFixture, body: str, warning: str) -> None:
    """LIM-7: beyond three quarters of a limit the function succeeds, and its log warns with count and limit."""
    lab.write(body)
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith(f"{warning} in a single function execution (actual: ")


# -- each limit at its edge, with small limits


class Edge(NamedTuple):
    """How a limit of a run is used up: by a body that uses `n` of it. The limit is 8 of these."""

    limit: str
    unit: int
    """What one of them counts."""

    body: Callable[[int], str]
    noun: str


STORED = b'{"_id":"j57000000000000000000000196dp26s","_creationTime":1700000000000.0,"name":"xxxxxxxxxx"}'
"""The one document that is there: what counts is how long its text is."""

EDGES = [
    Edge("documents_read", 1, lambda n: f"for _ in range({n}):\n    ctx.db.query(Room).collect()", "documents read"),
    Edge("bytes_read", len(STORED), lambda n: f"for _ in range({n}):\n    ctx.db.query(Room).take(1)", "bytes read"),
    Edge("ranges_read", 1, lambda n: f"for _ in range({n}):\n    ctx.db.query(Thing).count()", "reads"),
    Edge("documents_written", 1, lambda n: f"for _ in range({n}):\n    ctx.db.insert(Room(name='x'))", "writes"),
    Edge(
        "bytes_written",
        len(STORED),
        lambda n: f"room = ctx.db.query(Room).first()\nfor _ in range({n}):\n    ctx.db.patch(room, name='y' * 10)",
        "bytes written",
    ),
]


@pytest.mark.parametrize("edge", EDGES, ids=[edge.limit for edge in EDGES])
def test_limits_of_a_run_at_their_edges(
    deployment: Callable[..., Deployment], caplog: pytest.LogCaptureFixture, edge: Edge
) -> None:
    """
    LIM-1, LIM-2, LIM-3, LIM-4, LIM-7: six of eight pass unwarned, eight with a warning, nine fail and leave nothing.

    The sentence names the limit, and the setting that raises it.
    """
    limit = 8 * edge.unit
    lab = small(deployment, **{edge.limit: limit})
    lab.write("ctx.db.insert(Room(name='xxxxxxxxxx'))")
    lab.write(edge.body(6))
    assert caplog.records == []
    lab.write(edge.body(8))
    [record] = caplog.records
    unit = " bytes" if "bytes" in edge.limit else ""
    figures = f"(actual: {limit}{unit}, limit: {limit}{unit})"
    assert record.getMessage().startswith(f"Many {edge.noun} in a single function execution {figures}. ")

    before = rows(lab)
    message = lab.refuse(edge.body(9))
    assert f"Too many {edge.noun} in a single function execution (limit: {limit}{unit}). " in message
    assert message.endswith(f", or raise limits.{edge.limit} in joelclaw.toml.")
    assert rows(lab) == before


def small(deployment: Callable[..., Deployment], **limits: Any) -> Lab:
    """A lab in which little is allowed."""
    return Lab(deployment({"schema.py": SCHEMA, "lab.py": FUNCTIONS}, limits=Limits(**limits)))


def rows(lab: Lab) -> int:
    return int(lab.read("return ctx.db.query(Room).count()"))


def test_arguments_and_results_at_their_edges(
    deployment: Callable[..., Deployment], caplog: pytest.LogCaptureFixture
) -> None:
    """LIM-6, LIM-7: exactly the limit passes with a warning, a byte more is refused, and the setting named."""
    # An object with one text: 2 and 4 + 1 for the name of `body`, 2 and its length.
    lab = small(deployment, arguments_bytes=2**20, result_bytes=2**19)
    body = "ctx.db.insert(Room(name='x'))\nreturn 'x' * %d #"
    lab.write((body % 100).ljust(2**20 - 9))
    assert "Large arguments for lab.write (actual: 1 MiB, limit: 1 MiB)" in caplog.text
    message = lab.refuse((body % 100).ljust(2**20 - 8))
    assert message == (
        "ArgumentValidationError: Arguments for lab.write are too large (actual: 1 MiB, limit: 1 MiB); "
        "send less at a time, or raise limits.arguments_bytes in joelclaw.toml"
    )
    assert rows(lab) == 1

    caplog.clear()
    lab.write(body % (2**19 - 2))
    assert "Large return value of lab.write (actual: 524288 bytes, limit: 524288 bytes)" in caplog.text
    message = lab.refuse(body % (2**19 - 1))
    assert "Function lab.write return value is too large (actual: 524289 bytes, limit: 524288 bytes); " in message
    assert "raise limits.result_bytes in joelclaw.toml" in message
    assert rows(lab) == 2


def nested(depth: int) -> str:
    """A query that calls queries inside each other, so many."""
    body = "return 'deep'"
    for _ in range(depth):
        body = f"return ctx.run_query(read, body={body!r})"
    return body


def test_calls_in_each_other_at_their_edge(deployment: Callable[..., Deployment]) -> None:
    """FN-12: as many levels as allowed pass, one more fails, even if it is caught."""
    lab = small(deployment, call_depth=3)
    assert lab.read(nested(3)) == "deep"
    message = lab.refuse(nested(4), "read")
    assert "Query call depth limit exceeded (limit: 3). Do you have an infinite loop in your app? " in message
    assert message.endswith("If not, raise limits.call_depth in joelclaw.toml.")


def test_documents_at_their_edge(deployment: Callable[..., Deployment]) -> None:
    """A document of exactly the limit is stored; one byte more is refused, and nothing of it stays."""
    lab = small(deployment, document_bytes=200)
    lab.write("ctx.db.insert(Room(name='x' * 130))")
    message = lab.refuse("ctx.db.insert(Room(name='y'))\nctx.db.insert(Room(name='x' * 131))")
    assert "Value is too large: 201 bytes, at most 200; raise limits.document_bytes in joelclaw.toml." in message
    assert rows(lab) == 1


def test_the_platform_keeps_its_own_limits(deployment: Callable[..., Deployment]) -> None:
    """What an app may do says nothing about the platform's functions, which would stop doing their work."""
    lab = small(deployment, documents_read=1, documents_written=1, bytes_read=1, arguments_bytes=1, result_bytes=1)
    for name in ("one", "two"):
        outcome = lab.deployment.run_mutation(
            "_system/adminKeys:create", {"hash": name * 20, "name": name}, privileged=True
        )
        assert outcome.failure is None
    assert len(value_of(lab.deployment.run_query("_system/adminKeys:list", privileged=True))) == 2


# -- what an app may consist of

TWO_TABLES = """
    from joelclaw import *

    class A(Table):
        __table__ = "as"
        x: float
        y: float
        z: float
        by_x = index("x")
        by_xy = index("x", "y")

    class B(Table):
        __table__ = "bs"
        x: float
"""


@pytest.mark.parametrize(
    ("limit", "enough", "problem"),
    [
        ("tables", 2, "schema.py:12: B: is a table too many: an app has at most 1; put some together, or "),
        ("indexes_per_table", 2, "schema.py:4: A: has 2 indexes, and a table has at most 1; leave some out, or "),
        ("fields_per_index", 2, "schema.py:10: A.by_xy: has 2 fields, and an index has at most 1; leave some out, or "),
    ],
)
def test_schemas_at_their_edges(deployment: Callable[..., Deployment], limit: str, enough: int, problem: str) -> None:
    """What a schema may declare is checked when it is loaded; file, line and setting are told."""
    files = {"schema.py": TWO_TABLES}
    deployment(files, limits=Limits(**{limit: enough}))
    with pytest.raises(AppRefused) as caught:
        deployment(files, limits=Limits(**{limit: enough - 1}))
    assert str(caught.value) == f"{problem}raise limits.{limit} in joelclaw.toml"


# -- actions

ERRANDS = """
    import asyncio
    from joelclaw import *

    @query
    def nothing(ctx: QueryCtx) -> None: ...

    @action
    async def many(ctx: ActionCtx, count: int) -> int:
        return len(await asyncio.gather(*(ctx.run_query(nothing) for _ in range(count))))
"""


def test_operations_of_an_action_at_their_edge(
    deployment: Callable[..., Deployment], caplog: pytest.LogCaptureFixture
) -> None:
    """As many calls as allowed may be under way at once, with a warning; one more fails the action."""
    errands = deployment({"errands.py": ERRANDS}, limits=Limits(action_operations=8))

    def many(count: int) -> Outcome:
        arguments = wire.encode({"count": count})
        return asyncio.run(run_action(errands.app, Call(path="errands:many", args=arguments), errands.hooks, ask))

    async def ask(kind: str, call: Call) -> Outcome:
        await asyncio.sleep(0)  # Others get their turn, as they do while a gateway answers.
        return await errands.answer(kind, call)

    assert value_of(many(6)) == 6
    assert caplog.records == []
    assert value_of(many(8)) == 8
    [record] = caplog.records
    assert record.getMessage() == "Many concurrent operations in a single action (actual: 7, limit: 8)."
    failure = many(9).failure
    assert failure is not None
    assert failure.message == (
        "Uncaught LimitExceeded: Too many concurrent operations in a single action (limit: 8). "
        "Await some of them before others begin, or raise limits.action_operations in joelclaw.toml."
    )
    assert failure.code == "limit_exceeded"
