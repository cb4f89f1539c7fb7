"""Notes that only their author sees."""

from joelclaw import Id, MutationCtx, QueryCtx, anyone, mutation, query, signed_in
from schema import Note, User


@query(allow=signed_in)
def mine(ctx: QueryCtx) -> list[str]:
    """The asker's notes, oldest first."""
    user = ctx.auth.require_user(User)
    return [note.text for note in ctx.db.query(Note.by_author, author=user.id)]


@mutation(allow=signed_in)
def add(ctx: MutationCtx, text: str) -> Id[Note]:
    """Keep one more."""
    return ctx.db.insert(Note(author=ctx.auth.require_user(User).id, text=text))


@query(allow=anyone)
def how_many(ctx: QueryCtx) -> int:
    """How many there are, of all people."""
    return ctx.db.query(Note).count()
