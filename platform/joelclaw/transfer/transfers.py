"""
Transfers: which exports and imports there are, and what may be asked of them.

Each is a document that clients watch (`system/exports.py`, `system/imports.py`) and a process that does
the work. Files are kept in one folder beside the database: parts of uploads, staging files, and the
newest export. Whatever a server that ended has left there is removed by the next one, and what it
left unfinished has failed: an import that did not commit has changed nothing.
"""

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog

from joelclaw.engine.engine import Engine
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import ImportRefused, SystemCallFailed
from joelclaw.transfer.jobs import Done, ExportJob, ImportJob, Progress, Ready, Refused, Report, Staged
from joelclaw.transfer.worker import Worker
from joelclaw.values.int64 import Int64

UPLOADS_MAX: Final = 8
"""Uploads that are open at once; the oldest gives way, so that those which were given up do not fill the disk."""

PARTS_MAX: Final = 100_000
IMPORTS_MAX: Final = 4
"""Imports that wait or run, at once."""

GONE: Final = "_system/auth/sessions:gone"
END_ALL: Final = "_system/auth/sessions:endAll"

CUT_OFF_IMPORT: Final = "The server stopped before this import was done. Nothing was imported; import it again."
CUT_OFF_EXPORT: Final = "The server stopped before this export was done; export again."
CANCELLED: Final = "The import was cancelled. Nothing was imported."
DIED: Final = "The process that read the file ended unexpectedly; see the server's log. Nothing was imported."

log = structlog.get_logger("joelclaw.transfer")


class Exported(NamedTuple):
    """A file that can be fetched."""

    path: Path
    name: str
    size: int


class _Running:
    """An import that a process works on."""

    def __init__(self, worker: Worker, task: "asyncio.Task[None] | None" = None) -> None:
        self.worker = worker
        self.task = task
        self.agreed = asyncio.Event()
        self.reason = DIED
        """Why it has failed, if it has."""


