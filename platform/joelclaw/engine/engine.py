"""
The engine: everything behind the protocols, put together.

It owns the lanes and the reactor, knows which release serves, and is what the protocols talk
to: `query`, `mutate`, `act` for a caller who waits; `mutate_for` and the reactor for one who
subscribes.

A deploy is a swap of lanes. The new release's isolates are started and its schema is checked
while the old one serves. Then nothing new is dispatched until the writer is idle and every
round has its snapshot; the new writer makes the database fit and commits; from that commit
on only the new code is asked. Old rounds finish on the snapshots that they hold.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import msgspec
import structlog

from joelclaw.clock import Clock, SystemClock
from joelclaw.engine.access import refusal
from joelclaw.engine.actor_lane import ActorLane
from joelclaw.engine.asker import ADMIN, Asker, asker_of
from joelclaw.engine.built_ins import NOWHERE, BuiltIn, Origin, built_in_spec
from joelclaw.engine.exchange import Exchange
from joelclaw.engine.isolate_process import IsolateProcess
from joelclaw.engine.isolates import Isolate, StartIsolate
from joelclaw.engine.reactor import Reactor, Resolved
from joelclaw.engine.reader_lane import ReaderLane
from joelclaw.engine.release import Release
from joelclaw.engine.results import QueryKey, Result
from joelclaw.engine.roles import Roles
from joelclaw.engine.runs import Caller, Recorder, RunKind
from joelclaw.engine.spares import Spares
from joelclaw.engine.subscribers import Subscriber
from joelclaw.engine.tally import Tally, Vitals
from joelclaw.engine.variables import Variables
from joelclaw.engine.writer_lane import Mutation, WriterLane
from joelclaw.errors import TokenRefused
from joelclaw.functions.calls import INFINITY, Call, Failure, Outcome
from joelclaw.functions.manifest import FunctionKind, FunctionSpec, Manifest, OwnRule, RouteSpec
from joelclaw.functions.sign_in import SignIn
from joelclaw.isolate.messages import BatchDone, HttpRequest, Load, Prepared, Role

KILL_GRACE_S = 1.0
"""An isolate that is this much over its own limit does not heed it: it is killed."""

WRITE_AHEAD_LOG_BYTES_MAX = 64 * 1024 * 1024
"""Beyond this, readers pause for a moment so that the log can be emptied."""

log = structlog.get_logger("joelclaw.engine")


@dataclass(frozen=True)
class EngineLimits:
    """What the engine enforces itself; the rest is the isolates'."""

    transaction_wall_s: float = 5.0
    isolate_memory_bytes: int = 512 * 1024 * 1024
    cache_bytes: int = 64 * 1024 * 1024
    readers: int = 1
    actions: int = 1_000
    actions_waiting: int = 10_000
    action_drain_s: float = 5.0
    http_body_bytes: int = 20 * 1024 * 1024
    arguments_bytes: int = 16 * 1024 * 1024
    connections: int = 10_000


@dataclass
class Crew:
    """Isolates that loaded a release and do not serve yet."""

    release: Release
    writer: Isolate
    readers: list[Isolate]
    actor: Isolate

    async def dismiss(self) -> None:
        await asyncio.gather(*(isolate.close() for isolate in [self.writer, *self.readers, self.actor]))


