"""
The backend of one test: an engine with a database, a clock and an event loop of its own.

It is synchronous. Each call runs the loop until the call is answered and then until nothing is
left that could go on by itself: commits have reached subscriptions, services have done what
is due, actions that were started have ended. The loop stands still in between, so what a test
looks at does not change under its eyes.
"""

import asyncio
import random
import shutil
import tempfile
from collections.abc import Coroutine, Mapping, Sequence
from copy import copy
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

from msgspec.structs import replace

from joelclaw.clock import MovableClock
from joelclaw.config import Config
from joelclaw.engine.asker import ADMIN, ANONYMOUS, Asker, asker_of, identity_of
from joelclaw.engine.engine import Engine, EngineLimits
from joelclaw.engine.isolates import Isolate
from joelclaw.errors import CallFailed, Misuse
from joelclaw.files.opening import open_files
from joelclaw.functions.calls import Failure
from joelclaw.functions.sign_in import own_identity
from joelclaw.functions.storage import Places
from joelclaw.isolate.logs import captured
from joelclaw.isolate.messages import Role
from joelclaw.server.services import Service, services
from joelclaw.testing.callers import Caller
from joelclaw.testing.calling import Addressed, failed
from joelclaw.testing.env import Variables
from joelclaw.testing.isolates import InProcessIsolate, LogLine, Record
from joelclaw.testing.live import Live
from joelclaw.testing.projects import DATABASE, Project, load_project
from joelclaw.testing.time import START_MS, TestClock
from joelclaw.testing.web import Answered, Doors
from joelclaw.values.names import camel

T = TypeVar("T")

ISSUER: Final = "https://issuer.test"
"""Who vouches for the users of a test that does not care."""

SIGN_IN: Final = "_system/auth/sessions:signIn"

TURNS_MAX: Final = 100_000
"""Turns of the event loop for what one call causes. Beyond this something causes itself."""

ACTION_S: Final = 30.0
"""How long, in real time, a call waits for actions that it started."""

UNBOUNDED: Final = EngineLimits(transaction_wall_s=3_600.0, isolate_memory_bytes=1 << 50, action_drain_s=0.0)
"""Nothing is killed: a debugger may hold a function for as long as it likes, and the process is the test's."""


