"""Who asks."""

from joelclaw import ActionCtx, MutationCtx, QueryCtx, action, anyone, mutation, query, signed_in
from schema import Message


@query(allow=anyone)
def me(ctx: QueryCtx) -> str | None:
    """The subject of whoever asks; null for a stranger."""
    return None if ctx.auth.identity is None else ctx.auth.identity.subject


@mutation(allow=signed_in)
def sign(ctx: MutationCtx, room: str) -> str:
    """Leave one's name in a room."""
    identity = ctx.auth.identity
    assert identity is not None
    ctx.db.insert(Message(room=room, body=identity.subject))
    return identity.subject


@action(allow=anyone)
async def acting(ctx: ActionCtx) -> str | None:
    """The same as `me`, outside of a transaction."""
    return None if ctx.auth.identity is None else ctx.auth.identity.subject
