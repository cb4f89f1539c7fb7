"""
Declarations of indexes that find by content: full-text search, and nearest vectors.

    search_body = search_index("body", filter=["article"])
    by_embedding = vector_index("embedding", dimensions=384, filter=["article"])

The class attribute is a `SearchIndex` or `VectorIndex` of its table, to be handed to
`ctx.db.search` and to `vector_search`. Fields are named as in Python, dots lead into nested
objects. What a document is in such an index is in `finding.py`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeAlias, TypeVar, overload

if TYPE_CHECKING:
    from joelclaw.schema.tables import Table

D = TypeVar("D", bound="Table")
D_co = TypeVar("D_co", bound="Table", covariant=True)

DIMENSIONS_MIN: Final = 2
DIMENSIONS_MAX: Final = 4_096


class _OfTable(Generic[D_co]):
    """An index of a table that is no ordered one."""

    __slots__ = ("name", "table")

    def __init__(self, table: type[D_co], name: str) -> None:
        self.table = table
        self.name = name

    def __repr__(self) -> str:
        return f"{self.table.__name__}.{self.name}"


class SearchIndex(_OfTable[D_co]):
    """A full-text index of a table: what `Comment.search_body` is."""

    __slots__ = ()


class VectorIndex(_OfTable[D_co]):
    """A vector index of a table: what `Comment.by_embedding` is."""

    __slots__ = ()


class _Declared:
    """What both declarations keep."""

    def __init__(self, field: str, filter: Sequence[str]) -> None:
        self.field = field
        # A lone text is a sequence, too, of fields of one letter. `checks.py` says so.
        self.filter = filter if isinstance(filter, str) else tuple(filter)
        self.name = ""
        self._bound: dict[type, Any] = {}

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def bind(self, kind: type[_OfTable[Any]], obj: object, owner: type) -> Any:
        if obj is not None:
            raise AttributeError(f"{self.name} is an index of the table; write {owner.__name__}.{self.name}")
        bound = self._bound.get(owner)
        if bound is None:
            bound = self._bound[owner] = kind(owner, self.name)
        return bound


class search_index(_Declared):  # noqa: N801 (it is written like a function, and reads like one)
    """
    Declares a full-text index over one field, in the class body of a table.

    A search may ask for one value of each field in `filter` besides.
    """

    def __init__(self, field: str, *, filter: Sequence[str] = ()) -> None:
        super().__init__(field, filter)

    @overload
    def __get__(self, obj: None, owner: type[D]) -> SearchIndex[D]: ...
    @overload
    def __get__(self, obj: "Table", owner: type[D]) -> NoReturn: ...
    def __get__(self, obj: "Table | None", owner: type[D]) -> SearchIndex[D]:
        found: SearchIndex[D] = self.bind(SearchIndex, obj, owner)
        return found


class vector_index(_Declared):  # noqa: N801
    """
    Declares an index over a field of vectors, `list[float]`, all of which have so many dimensions.

    It finds the nearest by the cosine of the angle. Documents without the field are left out.
    """

    def __init__(self, field: str, *, dimensions: int, filter: Sequence[str] = ()) -> None:
        super().__init__(field, filter)
        self.dimensions = dimensions

    @overload
    def __get__(self, obj: None, owner: type[D]) -> VectorIndex[D]: ...
    @overload
    def __get__(self, obj: "Table", owner: type[D]) -> NoReturn: ...
    def __get__(self, obj: "Table | None", owner: type[D]) -> VectorIndex[D]:
        found: VectorIndex[D] = self.bind(VectorIndex, obj, owner)
        return found


class AnyOf:
    """Several values, one of which is enough: for one filter field, or for several by name."""

    __slots__ = ("named", "values")

    def __init__(self, values: tuple[object, ...], named: dict[str, object]) -> None:
        self.values = values
        self.named = named


def any_of(*values: object, **named: object) -> AnyOf:
    """
    Any of these: `vector_search(index, vector, article=any_of("a", "b"))`.

    With keywords it is over different fields, and the search's third argument:
    `vector_search(index, vector, any_of(article="a", author=ann))`.
    """
    return AnyOf(values, named)


Declared: TypeAlias = search_index | vector_index
