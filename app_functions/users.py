"""Users: who is signed in, and their document."""

from joelclaw import Id, MutationCtx, QueryCtx, mutation, query, signed_in
from schema import User


@query(allow=signed_in)
def me(ctx: QueryCtx) -> User | None:
    """Whoever asks; null before `arrive` was called once."""
    identity = ctx.auth.identity
    if identity is None:
        return None
    return ctx.db.find(User.by_token, token_identifier=identity.token_identifier)


@mutation(allow=signed_in)
def arrive(ctx: MutationCtx, name: str) -> Id[User]:
    """Make sure that whoever asks has a document, with this name."""
    identity = ctx.auth.identity
    assert identity is not None, "signed_in lets nobody else through"
    user = ctx.db.find(User.by_token, token_identifier=identity.token_identifier)
    if user is None:
        return ctx.db.insert(User(name=name, token_identifier=identity.token_identifier))
    if user.name != name:
        ctx.db.patch(user, name=name)
    return user.id
