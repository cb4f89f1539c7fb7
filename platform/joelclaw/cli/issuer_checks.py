"""
What the doctor looks at of other issuers: each declared one, as the server will ask it for its keys.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple, TypeAlias

from joelclaw.auth.issuers import Issuer, advice_of, issuers_of
from joelclaw.auth.jwks import KeySets
from joelclaw.auth.outbound import Outbound, Reply
from joelclaw.cli.checks import Finding
from joelclaw.clock import SystemClock
from joelclaw.config import Config
from joelclaw.errors import ConfigRefused, ProviderFailed

OFFSET_S_MAX: Final = 5.0
"""What tokens are forgiven at their end."""

CHECK: Final = "issuers"


class Answer(NamedTuple):
    """What an issuer has said."""

    keys: int
    """Those that tokens of it can be verified with."""

    date: str | None = None
    """Its clock, if it was asked over the network."""


Ask: TypeAlias = Callable[[Issuer], Answer]
"""Asks an issuer for its keys. Raises `ProviderFailed`."""


def over_the_network(issuer: Issuer) -> Answer:
    """An `Ask` that really asks."""

    async def ask() -> Answer:
        outbound = _Dated()
        try:
            keys = await KeySets(outbound, SystemClock()).get(issuer)
        finally:
            await outbound.close()
        return Answer(sum(key.algorithm in issuer.algorithms for key in keys.keys), outbound.date)

    return asyncio.run(ask())


class _Dated(Outbound):
    """Remembers what time it was where it has asked."""

    def __init__(self) -> None:
        # As in development: that an address is plain http is told by itself.
        super().__init__(development=True)
        self.date: str | None = None

    async def get(self, url: str, headers: Mapping[str, str] | None = None, *, private: bool = False) -> Reply:
        reply = await super().get(url, headers, private=private)
        self.date = reply.headers.get("date")
        return reply


def check_issuers(config: Config, now_ms: Callable[[], float], ask: Ask = over_the_network) -> Iterator[Finding]:
    """Declaration, reachability, keys and clock of every issuer."""
    own = (config.server.site_origin or "") if config.auth.providers else None
    try:
        issuers = issuers_of(config, own=own or None, development=True)
    except ConfigRefused as error:
        yield Finding(CHECK, "problem", str(error), "correct it, and ask again")
        return
    for advice in advice_of(issuers):
        said, _, mend = advice.partition("; ")
        yield Finding(CHECK, "warning", said, mend)
    for issuer in issuers:
        if issuer.name.startswith("http://"):
            yield Finding(CHECK, "warning", f"{issuer} is http, which works in development alone", "write https://")
        try:
            answer = ask(issuer)
        except ProviderFailed as error:
            advice = "correct its address, or let this machine reach it; until then nobody comes in with its tokens"
            yield Finding(CHECK, "problem", str(error), advice)
            continue
        yield _judge(issuer, answer)
        yield from _check_offset(issuer, answer, now_ms())


def _judge(issuer: Issuer, answer: Answer) -> Finding:
    algorithms = " or ".join(issuer.algorithms)
    if answer.keys:
        return Finding(CHECK, "ok", f"{issuer} has {answer.keys} keys for {algorithms}")
    advice = "have it sign with one of these, or declare the algorithm that it signs with"
    return Finding(CHECK, "problem", f"{issuer} has no key for {algorithms}: all of its tokens are refused", advice)


def _check_offset(issuer: Issuer, answer: Answer, now_ms: float) -> Iterator[Finding]:
    if answer.date is None:
        return
    try:
        offset_s = now_ms / 1_000 - parsedate_to_datetime(answer.date).timestamp()
    except ValueError:
        return
    if abs(offset_s) > OFFSET_S_MAX:
        side = "ahead of" if offset_s > 0 else "behind"
        said = f"this machine's clock is {abs(offset_s):.0f} s {side} that of {issuer.name}"
        yield Finding(CHECK, "problem", said, "keep it by NTP: tokens are forgiven five seconds")
