"""`joelclaw.values.keys`: bytes that sort as values do."""

import functools
import itertools
import math

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import UNSET

from joelclaw.errors import BadValue
from joelclaw.values.int64 import INT64_MAX, INT64_MIN, Int64
from joelclaw.values.keys import (
    NULL_KEY,
    UNDEFINED_KEY,
    after,
    bool_key,
    bytes_key,
    compare,
    encode_value,
    end_of,
    int64_key,
    key_of,
    number_key,
    string_key,
)
from joelclaw.values.wire import Value
from tests.values.strategies import NEGATIVE_NAN, values


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (UNSET, "01"),
        (None, "03"),
        (Int64(INT64_MIN), "048000000000000000"),
        (Int64(-(2**31) - 1), "04ffffffff7fffffff"),
        (Int64(-(2**31)), "0580000000"),
        (Int64(-(2**15) - 1), "05ffff7fff"),
        (Int64(-129), "06ff7f"),
        (Int64(-128), "0780"),
        (Int64(-1), "07ff"),
        (Int64(0), "08"),
        (Int64(1), "0901"),
        (Int64(127), "097f"),
        (Int64(128), "0a0080"),
        (Int64(2**15), "0b00008000"),
        (Int64(2**31), "0c0000000080000000"),
        (Int64(2**40), "0c0000010000000000"),
        (Int64(INT64_MAX), "0c7fffffffffffffff"),
        (NEGATIVE_NAN, "0d0007ffffffffffff"),
        (-math.inf, "0d000fffffffffffff"),
        (-0.0, "0d7fffffffffffffff"),
        (0.0, "0d8000000000000000"),
        (1.0, "0dbff0000000000000"),
        (1, "0dbff0000000000000"),
        (math.nan, "0dfff8000000000000"),
        (False, "0e"),
        (True, "0f"),
        ("", "1000"),
        ("a\0b", "106100ff6200"),
        ("é", "10c3a900"),
        (b"\0", "1100ff00"),
        (b"\0\xff", "1100ffff00"),
        ([], "1200"),
        (["a"], "1210610000"),
        (("a",), "1210610000"),
        ({}, "1500"),
        ({"a": 1.0}, "1561000dbff000000000000000"),
        ({"b": None, "a": UNSET}, "1562000300"),
        ({"": None}, "1500ff0300"),
        ({"b": None, "a": True}, "1561000f62000300"),
    ],
)
def test_vectors(value: object, key: str) -> None:
    """Known values have their known keys."""
    assert key_of(value).hex() == key


def test_encoders_of_one_type_agree_with_the_general_one() -> None:
    """What compiled plans call makes the same keys."""
    assert string_key("a\0b") == key_of("a\0b")
    assert bytes_key(b"\0") == key_of(b"\0")
    assert number_key(-1.5) == key_of(-1.5)
    assert number_key(7) == key_of(7) == key_of(7.0)
    assert int64_key(7) == key_of(Int64(7))
    assert (bool_key(False), bool_key(True)) == (key_of(False), key_of(True))
    assert (key_of(None), key_of(UNSET)) == (NULL_KEY, UNDEFINED_KEY)


class Anchor(msgspec.Struct, rename="camel"):
    the_quote: str
    paragraph: str | msgspec.UnsetType = UNSET


def test_a_struct_is_keyed_as_the_object_it_is_on_the_wire() -> None:
    """Wire names, sorted, absent fields left out."""
    assert key_of(Anchor(the_quote="q", paragraph="p")) == key_of({"paragraph": "p", "theQuote": "q"})
    assert key_of(Anchor(the_quote="q")) == key_of({"theQuote": "q"})


