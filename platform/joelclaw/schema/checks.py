"""
Checks: everything that is wrong with the tables and objects of an app, at once.

The class statements have noted what they could see; here, when all classes exist, their hints
are read and what they declare is compared with each other. The loader reports what is found
together with the problems of functions.
"""

from collections.abc import Iterable
from typing import Any

from joelclaw.errors import HintRefused
from joelclaw.limits import DEFAULT_LIMITS, Limits, setting
from joelclaw.schema.hints import SYSTEM_FIELDS, check_class, check_hint, is_table, object_kind
from joelclaw.schema.keys import field_plan, objects_in
from joelclaw.schema.kinds import ObjectKind
from joelclaw.schema.naming import naming_of
from joelclaw.schema.problems import Problem
from joelclaw.schema.shapes import depth_of
from joelclaw.schema.structs import Declaration, annotations_of, declaration_of, declared_indexes
from joelclaw.values.limits import DOCUMENT_NESTING_MAX
from joelclaw.values.names import index_name_problem, table_name_problem

_TABLE_NAME = "__table__"


def check_classes(classes: Iterable[Any], limits: Limits = DEFAULT_LIMITS) -> tuple[list[Any], list[Problem]]:
    """
    The tables among the declared classes (`structs.recording`), and all that is wrong with any of them.

    A table without `__table__` that others derive from is no table, but a place for what they share.
    """
    classes = list(classes)
    tables = [cls for cls in classes if is_table(cls) and not _is_abstract(cls, classes)]
    for cls in classes:
        _check_fields(cls)
        if cls in tables:
            _check_table(cls, limits)
        elif not is_table(cls):
            _check_object(cls)
    _check_names_differ(tables)
    _check_number(tables, limits.tables)
    return tables, sorted({problem for cls in classes for problem in declaration_of(cls).problems})


def _is_abstract(cls: Any, classes: list[Any]) -> bool:
    return _TABLE_NAME not in cls.__dict__ and any(cls in other.__mro__[1:] for other in classes)


def _check_fields(cls: Any) -> None:
    declared = declaration_of(cls)
    annotated = annotations_of(cls).keys()
    for name in annotated & declared.indexes.keys():
        declared.report(name, "is a field and an index", "give them different names")
    for name in declared.plain_values.keys() - annotated:
        value = declared.plain_values[name]
        declared.report(name, "has no type, and so is no field", f"write {name}: {type(value).__name__} = {value!r}")
    for name, hint in declared.lost.items():
        try:
            check_hint(hint, cls)
        except HintRefused as error:
            declared.report(name, error.reason, error.advice)
    try:
        check_class(cls)
    except HintRefused as error:
        declared.report(None, error.reason, error.advice)


def _check_object(cls: Any) -> None:
    declared = declaration_of(cls)
    for name in declared.indexes:
        declared.report(name, "is an index, and only tables have some", "declare it in a table, with a dotted path")


def _check_table(cls: Any, limits: Limits) -> None:
    declared = declaration_of(cls)
    for name in annotations_of(cls).keys() & SYSTEM_FIELDS.keys():
        declared.report(name, "is a field that every document has already", "choose another name")
    name = cls.__dict__.get(_TABLE_NAME)
    if not isinstance(name, str):
        declared.report(None, "has no name in the database", f'write __table__ = "{cls.__name__.lower()}s"')
        return
    if cls.__struct_config__.frozen:
        declared.report(None, "is frozen, and a document gets an id and is changed", "leave frozen=True out")
    problem = None if cls.__module__.startswith("joelclaw.") else table_name_problem(name)
    if problem is not None:
        declared.report(_TABLE_NAME, f"{name!r} {problem}", "choose another name")
    kind = object_kind(cls)
    if depth_of(kind) > DOCUMENT_NESTING_MAX:
        declared.report(None, f"nests {depth_of(kind)} deep, and a document at most {DOCUMENT_NESTING_MAX}")
    _check_indexes(cls, kind, limits)


def _check_indexes(cls: Any, kind: ObjectKind, limits: Limits) -> None:
    indexes = declared_indexes(cls)
    naming = naming_of(cls.__module__)
    declared = declaration_of(cls)
    if len(indexes) > limits.indexes_per_table:
        declared.report(
            None,
            f"has {len(indexes)} indexes, and a table has at most {limits.indexes_per_table}",
            f"leave some out, or {setting('indexes_per_table')}",
        )
    on_the_wire: dict[str, str] = {}
    for name, found in indexes.items():
        problem = index_name_problem(name) or index_name_problem(naming(name))
        if problem is not None:
            declared.report(name, problem, "choose another name")
        other = on_the_wire.setdefault(naming(name), name)
        if other != name:
            declared.report(name, f"is {naming(name)!r} on the wire, and so is {other!r}", "rename one of them")
        _check_index(declared, name, found.fields, kind, limits)


def _check_index(declared: Declaration, name: str, fields: tuple[str, ...], kind: ObjectKind, limits: Limits) -> None:
    if not fields:
        declared.report(name, "has no fields", 'write index("field", ...)')
    if len(fields) > limits.fields_per_index:
        declared.report(
            name,
            f"has {len(fields)} fields, and an index has at most {limits.fields_per_index}",
            f"leave some out, or {setting('fields_per_index')}",
        )
    keywords: dict[str, str] = {}
    for path in fields:
        if not isinstance(path, str):
            declared.report(name, f"{path!r} is no field", "name fields as text")
            continue
        if path in {*SYSTEM_FIELDS, *SYSTEM_FIELDS.values()}:
            declared.report(name, f"has {path!r}, which every index ends with already", "leave it out")
            continue
        other = keywords.setdefault(path.replace(".", "_"), path)
        if fields.count(path) > 1:
            declared.report(name, f"has the field {path!r} twice", "leave one out")
        elif other != path:
            declared.report(name, f"has {other!r} and {path!r}, which are one keyword in queries", "rename one")
        if _is_wrong_itself(kind, path):
            continue
        try:
            field_plan(kind, path)
        except HintRefused as error:
            declared.report(name, error.reason, error.advice)


def _is_wrong_itself(kind: ObjectKind, path: str) -> bool:
    """A field on the way exists, and was left out of its kind because it is wrong: that was reported already."""
    inside = [kind]
    for name in path.split("."):
        fields = [field for candidate in inside for field in candidate.fields if field.python_name == name]
        if not fields:
            return any(
                name in candidate.cls.__struct_fields__ or name in declaration_of(candidate.cls).lost
                for candidate in inside
            )
        inside = [member for field in fields for member in objects_in(field.kind)]
    return False


def _check_number(tables: list[Any], limit: int) -> None:
    for cls in tables[limit:]:
        declaration_of(cls).report(
            None, f"is a table too many: an app has at most {limit}", f"put some together, or {setting('tables')}"
        )


def _check_names_differ(tables: list[Any]) -> None:
    holders: dict[Any, Any] = {}
    for cls in tables:
        name = cls.__dict__.get(_TABLE_NAME)
        holder = holders.setdefault(name, cls)
        if name is not None and holder is not cls:
            place = declaration_of(holder).source.place
            declaration_of(cls).report(
                _TABLE_NAME, f"{name!r} is the table {holder.__name__} already ({place})", "choose another name"
            )
