"""
Wire JSON by value: the nine types that clients know, to and from JSON text.

    null  boolean  float64  int64  string  bytes  array  object      (and undefined: absence)
    None  bool     float    Int64  str     bytes  list   dict        (UNSET)

What a value is decides how it is written: this codec serves `Any`, and defines the meaning
for the codecs by type in the schema layer, which must agree with it.

Reading is strict. Every JSON number is a float, `3` too: an `int` never comes out of here,
or every number a client sends would meet the wrong validator. JSON integers that a float
cannot hold exactly are rounded, as in JavaScript; `-0` is 0.0, as msgspec reads it, since
clients write `$float` for -0.0. Of a repeated key the last one counts, as in JavaScript.

Writing is generous where nothing is lost: a Python `int` goes as a number (up to 2**53,
where JavaScript would begin to round), a tuple or other sequence as an array, a mapping or a
struct as an object. Anything else is refused by name. Objects keep the order they were built
in: equal results of one function come out as equal bytes all the same, and sorting would
cost every answer. Where equality of text matters beyond that, `canonical` sorts.

`from_json` and `to_json` work on parsed JSON, as `msgspec.json` gives and takes it; text is
only ever parsed and written in C. Each walks all of a value and keeps every limit on the
way but its size (`limits.py`). `special.py` has the `$` forms, `names.py` the rule for
field names.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET

from joelclaw.errors import BadValue
from joelclaw.values.int64 import Int64
from joelclaw.values.limits import VALUE_NESTING, check_array, check_object, too_nested
from joelclaw.values.names import field_name_problem, path_step
from joelclaw.values.special import (
    decode_special,
    encode_base64,
    encode_bytes,
    encode_int64,
    encode_special_float,
    is_special_float,
)
from joelclaw.values.structs import fields_of

Value: TypeAlias = bool | int | float | str | bytes | list["Value"] | dict[str, "Value"] | None
"""What `decode` gives. `int` is there for `Int64`; a plain one never comes out."""

NUMBER_INT_MAX = 2**53
"""The largest Python `int` that goes as a number: JavaScript holds no larger ones exactly."""

_parse = msgspec.json.Decoder().decode
_write = msgspec.json.Encoder().encode
_write_sorted = msgspec.json.Encoder(order="sorted").encode


# -- reading


def decode(raw: bytes | str) -> Value:
    """
    The value that a text of wire JSON stands for.

    Raises:
        BadValue: It is no JSON, or no value; `path` says where.
    """
    return from_json(_parsed(_parse, raw))


def from_json(obj: object, path: str = "") -> Value:
    """
    The value that parsed wire JSON stands for. Errors call `obj` itself `path`.

    Raises:
        BadValue: It is none: an unknown `$` form, a bad field name, too deep, too wide.
    """
    try:
        return _from_json(obj, VALUE_NESTING.nesting_max)
    except BadValue as error:
        raise error.inside(path) from None


def _from_json(obj: Any, room: int) -> Value:
    kind = type(obj)
    if kind is str or kind is float or kind is bool or obj is None:
        return obj  # type: ignore[no-any-return]
    if kind is dict:
        return _object_from_json(obj, room)
    if kind is list:
        return _array_from_json(obj, room)
    if kind is int:
        return _float_of(obj)
    raise BadValue("", f"{kind.__name__} is not parsed JSON")


def _array_from_json(items: list[Any], room: int) -> list[Value]:
    check_array(items, VALUE_NESTING, room)
    values: list[Value] = []
    try:
        for item in items:
            values.append(_from_json(item, room - 1))  # noqa: PERF401 (the error needs to know how far we got)
    except BadValue as error:
        raise error.inside(f"[{len(values)}]") from None
    return values


def _object_from_json(fields: dict[str, Any], room: int) -> Value:
    if len(fields) == 1:
        [(name, payload)] = fields.items()
        if name[:1] == "$":
            return decode_special(name, payload)
    check_object(fields, VALUE_NESTING, room)
    values: dict[str, Value] = {}
    for name, item in fields.items():
        _check_field_name(name)
        try:
            values[name] = _from_json(item, room - 1)
        except BadValue as error:
            raise error.inside(path_step(name)) from None
    return values


def _float_of(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        raise BadValue("", "the number is larger than a float can be") from None


def _check_field_name(name: object) -> None:
    if not isinstance(name, str):
        raise BadValue("", f"field name {name!r} is not a string but {type(name).__name__}")
    problem = field_name_problem(name)
    if problem is not None:
        raise BadValue("", f"field name {name[:80]!r} {problem}")


def _parsed(parse: Callable[[bytes | str], Any], raw: bytes | str) -> Any:
    try:
        return parse(raw)
    except RecursionError:
        raise BadValue("", too_nested(VALUE_NESTING)) from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadValue("", f"the text is not JSON: {json_problem(raw, error)}") from None


_ESCAPE = re.compile(
    r"\\(?:ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|(ud[89a-f][0-9a-f]{2})|.)", re.IGNORECASE | re.DOTALL
)
"""An escape of JSON; it has a group if it is half a surrogate pair."""


def replace_half_pairs(text: str, by: str) -> str:
    """JSON text with each escape of half a surrogate pair replaced. JavaScript writes them of text cut in an emoji."""
    return _ESCAPE.sub(lambda escape: by if escape[1] else escape[0], text)


def json_problem(raw: bytes | str, error: Exception) -> str:
    """Why a text cannot be read as JSON, which msgspec does not say in every case."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    if any(escape[1] for escape in _ESCAPE.finditer(text)):
        return "it has half a surrogate pair, which is no character"
    return str(error)


