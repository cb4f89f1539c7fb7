"""
Who somebody is to this site: its owner, a reader, or a guest.

    stranger    not signed in; reads, and writes nothing
    guest       signed in under a name of their own choice
    reader      signed in with GitHub
    owner       has the role of that name (`[auth.roles]` in joelclaw.toml)

A guest who signs in with GitHub becomes a reader, and stays the same user.
"""

from typing import Final, Literal, TypeAlias

from joelclaw import QueryCtx
from schema import User

Standing: TypeAlias = Literal["owner", "reader", "guest"]

OWNER: Final = "owner"


def who(ctx: QueryCtx) -> User:
    """
    The user who asks.

    Raises:
        NotSignedIn: Nobody is signed in.
        UserNotFound: Their document is gone.
    """
    return ctx.auth.require_user(User)


def standing(ctx: QueryCtx, user: User) -> Standing:
    """What the user who asks is to this site. Of anybody else nobody can say whether they have a role."""
    if ctx.auth.has_role(OWNER):
        return OWNER
    return "guest" if user.is_anonymous else "reader"
