"""
Tables: the classes that an app's `schema.py` is made of, and what the platform does with one.

A `Table` is a struct whose instances are documents: mutable, keyword only, with `id` and
`creation_time` unset until the document is inserted. `table_info` is everything else that the
platform needs of it: decoding and encoding of stored documents, index keys, ranges.

Documents are stored as checked wire JSON, system fields first. What comes from the store was
checked when it went in and is trusted; what goes in is checked like any result, and is held to
the sizes of documents.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, dataclass_transform

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from joelclaw.errors import BadValue, DocumentRefused, Misuse, ValueRefused
from joelclaw.limits import DEFAULT_LIMITS
from joelclaw.schema.bounds import Bound, Bounds, bounds_of
from joelclaw.schema.hints import SYSTEM_FIELDS, object_kind, table_kind
from joelclaw.schema.keys import FieldPlan, could_be, creation_time_plan, field_plan
from joelclaw.schema.kinds import TableNumbers
from joelclaw.schema.layout import IndexKey, IndexLayout, TableLayout
from joelclaw.schema.marks import Id
from joelclaw.schema.naming import naming_of
from joelclaw.schema.pagination import Page, PageOptions
from joelclaw.schema.shapes import Shape
from joelclaw.schema.specs import IndexSpec, TableSpec
from joelclaw.schema.structs import DeclaredMeta, declaration_of, declared_indexes
from joelclaw.schema.text import did_you_mean, validator_text
from joelclaw.schema.validators import ObjectType
from joelclaw.values.keys import UNDEFINED_KEY, end_of, number_key
from joelclaw.values.limits import DOCUMENT_NESTING, check_size, raw_is_small

__all__ = ["Id", "IndexInfo", "Page", "PageOptions", "Table", "TableInfo", "table_info"]

D = TypeVar("D", bound="Table")


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
class Table(Struct, metaclass=DeclaredMeta):
    """A table; its fields are the documents', and `__table__` is its name in the database."""

    __table__: ClassVar[str]

    if TYPE_CHECKING:

        @property
        def id(self) -> Id[Self]:
            """The document's id; there is none before it was inserted."""
            ...

        @property
        def creation_time(self) -> float:
            """When it was inserted: milliseconds since the epoch, different for every document of a deployment."""
            ...

    else:
        id: str | UnsetType = field(default=UNSET, name="_id")
        creation_time: float | UnsetType = field(default=UNSET, name="_creationTime")


class IndexInfo:
    """An index of a table, ready to make keys."""

    def __init__(self, python_name: str, name: str, fields: Sequence[FieldPlan], unique: bool) -> None:
        self.python_name = python_name
        self.name = name
        self.fields = tuple(fields)
        self.unique = unique

    @property
    def spec(self) -> IndexSpec:
        return IndexSpec(
            name=self.name,
            python_name=self.python_name,
            fields=tuple(plan.wire_path for plan in self.fields),
            unique=self.unique,
            defaults=self._defaults(),
        )

    def _defaults(self) -> str:
        """What its fields are in documents that lack them: with another default the same document has another key."""
        defaults = {}
        for plan in self.fields:
            for depth, step in enumerate(plan.steps, 1):
                if step.optional and not step.absent:
                    default = step.default if step.factory is None else step.factory()
                    path = ".".join(step.name for step in plan.steps[:depth])
                    defaults[path] = step.kind.encode(default, "", None)
        return msgspec.json.encode(defaults).decode() if defaults else ""


