"""
Limits of values: how deep, how wide, and how their size is counted.

What nests deeper or is wider than this, clients refuse, and other deployments could not take
it in: these limits are part of the format, not a setting. How large arguments, results and
documents may be is declared (`joelclaw/limits.py`).

Sizes are counted by the clients' formula (`value_size`), which is neither the length of the
JSON text nor what Python needs: a limit means the same to every client and every store.

Nesting counts arrays and objects from the outermost inwards, that one included: a scalar is
0 deep, `{}` is 1. For arguments the argument object is the outermost, for documents the
document itself.

Walking a value costs a microsecond a node, so each limit has a guard that looks at the JSON
text only, with C calls. A guard that answers True has proved the limit kept; False proves
nothing, and the value has to be walked.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import UNSET, Struct

from joelclaw.errors import BadValue
from joelclaw.values.names import path_step
from joelclaw.values.structs import fields_of

NESTING_MAX = 64
DOCUMENT_NESTING_MAX = 16
ARRAY_LENGTH_MAX = 8192
OBJECT_FIELDS_MAX = 1024


class Nesting(NamedTuple):
    """How deep a kind of value may nest. Widths are the same for all kinds."""

    noun: str
    nesting_max: int


VALUE_NESTING = Nesting("Value", NESTING_MAX)
"""Of any value anywhere: arguments, results, data of errors."""

DOCUMENT_NESTING = Nesting("Document", DOCUMENT_NESTING_MAX)
"""Of documents as they are stored."""

SYSTEM_NESTING = Nesting("Document", NESTING_MAX + 2)
"""Of the platform's own documents: a job's hold the arguments of a call, in a list."""


def value_size(value: object) -> int:
    """
    The size of a value in bytes, as limits and metrics count it.

    Null and boolean 1, numbers 9, text and bytes 2 and their length, arrays 2 and their
    elements, objects 2 and for each field its name, 1, and its value. UNSET fields are absent.
    """
    kind = type(value)
    if value is None or kind is bool:
        return 1
    if kind is float or isinstance(value, int):
        return 9
    if isinstance(value, str):
        return 2 + (len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass")))
    if isinstance(value, bytes):
        return 2 + len(value)
    if isinstance(value, (list, tuple)):
        return 2 + sum(map(value_size, value))
    if isinstance(value, (dict, Struct)):
        fields = value.items() if isinstance(value, dict) else fields_of(value)
        return 2 + sum(len(name) + 1 + value_size(item) for name, item in fields if item is not UNSET)
    # The unusual containers that can be written, too.
    if isinstance(value, Mapping):
        return value_size(dict(value))
    if isinstance(value, Sequence):
        return value_size(list(value))
    raise BadValue("", f"{kind.__name__} is not a value")


def check_size(value: object, size_bytes_max: int) -> None:
    """
    Raises:
        BadValue: The value is larger than that.
    """
    size_bytes = value_size(value)
    if size_bytes > size_bytes_max:
        # "Value" for documents, too: clients' tests look for these words.
        raise BadValue("", f"Value is too large: {size_bytes:,} bytes, at most {size_bytes_max:,}")


def check_depth_and_width(value: object, limits: Nesting = VALUE_NESTING) -> None:
    """
    Raises:
        BadValue: Something in the value nests too deep, or an array or object is too wide.
    """
    _check_container(value, limits, limits.nesting_max)


def _check_container(value: object, limits: Nesting, room: int) -> None:
    if isinstance(value, (list, tuple)):
        check_array(value, limits, room)
        for index, item in enumerate(value):
            _check_item(item, limits, room, f"[{index}]")
    elif isinstance(value, (dict, Struct)):
        fields = value if isinstance(value, dict) else {k: v for k, v in fields_of(value) if v is not UNSET}
        check_object(fields, limits, room)
        for name, item in fields.items():
            _check_item(item, limits, room, path_step(name))


def _check_item(item: object, limits: Nesting, room: int, step: str) -> None:
    if not isinstance(item, (list, tuple, dict, Struct)):
        return
    try:
        _check_container(item, limits, room - 1)
    except BadValue as error:
        raise error.inside(step) from None


def check_array(items: Sequence[object], limits: Nesting, room: int) -> None:
    """One array where `room` more levels are allowed; what is inside is the caller's to check."""
    if not room:
        raise BadValue("", too_nested(limits))
    if len(items) > ARRAY_LENGTH_MAX:
        raise BadValue("", f"Array length is too long: {len(items):,} elements, at most {ARRAY_LENGTH_MAX:,}")


def check_object(fields: dict[str, Any], limits: Nesting, room: int) -> None:
    """One object where `room` more levels are allowed; what is inside is the caller's to check."""
    if not room:
        raise BadValue("", too_nested(limits))
    if len(fields) > OBJECT_FIELDS_MAX:
        raise BadValue("", f"Object has too many fields: {len(fields):,}, at most {OBJECT_FIELDS_MAX:,}")


def too_nested(limits: Nesting) -> str:
    """The sentence about a value that nests too deep."""
    return f"{limits.noun} is too nested: at most {limits.nesting_max} arrays and objects may stand inside each other"


def raw_is_shallow(raw: bytes, nesting_max: int = NESTING_MAX) -> bool:
    """The text cannot nest deeper than allowed: it has too few opening brackets, those in strings counted."""
    return raw.count(b"[") + raw.count(b"{") <= nesting_max


def raw_is_narrow(raw: bytes) -> bool:
    """The text cannot hold a too wide array or object: it has too few commas, those in strings counted."""
    return raw.count(b",") < OBJECT_FIELDS_MAX


def raw_is_small(raw: bytes, size_bytes_max: int) -> bool:
    """The value cannot be larger than allowed. No character of JSON stands for more than the 9 of a digit."""
    return 9 * len(raw) <= size_bytes_max
