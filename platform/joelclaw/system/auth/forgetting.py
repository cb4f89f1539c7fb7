"""
Forgetting: what goes with a user whose document is deleted.
"""

from joelclaw.functions.contexts import MutationCtx
from joelclaw.functions.decorators import mutation
from joelclaw.system.auth import passwords
from joelclaw.system.auth.accounts import Account
from joelclaw.system.auth.sessions import end_sessions_of


@mutation
def forget_user(ctx: MutationCtx, user: str) -> None:
    """They are signed out, and their accounts go, with passwords; who signs in with one of these again is new."""
    end_sessions_of(ctx, user)
    for account in ctx.db.query(Account.by_user, user=user):
        passwords.forget(ctx, account.provider, account.account_id)
        ctx.db.delete(account)
