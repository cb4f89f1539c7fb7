"""
Id checks: the second look at a value that msgspec has decoded.

To a carrier an id is any text. Whether it is an id, and of the right table, is looked up here,
by a function made for the kind that goes straight to where ids are and touches nothing else.
A no, or an exception, means: look again slowly, and say why.

The function is one Python expression, written and compiled once per kind: a page of fifty
documents holds a hundred ids or more, and calling a closure for each took three times as long.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec import UNSET, Meta

from joelclaw.schema.kinds import (
    CREATION_TIME,
    Field,
    IdKind,
    Kind,
    ListKind,
    LiteralKind,
    ObjectKind,
    RecordKind,
    StringKind,
    TableNumbers,
    UnionKind,
    table_number_of,
)

IdCheck: TypeAlias = Callable[[Any, TableNumbers], bool]


def id_check_of(kind: Kind) -> IdCheck | None:
    """A function that says whether all ids in a value are right; None: values of this kind hold none."""
    names: dict[str, Any] = {"number_of": table_number_of, "UNSET": UNSET}
    condition = _condition(kind, "value", names)
    if condition is None:
        return None
    check: IdCheck = eval(f"lambda value, numbers: {condition}", names)
    return check


def _condition(kind: Kind, value: str, names: dict[str, Any]) -> str | None:
    """Python for "all ids in `value` are right"; `names` collects what it needs. None: there are none in it."""
    match kind:
        case IdKind():
            return f"number_of({value}) == {_number(kind.table)}"
        case ListKind():
            return _all(kind.element, value, names)
        case RecordKind():
            return _and([_all(kind.key, value, names), _all(kind.item, f"{value}.values()", names)])
        case ObjectKind():
            return _and([_field_condition(field, f"{value}.{field.python_name}", names) for field in kind.fields])
        case UnionKind():
            return _union_condition(kind, value, names)
    return None


def _number(table: str) -> str:
    # No table has number 0. With None, text that is no id would be one of a table that does not exist.
    return f"numbers.get({table!r}, 0)"


def _field_condition(field: Field, value: str, names: dict[str, Any]) -> str | None:
    condition = _condition(field.kind, value, names)
    if field.absent:
        return None if condition is None else f"({value} is UNSET or {condition})"
    if field.python_name == CREATION_TIME and condition is None:
        # A document that was never inserted has none, and whoever is handed one relies on it.
        return f"{value} is not UNSET"
    return condition


def _all(kind: Kind, values: str, names: dict[str, Any]) -> str | None:
    item = _fresh("item", None, names)
    condition = _condition(kind, item, names)
    return None if condition is None else f"all([{condition} for {item} in {values}])"


def _and(conditions: list[str | None]) -> str | None:
    present = [condition for condition in conditions if condition is not None]
    return f"({' and '.join(present)})" if present else None


def _union_condition(kind: UnionKind, value: str, names: dict[str, Any]) -> str | None:
    """The members' conditions, each where its Python type tells that the value is of that member."""
    by_type: dict[str, list[str | None]] = {}
    for member in kind.members:
        if not isinstance(member, (IdKind, StringKind, LiteralKind)):
            by_type.setdefault(_type_name(member, names), []).append(_condition(member, value, names))
    conditions = [_text_condition(kind, value)]
    for type_name, found in by_type.items():
        condition = found[0]
        if any(found) and len(found) > 1:
            # The type does not tell which of them it is: leave it to the slow way.
            condition = "False"
        if condition is not None:
            conditions.append(f"(type({value}) is not {type_name} or {condition})")
    return _and(conditions)


def _text_condition(kind: UnionKind, value: str) -> str | None:
    tables = [member.table for member in kind.members if isinstance(member, IdKind)]
    texts = [member for member in kind.members if isinstance(member, StringKind)]
    if not tables or any(member.limits == Meta() for member in texts):
        return None
    if texts:
        # Text that is no such id may still be within the limits of the other member.
        return f"type({value}) is not str"
    literals = [member.value for member in kind.members if isinstance(member, LiteralKind)]
    numbers = ", ".join(map(_number, tables))
    known = f"{value} in {literals!r} or " if literals else ""
    return f"(type({value}) is not str or {known}number_of({value}) in [{numbers}])"


def _type_name(kind: Kind, names: dict[str, Any]) -> str:
    if isinstance(kind, ObjectKind):
        known = (name for name, cls in names.items() if cls is kind.cls)
        return next(known, None) or _fresh("type", kind.cls, names)
    return {ListKind: "list", RecordKind: "dict"}.get(type(kind), "None")


def _fresh(prefix: str, thing: Any, names: dict[str, Any]) -> str:
    name = f"{prefix}{len(names)}"
    names[name] = thing
    return name
