"""Users: who is signed in, how they came, and what they are called."""

from typing import Any, Final

from app_functions._people import Standing, standing, who
from joelclaw import AppError, Id, MutationCtx, Object, QueryCtx, RateLimit, anyone, mutation, query, signed_in
from schema import NAME_CHARACTERS, Name, User

RENAMES: Final = RateLimit("renames", rate=10, per="1h")

NAMELESS: Final = "A guest"
"""Who did not say what they are called."""


class Me(Object):
    """Whoever asks."""

    id: Id[User]
    name: Name
    image: str | None = None
    standing: Standing


@query(allow=anyone)
def me(ctx: QueryCtx) -> Me | None:
    """Whoever asks; null for a stranger."""
    if ctx.auth.identity is None:
        return None
    user = who(ctx)
    return Me(id=user.id, name=user.name, image=user.image, standing=standing(ctx, user))


@mutation(allow=signed_in)
def rename(ctx: MutationCtx, name: str) -> None:
    """Be called something else from now on."""
    user = who(ctx)
    RENAMES.take(ctx, user.id)
    ctx.db.patch(user, name=_called(name))


@mutation
def arrived(
    ctx: MutationCtx,
    provider: str,
    account_id: str,
    name: str | None,
    image: str | None,
    claims: dict[str, Any],
    initiating_user: Id[User] | None = None,
) -> Id[User]:
    """
    The document of somebody who signs in for the first time.

    A guest who comes back from GitHub is the same user, with all that they have written.
    """
    if provider == "anonymous":
        return ctx.db.insert(User(name=NAMELESS if name is None else _called(name), is_anonymous=True))
    login = claims.get("login")
    called = (name or login or "").strip()[:NAME_CHARACTERS] or NAMELESS
    github_id = int(account_id)
    user = _known(ctx, github_id, initiating_user)
    if user is None:
        return ctx.db.insert(User(name=called, image=image, login=login, github_id=github_id))
    ctx.db.patch(user, name=called, image=image, login=login, github_id=github_id, is_anonymous=False)
    return user.id


def _known(ctx: MutationCtx, github_id: int, initiating_user: Id[User] | None) -> User | None:
    """Who was here before: by what GitHub calls them, or as the guest who began to sign in."""
    known = ctx.db.find(User.by_github, github_id=github_id)
    if known is not None or initiating_user is None:
        return known
    guest = ctx.db.get(initiating_user)
    return guest if guest is not None and guest.is_anonymous else None


def _called(name: str) -> str:
    """
    A name as it is shown.

    Raises:
        AppError: It is empty, or too long.
    """
    name = " ".join(name.split())
    if not name:
        raise AppError({"code": "name_needed", "message": "Say what you are called."})
    if len(name) > NAME_CHARACTERS:
        raise AppError({"code": "name_too_long", "message": f"A name has at most {NAME_CHARACTERS} characters."})
    return name
