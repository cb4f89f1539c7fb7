"""
Shapes: typed codecs for arguments, results and documents.

A shape decodes wire JSON into checked, typed Python values and encodes them, checked as hard.
What is ordinary goes through msgspec in C, by the carriers; anything it refuses, and anything
unusual, goes through the kinds, which decide and find the words.

Writing takes the same road twice: msgspec writes without looking, so the text is read back by
the carrier, and has to give an equal value. That catches what was changed after construction,
NaN written as null, bytes and dates written as text, tuples and sets written as arrays. The
one thing it cannot see is -0.0, which is equal to 0.0, and its text is looked for. Documents
that are handed on as they were read need no second look: their text is the stored one, which
had it when it was stored.

A shape belongs to one loaded app: `tables` are that app's table numbers, a mapping that is
filled when a database's layout is adopted.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, NamedTuple, NoReturn

import msgspec
from msgspec import NODEFAULT, Meta, Struct

from joelclaw.errors import BadValue, HintRefused, ValueRefused
from joelclaw.schema.carriers import carrier_of, fill_hole, write_int64
from joelclaw.schema.hints import Scope, argument_name, field_of, kind_of
from joelclaw.schema.id_checks import id_check_of
from joelclaw.schema.kinds import (
    CREATION_TIME_KIND,
    AnyKind,
    BytesKind,
    Field,
    Kind,
    ListKind,
    LiteralKind,
    NullKind,
    NumberKind,
    ObjectKind,
    RecordKind,
    TableNumbers,
    UnionKind,
)
from joelclaw.schema.naming import Naming
from joelclaw.schema.text import validator_text
from joelclaw.schema.validators import ObjectType, Validator
from joelclaw.values.limits import (
    ARRAY_LENGTH_MAX,
    VALUE_NESTING,
    Nesting,
    check_depth_and_width,
    raw_is_shallow,
)
from joelclaw.values.names import identifier_problem
from joelclaw.values.wire import json_problem

_parse = msgspec.json.Decoder().decode
_write = msgspec.json.Encoder(enc_hook=write_int64).encode

_NEGATIVE_ZERO = b"-0.0"


class Stored(NamedTuple):
    """Documents as the database has them: their class, and the text of each."""

    cls: type
    raws: Sequence[bytes]


class Shape:
    """
    One type, ready to decode and encode.

    `limits` are how deep its values may nest. How large they may be is the caller's to see to,
    who knows what they are part of.
    """

    def __init__(self, kind: Kind, tables: TableNumbers | None = None, limits: Nesting = VALUE_NESTING) -> None:
        self.kind = kind
        self.tables = tables
        self._limits = limits
        self._ids_are_right = id_check_of(kind)
        self._is_open = _holds(kind, AnyKind)
        self._is_plain = not self._is_open and not _holds(kind, BytesKind) and not _redefines_equality(kind)
        self._has_numbers = _has_numbers(kind)
        self._listed = _listed_class(kind) if self._is_plain else None
        carrier = carrier_of(kind)
        self._read = _reader(carrier) or self._read_slowly
        self._read_many = _reader(list[carrier]) or self._read_many_slowly  # type: ignore[valid-type]
        depth = depth_of(kind)
        if depth > limits.nesting_max:
            raise HintRefused(f"nests {depth} deep, and at most {limits.nesting_max} is possible")

    @property
    def validator(self) -> Validator:
        return self.kind.validator

    def decode(self, raw: bytes) -> Any:
        """
        The checked value of a text of wire JSON.

        Raises:
            ValueRefused: It is no value of this type; says where and why.
        """
        try:
            value = self._read(raw)
            if self._ids_are_right is None or (self.tables is not None and self._ids_are_right(value, self.tables)):
                if self._is_open:
                    self._check_depth(value, raw)
                return value
        except (ValueError, TypeError, ValueRefused, RecursionError):
            pass
        return self._decode_slowly(raw)

    def decode_trusted(self, raw: bytes) -> Any:
        """The value of a text that `encode` made, ids not looked at again."""
        try:
            return self._read(raw)
        except (ValueError, ValueRefused):
            return self._read_slowly(raw)

    def decode_trusted_many(self, raws: Sequence[bytes]) -> list[Any]:
        """As `decode_trusted`, for many at once: one call into C instead of one each."""
        try:
            values: list[Any] = self._read_many(b"[" + b",".join(raws) + b"]")
        except (ValueError, ValueRefused):
            return [self.decode_trusted(raw) for raw in raws]
        return values

    def encode(self, value: Any, stored: Stored | None = None) -> bytes:
        """
        The wire JSON of a value; `stored` are documents that it may consist of, unchanged.

        Raises:
            ValueRefused: It is no value of this type, or no longer; says where and why.
        """
        if self._is_plain:
            try:
                raw = _write(value)
                if stored is not None and self._is_as_stored(value, raw, stored):
                    return raw
                if (
                    (not self._has_numbers or _NEGATIVE_ZERO not in raw)
                    and self._read(raw) == value
                    and (self._ids_are_right is None or self._ids_are_right(value, self.tables or {}))
                ):
                    return raw
            except Exception:  # Whatever a stranger's `__eq__` may raise, too: the slow way decides.
                pass
        return self._encode_slowly(value)

    def _is_as_stored(self, value: Any, raw: bytes, stored: Stored) -> bool:
        return (
            stored.cls is self._listed
            and type(value) is list
            and len(value) <= ARRAY_LENGTH_MAX
            and set(map(type, value)) == {stored.cls}
            and raw == b"[" + b",".join(stored.raws) + b"]"
        )

    def _decode_slowly(self, raw: bytes) -> Any:
        try:
            obj = _parse(raw)
        except (ValueError, RecursionError) as error:
            reason = f"The text is not JSON: {json_problem(raw, error)}"
            raise ValueRefused("", reason, "", validator_text(self.validator)) from None
        value = self.kind.decode(obj, "", self.tables)
        if self._is_open:
            self._check_depth(value, raw)
        return value

    def _encode_slowly(self, value: Any) -> bytes:
        raw = _write(self.kind.encode(value, "", self.tables))
        if self._is_open:
            self._check_depth(value, raw)
        return raw

    def _read_slowly(self, raw: bytes) -> Any:
        return self.kind.decode(_parse(raw), "", None)

    def _read_many_slowly(self, raw: bytes) -> list[Any]:
        return [self.kind.decode(obj, "", None) for obj in _parse(raw)]

    def _check_depth(self, value: Any, raw: bytes) -> None:
        """What is typed nests as deep as its type; only what may be anything can nest deeper."""
        if raw_is_shallow(raw, self._limits.nesting_max):
            return
        try:
            check_depth_and_width(value, self._limits)
        except BadValue as error:
            raise ValueRefused(error.path, f"{error.reason}.", "", validator_text(self.validator)) from None


def shape_of(hint: Any, scope: Scope, tables: TableNumbers | None = None) -> Shape:
    """
    The shape of a result: any hint, as it stands in the file that `scope` is of.

    Raises:
        HintRefused: It has no wire form.
    """
    return Shape(kind_of(scope.evaluate(hint), scope), tables)


def argument_of(name: str, hint: Any, scope: Scope, naming: Naming, default: Any = NODEFAULT) -> Field:
    """
    One parameter of a function, as an argument on the wire.

    Raises:
        HintRefused: Its hint has no wire form, its default does not fit, or it needs another name.
    """
    hint = scope.evaluate(hint)
    wire_name = argument_name(hint) or naming(name)
    problem = identifier_problem(wire_name)
    if problem is not None:
        raise HintRefused(f"is {wire_name!r} on the wire, which {problem}", 'name it with Annotated[X, Arg("name")]')
    return field_of(name, wire_name, hint, scope, default)


class ArgumentsShape:
    """
    The arguments of a function: an object on the wire, keywords in Python.

    They are decoded straight into a struct with a field for each; two of one name on the wire
    are the caller's to refuse.
    """

    def __init__(self, arguments: Iterable[Field], tables: TableNumbers | None = None) -> None:
        fields = tuple(arguments)
        self._struct = msgspec.defstruct(
            "Arguments",
            [(field.python_name, Any, _struct_default(field)) for field in fields],
            kw_only=True,
            forbid_unknown_fields=True,
            rename={field.python_name: field.name for field in fields},
        )
        self.kind = ObjectKind(self._struct, fields, name="")
        self.shape = Shape(self.kind, tables)

    @property
    def validator(self) -> ObjectType:
        return self.kind.validator

    def decode(self, raw: bytes) -> dict[str, Any]:
        """
        The keywords for a call, defaults filled in.

        Raises:
            ValueRefused: An argument is missing, unknown, or wrong.
        """
        return msgspec.structs.asdict(self.shape.decode(raw))

    def encode(self, keywords: dict[str, Any]) -> bytes:
        """
        The argument object for a call from Python.

        Raises:
            ValueRefused: An argument is missing, unknown, or wrong.
        """
        try:
            arguments = self._struct(**keywords)
        except TypeError:
            self._refuse(keywords)
        return self.shape.encode(arguments)

    def _refuse(self, keywords: dict[str, Any]) -> NoReturn:
        """There is a keyword too many or too few."""
        unknown = [name for name in keywords if name not in self._struct.__struct_fields__]
        if unknown:
            self.kind.refuse_unknown(unknown[0], keywords, "")
        missing = [field for field in self.kind.fields if not field.optional and field.python_name not in keywords]
        self.kind.refuse_missing(missing[0].name, keywords, "")


def _struct_default(field: Field) -> Any:
    if field.factory is not None:
        return msgspec.field(default_factory=field.factory)
    if isinstance(field.default, (list, dict, Struct)):
        # A function's default is one object for all calls; whoever changes it must not change the next one's.
        return msgspec.field(default_factory=partial(deepcopy, field.default))
    return field.default if field.optional else NODEFAULT


# -- what is inside a kind


def _parts(kind: Kind) -> Iterator[Kind]:
    """A kind and everything in it."""
    yield kind
    match kind:
        case ListKind():
            yield from _parts(kind.element)
        case RecordKind():
            yield from _parts(kind.key)
            yield from _parts(kind.item)
        case ObjectKind():
            for field in kind.fields:
                yield from _parts(field.kind)
        case UnionKind():
            for member in kind.members:
                yield from _parts(member)


def _holds(kind: Kind, sought: type[Kind]) -> bool:
    return any(isinstance(part, sought) for part in _parts(kind))


def _has_numbers(kind: Kind) -> bool:
    """There may be a -0.0 to look for, in an int's place too. Looking takes as long as the text is: ask first."""
    numbers = [part for part in _parts(kind) if isinstance(part, (NumberKind, LiteralKind))]
    return any(part is not CREATION_TIME_KIND for part in numbers)


