"""
Kinds: what a type means, value by value.

A kind is a type hint understood: it knows its validator, turns parsed wire JSON into the
checked Python value, and back. This slow, plain code *defines* the meaning; `carriers.py` has
msgspec do most of the work in C, must agree with it, and falls back to it whenever something
is unusual or wrong. So all sentences about wrong values are made here.

Reading knows text only: `3` and `3.0` are the same number, an `int` takes both. Writing
checks as hard as reading, because documents change after they were made.

`path` is where in the whole value we are (`.anchor.quote`), for messages. `tables` maps names
of tables to their numbers in this database; None: an id of any table will do.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn, TypeAlias

from msgspec import NODEFAULT, UNSET, Meta

from joelclaw.errors import BadValue, ValueRefused
from joelclaw.schema.text import validator_text, value_text
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
from joelclaw.values import ids
from joelclaw.values.int64 import INT64_MAX, INT64_MIN, Int64
from joelclaw.values.limits import ARRAY_LENGTH_MAX, OBJECT_FIELDS_MAX
from joelclaw.values.names import field_name_problem, path_step
from joelclaw.values.special import (
    FLOAT,
    decode_special,
    encode_bytes,
    encode_int64,
    encode_special_float,
    is_special_float,
)
from joelclaw.values.wire import NUMBER_INT_MAX, from_json, to_json

TableNumbers: TypeAlias = Mapping[str, int]

ID, CREATION_TIME = "id", "creation_time"
"""The fields that every document has, in Python."""

MISMATCH = "Value does not match validator."

_NO_LIMITS = Meta()
_IDS_REMEMBERED = 16_384

table_number_of = lru_cache(maxsize=_IDS_REMEMBERED)(ids.table_number_of)
"""As in `ids`; the same few ids come by again and again."""


class Kind:
    """A type, understood. Immutable; shared by everything that uses the type."""

    validator: Validator

    def decode(self, obj: Any, path: str, tables: TableNumbers | None, /) -> Any:
        """
        The value of parsed wire JSON.

        Raises:
            ValueRefused: It is no such value.
        """
        raise NotImplementedError

    def encode(self, value: Any, path: str, tables: TableNumbers | None, /) -> Any:
        """
        Plain JSON data for a value.

        Raises:
            ValueRefused: It is no such value.
        """
        raise NotImplementedError

    def refuse(self, obj: Any, path: str, reason: str = MISMATCH) -> NoReturn:
        """`obj`, JSON or not, is no value of this kind."""
        raise ValueRefused(path, reason, _shown(obj), validator_text(self.validator)) from None


def _shown(value: Any) -> str:
    try:
        return value_text(to_json(value))
    except BadValue:
        return value_text(value)


# -- scalars


class NullKind(Kind):
    validator = NullType()

    def decode(self, obj: Any, path: str, _tables: TableNumbers | None, /) -> None:
        if obj is not None:
            self.refuse(obj, path)

    encode = decode


class BoolKind(Kind):
    validator = BooleanType()

    def decode(self, obj: Any, path: str, _tables: TableNumbers | None, /) -> bool:
        return obj if isinstance(obj, bool) else self.refuse(obj, path)

    encode = decode


class NumberKind(Kind):
    """A float, or with `whole` an int between -2**53 and 2**53, which JavaScript holds exactly."""

    def __init__(self, whole: bool, limits: Meta = _NO_LIMITS) -> None:
        self.validator = NumberType(whole=whole)
        self.whole = whole
        self.limits = limits

    def decode(self, obj: Any, path: str, _tables: TableNumbers | None, /) -> float:
        if isinstance(obj, dict):
            obj = self._special(obj, path)
        if isinstance(obj, bool) or not isinstance(obj, (int, float)):
            self.refuse(obj, path)
        number = self._whole(obj, path) if self.whole else self._float(obj, path)
        problem = _number_problem(number, self.limits)
        if problem is not None:
            self.refuse(obj, path, problem)
        return number

    def encode(self, value: Any, path: str, tables: TableNumbers | None, /) -> Any:
        if isinstance(value, dict):
            self.refuse(value, path)
        if isinstance(value, Int64):
            value = int(value)
        number = self.decode(value, path, tables)
        if isinstance(value, int) and number != value:
            self.refuse(value, path, "A float cannot hold this integer exactly; use Int64.")
        return encode_special_float(number) if isinstance(number, float) and is_special_float(number) else number

    def _special(self, obj: dict[str, Any], path: str) -> Any:
        if obj.keys() != {FLOAT}:
            self.refuse(obj, path)
        try:
            return decode_special(FLOAT, obj[FLOAT])
        except BadValue as error:
            self.refuse(obj, path, f"{error.reason}.")

    def _float(self, number: float, path: str) -> float:
        try:
            return float(number)
        except OverflowError:
            self.refuse(number, path, "The number is larger than a float can be.")

    def _whole(self, number: float, path: str) -> int:
        if isinstance(number, float) and not number.is_integer():
            self.refuse(number, path, "The number is not whole, and an integer is expected.")
        if not -NUMBER_INT_MAX <= number <= NUMBER_INT_MAX:
            self.refuse(number, path, "The integer is beyond 2**53, which a JavaScript number cannot hold; use Int64.")
        return int(number)


CREATION_TIME_KIND = NumberKind(whole=False)
"""The kind of every document's creation time. The platform sets it, so it is a number like any other but never -0.0."""


