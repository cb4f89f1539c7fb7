"""
Rotation: another key signs from here on.

In peace, the next key is published first and signs when everybody who keeps our key set for a while has seen
it; the old one counts until the last token that it has signed is over. In an emergency the old ones count for
nothing from this moment: who carries a token of theirs is sent for another one, which refresh tokens still buy,
because those do not depend on them.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import structlog

from joelclaw.auth.keyring import Keyring, Seal, Sealed, SigningKey
from joelclaw.clock import Clock
from joelclaw.engine.system_calls import SystemCalls

ROTATE: Final = "_system/auth/keys:rotate"

PUBLISHED_BEFORE_MS: Final = 600_000.0
"""How long others may keep a key set."""

OVERLAP_MS: Final = 60_000.0
"""For clocks that differ, beyond the life of a token."""

KEY_DROPPED: Final = "The key that this token was signed with was dropped"

log = structlog.get_logger("joelclaw.auth")


class Rotation:
    """Changes the signing key of a deployment."""

    def __init__(
        self,
        system: SystemCalls,
        keyring: Keyring,
        seal: Seal,
        clock: Clock,
        *,
        ttl_ms: float,
        tell_all: Callable[[str], None],
    ) -> None:
        """`tell_all` tells everybody who carries a token of ours that it is none any more, and why."""
        self._system = system
        self._keyring = keyring
        self._seal = seal
        self._clock = clock
        self._ttl_ms = ttl_ms
        self._tell_all = tell_all

    async def rotate(self, *, at_once: bool) -> SigningKey:
        """
        The key that signs next; `at_once`: now, and the others count for nothing.

        Raises:
            SystemCallFailed: It cannot be kept; nothing has changed.
        """
        now = self._clock.now_ms()
        signs_from = now if at_once else now + PUBLISHED_BEFORE_MS
        key = await asyncio.to_thread(SigningKey.generate, signs_from=signs_from)
        retires_at = None if at_once else signs_from + self._ttl_ms + OVERLAP_MS
        rows = await self._system.tell(ROTATE, key=msgspec.to_builtins(key.sealed(self._seal)), retiresAt=retires_at)
        self._keyring.signing = self._opened(rows)
        log.warning("a signing key was dropped", next=key.kid) if at_once else log.info("a key was made", next=key.kid)
        if at_once:
            self._tell_all(KEY_DROPPED)
        return key

    def _opened(self, rows: Iterable[Any]) -> list[SigningKey]:
        return Keyring.opened([msgspec.convert(row, Sealed) for row in rows], self._seal, self._clock).signing
