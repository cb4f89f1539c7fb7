"""
Nothing is forgotten: each behaviour is shown by a test, or `docs/differences.md` says what is done instead.

Behaviours are what apps, clients and test suites of this ecosystem rely on, numbered by section:
DOC-11 is the eleventh about writing documents. A test that shows one names it in its docstring.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent.parent
DIFFERENCES = TESTS.parent / "docs" / "differences.md"

LINES = {
    "VAL": 20,  # values and sizes
    "DOC": 24,  # writing documents
    "QRY": 20,  # reading
    "IDX": 20,  # indexes
    "PAG": 24,  # pagination
    "SRCH": 22,  # full-text search
    "VEC": 10,  # vector search
    "SCH": 27,  # scheduler and crons
    "STO": 20,  # file storage
    "HTTP": 20,  # HTTP actions
    "AUTH": 19,  # identity
    "FN": 17,  # functions and validation
    "SCM": 9,  # schema
    "ERR": 14,  # errors
    "TXN": 13,  # transactions
    "LIM": 13,  # limits
    "SYNC": 19,  # the sync protocol
    "LOG": 7,  # log lines
    "ENV": 6,  # environment, import and export
}
"""How many lines each section has."""

BEHAVIOURS = {f"{section}-{number}" for section, count in LINES.items() for number in range(1, count + 1)}

_MENTIONED = re.compile(rf"\b(?:{'|'.join(LINES)})-\d+\b")


def shown() -> Iterator[str]:
    """Behaviours that tests name."""
    for file in TESTS.rglob("test_*.py"):
        if "node_modules" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield from _MENTIONED.findall(ast.get_docstring(node) or "")


def explained() -> list[str]:
    """Behaviours that the page about differences names."""
    return _MENTIONED.findall(DIFFERENCES.read_text("utf-8"))


def test_every_behaviour_is_shown_or_explained() -> None:
    """No line is without a test that names it or a sentence about what is done instead."""
    assert BEHAVIOURS - {*shown(), *explained()} == set()


def test_no_behaviour_is_misspelt() -> None:
    """What tests and the page name are lines that there are."""
    assert {*shown(), *explained()} - BEHAVIOURS == set()


def test_names_of_tests_say_what_their_docstrings_say() -> None:
    """`test_doc_11_...` is about DOC-11, and its docstring says so."""
    for file in Path(__file__).parent.glob("test_*.py"):
        for node in ast.parse(file.read_text("utf-8")).body:
            if not isinstance(node, ast.FunctionDef):
                continue
            named = re.match(r"test_([a-z]+)((?:_\d\d)+)_", node.name)
            if named is not None:
                section, numbers = named[1].upper(), named[2].strip("_").split("_")
                mentioned = _MENTIONED.findall(ast.get_docstring(node) or "")
                assert {f"{section}-{int(number)}" for number in numbers} <= {*mentioned}, node.name
