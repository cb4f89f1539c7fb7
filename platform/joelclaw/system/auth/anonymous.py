"""
Anonymous sign-in: a user of whom nothing is known, for who wants to begin without telling who they are.
"""

from joelclaw.functions.contexts import MutationCtx
from joelclaw.functions.decorators import mutation
from joelclaw.schema.structs import Object
from joelclaw.system.auth import budgets
from joelclaw.system.auth.accounts import Profile, resolve
from joelclaw.system.auth.sessions import Grant, open_session, user_of


class Entry(Object):
    """Somebody is signed in, or has to wait."""

    grant: Grant | None = None
    retry_after_s: float | None = None


@mutation
def sign_in(
    ctx: MutationCtx,
    provider: str,
    account_id: str,
    replacing: str | None,
    refresh: str,
    network: str = "",
    name: str | None = None,
) -> Entry:
    """
    Somebody new, unless too many have come from this network.

    `account_id` and `refresh` are random; `replacing` is the login session of who asks; `name` is what they call
    themselves.
    """
    arrival = budgets.ARRIVALS.try_take(ctx, network)
    if not arrival.ok:
        return Entry(retry_after_s=budgets.wait_s(ctx, arrival))
    profile = Profile(provider=provider, account_id=account_id, kind="anonymous", name=name)
    account = resolve(ctx, profile, initiating_user=user_of(ctx, replacing))
    return Entry(grant=open_session(ctx, account, replacing=replacing, refresh=refresh))