class Transfers:
    """Exports and imports of one deployment; a service of the server."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._system = SystemCalls(engine)
        self._folder = folder
        self._uploads: dict[str, dict[int, str]] = {}
        """Parts by number, of each upload, with the tokens that were given for them."""

        self._imports: dict[str, _Running] = {}
        self._beginning = 0
        """Imports that have their place, and no process yet."""

        self._tasks: set[asyncio.Task[Any]] = set()
        self._recovered = asyncio.Event()

    # -- the service

    async def run(self) -> None:
        """Tell of what the last server has left unfinished, and be there."""
        for found in await self._system.ask("_system/imports:unfinished"):
            if found["_id"] not in self._imports:
                await self._system.tell("_system/imports:fail", id=found["_id"], reason=CUT_OFF_IMPORT)
        latest: Any = await self._system.ask("_system/exports:latest")
        kept = None
        if latest is not None:
            if latest["state"] in ("requested", "in_progress"):
                await self._system.tell("_system/exports:fail", id=latest["_id"], reason=CUT_OFF_EXPORT)
            kept = self._export_file(latest["_id"], latest["format"])
        await asyncio.to_thread(self._clear, kept)
        self._recovered.set()
        await asyncio.Event().wait()

    async def close(self) -> None:
        """End what runs."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _clear(self, kept: Path | None) -> None:
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path != kept:
                    _remove(path)

    def _start(self, work: Awaitable[None]) -> "asyncio.Task[None]":
        async def guarded() -> None:
            try:
                await work
            except SystemCallFailed as error:
                log.error("a transfer could not be written down", reason=error.message)
            except Exception:
                log.exception("a transfer has failed")

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- uploads

    async def start_upload(self) -> str:
        """Begin an upload; its token."""
        await self._recovered.wait()
        while len(self._uploads) >= UPLOADS_MAX:
            await self._forget_upload(next(iter(self._uploads)))
        token = secrets.token_urlsafe(24)
        self._uploads[token] = {}
        await asyncio.to_thread(self._upload_folder(token).mkdir, parents=True)
        return token

    async def add_part(self, token: str, number: int, data: bytes) -> str:
        """
        Keep a part of an upload; what proves that it was.

        Raises:
            ImportRefused: There is no such upload, or no such part.
            OSError: It cannot be written.
        """
        parts = self._parts(token)
        if not 1 <= number <= PARTS_MAX:
            raise ImportRefused("", f"parts are numbered from 1 to {PARTS_MAX:,}")
        await asyncio.to_thread((self._upload_folder(token) / str(number)).write_bytes, data)
        parts[number] = f"part-{number}-{secrets.token_hex(4)}"
        return parts[number]

    async def finish_upload(
        self, token: str, part_tokens: list[str], *, format: str, mode: str, table: str | None
    ) -> str:
        """
        Put the parts together, in the order given, and begin to read them; the import's id.

        Raises:
            ImportRefused: A part is missing, or too many imports wait already.
            OSError: There is no room, or no process. The upload is gone.
        """
        parts = {given: number for number, given in self._parts(token).items()}
        missing = next((given for given in part_tokens if given not in parts), None)
        if missing is not None or not part_tokens:
            raise ImportRefused("", f"there is no part {missing!r} of this upload" if missing else "there are no parts")
        waiting = len(self._imports) + self._beginning
        if waiting >= IMPORTS_MAX:
            raise ImportRefused("", f"{waiting} imports wait or run; confirm or cancel one")
        numbers = [parts[given] for given in part_tokens]
        # From here on it is taken, and has its place, before anybody else is heard.
        del self._uploads[token]
        self._beginning += 1
        # Who asked may leave: what has begun is then an import that waits, like any other.
        work = self._begin_import(self._upload_folder(token), numbers, format, mode, table)
        beginning = asyncio.create_task(work)
        self._tasks.add(beginning)
        beginning.add_done_callback(self._tasks.discard)
        return await asyncio.shield(beginning)

    async def _begin_import(self, folder: Path, numbers: list[int], format: str, mode: str, table: str | None) -> str:
        try:
            size = await asyncio.to_thread(_join, folder, numbers)
            id: str = await self._system.tell(
                "_system/imports:create", format=format, mode=mode, bytesTotal=float(size), tableName=table
            )
            try:
                worker = await Worker.start(self._import_job(id, folder, format, mode, table))
            except BaseException:
                await self._system.tell("_system/imports:fail", id=id, reason=DIED)
                raise
            running = self._imports[id] = _Running(worker)
            running.task = self._start(self._import(id, running, folder))
        except BaseException:
            await asyncio.to_thread(_remove, folder)
            raise
        finally:
            self._beginning -= 1
        return id

    def _import_job(self, id: str, folder: Path, format: str, mode: str, table: str | None) -> ImportJob:
        assert self._engine.release is not None
        return ImportJob(
            load=self._engine.release.load,
            id=id,
            file=str(folder / "whole"),
            staging=str(folder / "staging.db"),
            format=format,  # type: ignore[arg-type]  # Whoever asks has looked.
            mode=mode,  # type: ignore[arg-type]
            table=table,
        )

    def _parts(self, token: str) -> dict[int, str]:
        try:
            return self._uploads[token]
        except KeyError:
            raise ImportRefused("", "there is no such upload, or not any more; upload the file again") from None

    def _upload_folder(self, token: str) -> Path:
        return self._folder / f"upload-{token}"

    async def _forget_upload(self, token: str) -> None:
        self._uploads.pop(token, None)
        await asyncio.to_thread(_remove, self._upload_folder(token))

    # -- imports

    async def perform(self, id: str) -> None:
        """
        Bring in an import that waits for it.

        Raises:
            ImportRefused: It does not.
        """
        running = self._imports.get(id)
        if running is None or not await self._system.tell("_system/imports:begin", id=id):
            raise ImportRefused("", "there is no import of this id that waits to be confirmed")
        running.agreed.set()

    async def cancel(self, id: str) -> None:
        """
        End an import, unless it is over. One that is being taken in right now may be over a moment later.

        Raises:
            ImportRefused: There is none that could be.
        """
        running = self._imports.get(id)
        if running is None:
            raise ImportRefused("", "there is no import of this id that waits or runs")
        running.reason = CANCELLED
        running.worker.kill()
        running.agreed.set()  # It may wait for that.
        assert running.task is not None
        await asyncio.wait([running.task])

    async def _import(self, id: str, running: _Running, folder: Path) -> None:
        reports = running.worker.reports()
        try:
            async for report in reports:
                match report:
                    case Progress():
                        await self._system.tell(
                            "_system/imports:progress",
                            id=id,
                            rowsRead=float(report.rows),
                            bytesRead=float(report.of),
                            message=report.message,
                        )
                    case Staged():
                        await self._tell_staged(id, report)
                        await running.agreed.wait()
                        running.worker.go()
                    case Ready():
                        await self._engine.renew(partial(self._take_in, running, reports))
                        await self._sign_out_who_is_gone()
                        return
                    case Refused():
                        running.reason = report.reason
        finally:
            self._imports.pop(id, None)
            await asyncio.shield(self._end_import(id, running, folder))

    async def _tell_staged(self, id: str, report: Staged) -> None:
        await self._system.tell(
            "_system/imports:staged",
            id=id,
            rowsRead=float(report.rows),
            message=report.message,
            needsConsent=report.needs_consent,
            checkpoints=report.checkpoints,
        )

    async def _take_in(self, running: _Running, reports: AsyncIterator[Report]) -> bool:
        """While nobody writes: whether the database may be another now. Who died without a word may have committed."""
        running.worker.go()
        report = await anext(reports, None)
        if isinstance(report, Refused):
            running.reason = report.reason
            return False
        return True

    async def _sign_out_who_is_gone(self) -> None:
        """
        End the sessions of users whom the import has left no document, and so have their open pages told.

        Their accounts stay: the next import may bring them back, and a password could not be brought back.
        """
        after: str | None = None
        while True:
            page = await self._system.ask(GONE, after=after)
            for user in page["users"]:
                await self._system.tell(END_ALL, user=user)
            after = page["last"]
            if after is None:
                return

    async def _end_import(self, id: str, running: _Running, folder: Path) -> None:
        await running.worker.close()
        await asyncio.to_thread(_remove, folder)
        # Unless it is completed: that was written by whoever completed it.
        await self._system.tell("_system/imports:fail", id=id, reason=running.reason)

    # -- exports

    async def export(self, format: str, *, table: str | None, include_storage: bool) -> bool:
        """Begin an export; False: one is running."""
        await self._recovered.wait()
        id: str | None = await self._system.tell(
            "_system/exports:request", format=format, includeStorage=include_storage, tableName=table
        )
        if id is not None:
            self._start(self._export(id, format, table, include_storage))
        return id is not None

    async def find_export(self, start_ts: int) -> Exported | None:
        """The file of the newest export, if it shows this snapshot."""
        found: Any = await self._system.ask("_system/exports:at", startTs=Int64(start_ts))
        if found is None:
            return None
        path = self._export_file(found["_id"], found["format"])
        name = f"{found['tableName'] or 'snapshot'}_{start_ts}.{found['format']}"
        try:
            return Exported(path, name, path.stat().st_size)
        except FileNotFoundError:
            return None

    async def _export(self, id: str, format: str, table: str | None, include_storage: bool) -> None:
        file = self._export_file(id, format)
        await asyncio.to_thread(self._make_room, file)
        assert self._engine.release is not None
        job = ExportJob(
            load=self._engine.release.load,
            file=str(file),
            format=format,  # type: ignore[arg-type]  # Whoever asks has looked.
            table=table,
            include_storage=include_storage,
        )
        worker = await Worker.start(job)
        reason = "The process that wrote the export ended unexpectedly; see the server's log."
        try:
            async for report in worker.reports():
                match report:
                    case Progress():
                        await self._system.tell(
                            "_system/exports:progress",
                            id=id,
                            startTs=Int64(report.start_ts),
                            rowsWritten=float(report.rows),
                            rowsTotal=float(report.of),
                        )
                    case Done():
                        await self._system.tell(
                            "_system/exports:complete",
                            id=id,
                            startTs=Int64(report.ts),
                            rowsWritten=float(report.rows),
                            size=float(report.size),
                        )
                    case Refused():
                        reason = report.reason
        finally:
            await asyncio.shield(self._end_export(id, worker, reason))

    async def _end_export(self, id: str, worker: Worker, reason: str) -> None:
        await worker.close()
        await self._system.tell("_system/exports:fail", id=id, reason=reason)  # Unless it is completed.

    def _export_file(self, id: str, format: str) -> Path:
        return self._folder / f"export-{id}.{format}"

    def _make_room(self, file: Path) -> None:
        """Only the newest export is kept."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._folder.glob("export-*"):
            if path != file:
                _remove(path)


def _join(folder: Path, numbers: list[int]) -> int:
    """Put parts together, each removed as soon as it is in; bytes in all."""
    with open(folder / "whole", "wb") as whole:
        for number in numbers:
            part = folder / str(number)
            with open(part, "rb") as file:
                shutil.copyfileobj(file, whole)
            part.unlink()
        return whole.tell()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
