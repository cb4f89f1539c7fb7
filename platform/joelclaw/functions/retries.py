"""
Retries: how often an action job is tried again, and after how long.

An action that fails, or is cut off by a crash, is not run again by itself: nobody knows how
much of its work is done. `@action(retry=Retry(...))` says that it may be. It counts for runs
that nobody waits for, scheduled and cron; a caller hears of a failure and decides for himself.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import msgspec

from joelclaw.errors import BadDuration
from joelclaw.values.durations import parse_duration

ATTEMPTS_MAX: Final = 100
"""Each is kept on the job's document."""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """
    Try an action again when it fails: after `backoff`, then after `growth` times as long, and so on.

    Each wait is up to `jitter` of itself shorter, by chance: what fails together need not come
    back together.
    """

    attempts: int = 3
    """Runs in all, the first one included."""

    backoff: timedelta | str = "1s"
    growth: float = 2.0
    jitter: float = 0.2
    backoff_max: timedelta | str = "1h"


class RetrySpec(msgspec.Struct, frozen=True, kw_only=True):
    """`Retry` in the manifest."""

    attempts: int
    backoff_ms: float
    growth: float
    jitter: float
    backoff_max_ms: float

    def delay_ms(self, attempts: int, chance: float) -> float:
        """How long to wait after so many failed attempts. `chance` is a random number below 1."""
        delay_ms = self.backoff_ms
        for _ in range(attempts - 1):
            delay_ms = min(delay_ms * self.growth, self.backoff_max_ms)
        # Never none at all: another attempt is due at another instant.
        return max(1.0, min(delay_ms, self.backoff_max_ms) * (1 - self.jitter * chance))


def retry_spec(retry: Retry) -> RetrySpec:
    """
    Raises:
        ValueError: It says something that cannot be done; which and why.
    """
    if type(retry.attempts) is not int or not 2 <= retry.attempts <= ATTEMPTS_MAX:
        raise ValueError(f"attempts={retry.attempts!r} is not a whole number from 2 to {ATTEMPTS_MAX}")
    if not _is_number(retry.growth) or not 1 <= retry.growth <= 1_000:
        raise ValueError(f"growth={retry.growth!r} is not a number from 1 to 1000")
    if not _is_number(retry.jitter) or not 0 <= retry.jitter <= 1:
        raise ValueError(f"jitter={retry.jitter!r} is not a number from 0 to 1")
    try:
        backoff_ms, backoff_max_ms = parse_duration(retry.backoff), parse_duration(retry.backoff_max)
    except BadDuration as error:
        raise ValueError(str(error)) from None
    return RetrySpec(
        attempts=retry.attempts,
        backoff_ms=backoff_ms,
        growth=retry.growth,
        jitter=retry.jitter,
        backoff_max_ms=backoff_max_ms,
    )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
