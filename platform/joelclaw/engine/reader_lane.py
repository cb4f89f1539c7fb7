"""
The reader lane: isolates that run queries, each on one snapshot at a time.

Two kinds of work wait for a free reader: rounds of the reactor, which keep subscribers
current, and single queries of callers that do not subscribe. They take turns, so that
neither starves. Single queries that wait together share one snapshot, equal ones one run.

Calls of a round are answered in order, so when a reader dies the oldest unanswered call is the
suspect; of a batch of single queries each is run alone afterwards. A call that kills twice
fails, and fails quickly for a while, so that one broken query cannot keep killing readers.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import count

import structlog

from joelclaw.engine.background import Background
from joelclaw.engine.isolates import Isolate
from joelclaw.engine.reactor import Reactor, Round, Shot, call_of
from joelclaw.engine.results import EVERYBODY, QueryKey, Result
from joelclaw.engine.runs import UNRECORDED, Caller, Recorder
from joelclaw.engine.tally import LaneState, Tally
from joelclaw.engine.writer_lane import LEAVING, RESPAWN_DELAYS_S, died_failure
from joelclaw.errors import PlatformError
from joelclaw.functions.calls import Call, Identity, Outcome
from joelclaw.isolate.messages import (
    Batch,
    BatchDone,
    CallDone,
    CloseRound,
    FromIsolate,
    OpenRound,
    RoundClosed,
    RoundOpened,
    RunCalls,
)

BATCH_QUERIES_MAX = 256
KILLER_REST_MS = 60_000.0
"""How long a query that kills its process answers with an error before it is tried again."""

log = structlog.get_logger("joelclaw.readers")


class SingleQuery:
    """A query that somebody waits for without subscribing."""

    __slots__ = ("_waiting", "caller", "identity", "identity_key", "key", "request_id", "suspect")

    def __init__(
        self, key: QueryKey, identity: Identity | None, identity_key: str, request_id: str, caller: Caller
    ) -> None:
        self.caller = caller
        self.key = key
        self.identity = identity
        self.identity_key = identity_key
        self.request_id = request_id
        self.suspect = False
        self._waiting: list[asyncio.Future[tuple[Result, int]]] = []

    def wait(self) -> "asyncio.Future[tuple[Result, int]]":
        """The answer, for one more caller. Each has a future of his own: who gives up takes nothing from the others."""
        future: asyncio.Future[tuple[Result, int]] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future

    def answer(self, result: Result, ts: int) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result((result, ts))


class Reader:
    """One reader isolate and what it is busy with: a round, a batch of single queries, or nothing."""

    def __init__(self, lane: "ReaderLane", isolate: Isolate) -> None:
        self.lane = lane
        self.isolate = isolate
        self.round: Round | None = None
        self.number = 0
        self.batch: list[SingleQuery] = []
        self.batch_now = 0.0
        self.shot: Shot | None = None
        self.retired = False
        self._deadline: asyncio.TimerHandle | None = None
        isolate.on_message = self._hear
        isolate.on_death = self._died

    @property
    def busy(self) -> bool:
        return self.round is not None or self.shot is not None

    @property
    def opening(self) -> bool:
        """It was asked for a snapshot and has not told that it has one."""
        return self.shot is not None or (self.round is not None and self.round.ts is None)

    # -- rounds, as the reactor asks for them

    def open(self, round: Round, /) -> None:
        self.round = round
        self.number = next(self.lane.numbers)
        self._expect_answer()
        self.isolate.send(OpenRound(round=self.number))

    def run(self, _round: Round, calls: list[Call], /) -> None:
        self._expect_answer()
        self.isolate.send(RunCalls(round=self.number, calls=calls))

    def close(self, _round: Round, /) -> None:
        self._expect_answer()
        self.isolate.send(CloseRound(round=self.number))

    # -- single queries

    def run_batch(self, batch: list[SingleQuery]) -> None:
        reactor = self.lane.reactor
        self.batch, self.batch_now = batch, reactor.clock()
        self.shot = reactor.begin_shot()
        self.number = next(self.lane.numbers)
        self._expect_answer()
        calls = [self._call(query) for query in batch]
        self.isolate.send(Batch(batch=self.number, calls=calls))

    def _call(self, query: SingleQuery) -> Call:
        return call_of(query.key, query.identity, self.batch_now, query.request_id)

    def _finish_batch(self, done: BatchDone) -> None:
        """Give the reader its next batch, then deal with this one: it need not wait for us."""
        reactor, shot = self.lane.reactor, self.shot
        assert shot is not None
        batch, self.batch, self.shot = self.batch, [], None
        answered, now = list(zip(batch, done.outcomes, strict=False)), self.batch_now

        def tell() -> None:
            for query, outcome in answered:
                result = reactor.learn(shot, query.key, query.identity_key, done.ts, now, outcome, query.request_id)
                query.answer(result, done.ts)
                self.lane.record(query.key.path, query.caller, outcome, query.request_id)
            reactor.end_shot(shot)

        self.lane.put_back(batch[len(answered) :])
        self._free(done.memory_bytes)
        # The snapshot may hold a commit that nobody has heard of yet. Who was answered from it could be answered
        # from memory next, and be shown the past.
        reactor.when_published(done.ts, tell)

    # -- the process

    def _hear(self, message: FromIsolate) -> None:
        reactor, round = self.lane.reactor, self.round
        self._cancel_deadline()
        if isinstance(message, CallDone):
            assert round is not None
            if len(round.running) > 1:
                self._expect_answer()
            entry, identity_key = round.running[0]
            self.lane.acquit(entry.key, identity_key)
            reactor.outcome(round, message.outcome)
            self.lane.record(entry.key.path, "SyncWorker", message.outcome)
        elif isinstance(message, RoundOpened):
            assert round is not None
            reactor.opened(round, message.ts)
            self.lane.settled()
        elif isinstance(message, RoundClosed):
            assert round is not None
            self.round = None
            reactor.finished(round)
            self._free(message.memory_bytes)
        elif isinstance(message, BatchDone):
            self._finish_batch(message)

    def _free(self, memory_bytes: int) -> None:
        if memory_bytes > self.lane.memory_bytes_max and not self.retired:
            log.warning("reader replaced: it holds too much memory", megabytes=memory_bytes // 1_000_000)
            self.lane.replace(self)
        self.lane.settled()
        self.lane.dispatch()

    def _expect_answer(self) -> None:
        self._cancel_deadline()
        self._deadline = asyncio.get_running_loop().call_later(self.lane.kill_after_s, self.isolate.kill)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _died(self) -> None:
        self._cancel_deadline()
        reactor = self.lane.reactor
        if self.round is not None:
            round, self.round = self.round, None
            if round.running:
                entry, identity_key = round.running[0]
                self.lane.suspect(round, entry.key, identity_key)
            reactor.finished(round)
        if self.shot is not None:
            shot, self.shot = self.shot, None
            batch, self.batch = self.batch, []
            if len(batch) == 1 and batch[0].suspect:
                query = batch.pop()
                query.answer(
                    self.lane.condemn(shot, query.key, query.identity_key, reactor.published), reactor.published
                )
            for query in batch:
                query.suspect = True
            reactor.end_shot(shot)
            self.lane.put_back(batch)
        self.lane.lost(self)


class ReaderLane:
    """All readers of the current release, and the single queries that wait for one."""

    def __init__(
        self,
        reactor: Reactor,
        *,
        kill_after_s: float,
        memory_bytes_max: int,
        respawn: Callable[[], Awaitable[Isolate]],
        tally: Tally | None = None,
    ) -> None:
        self.reactor = reactor
        self.tally = tally or Tally()
        self.kill_after_s = kill_after_s
        self.memory_bytes_max = memory_bytes_max
        self.respawn = respawn
        self.numbers = count(1)
        self.readers: list[Reader] = []
        self.restarts = 0
        self.submitted = 0
        """Single queries that somebody has waited for."""

        self.recorder: Recorder = UNRECORDED
        self._retired: set[Reader] = set()
        self._queue: deque[SingleQuery] = deque()
        self._queued: dict[tuple[QueryKey, str], SingleQuery] = {}
        self._suspects: set[tuple[QueryKey, str | None]] = set()
        self._crew = 0
        """Counts releases: a reader that was started for an earlier one must not serve a later one."""

        self._round_next = True
        self._paused = False
        self._closed = False
        self._woken = False
        self._settled = asyncio.Event()
        self._background = Background()

    # -- single queries

    def submit(
        self, key: QueryKey, identity: Identity | None, identity_key: str, request_id: str, caller: Caller = "HttpApi"
    ) -> "asyncio.Future[tuple[Result, int]]":
        """Run a query on a snapshot no older than now; equal queries that wait together run once."""
        self.submitted += 1
        query = self._queued.get((key, identity_key))
        if query is None:
            query = self._queued[key, identity_key] = SingleQuery(key, identity, identity_key, request_id, caller)
            self._queue.append(query)
            answer = query.wait()
            self.dispatch()
            return answer
        return query.wait()

    def record(self, path: str, caller: Caller, outcome: Outcome, request_id: str = "") -> None:
        """Count a run, and tell of it. Most queries succeed and log nothing, and of those nobody has to hear."""
        self.tally.ran("query", path, outcome, outcome.ran_for_ms)
        if outcome.failure is not None or outcome.log_lines or self.recorder.quiet_queries:
            self.recorder.ran("query", path, request_id or Result(outcome).request_id, caller, outcome)

    def put_back(self, queries: list[SingleQuery]) -> None:
        for query in reversed(queries):
            self._queue.appendleft(query)
            self._queued[query.key, query.identity_key] = query

    def _take(self) -> list[SingleQuery]:
        batch: list[SingleQuery] = []
        while self._queue and len(batch) < BATCH_QUERIES_MAX:
            if batch and self._queue[0].suspect:
                break
            query = self._queue.popleft()
            self._queued.pop((query.key, query.identity_key), None)
            batch.append(query)
            if query.suspect:
                break
        return batch

    # -- work for free readers

    def wake(self) -> None:
        """Somebody waits for a round. Looked at when the current step of the reactor is over."""
        if not self._woken:
            self._woken = True
            asyncio.get_running_loop().call_soon(self._dispatch_rounds)

    def _dispatch_rounds(self) -> None:
        self._woken = False
        self.dispatch()

    def dispatch(self) -> None:
        if self._paused:
            return
        for reader in self.readers:
            if reader.busy or not reader.isolate.alive:
                continue
            if not self._give_work(reader):
                return

    def _give_work(self, reader: Reader) -> bool:
        rounds_first, self._round_next = self._round_next, not self._round_next
        if rounds_first and self.reactor.start_round(reader):
            return True
        if self._queue:
            reader.run_batch(self._take())
            return True
        return not rounds_first and self.reactor.start_round(reader)

    # -- the processes

    @property
    def state(self) -> LaneState:
        running = sum(len(r.batch) + (0 if r.round is None else len(r.round.running)) for r in self.readers)
        isolates = [reader.isolate for reader in self.readers if reader.isolate.alive]
        return LaneState(isolates, len(self._queue) + len(self.reactor.waiting), running, self.restarts)

    def install(self, isolates: list[Isolate]) -> None:
        """Readers of a new release take over; the old ones finish their rounds and end."""
        for reader in self.readers:
            self._retire(reader)
        self._crew += 1
        self._suspects.clear()
        self.readers = [Reader(self, isolate) for isolate in isolates]
        for reader in list(self.readers):
            if not reader.isolate.alive:
                self.lost(reader)
        self.dispatch()

    def _retire(self, reader: Reader) -> None:
        reader.retired = True
        self._retired.add(reader)
        if not reader.busy:
            self._end(reader)

    def _end(self, reader: Reader) -> None:
        self._retired.discard(reader)
        self._background.finish(reader.isolate.close())

    def replace(self, reader: Reader) -> None:
        """A reader has grown too large: start another in its place."""
        self.readers.remove(reader)
        self._retire(reader)
        self._background.start(self._grow())

    def lost(self, reader: Reader) -> None:
        """A reader died."""
        self._background.finish(reader.isolate.close())
        self._retired.discard(reader)
        self.settled()
        if reader.retired or self._closed:
            return
        self.restarts += 1
        log.warning("a reader died", restarts=self.restarts)
        self.readers.remove(reader)
        self._background.start(self._grow())

    async def _grow(self) -> None:
        attempt, crew = 0, self._crew
        while not self._closed and crew == self._crew:
            await asyncio.sleep(RESPAWN_DELAYS_S[min(attempt, len(RESPAWN_DELAYS_S) - 1)])
            attempt += 1
            try:
                isolate = await self.respawn()
            except PlatformError as error:
                log.error("no reader could be started", error=str(error), attempt=attempt)
                continue
            if self._closed or crew != self._crew:  # A deploy brought as many as there are to be.
                await isolate.close()
                return
            self.readers.append(Reader(self, isolate))
            self.dispatch()
            return

    def suspect(self, round: Round, key: QueryKey, identity_key: str) -> None:
        """A reader died while it ran this. The second time it is the one."""
        suspect = key, self._audience(key, identity_key)
        if suspect not in self._suspects:
            self._suspects.add(suspect)
            return
        self._suspects.discard(suspect)
        assert round.ts is not None
        self.condemn(round, key, identity_key, round.ts)

    def acquit(self, key: QueryKey, identity_key: str) -> None:
        """It came to its end: the death before was not its doing."""
        if self._suspects:
            self._suspects.discard((key, self._audience(key, identity_key)))

    def condemn(self, shot: Shot, key: QueryKey, identity_key: str, ts: int) -> Result:
        log.error("a query kills its process", path=key.path)
        now = self.reactor.clock()
        personal = self._audience(key, identity_key) is not EVERYBODY
        outcome = Outcome(failure=died_failure("query"), personal=personal, expires=now + KILLER_REST_MS)
        self.record(key.path, "SyncWorker", outcome)
        return self.reactor.learn(shot, key, identity_key, ts, now, outcome)

    def _audience(self, key: QueryKey, identity_key: str) -> str | None:
        """For whom it kills: everybody, as far as is known, or each would cost two processes."""
        return identity_key if self.reactor.is_personal(key.path) else EVERYBODY

    # -- pauses

    def settled(self) -> None:
        """Something about the readers' snapshots changed."""
        self._settled.set()
        for reader in [reader for reader in self._retired if not reader.busy]:
            self._end(reader)

    async def pause(self, *, until_closed: bool = False) -> None:
        """Open no snapshot any more; wait until those asked for are open, or until all are closed again."""
        self._paused = True
        while any(r.busy if until_closed else r.opening for r in [*self.readers, *self._retired]):
            self._settled.clear()
            await self._settled.wait()

    def resume(self) -> None:
        self._paused = False
        self.dispatch()

    async def close(self) -> None:
        self._closed = True
        for reader in [*self.readers, *self._retired]:
            reader.retired = True
            await reader.isolate.close()
            self._queue.extend(reader.batch)
        for query in self._queue:
            query.answer(Result(Outcome(failure=LEAVING)), self.reactor.published)
        self._queue.clear()
        await self._background.end()
