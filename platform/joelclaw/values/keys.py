"""
Index keys: bytes whose plain order is the order of values.

    undefined < null < int64 < float64 < false < true < string < bytes < array < object

Every type has a tag byte, in that order, and a payload that sorts within the type (the
reference encoding; each form below). A key has no length in front: the key of several columns
is their keys one after the other, and all keys that begin alike share a prefix. Stores, read
sets, cursors and invalidation compare such keys and never decode one.

One trap: the bytes of "a"'s key begin those of "a\\0"'s, and {}'s those of {"": 1}'s. The longer
one always goes on with ff, which begins no key; `end_of` relies on it, and a range of one
value has to end there.

The order is the clients' own (`compareValues`): they sort optimistic rows with it, and rows
would jump if ours were another. Worth knowing: an int64 sorts before every float, they are
never compared as numbers; floats follow IEEE 754 totalOrder, so -0.0 < 0.0 and NaN is a
value like any other; strings sort by UTF-8, which is by code point.

A Python `int` is a number and so a float here; an `Int64` is an int64; UNSET is undefined.
Values are trusted to be values, as `wire.py` reads or checks them.
"""

from struct import Struct as Layout
from struct import error as LayoutError  # noqa: N812 (it is a class, misnamed)
from typing import Any

from msgspec import UNSET, Struct

from joelclaw.errors import BadValue
from joelclaw.values.int64 import Int64
from joelclaw.values.structs import fields_of

UNDEFINED_KEY = b"\x01"
NULL_KEY = b"\x03"
FALSE_KEY = b"\x0e"
TRUE_KEY = b"\x0f"

_UNDEFINED = 0x01
_NULL = 0x03
_INT64_ZERO = 0x08  # Its neighbours are int64s that need 1, 2, 4 and 8 bytes: positive above, negative below.
_FLOAT = 0x0D
_FALSE = 0x0E
_STRING = 0x10
_BYTES = 0x11
_ARRAY = 0x12
_OBJECT = 0x15

_SIGN_BIT = 1 << 63
_ALL_BITS = (1 << 64) - 1
_FLOAT_BITS = Layout(">d")
_BITS = Layout(">Q")
_TAG_AND_BITS = Layout(">BQ")


# -- one value of a known type; compiled plans call these


def number_key(value: float) -> bytes:
    """
    The key of a float, or of an int that is a number: IEEE 754 bits, order-preserving.

    A positive number's bits sort as they are once the sign bit is set; a negative one's sort
    backwards, so all of them are flipped.
    """
    try:
        (bits,) = _BITS.unpack(_FLOAT_BITS.pack(value))
    except (LayoutError, OverflowError):
        raise BadValue("", "the number is larger than a float can be") from None
    return _TAG_AND_BITS.pack(_FLOAT, bits ^ (_ALL_BITS if bits & _SIGN_BIT else _SIGN_BIT))


def int64_key(value: int) -> bytes:
    """The key of an int64: the tag tells sign and width (1, 2, 4 or 8 bytes), big-endian two's complement follows."""
    if value == 0:
        return b"\x08"
    # Bits without the sign, which takes one more: 127 fits one byte, 128 needs two.
    needed = (value if value > 0 else ~value).bit_length() + 1
    rank, width = (1, 1) if needed <= 8 else (2, 2) if needed <= 16 else (3, 4) if needed <= 32 else (4, 8)
    tag = _INT64_ZERO + rank if value > 0 else _INT64_ZERO - rank
    return tag.to_bytes(1, "big") + value.to_bytes(width, "big", signed=True)


def bool_key(value: bool) -> bytes:
    """The key of a boolean: a tag each."""
    return TRUE_KEY if value else FALSE_KEY


def string_key(value: str) -> bytes:
    """The key of a string: UTF-8, each zero byte followed by ff, then a zero byte."""
    try:
        return b"\x10" + value.encode().replace(b"\0", b"\0\xff") + b"\0"
    except UnicodeEncodeError:
        raise BadValue("", "the text has half a surrogate pair, which is no character") from None


def bytes_key(value: bytes) -> bytes:
    """The key of bytes: escaped and ended as strings are."""
    return b"\x11" + value.replace(b"\0", b"\0\xff") + b"\0"


# -- any value


def key_of(value: object) -> bytes:
    """
    The key of any value, UNSET and structs included.

    Raises:
        BadValue: It is no value.
    """
    out = bytearray()
    encode_value(value, out)
    return bytes(out)


