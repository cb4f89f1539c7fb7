"""
The gateway: its queues, and the sessions that are registered with it, as Redis has them.

Elsewhere: `bridge.py` brings them from there; `loops.py` has the loops of agents.
"""

from typing import Final

from app_functions._people import OWNER
from joelclaw import QueryCtx, query, role
from schema import Queue, QueueState, Registration, RegistrationState

SHOWN_MAX: Final = 500


@query(allow=role(OWNER))
def queues(ctx: QueryCtx) -> list[QueueState]:
    """How much waits in each queue, by name."""
    return [one.seen for one in ctx.db.query(Queue.by_name).take(SHOWN_MAX)]


@query(allow=role(OWNER))
def registrations(ctx: QueryCtx) -> list[RegistrationState]:
    """Sessions that are registered, by name. One that is not prolonged goes by itself, at that moment."""
    found = ctx.db.query(Registration.by_name).take(SHOWN_MAX)
    return [one.seen for one in found if one.seen.until is None or ctx.before(one.seen.until)]
