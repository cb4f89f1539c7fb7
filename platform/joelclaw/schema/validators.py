"""
Validators: what a type hint means on the wire, as data.

A validator describes the wire form of one argument, result or document. It is what the
manifest carries out of an isolate, so everything that must not import user code works
from it: TypeScript, the list of functions, the comparison of two schemas.

All of it is frozen data that msgspec encodes. How a validator is *enforced* lives in
`shapes.py`; how a Python hint becomes one, in `hints.py`.
"""

from typing import TypeAlias

import msgspec


class NullType(msgspec.Struct, frozen=True, tag="null"):
    """Only `null`."""


class BooleanType(msgspec.Struct, frozen=True, tag="boolean"):
    """`true` or `false`."""


class NumberType(msgspec.Struct, frozen=True, tag="number"):
    """A float64 on the wire; with `whole`, one that a Python `int` holds exactly."""

    whole: bool = False


class BigintType(msgspec.Struct, frozen=True, tag="bigint"):
    """An int64: a bigint in JavaScript."""


class StringType(msgspec.Struct, frozen=True, tag="string"):
    """Text."""


class BytesType(msgspec.Struct, frozen=True, tag="bytes"):
    """Raw bytes: an ArrayBuffer in JavaScript."""


class AnyType(msgspec.Struct, frozen=True, tag="any"):
    """Any wire value."""


class LiteralType(msgspec.Struct, frozen=True, tag="literal"):
    """Exactly this value."""

    value: str | int | bool


class IdType(msgspec.Struct, frozen=True, tag="id"):
    """A document id of this table."""

    table: str


class ArrayType(msgspec.Struct, frozen=True, tag="array"):
    """Any number of elements of one kind."""

    element: "Validator"


class RecordType(msgspec.Struct, frozen=True, tag="record"):
    """An object whose keys are not known beforehand."""

    key: "Validator"
    value: "Validator"


class UnionType(msgspec.Struct, frozen=True, tag="union"):
    """One of several; never nested, never of one."""

    members: tuple["Validator", ...]


class FieldSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One field of an object, one argument of a function."""

    name: str
    """As on the wire."""

    python_name: str
    validator: "Validator"
    optional: bool = False
    """May be left out by whoever writes it."""

    absent: bool = False
    """May be missing for whoever reads it. A field with a default is `optional` but never `absent`."""

    doc: str = ""


class ObjectType(msgspec.Struct, frozen=True, tag="object"):
    """An object with known fields and no others."""

    fields: tuple[FieldSpec, ...]
    name: str = ""
    """The Python class it came from, for messages; empty when there is none."""


Validator: TypeAlias = (
    NullType
    | BooleanType
    | NumberType
    | BigintType
    | StringType
    | BytesType
    | AnyType
    | LiteralType
    | IdType
    | ArrayType
    | RecordType
    | UnionType
    | ObjectType
)
