"""
Rules of actions: an action has no database, so its own rule is asked here.
"""

from joelclaw.functions.contexts import QueryCtx
from joelclaw.functions.decorators import query
from joelclaw.functions.running import is_allowed


@query
def allows(ctx: QueryCtx, path: str, arguments: str) -> bool:
    """Does the own rule of the function at this path allow these arguments, wire JSON, to whoever asks?"""
    run = ctx.db.run
    function = run.app.functions[path]
    return is_allowed(function, run, function.decode_arguments(arguments.encode()))
