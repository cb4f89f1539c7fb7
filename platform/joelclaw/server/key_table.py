"""
The admin keys that the platform made, in its own table.

Whether a key opens is asked of the table each time, and answered from memory, most often. That one was
revoked is watched, because it concerns sockets that it has opened already. When a key was used last
is written once an hour, beside the request: nobody waits for it.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Final

import structlog

from joelclaw.auth.admin_keys import Grant, generate_admin_key, hash_of
from joelclaw.clock import Clock
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import CommandFailed, SystemCallFailed
from joelclaw.functions.calls import INFINITY

FIND_KEY: Final = "_system/adminKeys:find"
CREATE_KEY: Final = "_system/adminKeys:create"
LIST_KEYS: Final = "_system/adminKeys:list"
REVOKED_KEYS: Final = "_system/adminKeys:revoked"
USED_KEY: Final = "_system/adminKeys:used"

NOTED_EACH_MS: Final = 3_600_000.0

log = structlog.get_logger("joelclaw.server")


class KeyTable:
    """The admin keys that the platform made, in its own table."""

    def __init__(self, system: SystemCalls, clock: Clock) -> None:
        self._system = system
        self._clock = clock
        self._watch = system.watch(REVOKED_KEYS)
        self._revoked: set[str] = set()
        self._audience: list[Callable[[Collection[str]], None]] = []
        self._noted: dict[str, float] = {}
        self._noting: set[asyncio.Task[None]] = set()

    def tell(self, ended: Callable[[Collection[str]], None]) -> None:
        """Call this with what is revoked from now on."""
        self._audience.append(ended)

    async def known(self, hashed: str) -> Grant | None:
        """What a key opens; None: nothing."""
        try:
            key = await self._system.ask(FIND_KEY, hash=hashed)
        except SystemCallFailed:
            return None
        # Revoked since it was asked for: whoever listens was told before there was anything to end.
        if key is None or hashed in self._revoked:
            return None
        grant = Grant(hashed, key.get("scope") == "read_only", key.get("expiresAt", INFINITY))
        now = self._clock.now_ms()
        if now >= grant.expires_at:
            return None
        if now - self._noted.get(hashed, float("-inf")) >= NOTED_EACH_MS:
            self._noted[hashed] = now
            noting = asyncio.create_task(self._note(hashed))
            self._noting.add(noting)
            noting.add_done_callback(self._noting.discard)
        return grant

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                self._see(await self._watch.changed())
        finally:
            self._watch.close()

    async def close(self) -> None:
        """Finish what is being noted."""
        await asyncio.gather(*self._noting)

    async def ensure(self, name: str, tell: Callable[[str], None]) -> None:
        """Make a key if there is none, and tell it: it cannot be shown again."""
        try:
            if await self._system.ask(LIST_KEYS):
                return
            key = generate_admin_key(name)
            await self._system.tell(CREATE_KEY, hash=hash_of(key), name="first start")
        except SystemCallFailed as error:
            raise CommandFailed(f"no admin key could be kept: {error.message}") from error
        tell(key)

    def _see(self, hashes: list[str]) -> None:
        new = set(hashes) - self._revoked
        self._revoked.update(new)
        for ended in self._audience if new else ():
            ended(new)

    async def _note(self, hashed: str) -> None:
        try:
            await self._system.tell(USED_KEY, hash=hashed)
        except SystemCallFailed as error:
            log.warning("the use of an admin key could not be noted", message=error.message)
