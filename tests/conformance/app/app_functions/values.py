"""Values, on their way through every kind of function and through the database."""

from typing import Any

from joelclaw import ActionCtx, Id, Int64, MutationCtx, Object, QueryCtx, action, anyone, mutation, query
from schema import Kept


class Typed(Object):
    """A field for each type that JSON has no form for."""

    integer: Int64
    blob: bytes
    number: float
    nested: dict[str, list[str | None]]


@query(allow=anyone)
def echo(ctx: QueryCtx, value: Any) -> Any:
    return value


@query(allow=anyone)
def typed(ctx: QueryCtx, value: Typed) -> Typed:
    return value


@mutation(allow=anyone)
def keep(ctx: MutationCtx, value: Any) -> Id[Kept]:
    return ctx.db.insert(Kept(value=value))


@query(allow=anyone)
def kept(ctx: QueryCtx, id: Id[Kept]) -> Any:
    return ctx.db.require(id).value


@action(allow=anyone)
async def act(ctx: ActionCtx, value: Any) -> Any:
    return value


@query(allow=anyone)
def large(ctx: QueryCtx, characters: int) -> str:
    """A text of that length."""
    return "x" * characters


@query(allow=anyone)
def length(ctx: QueryCtx, text: str) -> int:
    return len(text)


@mutation(allow=anyone)
def measure(ctx: MutationCtx, text: str) -> int:
    return len(text)
