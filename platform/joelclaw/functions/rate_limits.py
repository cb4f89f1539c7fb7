"""
Rate limits: how often something may be done, for functions and for sign-in.

    comments = RateLimit("comments", rate=10, per="1h", burst=3)

    @mutation(allow=signed_in)
    def add(ctx: MutationCtx, body: str) -> None:
        comments.take(ctx, ctx.auth.require_user(User).id)

A token bucket for each key: it holds `burst` tokens, fills up at `rate` in `per`, and what is
done takes one. The state is a document, written in the transaction that takes. So it is exact
whatever runs at once, outlives a restart, and what is undone has taken nothing, which also
means that whoever counts *failures* must return them: a mutation that raises forgets that it
was tried.

Elsewhere: `system/rate_limits.py` keeps the buckets, and has the arithmetic.
"""

import hashlib
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from joelclaw.errors import Misuse, RateLimited
from joelclaw.schema.structs import Object
from joelclaw.values.durations import parse_duration

if TYPE_CHECKING:
    from joelclaw.functions.contexts import MutationCtx, QueryCtx

TAKE: Final = "_system/rateLimits:take"
LOOK: Final = "_system/rateLimits:look"
RESET: Final = "_system/rateLimits:reset"

INTERVAL_MS_MIN: Final = 0.01
"""Between two tokens. Instants are floats of milliseconds: far below this they cannot be told apart."""

NAME: Final = re.compile(r"[A-Za-z][ -~]{0,63}")
KEY_LENGTH_MAX: Final = 128
"""Longer keys are kept as their digest: they come from callers, and a row's size must not."""

_DIGEST: Final = "sha256:"


class Allowance(Object):
    """How a key stands against its limit."""

    ok: bool
    """Was it, or would it be, allowed?"""

    left: int
    """Whole tokens in the bucket now, after what was taken."""

    retry_at: float | None = None
    """The instant at which it will be allowed, if nobody else takes; None: it is."""


class RateLimit:
    """
    So many in such a time, for each key on its own. Make one beside the functions that use it.

    The name tells limits apart in the database: two with one name share their buckets. `burst`
    is how many may come at once after a pause; without it, `rate`.
    """

    __slots__ = ("_burst", "_interval_ms", "_name")

    def __init__(self, name: str, *, rate: int, per: timedelta | str, burst: int | None = None) -> None:
        if not isinstance(name, str) or NAME.fullmatch(name) is None:
            raise Misuse(
                f"RateLimit({name!r:.80}): a name begins with a letter and has up to 64 characters, ASCII and printable"
            )
        per_ms = parse_duration(per)
        burst = rate if burst is None else burst
        for setting, count in (("rate", rate), ("burst", burst)):
            if not _is_count(count):
                raise Misuse(f"RateLimit({name!r}): {setting}={count!r:.80} has to be a whole number, 1 or more")
        if per_ms / rate < INTERVAL_MS_MIN:
            raise Misuse(f"RateLimit({name!r}): {rate} in {per!r} is more than can be counted; choose a longer time")
        self._name = name
        self._burst = burst
        self._interval_ms = per_ms / rate

    def take(self, ctx: "MutationCtx", key: str = "", n: int = 1) -> None:
        """
        Take `n` tokens of a key, if this transaction is committed.

        Without a key there is one bucket for all.

        Raises:
            RateLimited: There are not so many. Nothing was taken; clients get it as a `ConvexError`.
        """
        allowance = self.try_take(ctx, key, n)
        if allowance.retry_at is not None:
            raise RateLimited(self._name, (allowance.retry_at - ctx.db.run.now_ms) / 1_000)

    def try_take(self, ctx: "MutationCtx", key: str = "", n: int = 1) -> Allowance:
        """Take `n` tokens if there are so many, and tell; for a mutation that has more to say than a refusal."""
        return self._ask(ctx, TAKE, key, n)

    def check(self, ctx: "QueryCtx", key: str = "", n: int = 1) -> Allowance:
        """
        Would `n` tokens be there now? Nothing is taken.

        A query that asks is run again when the answer changes, and for `left` at most once a second.
        """
        return self._ask(ctx, LOOK, key, n)

    def reset(self, ctx: "MutationCtx", key: str = "") -> None:
        """Fill a key's bucket."""
        self._call(ctx, RESET, key)

    def _ask(self, ctx: "QueryCtx", path: str, key: str, n: int) -> Allowance:
        if not _is_count(n) or n > self._burst:
            raise Misuse(
                f"RateLimit({self._name!r}): {n!r:.80} tokens at once; "
                f"it has to be a whole number from 1 to {self._burst}, which is what the bucket holds"
            )
        allowance: Allowance = self._call(ctx, path, key, n=n, interval_ms=self._interval_ms, burst=self._burst)
        return allowance

    def _call(self, ctx: "QueryCtx", path: str, key: str, **keywords: Any) -> Any:
        run = ctx.db.run
        if path != LOOK and run.txn is None:
            raise Misuse(f"RateLimit({self._name!r}): only a mutation takes; a query looks, with check(ctx, key)")
        with run.for_platform():
            return ctx._call_system(path, name=self._name, key=_kept(key), **keywords)  # noqa: SLF001 (ours)


class PlatformLimit(RateLimit):
    """One of the platform's own. No app's limit has its name."""

    __slots__ = ()

    def __init__(self, name: str, *, rate: int, per: timedelta | str, burst: int | None = None) -> None:
        super().__init__(name, rate=rate, per=per, burst=burst)
        self._name = f"_{name}"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _kept(key: str) -> str:
    """What stands in the row for a key. One that looks like a digest is digested, too: it might be another key's."""
    if not isinstance(key, str):
        raise Misuse(
            f"the key of a rate limit is text, and {key!r:.80} is none; write str(...) if that is what you mean"
        )
    if len(key) <= KEY_LENGTH_MAX and not key.startswith(_DIGEST):
        return key
    return _DIGEST + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
