"""
Declared classes: what a class statement of the app leaves behind.

`Object` and `Table` are msgspec structs: keyword only, mutable, camelCase on the wire, and
refusing fields that they do not know. Their metaclass never raises. Whatever is wrong with a
class is kept with it as a problem and the statement goes on, with a stand-in if need be, so
that one load of `schema.py` finds everything that is wrong in it.

Elsewhere: `hints.py` reads the fields' types, later, when every class exists; `checks.py`
gathers the problems.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import get_annotations
from typing import TYPE_CHECKING, Any, dataclass_transform
from weakref import WeakValueDictionary

from msgspec import NODEFAULT, Struct, StructMeta, field

from joelclaw.schema.indexes import index
from joelclaw.schema.naming import naming_of
from joelclaw.schema.problems import Place, Problem
from joelclaw.schema.search import Declared, search_index, vector_index
from joelclaw.schema.source import ClassSource

if TYPE_CHECKING:
    from joelclaw.schema.kinds import ObjectKind

_OPTIONS = frozenset({"tag", "tag_field", "frozen", "eq", "order"})
_EXPIRES_AT = "expires_at"
_KEPT_IN_STAND_IN = ("__module__", "__qualname__", "__classcell__", "__table__", "__firstlineno__")


_by_name: WeakValueDictionary[tuple[str, str], "DeclaredMeta"] = WeakValueDictionary()
_recorders: list[list[Any]] = []


class Declaration:
    """What is known of a declared class besides the class itself."""

    def __init__(self, name: str, place: Place, scope: dict[str, Any]) -> None:
        self.name = name
        self.source = ClassSource(place, name)
        self.scope = scope
        """The globals of the class statement, where the names in its hints are looked up."""

        self.indexes: dict[str, index] = {}
        self.finders: dict[str, Declared] = {}
        """Search and vector indexes."""

        self.expires_at: Any = None
        """The option of this name: which field says when a document is removed."""

        self.plain_values: dict[str, Any] = {}
        """What the class body gives values to without a type, by name: fields that somebody forgot to annotate."""

        self.lost: dict[str, Any] = {}
        """The hints of a class that could not be made, by field: its stand-in has no fields."""

        self.problems: list[Problem] = []
        self.kinds: dict[Any, ObjectKind | None] = {}
        """By type arguments; None while one is being made."""

    def report(self, name: str | None, reason: str, advice: str = "") -> None:
        """Note a problem with the field or index `name`, or with the class itself."""
        place = self.source.place if name is None else self.source.place_of(name)
        subject = self.name if name is None else f"{self.name}.{name}"
        problem = Problem(place=place, name=subject, reason=reason, advice=advice)
        if problem not in self.problems:
            self.problems.append(problem)


class DeclaredMeta(StructMeta):
    """Makes the class of an `Object` or `Table` statement, and always makes one."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        frame = sys._getframe(1)  # noqa: SLF001 (only the class statement's frame knows its line)
        place = Place(frame.f_code.co_filename, frame.f_lineno)
        declared = Declaration(name, place, frame.f_globals)
        declared.indexes = {key: value for key, value in namespace.items() if isinstance(value, index)}
        declared.finders = {
            key: value for key, value in namespace.items() if isinstance(value, (search_index, vector_index))
        }
        annotated = namespace.get("__annotations__", {})
        declared.plain_values = {
            key: value
            for key, value in namespace.items()
            if isinstance(value, (str, bytes, bool, int, float, list, dict))
            and not key.startswith("_")
            and key not in annotated
        }
        naming = naming_of(namespace.get("__module__", ""))
        declared.expires_at = options.pop(_EXPIRES_AT, None)
        for option in options.keys() - _OPTIONS:
            meant = "write expires_at" if "expire" in option else "name one field on the wire with field(name=...)"
            declared.report(None, f"has no option {option!r}", meant)
        wanted = {key: value for key, value in options.items() if key in _OPTIONS}
        config = {"kw_only": True, "forbid_unknown_fields": True, "rename": naming, **wanted}
        try:
            cls = super().__new__(mcls, name, bases, namespace, **config)
        except (TypeError, ValueError) as error:
            _explain(declared, bases, namespace, error)
            declared.lost = annotated
            stand_in = {key: namespace[key] for key in _KEPT_IN_STAND_IN if key in namespace}
            cls = super().__new__(mcls, name, bases, stand_in, kw_only=True)
        cls.__declaration__ = declared  # type: ignore[attr-defined]
        _by_name[(cls.__module__, name)] = cls
        for recorder in _recorders:
            recorder.append(cls)
        return cls


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
class Object(Struct, metaclass=DeclaredMeta):
    """A nested object: keyword only, camelCase on the wire, unknown fields refused."""


