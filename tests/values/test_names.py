"""`joelclaw.values.names`: what things may be called."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joelclaw.values.names import (
    camel,
    document_field_problem,
    field_name_problem,
    identifier_problem,
    index_name_problem,
    is_identifier,
    path_step,
    table_name_problem,
)


@pytest.mark.parametrize("name", ["", "a", "_x", "odd name", "~", " ", "a$b", "x" * 1024, "__proto__"])
def test_legal_field_names(name: str) -> None:
    """Printable ASCII is legal inside values, the empty name and nested underscores included (VAL-10)."""
    assert field_name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("$", "starts with '$', which is reserved"),
        ("$id", "starts with '$', which is reserved"),
        ("naïve", "may only hold printable ASCII characters"),
        ("a\x1f", "may only hold printable ASCII characters"),
        ("a\x7f", "may only hold printable ASCII characters"),
        ("a\n", "may only hold printable ASCII characters"),
        ("x" * 1025, "is longer than 1024 characters"),
    ],
)
def test_refused_field_names(name: str, reason: str) -> None:
    """Clients throw on these names, so they are refused, at the top level of documents too (VAL-10)."""
    assert field_name_problem(name) == reason
    assert document_field_problem(name) == reason


def test_top_level_document_fields_leave_the_underscore_to_the_system() -> None:
    """A stored document's own fields do not begin with `_` (VAL-11)."""
    problem = document_field_problem("_mine")
    assert problem is not None
    assert "only allowed for system fields like '_id'" in problem
    assert document_field_problem("mine_") is None


@pytest.mark.parametrize("name", ["a", "A9_", "_x", "x" * 64])
def test_identifiers(name: str) -> None:
    """A letter or `_`, then letters, digits and `_`."""
    assert is_identifier(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is empty"),
        ("_", "is made of underscores only"),
        ("___", "is made of underscores only"),
        ("9a", "must be a letter or '_', then letters, digits and '_'"),
        ("a-b", "must be a letter or '_', then letters, digits and '_'"),
        ("a\n", "must be a letter or '_', then letters, digits and '_'"),
        ("é", "must be a letter or '_', then letters, digits and '_'"),
        ("x" * 65, "is longer than 64 characters"),
    ],
)
def test_refused_identifiers(name: str, reason: str) -> None:
    """Each refusal says what is wrong; tables and indexes keep the same rule."""
    assert not is_identifier(name)
    assert identifier_problem(name) == reason
    if not name.startswith("_"):
        assert table_name_problem(name) == index_name_problem(name) == reason


def test_system_names_are_taken() -> None:
    """`_` begins the names of system tables and indexes; two indexes exist already."""
    assert table_name_problem("_users") == "starts with '_', which is reserved for system tables"
    assert index_name_problem("_mine") == "starts with '_', which is reserved for system indexes"
    assert index_name_problem("by_id") == "is an index that every table has already"
    assert index_name_problem("by_creation_time") == "is an index that every table has already"
    assert table_name_problem("users") is None
    assert index_name_problem("by_name") is None


@pytest.mark.parametrize(
    ("snake", "expected"),
    [
        ("for_article", "forArticle"),
        ("article", "article"),
        ("alreadyCamel", "alreadyCamel"),
        ("URL_path", "URLPath"),
        ("line_2", "line2"),
        ("a_1_b", "a1B"),
        ("a__b", "aB"),
        ("_seen_at", "_seenAt"),
        ("__x", "__x"),
        ("class_", "class"),
        ("_a_", "_a"),
        ("__", "__"),
        ("", ""),
    ],
)
def test_camel(snake: str, expected: str) -> None:
    """Inner underscores raise the next letter, leading ones stay, trailing ones go."""
    assert camel(snake) == expected


@given(st.text("ab_Z1", max_size=8))
def test_camel_twice_is_camel_once(name: str) -> None:
    """A wire name is its own wire name."""
    assert camel(camel(name)) == camel(name)


@given(st.from_regex(r"_?[ab][ab_]{0,7}", fullmatch=True))
def test_camel_is_msgspecs(name: str) -> None:
    """Our own messages are renamed by msgspec: for lower-case words it makes the same names."""
    struct = msgspec.defstruct("Named", [(name, int)], rename="camel")
    assert struct.__struct_encode_fields__ == (camel(name),)


def test_path_steps() -> None:
    """Ordinary names are dotted, odd ones quoted."""
    assert path_step("name") == ".name"
    assert path_step("odd name") == '["odd name"]'
    assert path_step("") == '[""]'
