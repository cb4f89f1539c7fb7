from typing import Any

from msgspec import UNSET

from joelclaw import Id, Int64, Object, Table, UnsetType, index, search_index


class Author(Table):
    __table__ = "authors"
    name: str
    by_name = index("name", unique=True)


class Place(Object):
    paragraph: str
    offsets: list[Int64] = []  # noqa: RUF012


class Note(Table):
    __table__ = "notes"
    body: str
    author: Id[Author] | None = None
    stars: float = 0.0
    views: Int64 = Int64(0)
    data: bytes = b""
    done: bool = False
    place: Place | UnsetType = UNSET
    labels: dict[str, float] = {}  # noqa: RUF012
    anything: Any = None
    by_stars = index("stars")
    search_body = search_index("body")


class Row(Table):
    __table__ = "rows"
    number: float
    text: str
    by_number = index("number")
