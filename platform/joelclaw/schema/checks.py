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
from joelclaw.schema.finding import is_text, is_vector
from joelclaw.schema.hints import SYSTEM_FIELDS, check_class, check_hint, is_table, object_kind
from joelclaw.schema.keys import field_plan, objects_in
from joelclaw.schema.kinds import Kind, NullKind, NumberKind, ObjectKind, UnionKind
from joelclaw.schema.naming import naming_of
from joelclaw.schema.problems import Problem
from joelclaw.schema.search import DIMENSIONS_MAX, DIMENSIONS_MIN, Declared, search_index, vector_index
from joelclaw.schema.shapes import depth_of
from joelclaw.schema.structs import (
    Declaration,
    annotations_of,
    declaration_of,
    declared_expiry,
    declared_finders,
    declared_indexes,
)
from joelclaw.schema.text import did_you_mean, validator_text
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
    for name in annotated & (declared.indexes.keys() | declared.finders.keys()):
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
    for name in (*declared.indexes, *declared.finders):
        declared.report(name, "is an index, and only tables have some", "declare it in a table, with a dotted path")
    if declared.expires_at is not None:
        declared.report(None, "has expires_at, and only documents of tables expire", "leave it out")


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
    _check_finders(cls, kind, limits)
    _check_expiry(cls, kind)


def _check_expiry(cls: Any, kind: ObjectKind) -> None:
    name = declared_expiry(cls)
    if name is None:
        return
    declared = declaration_of(cls)
    fields = {field.python_name: field for field in kind.fields if field.python_name not in SYSTEM_FIELDS}
    if not isinstance(name, str):
        declared.report(None, f"expires_at={name!r} is no field", 'name a field as text: expires_at="until"')
    elif name not in fields:
        if not _is_wrong_itself(kind, name):
            known = [*fields, *declared.lost]
            declared.report(None, f"expires_at names {name!r}, and there is no such field", did_you_mean(name, known))
    elif not _is_instant(fields[name].kind):
        declared.report(
            name,
            "says when a document expires, and is no instant",
            f"write {name}: float, milliseconds since the epoch, or float | None for documents that may stay",
        )


def _is_instant(kind: Kind) -> bool:
    members = kind.members if isinstance(kind, UnionKind) else (kind,)
    numbers = [member for member in members if isinstance(member, NumberKind) and not member.whole]
    return len(numbers) == 1 and all(isinstance(member, NullKind) or member in numbers for member in members)


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
    for name in (*indexes, *declared_finders(cls)):
        problem = index_name_problem(name) or index_name_problem(naming(name))
        if problem is not None:
            declared.report(name, problem, "choose another name")
        other = on_the_wire.setdefault(naming(name), name)
        if other != name:
            declared.report(name, f"is {naming(name)!r} on the wire, and so is {other!r}", "rename one of them")
    for name, found in indexes.items():
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


def _check_finders(cls: Any, kind: ObjectKind, limits: Limits) -> None:
    """Search and vector indexes: what they are about has the right type, and filters are fields."""
    declared = declaration_of(cls)
    finders = declared_finders(cls)
    for kind_of_index, noun, name_of_limit in (
        (search_index, "search", "search_indexes_per_table"),
        (vector_index, "vector", "vector_indexes_per_table"),
    ):
        count = sum(isinstance(found, kind_of_index) for found in finders.values())
        limit = getattr(limits, name_of_limit)
        if count > limit:
            reason = f"has {count} {noun} indexes, and a table has at most {limit}"
            declared.report(None, reason, f"leave some out, or {setting(name_of_limit)}")
    for name, found in finders.items():
        if isinstance(found, vector_index):
            _check_dimensions(declared, name, found.dimensions)
        _check_subject(declared, name, found, kind)
        if isinstance(found.filter, str):
            declared.report(name, f"filter={found.filter!r} is text", f'write a list: filter=["{found.filter}"]')
        elif found.filter:
            _check_index(declared, name, found.filter, kind, limits)
            if isinstance(found, vector_index) and "limit" in found.filter:
                declared.report(name, "filters by 'limit', which says how many are found", "rename the field")


def _check_dimensions(declared: Declaration, name: str, dimensions: object) -> None:
    if isinstance(dimensions, bool) or not isinstance(dimensions, int):
        declared.report(name, f"dimensions={dimensions!r} is no whole number", "write dimensions=384")
    elif not DIMENSIONS_MIN <= dimensions <= DIMENSIONS_MAX:
        advice = f"a vector index has from {DIMENSIONS_MIN} to {DIMENSIONS_MAX:,}"
        declared.report(name, f"has {dimensions:,} dimensions", advice)


def _check_subject(declared: Declaration, name: str, found: Declared, kind: ObjectKind) -> None:
    path: object = found.field
    if not isinstance(path, str):
        declared.report(name, f"{path!r} is no field", "name the field as text")
        return
    if _is_wrong_itself(kind, path):
        return
    try:
        plan = field_plan(kind, path)
    except HintRefused as error:
        declared.report(name, error.reason, error.advice)
        return
    is_search = isinstance(found, search_index)
    if not (is_text if is_search else is_vector)(plan.kind):
        wanted = "text is searched" if is_search else "vectors are compared"
        hint = "str" if is_search else "list[float]"
        held = validator_text(plan.kind.validator)
        advice = f"name a field that is {hint}, or {hint} | None"
        declared.report(name, f"{path!r} holds {held}, and {wanted}", advice)


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
