"""
Special forms: the values that JSON has no word for.

Int64, bytes, and the floats NaN, Infinity, -Infinity and -0.0 travel as an object with one
key that begins with `$` and the base64 of their bytes (numbers little-endian). Base64 is
read in one spelling only: standard alphabet, padding, no stray bits at the end; so equal
values have equal text. Infinity and its like have no other spelling, and an ordinary number
must not hide in `$float`: clients refuse it.

Elsewhere: `wire.py` applies these by value; the schema layer by type.
"""

from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from math import copysign, isfinite
from struct import Struct

from joelclaw.errors import BadValue
from joelclaw.values.int64 import Int64

INTEGER = "$integer"
FLOAT = "$float"
BYTES = "$bytes"

_INT64 = Struct("<q")
_FLOAT64 = Struct("<d")


def is_special_float(value: float) -> bool:
    """NaN, an infinity, or -0.0: a float that must not be written as a JSON number."""
    return not isfinite(value) or (value == 0.0 and copysign(1.0, value) < 0.0)


def encode_special_float(value: float) -> dict[str, str]:
    """`{"$float": ...}`; NaNs keep their bits."""
    return {FLOAT: encode_base64(_FLOAT64.pack(value))}


def encode_int64(value: int) -> dict[str, str]:
    """`{"$integer": ...}` of an int known to fit."""
    return {INTEGER: encode_base64(_INT64.pack(value))}


def encode_bytes(value: bytes) -> dict[str, str]:
    """`{"$bytes": ...}`."""
    return {BYTES: encode_base64(value)}


def decode_special_float(payload: object) -> float:
    """
    The float inside `{"$float": payload}`.

    Raises:
        BadValue: Not eight bytes of base64, or a number that has to be written as one.
    """
    value: float = _FLOAT64.unpack(_eight_bytes(payload, FLOAT))[0]
    if not is_special_float(value):
        raise BadValue("", f"{FLOAT} holds {value!r}, which has to be written as a number")
    return value


def decode_int64(payload: object) -> Int64:
    """
    The integer inside `{"$integer": payload}`.

    Raises:
        BadValue: Not eight bytes of base64.
    """
    return Int64(_INT64.unpack(_eight_bytes(payload, INTEGER))[0])


def decode_bytes(payload: object) -> bytes:
    """
    The bytes inside `{"$bytes": payload}`.

    Raises:
        BadValue: Not base64.
    """
    return _decode_base64(payload, BYTES)


def decode_special(name: str, payload: object) -> float | Int64 | bytes:
    """
    The scalar that `{name: payload}` stands for, where `name` begins with `$`.

    Raises:
        BadValue: The payload is wrong, or clients have no such form.
    """
    if name == INTEGER:
        return decode_int64(payload)
    if name == BYTES:
        return decode_bytes(payload)
    if name == FLOAT:
        return decode_special_float(payload)
    raise BadValue("", f"field name {name!r} starts with '$', which is reserved")


def encode_base64(data: bytes) -> str:
    """Base64 as JSON text carries it."""
    return b64encode(data).decode("ascii")


def _eight_bytes(payload: object, name: str) -> bytes:
    data = _decode_base64(payload, name)
    if len(data) != 8:
        raise BadValue("", f"{name} holds {len(data)} bytes, expected 8")
    return data


def _decode_base64(payload: object, name: str) -> bytes:
    if not isinstance(payload, str):
        raise BadValue("", f"{name} must hold a string of base64")
    try:
        data = a2b_base64(payload, strict_mode=True)
    except (Base64Error, ValueError):
        raise BadValue("", f"{name} does not hold valid base64") from None
    # The decoder ignores bits beyond the last whole byte; spelling the end again shows them.
    tail = len(data) % 3
    if tail and encode_base64(data[-tail:]) != payload[-4:]:
        raise BadValue("", f"{name} does not hold valid base64")
    return data