# -- writing


def encode(value: object) -> bytes:
    """
    A value as wire JSON text, objects in the order they were built.

    Raises:
        BadValue: Something in it has no wire form; `path` says where.
    """
    return _write(to_json(value))


def to_json(value: object, path: str = "") -> Any:
    """
    A value as plain JSON data, which `msgspec.json.encode` writes. Errors call `value` itself `path`.

    UNSET fields are left out; anywhere else UNSET is an error.

    Raises:
        BadValue: Something in it has no wire form.
    """
    try:
        return _to_json(value, VALUE_NESTING.nesting_max, _WIRE)
    except BadValue as error:
        raise error.inside(path) from None


def clean_json(value: object) -> bytes:
    """
    A value as JSON text for people, format `json` of the HTTP API. Not everything can be read back.

    An Int64 is a decimal string, bytes a base64 string, NaN and the infinities their names.
    Wire JSON without a `$` in it is clean already.
    """
    return _write(_to_json(value, VALUE_NESTING.nesting_max, _CLEAN))


def export_json(value: object) -> bytes:
    """
    A value as JSON text for exports, where the text of a number tells its type.

    An Int64 is an integer literal, a float always has a point or an exponent; NaN, the
    infinities and bytes are `$` forms.
    """
    return _write(_to_json(value, VALUE_NESTING.nesting_max, _EXPORT))


class _Forms(NamedTuple):
    """How an output format writes the scalars that JSON has no word for, and the whole numbers."""

    int64: Callable[[int], Any]
    special_float: Callable[[float], Any]
    binary: Callable[[bytes], Any]
    number: Callable[[int], int | float]


def _clean_float(value: float) -> float | str:
    if isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _export_float(value: float) -> float | dict[str, str]:
    return value if isfinite(value) else encode_special_float(value)


_WIRE = _Forms(encode_int64, encode_special_float, encode_bytes, int)
_CLEAN = _Forms(str, _clean_float, encode_base64, int)
_EXPORT = _Forms(int, _export_float, encode_bytes, float)


def _to_json(value: Any, room: int, forms: _Forms) -> Any:
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _checked_text(value)
    if value is None or kind is bool:
        return value
    if kind is float:
        return forms.special_float(value) if is_special_float(value) else value
    if kind is dict:
        return _object_to_json(value.items(), room, forms)
    if kind is list or kind is tuple:
        return _array_to_json(value, room, forms)
    if kind is int:
        return forms.number(_checked_number(value))
    if kind is Int64:
        return forms.int64(int(value))
    if kind is bytes:
        return forms.binary(value)
    return _unusual_to_json(value, room, forms)


def _array_to_json(items: Sequence[object], room: int, forms: _Forms) -> list[Any]:
    check_array(items, VALUE_NESTING, room)
    out: list[Any] = []
    try:
        for item in items:
            out.append(_to_json(item, room - 1, forms))  # noqa: PERF401 (the error needs to know how far we got)
    except BadValue as error:
        raise error.inside(f"[{len(out)}]") from None
    return out


