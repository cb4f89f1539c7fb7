"""
Backups by the clock: made when they are due, by a process of their own, and drilled now and then.

A service beside the protocols. It is told by subscription that a backup is due, has it made, and
writes down what came of it together with the next time. One at a time: it does nothing else
meanwhile. A backup that fell due while nobody served is made at the start.

One that fails is told in the log and by /health/ready, and tried again after `RETRY_MS` until
there is one; a drill, after `DRILL_RETRY_MS`.

What was made by hand while nobody served is found at the start, and written down.

Elsewhere: `system/backups.py` keeps the plan and the history; `deploy/backing_up.py` is the process;
`backup/attempts.py` has the notes of what was made by hand.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import msgspec
import structlog
from msgspec.structs import replace

from joelclaw.backup.attempts import RECORD, Attempt, Report, Work, left
from joelclaw.clock import Clock
from joelclaw.config import Config
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import SystemCallFailed
from joelclaw.isolate.messages import Load
from joelclaw.scheduler.calendars import calendar_times

PLAN: Final = "_system/backups:plan"
DUE: Final = "_system/backups:due"
DECLARE: Final = "_system/backups:declare"
WITHDRAW: Final = "_system/backups:withdraw"

RETRY_MS: Final = 15 * 60_000.0
"""A backup that failed is tried again after so long: a bucket that cannot be reached may be back by then."""

WEEKLY_MS: Final = 6.5 * 86_400_000.0
"""A weekly drill follows the first backup after so long. Less than a week, for backups take now more time, now less."""

TELL_RETRY_S: Final = 1.0
"""What could not be written down (the disk is full, say) is tried again after so long."""

END_TIMEOUT_S: Final = 5.0
"""For so long a process may clear up when it is told to end."""

log = structlog.get_logger("joelclaw.backup")


class BackupService:
    """Makes backups when they are due, as long as it runs."""

    def __init__(
        self, system: SystemCalls, clock: Clock, config: Config, served: Callable[[], Load | None] = lambda: None
    ) -> None:
        """`served` tells which app serves now: a drill looks at documents as it would, if the backup has no code."""
        self._system = system
        self._clock = clock
        self._config = config
        self._served = served
        self._attempted_at: float | None = None
        self._drill_tried_at: float | None = None

    async def run(self) -> None:
        """Work until cancelled; without `backup.cron` there is nothing to do."""
        await self.declare()
        await self.write_down_notes()
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
        at = next_backup_at(self._config, self._clock.now_ms())
        await self._tell(DECLARE, schedule=f"{backup.cron} {backup.tz}", at=at)

    async def write_down_notes(self) -> None:
        """Write down what was made by hand while nobody served."""
        for path, attempt in await asyncio.to_thread(left, self._config.database):
            await self._tell(RECORD, **attempt.arguments(next_backup_at(self._config, attempt.ended_at)))
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                log.warning("the note of a backup made by hand cannot be removed", path=str(path), reason=str(error))

    async def work_off(self, due: dict[str, Any] | None) -> None:
        """Make the backup that is due, and drill it if it is time for that; or drill again."""
        if due is None:
            return
        # The subscription may repeat itself, from before the attempt was written down.
        if due["backupAt"] is not None and due["backupAt"] != self._attempted_at:
            made = await self._make()
            self._attempted_at = due["backupAt"]
            if made and self._drill_follows(due["drilledAt"]):
                await self.drill()
        elif (
            due["drillAt"] is not None
            and due["drillAt"] != self._drill_tried_at
            and self._config.backup.drill != "never"
        ):
            await self.drill()
            self._drill_tried_at = due["drillAt"]

    async def drill(self) -> None:
        """Have the newest backup restored into a scratch folder, and write down what came of it."""
        attempt = await self._attempt("drill")
        if attempt.report.error:
            log.error(
                "a drill failed: the newest backup cannot be restored. Look into it with joelclaw backup drill, "
                "and make a new one: joelclaw backup now",
                reason=attempt.report.error,
            )
        await self._tell(RECORD, **attempt.arguments(None))

    async def _make(self) -> bool:
        attempt = await self._attempt("backup")
        report = attempt.report
        if report.error:
            log.error(
                "a backup failed; it is tried again. Mend the cause, or make one by hand: joelclaw backup now",
                reason=report.error,
                retry_minutes=RETRY_MS / 60_000,
            )
            next_at: float | None = attempt.ended_at + RETRY_MS
        else:
            log.info("a backup was made", name=report.name, size=report.size, places=report.places)
            next_at = next_backup_at(self._config, attempt.ended_at)
        await self._tell(RECORD, **attempt.arguments(next_at))
        return not report.error

    async def _attempt(self, work: Work) -> Attempt:
        begun_at = self._clock.now_ms()
        report = await self._run(work)
        return Attempt(work=work, begun_at=begun_at, ended_at=self._clock.now_ms(), report=report)

    def _drill_follows(self, drilled_at: float | None) -> bool:
        drill = self._config.backup.drill
        if drill == "weekly":
            return drilled_at is None or self._clock.now_ms() - drilled_at >= WEEKLY_MS
        return drill == "always"

    async def _run(self, work: Work) -> Report:
        """Have a process do it. Cancelled, it ends the process."""
        pipe = asyncio.subprocess.PIPE
        load = self._served()
        said = b""
        if load is not None:
            # What it needs of it, and nothing that is secret. It is the process's `Fallback`.
            load = replace(load, env={}, files_credentials={})
            said = msgspec.json.encode({"load": load, "told": "the app that serves"})
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "joelclaw.deploy.backing_up",
                work,
                str(self._config.root),
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
            )
        except OSError as error:
            return Report(error=f"no process can be started: {error.strerror}")
        try:
            told, errors = await process.communicate(said)
        finally:
            await _end(process)
        try:
            return msgspec.json.decode(told, type=Report)
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


def next_backup_at(config: Config, after: float) -> float | None:
    """When a backup is due next; None: none is declared."""
    backup = config.backup
    return None if backup.cron is None else next(calendar_times(backup.cron, backup.tz, after))


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