class Backend(Caller):
    """
    An app's backend for one test; itself a caller whom nobody knows.

    `project` is the folder of `joelclaw.toml`. Two backends with the same seed draw the same
    random numbers and ids.
    """

    def __init__(self, project: Project | str | Path = ".", *, seed: int = 0) -> None:
        self._project = project if isinstance(project, Project) else load_project(project)
        self._record = Record()
        self._wall_clock = MovableClock(START_MS)
        self._random = random.Random(seed)
        self._folder = Path(tempfile.mkdtemp(prefix="joelclaw-"))
        self._loop = asyncio.SelectorEventLoop()
        self._load = self._project.load(self._folder)
        self.app = copy(self._project.app)  # It knows one database, and one place for files.
        self.app.places = Places(self._load.api_origin, self._load.files_url, {})
        self._services: list[Service] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._engine: Engine
        self._doors: Doors
        super().__init__(self, ANONYMOUS)
        self.env = Variables(self._load.env, self.internal.query, self.internal.mutation)
        """What functions see as `ctx.env`: what the test sets, over what `[env]` declares in plain text."""

        self.clock = TestClock(self._wall_clock, self._next_moment, self.settle)
        """The only clock there is."""

        try:
            (self._folder / DATABASE).write_bytes(self._project.database)
            self._run(self._start())
        except BaseException:
            self.close()
            raise

    # -- callers

    @property
    def internal(self) -> Caller:
        """The platform itself, which may call everything: what jobs and crons call, and other functions."""
        return Caller(self, ADMIN)

    def as_user(
        self, subject: str = "user", *, issuer: str = ISSUER, roles: Sequence[str] = (), **claims: Any
    ) -> Caller:
        """Somebody who signed in, with the claims of their token and roles as `[auth.roles]` would give them."""
        identity = identity_of({**claims, "issuer": issuer, "subject": subject})
        for role in roles:
            members = self._load.roles.setdefault(role, [])
            if identity.token_identifier not in members:
                members.append(identity.token_identifier)
        return Caller(self, asker_of(identity))

    def sign_in(
        self,
        account: str = "user",
        *,
        provider: str | None = None,
        kind: Literal["oauth", "email", "credentials", "anonymous"] = "oauth",
        **profile: Any,
    ) -> Caller:
        """
        Somebody who signs in to this deployment (`[auth] providers`), as for real: with a document, a login session
        and a token of its own. The first time, their document is made, by the app's own mutation if it has one.

        `account` is who they are at `provider`, the first declared one unless said; `profile` is what that has
        verified: name, email, email_verified, image, trusted, claims.
        """
        declared = self._load.sign_in
        if declared is None:
            raise Misuse("nobody can sign in to this deployment; declare how: [auth] providers, in joelclaw.toml")
        grant = self.internal.mutation(
            SIGN_IN,
            profile={
                "provider": provider or self._project.config.auth.providers[0],
                "accountId": account,
                "kind": kind,
                **{camel(name): value for name, value in profile.items()},
            },
            replacing=None,
            refresh=self._random.randbytes(16).hex(),
        )
        user, session = grant["user"], grant["session"]
        identity = own_identity(declared.issuer, user, session, grant["claims"])
        return Caller(self, asker_of(identity, session=session))

    def as_admin(self, subject: str | None = None, *, issuer: str = ISSUER, **claims: Any) -> Caller:
        """Somebody with an admin key; with a subject, one who acts as that user."""
        if subject is None:
            return Caller(self, ADMIN)
        identity = identity_of({**claims, "issuer": issuer, "subject": subject})
        return Caller(self, asker_of(identity, admin=True))

    # -- what happened

    @property
    def logs(self) -> list[LogLine]:
        """What functions printed and logged so far. A result that came from the cache ran nothing."""
        return self._record.lines

    def settle(self) -> None:
        """Let everything that is due happen. Every call does this already."""
        self._run(self._settle())

    # -- calls, as `Caller` makes them

    def run_query(self, call: Addressed) -> Any:
        self._refuse(call, "query")
        result, _ = self._run(self._engine.query(call.path, call.args, call.asker))
        return self._value(call, result.value, result.failure)

    def run_mutation(self, call: Addressed) -> Any:
        self._refuse(call, "mutation")
        outcome = self._run(self._engine.mutate(call.path, call.args, call.asker))
        return self._value(call, outcome.value, outcome.failure)

    def run_action(self, call: Addressed) -> Any:
        self._refuse(call, "action")
        outcome = self._run(self._engine.act(call.path, call.args, call.asker))
        return self._value(call, outcome.value, outcome.failure)

    def run_subscription(self, call: Addressed) -> Live[Any]:
        before = self._record.runs[call.path, call.args]

        async def subscribe() -> Live[Any]:
            return Live(self._engine.reactor, call, lambda: self._record.runs[call.path, call.args] - before)

        return self._run(subscribe())

    def run_request(self, method: str, url: str, headers: Mapping[str, str], body: bytes, asker: Asker) -> Answered:
        if asker.identity is not None:
            headers = {"authorization": f"Bearer {self._doors.token(asker)}", **headers}
        return self._run(self._doors.fetch(method, url, headers, body))

    def _refuse(self, call: Addressed, kind: Any) -> None:
        failure = self._engine.refusal(call.path, kind, call.asker, internal=call.asker.admin)
        if failure is not None:
            raise failed(failure)

    @staticmethod
    def _value(call: Addressed, value: bytes, failure: Failure | None) -> Any:
        if failure is not None:
            raise failed(failure)
        return call.decode(value)

    # -- the loop

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of something, when all that it caused has happened."""

        async def run() -> T:
            result = await work
            await self._settle()
            return result

        if self._loop.is_closed():
            work.close()
            raise Misuse("this backend is closed; make one for each test")
        if _in_loop():
            work.close()
            raise Misuse("a backend is asked where no event loop runs; write the test as `def`, not as `async def`")
        with captured():
            return self._loop.run_until_complete(run())

    async def _settle(self) -> None:
        for _ in range(TURNS_MAX):
            await asyncio.sleep(0)
            if self._loop._ready:  # type: ignore[attr-defined]  # noqa: SLF001 - no public way to ask it
                continue
            if self._engine.reactor.next_expiry() <= self._wall_clock.now_ms():
                self._engine.clock_moved()
            elif self._record.actions:
                await self._wait_for_action()
            else:
                return
        raise CallFailed(
            f"what this call caused did not end within {TURNS_MAX} turns; "
            f"does a function schedule itself, without a delay, for ever?",
            "never_settles",
            True,
        )

    async def _wait_for_action(self) -> None:
        self._record.action_ended.clear()
        try:
            async with asyncio.timeout(ACTION_S):
                await self._record.action_ended.wait()
        except TimeoutError:
            paths = ", ".join(sorted({call.path for call in self._record.actions.values()}))
            raise CallFailed(f"{paths} did not end within {ACTION_S:g} s", "action_timed_out", True) from None

    def _next_moment(self) -> float:
        return self._engine.reactor.next_expiry()

    # -- begin and end

    async def _start(self) -> None:
        self._engine = Engine(UNBOUNDED, development=True, clock=self._wall_clock, start=self._isolate)
        self._engine.record(self._record)
        await self._engine.deploy(self._load)
        files = open_files(self._load.files_url, {})
        self._doors = Doors(self._engine, self._project.config, files)
        self._services = services(self._engine, _without_backups(self._project.config), files)
        self._tasks = [asyncio.create_task(service.run()) for service in self._services]

    async def _isolate(self, role: Role) -> Isolate:
        return InProcessIsolate(role, self.app, self._record, self._wall_clock, self._random.randbytes)

    def close(self) -> None:
        """End it, and its database with it. Once is enough, twice is no error."""
        if self._loop.is_closed():
            return
        try:
            with captured():
                self._loop.run_until_complete(self._end())
        finally:
            self._loop.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _end(self) -> None:
        for service, task in zip(self._services, self._tasks, strict=True):
            task.cancel()
            await asyncio.wait([task])
            await service.close()
        if hasattr(self, "_engine"):
            await self._engine.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _in_loop() -> bool:
    """Whether an event loop runs around us already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _without_backups(config: Config) -> Config:
    """A clock that a test moves must not have the project's real database backed up."""
    return replace(config, backup=replace(config.backup, cron=None))
