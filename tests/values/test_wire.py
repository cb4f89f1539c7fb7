"""`joelclaw.values.wire` and `special`: values to and from JSON text."""

import enum
import math
import struct
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from joelclaw.errors import BadValue
from joelclaw.values.int64 import INT64_MAX, INT64_MIN, Int64
from joelclaw.values.keys import key_of
from joelclaw.values.wire import (
    Value,
    canonical,
    clean_json,
    decode,
    encode,
    export_json,
    from_json,
    replace_half_pairs,
    to_json,
)
from tests.values.strategies import NEGATIVE_NAN, values

VECTORS: list[tuple[object, str]] = [
    (Int64(1), '{"$integer":"AQAAAAAAAAA="}'),
    (Int64(-5), '{"$integer":"+/////////8="}'),
    (Int64(5), '{"$integer":"BQAAAAAAAAA="}'),
    (Int64(INT64_MAX), '{"$integer":"/////////38="}'),
    (Int64(INT64_MIN), '{"$integer":"AAAAAAAAAIA="}'),
    (math.nan, '{"$float":"AAAAAAAA+H8="}'),
    (-0.0, '{"$float":"AAAAAAAAAIA="}'),
    (math.inf, '{"$float":"AAAAAAAA8H8="}'),
    (-math.inf, '{"$float":"AAAAAAAA8P8="}'),
    (b"hi", '{"$bytes":"aGk="}'),
    (b"", '{"$bytes":""}'),
    (3.0, "3.0"),
    (0.0, "0.0"),
    (None, "null"),
    (True, "true"),
    (False, "false"),
    ("é\U0001f600\0", '"é\U0001f600\\u0000"'),
    ([1.5, [None]], "[1.5,[null]]"),
    ({"b": {"": "x"}, "a": []}, '{"b":{"":"x"},"a":[]}'),
]


@pytest.mark.parametrize(("value", "text"), VECTORS)
def test_vectors(value: object, text: str) -> None:
    """Known values have their known text, and the text gives the value back, type included (VAL-15)."""
    assert encode(value) == text.encode()
    assert key_of(decode(text)) == key_of(value)
    assert type(decode(text)) is type(value)


@given(values)
def test_round_trip(value: Value) -> None:
    """Every value comes back from its text as itself, to the bits of a NaN and the order of fields."""
    back = decode(encode(value))
    assert key_of(back) == key_of(value)
    assert encode(back) == encode(value)


# -- reading


@pytest.mark.parametrize("text", ["3", "3.0", "30e-1", " 3 "])
def test_numbers_are_always_floats(text: str) -> None:
    """A whole JSON number is a float, however it is written."""
    value = decode(text)
    assert value == 3.0
    assert type(value) is float


def test_integers_beyond_2_53_are_rounded() -> None:
    """A JSON integer that no float holds becomes the nearest float, as in JavaScript."""
    assert decode("9007199254740993") == 9007199254740992.0
    assert type(decode("9007199254740993")) is float


def test_minus_zero() -> None:
    """`-0.0` keeps its sign; `-0` is an integer to the parser, and integers have one zero."""
    assert key_of(decode("-0.0")) == key_of(-0.0)
    assert key_of(decode("-0")) == key_of(0.0)


def test_text_may_be_str_or_bytes() -> None:
    """Both give the same value."""
    assert decode('"é"') == decode('"é"'.encode()) == "é"


def test_an_object_is_special_only_with_one_key() -> None:
    """Beside another key, a `$` key is just a bad field name."""
    with pytest.raises(BadValue, match=r"field name '\$integer' starts with '\$', which is reserved"):
        decode('{"$integer":"AQAAAAAAAAA=","a":1}')


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nope",
        "NaN",
        "Infinity",
        "-Infinity",
        "[NaN]",
        "1e400",
        "-1e400",
        "1" + "0" * 400,
        "[1",
        "[1,]",
        "{'a':1}",
        '{"a":1}{}',
        "01",
        "\ufeff1",
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '{"\\ud800":1}',
        '"\ud800"',
        "[" * 100_000 + "]" * 100_000,
    ],
)
def test_refuses_what_is_no_json(text: str) -> None:
    """Malformed text, numbers that no float holds, half surrogate pairs and endless nesting are refused."""
    with pytest.raises(BadValue):
        decode(text)


