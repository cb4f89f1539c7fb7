"""
The writer lane: mutations, one after another, committed in groups.

While the writer is busy, calls queue; when it is free it takes all that wait, so a lone call
waits for nobody and under load one commit carries many. The lane decides nothing about
results: it hands each finished batch to the reactor in one step, commit record and responses
together, and only then wakes the callers.

A writer that dies may have committed the batch it ran. Its successor tells what the database
still holds of replies; what is not among them did not happen, and is run again one call at a
time, so that the one that kills is found in one round and fails alone.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from itertools import count

import structlog

from joelclaw.engine.background import Background
from joelclaw.engine.isolates import Isolate
from joelclaw.engine.reactor import Reactor, Response
from joelclaw.engine.results import ISOLATE_DIED
from joelclaw.engine.runs import UNRECORDED, Recorder, caller_of
from joelclaw.engine.subscribers import Subscriber
from joelclaw.engine.tally import LaneState, Tally
from joelclaw.errors import PlatformError
from joelclaw.functions.calls import Call, Failure, Outcome
from joelclaw.isolate.messages import Batch, BatchDone, Checkpoint, Checkpointed, FromIsolate, Prepared

BATCH_CALLS_MAX = 1_024
RESPAWN_DELAYS_S = (0.0, 0.1, 0.5, 2.0, 5.0)
"""Between attempts to start a writer; the last one repeats."""

log = structlog.get_logger("joelclaw.writer")


class Mutation:
    """A call and who waits for its outcome: a connection (`subscriber`, `respond`) or a future."""

    __slots__ = ("call", "future", "respond", "subscriber", "suspect", "unrecorded")

    def __init__(
        self,
        call: Call,
        *,
        future: "asyncio.Future[Outcome] | None" = None,
        subscriber: Subscriber | None = None,
        respond: Callable[[Outcome], object] | None = None,
        unrecorded: bool = False,
    ) -> None:
        self.call = call
        self.unrecorded = unrecorded
        """Whoever asked tells the recorder of it."""

        self.future = future
        self.subscriber = subscriber
        self.respond = respond
        self.suspect = False
        """Its writer died: it runs alone from now on."""

    def response(self, outcome: Outcome) -> Response | None:
        if self.subscriber is None or self.respond is None:
            return None
        ts = None if outcome.failure is not None else outcome.commit_ts
        return Response(self.subscriber, self.respond(outcome), ts)


class WriterLane:
    """One writer isolate and the queue before it."""

    def __init__(
        self,
        reactor: Reactor,
        *,
        kill_after_s: float,
        respawn: Callable[[], Awaitable[tuple[Isolate, Prepared]]],
        first_batch: int,
        memory_bytes_max: int,
        tally: Tally | None = None,
    ) -> None:
        self.reactor = reactor
        self.tally = tally or Tally()
        self.kill_after_s = kill_after_s
        self.respawn = respawn
        self.memory_bytes_max = memory_bytes_max
        self.log_bytes = 0
        self.restarts = 0
        self.on_batch: Callable[[BatchDone], None] = lambda _: None
        self.recorder: Recorder = UNRECORDED
        self._batches = count(first_batch)
        self._queue: deque[Mutation] = deque()
        self._batch = 0
        self._running: list[Mutation] = []
        self._writer: Isolate | None = None
        self._paused = False
        self._closed = False
        self._deadline: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._checkpointed: asyncio.Future[int] | None = None
        self._recovery: asyncio.Task[None] | None = None
        self._background = Background()

    def __len__(self) -> int:
        """Calls that wait or run."""
        return len(self._queue) + len(self._running)

    # -- calls

    def submit(self, mutation: Mutation) -> None:
        """Queue a call; calls of one connection run in the order in which they are submitted."""
        self._queue.append(mutation)
        if not self._running:
            self._dispatch()

    def _dispatch(self) -> None:
        if self._running or self._paused or self._writer is None or not self._queue:
            return
        if self._checkpointed is not None:
            return
        if self._queue[0].suspect:
            self._running = [self._queue.popleft()]
        else:
            self._running = self._take()
        self._batch = next(self._batches)
        self._idle.clear()
        self._deadline = asyncio.get_running_loop().call_later(self.kill_after_s, self._writer.kill)
        self._writer.send(
            Batch(batch=self._batch, calls=[m.call for m in self._running], published_ts=self.reactor.published)
        )

    def _take(self) -> list[Mutation]:
        if len(self._queue) <= BATCH_CALLS_MAX:
            taken, self._queue = list(self._queue), deque()
            return taken
        return [self._queue.popleft() for _ in range(BATCH_CALLS_MAX)]

    def _hear(self, message: FromIsolate) -> None:
        if isinstance(message, BatchDone):
            self._finish(message)
        elif isinstance(message, Checkpointed):
            self.log_bytes = message.log_bytes
            if self._checkpointed is not None and not self._checkpointed.done():
                self._checkpointed.set_result(message.log_bytes)

    def _finish(self, done: BatchDone) -> None:
        """Publish a batch in one step, then wake its callers; calls that did not start go back to the front."""
        running, self._running = self._running, []
        if self._deadline is not None:
            self._deadline.cancel()
        ran = running[: len(done.outcomes)]
        self.tally.batches.add(len(ran))
        self._queue.extendleft(reversed(running[len(done.outcomes) :]))
        self._publish(done.ts, done, ran)
        self.log_bytes = done.log_bytes
        self.on_batch(done)
        if done.memory_bytes > self.memory_bytes_max and self._writer is not None:
            log.warning("writer replaced: it holds too much memory", megabytes=done.memory_bytes // 1_000_000)
            self._writer.kill()
            self._writer = None
        if not self._running:
            self._idle.set()
            self._dispatch()

    def _publish(self, ts: int, done: BatchDone, ran: list[Mutation]) -> None:
        answered = list(zip(ran, done.outcomes, strict=True))
        responses = [r for mutation, outcome in answered if (r := mutation.response(outcome)) is not None]
        if ts:
            self.reactor.publish(ts, done.keys, responses)
        else:
            self.reactor.respond(responses)
        for mutation, outcome in answered:
            if mutation.future is not None and not mutation.future.done():
                mutation.future.set_result(outcome)
            self._record(mutation, outcome)

    def _record(self, mutation: Mutation, outcome: Outcome) -> None:
        if mutation.unrecorded:
            return
        if outcome.ran_for_ms or outcome.failure is not None:  # Otherwise it is what an earlier run has left.
            call = mutation.call
            self.tally.ran("mutation", call.path, outcome, outcome.ran_for_ms)
            caller = caller_of(call, "HttpApi" if mutation.subscriber is None else "SyncWorker")
            self.recorder.ran("mutation", call.path, call.request_id, caller, outcome)

    # -- the process

    @property
    def state(self) -> LaneState:
        isolates = [self._writer] if self._writer is not None and self._writer.alive else []
        return LaneState(isolates, len(self._queue), len(self._running), self.restarts)

    def install(self, writer: Isolate) -> None:
        """Take a prepared writer into service."""
        self._writer = writer
        writer.on_message = self._hear
        writer.on_death = partial(self._died, writer)
        if not writer.alive:
            self._died(writer)
        self._dispatch()

    def _died(self, writer: Isolate) -> None:
        self._background.finish(writer.close())
        # One that was ended for its size may have been replaced by a deploy before its death is heard of.
        if self._closed or self._writer not in (writer, None):
            return
        if self._deadline is not None:
            self._deadline.cancel()
        if self._checkpointed is not None and not self._checkpointed.done():
            self._checkpointed.set_result(self.log_bytes)
        self._writer = None
        self.restarts += 1
        log.warning("the writer died", calls=len(self._running), restarts=self.restarts)
        if self._recovery is None or self._recovery.done():
            self._recovery = self._background.start(self._recover())

    async def _recover(self) -> None:
        """Start a writer until one stands, publish what its predecessor committed, run again what it did not."""
        attempt = 0
        while not self._closed:
            await asyncio.sleep(RESPAWN_DELAYS_S[min(attempt, len(RESPAWN_DELAYS_S) - 1)])
            attempt += 1
            try:
                writer, prepared = await self.respawn()
            except PlatformError as error:
                log.error("no writer could be started", error=str(error), attempt=attempt)
                continue
            if self._writer is not None:  # A deploy brought one meanwhile.
                await writer.close()
                return
            self._take_over(prepared)
            self.install(writer)
            if self._writer is not None:  # Otherwise it died before it was taken into service.
                return

    def _take_over(self, prepared: Prepared) -> None:
        running, self._running = self._running, []
        for reply in sorted(prepared.unsent, key=lambda reply: reply.ts):
            if reply.ts <= self.reactor.published:
                continue
            done = BatchDone(batch=reply.batch, ts=reply.ts, outcomes=reply.outcomes, keys=reply.keys)
            ours = running[: len(reply.outcomes)] if reply.batch == self._batch else []
            if ours:
                running = running[len(ours) :]
            self._publish(
                reply.ts, done if ours else BatchDone(batch=0, ts=reply.ts, outcomes=[], keys=reply.keys), ours
            )
        if len(running) == 1 and running[0].suspect:
            self._condemn(running.pop())
        for mutation in running:
            mutation.suspect = True
        self._queue.extendleft(reversed(running))
        self._idle.set()

    def _condemn(self, mutation: Mutation) -> None:
        """It ran alone and its process died: it is the one."""
        log.error("a mutation kills its process", path=mutation.call.path, request_id=mutation.call.request_id)
        outcome = Outcome(failure=died_failure("mutation"))
        if (response := mutation.response(outcome)) is not None:
            self.reactor.respond([response])
        self._record(mutation, outcome)
        if mutation.future is not None and not mutation.future.done():
            mutation.future.set_result(outcome)

    # -- pauses

    async def pause(self) -> None:
        """Start no batch any more, and wait until the running one is published."""
        self._paused = True
        await self._idle.wait()

    def resume(self) -> None:
        self._paused = False
        self._dispatch()

    def release(self) -> Isolate | None:
        """Take the writer out of service, while paused."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.on_death = lambda: None
        return writer

    async def checkpoint(self) -> int:
        """While no reader holds a snapshot: empty the write-ahead log; what is left of it, in bytes."""
        await self.pause()
        try:
            if self._writer is None:
                return self.log_bytes
            self._checkpointed = asyncio.get_running_loop().create_future()
            self._writer.send(Checkpoint())
            return await self._checkpointed
        finally:
            self._checkpointed = None
            self.resume()

    async def close(self) -> None:
        """Finish what runs, refuse nothing silently: what still waits is told that we are leaving."""
        with suppress(TimeoutError):  # Without a writer, and none to be had, nothing ever finishes.
            async with asyncio.timeout(self.kill_after_s):
                await self.pause()
        self._closed = True
        if self._writer is not None:
            await self._writer.close()
        await self._background.end()
        for mutations, failure in ((self._running, CUT_OFF), (self._queue, LEAVING)):
            for mutation in mutations:
                if mutation.future is not None and not mutation.future.done():
                    mutation.future.set_result(Outcome(failure=failure))
        self._queue.clear()


LEAVING = Failure(
    message="The server is shutting down; this call did not run. Try again.", code="shutting_down", public=True
)


CUT_OFF = Failure(
    message="The server ended before it knew whether this call was committed. Look before you try again.",
    code="outcome_unknown",
    public=True,
)


def died_failure(kind: str) -> Failure:
    return Failure(
        message=(
            f"The process that ran this {kind} ended before it answered: it crashed, hung outside Python, "
            f"or was killed. Nothing was written."
        ),
        code=ISOLATE_DIED,
        public=True,
    )