def _redefines_equality(kind: Kind) -> bool:
    """A class of the app has its own idea of which instances are equal; reading back proves nothing then."""
    return any(part.cls.__eq__ is not Struct.__eq__ for part in _parts(kind) if isinstance(part, ObjectKind))


def _listed_class(kind: Kind) -> type | None:
    """The class of a plain list of objects whose text alone says whether they are right."""
    if not isinstance(kind, ListKind) or kind.limits != Meta() or not isinstance(kind.element, ObjectKind):
        return None
    # NaN is written as null, too.
    nullable_numbers = any(
        isinstance(part, UnionKind)
        and any(isinstance(member, NullKind) for member in part.members)
        and any(isinstance(member, NumberKind) for member in part.members)
        for part in _parts(kind)
    )
    return None if nullable_numbers else kind.element.cls


def depth_of(kind: Kind) -> int:
    """How many arrays and objects stand inside each other in a value of this kind, what is in an `Any` not counted."""
    match kind:
        case ListKind():
            return 1 + depth_of(kind.element)
        case RecordKind():
            return 1 + depth_of(kind.item)
        case ObjectKind():
            return 1 + max((depth_of(field.kind) for field in kind.fields), default=0)
        case UnionKind():
            return max(map(depth_of, kind.members))
    return 0


def _reader(carrier: Any) -> Callable[[bytes], Any] | None:
    try:
        return msgspec.json.Decoder(carrier, dec_hook=fill_hole).decode
    except TypeError:
        # A combination that msgspec will not have, or not in this version: everything goes the slow way.
        return None
