"""
Budgets of sign-in: how often somebody may guess, and how many mails may go out.

Guesses are counted against what they aim at, an account or an address, whichever way they come
and whether or not it exists; so somebody can be kept out for a while with a password, but not by
another method, nor out of a session that goes on. What one network may get wrong is counted as well, generously: a
server that renders pages asks for many people.

A guess is paid for before it is checked, so that a hundred at once are no more than ten; being
right gives everything back. Failures are returned, never raised: what is undone was not counted.
"""

from typing import Final, Literal

from joelclaw.functions.contexts import MutationCtx
from joelclaw.functions.rate_limits import Allowance, PlatformLimit

PASSWORDS: Final = PlatformLimit("sign-in passwords", rate=10, per="1h")
"""Of one account."""

CODES: Final = PlatformLimit("sign-in codes", rate=10, per="1h")
"""Of one address, for all its codes: a new one brings no new guesses."""

FAILURES: Final = PlatformLimit("sign-in failures", rate=1_000, per="1h")
"""Of one network."""

ARRIVALS: Final = PlatformLimit("sign-in arrivals", rate=1_000, per="1h")
"""Accounts that one network opens without showing that an address is its own."""

PAUSE: Final = PlatformLimit("sign-in mail pause", rate=1, per="1m")
MAILS: Final = PlatformLimit("sign-in mail", rate=5, per="1h")
"""To one address."""

MailLimit = Literal["address", "network", "everybody"]


def spend_mail(ctx: MutationCtx, address: str, network: str, per_hour: int) -> MailLimit | None:
    """
    May a mail go to this address? If so, it is counted; otherwise whose limit it would break.

    `per_hour` is what all may have together. One network may ask for half of them, so that it takes them from nobody.
    """
    everybody = PlatformLimit("sign-in mail to everybody", rate=per_hour, per="1h")
    networks = PlatformLimit("sign-in mail of networks", rate=max(1, per_hour // 2), per="1h")
    if not (PAUSE.check(ctx, address).ok and MAILS.check(ctx, address).ok):
        return "address"
    if not networks.check(ctx, network).ok:
        return "network"
    if not everybody.try_take(ctx).ok:
        return "everybody"
    networks.take(ctx, network)
    PAUSE.take(ctx, address)
    MAILS.take(ctx, address)
    return None


def wait_s(ctx: MutationCtx, refusal: Allowance) -> float:
    """How long it is until somebody may try again."""
    return 0.0 if refusal.retry_at is None else (refusal.retry_at - ctx.now()) / 1_000
