"""
Presence: who has a room open, and who is typing in it.

Pages say so again and again, and stop when they are closed, lose their connection, or crash. Nobody has to
say that it is over: what was said is good until an instant, and the answers turn at that instant by
themselves. A page that says it too often writes nothing. Each page of a user speaks for itself alone, so
whoever closes one of two is still here.
"""

from typing import Final

from app_functions._membership import member, pages_of
from app_functions._people import who as asker
from app_functions.chat import Person, people_of
from joelclaw import Id, MutationCtx, QueryCtx, mutation, query
from schema import PageKey, Presence, Room, Typing

HERE_MS: Final = 45_000.0
"""`CHAT_HERE_MS` in the environment says otherwise."""

TYPING_MS: Final = 5_000.0

PAGES_MAX: Final = 8
"""Of one user in one room. A page more takes the place of the one that was heard of longest ago."""


@mutation(allow=member)
def here(ctx: MutationCtx, room: Id[Room], page: PageKey) -> float:
    """This page of mine has this room open; after how many milliseconds to say so again."""
    user = asker(ctx).id
    lasts = float(ctx.env.get("CHAT_HERE_MS", HERE_MS))
    again = lasts * 4 / 9
    until = ctx.now() + lasts
    pages = pages_of(ctx, room, user)
    found = next((one for one in pages if one.page == page), None)
    if found is not None:
        if until - found.until > again / 2:
            ctx.db.patch(found, until=until)
    elif len(pages) < PAGES_MAX:
        ctx.db.insert(Presence(room=room, user=user, page=page, until=until))
    else:
        ctx.db.patch(min(pages, key=lambda one: one.until), page=page, until=until)
    return again


@mutation(allow=member)
def gone(ctx: MutationCtx, room: Id[Room], page: PageKey) -> None:
    """This page of mine was left. One that cannot say so any more is gone a little later."""
    user = asker(ctx).id
    left = ctx.db.find(Presence.by_room, room=room, user=user, page=page)
    if left is not None:
        ctx.db.delete(left)
    typing = ctx.db.find(Typing.by_room, room=room, user=user)
    if typing is not None and not pages_of(ctx, room, user):
        ctx.db.delete(typing)


@query(allow=member)
def who(ctx: QueryCtx, room: Id[Room]) -> list[Person]:
    """Who has this room open, by name."""
    here = [one.user for one in ctx.db.query(Presence.by_room, room=room) if ctx.before(one.until)]
    return sorted(people_of(ctx, here).values(), key=lambda person: person.name)


@mutation(allow=member)
def key_pressed(ctx: MutationCtx, room: Id[Room]) -> None:
    """I am typing."""
    user = asker(ctx).id
    until = ctx.now() + TYPING_MS
    found = ctx.db.find(Typing.by_room, room=room, user=user)
    if found is None:
        ctx.db.insert(Typing(room=room, user=user, until=until))
    elif until - found.until > TYPING_MS / 3:
        ctx.db.patch(found, until=until)


@query(allow=member)
def typing(ctx: QueryCtx, room: Id[Room]) -> list[Person]:
    """Who is typing, by name; whoever asks is among them if they are."""
    typing = [one.user for one in ctx.db.query(Typing.by_room, room=room) if ctx.before(one.until)]
    return sorted(people_of(ctx, typing).values(), key=lambda person: person.name)
