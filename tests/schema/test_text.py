"""`joelclaw.schema.text`: validators and values as people and tools read them."""

from typing import Any, Literal

import pytest
from msgspec import UNSET, UnsetType

from joelclaw.schema.hints import Scope, kind_of
from joelclaw.schema.marks import Id
from joelclaw.schema.structs import Object
from joelclaw.schema.text import VALUE_TEXT_LENGTH_MAX, did_you_mean, validator_json, value_text
from joelclaw.schema.validators import FieldSpec, NumberType, ObjectType
from joelclaw.values.int64 import Int64
from joelclaw.values.wire import to_json
from tests.schema.strategies import User


class Item(Object):
    label_text: str
    note: str | UnsetType = UNSET


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (None, {"type": "null"}),
        (int, {"type": "number"}),
        (float, {"type": "number"}),
        (Int64, {"type": "bigint"}),
        (bool, {"type": "boolean"}),
        (str, {"type": "string"}),
        (bytes, {"type": "bytes"}),
        (Any, {"type": "any"}),
        (Literal["a"], {"type": "literal", "value": "a"}),
        (Id[User], {"type": "id", "tableName": "users"}),
        (list[bool], {"type": "array", "value": {"type": "boolean"}}),
        (str | None, {"type": "union", "value": [{"type": "string"}, {"type": "null"}]}),
        (
            dict[Id[User], bool],
            {
                "type": "record",
                "keys": {"type": "id", "tableName": "users"},
                "values": {"fieldType": {"type": "boolean"}, "optional": False},
            },
        ),
        (
            Item,
            {
                "type": "object",
                "value": {
                    "labelText": {"fieldType": {"type": "string"}, "optional": False},
                    "note": {"fieldType": {"type": "string"}, "optional": True},
                },
            },
        ),
    ],
    ids=str,
)
def test_validators_have_the_official_json(hint: Any, expected: Any) -> None:
    """The JSON that the official command line reads function specifications in (SCM-9)."""
    assert validator_json(kind_of(hint, Scope(__name__, globals())).validator) == expected


def test_a_union_has_each_member_once() -> None:
    """Two hints that are one type on the wire are told once; 1 and True are two."""

    def described(hint: Any) -> dict[str, Any]:
        return validator_json(kind_of(hint, Scope(__name__, globals())).validator)

    assert described(int | float) == {"type": "number"}
    assert described(Literal[1, True])["value"] == [
        {"type": "literal", "value": 1.0},
        {"type": "literal", "value": True},
    ]


def test_validators_have_two_faces() -> None:
    """Who writes may leave out a field with a default; who reads finds it there."""
    field = FieldSpec(name="n", python_name="n", validator=NumberType(), optional=True)
    spec = ObjectType(fields=(field,))

    assert validator_json(spec)["value"]["n"]["optional"] is True
    assert validator_json(spec, "reads")["value"]["n"]["optional"] is False


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3.0"),
        (1.5, "1.5"),
        (float("inf"), "Infinity"),
        (float("nan"), "NaN"),
        (-0.0, "-0.0"),
        (Int64(-5), "-5n"),
        (b"hi", "<2 bytes>"),
        ("a", '"a"'),
        ([1, "a"], '[1.0, "a"]'),
        ({"a": {"b": []}}, "{a: {b: []}}"),
        ([[[[[[[[[[]]]]]]]]]], "[[[[[[[[...]]]]]]]]"),
    ],
    ids=str,
)
def test_values_read_as_in_typescript(value: Any, expected: str) -> None:
    """Values in messages look as their sender wrote them."""
    assert value_text(to_json(value)) == expected


@pytest.mark.parametrize("value", ["x" * 10_000, ["x"] * 8000, {str(n): n for n in range(1000)}], ids=type)
def test_long_values_are_cut(value: Any) -> None:
    """A message never carries a megabyte of somebody's value."""
    text = value_text(value)

    assert len(text) == VALUE_TEXT_LENGTH_MAX + 3
    assert text.endswith("...")


@pytest.mark.parametrize("value", [{"$integer": "?"}, {1: 2}, {"$float": 3}, 10**400, object(), {1, 2}])
def test_what_is_no_value_has_a_text_all_the_same(value: Any) -> None:
    """The text of a refused value must not fail, whatever it is."""
    assert value_text(value)


def test_a_near_name_is_offered() -> None:
    """A slip is answered with the name that was meant, anything else with all there are."""
    assert did_you_mean("artcle", ["article", "author"]) == "did you mean 'article'?"
    assert did_you_mean("zzz", ["article", "author"]) == "there is article, author"
