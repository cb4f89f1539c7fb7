"""What changes because time passes."""

from joelclaw import MutationCtx, QueryCtx, anyone, mutation, query
from schema import Card, Typing


@mutation(allow=anyone)
def hear(ctx: MutationCtx, room: str) -> None:
    """A card is fresh from now on."""
    ctx.db.insert(Card(room=room, heard_at=ctx.now()))


@query(allow=anyone)
def fresh(ctx: QueryCtx, room: str) -> int:
    """How many cards of a room were heard of within six seconds."""
    return sum(ctx.within(card.heard_at, "6s") for card in ctx.db.query(Card.by_room, room=room))


@query(allow=anyone)
def phase(ctx: QueryCtx, begins_at: float, ends_at: float) -> str:
    """Whether something is on."""
    if ctx.before(begins_at):
        return "before"
    return "over" if ctx.after(ends_at) else "on"


@mutation(allow=anyone)
def type_for(ctx: MutationCtx, room: str, ms: float) -> None:
    """Somebody types for so long."""
    ctx.db.insert(Typing(room=room, until=ctx.now() + ms))


@query(allow=anyone)
def typing(ctx: QueryCtx, room: str) -> int:
    """How many documents there are, expired or not."""
    return ctx.db.query(Typing.by_room, room=room).count()
