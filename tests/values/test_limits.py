"""`joelclaw.values.limits`: sizes, nesting, widths, and the guards that look at text only."""

from collections import UserList
from types import MappingProxyType

import msgspec
import pytest
from hypothesis import given
from msgspec import UNSET

from joelclaw.errors import BadValue
from joelclaw.values.int64 import Int64
from joelclaw.values.limits import (
    DOCUMENT_NESTING,
    VALUE_NESTING,
    check_depth_and_width,
    check_size,
    raw_is_narrow,
    raw_is_shallow,
    raw_is_small,
    value_size,
)
from joelclaw.values.wire import Value, canonical, encode
from tests.values.strategies import values


class Anchor(msgspec.Struct, rename="camel"):
    paragraph_id: str
    quote: str | msgspec.UnsetType = UNSET


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (None, 1),
        (True, 1),
        (1.0, 9),
        (3, 9),
        (Int64(3), 9),
        ("", 2),
        ("é\U0001f600", 8),
        (b"abc", 5),
        ([], 2),
        ([None, 1.0], 12),
        ({}, 2),
        ({"ab": None, "": "x"}, 2 + (2 + 1 + 1) + (0 + 1 + 3)),
        ({"gone": UNSET}, 2),
        (UserList(["x"]), 2 + 3),
        (MappingProxyType({"ab": None}), 2 + 2 + 1 + 1),
        (Anchor(paragraph_id="p"), 2 + len("paragraphId") + 1 + 3),
    ],
)
def test_size(value: object, size: int) -> None:
    """Sizes follow the clients' formula (VAL-17)."""
    assert value_size(value) == size


def test_size_of_what_is_no_value() -> None:
    """There is no size of what has no wire form."""
    with pytest.raises(BadValue, match="set is not a value"):
        value_size([set()])


def test_the_limits_themselves() -> None:
    """Documents nest 16 deep, other values 64."""
    assert DOCUMENT_NESTING == ("Document", 16)
    assert VALUE_NESTING == ("Value", 64)


def test_refuses_too_large_values() -> None:
    """A value of exactly the limit is fine, one byte more is not."""
    check_size("x" * 14, 16)
    with pytest.raises(BadValue, match="Value is too large: 17 bytes, at most 16"):
        check_size("x" * 15, 16)


def nest(depth: int) -> object:
    value: object = "core"
    for _ in range(depth):
        value = {"a": value} if depth % 2 else [value]
    return value


@pytest.mark.parametrize(("limits", "deepest"), [(DOCUMENT_NESTING, 16), (VALUE_NESTING, 64)])
def test_refuses_too_deep_nesting(limits: object, deepest: int) -> None:
    """The outermost container counts as one, a scalar as none (VAL-7)."""
    assert isinstance(limits, type(DOCUMENT_NESTING))
    check_depth_and_width(nest(deepest), limits)
    with pytest.raises(BadValue, match=f"{limits.noun} is too nested") as caught:
        check_depth_and_width(nest(deepest + 1), limits)
    assert caught.value.path == ".a" * deepest


def test_refuses_too_wide_containers() -> None:
    """The error says which array or object inside is too wide; absent fields do not count (VAL-8)."""
    check_depth_and_width({"a": [None] * 8192, "b": {str(n): n for n in range(1024)}})
    with pytest.raises(BadValue, match="Array length is too long: 8,193") as caught:
        check_depth_and_width({"a": [[], [None] * 8193]})
    assert caught.value.path == ".a[1]"
    with pytest.raises(BadValue, match="Object has too many fields: 1,025") as caught:
        check_depth_and_width([{str(n): n for n in range(1025)}])
    assert caught.value.path == "[0]"
    check_depth_and_width(Anchor(paragraph_id="p"))


def nesting_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(nesting_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(nesting_of, value), default=0)
    return 0


@given(values)
def test_shallow_text_holds_a_shallow_value(value: Value) -> None:
    """The guard never passes a text that nests deeper than it allows."""
    assert not raw_is_shallow(encode(value), nesting_of(value) - 1)


@given(values)
def test_small_text_holds_a_small_value(value: Value) -> None:
    """The guard never passes a text whose value is larger than it allows, in its shortest spelling too."""
    assert not raw_is_small(canonical(encode(value)), value_size(value) - 1)


def test_many_digits_are_not_small() -> None:
    """The densest value there is: a list of digits weighs four and a half bytes a character."""
    digits = [0] * 1000
    assert not raw_is_small(encode(digits), value_size(digits) - 1)
    assert not raw_is_small(b"0", value_size(0) - 1)


def test_guards_pass_ordinary_calls() -> None:
    """Two small arguments need no walk; brackets and commas in strings may cost one."""
    raw = b'{"article":"hello","limit":200}'
    assert raw_is_shallow(raw)
    assert raw_is_narrow(raw)
    assert raw_is_small(raw, 2**24)
    assert not raw_is_shallow(b'"' + b"[" * 65 + b'"')


def test_narrow_text_cannot_be_too_wide() -> None:
    """An object of 1025 fields, one too many, has too many commas for the guard."""
    assert raw_is_narrow(msgspec.json.encode({str(n): n for n in range(1024)}))
    assert not raw_is_narrow(msgspec.json.encode({str(n): n for n in range(1025)}))
