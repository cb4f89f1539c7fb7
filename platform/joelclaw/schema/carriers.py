"""
Carriers: types that msgspec decodes in C with the meaning of our kinds.

msgspec reads text straight into typed structs, but some of what it does is not what our wire
means: it bounds no int, takes `3` for an `Any` as an int, knows neither Int64 nor bytes as
clients write them, and refuses unions of several untagged objects. So each kind gets a
*carrier*: the nearest type that msgspec accepts, narrowed by `Meta`, and with a *hole*
wherever only the kind itself knows: msgspec parses what is there and has the kind decode it.

A carrier may refuse what its kind takes (`3.0` for an int, a `$float`), because everything
refused is tried again slowly. It must never take what its kind refuses, nor make another
value of it; ids excepted, which `id_checks.py` looks at afterwards. A property test holds it
to that.

The fields of a class are carried by rewriting its annotations for the moment in which msgspec
first looks at it: msgspec reads them once and remembers.
"""

from inspect import get_annotations
from typing import Annotated, Any, Literal, TypeGuard, Union
from weakref import WeakKeyDictionary

import msgspec
from msgspec import Meta, UnsetType

from joelclaw.schema.kinds import (
    BoolKind,
    Field,
    IdKind,
    Kind,
    ListKind,
    LiteralKind,
    NullKind,
    NumberKind,
    ObjectKind,
    RecordKind,
    StringKind,
    UnionKind,
)
from joelclaw.values.int64 import Int64
from joelclaw.values.limits import ARRAY_LENGTH_MAX, OBJECT_FIELDS_MAX
from joelclaw.values.special import encode_int64
from joelclaw.values.wire import NUMBER_INT_MAX

_FIELD_NAME = r"^(?!\$)[ -~]{0,1024}\Z"


class _HoleMeta(type):
    kind: Kind

    def __instancecheck__(cls, instance: object) -> bool:
        # msgspec asks whether what `fill_hole` made is one; the kind has seen to that.
        return True


def fill_hole(hole: Any, obj: Any) -> Any:
    """msgspec's `dec_hook`: the value of parsed JSON where only a kind can say it."""
    return hole.kind.decode(obj, "", None)


def write_int64(value: Any) -> Any:
    """msgspec's `enc_hook`: an Int64 is the one value that it does not know and we do."""
    if type(value) is Int64:
        return encode_int64(value)
    raise TypeError(type(value))


def carrier_of(kind: Kind) -> Any:
    """The type to give to msgspec in place of a kind."""
    match kind:
        case NullKind():
            return None
        case BoolKind():
            return bool
        case NumberKind():
            return Annotated[int, _int_limits(kind.limits)] if kind.whole else _annotated(float, kind.limits)
        case StringKind():
            return _annotated(str, kind.limits)
        case IdKind():
            return str
        case LiteralKind() if not isinstance(kind.value, bool):
            return Literal[kind.value]
        case ListKind():
            return Annotated[list[carrier_of(kind.element)], _width(kind.limits, ARRAY_LENGTH_MAX)]  # type: ignore[misc]
        case RecordKind() if _is_plain_text(kind.key):
            name = Annotated[str, Meta(pattern=_FIELD_NAME)]
            return Annotated[dict[name, carrier_of(kind.item)], _width(kind.limits, OBJECT_FIELDS_MAX)]  # type: ignore[misc]
        case ObjectKind() if kind.tag is None:
            return _class_carrier(kind)
        case UnionKind() if _told_apart(kind.members):
            return _union(kind.members)
    return _hole(kind)


def _hole(kind: Kind) -> Any:
    return _HoleMeta("Hole", (), {"kind": kind})


def _annotated(base: type, limits: Meta) -> Any:
    return base if limits == Meta() else Annotated[base, limits]


def _int_limits(limits: Meta) -> Meta:
    """An int's own limits, and within them what a JavaScript number holds exactly."""
    own = {name: getattr(limits, name) for name in ("gt", "ge", "lt", "le", "multiple_of")}
    if own["gt"] is None or own["gt"] < -NUMBER_INT_MAX:
        own["gt"], own["ge"] = None, max(-NUMBER_INT_MAX, own["ge"] if own["ge"] is not None else -NUMBER_INT_MAX)
    if own["lt"] is None or own["lt"] > NUMBER_INT_MAX:
        own["lt"], own["le"] = None, min(NUMBER_INT_MAX, own["le"] if own["le"] is not None else NUMBER_INT_MAX)
    return Meta(**own)