class Int64Kind(Kind):
    validator = BigintType()

    def decode(self, obj: Any, path: str, _tables: TableNumbers | None, /) -> Int64:
        value = _special_value(self, obj, path)
        return value if isinstance(value, Int64) else self.refuse(obj, path)

    def encode(self, value: Any, path: str, _tables: TableNumbers | None, /) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            self.refuse(value, path)
        if not INT64_MIN <= value <= INT64_MAX:
            self.refuse(value, path, "The integer does not fit into 64 bits.")
        return encode_int64(value)


class StringKind(Kind):
    validator = StringType()

    def __init__(self, limits: Meta = _NO_LIMITS) -> None:
        self.limits = limits

    def decode(self, obj: Any, path: str, _tables: TableNumbers | None, /) -> str:
        if not isinstance(obj, str):
            self.refuse(obj, path)
        text = str(obj)
        problem = _text_problem(text, self.limits)
        if problem is not None:
            self.refuse(obj, path, problem)
        return text

    def encode(self, value: Any, path: str, tables: TableNumbers | None, /) -> str:
        text = self.decode(value, path, tables)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.refuse(ascii(text), path, "The text has half a surrogate pair, which is no character.")
        return text


class BytesKind(Kind):
    validator = BytesType()

    def __init__(self, limits: Meta = _NO_LIMITS) -> None:
        self.limits = limits

    def decode(self, obj: Any, path: str, _tables: TableNumbers | None, /) -> bytes:
        value = _special_value(self, obj, path)
        return self._checked(value, path) if isinstance(value, bytes) else self.refuse(obj, path)

    def encode(self, value: Any, path: str, _tables: TableNumbers | None, /) -> Any:
        return encode_bytes(self._checked(value, path)) if isinstance(value, bytes) else self.refuse(value, path)

    def _checked(self, value: bytes, path: str) -> bytes:
        problem = _length_problem(value, self.limits, "The value", "bytes")
        if problem is not None:
            self.refuse(value, path, problem)
        return value


