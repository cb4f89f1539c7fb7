"""
Key plans: from a document to its index keys, compiled per index.

A key is the keys of the index's fields, then of the creation time, then the id, so that every
order is total and no two documents share a key. Each field's way into the document and its
encoder are chosen once, from its kind.

A key must be the key of what was *stored*. For most kinds that is the key of the value at
hand; where Python has two values for one on the wire (a plain int where an Int64 is meant, a
tuple for a list), the value goes through the wire first.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, Struct

from joelclaw.errors import HintRefused
from joelclaw.schema.hints import SYSTEM_FIELDS
from joelclaw.schema.kinds import (
    CREATION_TIME,
    CREATION_TIME_KIND,
    BoolKind,
    BytesKind,
    Field,
    IdKind,
    Int64Kind,
    Kind,
    LiteralKind,
    NullKind,
    NumberKind,
    ObjectKind,
    StringKind,
    UnionKind,
)
from joelclaw.schema.structs import declaration_of
from joelclaw.schema.text import did_you_mean
from joelclaw.values.keys import (
    NULL_KEY,
    UNDEFINED_KEY,
    bool_key,
    bytes_key,
    int64_key,
    key_of,
    number_key,
    string_key,
)

ValueKey: TypeAlias = Callable[[Any], bytes]

_KEYS: dict[type[Kind], ValueKey] = {
    StringKind: string_key,
    IdKind: string_key,
    NumberKind: number_key,
    Int64Kind: int64_key,
    BoolKind: bool_key,
    BytesKind: bytes_key,
}


def value_key_of(kind: Kind) -> ValueKey:
    """The function from a value of this kind, or UNSET, to its key."""
    members = kind.members if isinstance(kind, UnionKind) else (kind,)
    others = [member for member in members if not isinstance(member, NullKind)]
    encoders = {_KEYS.get(type(member)) for member in others}
    if all(isinstance(member, LiteralKind) and isinstance(member.value, str) for member in others):
        encoders = {string_key}
    [encode] = encoders if len(encoders) == 1 and None not in encoders else [_through_the_wire(kind)]
    assert encode is not None

    def key(value: Any) -> bytes:
        if value is None:
            return NULL_KEY
        return UNDEFINED_KEY if value is UNSET else encode(value)

    return key


_TYPES: dict[type[Kind], tuple[type, ...]] = {
    StringKind: (str,),
    IdKind: (str,),
    NumberKind: (int, float),
    Int64Kind: (int,),
    BoolKind: (bool,),
    BytesKind: (bytes,),
}


def could_be(kind: Kind, value: Any) -> bool:
    """A field of this kind may be compared with the value: it is of the kind's type, or null, or absent."""
    if value is None or value is UNSET:
        return True
    members = kind.members if isinstance(kind, UnionKind) else (kind,)
    for member in members:
        types = _TYPES.get(type(member), (object,))
        if isinstance(value, types) and (not isinstance(value, bool) or bool in types or object in types):
            return True
    return False


def _through_the_wire(kind: Kind) -> ValueKey:
    def key(value: Any) -> bytes:
        return key_of(kind.decode(kind.encode(value, "", None), "", None))

    return key


def _finder(steps: Sequence[Field], through_union: bool) -> Callable[[Any], Any]:
    """The value at the end of a path; UNSET where something on the way is absent, null, or lacks the field."""
    names = [step.python_name for step in steps]
    if not through_union:
        return _finder_in_objects(attrgetter(".".join(names)))

    def found(document: Any) -> Any:
        value = document
        for step in names:
            # A str among the members has attributes, too.
            known = isinstance(value, Struct) and step in value.__struct_fields__
            value = getattr(value, step) if known else UNSET
        return value

    return found


def _finder_in_objects(find: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def found(document: Any) -> Any:
        try:
            return find(document)
        except AttributeError:
            return UNSET

    return found


# -- one field of an index


class FieldPlan:
    """One field of an index: where it is in a document, and how its value becomes a key."""

    def __init__(self, steps: Sequence[Field], kind: Kind, through_union: bool) -> None:
        self.steps = tuple(steps)
        self.kind = kind
        self.key = value_key_of(kind)
        """For what a query compares with, which may be anything that `could_be` lets through."""

        always_there = not any(step.absent for step in steps) and all(
            isinstance(step.kind, ObjectKind) for step in steps[:-1]
        )
        self.find = attrgetter(self.python_path) if always_there else _finder(steps, through_union)
        self.document_key = _KEYS.get(type(kind), self.key) if always_there else self.key
        """For what `find` finds in a document that was checked."""

    @property
    def python_path(self) -> str:
        return ".".join(step.python_name for step in self.steps)

    @property
    def wire_path(self) -> str:
        return ".".join(step.name for step in self.steps)

    @property
    def keyword(self) -> str:
        """What the field is called in `ctx.db.query(index, ...)`: a dot cannot stand in a keyword."""
        return self.python_path.replace(".", "_")


def creation_time_plan() -> FieldPlan:
    """The plan for the field that every index has after its own."""
    field = Field(name=SYSTEM_FIELDS[CREATION_TIME], python_name=CREATION_TIME, kind=CREATION_TIME_KIND)
    return FieldPlan([field], field.kind, through_union=False)


def field_plan(kind: ObjectKind, path: str) -> FieldPlan:
    """
    The plan for one field of an index of documents of this kind, named as in Python.

    Raises:
        HintRefused: There is no such field; says which was meant, if one is near.
    """
    steps: list[Field] = []
    found: list[Field] = []
    through_union = False
    inside: list[ObjectKind] = [kind]
    for depth, name in enumerate(path.split(".")):
        found = [field for candidate in inside for field in candidate.fields if field.python_name == name]
        if not found:
            known = [field for candidate in inside for field in _written_fields(candidate.cls)]
            raise HintRefused(_unknown(path, depth, name), did_you_mean(name, known))
        through_union = through_union or len(inside) > 1
        steps.append(found[0])
        inside = [member for field in found for member in objects_in(field.kind)]
        through_union = through_union or any(_is_mixed(field.kind) for field in found if depth < path.count("."))
    values = [field.kind for field in found]
    return FieldPlan(steps, values[0] if len(values) == 1 else UnionKind(values), through_union)


def defaults_text(plans: Sequence[FieldPlan]) -> str:
    """What fields are in documents that lack them: with another default the same document has another key."""
    defaults = {}
    for plan in plans:
        for depth, step in enumerate(plan.steps, 1):
            if step.optional and not step.absent:
                default = step.default if step.factory is None else step.factory()
                path = ".".join(step.name for step in plan.steps[:depth])
                defaults[path] = step.kind.encode(default, "", None)
    return msgspec.json.encode(defaults).decode() if defaults else ""


def objects_in(kind: Kind) -> list[ObjectKind]:
    """The objects that a value of this kind may be, and a path may lead into."""
    members = kind.members if isinstance(kind, UnionKind) else (kind,)
    return [member for member in members if isinstance(member, ObjectKind)]


def _written_fields(cls: Any) -> list[str]:
    """The fields that the source has, also those that are wrong themselves: one of them may be meant."""
    names = (*cls.__struct_fields__, *declaration_of(cls).lost)
    return [name for name in names if name not in SYSTEM_FIELDS]


def _is_mixed(kind: Kind) -> bool:
    members = kind.members if isinstance(kind, UnionKind) else (kind,)
    return len([member for member in members if not isinstance(member, NullKind)]) > 1


def _unknown(path: str, depth: int, name: str) -> str:
    owner = ".".join(path.split(".")[:depth])
    return f"{owner!r} has no field {name!r}" if owner else f"there is no field {name!r}"
