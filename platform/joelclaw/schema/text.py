"""
Texts of validators and values: as official clients' tools read them, and as their users do.

`validator_json` is the form of function lists and schemas; `validator_text` and `value_text`
are the words of error messages, `v.optional(v.string())` and `{body: "hello"}`, which people
who come from Convex know.
"""

import json
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Literal, TypeAlias

from joelclaw.errors import BadValue
from joelclaw.schema.validators import (
    AnyType,
    ArrayType,
    BigintType,
    BooleanType,
    BytesType,
    FieldSpec,
    IdType,
    LiteralType,
    NullType,
    NumberType,
    ObjectType,
    RecordType,
    StringType,
    UnionType,
    Validator,
)
from joelclaw.values.int64 import Int64
from joelclaw.values.special import BYTES, FLOAT, INTEGER, decode_special, is_special_float
from joelclaw.values.wire import to_json

Side: TypeAlias = Literal["writes", "reads"]
"""Of whom a validator is: whoever writes may leave out a field with a default, whoever reads finds it there."""

VALUE_TEXT_LENGTH_MAX = 400
VALUE_TEXT_DEPTH_MAX = 8

_NAMES: dict[type, str] = {
    NullType: "null",
    BooleanType: "boolean",
    NumberType: "number",
    BigintType: "bigint",
    StringType: "string",
    BytesType: "bytes",
    AnyType: "any",
}
_WORDS = {"number": "float64", "bigint": "int64"}


def validator_json(validator: Validator, side: Side = "writes") -> dict[str, Any]:
    """The validator in the JSON form that the official command line and dashboard read: a whole number is a number."""
    match validator:
        case LiteralType(value=value):
            return {"type": "literal", "value": to_json(value)}
        case IdType(table=table):
            return {"type": "id", "tableName": table}
        case ArrayType(element=element):
            return {"type": "array", "value": validator_json(element, side)}
        case RecordType(key=key, value=item):
            values = {"fieldType": validator_json(item, side), "optional": False}
            return {"type": "record", "keys": validator_json(key, side), "values": values}
        case UnionType(members=members):
            return _union_json([validator_json(member, side) for member in members])
        case ObjectType(fields=fields):
            return {"type": "object", "value": {field.name: _field_json(field, side) for field in fields}}
        case _:
            return {"type": _NAMES[type(validator)]}


def _field_json(field: FieldSpec, side: Side) -> dict[str, Any]:
    optional = field.optional if side == "writes" else field.absent
    return {"fieldType": validator_json(field.validator, side), "optional": optional}


def _union_json(members: list[dict[str, Any]]) -> dict[str, Any]:
    """Each member once: `int | float` is one number."""
    # By their text, because in Python `True == 1.0`.
    distinct = list({json.dumps(member): member for member in members}.values())
    return distinct[0] if len(distinct) == 1 else {"type": "union", "value": distinct}


def validator_text(validator: Validator) -> str:
    """The validator as a person would write it in TypeScript: `v.array(v.id("users"))`."""
    match validator:
        case LiteralType(value=value):
            return f"v.literal({value_text(value)})"
        case IdType(table=table):
            return f"v.id({value_text(table)})"
        case ArrayType(element=element):
            return f"v.array({validator_text(element)})"
        case RecordType(key=key, value=item):
            return f"v.record({validator_text(key)}, {validator_text(item)})"
        case UnionType(members=members):
            return f"v.union({', '.join(map(validator_text, members))})"
        case ObjectType(fields=fields):
            return f"v.object({_braced([(field.name, _field_text(field)) for field in fields])})"
        case _:
            name = _NAMES[type(validator)]
            return f"v.{_WORDS.get(name, name)}()"


def _field_text(field: FieldSpec) -> str:
    text = validator_text(field.validator)
    return f"v.optional({text})" if field.optional else text


def value_text(obj: Any) -> str:
    """Parsed wire JSON as a person would write it: `{at: 1.0, n: 3n}`; long and deep values are cut."""
    text = ""
    for piece in _pieces(obj, VALUE_TEXT_DEPTH_MAX):
        text += piece
        if len(text) > VALUE_TEXT_LENGTH_MAX:
            return f"{text[:VALUE_TEXT_LENGTH_MAX]}..."
    return text


def _pieces(obj: Any, room: int) -> Iterator[str]:
    """The text bit by bit, so that nobody writes out a megabyte to keep a line of it; `room` more levels are shown."""
    if isinstance(obj, list) and room:
        yield "["
        for place, item in enumerate(obj):
            yield ", " if place else ""
            yield from _pieces(item, room - 1)
        yield "]"
    elif isinstance(obj, dict) and room and not _is_special(obj):
        yield "{"
        for place, (name, item) in enumerate(obj.items()):
            yield f"{', ' if place else ''}{name}: "
            yield from _pieces(item, room - 1)
        yield "}"
    else:
        yield _scalar_text(obj)


def _scalar_text(obj: Any) -> str:
    match obj:
        case None:
            return "null"
        case bool():
            return "true" if obj else "false"
        case int():
            return _number_text(obj)
        case float():
            return _float_text(obj)
        case str():
            return f'"{obj[: VALUE_TEXT_LENGTH_MAX + 1]}"'
        case dict() if _is_special(obj):
            return _special_text(obj)
        case list() | dict():
            return "..."
    return f"<{type(obj).__name__}>"


def _number_text(number: int) -> str:
    try:
        return repr(float(number))
    except OverflowError:
        return f"an integer of {number.bit_length()} bits"


def _float_text(number: float) -> str:
    if is_special_float(number) and number != 0.0:
        return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"
    return repr(number)


def _is_special(fields: dict[str, Any]) -> bool:
    return len(fields) == 1 and next(iter(fields)) in (INTEGER, FLOAT, BYTES)


def _special_text(fields: dict[str, Any]) -> str:
    """A `$` form by what it stands for; a broken one as it is."""
    [(name, payload)] = fields.items()
    try:
        value = decode_special(name, payload)
    except BadValue:
        return f"{{{name}: {payload!r:.80}}}"
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return f"{value}n" if isinstance(value, Int64) else _float_text(value)


def _braced(fields: list[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{name}: {text}" for name, text in fields) + "}"


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Advice about a name that does not exist, from those that do."""
    near = get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there is {', '.join(known)}" if known else "only objects have fields"