@pytest.mark.parametrize(
    "text",
    [
        r'"\ud800"',
        r'"\uD800 and more"',
        r'"\udc00\ud800"',
        r'"\ud800\u0041"',
        r'{"\\\ud83d":1}',
        r'"\ud83d\ude00\udfff"',
    ],
)
def test_half_a_surrogate_pair_is_called_so(text: str) -> None:
    """Whatever the parser calls it: somebody has cut a text in the middle of a character, and is to find out."""
    for read in (decode, canonical):
        with pytest.raises(BadValue, match="it has half a surrogate pair, which is no character"):
            read(text.encode())


@pytest.mark.parametrize("text", [r'"\ud83d\ude00" x', r'"\\ud800" x', r'"\\\\udc00" x', r'"\u0041" x'])
def test_a_whole_character_is_not_called_half(text: str) -> None:
    """A pair, and a backslash that is followed by the letters of an escape, are characters; the fault is elsewhere."""
    assert replace_half_pairs(text, "?") == text
    with pytest.raises(BadValue, match=r"trailing characters"):
        decode(text)


@pytest.mark.parametrize("raw", [b"\xff", b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\x80"'])
def test_refuses_what_is_no_utf8(raw: bytes) -> None:
    """Bytes that are no UTF-8 are refused, encoded surrogates and overlong forms among them."""
    with pytest.raises(BadValue, match="the text is not JSON"):
        decode(raw)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"$integer":"AQAAAAAAAA=="}', "$integer holds 7 bytes, expected 8"),
        ('{"$integer":"AQAAAAAAAAAA"}', "$integer holds 9 bytes, expected 8"),
        ('{"$integer":1}', "$integer must hold a string of base64"),
        ('{"$integer":null}', "$integer must hold a string of base64"),
        ('{"$float":"AAAAAAAA+A=="}', "$float holds 7 bytes, expected 8"),
        ('{"$float":"AAAAAAAA8D8="}', "$float holds 1.0, which has to be written as a number"),
        ('{"$float":"AAAAAAAAAAA="}', "$float holds 0.0, which has to be written as a number"),
        ('{"$float":NaN}', "the text is not JSON: JSON is malformed: invalid character (byte 10)"),
        ('{"$bytes":"aGk"}', "$bytes does not hold valid base64"),
        ('{"$bytes":"aGl="}', "$bytes does not hold valid base64"),
        ('{"$bytes":"aG k="}', "$bytes does not hold valid base64"),
        ('{"$bytes":"a-_="}', "$bytes does not hold valid base64"),
        ('{"$bytes":"aGk=aGk="}', "$bytes does not hold valid base64"),
        ('{"$bytes":"é"}', "$bytes does not hold valid base64"),
        ('{"$bytes":[1]}', "$bytes must hold a string of base64"),
        ('{"$set":[]}', "field name '$set' starts with '$', which is reserved"),
        ('{"$map":[]}', "field name '$map' starts with '$', which is reserved"),
        ('{"$commitTs":null}', "field name '$commitTs' starts with '$', which is reserved"),
        ('{"$undefined":null}', "field name '$undefined' starts with '$', which is reserved"),
        ('{"$":1}', "field name '$' starts with '$', which is reserved"),
        ('{"naïve":1}', "field name 'naïve' may only hold printable ASCII characters"),
        ('{"a\\n":1}', "field name 'a\\n' may only hold printable ASCII characters"),
    ],
)
def test_refuses_what_is_no_value(text: str, reason: str) -> None:
    """JSON that is no value is refused with the reason, and with where it stands."""
    with pytest.raises(BadValue) as alone:
        decode(text)
    assert str(alone.value) == reason

    if "NaN" not in text:
        with pytest.raises(BadValue) as inside:
            decode(f'{{"a":[0,1,2,{{"b":{text}}}]}}')
        assert (inside.value.path, inside.value.reason) == (".a[3].b", reason)


def test_paths_begin_where_the_caller_says() -> None:
    """A codec by type hands in the path it has walked already; odd names are quoted in it."""
    with pytest.raises(BadValue) as caught:
        from_json({"odd name": [{"$x": 1}]}, ".rooms[2]")
    assert caught.value.path == '.rooms[2]["odd name"][0]'

    with pytest.raises(BadValue) as caught:
        to_json([{1, 2}], ".rooms[2]")
    assert caught.value.path == ".rooms[2][0]"


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_refuses_too_deep_nesting() -> None:
    """64 arrays inside each other are a value, 65 are not, read or written; scalars add nothing."""
    deepest = nested(63).replace("[]", "[[{}]]").replace("[{}]", '{"a":1}')
    assert encode(decode(deepest)) == deepest.replace("1", "1.0").encode()
    assert encode(decode(nested(64))) == nested(64).encode()

    with pytest.raises(BadValue, match="Value is too nested"):
        decode(nested(65))
    with pytest.raises(BadValue, match="Value is too nested"):
        encode([decode(nested(64))])


