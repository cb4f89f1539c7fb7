"""
What clients ask about sign-in, as functions of the module `auth`. Actions of that name are the gateway's.
"""

from joelclaw.functions.contexts import QueryCtx
from joelclaw.functions.decorators import query
from joelclaw.functions.rules import anyone


@query(allow=anyone)
def is_authenticated(ctx: QueryCtx) -> bool:
    """Is the token that came with this question good?"""
    return ctx.auth.identity is not None
