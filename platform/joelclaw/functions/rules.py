"""
Rules: who may call a function from outside.

`anyone`, `signed_in` and `role(...)` are data: the gateway checks them without touching the
function, so public results stay shared. They are also what they look like, functions of a
context, so that an app's own rule can ask them:

    def editor(ctx: QueryCtx, article: str) -> bool:
        return role("owner")(ctx) or ...

An own rule takes the context and any of the arguments by name. It runs inside the function's
transaction and read set: a right that is taken away refreshes the subscription.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Concatenate, TypeAlias

from joelclaw.functions.calls import Identity

if TYPE_CHECKING:
    from joelclaw.functions.contexts import QueryCtx

Rule: TypeAlias = "Callable[[QueryCtx], bool] | Callable[Concatenate[QueryCtx, ...], bool]"


def anyone(ctx: "QueryCtx", /) -> bool:  # noqa: ARG001 (a rule takes the context)
    """Everybody, signed in or not."""
    return True


def signed_in(ctx: "QueryCtx", /) -> bool:
    """Whoever is signed in."""
    return ctx.auth.identity is not None


class RoleRule:
    """Whoever has a role that `[auth.roles]` declares."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.__name__ = f"role({name!r})"

    def __call__(self, ctx: "QueryCtx", /) -> bool:
        return ctx.auth.has_role(self.name)


def role(name: str, /) -> Rule:
    """Whoever has this role in `joelclaw.toml`: `[auth.roles]`, `owner = ["github:joelhooks"]`."""
    return RoleRule(name)


def is_among(identity: Identity | None, members: Iterable[str], own_issuer: str = "") -> bool:
    """Does somebody belong to the members of a role, as `joelclaw.toml` lists them?"""
    return identity is not None and any(is_named(identity, member, own_issuer) for member in members)


def is_named(identity: Identity, member: str, own_issuer: str = "") -> bool:
    """
    Does this member of a role mean this identity?

    A member is a token identifier, a subject, or `email:` and an address that the issuer says
    it has verified: anybody can put somebody else's unverified address into a profile. For whom
    the deployment itself has signed in, at GitHub for one, it is `github:` and a login or an id, too.
    """
    if member in (identity.token_identifier, identity.subject):
        return True
    if own_issuer and identity.issuer == own_issuer and _is_account(identity, member):
        return True
    email = identity.claims.get("email")
    # Both spellings: claims of OpenID providers are renamed, those of custom tokens are not.
    verified = identity.claims.get("emailVerified") is True or identity.claims.get("email_verified") is True
    return isinstance(email, str) and verified and member == f"email:{email}"


def _is_account(identity: Identity, member: str) -> bool:
    """
    Is this where they have signed in, and who they are there? Only `own_issuer` can say so: of others it is a claim.

    A token has the id at the provider only if the provider itself vouches for it. A login may be in any case.
    """
    provider, _, name = member.partition(":")
    account = identity.claims.get(f"{provider}Id")
    if identity.claims.get("provider") != provider or not isinstance(account, str):
        return False
    login = identity.claims.get("login")
    return name == account or (isinstance(login, str) and name.casefold() == login.casefold())