class IdKind(Kind):
    """An id of one table. One of several tables is a union of these."""

    def __init__(self, table: str) -> None:
        self.validator = IdType(table)
        self.table = table

    def decode(self, obj: Any, path: str, tables: TableNumbers | None, /) -> str:
        if not isinstance(obj, str):
            self.refuse(obj, path)
        text = str(obj)
        number = table_number_of(text)
        if number is None:
            self.refuse(obj, path)
        if tables is not None and tables.get(self.table) != number:
            self.refuse(obj, path, self._of_another_table(text, number, tables))
        return text

    encode = decode

    def _of_another_table(self, text: str, number: int, tables: TableNumbers) -> str:
        found = next((name for name, its_number in tables.items() if its_number == number), None)
        source = f"table `{found}`" if found else "an unknown table"
        return (
            f'Found ID "{text}" from {source}, which does not match '
            f"the table name in validator `{validator_text(self.validator)}`."
        )


class LiteralKind(Kind):
    """Exactly this value, and of this type: 1 is not true."""

    def __init__(self, value: str | int | bool) -> None:
        self.validator = LiteralType(value)
        self.value = value

    def decode(self, obj: Any, path: str, _tables: TableNumbers | None, /) -> str | int | bool:
        same_type = isinstance(obj, bool) == isinstance(self.value, bool)
        return self.value if same_type and obj == self.value else self.refuse(obj, path)

    encode = decode


class AnyKind(Kind):
    """Any wire value, read and written by what it is; see `values/wire.py`."""

    validator = AnyType()

    def decode(self, obj: Any, path: str, _tables: TableNumbers | None, /) -> Any:
        try:
            return from_json(obj)
        except BadValue as error:
            self.refuse(obj, path + error.path, f"{error.reason}.")

    def encode(self, value: Any, path: str, _tables: TableNumbers | None, /) -> Any:
        try:
            return to_json(value)
        except BadValue as error:
            self.refuse(value, path + error.path, f"{error.reason}.")


def _special_value(kind: Kind, obj: Any, path: str) -> Any:
    if not isinstance(obj, dict) or len(obj) != 1:
        kind.refuse(obj, path)
    [(name, payload)] = obj.items()
    try:
        return decode_special(name, payload)
    except BadValue as error:
        kind.refuse(obj, path, f"{error.reason}.")


# -- limits that `Meta` declares; the comparisons are msgspec's


def _number_problem(number: float, limits: Meta) -> str | None:
    # Written so that NaN, which compares with nothing, breaks every limit.
    if limits.gt is not None and not number > limits.gt:
        return f"The number must be greater than {limits.gt}."
    if limits.ge is not None and not number >= limits.ge:
        return f"The number must be at least {limits.ge}."
    if limits.lt is not None and not number < limits.lt:
        return f"The number must be less than {limits.lt}."
    if limits.le is not None and not number <= limits.le:
        return f"The number must be at most {limits.le}."
    if limits.multiple_of is not None and number % limits.multiple_of != 0:
        return f"The number must be a multiple of {limits.multiple_of}."
    return None


def _text_problem(text: str, limits: Meta) -> str | None:
    if limits.pattern is not None and re.search(limits.pattern, text) is None:
        return f"The text must match the pattern {limits.pattern}"
    return _length_problem(text, limits, "The text", "characters")


def _length_problem(value: "Sequence[Any] | dict[Any, Any]", limits: Meta, noun: str, unit: str) -> str | None:
    if limits.min_length is not None and len(value) < limits.min_length:
        return f"{noun} must have at least {limits.min_length:,} {unit}; it has {len(value):,}."
    if limits.max_length is not None and len(value) > limits.max_length:
        return f"{noun} must have at most {limits.max_length:,} {unit}; it has {len(value):,}."
    return None


# -- containers


