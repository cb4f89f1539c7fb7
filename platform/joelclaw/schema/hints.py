"""
Hints: Python's type hints, read as kinds.

Ordinary hints say what arguments, results and fields are. What has no wire form is refused
when the app is loaded, with what to write instead; nothing is guessed, and nothing falls back
to `Any`.

A class is read once, when somebody asks for it, which is after all files were imported: so
classes may name each other in any order. Problems with its fields are noted with the class
and it goes on with the fields that are left, so that a wrong field is reported once, and not
again by everything that uses its class.
"""

import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from enum import Enum
from typing import Annotated, Any, ForwardRef, Literal, NewType, TypeVar, Union, get_args, get_origin

from msgspec import NODEFAULT, UNSET, Meta, Struct, UnsetType

from joelclaw.errors import HintRefused, ValueRefused
from joelclaw.schema.kinds import (
    CREATION_TIME,
    CREATION_TIME_KIND,
    ID,
    MISMATCH,
    AnyKind,
    BoolKind,
    BytesKind,
    Field,
    IdKind,
    Int64Kind,
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
from joelclaw.schema.marks import Arg, IdMark
from joelclaw.schema.structs import DeclaredMeta, Object, annotations_of, declaration_of, find_declared
from joelclaw.values.int64 import Int64
from joelclaw.values.names import document_field_problem, identifier_problem

SYSTEM_FIELDS = {ID: "_id", CREATION_TIME: "_creationTime"}
"""The fields that every document has, and their names on the wire, whatever the deployment's naming."""

_TABLE_NAME = "__table__"

_NUMBER_LIMITS = ("gt", "ge", "lt", "le", "multiple_of")
_LENGTH_LIMITS = ("min_length", "max_length")
_TEXT_LIMITS = (*_LENGTH_LIMITS, "pattern")

_INSTEAD = {
    "set": "a list: list[X]",
    "frozenset": "a list: list[X]",
    "Set": "a list: list[X]",
    "tuple": "a list, list[X], or an Object with a name for each part",
    "Sequence": "list[X]",
    "Iterable": "list[X]",
    "Iterator": "list[X]",
    "Generator": "list[X]",
    "deque": "list[X]",
    "list": "list[X]; list[Any] takes anything",
    "List": "list[X]; list[Any] takes anything",
    "dict": "dict[str, X]; dict[str, Any] takes anything",
    "Dict": "dict[str, X]; dict[str, Any] takes anything",
    "Mapping": "dict[str, X]",
    "defaultdict": "dict[str, X]",
    "datetime": "float, for milliseconds since the epoch, as ctx.now() gives them",
    "date": "str, as in value.isoformat()",
    "time": "str, as in value.isoformat()",
    "timedelta": "float, for milliseconds",
    "Decimal": "str, or int in the smallest unit",
    "Fraction": "str, or an Object with two parts",
    "complex": "an Object with two parts",
    "UUID": "str",
    "Path": "str",
    "bytearray": "bytes",
    "memoryview": "bytes",
    "object": "Any",
    "Coroutine": "what it returns",
    "Awaitable": "what it returns",
    "Id": "Id[X], so that it says of which table",
}
_FORMS = "use bool, int, float, str, bytes, Int64, Id[X], list[X], dict[str, X], an Object, or a union of these"


class Scope:
    """Where the names in hints are looked up, and what type variables stand for."""

    def __init__(self, module: str, names: dict[str, Any], typevars: Mapping[Any, Kind] | None = None) -> None:
        self.module = module
        self.names = names
        self.typevars = typevars or {}

    def evaluate(self, hint: Any) -> Any:
        """A hint with everything in quotes looked up, however deep."""
        holder = types.SimpleNamespace(__annotations__={"hint": hint})
        try:
            siblings = _Siblings(self.module, self.names)
            return typing.get_type_hints(holder, self.names, siblings, include_extras=True)["hint"]
        except NameError as error:
            raise HintRefused(f"{error.name} is not defined", "import it where the hint stands") from None
        except (SyntaxError, TypeError, AttributeError) as error:
            raise HintRefused(f"the hint {hint!r} cannot be read: {error}") from None


class _Siblings(dict[str, Any]):
    """Classes of the same module by name, where globals do not have them: those declared in functions."""

    def __init__(self, module: str, names: dict[str, Any]) -> None:
        super().__init__()
        self._module = module
        self._names = names

    def __missing__(self, name: str) -> Any:
        found = None if name in self._names else find_declared(self._module, name)
        if found is None:
            raise KeyError(name)
        return found


# -- one hint


def kind_of(hint: Any, scope: Scope) -> Kind:
    """
    What an evaluated hint means.

    Raises:
        HintRefused: It has no wire form.
    """
    if hint is None or hint is type(None):
        return NullKind()
    if isinstance(hint, (str, ForwardRef)):
        return kind_of(scope.evaluate(hint), scope)
    if isinstance(hint, TypeVar):
        return _kind_of_typevar(hint, scope)
    if isinstance(hint, NewType):
        return kind_of(hint.__supertype__, scope)
    if hint is UnsetType:
        raise HintRefused("only a field or an argument can be absent", "use None here")
    plain = _PLAIN.get(hint) if isinstance(hint, type) or hint is Any else None
    if plain is not None:
        return plain()
    origin = get_origin(hint)
    if origin is Annotated:
        return _kind_of_annotated(hint, scope)
    if origin is Union or origin is types.UnionType:
        return _union([kind_of(member, scope) for member in get_args(hint)])
    if origin is Literal:
        return _union([_literal(value) for value in get_args(hint)])
    if isinstance(origin or hint, DeclaredMeta):
        return object_kind(hint, scope)
    if origin is list:
        return ListKind(kind_of(get_args(hint)[0], scope))
    if origin is dict:
        return _record(hint, scope)
    # `type Slug = str`, from Python 3.12.
    alias = getattr(hint, "__value__", None)
    if alias is not None:
        return kind_of(alias, scope)
    raise _refusal(hint)


_PLAIN: dict[Any, Callable[[], Kind]] = {
    bool: BoolKind,
    int: lambda: NumberKind(whole=True),
    float: lambda: NumberKind(whole=False),
    str: StringKind,
    bytes: BytesKind,
    Int64: Int64Kind,
    Any: AnyKind,
}


def _kind_of_typevar(hint: TypeVar, scope: Scope) -> Kind:
    kind = scope.typevars.get(hint)
    if kind is None:
        raise HintRefused(f"the type variable {hint} stands for nothing here", "write the type itself")
    return kind


def _literal(value: Any) -> Kind:
    if value is None:
        return NullKind()
    if type(value) in (str, int, bool):
        return LiteralKind(value)
    raise HintRefused(f"Literal[{value!r}] has no wire form", "use text, whole numbers, True, False and None")


def _record(hint: Any, scope: Scope) -> Kind:
    key_hint, item_hint = get_args(hint)
    key = kind_of(key_hint, scope)
    keys = key.members if isinstance(key, UnionKind) else (key,)
    if not all(isinstance(member, (StringKind, IdKind)) for member in keys):
        raise HintRefused(f"the keys of {_shown(hint)} are no text", "use dict[str, X], or a list of Objects")
    return RecordKind(key, kind_of(item_hint, scope))


def _union(members: list[Kind]) -> Kind:
    """One kind for several: unions in it opened, equal members once, an int lost in a float."""
    flat: list[Kind] = []
    for member in members:
        flat.extend(member.members if isinstance(member, UnionKind) else [member])
    if any(isinstance(member, AnyKind) for member in flat):
        return AnyKind()
    if any(isinstance(member, NumberKind) and not member.whole and member.limits == Meta() for member in flat):
        # On the wire there is one number. `int | float` means float, as it does to type checkers.
        flat = [member for member in flat if not isinstance(member, NumberKind) or not member.whole]
    different: list[Kind] = []
    for member in flat:
        if not any(_same(member, other) for other in different):
            different.append(member)
    return different[0] if len(different) == 1 else UnionKind(different)


def _same(a: Kind, b: Kind) -> bool:
    limits_a, limits_b = getattr(a, "limits", None), getattr(b, "limits", None)
    return type(a) is type(b) and repr(a.validator) == repr(b.validator) and limits_a == limits_b


# -- Annotated: ids and limits


def _kind_of_annotated(hint: Any, scope: Scope) -> Kind:
    base, *extras = get_args(hint)
    mark = next((extra for extra in extras if isinstance(extra, IdMark)), None)
    kind = kind_of(base, scope) if mark is None else _id_kind(mark, scope)
    for extra in extras:
        if isinstance(extra, Meta):
            kind = _limited(kind, extra)
    return kind


def _id_kind(mark: IdMark, scope: Scope) -> Kind:
    target = scope.evaluate(mark.target) if isinstance(mark.target, (str, ForwardRef)) else mark.target
    tables = get_args(target) if get_origin(target) in (Union, types.UnionType) else (target,)
    return _union([IdKind(_table_name(table, scope)) for table in tables])


def _table_name(table: Any, scope: Scope) -> str:
    if isinstance(table, (str, ForwardRef)):
        table = scope.evaluate(table)
    name = getattr(table, _TABLE_NAME, None)
    if not isinstance(table, DeclaredMeta) or not isinstance(name, str):
        raise HintRefused(f"Id[{_shown(table)}]: {_shown(table)} is no table", "name a class that derives from Table")
    return name


def _limited(kind: Kind, meta: Meta) -> Kind:
    limits = {name: value for name in (*_NUMBER_LIMITS, *_TEXT_LIMITS) if (value := getattr(meta, name)) is not None}
    if not limits:
        return kind
    if isinstance(kind, UnionKind):
        members = [_limited(member, meta) if _takes(member, limits) else member for member in kind.members]
        if any(_takes(member, limits) for member in kind.members):
            return UnionKind(members)
    if not _takes(kind, limits):
        raise HintRefused(f"Meta({', '.join(limits)}) means nothing for this type")
    merged = _merged(kind.limits, meta)  # type: ignore[attr-defined]
    match kind:
        case NumberKind():
            return NumberKind(kind.whole, merged)
        case StringKind():
            return StringKind(merged)
        case BytesKind():
            return BytesKind(merged)
        case ListKind():
            return ListKind(kind.element, merged)
        case RecordKind():
            return RecordKind(kind.key, kind.item, merged)
    raise AssertionError(kind)


def _takes(kind: Kind, limits: dict[str, Any]) -> bool:
    if isinstance(kind, NumberKind):
        return limits.keys() <= set(_NUMBER_LIMITS)
    if isinstance(kind, StringKind):
        return limits.keys() <= set(_TEXT_LIMITS)
    return isinstance(kind, (BytesKind, ListKind, RecordKind)) and limits.keys() <= set(_LENGTH_LIMITS)


def _merged(old: Meta, new: Meta) -> Meta:
    """Both limits; where both speak of the same, the outer one counts."""
    names = (*_NUMBER_LIMITS, *_TEXT_LIMITS)
    limits = {name: getattr(meta, name) for meta in (old, new) for name in names if getattr(meta, name) is not None}
    try:
        return Meta(**limits)
    except ValueError as error:
        raise HintRefused(str(error)) from None


# -- classes


def object_kind(hint: Any, scope: Scope | None = None) -> ObjectKind:
    """
    What a declared class means, `Page[Comment]` too; of a table, its documents as clients have them.

    Raises:
        HintRefused: It contains itself, or lacks its type arguments.
    """
    cls: Any = get_origin(hint) or hint
    declared = declaration_of(cls)
    parameters = getattr(cls, "__parameters__", ())
    arguments = get_args(hint)
    if len(parameters) != len(arguments):
        raise HintRefused(f"{cls.__name__} needs type arguments", f"write {cls.__name__}[X]")
    assert scope is not None or not arguments
    kinds = [kind_of(argument, scope) for argument in arguments] if scope is not None else []
    key = tuple(map(_identity, kinds))
    if key in declared.kinds:
        known = declared.kinds[key]
        if known is None:
            raise HintRefused(
                f"{cls.__name__} contains itself", "keep the inner ones in a table of their own and refer by Id"
            )
        return known
    declared.kinds[key] = None
    try:
        made = ObjectKind(cls, _fields(cls, dict(zip(parameters, kinds, strict=True))), _tag(cls))
    except BaseException:
        del declared.kinds[key]
        raise
    declared.kinds[key] = made
    return made


def _identity(kind: Kind) -> Any:
    """Equal for kinds that can stand for each other. Classes of one name and shape in two files cannot."""
    match kind:
        case ObjectKind():
            return kind  # There is one for each class and its arguments.
        case ListKind():
            inside = [kind.element]
        case RecordKind():
            inside = [kind.key, kind.item]
        case UnionKind():
            inside = list(kind.members)
        case _:
            return type(kind), repr((kind.validator, getattr(kind, "limits", None)))
    return type(kind), repr(getattr(kind, "limits", None)), tuple(map(_identity, inside))


def check_class(cls: Any) -> None:
    """
    Read the hints of a class, so that what is wrong with them is noted with it.

    Raises:
        HintRefused: Something is wrong with the class as a whole.
    """
    parameters = getattr(cls, "__parameters__", ())
    if parameters:
        # Any will do: what the class is used with is checked where it is used.
        _fields(cls, dict.fromkeys(parameters, AnyKind()))
    else:
        object_kind(cls)


def check_hint(hint: Any, cls: Any) -> None:
    """
    Read the hint of a field by itself, where its class could not be made.

    Raises:
        HintRefused: It has no wire form.
    """
    typevars = dict.fromkeys(getattr(cls, "__parameters__", ()), AnyKind())
    scope = Scope(cls.__module__, declaration_of(cls).scope, typevars)
    _without_unset(scope.evaluate(hint), scope)


def table_kind(cls: Any) -> ObjectKind:
    """
    Documents of a table as they are written.

    Their system fields may not be known yet. Who knows them is the platform, so an id is not
    looked at: it would be a new one each time, and the look costs more than all the rest.
    """
    own = [field for field in object_kind(cls).fields if field.python_name not in SYSTEM_FIELDS]
    return ObjectKind(cls, [_unset(ID, StringKind()), _unset(CREATION_TIME, CREATION_TIME_KIND), *own])


def _unset(python_name: str, kind: Kind) -> Field:
    return Field(name=SYSTEM_FIELDS[python_name], python_name=python_name, kind=kind, default=UNSET, absent=True)


def is_table(cls: Any) -> bool:
    """The class has documents."""
    return isinstance(cls, DeclaredMeta) and not issubclass(cls, Object)


def _fields(cls: Any, typevars: dict[Any, Kind]) -> list[Field]:
    declared = declaration_of(cls)
    hints: dict[str, tuple[Any, Scope]] = {}
    docs: dict[str, str] = {}
    for level, scope in _levels(cls, typevars):
        hints |= {name: (hint, scope) for name, hint in annotations_of(level).items()}
        docs |= declaration_of(level).source.docs()
    fields = _system_fields(cls) if is_table(cls) else []
    for name, wire_name, default in _struct_fields(cls):
        if (is_table(cls) and name in SYSTEM_FIELDS) or name in declared.indexes or name in declared.finders:
            continue
        hint, scope = hints[name]
        try:
            _check_wire_name(wire_name, is_table(cls))
            fields.append(field_of(name, wire_name, hint, scope, default, docs.get(name, "")))
        except HintRefused as error:
            declared.report(name, error.reason, error.advice)
    return fields


def _system_fields(cls: Any) -> list[Field]:
    return [
        Field(name=SYSTEM_FIELDS[ID], python_name=ID, kind=IdKind(getattr(cls, _TABLE_NAME, ""))),
        Field(name=SYSTEM_FIELDS[CREATION_TIME], python_name=CREATION_TIME, kind=CREATION_TIME_KIND),
    ]


def _struct_fields(cls: Any) -> Iterator[tuple[str, str, Any]]:
    """Each field's names in Python and on the wire, and its default."""
    # msgspec lists defaults for the last fields only, up to the first that has one.
    missing = len(cls.__struct_fields__) - len(cls.__struct_defaults__)
    defaults = (NODEFAULT,) * missing + cls.__struct_defaults__
    return zip(cls.__struct_fields__, cls.__struct_encode_fields__, defaults, strict=True)


def _levels(cls: Any, typevars: dict[Any, Kind]) -> Iterator[tuple[Any, Scope]]:
    """The class and the declared ones it derives from, bases first, each with what its type variables stand for."""
    scope = Scope(cls.__module__, declaration_of(cls).scope, typevars)
    for base in cls.__dict__.get("__orig_bases__", cls.__bases__):
        origin: Any = get_origin(base) or base
        if isinstance(origin, DeclaredMeta):
            arguments = [kind_of(argument, scope) for argument in get_args(base)]
            yield from _levels(origin, dict(zip(getattr(origin, "__parameters__", ()), arguments, strict=False)))
    yield cls, scope


def _check_wire_name(name: str, top_level: bool) -> None:
    problem = (document_field_problem(name) if top_level else None) or identifier_problem(name)
    if problem is not None:
        raise HintRefused(f"is {name!r} on the wire, which {problem}", "name it with field(name=...)")


def _tag(cls: Any) -> tuple[str, str | int] | None:
    config = cls.__struct_config__
    return None if config.tag_field is None else (config.tag_field, config.tag)


# -- fields and arguments


def field_of(python_name: str, name: str, hint: Any, scope: Scope, default: Any = NODEFAULT, doc: str = "") -> Field:
    """
    One field of a class, one parameter of a function.

    Raises:
        HintRefused: Its hint has no wire form, or its default does not fit the hint.
    """
    hint = scope.evaluate(hint)
    kind, absent = _without_unset(hint, scope)
    factory = getattr(default, "factory", None) if type(default).__name__ == "Factory" else None
    if factory is not None:
        default = NODEFAULT
    _check_default(kind, absent, factory() if factory is not None else default)
    return Field(
        name=name,
        python_name=python_name,
        kind=kind,
        default=default,
        factory=factory,
        absent=absent,
        doc=doc or _description(hint),
    )


def argument_name(hint: Any) -> str | None:
    """The name on the wire that the hint of a parameter gives it, if it does."""
    extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((extra.name for extra in extras if isinstance(extra, Arg)), None)


def _without_unset(hint: Any, scope: Scope) -> tuple[Kind, bool]:
    """A field's kind, and whether the field may be absent: `X | UnsetType`."""
    if get_origin(hint) is Annotated:
        kind, absent = _without_unset(get_args(hint)[0], scope)
        if absent:
            for extra in get_args(hint)[1:]:
                kind = _limited(kind, extra) if isinstance(extra, Meta) else kind
            return kind, True
    if get_origin(hint) in (Union, types.UnionType) and UnsetType in get_args(hint):
        members = [member for member in get_args(hint) if member is not UnsetType]
        return _union([kind_of(member, scope) for member in members]), True
    return kind_of(hint, scope), False


def _check_default(kind: Kind, absent: bool, default: Any) -> None:
    if absent and default is not UNSET:
        raise HintRefused("can be absent, but UNSET is not its default", "write X | UnsetType = UNSET")
    if default is UNSET and not absent:
        raise HintRefused("UNSET is its default, but it cannot be absent", "write X | UnsetType = UNSET")
    if default is NODEFAULT or default is UNSET:
        return
    try:
        kind.encode(default, "", None)
    except ValueRefused as error:
        reason = "" if error.reason == MISMATCH else f": {error.reason.rstrip('.')}"
        raise HintRefused(f"its default {default!r} does not fit its type{reason}", "change one of them") from None


def _description(hint: Any) -> str:
    extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((extra.description for extra in extras if isinstance(extra, Meta) and extra.description), "")


# -- what has no wire form


def _refusal(hint: Any) -> HintRefused:
    shown = _shown(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return HintRefused(f"{shown} is an Enum, which has no wire form", "write its values as Literal[...]")
    if _is_record_class(hint):
        return HintRefused(f"{shown} has no wire form", "derive the class from joelclaw.Object")
    name = getattr(get_origin(hint) or hint, "__name__", shown)
    instead = _INSTEAD.get(name)
    return HintRefused(f"{shown} has no wire form", f"use {instead}" if instead else _FORMS)


def _is_record_class(hint: Any) -> bool:
    origin = get_origin(hint) or hint
    is_tuple = isinstance(origin, type) and issubclass(origin, tuple) and hasattr(origin, "_fields")
    is_struct = isinstance(origin, type) and issubclass(origin, Struct)
    return is_tuple or is_struct or is_dataclass(origin) or typing.is_typeddict(origin)


def _shown(hint: Any) -> str:
    if isinstance(hint, type) and get_origin(hint) is None:
        return hint.__name__
    return repr(hint).replace("typing.", "").replace("collections.abc.", "")
