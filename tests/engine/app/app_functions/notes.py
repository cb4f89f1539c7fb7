"""Functions that behave."""

from joelclaw import AppError, MutationCtx, QueryCtx, anyone, mutation, query
from schema import Counter, Note

VERSION = 1


@query(allow=anyone)
def texts(ctx: QueryCtx, room: str) -> list[str]:
    return [note.text for note in ctx.db.query(Note.by_room, room=room)]


@query(allow=anyone)
def count(ctx: QueryCtx, room: str) -> int:
    return ctx.db.query(Note.by_room, room=room).count()


@query(allow=anyone)
def mine(ctx: QueryCtx, room: str) -> list[str]:
    """Who asks, and how much there is."""
    who = ctx.auth.identity
    return [who.subject if who else "nobody", str(ctx.db.query(Note.by_room, room=room).count())]


@mutation(allow=anyone)
def add(ctx: MutationCtx, room: str, text: str) -> str:
    return ctx.db.insert(Note(room=room, text=text))


@mutation(allow=anyone)
def add_to_both(ctx: MutationCtx, left: str, right: str, text: str) -> None:
    """In one transaction: nobody may see one without the other."""
    ctx.db.insert(Note(room=left, text=text))
    ctx.db.insert(Note(room=right, text=text))


@mutation(allow=anyone)
def refuse(ctx: MutationCtx, room: str) -> None:
    ctx.db.insert(Note(room=room, text="never"))
    raise AppError("changed my mind")


@mutation(allow=anyone)
def increment(ctx: MutationCtx, name: str) -> int:
    counter = ctx.db.find(Counter.by_name, name=name)
    if counter is None:
        ctx.db.insert(Counter(name=name, value=1))
        return 1
    counter.value += 1
    ctx.db.save(counter)
    return counter.value


@query(allow=anyone)
def counter(ctx: QueryCtx, name: str) -> int:
    found = ctx.db.find(Counter.by_name, name=name)
    return found.value if found is not None else 0


@query(allow=anyone)
def version(ctx: QueryCtx) -> int:
    return VERSION
