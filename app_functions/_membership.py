"""
Who belongs to a room, and may therefore read and write there.

`member` is the rule of everything in a room. It reads one document, the asker's membership, which changes
when they come and go and at no other time: whoever is put out has their open pages refused at once, and
nothing else wakes them.
"""

from typing import Final

from app_functions._people import OWNER, who
from joelclaw import AppError, Id, MutationCtx, QueryCtx
from schema import Member, Message, Presence, ReadMark, Room, Typing, User

MEMBERS_MAX: Final = 100
"""Of one room. Everybody hears everybody, so what a message costs grows with it."""

ROOMS_MAX: Final = 100
"""That one user belongs to."""


def member(ctx: QueryCtx, room: Id[Room]) -> bool:
    """Members of a room."""
    return ctx.auth.identity is not None and is_member(ctx, room, who(ctx).id)


def is_member(ctx: QueryCtx, room: Id[Room], user: Id[User]) -> bool:
    found = ctx.db.find(Member.by_room, room=room, user=user)
    return found is not None and found.removed_at is None


def author(ctx: QueryCtx, id: Id[Message]) -> bool:
    """Whoever wrote a message, as long as they belong to its room."""
    if ctx.auth.identity is None:
        return False
    message = ctx.db.get(id)
    user = who(ctx).id
    return message is not None and message.author == user and is_member(ctx, message.room, user)


def author_or_owner(ctx: QueryCtx, id: Id[Message]) -> bool:
    """Whoever wrote a message, and the owner."""
    return ctx.auth.has_role(OWNER) or author(ctx, id)


def members_of(ctx: QueryCtx, room: Id[Room]) -> list[Member]:
    """Those who belong to a room now, in the order of their ids."""
    return [found for found in ctx.db.query(Member.by_room, room=room) if found.removed_at is None]


def pages_of(ctx: QueryCtx, room: Id[Room], user: Id[User]) -> list[Presence]:
    """Pages of somebody's that said they have a room open; some may not have said so lately."""
    return ctx.db.query(Presence.by_room, room=room, user=user).collect()


def last_message(ctx: QueryCtx, room: Id[Room]) -> Message | None:
    """What was said last in a room."""
    return ctx.db.query(Message.by_room, room=room).order("desc").first()


def last_seq(ctx: QueryCtx, room: Id[Room]) -> int:
    """The number of what was said last; 0: nothing was."""
    last = last_message(ctx, room)
    return 0 if last is None else last.seq


def mark(ctx: MutationCtx, room: Id[Room], user: Id[User], seq: int) -> None:
    """Somebody has read up to this number. A mark never moves back."""
    found = ctx.db.find(ReadMark.by_room, room=room, user=user)
    if found is None:
        ctx.db.insert(ReadMark(room=room, user=user, seq=seq))
    elif seq > found.seq:
        ctx.db.patch(found, seq=seq)


def let_in(ctx: MutationCtx, room: Id[Room], user: Id[User]) -> None:
    """
    Make somebody a member. It is no error if they are one. To a newcomer nothing that was said before is unread.

    Raises:
        AppError: The room is full, or they belong to too many.
    """
    found = ctx.db.find(Member.by_room, room=room, user=user)
    if found is not None and found.removed_at is None:
        return
    if len(members_of(ctx, room)) >= MEMBERS_MAX:
        raise AppError({"code": "room_full", "message": f"This room has {MEMBERS_MAX} members, and no place for more."})
    if ctx.db.query(Member.by_user, user=user).count() >= ROOMS_MAX:
        raise AppError({"code": "too_many_rooms", "message": f"You belong to {ROOMS_MAX} rooms; leave one first."})
    if found is None:
        ctx.db.insert(Member(room=room, user=user))
    else:
        ctx.db.patch(found, removed_at=None)
    mark(ctx, room, user, last_seq(ctx, room))


def forget_traces(ctx: MutationCtx, room: Id[Room], user: Id[User]) -> None:
    """Delete what is known of somebody in a room, beside what they said and whether they belong there."""
    traces = (
        ctx.db.find(ReadMark.by_room, room=room, user=user),
        ctx.db.find(Typing.by_room, room=room, user=user),
        *pages_of(ctx, room, user),
    )
    for trace in traces:
        if trace is not None:
            ctx.db.delete(trace)