def test_refuses_values_that_contain_themselves() -> None:
    """A list or an object inside itself is refused instead of walked for ever."""
    loop: list[object] = []
    loop.append(loop)
    ring: dict[str, object] = {}
    ring["ring"] = ring
    for endless in (loop, ring):
        with pytest.raises(BadValue, match="Value is too nested"):
            encode(endless)


@pytest.mark.parametrize(
    ("widest", "one_more", "reason"),
    [
        ([None] * 8192, [None] * 8193, "Array length is too long"),
        ({str(n): None for n in range(1024)}, {str(n): None for n in range(1025)}, "Object has too many fields"),
    ],
)
def test_refuses_too_wide_containers(widest: object, one_more: object, reason: str) -> None:
    """8192 elements or 1024 fields are a value, one more is not, read or written."""
    assert decode(encode(widest)) == widest
    with pytest.raises(BadValue, match=reason):
        encode(one_more)
    with pytest.raises(BadValue, match=reason):
        decode(msgspec.json.encode(one_more))


def test_absent_fields_do_not_count_as_fields() -> None:
    """What UNSET leaves out does not make an object wide."""
    assert encode({str(n): UNSET for n in range(2000)}) == b"{}"


# -- writing


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Temperature(float):
    pass


class Anchor(msgspec.Struct, rename="camel"):
    paragraph_id: str
    quote: str | msgspec.UnsetType = UNSET
    hits: Int64 = Int64(0)


class Circle(msgspec.Struct, tag="circle", tag_field="kind"):
    radius: int


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (2**53, "9007199254740992"),
        (-(2**53), "-9007199254740992"),
        ((1, (2,)), "[1,[2]]"),
        (range(3), "[0,1,2]"),
        (deque([1]), "[1]"),
        (MappingProxyType({"a": 1}), '{"a":1}'),
        (Colour.RED, '"red"'),
        (Level.HIGH, "3"),
        (Temperature(1.5), "1.5"),
        (Temperature(math.nan), '{"$float":"AAAAAAAA+H8="}'),
        ({"a": UNSET, "b": 1}, '{"b":1}'),
        (Anchor(paragraph_id="p"), '{"paragraphId":"p","hits":{"$integer":"AAAAAAAAAAA="}}'),
        ([Circle(radius=1)], '[{"kind":"circle","radius":1}]'),
    ],
)
def test_writes_what_loses_nothing(value: object, text: str) -> None:
    """Whole numbers, sequences, mappings, enums, structs and absent fields are written as what they mean."""
    assert encode(value) == text.encode()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({1, 2}, "set is not a value that clients know; use a list"),
        (datetime(2024, 1, 1, tzinfo=UTC), "datetime is not a value that clients know; use a float of milliseconds"),
        (timedelta(1), "timedelta is not a value that clients know; use a float of milliseconds"),
        (Decimal(1), "Decimal is not a value that clients know; use a float, or a string"),
        (UUID(int=0), "UUID is not a value that clients know; use a string"),
        (bytearray(b"x"), "bytearray is not a value that clients know; use bytes"),
        (memoryview(b"x"), "memoryview is not a value that clients know; use bytes"),
        (object(), "object is not a value that clients know"),
        (1j, "complex is not a value that clients know"),
        (encode, "function is not a value that clients know"),
        (2**53 + 1, "the int is beyond 2**53"),
        (-(2**53) - 1, "the int is beyond 2**53"),
        ({1: 2}, "field name 1 is not a string but int"),
        ({None: 2}, "field name None is not a string but NoneType"),
        ({"$a": 1}, "field name '$a' starts with '$', which is reserved"),
        ({"é": 1}, "field name 'é' may only hold printable ASCII characters"),
        ({"a" * 1025: 1}, "is longer than 1024 characters"),
        ("a\ud800", "the text has half a surrogate pair at 1"),
        ([UNSET], "UNSET has a meaning as the value of a field only"),
        (UNSET, "UNSET has a meaning as the value of a field only"),
    ],
)
def test_refuses_what_has_no_wire_form(value: object, reason: str) -> None:
    """What clients do not know is refused by its type and place, with what to use instead (VAL-12, VAL-13)."""
    with pytest.raises(BadValue) as caught:
        encode({"a": [None, {"b": (value,)}]})
    assert caught.value.path.startswith(".a[1].b[0]")
    assert reason in caught.value.reason