def encode_value(value: Any, out: bytearray) -> None:
    """Append the key of any value to `out`; see `key_of`."""
    if isinstance(value, str):
        out += string_key(value)
    elif isinstance(value, bool):
        out += bool_key(value)
    elif value is None:
        out += NULL_KEY
    elif isinstance(value, Int64):
        out += int64_key(value)
    elif isinstance(value, (float, int)):
        out += number_key(value)
    elif isinstance(value, bytes):
        out += bytes_key(value)
    elif isinstance(value, (list, tuple)):
        out.append(_ARRAY)
        for item in value:
            encode_value(item, out)
        out.append(0)
    elif isinstance(value, (dict, Struct)):
        _encode_object(value, out)
    elif value is UNSET:
        out += UNDEFINED_KEY
    else:
        raise BadValue("", f"{type(value).__name__} is not a value and has no place in an index")


def _encode_object(value: "dict[str, Any] | Struct", out: bytearray) -> None:
    """Fields by name: the name, a zero byte, the value's key. Names are printable ASCII and need no escape."""
    out.append(_OBJECT)
    for name, item in _sorted_fields(value):
        out += name.encode()
        # An empty name alone would look like the object's end; ff says that it is a name.
        out += b"\0" if name else b"\0\xff"
        encode_value(item, out)
    out.append(0)


def _sorted_fields(value: "dict[str, Any] | Struct") -> list[tuple[str, Any]]:
    fields = value.items() if isinstance(value, dict) else fields_of(value)
    return sorted(((name, item) for name, item in fields if item is not UNSET), key=lambda field: field[0])


# -- ranges


def after(prefix: bytes) -> bytes | None:
    """
    The smallest byte string above everything that begins with `prefix`; None if there is none.

    So `[prefix, after(prefix))` is exactly what begins with it.
    """
    trimmed = prefix.rstrip(b"\xff")
    if not trimmed:
        return None
    return trimmed[:-1] + bytes((trimmed[-1] + 1,))


def end_of(prefix: bytes) -> bytes | None:
    """
    Where the keys that begin with the *values* of `prefix` end; None for the empty prefix: nowhere.

    Less than `after` gives: the text "a" followed by a zero byte is another value, but its key
    begins with the bytes of "a"'s. There an escaping ff follows; behind a whole value a tag
    does, or the text of an id, which are all smaller.
    """
    return prefix + b"\xff" if prefix else None


# -- the order itself


def compare(a: Any, b: Any) -> int:
    """
    -1, 0 or 1: the order of values, written down without keys. Keys are tested against it.

    Of values only; what is none has no place in the order.
    """
    kind_a, kind_b = _kind(a), _kind(b)
    if kind_a != kind_b:
        return -1 if kind_a < kind_b else 1
    if kind_a in (_ARRAY, _OBJECT):
        return _compare_elements(_elements(a), _elements(b))
    if kind_a == _FLOAT:
        a, b = _total_order(a), _total_order(b)
    if kind_a in (_UNDEFINED, _NULL) or a == b:
        return 0
    return -1 if a < b else 1


def _kind(value: object) -> int:
    if value is UNSET:
        return _UNDEFINED
    if value is None:
        return _NULL
    if isinstance(value, bool):
        return _FALSE
    if isinstance(value, Int64):
        return _INT64_ZERO
    if isinstance(value, (int, float)):
        return _FLOAT
    if isinstance(value, str):
        return _STRING
    if isinstance(value, bytes):
        return _BYTES
    return _OBJECT if isinstance(value, (dict, Struct)) else _ARRAY


def _elements(value: Any) -> list[Any]:
    """An array's elements, or an object's names and values in turn: that is how objects compare."""
    if isinstance(value, (dict, Struct)):
        return [part for field in _sorted_fields(value) for part in field]
    return list(value)


def _compare_elements(a: list[Any], b: list[Any]) -> int:
    for item_a, item_b in zip(a, b, strict=False):
        order = compare(item_a, item_b)
        if order:
            return order
    return (len(a) > len(b)) - (len(a) < len(b))


def _total_order(value: float) -> int:
    """IEEE 754, 5.10 totalOrder, as an integer: the bits as sign and magnitude."""
    bits: int = _BITS.unpack(_FLOAT_BITS.pack(value))[0]
    return bits if bits < _SIGN_BIT else _SIGN_BIT - 1 - bits
