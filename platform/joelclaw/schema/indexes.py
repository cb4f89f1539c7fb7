"""
Index declarations: `by_article = index("article", "anchor.paragraph")`.

The class attribute is an `Index` of its table, to be handed to `ctx.db.query`. Fields are
named as in Python, dots lead into nested objects. What an index means for keys and ranges is
in `keys.py` and `bounds.py`.
"""

from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, overload

if TYPE_CHECKING:
    from joelclaw.schema.tables import Table

D = TypeVar("D", bound="Table")
D_co = TypeVar("D_co", bound="Table", covariant=True)


class Index(Generic[D_co]):
    """An index of a table: what `Comment.by_article` is."""

    __slots__ = ("declared", "name", "table")

    def __init__(self, table: type[D_co], name: str, declared: "index") -> None:
        self.table = table
        self.name = name
        self.declared = declared

    def __repr__(self) -> str:
        return f"{self.table.__name__}.{self.name}"


class index:  # noqa: N801 (it is written like a function, and reads like one)
    """
    Declares an index in the class body of a table.

    With `unique`, a second document with the same key is refused; documents in which a field
    of the key is absent are left out.
    """

    def __init__(self, *fields: str, unique: bool = False) -> None:
        self.fields = fields
        self.unique = unique
        self._name = ""
        self._bound: dict[type, Index[Any]] = {}

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, obj: None, owner: type[D]) -> Index[D]: ...
    @overload
    def __get__(self, obj: "Table", owner: type[D]) -> NoReturn: ...
    def __get__(self, obj: "Table | None", owner: type[D]) -> Index[D]:
        if obj is not None:
            raise AttributeError(f"{self._name} is an index of the table; write {owner.__name__}.{self._name}")
        bound = self._bound.get(owner)
        if bound is None:
            bound = self._bound[owner] = Index(owner, self._name, self)
        return bound
