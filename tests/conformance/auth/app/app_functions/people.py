"""Who asks, and how often it was found out."""

from collections import Counter

from joelclaw import Object, QueryCtx, anyone, query
from schema import User

runs: Counter[str] = Counter()
"""In the memory of the one process that runs queries: by subject."""


class Person(Object):
    """Whoever asks."""

    id: str
    session: str
    provider: str
    name: str | None
    email: str | None


@query(allow=anyone)
def me(ctx: QueryCtx) -> Person | None:
    """Whoever asks; null for a stranger."""
    identity = ctx.auth.identity
    if identity is None:
        return None
    runs[identity.subject] += 1
    user = ctx.auth.require_user(User)
    session = identity.subject.rpartition("|")[2]
    provider = str(identity.claims["provider"])
    return Person(id=user.id, session=session, provider=provider, name=user.name, email=user.email)


@query(allow=anyone)
def runs_of_me(ctx: QueryCtx, subject: str, nonce: str) -> int:
    """How often `me` ran for a subject; a new nonce gets past the cache."""
    return runs[subject]
