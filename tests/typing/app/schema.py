# ruff: noqa: RUF012 (fields of a table are no class attributes: each document has its own)
from typing import Annotated, Any, Literal

from joelclaw import UNSET, Id, Int64, Meta, Object, Table, UnsetType, index, search_index, vector_index


class User(Table):
    __table__ = "users"
    name: str
    token_identifier: str
    github_id: int
    by_token = index("token_identifier", unique=True)
    by_github = index("github_id", unique=True)


class Typing(Table, expires_at="until"):
    __table__ = "typing"
    who: Id[User]
    until: float | None = None


class Anchor(Object):
    paragraph: str
    quote: str = ""


class Reaction(Object):
    by: Id[User]
    emoji: Literal["up", "down"] = "up"


class Comment(Table):
    __table__ = "comments"
    article: str
    anchor: Anchor
    author: Id[User]
    body: Annotated[str, Meta(min_length=1, max_length=4_000)]
    reply_to: Id["Comment"] | None = None
    resolved: bool = False
    reactions: list[Reaction] = []
    edited_at: float | UnsetType = UNSET
    size: Int64 = Int64(0)
    extra: dict[str, Any] = {}
    embedding: list[float] | None = None
    by_article = index("article", "anchor.paragraph")
    by_author = index("author")
    search_body = search_index("body", filter=["article", "anchor.paragraph"])
    by_embedding = vector_index("embedding", dimensions=3, filter=["article"])


class Bookmark(Table):
    __table__ = "bookmarks"
    owner: Id[User]
    target: Id[Comment | User]
    by_owner = index("owner", "target", unique=True)
