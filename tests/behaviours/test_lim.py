"""Limits: what one function may read and write, and the warning before."""

import pytest

from tests.behaviours.lab import Lab


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
