"""
A real engine for tests: real isolates on a small app, and subscribers that remember what they saw.

    async def scene(app: App) -> None:
        await app.mutate("notes:add", room="a", text="hello")
        assert await app.query("notes:texts", room="a") == ["hello"]

    play(scene, tmp_path)

Nothing sleeps: every wait is for an event, and has one limit that says what did not happen.
"""

import asyncio
import os
import shutil
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from joelclaw.engine.asker import ANONYMOUS, Asker
from joelclaw.engine.engine import Engine, EngineLimits
from joelclaw.engine.subscribers import Subscriber, Transition, Version
from joelclaw.functions.calls import Outcome
from joelclaw.isolate.messages import Load
from joelclaw.limits import Limits

APP = Path(__file__).parent / "app"
PATIENCE_S = 60.0
"""Only a broken engine takes that long; nothing here waits for time to pass."""

WALL_S = 10.0
"""How long a transaction may last, unless a test waits for one that lasts longer."""

T = TypeVar("T")


async def within_patience(what: str, awaitable: Awaitable[T]) -> T:
    """What comes has to come soon."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await awaitable
    except TimeoutError:
        pytest.fail(f"not within {PATIENCE_S:.0f} s: {what}")


class App:
    """The app's folder, its database, and the engine that serves them."""

    def __init__(
        self, folder: Path, *, readers: int = 1, memory_bytes: int = 512_000_000, wall_s: float = WALL_S
    ) -> None:
        self.root = folder / "app"
        if not self.root.exists():
            shutil.copytree(APP, self.root, ignore=shutil.ignore_patterns("__pycache__"))
        self.database = folder / "data.db"
        self.files = folder / "files"
        self.limits = Limits(transaction_time_s=wall_s, transaction_wall_s=wall_s)
        limits = EngineLimits(transaction_wall_s=wall_s, isolate_memory_bytes=memory_bytes, readers=readers)
        self.engine = Engine(limits, development=True)

    async def deploy(self) -> None:
        """Serve what stands in the folder now."""
        load = Load(
            role="writer",
            root=str(self.root),
            functions="app_functions",
            schema="schema.py",
            wire_names="camel",
            store_url=f"sqlite:///{self.database}",
            durability="normal",
            env={},
            limits=self.limits,
            development=True,
            files_url=f"file://{self.files}",
        )
        await within_patience("the deploy", self.engine.deploy(load))

    def rewrite(self, old: str, new: str, file: str = "app_functions/notes.py") -> None:
        """Change a file of the app."""
        path = self.root / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    # -- calls

    async def mutate(self, path: str, *, call_id: str = "", **args: Any) -> Any:
        return value_of(await self.mutation(path, call_id=call_id, **args))

    async def mutation(self, path: str, *, call_id: str = "", **args: Any) -> Outcome:
        mutation = self.engine.mutate(path, encoded(args), ANONYMOUS, call_id=call_id)
        return await within_patience(f"the answer of {path}", mutation)

    async def query(self, path: str, *, asker: Asker = ANONYMOUS, **args: Any) -> Any:
        return value_of(await self.answer(path, asker=asker, **args))

    async def answer(self, path: str, *, asker: Asker = ANONYMOUS, **args: Any) -> Outcome:
        query = self.engine.query(path, encoded(args), asker)
        result, ts = await within_patience(f"the answer of {path}", query)
        return Outcome(value=result.value, failure=result.failure, commit_ts=ts)

    async def act(self, path: str, **args: Any) -> Outcome:
        return await within_patience(f"the end of {path}", self.engine.act(path, encoded(args), ANONYMOUS))

    # -- processes

    async def kill_writer(self) -> None:
        kill(await self.mutate("faults:writerPid"))


async def until_there(file: Path) -> None:
    """Wait for a file that another process makes: it has no other way to tell."""

    async def wait() -> None:
        while not file.exists():
            await asyncio.sleep(0.005)

    await within_patience(f"{file.name}", wait())


