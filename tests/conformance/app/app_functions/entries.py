"""A list in an order that changes, whole and in pages."""

from typing import Literal

from joelclaw import MutationCtx, Page, PageOptions, QueryCtx, anyone, mutation, query
from schema import Entry

Direction = Literal["asc", "desc"]


@query(allow=anyone)
def listed(ctx: QueryCtx, room: str, direction: Direction) -> list[Entry]:
    """All entries of a room in order."""
    return ctx.db.query(Entry.by_rank, room=room).order(direction).collect()


@query(allow=anyone)
def page(ctx: QueryCtx, room: str, direction: Direction, pagination_opts: PageOptions) -> Page[Entry]:
    """The same, a page at a time."""
    return ctx.db.query(Entry.by_rank, room=room).order(direction).paginate(pagination_opts)


@mutation(allow=anyone)
def put(ctx: MutationCtx, room: str, ranks: list[float]) -> None:
    """Put entries where they belong."""
    for rank in ranks:
        ctx.db.insert(Entry(room=room, rank=rank))


@mutation(allow=anyone)
def take(ctx: MutationCtx, room: str, rank: float) -> None:
    """Remove entries of this rank."""
    for entry in ctx.db.query(Entry.by_rank, room=room, rank=rank):
        ctx.db.delete(entry)


@mutation(allow=anyone)
def move(ctx: MutationCtx, room: str, rank: float, to: float) -> None:
    """Give entries of this rank another one."""
    for entry in ctx.db.query(Entry.by_rank, room=room, rank=rank):
        ctx.db.patch(entry, rank=to)


@mutation(allow=anyone)
def rename(ctx: MutationCtx, room: str, rank: float, text: str) -> None:
    """Change entries of this rank, and leave them where they are."""
    for entry in ctx.db.query(Entry.by_rank, room=room, rank=rank):
        ctx.db.patch(entry, text=text)
