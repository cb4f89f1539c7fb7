"""
The admin keys that the platform made, in its own table.
"""

from collections.abc import Callable
from typing import Final

from joelclaw.auth.admin_keys import generate_admin_key, hash_of
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import CommandFailed, SystemCallFailed

FIND_KEY: Final = "_system/adminKeys:find"
CREATE_KEY: Final = "_system/adminKeys:create"
LIST_KEYS: Final = "_system/adminKeys:list"


class KeyTable:
    """The admin keys that the platform made, in its own table."""

    def __init__(self, system: SystemCalls) -> None:
        self._system = system

    async def known(self, hashed: str) -> bool:
        try:
            return await self._system.ask(FIND_KEY, hash=hashed) is not None
        except SystemCallFailed:
            return False

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
