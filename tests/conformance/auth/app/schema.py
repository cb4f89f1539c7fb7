"""The tables of the test app: who signed in, and what they keep."""

from joelclaw import Id, Table, index


class User(Table):
    """Somebody who signed in; the platform fills it."""

    __table__ = "users"
    name: str | None = None
    email: str | None = None
    image: str | None = None
    is_anonymous: bool | None = None


class Note(Table):
    """Something that is its author's alone."""

    __table__ = "notes"
    author: Id[User]
    text: str
    by_author = index("author")
