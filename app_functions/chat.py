"""Chat: rooms, and what is said in them."""

from app_functions._people import author as who_writes
from joelclaw import AppError, Id, MutationCtx, Page, PageOptions, QueryCtx, anyone, mutation, query
from schema import Message, Room


@query(allow=anyone)
def rooms(ctx: QueryCtx) -> list[Room]:
    """All rooms, the oldest first."""
    return ctx.db.query(Room).collect()


@query(allow=anyone)
def history(ctx: QueryCtx, room: Id[Room], pagination_opts: PageOptions) -> Page[Message]:
    """What was said in a room, the newest first, a page at a time."""
    return ctx.db.query(Message.by_room, room=room).order("desc").paginate(pagination_opts)


@mutation(allow=anyone)
def open_room(ctx: MutationCtx, slug: str, title: str) -> Id[Room]:
    """The room of this name, made if there is none."""
    room = ctx.db.find(Room.by_slug, slug=slug)
    return room.id if room is not None else ctx.db.insert(Room(slug=slug, title=title))


@mutation(allow=anyone)
def send(ctx: MutationCtx, room: Id[Room], body: str, name: str | None = None) -> Id[Message]:
    """Say something in a room. Guests give a name."""
    place = ctx.db.get(room)
    if place is None:
        raise AppError({"code": "no_room", "message": "This room is gone."})
    author, author_name = who_writes(ctx, name)
    ctx.db.patch(place, messages=place.messages + 1)
    return ctx.db.insert(Message(room=room, author=author, author_name=author_name, body=body))