class ListKind(Kind):
    def __init__(self, element: Kind, limits: Meta = _NO_LIMITS) -> None:
        self.validator = ArrayType(element.validator)
        self.element = element
        self.limits = limits

    def decode(self, obj: Any, path: str, tables: TableNumbers | None, /) -> list[Any]:
        return self._each(self.element.decode, obj, path, tables)

    def encode(self, value: Any, path: str, tables: TableNumbers | None, /) -> list[Any]:
        return self._each(self.element.encode, list(value) if isinstance(value, tuple) else value, path, tables)

    def _each(self, convert: Callable[..., Any], items: Any, path: str, tables: TableNumbers | None) -> list[Any]:
        if not isinstance(items, list):
            self.refuse(items, path)
        if len(items) > ARRAY_LENGTH_MAX:
            self.refuse(
                items, path, f"Array length is too long: {len(items):,} elements, at most {ARRAY_LENGTH_MAX:,}."
            )
        problem = _length_problem(items, self.limits, "The array", "elements")
        if problem is not None:
            self.refuse(items, path, problem)
        return [convert(item, f"{path}[{index}]", tables) for index, item in enumerate(items)]


class RecordKind(Kind):
    def __init__(self, key: Kind, item: Kind, limits: Meta = _NO_LIMITS) -> None:
        self.validator = RecordType(key.validator, item.validator)
        self.key = key
        self.item = item
        self.limits = limits

    def decode(self, obj: Any, path: str, tables: TableNumbers | None, /) -> dict[str, Any]:
        return self._each(self.key.decode, self.item.decode, obj, path, tables)

    def encode(self, value: Any, path: str, tables: TableNumbers | None, /) -> dict[str, Any]:
        return self._each(self.key.encode, self.item.encode, value, path, tables)

    def _each(
        self,
        convert_key: Callable[..., str],
        convert_item: Callable[..., Any],
        fields: Any,
        path: str,
        tables: TableNumbers | None,
    ) -> dict[str, Any]:
        if not isinstance(fields, dict):
            self.refuse(fields, path)
        if len(fields) > OBJECT_FIELDS_MAX:
            self.refuse(fields, path, f"Object has too many fields: {len(fields):,}, at most {OBJECT_FIELDS_MAX:,}.")
        problem = _length_problem(fields, self.limits, "The object", "fields")
        if problem is not None:
            self.refuse(fields, path, problem)
        return {
            self._checked_name(convert_key(name, path, tables), fields, path): convert_item(
                item, path + path_step(name), tables
            )
            for name, item in fields.items()
        }

    def _checked_name(self, name: str, fields: dict[str, Any], path: str) -> str:
        problem = field_name_problem(name)
        if problem is not None:
            self.refuse(fields, path, f"The field name {name[:80]!r} {problem}.")
        return name


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of an object, one argument of a function."""

    name: str
    python_name: str
    kind: Kind
    default: Any = NODEFAULT
    """What a missing one is, if it may be missing."""

    factory: Callable[[], Any] | None = None
    """Makes the default anew each time, where it is mutable."""

    absent: bool = False
    """UNSET is a value of it: it may be missing for good."""

    doc: str = ""

    @property
    def optional(self) -> bool:
        return self.default is not NODEFAULT or self.factory is not None

    def spec(self) -> FieldSpec:
        return FieldSpec(
            name=self.name,
            python_name=self.python_name,
            validator=self.kind.validator,
            optional=self.optional,
            absent=self.absent,
            doc=self.doc,
        )


class ObjectKind(Kind):
    """
    An object with known fields: instances of a struct class.

    `tag` is the field that msgspec writes for a tagged struct, and its value.
    """

    validator: ObjectType

    def __init__(
        self, cls: Any, fields: Sequence[Field], tag: tuple[str, str | int] | None = None, name: str | None = None
    ) -> None:
        self.cls = cls
        self.fields = tuple(fields)
        self.tag = tag
        tag_spec = [] if tag is None else [_tag_spec(*tag)]
        specs = tuple(tag_spec + [field.spec() for field in fields])
        self.validator = ObjectType(specs, name=cls.__name__ if name is None else name)
        self._names = {field.name for field in self.validator.fields}

    def decode(self, obj: Any, path: str, tables: TableNumbers | None, /) -> Any:
        if not isinstance(obj, dict):
            self.refuse(obj, path)
        self.check_names(obj, path)
        values = {
            field.python_name: field.kind.decode(obj[field.name], path + path_step(field.name), tables)
            for field in self.fields
            if field.name in obj
        }
        return self._make(values, obj, path)

    def encode(self, value: Any, path: str, tables: TableNumbers | None, /) -> dict[str, Any]:
        if not isinstance(value, self.cls):
            self.refuse(value, path)
        if type(value).__struct_fields__ != self.cls.__struct_fields__:
            more = f"It is of {type(value).__name__}, which has fields that {self.cls.__name__} has not."
            self.refuse(value, path, more)
        out: dict[str, Any] = {} if self.tag is None else {self.tag[0]: self.tag[1]}
        for field in self.fields:
            item = getattr(value, field.python_name)
            if item is not UNSET:
                out[field.name] = field.kind.encode(item, path + path_step(field.name), tables)
            elif not field.absent:
                self.refuse_missing(field.name, out, path)
        if hasattr(self.cls, "__post_init__"):
            # What the app checks there was true when the instance was made; it has to be when it is read again.
            self._make({field.python_name: getattr(value, field.python_name) for field in self.fields}, out, path)
        return out

    def _make(self, values: dict[str, Any], obj: Any, path: str) -> Any:
        try:
            return self.cls(**values)
        except (TypeError, ValueError) as error:  # From a `__post_init__` of the app.
            self.refuse(obj, path, str(error))

    def check_names(self, obj: dict[str, Any], path: str) -> None:
        """
        Raises:
            ValueRefused: A field is unknown, or a required one is missing.
        """
        for name in obj:
            if name not in self._names:
                self.refuse_unknown(name, obj, path)
        for field in self.fields:
            if field.name not in obj and not field.optional:
                self.refuse_missing(field.name, obj, path)
        if self.tag is not None and obj.get(self.tag[0]) != self.tag[1]:
            self.refuse(obj, path)

    def refuse_unknown(self, name: str, obj: Any, path: str) -> NoReturn:
        self.refuse(obj, path, f"Object contains extra field `{name}` that is not in the validator.")

    def refuse_missing(self, name: str, obj: Any, path: str) -> NoReturn:
        self.refuse(
            obj,
            path,
            f"Object is missing the required field `{name}`. "
            f"Consider wrapping the field validator in `v.optional(...)` if this is expected.",
        )


def _tag_spec(name: str, value: str | int) -> FieldSpec:
    return FieldSpec(name=name, python_name=name, validator=LiteralType(value))


# -- unions


class UnionKind(Kind):
    """
    One of several, tried in order: the first member that takes a value makes it.

    An Int64 belongs to a member that is one before it belongs to a number, and a plain int the
    other way round: that is what tells 5n from 5.
    """

    def __init__(self, members: Sequence[Kind]) -> None:
        self.members = tuple(members)
        self.validator = UnionType(tuple(member.validator for member in members))

    def decode(self, obj: Any, path: str, tables: TableNumbers | None, /) -> Any:
        return self._first([member.decode for member in self.members], obj, path, tables)

    def encode(self, value: Any, path: str, tables: TableNumbers | None, /) -> Any:
        bigint_first = isinstance(value, Int64)
        members = sorted(self.members, key=lambda member: isinstance(member, Int64Kind) != bigint_first)
        return self._first([member.encode for member in members], value, path, tables)

    def _first(self, converts: list[Callable[..., Any]], value: Any, path: str, tables: TableNumbers | None) -> Any:
        inner: list[ValueRefused] = []
        for convert in converts:
            try:
                return convert(value, path, tables)
            except ValueRefused as error:
                if error.path != path or error.reason != MISMATCH:
                    inner.append(error)
        # A member that objects to more than the type as such is the one that was meant, if it is the only one.
        if len(inner) == 1:
            raise inner[0]
        return self.refuse(value, path)
