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


def is_among(identity: Identity | None, members: Iterable[str]) -> bool:
    """
    Does somebody belong to the members of a role, as `joelclaw.toml` lists them?

    A member is a whole token identifier (`https://issuer|subject`), or `provider:name`, where
    the sign-in said in its claims that the provider knows them by this name. Names are
    compared without regard to case, as the providers that have names do.
    """
    if identity is None:
        return False
    provider = identity.claims.get("provider")
    names = [identity.claims.get(claim) for claim in ("login", "preferredUsername", "nickname")]
    known_as = {f"{provider}:{name}".lower() for name in names if isinstance(provider, str) and isinstance(name, str)}
    return any(member == identity.token_identifier or member.lower() in known_as for member in members)