class Engine:
    """One deployment at work. `deploy` the first release, then ask; `close` at the end."""

    def __init__(
        self,
        limits: EngineLimits | None = None,
        *,
        development: bool = False,
        clock: Clock | None = None,
        spares: int = 0,
        start: StartIsolate = IsolateProcess.spawn,
    ) -> None:
        """`spares` isolates wait for the next deploy, which is as much faster as starting them takes."""
        self.limits = limits or EngineLimits()
        self.development = development
        self.clock: Clock = clock or SystemClock()
        self.release: Release | None = None
        self.tally = Tally()
        self._own_issuer = ""
        """Of the tokens that the deployment itself makes; empty: of none."""

        self._built_ins: dict[str, tuple[FunctionSpec, BuiltIn]] = {}
        kill_after_s = self.limits.transaction_wall_s + KILL_GRACE_S
        self.reactor = Reactor(
            clock=self.clock.now_ms,
            resolve=self._resolve,
            round_wanted=lambda: self._readers.wake(),
            expires_sooner=lambda: self._set_alarm(),
            cache_bytes_max=self.limits.cache_bytes,
        )
        self._writer = WriterLane(
            self.reactor,
            kill_after_s=kill_after_s,
            respawn=self._spawn_writer,
            # Batches of earlier lives may still stand in the database: numbers must not meet theirs.
            first_batch=time.time_ns(),
            memory_bytes_max=self.limits.isolate_memory_bytes,
            tally=self.tally,
        )
        self._readers = ReaderLane(
            self.reactor,
            kill_after_s=kill_after_s,
            memory_bytes_max=self.limits.isolate_memory_bytes,
            respawn=lambda: self._current.spawn("reader"),
            tally=self.tally,
        )
        self._actors = ActorLane(
            run_call=self._run_for_action,
            variables=Variables(self),
            respawn=lambda: self._current.spawn("actor"),
            actions_max=self.limits.actions,
            waiting_max=self.limits.actions_waiting,
            tally=self.tally,
        )
        self._writer.on_batch = self._after_batch
        self._spares = Spares(spares, start)
        self._deploying = asyncio.Lock()
        self._preparing = asyncio.Lock()
        """Held while a writer fits the database: one of an earlier release must not do so afterwards."""

        self._refusals: dict[Failure, Result] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = INFINITY
        self._checkpoint: asyncio.Task[None] | None = None

    def limit(self, limits: EngineLimits) -> None:
        """Enforce other limits from here on; how many readers there are, the next crew shows."""
        self.limits = limits
        self._writer.kill_after_s = self._readers.kill_after_s = limits.transaction_wall_s + KILL_GRACE_S
        self._writer.memory_bytes_max = self._readers.memory_bytes_max = limits.isolate_memory_bytes
        self.reactor.cache.bytes_max = limits.cache_bytes
        self._actors.actions_max, self._actors.waiting_max = limits.actions, limits.actions_waiting

    @property
    def recorder(self) -> Recorder:
        """Who is told of every run."""
        return self._writer.recorder

    def record(self, recorder: Recorder) -> None:
        """Tell this one of every run from here on."""
        self._writer.recorder = self._readers.recorder = self._actors.recorder = recorder

    def tell_run(self, kind: RunKind, path: str, request_id: str, caller: Caller, outcome: Outcome) -> None:
        """Count and record a run, for who has asked for one `unrecorded`."""
        self.tally.ran(kind, path, outcome, outcome.ran_for_ms)
        self.recorder.ran(kind, path, request_id, caller, outcome)

    @property
    def vitals(self) -> Vitals:
        """How it goes, at this moment."""
        return Vitals(
            lanes={"writer": self._writer.state, "reader": self._readers.state, "actor": self._actors.state},
            log_bytes=self._writer.log_bytes,
            cache_bytes=self.reactor.cache.size_bytes,
            cache_hits=self.reactor.recalled,
            cache_misses=self._readers.submitted,
            published_ts=self.reactor.published,
            release=self.release.number if self.release else 0,
        )

    async def probe(self, path: str) -> Result:
        """Have a reader answer a query without arguments, whatever is in memory."""
        key = self._key(path, b"{}", ADMIN)
        result, _ = await self._readers.submit(key, ADMIN.identity, ADMIN.key, "")
        return result

    # -- releases

    @property
    def _current(self) -> Release:
        assert self.release is not None, "deploy a release first"
        return self.release

    @property
    def roles(self) -> Roles:
        """Who has which, as declared with the release that serves."""
        return self._current.load.roles

    @property
    def sign_in(self) -> SignIn | None:
        """How people sign in, as declared with the release that serves; None: nobody can."""
        return self._current.load.sign_in

    @property
    def secret(self) -> bytes:
        """What this database's tokens are sealed with."""
        layout = self._current.layout
        assert layout is not None, "a release that serves has its layout"
        return layout.secret

    @property
    def manifest(self) -> Manifest:
        """What the release that serves declares."""
        return self._current.manifest

    async def muster(self, load: Load) -> Crew:
        """
        Start isolates on new code, beside those that serve. May be cancelled: then none is left.

        Raises:
            AppRefused: The code does not load; nothing has changed.
            IsolateDied: Importing it ended a process, or never came to an end.
        """
        release = Release(load, self.release.number + 1 if self.release else 1, self._spares.take)
        readers: list[Role] = ["reader"] * self.limits.readers
        roles: list[Role] = ["writer", *readers, "actor"]
        starts = [asyncio.create_task(release.spawn(role)) for role in roles]
        try:
            isolates = await asyncio.gather(*starts)
        except BaseException:
            # The first that cannot load speaks for all, and a caller who gives up need not wait for the others.
            for start in starts:
                if not start.cancelling():  # A second time would interrupt its clearing up.
                    start.cancel()
            started = await asyncio.gather(*starts, return_exceptions=True)
            await asyncio.gather(*(isolate.close() for isolate in started if not isinstance(isolate, BaseException)))
            self._spares.refill()
            raise
        return Crew(release, isolates[0], isolates[1:-1], isolates[-1])

    async def install(self, crew: Crew, record: Call | None = None) -> None:
        """
        Serve a crew's code from here on. Connections stay, running calls finish on the code they began on.

        `record` is a mutation of the platform that is done together with it: both, or neither.

        Raises:
            AppRefused: Documents do not fit its schema. The old code keeps serving, and the crew is dismissed.
        """
        async with self._turn_of(crew):
            old_writer = await self._swap(crew, record)
        if old_writer is not None:
            await old_writer.close()

    def expect_deploy(self, for_s: float) -> None:
        """Keep as many isolates waiting as the next deploy takes, for a time: it is as much faster then."""
        self._spares.hold(self.limits.readers + 2, for_s)

    async def try_out(self, crew: Crew) -> None:
        """
        Find out whether a crew's code could serve; then it is dismissed. Mutations wait while documents are checked.

        Raises:
            AppRefused: Documents do not fit its schema.
        """
        async with self._turn_of(crew):
            try:
                await self._writer.pause()
                async with self._preparing:
                    await crew.release.prepare(crew.writer, trial=True)
            finally:
                self._writer.resume()
            await crew.dismiss()

    @asynccontextmanager
    async def _turn_of(self, crew: Crew) -> AsyncIterator[None]:
        """
        One crew after the other has its turn.

        If it does not get there, or its turn fails, it is dismissed, before the next has its own.
        """
        try:
            async with AsyncExitStack() as until_dismissed:
                try:
                    await until_dismissed.enter_async_context(self._deploying)
                    yield
                except BaseException:
                    await crew.dismiss()
                    raise
        finally:
            self._spares.refill()

    async def deploy(self, load: Load) -> Manifest:
        """
        Start isolates on new code, and serve it from here on.

        Raises:
            AppRefused: The code does not load, or documents do not fit its schema. The old code keeps serving.
        """
        crew = await self.muster(load)
        await self.install(crew)
        return crew.release.manifest

    async def _swap(self, crew: Crew, record: Call | None = None) -> Isolate | None:
        """Hand over to a crew; the writer that wrote before it."""
        first = self.release is None
        try:
            await asyncio.gather(self._writer.pause(), self._readers.pause())
            async with self._preparing:
                prepared = await crew.release.prepare(crew.writer, record)
                old_writer = self._writer.release()
                self.release = crew.release
                self._own_issuer = "" if self.sign_in is None else self.sign_in.issuer
            self._announce(prepared, first=first)
            self._writer.install(crew.writer)
            for isolate in [*crew.readers, crew.actor]:
                crew.release.adopt(isolate)
            self._readers.install(crew.readers)
            self._actors.install(crew.actor)
        finally:
            self._writer.resume()
            self._readers.resume()
        return old_writer

    async def renew(self, change: Callable[[], Awaitable[bool]]) -> None:
        """
        Let `change` have the database for itself, then serve what it has left, as after a deploy of the same code.

        Mutations wait meanwhile; queries are answered as of before. If `change` answers False it has changed
        nothing, and nothing else happens.
        """
        while True:
            release = self._current
            crew = await self.muster(release.load)
            async with self._turn_of(crew):
                if self.release is release:
                    old_writer = await self._change(crew, change)
                    break
            await crew.dismiss()  # A deploy was faster: its code goes on.
        await (old_writer.close() if old_writer is not None else crew.dismiss())

    async def _change(self, crew: Crew, change: Callable[[], Awaitable[bool]]) -> Isolate | None:
        """The writer that wrote before; None: nothing was changed."""
        try:
            await self._writer.pause()
            return await self._swap(crew) if await change() else None
        finally:
            self._writer.resume()

    def _announce(self, prepared: Prepared, *, first: bool) -> None:
        """The new code's commit, published in one step with the hand-over."""
        if first:
            self.reactor.published = prepared.ts
            self.reactor.code = self._current.number
        else:
            self.reactor.publish(max(prepared.ts, self.reactor.published), [])
            self.reactor.deploy(self._current.number)

    async def _spawn_writer(self) -> tuple[Isolate, Prepared]:
        while True:
            release = self._current
            writer = await release.spawn("writer")
            try:
                async with self._preparing:
                    if release is self._current:
                        return writer, await release.prepare(writer)
            except BaseException:
                await writer.close()
                raise
            await writer.close()

    async def drain(self) -> None:
        """Begin no actions any more, and wait for those that run; at their time's end they are cancelled."""
        await self._actors.drain(self.limits.action_drain_s)

    async def close(self) -> None:
        """Finish what runs, then end all isolates."""
        await self.drain()
        if self._alarm is not None:
            self._alarm.cancel()
        if self._checkpoint is not None:
            self._checkpoint.cancel()
        await self._spares.close()
        await self._readers.close()
        await self._actors.close()
        # Last, so that it is alone with the database: SQLite then puts the log into it, and one file is all there is.
        await self._writer.close()

    # -- who may call what

    def find(self, path: str) -> FunctionSpec | None:
        """The function of this wire path."""
        spec = self._current.functions.get(path)
        if spec is None and path in self._built_ins:
            return self._built_ins[path][0]
        return spec

    def answer(self, path: str, built_in: BuiltIn) -> None:
        """Answer an action of this path here. The app has none of it: its deploy would have been refused."""
        self._built_ins[path] = built_in_spec(path), built_in

    def refusal(self, path: str, kind: FunctionKind | None, asker: Asker, *, internal: bool = False) -> Failure | None:
        """Why this call is refused, as far as data can tell; None: go on."""
        issuer = self._own_issuer
        return refusal(self.find(path), path, kind, asker, self.roles, internal=internal, own_issuer=issuer)

    def _key(self, path: str, args: bytes, asker: Asker, journal: str | None = None) -> QueryKey:
        spec = self.find(path)
        ruled = spec is not None and isinstance(spec.allow, OwnRule)
        return QueryKey(path, args, journal, asker.admin and ruled)

    def _resolve(self, path: str, args: bytes, journal: str | None, subscriber: Subscriber) -> Resolved:
        asker = Asker(
            identity=subscriber.identity,
            admin=subscriber.privileged,
            read_only=subscriber.read_only,
            key=subscriber.identity_key,
        )
        failure = self.refusal(path, "query", asker)
        if failure is None:
            return Resolved(self._key(path, args, asker, journal))
        result = self._refusals.get(failure)
        if result is None:
            if len(self._refusals) > 1_000:
                self._refusals.clear()
            result = self._refusals[failure] = Result(Outcome(failure=failure))
        return Resolved(None, result)

    # -- calls

    @property
    def published_ts(self) -> int:
        """The newest commit that everybody may see."""
        return self.reactor.published

    def recall(self, path: str, args: bytes, asker: Asker) -> Result | None:
        """The answer to a query if it is in memory and holds now. `args` are canonical wire JSON."""
        return self.reactor.recall(self._key(path, args, asker), asker.key)

    async def query(
        self, path: str, args: bytes, asker: Asker, *, request_id: str = "", caller: Caller = "HttpApi"
    ) -> tuple[Result, int]:
        """Answer a query on a snapshot no older than now; the result and the snapshot's timestamp."""
        key = self._key(path, args, asker)
        result = self.reactor.recall(key, asker.key)
        if result is not None:
            return result, self.reactor.published
        return await self._readers.submit(key, asker.identity, asker.key, request_id, caller)

    async def mutate(
        self,
        path: str,
        args: bytes,
        asker: Asker,
        *,
        request_id: str = "",
        call_id: str = "",
        job: str | None = None,
        depth: int = 0,
        unrecorded: bool = False,
    ) -> Outcome:
        """
        Run a mutation; with a call id, once however often it is asked for.

        `job` is the scheduled job that it works for, `depth` how many actions have called each other up to here.
        `unrecorded`: the caller tells the recorder of it, who knows better what has run.
        """
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        call = self._call(path, args, asker, request_id, call_id, job, depth)
        self._writer.submit(Mutation(call, future=future, unrecorded=unrecorded))
        # The caller may leave: the mutation runs all the same, and nobody else waits for this future.
        return await future

    def mutate_for(
        self,
        subscriber: Subscriber,
        path: str,
        args: bytes,
        asker: Asker,
        *,
        request_id: str,
        call_id: str,
        respond: Callable[[Outcome], object],
    ) -> None:
        """Queue a connection's mutation. Its response is queued in the step that publishes the commit."""
        call = self._call(path, args, asker, request_id, call_id)
        self._writer.submit(Mutation(call, subscriber=subscriber, respond=respond))

    def serve(
        self,
        route: RouteSpec,
        request: HttpRequest,
        asker: Asker,
        *,
        request_id: str = "",
        token_refused: TokenRefused | None = None,
    ) -> Exchange:
        """Have an HTTP action answer a request."""
        exchange = Exchange(request, token_refused)
        self._actors.serve(self._call(route.name, b"{}", asker, request_id, ""), exchange)
        return exchange

    async def act(
        self,
        path: str,
        args: bytes,
        asker: Asker,
        *,
        request_id: str = "",
        job: str | None = None,
        depth: int = 0,
        caller: Caller = "HttpApi",
        origin: Origin = NOWHERE,
    ) -> Outcome:
        """Run an action to its end. `job` and `depth` are those of `mutate`; `caller` is for the log."""
        if path in self._built_ins:
            return await self._answer(path, args, asker, request_id, caller, origin)
        return await self._actors.submit(self._call(path, args, asker, request_id, "", job, depth), caller)

    async def _answer(
        self, path: str, args: bytes, asker: Asker, request_id: str, caller: Caller, origin: Origin
    ) -> Outcome:
        _, built_in = self._built_ins[path]
        began_s = time.perf_counter()
        outcome = await built_in(args, asker, origin)
        outcome = msgspec.structs.replace(outcome, ran_for_ms=(time.perf_counter() - began_s) * 1e3)
        self.tell_run("action", path, request_id, caller, outcome)
        return outcome

    def _call(
        self,
        path: str,
        args: bytes,
        asker: Asker,
        request_id: str,
        call_id: str,
        job: str | None = None,
        depth: int = 0,
    ) -> Call:
        return Call(
            path=path,
            args=args,
            identity=asker.identity,
            privileged=asker.admin,
            request_id=request_id,
            call_id=call_id,
            job=job,
            depth=depth,
        )

    async def _run_for_action(self, kind: str, call: Call) -> Outcome:
        """A function that an action called: internal ones are open to it, rules of the app do not apply."""
        asker = asker_of(call.identity, admin=True)
        spec = self.find(call.path)
        if spec is None or spec.kind != kind:
            failure = self.refusal(call.path, kind, ADMIN, internal=True)  # type: ignore[arg-type]
            return Outcome(failure=failure)
        if kind == "mutation":
            return await self.mutate(
                call.path, call.args, asker, request_id=call.request_id, job=call.job, depth=call.depth
            )
        if kind == "action":
            return await self.act(
                call.path, call.args, asker, request_id=call.request_id, job=call.job, depth=call.depth
            )
        result, _ = await self.query(call.path, call.args, asker, request_id=call.request_id, caller="Action")
        return Outcome(value=result.value, failure=result.failure, log_lines=result.log_lines)

    # -- time and space

    def _after_batch(self, done: BatchDone) -> None:
        if done.log_bytes > WRITE_AHEAD_LOG_BYTES_MAX and (self._checkpoint is None or self._checkpoint.done()):
            self._checkpoint = asyncio.get_running_loop().create_task(self._empty_log())

    async def _empty_log(self) -> None:
        async with self._deploying:
            await self._readers.pause(until_closed=True)
            try:
                left = await self._writer.checkpoint()
            finally:
                self._readers.resume()
        log.debug("write-ahead log emptied", bytes_left=left)

    def _set_alarm(self) -> None:
        """Wake the reactor when the next result expires."""
        at = self.reactor.next_expiry()
        if at >= self._alarm_at and self._alarm is not None:
            return
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._alarm_at = at
        if at < INFINITY:
            delay_s = max(0.0, (at - self.clock.now_ms()) / 1000.0)
            self._alarm = asyncio.get_running_loop().call_later(min(delay_s, 3_600.0), self._ring)

    def _ring(self) -> None:
        self._alarm, self._alarm_at = None, INFINITY
        self.clock_moved()

    def clock_moved(self) -> None:
        """The clock shows another time: run again what expired. For who moves one; those that go by themselves ring."""
        self.reactor.clock_moved()
        self._set_alarm()
