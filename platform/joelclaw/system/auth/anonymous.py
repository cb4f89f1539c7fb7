"""
Anonymous sign-in: a user of whom nothing is known, for who wants to begin without telling who they are.
"""

from joelclaw.functions.contexts import MutationCtx
from joelclaw.functions.decorators import mutation
from joelclaw.system.auth.accounts import Profile, resolve
from joelclaw.system.auth.sessions import Grant, open_session, user_of


@mutation
def sign_in(ctx: MutationCtx, provider: str, account_id: str, replacing: str | None, refresh: str) -> Grant:
    """Somebody new. `account_id` and `refresh` are random; `replacing` is the login session of who asks."""
    profile = Profile(provider=provider, account_id=account_id, kind="anonymous")
    account = resolve(ctx, profile, initiating_user=user_of(ctx, replacing))
    return open_session(ctx, account, replacing=replacing, refresh=refresh)
