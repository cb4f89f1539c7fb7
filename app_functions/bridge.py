"""
The bridge from Redis: queues, registered sessions and loops of agents, on the owner's page as they change.

A listener runs as an action, for minutes, and hands over to the next. If it is cut off, by a crash or a restart, it is
tried again after a second; and should nobody listen all the same, a cron notices. Each run takes a lease first, with a
number of its own. Every write names the number and does nothing if there is a newer one: so of two listeners one
writes, and the other hears of it and ends.

What is in Redis is kept as documents, so a Redis that is down blanks nothing. They are replaced in one transaction,
and only where something has changed.

Elsewhere: `_redis_listener.py` listens; `_redis_state.py` reads; `gateway.py` and `loops.py` show.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, TypeVar

from app_functions._redis_listener import Change, Listener, is_same
from app_functions._sources import went_well, went_wrong
from joelclaw import ActionCtx, MutationCtx, Retry, action, cron, mutation
from schema import Loop, Queue, RedisLease, Registration

LISTENED_FOR_S: Final = 300.0
ALIVE_FOR: Final = timedelta(minutes=1)
ALIVE_EVERY: Final = timedelta(seconds=15)
PREFIX: Final = "joelclaw:"

Row = TypeVar("Row", Queue, Registration, Loop)


@cron(every="5m")
@mutation
def tend(ctx: MutationCtx) -> None:
    """Have somebody listen, unless somebody does."""
    if not ctx.env.get("REDIS_URL", ""):
        return
    lease = ctx.db.query(RedisLease).first()
    if lease is None or not ctx.within(lease.alive_at, ALIVE_FOR):
        ctx.scheduler.run_after("0s", listen)


@action(retry=Retry(attempts=20, backoff="1s", backoff_max="30s"))
async def listen(ctx: ActionCtx) -> None:
    """Keep what Redis has, and what changes there, for minutes; then have the next one go on."""
    await _listen(ctx, LISTENED_FOR_S)


@action
async def look(ctx: ActionCtx) -> None:
    """Keep what Redis has now, and end. A listener that is there ends, too; the cron has one listen again."""
    await _listen(ctx, 0.0)


@mutation
def take(ctx: MutationCtx) -> int:
    """Become the one who may write: the number to name. Whoever was it before is not any more."""
    lease = ctx.db.query(RedisLease).first()
    if lease is None:
        ctx.db.insert(RedisLease(number=1, alive_at=ctx.now()))
        return 1
    ctx.db.patch(lease, number=lease.number + 1, alive_at=ctx.now())
    return lease.number


@mutation
def keep(ctx: MutationCtx, number: int, change: Change) -> bool:
    """Keep what is otherwise in Redis, all of it at once; False if somebody else may write."""
    if _held(ctx, number) is None:
        return False
    queues = [Queue(seen=one) for one in change.queues]
    registrations = [Registration(seen=one) for one in change.registrations]
    loops = [Loop(seen=one) for one in change.loops]
    if change.whole:
        _replace(ctx, ctx.db.query(Queue).collect(), queues)
        _replace(ctx, ctx.db.query(Registration).collect(), registrations)
        _replace(ctx, ctx.db.query(Loop).collect(), loops)
        return True
    _merge(ctx, [ctx.db.find(Queue.by_name, seen_name=one.seen.name) for one in queues], queues)
    _merge(ctx, [ctx.db.find(Registration.by_name, seen_name=one.seen.name) for one in registrations], registrations)
    _merge(ctx, [ctx.db.find(Loop.by_name, seen_name=one.seen.name) for one in loops], loops)
    for gone in change.gone:
        _forget(ctx, *gone.split(":", 1))
    return True


@mutation
def alive(ctx: MutationCtx, number: int, problem: str | None = None) -> bool:
    """Somebody listens, and Redis answers, or why not; False if somebody else may write."""
    lease = _held(ctx, number)
    if lease is None:
        return False
    if not ctx.within(lease.alive_at, ALIVE_EVERY):
        ctx.db.patch(lease, alive_at=ctx.now())
    if problem is None:
        went_well(ctx, "redis")
    else:
        went_wrong(ctx, "redis", problem)
    return True


@mutation
def hand_over(ctx: MutationCtx, number: int) -> None:
    """Have the next one listen, with the code that serves then."""
    if _held(ctx, number) is not None:
        ctx.scheduler.run_after("0s", listen)


# -- helpers


async def _listen(ctx: ActionCtx, for_s: float) -> None:
    url = ctx.env.get("REDIS_URL", "")
    if not url:
        return
    number = await ctx.run_mutation(take)

    async def keep_change(change: Change) -> bool:
        return await ctx.run_mutation(keep, number, change)

    async def tell(problem: str | None) -> bool:
        return await ctx.run_mutation(alive, number, problem)

    prefix = ctx.env.get("REDIS_PREFIX", PREFIX)
    listener = Listener(url, prefix, keep=keep_change, tell=tell, now=ctx.now)
    if await listener.listen(for_s) and for_s:
        await ctx.run_mutation(hand_over, number)


def _held(ctx: MutationCtx, number: int) -> RedisLease | None:
    """The lease, if it is still this one."""
    lease = ctx.db.query(RedisLease).first()
    return lease if lease is not None and lease.number == number else None


def _replace(ctx: MutationCtx, known: Sequence[Row], seen: Sequence[Row]) -> None:
    """There is what is seen, and nothing else."""
    by_name = {one.seen.name: one for one in known}
    _merge(ctx, [by_name.pop(one.seen.name, None) for one in seen], seen)
    for gone in by_name.values():
        ctx.db.delete(gone)


def _merge(ctx: MutationCtx, known: Sequence[Row | None], seen: Sequence[Row]) -> None:
    """Write what is seen where it is otherwise than what is known of the same name."""
    for before, now in zip(known, seen, strict=True):
        if before is None:
            ctx.db.insert(now)
        elif not is_same(before.seen, now.seen):
            ctx.db.patch(before, seen=now.seen)


def _forget(ctx: MutationCtx, kind: str, name: str) -> None:
    found: Queue | Registration | Loop | None
    if kind == "queue":
        found = ctx.db.find(Queue.by_name, seen_name=name)
    elif kind == "session":
        found = ctx.db.find(Registration.by_name, seen_name=name)
    else:
        found = ctx.db.find(Loop.by_name, seen_name=name)
    if found is not None:
        ctx.db.delete(found)
