"""Rooms of this repository's app, with people in them."""

from app_functions import chat, invitations, users
from joelclaw import Id, PageOptions
from joelclaw.testing import Backend, Caller
from schema import Room, User
from tests.app.people import owner

NEWEST = PageOptions(num_items=100, cursor=None)


def open_room(backend: Backend, slug: str = "lobby", *, members: tuple[Caller, ...] = ()) -> Id[Room]:
    """A room of the owner's, with these members."""
    room = owner(backend).mutation(chat.open_room, slug=slug, title=slug.title())
    for number, member in enumerate(members):
        token = invite(backend, room, f"{slug}-{number}")
        member.mutation(invitations.accept, token=token)
    return room


def invite(backend: Backend, room: Id[Room], word: str = "word", *, valid_for: str = "1d", uses: int = 1) -> str:
    """The token of a new invitation; another word is another token."""
    token = word.ljust(32, "-")
    owner(backend).mutation(invitations.create, room=room, token=token, valid_for=valid_for, uses=uses)  # type: ignore[arg-type]
    return token


def said(caller: Caller, room: Id[Room]) -> list[str]:
    """What was said, the oldest first."""
    page = caller.query(chat.history, room=room, pagination_opts=NEWEST)
    return [message.body for message in reversed(page.page)]


def say(caller: Caller, room: Id[Room], body: str, key: str | None = None) -> int:
    """Say something; the same words are the same message unless a key is given."""
    return caller.mutation(chat.send, room=room, body=body, key=key or f"key-of-{body}"[:64])


def id_of(caller: Caller) -> Id[User]:
    me = caller.query(users.me)
    assert me is not None
    return me.id