class TableInfo(Generic[D]):
    """All that the platform does with a table. Made once for a loaded app."""

    def __init__(self, cls: type[D], tables: TableNumbers | None, size_bytes_max: int) -> None:
        self.cls = cls
        self._size_bytes_max = size_bytes_max
        self.name: str = cls.__table__
        self.indexes = {info.python_name: info for info in _indexes(cls)}
        self.spec = _spec(cls, self.indexes.values())
        self._shape = Shape(table_kind(cls), tables, DOCUMENT_NESTING)
        self._foreign = Shape(object_kind(cls), tables, DOCUMENT_NESTING)
        self._comparable: dict[str | None, tuple[FieldPlan, ...]] = {None: (_CREATION_TIME_PLAN,)}
        for name, info in self.indexes.items():
            self._comparable[name] = (*info.fields, _CREATION_TIME_PLAN)
        self._layout: TableLayout | None = None
        self._numbered: dict[str | None, IndexLayout] = {}
        self._plans: list[tuple[int, bool, list[tuple[Callable[[Any], Any], Callable[[Any], bytes]]]]] = []

    # -- documents

    def decode(self, raw: bytes) -> D:
        """
        A stored document, by its stored text.

        Raises:
            ValueRefused: It was stored under another schema and does not fit this one.
        """
        document: D = self._shape.decode_trusted(raw)
        return document

    def decode_many(self, raws: Sequence[bytes]) -> list[D]:
        """As `decode`, for many at once."""
        return self._shape.decode_trusted_many(raws)

    def check(self, raw: bytes) -> D:
        """
        A document by text that nobody has checked: one of an import, or of an older schema.

        Raises:
            DocumentRefused: It does not fit the table.
        """
        try:
            document: D = self._foreign.decode(raw)
        except ValueRefused as error:
            raise self._refused(error) from None
        return document

    def encode(self, document: D) -> bytes:
        """
        The text to store, with the system fields that are set.

        Raises:
            DocumentRefused: It does not fit the table, or is too large. It may have been changed since it was made.
        """
        try:
            raw = self._shape.encode(document)
            if not raw_is_small(raw, self._size_bytes_max):
                check_size(document, self._size_bytes_max)
        except ValueRefused as error:
            raise self._refused(error) from None
        except BadValue as error:
            validator = validator_text(self.spec.document)
            raise DocumentRefused(self.name, error.path, f"{error.reason}.", "...", validator) from None
        return raw

    def _refused(self, error: ValueRefused) -> DocumentRefused:
        return DocumentRefused(self.name, error.path, error.reason, error.value, error.validator)

    # -- keys and ranges

    def keys(self, document: D, layout: TableLayout) -> list[IndexKey]:
        """
        Where a document stands, in every index of the table; by id and by creation time first.

        A unique index has no key of a document in which a field of the key is absent.
        """
        if layout is not self._layout:
            self._adopt(layout)
        id = document.id.encode()
        id_length = len(id)
        ending = number_key(document.creation_time) + id
        ending_length = len(ending)
        keys = [
            _index_key((layout.by_id.number, id, (0, id_length))),
            _index_key((layout.by_creation_time.number, ending, (0, ending_length - id_length, ending_length))),
        ]
        for number, unique, plans in self._plans:
            key = b""
            borders = [0]
            for find, key_of_value in plans:
                part = key_of_value(find(document))
                if unique and part == UNDEFINED_KEY:
                    break
                key += part
                borders.append(len(key))
            else:
                key += ending
                length = len(key)
                borders += (length - id_length, length)
                keys.append(_index_key((number, key, tuple(borders))))
        return keys

    def bounds(self, index: str | None, equal: Mapping[str, Any], last: Bound | None, layout: TableLayout) -> Bounds:
        """
        The range of an index, by its name in Python; None: the order of creation.

        `equal` fixes leading fields, by keyword and in order; `last` bounds the next one. See `split_keywords`.

        Raises:
            Misuse: A value is of another type than its field.
        """
        if layout is not self._layout:
            self._adopt(layout)
        plans = self._comparable[index]
        prefix = b"".join(
            _key_to_compare(plan, value, self.cls, index) for plan, value in zip(plans, equal.values(), strict=False)
        )
        numbered = self._numbered[index]
        if last is None:
            return bounds_of(numbered, prefix)
        bounded = plans[len(equal)]
        lower = _key_to_compare(bounded, last.lower, self.cls, index) if last.has_lower else None
        upper = _key_to_compare(bounded, last.upper, self.cls, index) if last.has_upper else None
        return bounds_of(
            numbered,
            prefix,
            lower if lower is None or last.lower_included else end_of(lower),
            upper if upper is None or not last.upper_included else end_of(upper),
        )

    def split_keywords(self, index: str | None, keywords: Mapping[str, Any]) -> tuple[dict[str, Any], Bound | None]:
        """
        The keywords of `ctx.db.query(index, ...)` as fixed leading fields, in the index's order, and at most one bound.

        Raises:
            Misuse: A field is unknown, left out before another, or follows a bounded one.
        """
        known = [plan.keyword for plan in self._comparable[index]]
        subject = self.cls.__name__ if index is None else f"{self.cls.__name__}.{index}"
        for keyword in keywords:
            if keyword not in known:
                raise Misuse(f"{subject} has no field {keyword!r}; {did_you_mean(keyword, known)}")
        given = [keyword for keyword in known if keyword in keywords]
        if given != known[: len(given)]:
            missing = next(keyword for keyword in known if keyword not in keywords)
            raise Misuse(
                f"Tried to query index {subject} but the query didn't use the index fields in order: "
                f"{given[-1]!r} comes after {missing!r}; give {missing!r} a value, or declare another index"
            )
        bounded = [keyword for keyword in given if isinstance(keywords[keyword], Bound)]
        if bounded and bounded != given[-1:]:
            raise Misuse(
                f"Upper and lower bounds can only be applied to a single index field, the last one given: "
                f"{subject} has {given[-1]!r} after {bounded[0]!r}; give {bounded[0]!r} one value"
            )
        equal = {keyword: keywords[keyword] for keyword in given if keyword not in bounded}
        return equal, keywords[bounded[0]] if bounded else None

    def _adopt(self, layout: TableLayout) -> None:
        """Pair our indexes with their numbers in the database; one that it does not have yet has no keys."""
        numbered = {index.name: index for index in layout.indexes}
        self._numbered = {None: layout.by_creation_time}
        self._plans = []
        for info in self.indexes.values():
            if info.name in numbered:
                index = self._numbered[info.python_name] = numbered[info.name]
                plans = [(plan.find, plan.document_key) for plan in info.fields]
                self._plans.append((index.number, info.unique, plans))
        self._layout = layout


