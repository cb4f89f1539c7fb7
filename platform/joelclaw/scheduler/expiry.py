"""
Sweeping: documents whose instant has come are removed.

A service beside the protocols. It is told by subscription that something is due, and then
asks for one bounded transaction after another, each when the one before is committed: callers
get their turn in between, however much there is to remove.

Elsewhere: `system/expiry.py` knows which documents, and removes them.
"""

import asyncio
from typing import Final

import structlog

from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import SystemCallFailed

DUE: Final = "_system/expiry:due"
SWEEP: Final = "_system/expiry:sweep"

RETRY_S: Final = 1.0
"""A sweep that failed (the disk is full, say) is tried again after so long."""

log = structlog.get_logger("joelclaw.scheduler")


class Expiry:
    """Removes what expires, as long as it runs."""

    def __init__(self, system: SystemCalls) -> None:
        self._system = system

    async def run(self) -> None:
        """Work until cancelled."""
        watch = self._system.watch(DUE)
        try:
            while True:
                for expired in await watch.changed():
                    await self._sweep(expired["table"], expired["at"])
        finally:
            watch.close()

    async def close(self) -> None:
        """What was not removed yet is at the next start."""

    async def _sweep(self, table: str, at: float) -> None:
        more = True
        while more:
            try:
                more = await self._system.tell(SWEEP, table=table, at=at)
            except SystemCallFailed as error:
                log.error("expired documents could not be removed", table=table, reason=error.message)
                await asyncio.sleep(RETRY_S)
