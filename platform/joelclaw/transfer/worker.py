"""The gateway's end of a process that exports or imports."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import msgspec
import structlog

from joelclaw.transfer.jobs import GO, Job, Report

REPORT_BYTES_MAX: Final = 2**20

log = structlog.get_logger("joelclaw.transfer")

_decode: "msgspec.json.Decoder[Report]" = msgspec.json.Decoder(Report)


class Worker:
    """A process at work on one job. `close` it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._errors = asyncio.create_task(self._log_errors())

    @classmethod
    async def start(cls, job: Job) -> "Worker":
        """Start a process on a job."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "joelclaw.transfer", stdin=pipe, stdout=pipe, stderr=pipe, limit=REPORT_BYTES_MAX
        )
        worker = cls(process)
        worker._send(msgspec.json.encode(job) + b"\n")
        return worker

    @property
    def pid(self) -> int:
        return self._process.pid

    async def reports(self) -> AsyncIterator[Report]:
        """What it reports, until it ends."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            yield _decode.decode(line)

    def go(self) -> None:
        """Let an import that is staged take it in."""
        self._send(GO)

    def kill(self) -> None:
        """End it now; what it has not committed is undone."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """End it, whatever it does."""
        self.kill()
        await self._process.wait()
        await self._errors

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        with suppress(ConnectionError):  # Its end is seen where its reports are read.
            self._process.stdin.write(data)

    async def _log_errors(self) -> None:
        assert self._process.stderr is not None
        with suppress(ValueError):  # A line without end: whoever writes one is not worth more.
            while line := await self._process.stderr.readline():
                log.warning(line.decode("utf-8", "replace").rstrip(), pid=self.pid)