def table_info(
    cls: type[D], tables: TableNumbers | None = None, size_bytes_max: int = DEFAULT_LIMITS.document_bytes
) -> TableInfo[D]:
    """
    What the platform does with a table that was found right (`checks.py`).

    `tables` are the numbers of the app's tables, filled when a database is opened; without
    them an id of any table passes for any other. `size_bytes_max` is how large a document may be.
    """
    return TableInfo(cls, tables, size_bytes_max)


_CREATION_TIME_PLAN = creation_time_plan()

_index_key: Callable[[tuple[int, bytes, tuple[int, ...]]], IndexKey] = partial(tuple.__new__, IndexKey)
"""Four of these are made for every document written; the class's own constructor is Python, and twice as slow."""


def _key_to_compare(plan: FieldPlan, value: Any, cls: type[Table], index: str | None) -> bytes:
    if not could_be(plan.kind, value):
        raise Misuse(
            f"{cls.__name__}.{index}: {plan.python_path!r} is compared with {type(value).__name__} {value!r:.80}, "
            f"but holds {validator_text(plan.kind.validator)}"
        )
    return plan.key(value)


def _spec(cls: type[Table], indexes: Iterable[IndexInfo]) -> TableSpec:
    document = object_kind(cls).validator
    own = tuple(field for field in document.fields if field.python_name not in SYSTEM_FIELDS)
    return TableSpec(
        name=cls.__table__,
        python_name=cls.__name__,
        document=ObjectType(own, name=cls.__name__),
        indexes=tuple(info.spec for info in indexes),
        doc=inspect.cleandoc(cls.__doc__ or ""),
        place=declaration_of(cls).source.place,
    )


def _indexes(cls: type[Table]) -> list[IndexInfo]:
    naming = naming_of(cls.__module__)
    kind = object_kind(cls)
    return [
        IndexInfo(name, naming(name), [field_plan(kind, path) for path in declared.fields], declared.unique)
        for name, declared in declared_indexes(cls).items()
    ]