def declaration_of(cls: Any) -> Declaration:
    """What is known of a declared class; `cls` is one."""
    declared: Declaration = cls.__dict__["__declaration__"]
    return declared


def annotations_of(cls: Any) -> dict[str, Any]:
    """What the class body itself annotates, not evaluated; names that are not defined yet are no error."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
    return get_annotations(cls)


def declared_indexes(cls: Any) -> dict[str, index]:
    """The indexes of a table by name, those of its bases first."""
    found: dict[str, index] = {}
    for level in reversed(cls.__mro__):
        if isinstance(level, DeclaredMeta):
            found |= declaration_of(level).indexes
    return found


def declared_finders(cls: Any) -> dict[str, Declared]:
    """The search and vector indexes of a table by name, those of its bases first."""
    found: dict[str, Declared] = {}
    for level in reversed(cls.__mro__):
        if isinstance(level, DeclaredMeta):
            found |= declaration_of(level).finders
    return found


def declared_expiry(cls: Any) -> str | None:
    """What a table, or the nearest base that says so, gives as `expires_at`; None: documents stay."""
    levels = [level for level in cls.__mro__ if isinstance(level, DeclaredMeta)]
    return next((found for level in levels if (found := declaration_of(level).expires_at) is not None), None)


def find_declared(module: str, name: str) -> DeclaredMeta | None:
    """The class that was declared last under this name in this module, also inside a function of it."""
    return _by_name.get((module, name))


@contextmanager
def recording() -> Iterator[list[Any]]:
    """Collect the classes that are declared meanwhile, in order. The app's files are imported inside."""
    classes: list[Any] = []
    _recorders.append(classes)
    try:
        yield classes
    finally:
        _recorders.remove(classes)


def _explain(declared: Declaration, bases: tuple[type, ...], namespace: dict[str, Any], error: Exception) -> None:
    """Report why msgspec would not make the class: by field where we can tell, else in msgspec's words."""
    before = len(declared.problems)
    for name, value in namespace.items():
        is_mutable = (isinstance(value, (list, dict, set)) and value) or (
            isinstance(value, Struct) and not value.__struct_config__.frozen
        )
        if is_mutable and not name.startswith("__"):
            declared.report(
                name,
                f"its default is a {type(value).__name__}, which all instances would share",
                f"write field(default_factory=lambda: {value!r})",
            )
    _explain_names(declared, bases, namespace)
    if len(declared.problems) == before:
        declared.report(None, f"cannot be made: {error}")


def _explain_names(declared: Declaration, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
    naming = naming_of(namespace.get("__module__", ""))
    taken: dict[str, str] = {
        wire: name
        for base in bases
        for wire, name in zip(
            getattr(base, "__struct_encode_fields__", ()), getattr(base, "__struct_fields__", ()), strict=True
        )
    }
    for name in namespace.get("__annotations__", {}):
        own = getattr(namespace.get(name, NODEFAULT), "name", None)
        wire = own if isinstance(own, str) else naming(name)
        if taken.setdefault(wire, name) != name:
            declared.report(
                name,
                f"is {wire!r} on the wire, and so is {taken[wire]!r}",
                "rename one of them, or name it with field(name=...)",
            )
