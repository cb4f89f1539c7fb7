"""
The recorder: takes runs from the engine, shows them to followers, writes them in batches.

Nothing here is waited for by a call. A run becomes an entry in memory; a task writes what has
gathered a few times a second, in a thread of its own. (Measured: 1.3 microseconds to record a
run, 5.5 of processor time to write it, and 115 bytes in the file, so recording 2,500 mutations a
second takes 2 % of a core. Queries that succeed quietly are many times that, and say nothing:
they are left out.)

If the file cannot be written (no room, no permission) that is told once in the server's own log,
entries are kept for a while, and what is too much is dropped and counted: a log must not take the
deployment down with it. A server that is killed loses what was not written yet, a quarter of a
second's.

Followers are served from memory; who is further behind reads the file. An action's lines
are in memory as entries of their own while it runs, and in the file with the run when it is over.

The platform's own functions leave an entry only when they fail: an app's developer has not called them.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self, TypeVar

import structlog

from joelclaw.clock import Clock, SystemClock
from joelclaw.engine.runs import Caller, RunKind
from joelclaw.errors import PlatformError
from joelclaw.functions.calls import SYSTEM_PREFIX, Outcome
from joelclaw.logs.entries import ENTRY_BYTES, Entry, Filter
from joelclaw.logs.file import LogFile

WRITE_EVERY_S: Final = 0.25
RETRY_EVERY_S: Final = 5.0
"""After a failure: whoever makes room or grants permission needs longer than that."""

UNWRITTEN_BYTES_MAX: Final = 16 * 2**20
RECENT_BYTES_MAX: Final = 4 * 2**20
ENTRIES_MAX: Final = 1_000
"""In one answer to a follower."""

HISTORY: Final = 256
"""How many runs of the past a new follower is shown."""

KEEP_DAYS: Final = 14
KEEP_MB: Final = 256
DAY_US: Final = 86_400_000_000

log = structlog.get_logger("joelclaw.logs")

T = TypeVar("T")


class RunLog:
    """
    The log of one deployment: an `engine.runs.Recorder`, and what followers ask.

    Enter it before anything is recorded and leave it when nothing is any more.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock | None = None,
        keep_days: float = KEEP_DAYS,
        keep_mb: int = KEEP_MB,
        quiet_queries: bool = False,
    ) -> None:
        self.quiet_queries = quiet_queries
        self._clock = clock or SystemClock()
        self._keep_us = round(keep_days * DAY_US)
        self._keep_bytes = keep_mb * 2**20
        self._file = LogFile(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="logs")
        self._last_id = 0
        self._unwritten: list[Entry] = []
        self._unwritten_bytes = 0
        self._dropped = 0
        self._problem = ""
        """Why the file could not be written, as it was told."""

        self._recent: deque[Entry] = deque()
        self._recent_bytes = 0
        self._known_from = 0
        """All entries after this one are in memory."""

        self._news = asyncio.Event()
        self._writer: asyncio.Task[None]
        self._followers: set[asyncio.Future[None]] = set()
        self._writing = asyncio.Lock()

    # -- from the engine

    def ran(self, kind: RunKind, path: str, request_id: str, caller: Caller, outcome: Outcome, /) -> None:
        """A query or mutation is over."""
        failure = outcome.failure
        if failure is None and path.startswith(SYSTEM_PREFIX):
            return
        self.add(
            Entry(
                id=self.next_id(),
                kind=kind,
                function=path,
                caller=caller,
                request_id=request_id,
                took_ms=outcome.ran_for_ms,
                code=None if failure is None else failure.code,
                error="" if failure is None else failure.message,
                frames="" if failure is None else failure.frames,
                lines=outcome.log_lines,
            )
        )

    def begin(self, kind: RunKind, path: str, request_id: str, caller: Caller, /) -> "_Ongoing":
        """An action begins."""
        return _Ongoing(self, kind, path, request_id, caller)

    def next_id(self) -> int:
        """This moment, or the next one that is free."""
        self._last_id = max(int(self._clock.now_ms() * 1_000), self._last_id + 1)
        return self._last_id

    def add(self, entry: Entry) -> None:
        """Show it to followers, and have it written if its run is over."""
        size = entry.size_bytes if entry.lines or entry.code is not None else ENTRY_BYTES
        self._recent.append(entry)
        self._recent_bytes += size
        while self._recent_bytes > RECENT_BYTES_MAX and len(self._recent) > 1:
            forgotten = self._recent.popleft()
            self._recent_bytes -= forgotten.size_bytes
            self._known_from = forgotten.id
        if entry.over:
            if self._unwritten_bytes + size > UNWRITTEN_BYTES_MAX:
                self._dropped += 1
            else:
                self._unwritten.append(entry)
                self._unwritten_bytes += size
            self._news.set()
        for follower in self._followers:
            if not follower.done():
                follower.set_result(None)

    # -- writing

    async def __aenter__(self) -> Self:
        """Go on after the last run that the file holds, and write what gathers until the end."""
        try:
            newest = await self._in_thread(self._file.newest_id)
        except (PlatformError, OSError) as error:
            newest = 0
            self._tell(str(error))
        self._last_id = max(newest, self._last_id)
        self._known_from = self.next_id()
        self._writer = asyncio.create_task(self._write_on())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Write the rest."""
        self._writer.cancel()
        await asyncio.wait([self._writer])
        await self.flush()
        await self._in_thread(self._file.close)
        self._thread.shutdown()

    async def _write_on(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(RETRY_EVERY_S if self._problem else WRITE_EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """
        Write what has gathered. A failure is told in the server's log; what could not be written waits.

        Whoever is cancelled here stops waiting, and not the write: it holds what is to be written.
        """
        await asyncio.shield(asyncio.ensure_future(self._flush()))

    async def _flush(self) -> None:
        async with self._writing:
            self._news.clear()
            entries, self._unwritten = self._unwritten, []
            size, self._unwritten_bytes = self._unwritten_bytes, 0
            if not entries:
                return
            oldest = int(self._clock.now_ms() * 1_000) - self._keep_us
            try:
                await self._in_thread(lambda: self._write(entries, oldest))
            except (PlatformError, OSError) as error:
                self._unwritten, self._unwritten_bytes = entries + self._unwritten, self._unwritten_bytes + size
                self._news.set()
                self._tell(str(error))
            else:
                self._tell("")

    def _write(self, entries: Sequence[Entry], oldest: int) -> None:
        self._file.append(entries)
        self._file.trim(before_id=oldest, bytes_max=self._keep_bytes)

    def _tell(self, problem: str) -> None:
        if self._file.set_aside is not None:
            log.warning("the log's file could not be used; a new one is begun", set_aside=str(self._file.set_aside))
            self._file.set_aside = None
        if problem and problem != self._problem:
            log.error("runs cannot be logged; they are kept for a while, and the app serves on", reason=problem)
        elif self._problem and not problem:
            log.info("runs are logged again")
        self._problem = problem
        if self._dropped and not problem:
            dropped, self._dropped = self._dropped, 0
            log.warning("runs were not logged: more than could be written", runs=dropped)
            line = f"[WARN] {dropped} runs were not logged: there were more than could be written"
            self.add(
                Entry(
                    id=self.next_id(),
                    kind="action",
                    function=f"{SYSTEM_PREFIX}logs:write",
                    caller="Action",
                    request_id="",
                    lines=[line],
                )
            )

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # -- followers

    @property
    def newest_id(self) -> int:
        """Of the last entry there is."""
        return self._last_id

    @property
    def followers(self) -> int:
        """How many wait for something new."""
        return len(self._followers)

    async def recent(self, limit: int = HISTORY) -> list[Entry]:
        """The last runs, and what running actions have said so far, in order."""
        await self.flush()
        entries = await self._read(lambda: self._file.newest(limit, Filter()))
        if entries is None:
            entries = [entry for entry in self._recent if entry.over][-limit:]
        return self._with_memory(entries, 0)

    async def after(self, id: int) -> list[Entry]:
        """What came after this entry, in order; nothing if there is nothing yet. See `news`."""
        if id >= self._known_from:
            return self._newer(id)
        await self.flush()
        entries = await self._read(lambda: self._file.after(id, ENTRIES_MAX))
        if not entries:
            return self._newer(id)
        return self._with_memory(entries, id, until=entries[-1].id if len(entries) == ENTRIES_MAX else None)

    def news(self) -> "asyncio.Future[None]":
        """
        Done with the next entry; to be cancelled by who does not want it any more.

        Whoever takes it before they ask what there is misses nothing that comes while they ask.
        """
        follower: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._followers.add(follower)
        follower.add_done_callback(self._followers.discard)
        return follower

    def _newer(self, id: int) -> list[Entry]:
        newer: list[Entry] = []
        for entry in reversed(self._recent):
            if entry.id <= id:
                break
            newer.append(entry)
        return newer[: -ENTRIES_MAX - 1 : -1]

    def _with_memory(self, entries: list[Entry], after: int, until: int | None = None) -> list[Entry]:
        """
        Entries of the file, up to `until`, and what memory has beside them: runs that came while the file
        was read, and lines of actions whose run is not among all these.
        """
        last = entries[-1].id if entries else after
        over = {entry.execution_id for entry in entries}
        others = [
            entry
            for entry in self._recent
            if entry.id > (last if entry.over else after)
            and (until is None or entry.id <= until)
            and (entry.over or entry.execution_id not in over)
        ]
        return sorted([*entries, *others], key=lambda entry: entry.id) if others else entries

    async def _read(self, work: Callable[[], list[Entry]]) -> list[Entry] | None:
        try:
            return await self._in_thread(work)
        except (PlatformError, OSError) as error:
            self._tell(str(error))
            return None


class _Ongoing:
    """An action that runs: `engine.runs.OngoingRun`."""

    def __init__(self, log: RunLog, kind: RunKind, path: str, request_id: str, caller: Caller) -> None:
        self._log = log
        self._kind: RunKind = kind
        self._path = path
        self._request_id = request_id
        self._caller: Caller = caller
        self._began = log.next_id()
        self._status: int | None = None
        self._lines: list[str] = []
        self._times: list[float] = []

    def logged(self, lines: Sequence[str], /) -> None:
        id = self._log.next_id()
        self._lines += lines
        times = [id / 1_000] * len(lines)
        self._times += times
        self._log.add(
            Entry(
                id=id,
                kind=self._kind,
                function=self._path,
                caller=self._caller,
                request_id=self._request_id,
                execution_id=f"{self._began:016x}",
                over=False,
                lines=lines,
                times=times,
            )
        )

    def answered(self, status: int, /) -> None:
        self._status = status

    def ended(self, outcome: Outcome, /) -> None:
        failure = outcome.failure
        if failure is None and self._path.startswith(SYSTEM_PREFIX):
            return
        id = self._log.next_id()
        # Of an action whose process died only those lines are left that were told.
        lines = outcome.log_lines if len(outcome.log_lines) >= len(self._lines) else self._lines
        times = self._times + [id / 1_000] * (len(lines) - len(self._times)) if self._times else ()
        self._log.add(
            Entry(
                id=id,
                kind=self._kind,
                function=self._path,
                caller=self._caller,
                request_id=self._request_id,
                execution_id=f"{self._began:016x}",
                took_ms=(id - self._began) / 1_000,
                status=self._status,
                code=None if failure is None else failure.code,
                error="" if failure is None else failure.message,
                frames="" if failure is None else failure.frames,
                lines=lines,
                times=times,
                told=len(self._times),
            )
        )
