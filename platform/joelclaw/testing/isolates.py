"""
Isolates that are no processes: the roles' own code, driven by the event loop of the test.

A message is taken in a turn of its own, as it would be at the other end of a socket, and
answered to the lane at once. The app is loaded once for all of them. What a process has around
its code is left out where it would disturb the test's: signals keep no time limits here, and
no memory limit is set. The guard against effects stays; it looks while a query or mutation
runs, and at nothing else.

What runs is noted on the way: log lines by call, how often a query ran, which actions have
not ended.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import structlog

from joelclaw.clock import Clock
from joelclaw.engine.runs import Caller, RunKind
from joelclaw.functions.calls import Call, Outcome
from joelclaw.functions.loader import LoadedApp
from joelclaw.functions.manifest import Manifest
from joelclaw.isolate.actor import Actor
from joelclaw.isolate.guard import Guard
from joelclaw.isolate.hooks import ProcessHooks
from joelclaw.isolate.messages import (
    ActionDone,
    Batch,
    BatchDone,
    CallDone,
    FromIsolate,
    Load,
    Role,
    RunAction,
    RunCalls,
    RunHttp,
    ToIsolate,
)
from joelclaw.isolate.reader import Reader
from joelclaw.isolate.writer import Writer

log = structlog.get_logger("joelclaw.testing")


@dataclass(frozen=True)
class LogLine:
    """What a function printed or logged."""

    path: str
    """Wire path of the function that was called, from outside or as a job: `comments:add`."""

    kind: RunKind
    level: str
    """DEBUG, INFO, LOG (printed), WARN or ERROR."""

    text: str

    def __str__(self) -> str:
        return f"{self.path} [{self.level}] {self.text}"


class Record:
    """What ran in the isolates of one backend."""

    def __init__(self) -> None:
        self.lines: list[LogLine] = []
        self.runs: Counter[tuple[str, bytes]] = Counter()
        """How often each query or mutation ran, by path and arguments."""

        self.actions: dict[int, Call] = {}
        """Those that have begun and not ended."""

        self.action_ended = asyncio.Event()

        self.quiet_queries = False

    # -- as the engine tells of runs

    def ran(self, kind: RunKind, path: str, _request_id: str, _caller: Caller, outcome: Outcome, /) -> None:
        self.log(kind, path, outcome.log_lines)

    def begin(self, kind: RunKind, path: str, _request_id: str, _caller: Caller, /) -> "OngoingLog":
        return OngoingLog(self, kind, path)

    def log(self, kind: RunKind, path: str, lines: Sequence[str]) -> None:
        for line in lines:
            level, _, text = line.removeprefix("[").partition("] ")
            self.lines.append(LogLine(path, kind, level, text))


class OngoingLog:
    """What an action logs while it runs."""

    def __init__(self, record: Record, kind: RunKind, path: str) -> None:
        self._record = record
        self._kind: RunKind = kind
        self._path = path
        self._told = 0

    def logged(self, lines: Sequence[str], /) -> None:
        self._told += len(lines)
        self._record.log(self._kind, self._path, lines)

    def answered(self, status: int, /) -> None: ...

    def ended(self, outcome: Outcome, /) -> None:
        self._record.log(self._kind, self._path, outcome.log_lines[self._told :])


class NoTimer:
    """Keeps no time: signals are the test's, and a debugger may stop a function for an hour."""

    violation = None

    def __init__(self) -> None:
        self.running = False

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def begin_call(self) -> None: ...

    def settle(self) -> None: ...

    def expired(self) -> bool:
        return False


@cache
def guard() -> Guard:
    guard = Guard()
    guard.install()
    return guard


class InProcessIsolate:
    """One role of the app; its owner, a lane, sets `on_message` and `on_death`."""

    def __init__(
        self, role: Role, app: LoadedApp, record: Record, clock: Clock, random_bytes: Callable[[int], bytes]
    ) -> None:
        self.role: Role = role
        self.alive = True
        self.on_message: Callable[[FromIsolate], None] = lambda _: None
        self.on_death: Callable[[], None] = lambda: None
        self._app = app
        self._record = record
        self._clock = clock
        self._random_bytes = random_bytes
        self._loop = asyncio.get_running_loop()
        self._worker: Writer | Reader | Actor | None = None
        self._calls: list[Call] = []
        """Asked for and not yet answered, in order."""

    @property
    def pid(self) -> int:
        return os.getpid()

    async def load(self, load: Load) -> Manifest:
        """Make the role's worker; the app is loaded already."""
        if self.role == "actor":
            self._worker = Actor(load, self._app, self._hear, loop=self._loop, watch=NoTimer(), wall_clock=self._clock)
        else:
            hooks = ProcessHooks(
                load, guard=guard(), timer=NoTimer(), wall_clock=self._clock, random_bytes=self._random_bytes
            )
            self._worker = (Writer if self.role == "writer" else Reader)(load, self._app, hooks, self._hear)
        return self._app.manifest

    def send(self, *messages: ToIsolate) -> None:
        for message in messages:
            self._loop.call_soon(self._take, message)

    def kill(self) -> None:
        """What it does is done when this is called; it takes nothing more."""
        self._die()

    async def close(self) -> None:
        self.on_death = lambda: None
        self._end()

    def _take(self, message: ToIsolate) -> None:
        if not self.alive or self._worker is None:
            return
        if isinstance(message, Batch | RunCalls):
            self._calls += message.calls
        elif isinstance(message, RunAction | RunHttp):
            self._record.actions[message.run] = message.call
        try:
            self._worker.take(message)
        except Exception:
            log.exception("an isolate ended", role=self.role)
            self._die()

    def _hear(self, message: FromIsolate) -> None:
        if isinstance(message, BatchDone):
            self._count(len(message.outcomes))
            self._calls = []
        elif isinstance(message, CallDone):
            self._count(1)
        elif isinstance(message, ActionDone):
            self._record.actions.pop(message.run, None)
            self._record.action_ended.set()
        self.on_message(message)

    def _count(self, number: int) -> None:
        for call in self._calls[:number]:
            self._record.runs[call.path, call.args] += 1
        del self._calls[:number]

    def _die(self) -> None:
        if self.alive:
            self._end()
            self.on_death()

    def _end(self) -> None:
        if self.alive:
            self.alive = False
            if isinstance(self._worker, Writer | Reader):
                self._worker.close()