def _object_to_json(fields: Iterable[tuple[Any, object]], room: int, forms: _Forms) -> dict[str, Any]:
    out: dict[str, Any] = {}
    check_object(out, VALUE_NESTING, room)  # Before what is inside: an object may hold itself.
    for name, item in fields:
        if item is UNSET:
            continue
        _check_field_name(name)
        try:
            out[name] = _to_json(item, room - 1, forms)
        except BadValue as error:
            raise error.inside(path_step(name)) from None
    check_object(out, VALUE_NESTING, room)
    return out


def _unusual_to_json(value: Any, room: int, forms: _Forms) -> Any:
    """Subclasses, structs and abstract containers: everything that is not the usual type itself."""
    if isinstance(value, str):
        return _checked_text(str.__str__(value))
    if isinstance(value, Int64):
        return forms.int64(int(value))
    if isinstance(value, int):
        return forms.number(_checked_number(int(value)))
    if isinstance(value, float):
        return _to_json(float(value), room, forms)
    if isinstance(value, bytes):
        return forms.binary(value)
    if isinstance(value, msgspec.Struct):
        return _object_to_json(fields_of(value), room, forms)
    if isinstance(value, Mapping):
        return _object_to_json(value.items(), room, forms)
    if isinstance(value, Sequence) and not isinstance(value, (bytearray, memoryview)):
        return _array_to_json(value, room, forms)
    raise BadValue("", _refusal(value))


def _checked_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        reason = f"the text has half a surrogate pair at {error.start}, which is no character"
        raise BadValue("", reason) from None
    return text


def _checked_number(number: int) -> int:
    if not -NUMBER_INT_MAX <= number <= NUMBER_INT_MAX:
        raise BadValue("", "the int is beyond 2**53, which a JavaScript number cannot hold exactly; use Int64")
    return number


_INSTEAD = {
    "set": "a list",
    "frozenset": "a list",
    "datetime": "a float of milliseconds, `value.timestamp() * 1000`",
    "date": "a string, `value.isoformat()`",
    "timedelta": "a float of milliseconds",
    "Decimal": "a float, or a string",
    "UUID": "a string, `str(value)`",
    "bytearray": "bytes",
    "memoryview": "bytes",
    "generator": "a list",
    "coroutine": "what it returns: it was not awaited",
}


def _refusal(value: object) -> str:
    if value is UNSET:
        return "UNSET has a meaning as the value of a field only, which it leaves out; use None"
    name = type(value).__name__
    instead = f"; use {_INSTEAD[name]}" if name in _INSTEAD else ""
    return f"{name} is not a value that clients know{instead}"


# -- one text for equal values


def canonical(raw: bytes | str) -> bytes:
    """
    One text for all texts of a value: keys sorted, no space, `3` for `3.0`. Good as a cache key.

    Two texts that `decode` accepts have the same canonical text exactly if their values are
    the same. It reads JSON, not values: what `decode` would refuse keeps a text of its own.

    Raises:
        BadValue: It is no JSON.
    """
    obj = _parsed(_parse_canonical, raw)
    if _LONG_NUMBER.search(raw if isinstance(raw, bytes) else raw.encode()):
        obj = _with_rounded_ints(obj)
    return _write_sorted(obj)


def _canonical_number(text: str) -> Any:
    number = float(text)
    if not isfinite(number):
        raise ValueError("Number out of range")
    if is_special_float(number):
        return encode_special_float(number)
    return int(number) if number.is_integer() and abs(number) < NUMBER_INT_MAX else number


def _with_rounded_ints(obj: Any) -> Any:
    if type(obj) is int:
        return obj if abs(obj) < NUMBER_INT_MAX else _float_of(obj)
    if type(obj) is list:
        return [_with_rounded_ints(item) for item in obj]
    if type(obj) is dict:
        return {name: _with_rounded_ints(item) for name, item in obj.items()}
    return obj


_parse_canonical = msgspec.json.Decoder(float_hook=_canonical_number).decode
_LONG_NUMBER = re.compile(rb"[0-9]{16}")
"""2**53 has sixteen digits: a text without so many in a row has no integer that a float would round."""
