"""
The tables of joelclaw.com: who writes, comments in the margins, chat, calls that are on, and what Inngest reports.
"""

from typing import Annotated, Final, Literal

from joelclaw import UNSET, Id, Meta, Object, Table, UnsetType, index

# -- people

NAME_CHARACTERS: Final = 80

Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS)]


class User(Table):
    """Somebody who signed in: with GitHub, or as a guest, under a name of their own choice."""

    __table__ = "users"
    name: Name
    image: str | None = None
    login: str | None = None
    """What GitHub calls them. It may change there, and pass to somebody else; `github_id` does not."""

    github_id: int | UnsetType = UNSET
    """Absent of guests: the index would take `None` for an id that only one of them may have."""

    is_anonymous: bool = False
    by_github = index("github_id", unique=True)


class Anchor(Object):
    """The words of an article that a comment hangs on."""

    paragraph: str
    quote: str


class Comment(Table):
    """A note in the margin of an article, or an answer to one."""

    __table__ = "comments"
    article: str
    anchor: Anchor
    author: Id[User] | None = None
    author_name: Name
    body: Annotated[str, Meta(min_length=1, max_length=4_000)]
    reply_to: Id["Comment"] | None = None
    resolved: bool = False
    by_article = index("article", "anchor.paragraph")
    by_thread = index("reply_to")


class Room(Table):
    """A place to talk. `messages` is kept with it, so that nobody has to count."""

    __table__ = "rooms"
    slug: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}$")]
    title: Name
    messages: int = 0
    by_slug = index("slug", unique=True)


class Message(Table):
    """Something said in a room."""

    __table__ = "messages"
    room: Id[Room]
    author: Id[User] | None = None
    author_name: Name
    body: Annotated[str, Meta(min_length=1, max_length=8_000)]
    by_room = index("room")


class CallSession(Table):
    """A voice call that is on, as long as its heartbeat is fresh."""

    __table__ = "call_sessions"
    key: Annotated[str, Meta(min_length=1, max_length=100)]
    title: Name
    state: Literal["ringing", "talking", "on_hold"] = "ringing"
    started_at: float
    heartbeat_at: float
    by_key = index("key", unique=True)
    by_heartbeat = index("heartbeat_at")


class Delivery(Table, expires_at="forget_at"):
    """A webhook's delivery. Its id is kept for longer than one can be repeated, so that each counts once."""

    __table__ = "deliveries"
    delivery_id: Annotated[str, Meta(min_length=1, max_length=200)]
    event: Annotated[str, Meta(min_length=1, max_length=200)]
    body: str
    forget_at: float
    by_delivery_id = index("delivery_id", unique=True)
