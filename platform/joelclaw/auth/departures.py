"""
Departures: login sessions that have ended, while tokens of them may still be around.

A token is checked without a look into the database; so whoever checks has to know what has ended.
The end of the table of it is watched: wherever a session was ended (by its owner, an administrator, a
function of the app, a thief who was noticed), its tokens are refused within the time of a round, and the
sockets that carry it are told. What was ended through the gateway itself is known at once.

Elsewhere: `system/auth/sessions.py` writes the table; `sync/socket.py` has the sockets.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from joelclaw.auth.own_tokens import OwnTokens
from joelclaw.clock import Clock
from joelclaw.engine.system_calls import SystemCalls

ENDED: Final = "_system/auth/sessions:ended"
ENDED_AFTER: Final = "_system/auth/sessions:endedAfter"

TAIL: Final = 256
"""How many `ended` answers at most."""

NOTED_MS: Final = 90_000_000.0
"""As long as the longest token there may be, and some more: until the table says how long it really is."""

PRUNED_FROM: Final = 1_000

Tell = Callable[[Collection[str], Any], None]
"""Tells those who carry one of these sessions; and which socket has caused it, if one has."""


class Departures:
    """Knows what has ended, as long as it runs."""

    def __init__(self, system: SystemCalls, tokens: OwnTokens, clock: Clock, tell: Tell) -> None:
        self._system = system
        self._tokens = tokens
        self._clock = clock
        self._tell = tell
        self._watch = system.watch(ENDED)
        self._pruned_at = PRUNED_FROM

    async def begin(self) -> None:
        """Know what has ended before now. Before anybody is let in."""
        await self._read_all()

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                await self._see(await self._watch.changed())
        finally:
            self._watch.close()

    async def close(self) -> None:
        """There is nothing to finish."""

    def note(self, sessions: Sequence[str], socket: Any = None) -> None:
        """These have ended just now; `socket` is the one that has asked for it, if any has."""
        until = self._clock.now_ms() + NOTED_MS
        self._add(dict.fromkeys(sessions, until), socket)

    async def _see(self, tail: list[dict[str, Any]]) -> None:
        """The newest ones. If none of a whole tail was known, there may be more behind it."""
        known = any(row["session"] in self._tokens.ended for row in tail)
        self._add({row["session"]: row["until"] for row in tail})
        if len(tail) >= TAIL and not known:
            await self._read_all()

    async def _read_all(self) -> None:
        last: str | None = None
        while page := await self._system.ask(ENDED_AFTER, session=last):
            self._add({row["session"]: row["until"] for row in page})
            last = page[-1]["session"]

    def _add(self, sessions: Mapping[str, float], socket: Any = None) -> None:
        ended, now = self._tokens.ended, self._clock.now_ms()
        new = [session for session in sessions if session not in ended]
        ended.update(sessions)
        if len(ended) > self._pruned_at:
            for session in [session for session, until in ended.items() if until < now]:
                del ended[session]
            self._pruned_at = max(PRUNED_FROM, 2 * len(ended))
        if new:
            self._tell(new, socket)
