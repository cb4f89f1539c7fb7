"""Tables that the shipped clients read and write in the tests."""

from typing import Any

from joelclaw import Table, index, search_index


class Message(Table):
    """Something in a room; every test has rooms of its own."""

    __table__ = "messages"
    room: str
    body: str
    by_room = index("room")


class Counter(Table):
    """A number that mutations read before they write it."""

    __table__ = "counters"
    name: str
    value: int = 0
    by_name = index("name", unique=True)


class Kept(Table):
    """Any value at all."""

    __table__ = "kept"
    value: Any


class Entry(Table):
    """Something in a list whose order changes."""

    __table__ = "entries"
    room: str
    rank: float
    text: str = ""
    by_rank = index("room", "rank")


class Card(Table):
    """Something that is shown as long as it is fresh."""

    __table__ = "cards"
    room: str
    heard_at: float
    by_room = index("room")


class Typing(Table, expires_at="until"):
    """Something that removes itself."""

    __table__ = "typing"
    room: str
    until: float
    by_room = index("room")


class Page(Table):
    """Something with a text that is searched."""

    __table__ = "pages"
    room: str
    text: str
    search_text = search_index("text", filter=["room"])