def kill(pid: int) -> None:
    """End a process at once, whatever it does. It may be gone already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def encoded(args: dict[str, Any]) -> bytes:
    return msgspec.json.encode(args, order="sorted")


def value_of(outcome: Outcome) -> Any:
    """The result of a run that has to have succeeded."""
    assert outcome.failure is None, outcome.failure
    return msgspec.json.decode(outcome.value)


def play(scene: Callable[[App], Coroutine[Any, Any, T]], folder: Path, **options: Any) -> T:
    """Run a scene on a deployed app, and end its processes. The options are those of `App`."""

    async def run() -> T:
        app = App(folder, **options)
        try:
            await app.deploy()
            return await scene(app)
        finally:
            await within_patience("the end of the engine", app.engine.close())

    return asyncio.run(run())


class Viewer:
    """
    A client: what it sees, in versions that have to fit, and what its mutations answered.

    Its connection is always drained, unless it is `slow`: then transitions wait for `drain`.
    """

    def __init__(self, app: App, asker: Asker = ANONYMOUS, *, slow: bool = False) -> None:
        self.app = app
        self.asker = asker
        self.slow = slow
        self.unsent: deque[Transition | tuple[str, Outcome]] = deque()
        self.subscriber = Subscriber(self)
        self.queries: list[tuple[str, dict[str, Any]]] = []
        self.version = Version(0, 0, 0)
        self.view: dict[int, Outcome] = {}
        self.history: list[tuple[Version, dict[int, Any]]] = []
        self.responses: list[tuple[str, Outcome]] = []
        self.asked: list[str] = []
        """Its mutations, by call id or path, in order."""
        self._owed_ts: list[int] = []
        self._changed = asyncio.Event()
        app.engine.reactor.attach(self.subscriber)
        if asker.identity is not None:
            app.engine.reactor.identify(self.subscriber, asker.identity, asker.key)

    def subscribe(self, *queries: tuple[str, dict[str, Any]]) -> None:
        reactor = self.app.engine.reactor
        for path, args in queries:
            reactor.subscribe(self.subscriber, len(self.queries), path, encoded(args), None)
            self.queries.append((path, args))
        reactor.modified(self.subscriber, self.subscriber.query_set + 1)

    def mutate(self, path: str, *, call_id: str = "", **args: Any) -> None:
        name = call_id or path
        self.asked.append(name)

        def respond(outcome: Outcome) -> object:
            return name, outcome

        self.app.engine.mutate_for(
            self.subscriber, path, encoded(args), self.asker, request_id="", call_id=call_id, respond=respond
        )

    def leave(self) -> None:
        self.app.engine.reactor.detach(self.subscriber)

    # -- the reactor's outbound

    @property
    def unsent_transitions(self) -> int:
        return sum(isinstance(frame, Transition) for frame in self.unsent)

    def transition(self, transition: Transition) -> None:
        self._send(transition)

    def response(self, response: object) -> None:
        assert isinstance(response, tuple)
        self._send(response)

    def _send(self, frame: "Transition | tuple[str, Outcome]") -> None:
        self.unsent.append(frame)
        if not self.slow:
            self._take()

    def drain(self) -> None:
        """The socket takes all that waits."""
        while self.unsent:
            self._take()
            self.app.engine.reactor.consider(self.subscriber)

    def _take(self) -> None:
        frame = self.unsent.popleft()
        if isinstance(frame, Transition):
            self._apply(frame)
        else:
            self._note(*frame)
        self._changed.set()

    def _apply(self, transition: Transition) -> None:
        assert transition.start == self.version, "versions do not fit"
        assert transition.end.ts >= self.version.ts, "the timestamp went back"
        self.version = transition.end
        for query_id in transition.removed:
            self.view.pop(query_id, None)
        for query_id, result in transition.updates:
            self.view[query_id] = Outcome(value=result.value, failure=result.failure)
        self._owed_ts = [ts for ts in self._owed_ts if ts > self.version.ts]
        self.history.append((self.version, self.values()))

    def _note(self, name: str, outcome: Outcome) -> None:
        if outcome.failure is None:
            assert outcome.commit_ts > 0
            self._owed_ts.append(outcome.commit_ts)
        self.responses.append((name, outcome))

    # -- what a test looks at

    def values(self) -> dict[int, Any]:
        """What it sees; of a failure its code."""
        return {
            query_id: msgspec.json.decode(outcome.value) if outcome.failure is None else outcome.failure.code
            for query_id, outcome in self.view.items()
        }

    @property
    def settled(self) -> bool:
        """Every response that came is covered by the view."""
        return not self._owed_ts

    async def until(self, what: str, holds: Callable[["Viewer"], bool]) -> None:
        """Wait until this is so."""

        async def wait() -> None:
            while not holds(self):
                self._changed.clear()
                await self._changed.wait()

        try:
            await within_patience(what, wait())
        except BaseException:
            print(f"seen last: {self.version} {self.values()}")
            raise

    async def answered(self, count: int) -> None:
        """Wait for so many responses in all."""
        await self.until(f"{count} responses", lambda viewer: len(viewer.responses) >= count)

    async def sees(self, *values: Any) -> None:
        """Wait until its queries answer this, in order."""
        await self.until(f"a view of {values}", lambda viewer: viewer.values() == dict(enumerate(values)))
