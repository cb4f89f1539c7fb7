"""
Validators as TypeScript: the text of types, property names and comments.

A field has two faces. Whoever writes a value may leave out what has a default; whoever
reads one always finds it there. So a type is rendered for a `Side`, and the same class is
one type as an argument and another as a result.

Text is laid out as a person would: what fits on a line stands on one, everything else is
indented below. Order is the author's inside an object, because it carries meaning for
readers; what has no order of its own is sorted by whoever calls.

Elsewhere: which types make up a file is the concern of `api.py` and `data_model.py`.
"""

import inspect
import json
import re
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias, assert_never

import msgspec

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

Side: TypeAlias = Literal["writes", "reads"]
"""Of whom a type is: of one who hands a value in, or of one who gets it."""

HEADER = """\
/* eslint-disable */
/**
 * Generated from the Python files of this deployment; edits will be lost.
 *
 * `joelclaw dev` keeps this file current, `joelclaw codegen` renews it once.
 */
"""

_LINE_LENGTH = 80
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


class Types:
    """
    The types of one side.

    `documents` names tables by the `fingerprint` of their documents: an object that is such a
    document, whole, is written `Doc<"table">`.
    """

    def __init__(self, side: Side, documents: Mapping[bytes, str] | None = None) -> None:
        self.side = side
        self.documents = documents or {}

    def of(self, validator: Validator) -> str:
        match validator:
            case NullType():
                return "null"
            case BooleanType():
                return "boolean"
            case NumberType():
                return "number"
            case BigintType():
                return "bigint"
            case StringType():
                return "string"
            case BytesType():
                return "ArrayBuffer"
            case AnyType():
                return "any"
            case LiteralType(value=value):
                return json.dumps(value)
            case IdType(table=table):
                return f"Id<{json.dumps(table)}>"
            case ArrayType(element=element):
                return f"Array<{self.of(element)}>"
            case RecordType():
                return self._record(validator)
            case UnionType(members=members):
                return union(self.of(member) for member in members)
            case ObjectType(fields=fields):
                return self.object(fields)
        assert_never(validator)

    def object(self, fields: Iterable[FieldSpec], *, open_ended: bool = False) -> str:
        """An object with these fields and no others; `open_ended`, with any others, too."""
        fields = tuple(fields)
        table = self.documents.get(fingerprint(fields))
        if table is not None:
            return f"Doc<{json.dumps(table)}>"
        members = [self._member(field) for field in fields]
        if open_ended:
            members.append("[name: string]: any")
        # `{}` would take anything but null, where we take nothing.
        return braces(members) if members else "Record<string, never>"

    def _member(self, field: FieldSpec) -> str:
        missing = field.optional if self.side == "writes" else field.absent
        return f"{comment(field.doc)}{key(field.name)}{'?' if missing else ''}: {self.of(field.validator)}"

    def _record(self, record: RecordType) -> str:
        mapped = f"Record<{self.of(record.key)}, {self.of(record.value)}>"
        # TypeScript demands every key of a mapped type whose keys are literals; a dict holds any of them.
        return f"Partial<{mapped}>" if _has_literal(record.key) else mapped


def fingerprint(fields: Iterable[FieldSpec]) -> bytes:
    """What makes two objects the same for a reader: names, types and which may be missing."""
    # As JSON, because in Python `LiteralType(1) == LiteralType(True)`.
    return msgspec.json.encode([(field.name, field.validator, field.absent) for field in fields])


def union(types: Iterable[str]) -> str:
    """One of these, each named once: `int | float` is one `number`."""
    return " | ".join(dict.fromkeys(types))


def braces(members: Iterable[str]) -> str:
    """An object type of these members, on one line where they fit and have no comment."""
    members = list(members)
    if not members:
        return "{}"
    line = f"{{ {'; '.join(members)} }}"
    if "\n" not in line and len(line) <= _LINE_LENGTH:
        return line
    return indented("\n".join(["{", *(f"{member};" for member in members)])) + "\n}"


def indented(text: str) -> str:
    """All lines but the first, one step to the right."""
    return text.replace("\n", "\n  ")


def generic(name: str, arguments: Iterable[str]) -> str:
    """A generic type with one argument a line."""
    return indented(f"{name}<\n" + ",\n".join(arguments)) + "\n>"


def key(name: str) -> str:
    """A property name, quoted if it is no identifier."""
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name)


def comment(doc: str) -> str:
    """A docstring as a TSDoc comment that ends with a newline; nothing for none."""
    lines = [line.rstrip() for line in inspect.cleandoc(doc).replace("*/", "*\\/").splitlines()]
    if not any(lines):
        return ""
    if len(lines) == 1:
        return f"/** {lines[0]} */\n"
    return "/**\n" + "".join(f" * {line}".rstrip() + "\n" for line in lines) + " */\n"


def _has_literal(validator: Validator) -> bool:
    members = validator.members if isinstance(validator, UnionType) else (validator,)
    return any(isinstance(member, LiteralType) for member in members)