def _width(limits: Meta, length_max: int) -> Meta:
    own = length_max if limits.max_length is None else min(limits.max_length, length_max)
    return Meta(min_length=limits.min_length, max_length=own)


def _is_plain_text(kind: Kind) -> bool:
    return isinstance(kind, StringKind) and kind.limits == Meta()


def _union(members: tuple[Kind, ...]) -> Any:
    # A tagged object by itself is a hole: where there is no choice msgspec lets the tag be missing.
    choice = sum(_is_tagged(member) for member in members) > 1
    carriers = [_class_carrier(member) if choice and _is_tagged(member) else carrier_of(member) for member in members]
    return Union[tuple(carriers)]  # noqa: UP007 (made of what is known only now)


def _is_tagged(kind: Kind) -> TypeGuard[ObjectKind]:
    return isinstance(kind, ObjectKind) and kind.tag is not None


_ONCE = frozenset({"boolean", "number", "text", "array", "object"})


def _told_apart(members: tuple[Kind, ...]) -> bool:
    """
    JSON's own types tell the members apart, so that msgspec cannot choose another than the kind would.

    Where texts of several sorts stand side by side, ids and literals among them, the value is the same whichever
    takes it; what msgspec then refuses too much is tried again.
    """
    families = [family for member in members if (family := _family(member)) != "null"]
    if len(families) == 1:
        return True
    tag_fields = [member.tag[0] for member in members if isinstance(member, ObjectKind) and member.tag is not None]
    return (
        None not in families
        and all(families.count(family) == 1 for family in families if family in _ONCE)
        and (not tag_fields or (len(tag_fields) > 1 and len(set(tag_fields)) == 1 and "object" not in families))
    )


def _family(kind: Kind) -> str | None:
    """What of JSON a kind takes, as far as unions are concerned; None: what only a hole takes."""
    match kind:
        case NullKind():
            return "null"
        case BoolKind():
            return "boolean"
        case NumberKind():
            return "number"
        case IdKind():
            return "id"
        case StringKind():
            # msgspec 0.22 mixes up what it keeps of a pattern and of a list in one union, and crashes freeing them.
            return "text" if kind.limits.pattern is None else None
        case LiteralKind(value=str()):
            return "text literal"
        case LiteralKind(value=int()) if not isinstance(kind.value, bool):
            return "number literal"
        case ListKind():
            return "array"
        case RecordKind() if _is_plain_text(kind.key):
            return "object"
        case ObjectKind():
            return "object" if kind.tag is None else "tagged object"
    return None


def _class_carrier(kind: ObjectKind) -> Any:
    carrier = _carriers.get(kind)
    if carrier is None:
        cls: Any = kind.cls
        # Each kind of a generic class has an alias of its own, which msgspec remembers apart from others.
        parameters = getattr(cls, "__parameters__", ())
        carrier = cls[tuple(type("Parameter", (), {}) for _ in parameters)] if parameters else cls
        if not _carry_fields(kind, carrier):
            carrier = _hole(kind)
        _carriers[kind] = carrier
    return carrier


_carriers: WeakKeyDictionary[ObjectKind, Any] = WeakKeyDictionary()


def _carry_fields(kind: ObjectKind, carrier: Any) -> bool:
    """Have msgspec look at the class once, with carriers in place of its hints; False if it cannot take them."""
    cls: Any = kind.cls
    carriers = {field.python_name: _field_carrier(field) for field in kind.fields}
    written = get_annotations(cls)
    cls.__annotations__ = carriers
    try:
        msgspec.json.Decoder(carrier, dec_hook=fill_hole)
    except TypeError:
        return False
    finally:
        cls.__annotations__ = written
    return True


def _field_carrier(field: Field) -> Any:
    carrier = carrier_of(field.kind)
    return Union[carrier, UnsetType] if field.absent else carrier  # noqa: UP007 (`None | UnsetType` is no type)
