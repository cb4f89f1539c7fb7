"""The text of the generated files."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joelclaw.codegen import generate
from joelclaw.codegen.typescript import Types, comment
from joelclaw.functions.manifest import Manifest
from joelclaw.schema.validators import ArrayType, Validator
from tests.codegen import manifests as m

T = TypeVar("T")


def test_golden_files() -> None:
    """An app with every type, kind, rule and form of path has exactly the files that were read and approved."""
    assert generate(m.everything()) == {path.name: path.read_text() for path in m.GOLDEN.iterdir()}, (
        "if this was meant, run `python -m tests.codegen.manifests` and read the difference"
    )


def test_an_app_without_anything() -> None:
    """An empty app has all files, and nothing in them."""
    files = generate(Manifest())

    assert "export declare const api: {};" in files["api.d.ts"]
    assert "export type DataModel = {};" in files["dataModel.d.ts"]


@settings(max_examples=30, deadline=None)
@given(manifest=m.manifests(), shuffle=st.randoms(use_true_random=False))
def test_order_of_discovery_does_not_show(manifest: Manifest, shuffle: random.Random) -> None:
    """Tables, indexes and functions give the same bytes in whatever order the loader found them."""

    def shuffled(items: Sequence[T]) -> list[T]:
        return shuffle.sample(items, len(items))

    reordered = msgspec.structs.replace(
        manifest,
        tables=tuple(
            shuffled([msgspec.structs.replace(t, indexes=tuple(shuffled(t.indexes))) for t in manifest.tables])
        ),
        functions=tuple(shuffled(manifest.functions)),
    )

    assert generate(reordered) == generate(manifest)


def test_names_are_taken_as_the_manifest_has_them() -> None:
    """Under `as_written`, and for every overridden name, what stands on the wire stands in the types."""
    spec = m.table("Chat_Rooms", m.field("opened_at", m.NUMBER), indexes=(m.index("by_opened", "opened_at"),))
    call = m.function("chat_rooms:for_user", "query", m.field("user_id", m.STRING), returns=m.document(spec))

    files = generate(Manifest(tables=(spec,), functions=(call,), wire_names="as_written"))

    assert "chat_rooms: {\n    for_user: FunctionReference<" in files["api.d.ts"]
    assert '{ user_id: string },\n      Doc<"Chat_Rooms">' in files["api.d.ts"]
    assert 'by_opened: ["opened_at", "_creationTime"]' in files["dataModel.d.ts"]


def test_the_platforms_own_tables_and_functions_stay_out() -> None:
    """What begins with an underscore belongs to the platform and shows in no file."""
    jobs = m.table("_jobs", m.field("name", m.STRING))
    hidden = m.function("_system/cli/tables:default", "query", returns=m.ANY)

    assert generate(Manifest(tables=(jobs,), functions=(hidden,))) == generate(Manifest())


@dataclass
class Sides:
    """A field's flags, and whether it may be left out by who writes and missing for who reads."""

    optional: bool
    absent: bool
    written: str
    read: str


@pytest.mark.parametrize(
    "sides",
    [
        Sides(optional=False, absent=False, written="x: string", read="x: string"),
        Sides(optional=True, absent=False, written="x?: string", read="x: string"),
        Sides(optional=True, absent=True, written="x?: string", read="x?: string"),
    ],
    ids=["required", "default", "unset"],
)
def test_a_default_is_optional_for_who_writes_only(sides: Sides) -> None:
    """A default may be left out and is always found; only an unset field may be missing for a reader."""
    shape = m.obj(m.field("x", m.STRING, optional=sides.optional, absent=sides.absent))

    assert Types("writes").of(shape) == f"{{ {sides.written} }}"
    assert Types("reads").of(shape) == f"{{ {sides.read} }}"


def test_a_result_names_a_document_only_if_it_is_one() -> None:
    """A whole document is `Doc<...>`, also inside others; with one field more or less it is spelled out."""
    whole = m.document(m.USERS)
    part = m.obj(*whole.fields[:-1])
    literal = m.table("flags", m.field("on", m.one_of(True, False)))
    almost = m.obj(*m.document(literal).fields[:-1], m.field("on", m.one_of(1, 0)))

    def result_of(returns: Validator) -> str:
        call = m.function("x:y", "query", returns=returns)
        return generate(Manifest(tables=(m.USERS, literal), functions=(call,)))["api.d.ts"]

    assert 'Array<Doc<"users">>' in result_of(ArrayType(whole))
    assert "Doc<" not in result_of(part)
    assert "Doc<" not in result_of(almost)


@given(doc=st.text(st.sampled_from("*/ \n\r\t\u2028\x0cab\\@")) | st.text())
def test_a_docstring_cannot_leave_its_comment(doc: str) -> None:
    """Whatever a docstring says, its comment is closed once, at its end."""
    text = comment(doc)

    assert text == "" or (text.startswith("/**") and text.endswith(" */\n"))
    assert text.find("*/") == (len(text) - 3 if text else -1)


def test_a_docstring_is_carried_over_line_by_line() -> None:
    """A docstring keeps its lines and paragraphs and loses the indentation of its source."""
    assert comment("One line.") == "/** One line. */\n"
    assert (
        comment("First.\n\n    Then:\n      indented.\n    ") == "/**\n * First.\n *\n * Then:\n *   indented.\n */\n"
    )
    assert comment("  \n ") == ""
