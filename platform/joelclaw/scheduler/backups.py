"""
Backups by the clock: made when they are due, by a process of their own, and drilled now and then.

A service beside the protocols. It is told by subscription that a backup is due, has it made, and
writes down what came of it together with the next time. One at a time: it does nothing else
meanwhile. A backup that fell due while nobody served is made at the start.

One that fails is told in the log and by /health/ready, and tried again after `RETRY_MS` until
there is one.

Elsewhere: `system/backups.py` keeps the plan and the history; `backup/__main__.py` is the process.
"""

import asyncio
import sys
from contextlib import suppress
from typing import Any, Final, Literal

import msgspec
import structlog

from joelclaw.clock import Clock
from joelclaw.config import Config
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import SystemCallFailed
from joelclaw.scheduler.calendars import calendar_times

PLAN: Final = "_system/backups:plan"
DUE: Final = "_system/backups:due"
DECLARE: Final = "_system/backups:declare"
WITHDRAW: Final = "_system/backups:withdraw"
RECORD: Final = "_system/backups:record"
RECORD_DRILL: Final = "_system/backups:recordDrill"

RETRY_MS: Final = 15 * 60_000.0
"""A backup that failed is tried again after so long: a bucket that cannot be reached may be back by then."""

WEEKLY_MS: Final = 6.5 * 86_400_000.0
"""A weekly drill follows the first backup after so long. Less than a week, for backups take now more time, now less."""

TELL_RETRY_S: Final = 1.0
"""What could not be written down (the disk is full, say) is tried again after so long."""

END_TIMEOUT_S: Final = 5.0
"""For so long a process may clear up when it is told to end."""

log = structlog.get_logger("joelclaw.backup")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the process says: a backup that was made or proven, or why there is none."""

    error: str = ""
    name: str = ""
    size: int = 0
    places: list[str] = []
    counts: dict[str, int] = {}
    files: int = 0

    @property
    def outcome(self) -> Literal["success", "failed"]:
        return "failed" if self.error else "success"

    @property
    def documents(self) -> int:
        return sum(self.counts.values())


class BackupService:
    """Makes backups when they are due, as long as it runs."""

    def __init__(self, system: SystemCalls, clock: Clock, config: Config) -> None:
        self._system = system
        self._clock = clock
        self._config = config
        self._attempted_at: float | None = None

    async def run(self) -> None:
        """Work until cancelled; without `backup.cron` there is nothing to do."""
        await self.declare()
        if self._config.backup.cron is None:
            return
        watch = self._system.watch(DUE)
        try:
            while True:
                await self.work_off(await watch.changed())
        finally:
            watch.close()

    async def close(self) -> None:
        """The process ended with `run`. Its backup is due at the next start."""

    async def declare(self) -> None:
        """Write down what joelclaw.toml says now."""
        backup = self._config.backup
        if backup.cron is None:
            if await self._ask(PLAN) is not None:
                await self._tell(WITHDRAW)
            return
        await self._tell(DECLARE, schedule=f"{backup.cron} {backup.tz}", at=self._next_at(self._clock.now_ms()))

    async def work_off(self, due: dict[str, Any] | None) -> None:
        """Make the backup that is due, and drill it if it is time for that."""
        # The subscription may repeat itself, from before the attempt was written down.
        if due is None or due["attemptAt"] == self._attempted_at:
            return
        made = await self._make()
        self._attempted_at = due["attemptAt"]
        if made and self._drill_follows(due["drilledAt"]):
            await self.drill()

    async def drill(self) -> None:
        """Have the newest backup restored into a scratch folder, and write down what came of it."""
        begun_at = self._clock.now_ms()
        report = await self._run("drill")
        if report.error:
            log.error(
                "a drill failed: the newest backup cannot be restored. Look into it with joelclaw backup drill, "
                "and make a new one: joelclaw backup now",
                reason=report.error,
            )
        await self._tell(
            RECORD_DRILL,
            outcome=report.outcome,
            begunAt=begun_at,
            endedAt=self._clock.now_ms(),
            name=report.name,
            documents=float(report.documents),
            files=float(report.files),
            error=report.error,
        )

    async def _make(self) -> bool:
        begun_at = self._clock.now_ms()
        report = await self._run("make")
        now = self._clock.now_ms()
        if report.error:
            log.error(
                "a backup failed; it is tried again. Mend the cause, or make one by hand: joelclaw backup now",
                reason=report.error,
                retry_minutes=RETRY_MS / 60_000,
            )
        else:
            log.info("a backup was made", name=report.name, size=report.size, places=report.places)
        await self._tell(
            RECORD,
            outcome=report.outcome,
            begunAt=begun_at,
            endedAt=now,
            nextAt=now + RETRY_MS if report.error else self._next_at(now),
            name=report.name,
            size=float(report.size),
            documents=float(report.documents),
            files=float(report.files),
            destinations=report.places,
            error=report.error,
        )
        return not report.error

    def _drill_follows(self, drilled_at: float | None) -> bool:
        drill = self._config.backup.drill
        if drill == "weekly":
            return drilled_at is None or self._clock.now_ms() - drilled_at >= WEEKLY_MS
        return drill == "always"

    def _next_at(self, after: float) -> float:
        backup = self._config.backup
        assert backup.cron is not None
        return next(calendar_times(backup.cron, backup.tz, after))

    async def _run(self, work: Literal["make", "drill"]) -> Report:
        """Have a process do it. Cancelled, it ends the process."""
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "joelclaw.backup", work, str(self._config.root), stdout=pipe, stderr=pipe
            )
        except OSError as error:
            return Report(error=f"no process can be started: {error.strerror}")
        try:
            said, errors = await process.communicate()
        finally:
            await _end(process)
        try:
            return msgspec.json.decode(said, type=Report)
        except msgspec.DecodeError:
            log.error("the process of a backup has died", frames=errors.decode("utf-8", "replace"))
            return Report(error=f"its process ended with exit code {process.returncode}; see the server's log")

    async def _ask(self, path: str) -> Any:
        while True:
            try:
                return await self._system.ask(path)
            except SystemCallFailed as error:
                log.error("backups wait", path=path, reason=error.message)
                await asyncio.sleep(TELL_RETRY_S)

    async def _tell(self, path: str, **arguments: Any) -> None:
        while True:
            try:
                await self._system.tell(path, **arguments)
            except SystemCallFailed as error:
                log.error("backups wait", path=path, reason=error.message)
                await asyncio.sleep(TELL_RETRY_S)
            else:
                return


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(END_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
