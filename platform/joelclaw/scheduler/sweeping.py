"""
Sweeping: bytes that are no file's go.

Two kinds. Of a file that was deleted there is a note, which this service is told of by
subscription, and works off at once. Of an upload that a crash interrupted, between the bytes
and their record or before, there is nothing: the place where bytes are kept is gone through at
the start and from then on every few hours, a bounded list at a time, and what is older than an
hour and has no record is removed. Younger bytes may be about to be recorded.

What lies there may belong to somebody: a database that was moved away for a moment, a folder
that was named by mistake. So a place has an owner, the first database that used it, and nothing
is gone through on another's behalf.

While a backup or an import needs bytes that no document refers to, nothing is removed (`files/staying.py`).

Elsewhere: `system/files.py` has the notes and the records; `files/` the bytes.
"""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, TypeAlias

import structlog

from joelclaw.clock import Clock
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import FileStoreFailed, SystemCallFailed
from joelclaw.files.protocol import FileStore, KeptBytes

REMOVALS: Final = "_system/files:removals"
REMOVED: Final = "_system/files:removed"
UNKNOWN: Final = "_system/files:unknown"

SPARED_MS: Final = 3_600_000.0
"""Bytes this young are left alone: their record may be on its way."""

EVERY_S: Final = 6 * 3_600.0
RETRY_S: Final = 30.0

log = structlog.get_logger("joelclaw.files")


MustStay: TypeAlias = Callable[[], bool]
"""Whether somebody needs bytes that no document refers to."""


def owner_of(secret: bytes) -> str:
    """How a database signs a place, without giving its secret away."""
    return sha256(b"joelclaw files of " + secret).hexdigest()


class FileSweeper:
    """Removes bytes that are no file's, as long as it runs."""

    def __init__(self, system: SystemCalls, files: FileStore, clock: Clock, secret: bytes, must_stay: MustStay) -> None:
        self._system = system
        self._files = files
        self._clock = clock
        self._owner = owner_of(secret)
        self._must_stay = must_stay

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._remove_deleted())
            both.create_task(self._sweep_on())

    async def close(self) -> None:
        """What was not removed yet is at the next start."""

    async def sweep(self) -> int:
        """Go through all bytes once; how many were removed."""
        swept = 0
        try:
            if not await self._files.claim(self._owner):
                log.error(
                    "files here belong to another database, so none are swept; "
                    "choose another [files] url, or remove the file .owner there if they are this database's now",
                    place=self._files.place,
                )
                return 0
            async for kept in self._files.kept():
                swept += await self._sweep_some(kept)
        except (FileStoreFailed, SystemCallFailed) as error:
            log.error("files could not be swept", reason=str(error))
        if swept:
            log.info("swept what interrupted uploads had left", files=swept)
        return swept

    async def _sweep_on(self) -> None:
        while True:
            await self.sweep()
            await asyncio.sleep(EVERY_S)

    async def _sweep_some(self, kept: list[KeptBytes]) -> int:
        old = [each.name for each in kept if each.modified_at < self._clock.now_ms() - SPARED_MS]
        if await asyncio.to_thread(self._must_stay):
            return 0  # They are there when all is gone through the next time.
        # What is asked for only now was recorded by now, or is not going to be.
        unknown = await self._system.ask(UNKNOWN, keys=old) if old else []
        if await asyncio.to_thread(self._must_stay):
            return 0
        for name in unknown:
            await self._files.remove(name)
        return len(unknown)

    async def _remove_deleted(self) -> None:
        watch = self._system.watch(REMOVALS)
        try:
            while True:
                if notes := await watch.changed():
                    await self._remove_at_last(notes)
        finally:
            watch.close()

    async def _remove_at_last(self, notes: list[dict[str, Any]]) -> None:
        removed = await self._remove(notes)
        while not removed:
            await asyncio.sleep(RETRY_S)
            removed = await self._remove(notes)

    async def _remove(self, notes: list[dict[str, Any]]) -> bool:
        """Remove these bytes, then the notes. A note of bytes that are gone already does no harm."""
        if await asyncio.to_thread(self._must_stay):
            return False
        try:
            for note in notes:
                await self._files.remove(note["key"])
            await self._system.tell(REMOVED, ids=[note["id"] for note in notes])
        except (FileStoreFailed, SystemCallFailed) as error:
            log.error("the bytes of deleted files could not be removed yet", reason=str(error))
            return False
        return True
