"""Messages in rooms: what most tests write and watch."""

from joelclaw import ActionCtx, Id, MutationCtx, Object, Page, PageOptions, QueryCtx, action, anyone, mutation, query
from schema import Message


class Tally(Object):
    """A second view of what `listed` shows."""

    messages: int
    characters: int


@query(allow=anyone)
def listed(ctx: QueryCtx, room: str) -> list[Message]:
    """All messages of a room, the oldest first."""
    return ctx.db.query(Message.by_room, room=room).collect()


@query(allow=anyone)
def tally(ctx: QueryCtx, room: str) -> Tally:
    """How much there is in a room."""
    messages = ctx.db.query(Message.by_room, room=room).collect()
    return Tally(messages=len(messages), characters=sum(len(message.body) for message in messages))


@query(allow=anyone)
def page(ctx: QueryCtx, room: str, pagination_opts: PageOptions) -> Page[Message]:
    """The messages of a room, the newest first, a page at a time."""
    return ctx.db.query(Message.by_room, room=room).order("desc").paginate(pagination_opts)


@query(allow=anyone)
def newest(ctx: QueryCtx, room: str) -> str | None:
    """What was said last in a room."""
    message = ctx.db.query(Message.by_room, room=room).order("desc").first()
    return None if message is None else message.body


@mutation(allow=anyone)
def send(ctx: MutationCtx, room: str, body: str) -> Id[Message]:
    """Put a message into a room."""
    return ctx.db.insert(Message(room=room, body=body))


@mutation(allow=anyone)
def send_many(ctx: MutationCtx, room: str, bodies: list[str]) -> None:
    """Put several messages into a room, in this order."""
    for body in bodies:
        ctx.db.insert(Message(room=room, body=body))


@mutation(allow=anyone)
def clear(ctx: MutationCtx, room: str) -> int:
    """Empty a room; how many messages went."""
    gone = ctx.db.query(Message.by_room, room=room).collect()
    for message in gone:
        ctx.db.delete(message)
    return len(gone)


@action(allow=anyone)
async def relay(ctx: ActionCtx, room: str, body: str) -> int:
    """Send a message through a mutation, then count through a query."""
    await ctx.run_mutation(send, room=room, body=body)
    return (await ctx.run_query(tally, room=room)).messages
