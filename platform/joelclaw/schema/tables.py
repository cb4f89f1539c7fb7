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
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Self, TypeVar, dataclass_transform

from msgspec import UNSET, Struct, UnsetType, field

from joelclaw.errors import BadValue, DocumentRefused, Misuse, ValueRefused
from joelclaw.limits import DEFAULT_LIMITS, setting
from joelclaw.schema.bounds import Bound, Bounds, bounds_of
from joelclaw.schema.finding import AnyFinder, SearchFinder, VectorFinder
from joelclaw.schema.hints import SYSTEM_FIELDS, object_kind, table_kind
from joelclaw.schema.keys import FieldPlan, could_be, creation_time_plan, defaults_text, field_plan
from joelclaw.schema.kinds import TableNumbers
from joelclaw.schema.layout import DocumentKey, IndexKey, IndexLayout, TableLayout
from joelclaw.schema.marks import Id
from joelclaw.schema.naming import naming_of
from joelclaw.schema.pagination import Page, PageOptions
from joelclaw.schema.search import vector_index
from joelclaw.schema.shapes import Shape
from joelclaw.schema.specs import IndexSpec, TableSpec
from joelclaw.schema.structs import DeclaredMeta, declaration_of, declared_expiry, declared_finders, declared_indexes
from joelclaw.schema.text import did_you_mean, validator_text
from joelclaw.schema.validators import ObjectType
from joelclaw.values.keys import UNDEFINED_KEY, end_of, number_key
from joelclaw.values.limits import DOCUMENT_NESTING, SYSTEM_NESTING, check_size, raw_is_small

__all__ = ["Id", "IndexInfo", "Page", "PageOptions", "Table", "TableInfo", "table_info"]

D = TypeVar("D", bound="Table")


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
class Table(Struct, metaclass=DeclaredMeta):
    """
    A table; its fields are the documents', and `__table__` is its name in the database.

    `class Typing(Table, expires_at="until")`: a document is removed soon after the instant in its field `until`.
    """

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


EXPIRY_INDEX: Final = "_expiry"
"""The index of a table whose documents expire, by the instant. The platform's own: no app can name it."""


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
            defaults=defaults_text(self.fields),
        )


class TableInfo(Generic[D]):
    """All that the platform does with a table. Made once for a loaded app."""

    def __init__(self, cls: type[D], tables: TableNumbers | None, size_bytes_max: int) -> None:
        self.cls = cls
        self._size_bytes_max = size_bytes_max
        self.name: str = cls.__table__
        self.indexes = {info.python_name: info for info in _indexes(cls)}
        self.finders = {finder.python_name: finder for finder in _finders(cls)}
        self.spec = _spec(cls, self.indexes.values(), self.finders.values())
        nesting = SYSTEM_NESTING if self.name.startswith("_") else DOCUMENT_NESTING
        self._shape = Shape(table_kind(cls), tables, nesting)
        self._foreign = Shape(object_kind(cls), tables, nesting)
        self._comparable: dict[str | None, tuple[FieldPlan, ...]] = {None: (_CREATION_TIME_PLAN,)}
        for name, info in self.indexes.items():
            self._comparable[name] = (*info.fields, _CREATION_TIME_PLAN)
        self._layout: TableLayout | None = None
        self._numbered: dict[str | None, IndexLayout] = {}
        self._plans: list[tuple[int, bool, list[tuple[Callable[[Any], Any], Callable[[Any], bytes]]]]] = []
        self._entries: list[tuple[int, AnyFinder]] = []

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
            reason = f"{error.reason}; {setting('document_bytes')}."
            raise DocumentRefused(self.name, error.path, reason, "...", validator) from None
        return raw

    def _refused(self, error: ValueRefused) -> DocumentRefused:
        return DocumentRefused(self.name, error.path, error.reason, error.value, error.validator)

    # -- keys and ranges

    def keys(self, document: D, layout: TableLayout) -> list[DocumentKey]:
        """
        Where a document stands, in every index of the table; by id and by creation time first.

        A unique index has no key of a document in which a field of the key is absent.

        Raises:
            DocumentRefused: A vector has not the dimensions of its index.
        """
        if layout is not self._layout:
            self._adopt(layout)
        id = document.id.encode()
        id_length = len(id)
        ending = number_key(document.creation_time) + id
        ending_length = len(ending)
        keys: list[DocumentKey] = [
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
        for number, finder in self._entries:
            entry = finder.entry(document, number)
            if entry is not None:
                keys.append(entry)
        return keys

    def finder_layout(self, name: str, layout: TableLayout) -> IndexLayout:
        """A search or vector index, by its name in Python, as the database has it."""
        if layout is not self._layout:
            self._adopt(layout)
        return self._numbered[name]

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
        finders = {index.name: index for index in layout.finders}
        self._entries = []
        for finder in self.finders.values():
            if finder.name in finders:
                index = self._numbered[finder.python_name] = finders[finder.name]
                self._entries.append((index.number, finder))
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


def _spec(cls: type[Table], indexes: Iterable[IndexInfo], finders: Iterable[AnyFinder]) -> TableSpec:
    document = object_kind(cls).validator
    own = tuple(field for field in document.fields if field.python_name not in SYSTEM_FIELDS)
    return TableSpec(
        name=cls.__table__,
        python_name=cls.__name__,
        document=ObjectType(own, name=cls.__name__),
        indexes=tuple(info.spec for info in indexes),
        search_indexes=tuple(finder.spec for finder in finders if isinstance(finder, SearchFinder)),
        vector_indexes=tuple(finder.spec for finder in finders if isinstance(finder, VectorFinder)),
        expires_at=next((info.fields[0].wire_path for info in indexes if info.name == EXPIRY_INDEX), None),
        doc=inspect.cleandoc(cls.__doc__ or ""),
        place=declaration_of(cls).source.place,
    )


def _indexes(cls: type[Table]) -> list[IndexInfo]:
    naming = naming_of(cls.__module__)
    kind = object_kind(cls)
    found = [
        IndexInfo(name, naming(name), [field_plan(kind, path) for path in declared.fields], declared.unique)
        for name, declared in declared_indexes(cls).items()
    ]
    expiry = declared_expiry(cls)
    if expiry is not None:
        found.append(IndexInfo(EXPIRY_INDEX, EXPIRY_INDEX, [field_plan(kind, expiry)], unique=False))
    return found


def _finders(cls: type[Table]) -> list[AnyFinder]:
    naming = naming_of(cls.__module__)
    kind = object_kind(cls)
    found: list[AnyFinder] = []
    for name, declared in declared_finders(cls).items():
        field, filters = field_plan(kind, declared.field), [field_plan(kind, path) for path in declared.filter]
        if isinstance(declared, vector_index):
            found.append(VectorFinder(cls.__name__, name, naming(name), field, filters, declared.dimensions))
        else:
            found.append(SearchFinder(cls.__name__, name, naming(name), field, filters))
    return found
