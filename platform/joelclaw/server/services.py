"""
Services: what the platform does by itself beside answering.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol

import structlog

from joelclaw.config import Config
from joelclaw.engine.engine import Engine
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.files.protocol import FileStore
from joelclaw.files.staying import must_stay
from joelclaw.scheduler.backups import BackupService
from joelclaw.scheduler.crons import Crons
from joelclaw.scheduler.expiry import Expiry
from joelclaw.scheduler.jobs import Jobs
from joelclaw.scheduler.sweeping import FileSweeper

log = structlog.get_logger("joelclaw.server")


class Service(Protocol):
    """Something that the platform does by itself beside answering: it begins with the first deploy."""

    async def run(self) -> None:
        """Work until cancelled. The engine serves all the while."""
        ...

    async def close(self) -> None:
        """`run` was cancelled: finish what was begun and is owed. The engine still serves."""
        ...


def services(
    engine: Engine,
    config: Config,
    files: FileStore,
) -> list[Service]:
    """What runs beside the protocols, in the order in which it is ended."""
    return [
        BackupService(
            SystemCalls(engine), engine.clock, config, lambda: engine.release.load if engine.release else None
        ),
        Crons(SystemCalls(engine), engine.clock),
        Expiry(SystemCalls(engine)),
        FileSweeper(SystemCalls(engine), files, engine.clock, engine.secret, partial(must_stay, config.database)),
        Jobs(engine),
    ]


@asynccontextmanager
async def running(services: Sequence[Service]) -> AsyncIterator[None]:
    """Services at work. One that fails is a defect of ours: it is told, and the others go on."""
    tasks = [asyncio.create_task(service.run()) for service in services]
    for task in tasks:
        task.add_done_callback(_tell_failure)
    try:
        yield
    finally:
        for service, task in zip(services, tasks, strict=True):
            task.cancel()
            await asyncio.wait([task])
            await service.close()


def _tell_failure(task: asyncio.Task[None]) -> None:
    if has_failed(task):
        log.error("a part of the platform has stopped; restart the server", exc_info=task.exception())


def has_failed(task: asyncio.Task[None]) -> bool:
    return not task.cancelled() and task.exception() is not None
