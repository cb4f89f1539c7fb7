"""
Departures: login sessions that have ended, while tokens of them may still be around.

A token is checked without a look into the database; so whoever checks has to know what has ended.
The table of it is small, and watched: wherever a session was ended (by its owner, an administrator, a
function of the app, a thief who was noticed), its tokens are refused within the time of a round, and the
sockets that carry it are told. What was ended through the gateway itself is known at once.

Elsewhere: `system/auth/sessions.py` writes the table; `sync/socket.py` has the sockets.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from joelclaw.auth.own_tokens import OwnTokens
from joelclaw.engine.system_calls import SystemCalls

ENDED: Final = "_system/auth/sessions:ended"

Tell = Callable[[Collection[str], Any], None]
"""Tells those who carry one of these sessions; and which socket has caused it, if one has."""


class Departures:
    """Knows what has ended, as long as it runs."""

    def __init__(self, system: SystemCalls, tokens: OwnTokens, tell: Tell) -> None:
        self._tokens = tokens
        self._tell = tell
        self._watch = system.watch(ENDED)
        self._noted: set[str] = set()
        """Ended through us, and not seen in the table yet."""

    async def begin(self) -> None:
        """Know what has ended before now. Before anybody is let in."""
        self._see(await self._watch.changed())

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                self._see(await self._watch.changed())
        finally:
            self._watch.close()

    async def close(self) -> None:
        """There is nothing to finish."""

    def note(self, sessions: Sequence[str], socket: Any = None) -> None:
        """These have ended just now; `socket` is the one that has asked for it, if any has."""
        new = [session for session in sessions if session not in self._tokens.ended]
        if new:
            self._noted.update(new)
            self._tokens.ended.update(new)
            self._tell(new, socket)

    def _see(self, rows: list[str]) -> None:
        # A result may be older than what was noted; and what is in the table once, leaves it only when it is over.
        new = set(rows) - self._tokens.ended
        self._noted.difference_update(rows)
        self._tokens.ended = set(rows) | self._noted
        if new:
            self._tell(new, None)
