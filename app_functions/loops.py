"""
Loops: how far the agents are, as Redis has it.

Elsewhere: `bridge.py` brings them from there; `gateway.py` has queues and sessions.
"""

from typing import Final

from app_functions._people import OWNER
from joelclaw import QueryCtx, query, role
from schema import Loop, LoopState

SHOWN_MAX: Final = 500


@query(allow=role(OWNER))
def current(ctx: QueryCtx) -> list[LoopState]:
    """All loops that Redis has, by name. One whose key has an end goes at that moment."""
    found = ctx.db.query(Loop.by_name).take(SHOWN_MAX)
    return [one.seen for one in found if one.seen.until is None or ctx.before(one.seen.until)]