LADDER: list[object] = [
    UNSET,
    None,
    Int64(INT64_MIN),
    Int64(-1),
    Int64(0),
    Int64(34),
    Int64(INT64_MAX),
    NEGATIVE_NAN,
    -math.inf,
    -1.0,
    -0.0,
    0.0,
    5e-324,
    1.0,
    34.0,
    math.inf,
    math.nan,
    False,
    True,
    "",
    "\0",
    "\0a",
    "a",
    "a\0",
    "ab",
    "\uffff",  # Above the emoji in UTF-16, below it here.
    "\U0001f600",
    b"",
    b"\0",
    b"\0\0",
    b"\0\xff",
    b"a",
    b"\xff",
    [],
    [None],
    [None, None],
    [0.0],
    [[]],
    {},
    {"": None},
    {"": None, "a": None},
    {"a": None},
    {"a": None, "b": None},
    {"a": 1.0},
    {"b": None},
]


def test_the_ladder_of_types() -> None:
    """Keys and `compare` both put a ladder across all types in its order (VAL-1, VAL-2, VAL-3, VAL-4, VAL-5)."""
    assert sorted(LADDER, key=key_of) == LADDER
    for (low, a), (high, b) in itertools.product(enumerate(LADDER), repeat=2):
        assert compare(a, b) == (low > high) - (low < high), (a, b)


@given(st.lists(values, min_size=2, max_size=6))
def test_key_order_is_value_order(some: list[Value]) -> None:
    """For any two values, bytes compare as `compare` does, and values are equal only with equal keys."""
    for a, b in itertools.combinations([*some, UNSET], 2):
        key_a, key_b = key_of(a), key_of(b)
        assert (key_a > key_b) - (key_a < key_b) == compare(a, b) == -compare(b, a)


@given(st.lists(st.tuples(values, values), min_size=2, max_size=5))
def test_columns_are_keys_side_by_side(rows: list[tuple[Value, Value]]) -> None:
    """The key of two columns is their keys joined, and sorts by the first, then by the second."""

    def row_key(row: tuple[Value, Value]) -> bytes:
        out = bytearray()
        for column in row:
            encode_value(column, out)
        return bytes(out)

    def compare_rows(a: tuple[Value, Value], b: tuple[Value, Value]) -> int:
        return compare(a[0], b[0]) or compare(a[1], b[1])

    by_value = sorted(rows, key=functools.cmp_to_key(compare_rows))
    assert [row_key(row) for row in by_value] == sorted(map(row_key, rows))


@given(values, values)
@example("a", "a\0b")
@example(b"", b"\0")
@example({}, {"": None})
def test_the_range_of_a_value_holds_no_other(a: Value, b: Value) -> None:
    """In a column, `[key, end_of(key))` is exactly the rows with that value, whatever stands behind it."""
    for next_column in (b"", UNDEFINED_KEY, key_of({}), b"zzzzzzrfzzzzzzzzzzzzzzzzzzzzzzzzzzxjj"):
        inside = key_of(a) <= key_of(b) + next_column < (end_of(key_of(a)) or b"")
        assert inside == (key_of(a) == key_of(b))


@pytest.mark.parametrize("value", [10**400, "\ud800", {1, 2}, [object()]])
def test_refuses_what_has_no_place(value: object) -> None:
    """What is no value has no key."""
    with pytest.raises(BadValue):
        key_of(value)


@given(st.binary(max_size=4), st.binary(max_size=6))
def test_after_is_the_border_of_a_prefix(prefix: bytes, other: bytes) -> None:
    """What begins with a prefix is below its border; whatever else is not below the prefix is not below the border."""
    border = after(prefix)
    for text in (other, prefix + other):
        inside = prefix <= text and (border is None or text < border)
        assert inside == text.startswith(prefix)


def test_the_empty_prefix_has_no_end() -> None:
    """Without fixed values a range goes to the end of the index."""
    assert end_of(b"") is None


def test_after_the_last() -> None:
    """Only ff bytes, or nothing, have no border above them."""
    assert after(b"") is None
    assert after(b"\xff\xff") is None
    assert after(b"a\xff") == b"b"
    assert after(b"\x10a\0") == b"\x10a\x01"