@given(values)
def test_json_numbers_written_are_finite(value: Value) -> None:
    """NaN and the infinities never become `null`, which is what the JSON library writes for them."""
    nulls = encode(value).count(b"null")
    assert nulls == _count(value, lambda item: item is None) + _count(
        value, lambda item: isinstance(item, str) and "null" in item
    )


def _count(value: object, wanted: Callable[[object], bool]) -> int:
    if isinstance(value, list):
        return sum(_count(item, wanted) for item in value)
    if isinstance(value, dict):
        return sum(_count(item, wanted) + wanted(name) for name, item in value.items())
    return int(wanted(value))


# -- other formats


def test_clean_json() -> None:
    """For people: int64 as a decimal string, special floats by name, bytes as base64, -0.0 as it is (VAL-16)."""
    value = {
        "int64": Int64(-5),
        "floats": [math.nan, math.inf, -math.inf, -0.0, 1.0],
        "bytes": b"hi",
        "whole": 3,
        "text": "$",
        "none": None,
    }
    assert clean_json(value) == (
        b'{"int64":"-5","floats":["NaN","Infinity","-Infinity",-0.0,1.0],"bytes":"aGk=",'
        b'"whole":3,"text":"$","none":null}'
    )


@given(values)
def test_text_without_a_dollar_is_clean_already(value: Value) -> None:
    """The shortcut that the HTTP API takes: no `$` in the wire text, nothing to clean."""
    raw = encode(value)
    if b"$" not in raw:
        assert clean_json(value) == raw


def test_export_json() -> None:
    """For exports: a number's text tells its type; what JSON has no word for stays special."""
    value = {"int64": Int64(-5), "whole": 3, "floats": [1.0, 1e22, -0.0, math.nan, -math.inf], "bytes": b"hi"}
    assert export_json(value) == (
        b'{"int64":-5,"whole":3.0,"floats":[1.0,1e22,-0.0,{"$float":"AAAAAAAA+H8="},'
        b'{"$float":"AAAAAAAA8P8="}],"bytes":{"$bytes":"aGk="}}'
    )


# -- canonical text


@pytest.mark.parametrize(
    "texts",
    [
        ["3", "3.0", "3e0", " 30e-1 "],
        ['{"a":1,"b":[2]}', '{ "b" : [2.0], "a" : 1.0 }', '{"a":7,"b":[2],"a":1}'],
        ['"é"', '"\\u00e9"'],
        ["9007199254740992", "9007199254740993", "9007199254740992.0", "9.007199254740992e15"],
        ["100000000000000000000", "1e20", "1e+20"],
        ["-0.0", "-0e5", '{"$float":"AAAAAAAAAIA="}'],
        ["0", "-0", "0.0"],
    ],
)
def test_canonical_is_one_text_for_all_spellings(texts: list[str]) -> None:
    """However a value is spelt, its canonical text is the same, and reading that gives the same value."""
    assert len({canonical(text) for text in texts}) == 1
    assert {key_of(decode(canonical(text))) for text in texts} == {key_of(decode(text)) for text in texts}


@given(st.lists(values, min_size=2, max_size=6))
def test_canonical_is_equal_exactly_for_equal_values(some: list[Value]) -> None:
    """Two values share a canonical text if and only if they share an index key."""
    some = [*some, some[0]]
    for a in some:
        for b in some:
            assert (canonical(encode(a)) == canonical(encode(b))) == (key_of(a) == key_of(b))


def test_canonical_tells_types_apart() -> None:
    """1, 1n, "1", true, [1] and {} are six keys."""
    some: list[Any] = [1.0, Int64(1), "1", True, [1.0], {}, math.nan, NEGATIVE_NAN]
    assert len({canonical(encode(value)) for value in some}) == len(some)


def test_canonical_refuses_what_is_no_json() -> None:
    """Broken text, and numbers that no float holds, have no canonical form."""
    for text in ["", "{", "NaN", "1e400", "1" + "0" * 400, '"\\ud800"', nested(5000)]:
        with pytest.raises(BadValue):
            canonical(text)


def test_nan_bits_survive() -> None:
    """A NaN's payload is part of the value and travels."""
    odd_nan: float = struct.unpack(">d", bytes.fromhex("7ff8000000000123"))[0]
    back = decode(encode(odd_nan))
    assert isinstance(back, float)
    assert struct.pack(">d", back) == bytes.fromhex("7ff8000000000123")
