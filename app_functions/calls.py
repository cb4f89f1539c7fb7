"""
Voice calls that are on.

The recorder writes a heartbeat every few seconds. A call whose heartbeat is older than
`FRESH` is over, whatever became of its recorder: `live` says so by itself when the time
comes, without anybody writing anything.
"""

from typing import Final, Literal

from joelclaw import MutationCtx, QueryCtx, anyone, cron, gt, lte, mutation, query
from schema import CallSession

FRESH: Final = "15s"
FRESH_MS: Final = 15_000.0
KEPT_MS: Final = 24 * 3_600_000.0


@query(allow=anyone)
def live(ctx: QueryCtx) -> list[CallSession]:
    """Calls whose heartbeat is fresh, the one heard of longest ago first."""
    recent = ctx.db.query(CallSession.by_heartbeat, heartbeat_at=gt(ctx.now() - FRESH_MS))
    return [call for call in recent if ctx.within(call.heartbeat_at, FRESH)]


@mutation
def heartbeat(
    ctx: MutationCtx, key: str, title: str, state: Literal["ringing", "talking", "on_hold"] = "talking"
) -> None:
    """A call is still on."""
    call = ctx.db.find(CallSession.by_key, key=key)
    if call is None:
        now = ctx.now()
        ctx.db.insert(CallSession(key=key, title=title, state=state, started_at=now, heartbeat_at=now))
    else:
        ctx.db.patch(call, title=title, state=state, heartbeat_at=ctx.now())


@mutation
def hang_up(ctx: MutationCtx, key: str) -> None:
    """A call is over; it is no error if it was already."""
    call = ctx.db.find(CallSession.by_key, key=key)
    if call is not None:
        ctx.db.delete(call)


@cron("0 4 * * *", tz="America/Los_Angeles", catch_up=True)
@mutation
def forget_old(ctx: MutationCtx, limit: int = 500) -> int:
    """Remove calls that nobody heard of for a day; how many went."""
    old = ctx.db.query(CallSession.by_heartbeat, heartbeat_at=lte(ctx.now() - KEPT_MS)).take(limit)
    for call in old:
        ctx.db.delete(call)
    return len(old)
