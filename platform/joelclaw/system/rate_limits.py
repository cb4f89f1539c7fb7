"""
Rate limits: the buckets, one document for each key that was used lately.

A bucket is kept as one number, the instant at which it will be full again. Each token that is
taken moves that on by the time that one token needs; a token is there as long as the instant
stays within the time that a whole bucket needs. (This is the "virtual scheduling" of the
generic cell rate algorithm, ITU-T I.371, with a bucket's words.) So nothing is filled up by
anybody, a document of a full bucket means the same as none, and it can be swept.

A limit that was made smaller, or a clock that went back, leaves instants that are too far away.
By a little, and the wait is a little longer. By more, and the document is none: a refusal
cannot correct it, since what is refused is undone, and nobody should wait for a day to come again.

Elsewhere: `functions/rate_limits.py` is what functions see.
"""

from typing import Final

from joelclaw.functions.contexts import MutationCtx, QueryCtx
from joelclaw.functions.decorators import mutation, query
from joelclaw.functions.rate_limits import Allowance
from joelclaw.schema.indexes import index
from joelclaw.schema.tables import Table

LINGER_MS: Final = 60_000.0
"""
A full bucket's document stays so long at most. So a key that is in use is written over, not removed and made anew, and
whoever waits for documents to sweep is told of it once a minute, not at every take.
"""

SLACK_MS: Final = 0.001
"""What rounding may add to an instant over a bucket of thirds."""

ASTRAY_MS: Final = 60_000.0
"""How much further away than a bucket needs an instant may be: clocks are set right by seconds."""

LEFT_EVERY_MS: Final = 1_000.0
"""A live query that shows what is left is not run for every token of a fast limit."""


class Bucket(Table, expires_at="forget_at"):
    """What was taken from one key of one limit."""

    __table__ = "_rate_limits"
    name: str
    key: str
    full_at: float
    forget_at: float
    by_key = index("name", "key", unique=True)


@mutation
def take(ctx: MutationCtx, name: str, key: str, n: int, interval_ms: float, burst: int) -> Allowance:
    """Take `n` tokens if there are so many."""
    bucket = ctx.db.find(Bucket.by_key, name=name, key=key)
    now = ctx.now()
    full_at = _full_at(bucket, now, interval_ms, burst)
    if not _holds(full_at, now, n, interval_ms, burst):
        return _allowance(full_at, now, n, interval_ms, burst)
    full_at += n * interval_ms
    if bucket is None:
        ctx.db.insert(Bucket(name=name, key=key, full_at=full_at, forget_at=full_at + LINGER_MS))
    else:
        forget_at = bucket.forget_at if full_at <= bucket.forget_at else full_at + LINGER_MS
        ctx.db.patch(bucket, full_at=full_at, forget_at=forget_at)
    return Allowance(ok=True, left=_left(full_at, now, interval_ms, burst))


@query
def look(ctx: QueryCtx, name: str, key: str, n: int, interval_ms: float, burst: int) -> Allowance:
    """Would `n` tokens be there?"""
    bucket = ctx.db.find(Bucket.by_key, name=name, key=key)
    now = ctx.now()
    full_at = _full_at(bucket, now, interval_ms, burst)
    allowance = _allowance(full_at, now, n, interval_ms, burst)
    if allowance.retry_at is not None:
        ctx.before(allowance.retry_at)
    if allowance.left < burst:
        next_at = full_at - (burst - allowance.left - 1) * interval_ms
        ctx.before(max(next_at, now + LEFT_EVERY_MS))
    return allowance


@mutation
def reset(ctx: MutationCtx, name: str, key: str) -> None:
    """Forget what was taken."""
    bucket = ctx.db.find(Bucket.by_key, name=name, key=key)
    if bucket is not None:
        ctx.db.delete(bucket)


def _full_at(bucket: Bucket | None, now: float, interval_ms: float, burst: int) -> float:
    """When the bucket will be full, which it is now if that has passed."""
    if bucket is None or bucket.full_at > now + burst * interval_ms + ASTRAY_MS:
        return now
    return max(bucket.full_at, now)


def _holds(full_at: float, now: float, n: int, interval_ms: float, burst: int) -> bool:
    return full_at + n * interval_ms <= now + burst * interval_ms + SLACK_MS


def _left(full_at: float, now: float, interval_ms: float, burst: int) -> int:
    return max(0, int((now + burst * interval_ms + SLACK_MS - full_at) // interval_ms))


def _allowance(full_at: float, now: float, n: int, interval_ms: float, burst: int) -> Allowance:
    ok = _holds(full_at, now, n, interval_ms, burst)
    retry_at = None if ok else full_at - (burst - n) * interval_ms
    return Allowance(ok=ok, left=_left(full_at, now, interval_ms, burst), retry_at=retry_at)
