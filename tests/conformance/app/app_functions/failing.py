"""Functions that fail: in terms of the application, or by mistake."""

from typing import Any

from joelclaw import ActionCtx, AppError, Int64, MutationCtx, QueryCtx, action, anyone, mutation, query
from schema import Message


def fail(data: Any) -> None:
    """Refuse with data; without, by a mistake that has none."""
    if data is None:
        raise RuntimeError("the details stay on the server")
    raise AppError(data)


@query(allow=anyone)
def asked(ctx: QueryCtx, data: Any = None) -> None:
    fail(data)


@mutation(allow=anyone)
def changed(ctx: MutationCtx, room: str, data: Any = None) -> None:
    """Fails after it wrote; nothing of that stays."""
    ctx.db.insert(Message(room=room, body="never"))
    fail(data)


@action(allow=anyone)
async def acted(ctx: ActionCtx, data: Any = None) -> None:
    fail(data)


@query(allow=anyone)
def until_spoken(ctx: QueryCtx, room: str) -> int:
    """Fails for as long as the room is empty."""
    spoken = ctx.db.query(Message.by_room, room=room).count()
    if spoken == 0:
        raise AppError({"code": "silence", "count": Int64(0)})
    return spoken
