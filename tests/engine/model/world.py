"""
A model checker for the reactor: random schedules, played with the real one plugged in.

The world is everything around it: the database, a writer lane (group commit, deaths around
COMMIT), two readers that open snapshots when they like and die, clients that subscribe,
mutate, change identity, read slowly, reconnect, and ask single queries, a clock with an alarm
that rings late, deploys. It picks the next event at random and checks each message that a client takes:

  I1  a view is one database version, at one moment, for one identity, by one version of the code
  I2  versions fit end to start; timestamps never go back, over reconnects too
  I3  a response comes before every transition that shows its commit
  I4  and a transition at or past it follows
  I5  added and removed queries are acknowledged
  I6  at rest all see the newest; no mutation ran twice
  I7  who waits is in a round after at most ceil(subscribers / places in a round) others
  I8  a single answer is one snapshot, no older than what its asker may have seen before
  I9  nothing runs twice in a round, whoever is in it leaves answered, and a result that still
      holds is not run for again
  I10 the cache is as light as asked for, and when everybody is gone nothing is left

Rounds, caches and socket buffers are small here, so that a short schedule meets the limits.
"""

# ruff: noqa: SLF001  # Whether anything is left can only be seen from inside.

import random
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from joelclaw.engine.reactor import Reactor, Resolved, Response, Round, Shot
from joelclaw.engine.results import QueryKey, Result
from joelclaw.engine.subscribers import Subscriber, Transition
from joelclaw.functions.calls import INFINITY, Call, Failure, Outcome
from joelclaw.store.protocol import IndexKey
from tests.engine.model.database import (
    CHANNELS,
    PATHS,
    POINTS,
    POSITIONS,
    SECRET,
    State,
    args_of,
    identity_of,
    point_key,
    row_key,
    run,
)

CLIENTS = 5
ROUND_SUBSCRIBERS_MAX = 3
LOAD_STEPS_MIN, LOAD_STEPS_MAX = 40, 360
REST_STEPS_MAX = 5_000
REST_TICKS = 8
"""Time goes on a little when nothing else happens any more: long enough for most results to expire."""
CACHE_BYTES = (0, 3_500, 10**9)
REFUSED = Result(Outcome(failure=Failure(message="refused")))


class Query(NamedTuple):
    """What a client subscribes to."""

    path: str
    args: bytes


class Answer(NamedTuple):
    """How a mutation of a client ended; `ts` None: it failed."""

    request: int
    ts: int | None


class Wire:
    """A socket's buffer, taken from one message at a time."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.frames: deque[Transition | Answer] = deque()
        self.unsent_transitions = 0

    def transition(self, transition: Transition) -> None:
        assert transition.end.ts <= self.world.reactor.published, "a view that nobody knows of yet"
        self.unsent_transitions += 1
        self.frames.append(transition)

    def response(self, response: object) -> None:
        assert isinstance(response, Answer)
        self.frames.append(response)


class Client:
    """A client as the shipped ones are: what it wants, shows, waits for."""

    def __init__(self, world: "World", number: int) -> None:
        self.world = world
        self.number = number
        self.identity: str | None = None
        self.queries: dict[int, Query] = {}
        self.journals: dict[int, str | None] = {}
        self.next_query_id = 0
        self.pending: dict[int, int | None] = {}
        """Mutations by request, with their commit once it is known."""
        self.next_request = 0
        self.seen_ts = 0
        self.answered_ts = 0
        """The newest snapshot of its single queries."""
        self.connect()

    def connect(self) -> None:
        self.wire = Wire(self.world)
        self.subscriber = subscriber = Subscriber(self.wire)
        self.version = subscriber.sent
        self.view: dict[int, Result] = {}
        self.query_sets = {0: dict[int, Query](), 1: dict(self.queries)}
        self.identities: dict[int, str | None] = {0: None}
        reactor = self.world.reactor
        reactor.attach(subscriber)
        if self.identity is not None:
            self.sign_in(self.identity)
        if self.world.random.random() < 0.3:  # Some clients do not keep journals.
            self.journals.clear()
        for query_id, query in self.queries.items():
            reactor.subscribe(subscriber, query_id, query.path, query.args, self.journals.get(query_id))
        reactor.modified(subscriber, 1)
        for request in self.pending:  # Unsettled mutations are sent again.
            self.world.lane.append(Mutation(self, subscriber, request))

    def reconnect(self) -> None:
        self.world.reactor.detach(self.subscriber)
        self.connect()

    def sign_in(self, identity: str | None) -> None:
        self.identity = identity
        self.identities[self.subscriber.identity_no + 1] = identity
        self.world.reactor.identify(self.subscriber, identity_of(identity), identity or "")

    def modify(self) -> None:
        """Add or remove a few queries, in one modification."""
        rnd, reactor = self.world.random, self.world.reactor
        for _ in range(rnd.randint(1, 2)):
            if self.queries and rnd.random() < 0.35:
                query_id = rnd.choice(list(self.queries))
                del self.queries[query_id]
                reactor.unsubscribe(self.subscriber, query_id)
            elif len(self.queries) < 5:
                query_id, self.next_query_id = self.next_query_id, self.next_query_id + 1
                self.queries[query_id] = query = self.world.any_query()
                reactor.subscribe(self.subscriber, query_id, query.path, query.args, None)
        query_set = self.subscriber.query_set + 1
        self.query_sets[query_set] = dict(self.queries)
        reactor.modified(self.subscriber, query_set)

    def mutate(self) -> None:
        request, self.next_request = self.next_request, self.next_request + 1
        self.pending[request] = None
        self.world.lane.append(Mutation(self, self.subscriber, request))

    def act(self) -> None:
        """Do one of the things that clients do."""
        dice = self.world.random.random()
        if dice < 0.25:
            self.modify()
        elif dice < 0.30:
            self.sign_in(self.world.random.choice([None, "x", "y"]))
        elif dice < 0.32:
            self.reconnect()
        elif dice < 0.42:
            self.world.ask(self)
        elif dice < 0.65 and len(self.pending) < 3:
            self.mutate()
        else:
            self.take()

    def take(self) -> None:
        """Take the next message off the wire."""
        if not self.wire.frames:
            return
        frame = self.wire.frames.popleft()
        if isinstance(frame, Transition):
            self.apply(frame)
            self.wire.unsent_transitions -= 1
            self.world.reactor.consider(self.subscriber)
        elif frame.ts is None:
            self.pending.pop(frame.request, None)
        elif frame.request in self.pending:
            self.pending[frame.request] = frame.ts

    def apply(self, transition: Transition) -> None:
        assert transition.start == self.version, "I2 start version"
        assert transition.end.ts >= self.seen_ts, "I2 the timestamp went back"
        assert [i for i, _ in transition.updates] == sorted({i for i, _ in transition.updates})
        self.version, self.seen_ts = transition.end, transition.end.ts
        for query_id in transition.removed:
            self.view.pop(query_id, None)
        updates = dict(transition.updates)
        self.view |= updates
        queries = self.query_sets[self.version.query_set]
        assert set(queries) <= set(self.view), "I5 not acknowledged"
        self.check_view(queries, self.identities[self.version.identity], self.version.ts, updates)
        self.settle_mutations()

    def check_view(self, queries: dict[int, Query], identity: str | None, ts: int, updates: dict[int, Result]) -> None:
        """Everything shown has to be what one run of one code at one moment would answer on this snapshot."""
        state = self.world.states[ts]
        shown = {i: _text(self.view[i]) for i in queries}
        codes = {text.split(",")[0][1:] for text in shown.values() if text != "refused"}
        assert len(codes) <= 1, f"I1 versions of the code {codes}"
        code = int(codes.pop()) if codes else 0
        now = self.moment(queries, shown, state)
        for i, query in queries.items():
            expected = expectation(query, identity, self.journals.get(i), code, state, now)
            assert shown[i] == _text(expected), f"I1 torn view: {query} of {identity} at {ts} is not {shown[i]}"
            if expected.journal is not None:
                assert i not in updates or updates[i].journal == expected.journal, "I1 another journal"
                self.journals[i] = expected.journal

    def moment(self, queries: dict[int, Query], shown: dict[int, str], state: State) -> float:
        """A time of day at which all that depends on it could have been answered."""
        earliest, latest = 0.0, self.world.now
        for i, query in queries.items():
            if query.path == "before":
                limit = state.points[int(query.args[1:-1])]
                if shown[i].endswith("True)"):
                    latest = min(latest, limit - 1)
                else:
                    earliest = max(earliest, limit)
        assert earliest <= latest, "I1 two moments in one view"
        return earliest

    def settle_mutations(self) -> None:
        for request, ts in list(self.pending.items()):
            done = self.world.committed.get((self.number, request))
            if ts is None and done is not None and done.subscriber is self.subscriber:
                assert done.ts > self.version.ts, "I3 transition before response"
            if ts is not None and ts <= self.version.ts:
                del self.pending[request]

    def check_rest(self) -> None:
        assert not self.pending, "I4 a promise never resolved"
        expected_version = (self.subscriber.query_set, self.subscriber.identity_no)
        assert self.version[:2] == expected_version, "I5 versions at rest"
        assert set(self.view) == set(self.queries), "I5 queries at rest"
        world = self.world
        for i, query in self.queries.items():
            expected = expectation(query, self.identity, self.journals.get(i), world.code, world.state, world.now)
            assert _text(self.view[i]) == _text(expected), f"I6 stale at rest: {query} of {self.identity}"


def expectation(query: Query, identity: str | None, journal: str | None, code: int, state: State, now: float) -> Result:
    if query.path == SECRET and identity is None:
        return REFUSED
    call = Call(path=query.path, args=query.args, identity=identity_of(identity), journal=journal)
    return Result(run(call, code, state, now))


def _text(result: Result) -> str:
    return result.failure.message if result.failure is not None else result.value.decode()


class Mutation(NamedTuple):
    client: Client
    subscriber: Subscriber
    request: int


class Done(NamedTuple):
    """When a mutation committed, and over which connection it was asked for."""

    ts: int
    subscriber: Subscriber


class Record(NamedTuple):
    """A commit's whole reply, as it stands in the database until it is published."""

    ts: int
    keys: list[IndexKey]
    outcomes: list[tuple[Mutation, int | None]]

    def responses(self) -> list[Response]:
        return [Response(m.subscriber, Answer(m.request, ts), ts) for m, ts in self.outcomes]


class Single(NamedTuple):
    """A query that a client asked without subscribing."""

    client: Client
    query: Query
    identity: str | None
    floor: int


class ModelReader:
    """A reader: the lane's half, which hears messages, and the process, which works through its inbox."""

    def __init__(self, world: "World", code: int) -> None:
        self.world = world
        self.code = code
        self.inbox: deque[Callable[[], None]] = deque()
        self.outbox: deque[Callable[[], None]] = deque()
        self.snapshot_ts: int | None = None
        self.round: Round | None = None
        self.asked = False
        self.shot: Shot | None = None
        self.singles: list[Single] = []
        self.singles_now = 0.0
        self.dead = False

    @property
    def busy(self) -> bool:
        return self.round is not None or self.shot is not None

    @property
    def opening(self) -> bool:
        return self.shot is not None or (self.round is not None and self.round.ts is None)

    # What the reactor asks for.

    def open(self, round: Round, /) -> None:
        self.round, self.asked = round, False
        self._tell(partial(self._open, round))

    def run(self, round: Round, calls: list[Call], /) -> None:
        assert round is self.round
        self.world.check_distinct(round)
        if not self.asked:  # Later calls are second runs, for those who cannot share the first.
            self.world.check_needed(round, calls)
        self.asked = True
        for call in calls:
            self._tell(partial(self._run, round, call))

    def close(self, round: Round, /) -> None:
        assert round is self.round
        self._tell(partial(self._close, round))

    def start_singles(self) -> None:
        world = self.world
        self.singles, world.singles = world.singles[:2], world.singles[2:]
        self.singles_now = world.now
        self.shot = world.reactor.begin_shot()
        self._tell(partial(self._run_singles, self.singles, self.singles_now))

    def _tell(self, message: Callable[[], None]) -> None:
        if not self.dead:
            self.inbox.append(message)

    # The process.

    def work(self) -> None:
        self.inbox.popleft()()

    def die(self) -> None:
        """What it said is still on its way; what it was told is lost."""
        self.dead, self.inbox, self.snapshot_ts = True, deque(), None
        self.outbox.append(self._hear_death)

    def _open(self, round: Round) -> None:
        self.snapshot_ts = self.world.open_snapshot(self.code)
        self.outbox.append(partial(self.world.reactor.opened, round, self.snapshot_ts))

    def _run(self, round: Round, call: Call) -> None:
        assert self.snapshot_ts is not None
        assert call.now == round.now
        outcome = run(call, self.code, self.world.states[self.snapshot_ts], call.now)
        self.outbox.append(partial(self._hear_outcome, round, call, outcome))

    def _close(self, _round: Round) -> None:
        self.snapshot_ts = None
        self.outbox.append(self._hear_close)

    def _run_singles(self, singles: list[Single], now: float) -> None:
        """A batch of single queries; perhaps the budget ends before the last."""
        ts = self.world.open_snapshot(self.code)
        done = singles[: self.world.random.randint(1, len(singles))]
        outcomes = [run(_call(single), self.code, self.world.states[ts], now) for single in done]
        self.outbox.append(partial(self._hear_singles, ts, outcomes))

    # The lane hears it.

    def hear(self) -> None:
        self.outbox.popleft()()

    def _hear_outcome(self, round: Round, call: Call, outcome: Outcome) -> None:
        self.world.note_run(round, call, outcome)
        self.world.reactor.outcome(round, outcome)

    def _hear_close(self) -> None:
        round, self.round = self.round, None
        assert round is not None
        assert not any(s.round is round for s in round.subscribers if s.alive), "I9 left without an answer"
        self.world.reactor.finished(round)
        self.world.dismiss_old_readers()

    def _hear_singles(self, ts: int, outcomes: list[Outcome]) -> None:
        world, shot, singles, now = self.world, self.shot, self.singles, self.singles_now
        assert shot is not None
        self.shot, self.singles = None, []
        world.singles[:0] = singles[len(outcomes) :]
        world.finish_singles(shot, ts, now, list(zip(singles, outcomes, strict=False)), self.code)
        world.dismiss_old_readers()

    def _hear_death(self) -> None:
        self.dead = False  # Another process takes its place.
        if self.round is not None:
            round, self.round = self.round, None
            self.world.reactor.finished(round)
        if self.shot is not None:
            shot, self.shot = self.shot, None
            self.world.singles[:0] = self.singles
            self.singles = []
            self.world.reactor.end_shot(shot)
        self.world.dismiss_old_readers()


def _call(single: Single) -> Call:
    return Call(path=single.query.path, args=single.query.args, identity=identity_of(single.identity))


class World:
    """One schedule. `play` it; an `AssertionError` says what did not hold."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.write_weight = 1 + seed % 8
        self.round_subscribers = 1 + seed % ROUND_SUBSCRIBERS_MAX
        self.cache_bytes = self.random.choice(CACHE_BYTES)
        self.now = 10.0
        self.late_ticks = REST_TICKS
        self.ts = 1
        self.state = State()
        self.states = {1: self.state}
        self.code = 0
        self.swap_ts = 0
        self.swapping = False
        self.lane: list[Mutation] = []
        self.batch: list[Mutation] | None = None
        self.unsent: Record | None = None
        self.outbox: list[Record] = []
        self.from_writer: deque[Callable[[], None]] = deque()
        self.singles: list[Single] = []
        self.committed: dict[tuple[int, int], Done] = {}
        self.runs: dict[tuple[int, int], int] = {}
        self.waited: dict[Subscriber, int] = {}
        self.learned: dict[QueryKey, list[tuple[int, float, str | None, Outcome]]] = {}
        self.written: list[tuple[int, set[IndexKey]]] = []
        self.reactor = Reactor(
            clock=lambda: self.now,
            resolve=self._resolve,
            round_subscribers_max=self.round_subscribers,
            cache_bytes_max=self.cache_bytes,
        )
        self.reactor.published = self.ts
        self.readers = [ModelReader(self, 0), ModelReader(self, 0)]
        self.clients = [Client(self, number) for number in range(CLIENTS)]

    @staticmethod
    def _resolve(path: str, args: bytes, journal: str | None, subscriber: Subscriber) -> Resolved:
        if path == SECRET and subscriber.identity is None:
            return Resolved(None, REFUSED)
        return Resolved(QueryKey(path, args, journal))

    def any_query(self) -> Query:
        path = self.random.choice(PATHS)
        return Query(path, args_of(path, self.random.randrange(30)))

    # -- the schedule

    def play(self) -> None:
        for _ in range(self.random.randint(LOAD_STEPS_MIN, LOAD_STEPS_MAX)):
            self.step(self.rest_events() + self.load_events())
            self.check_always()
        for _ in range(REST_STEPS_MAX):
            events = [event for event in self.rest_events(resting=True) if event[0]]
            if not events:
                break
            self.step(events)
        else:
            raise AssertionError("it never comes to rest")
        self.check_rest()
        self.check_nothing_left()

    def step(self, events: list[tuple[float, Callable[[], object]]]) -> None:
        """Do one of the things that can happen next."""
        [(_, event)] = self.random.choices(events, [event[0] for event in events])
        event()

    def rest_events(self, *, resting: bool = False) -> list[tuple[float, Callable[[], object]]]:
        """What happens by itself, and must."""
        idle_writer = self.batch is None and not self.from_writer and not self.swapping
        events: list[tuple[float, Callable[[], object]]] = [
            (len(self.from_writer) and 2, self.hear_writer),
            (len(self.lane) and idle_writer, self.begin_batch),
            (self.batch is not None and self.unsent is None and self.write_weight, self.commit),
            (self.unsent is not None, self.reply),
            (self.reactor.next_expiry() <= self.now and 0.2, self.reactor.clock_moved),
            (self.swapping and self.may_swap(), self.swap),
        ]
        if resting:
            events.append((self.late_ticks and 0.2, self.late_tick))
        events += [(bool(client.wire.frames), client.take) for client in self.clients]
        for number, reader in enumerate(self.readers):
            slow = 1.0 if number % 2 else 0.2  # One is slow to be heard.
            free = not (reader.busy or self.swapping)
            events += [
                (len(reader.outbox) and 3 * slow, reader.hear),
                (len(reader.inbox) and 2, reader.work),
                (len(self.reactor.waiting) and free, partial(self.start_round, reader)),
                (len(self.singles) and free, reader.start_singles),
            ]
        return events

    def load_events(self) -> list[tuple[float, Callable[[], object]]]:
        """What happens only as long as somebody is there, or breaks."""
        events: list[tuple[float, Callable[[], object]]] = [(1, client.act) for client in self.clients]
        events += [
            (0.3, self.tick),
            (self.batch is not None and 0.05, self.writer_dies),
            (not self.swapping and 0.03, self.begin_swap),
        ]
        events += [(reader.busy and not reader.dead and 0.03, reader.die) for reader in self.readers]
        return events

    # -- the writer

    def begin_batch(self) -> None:
        self.batch, self.lane = self.lane, []

    def commit(self) -> None:
        """Group commit: one timestamp; records, keys and the reply itself in one transaction."""
        assert self.batch is not None
        ts, state = self.ts + self.random.randint(1, 3), self.state
        keys: dict[IndexKey, None] = {}
        outcomes: list[tuple[Mutation, int | None]] = []
        for mutation in self.batch:
            call = mutation.client.number, mutation.request
            if call not in self.committed:
                if self.random.random() < 0.1:  # It fails and leaves nothing.
                    outcomes.append((mutation, None))
                    continue
                state = self._write(state, keys)
                self.committed[call] = Done(ts, mutation.subscriber)
                self.runs[call] = self.runs.get(call, 0) + 1
            outcomes.append((mutation, self.committed[call].ts))
        self.ts, self.state = ts, state
        self.states[ts] = state
        self.written.append((ts, set(keys)))
        self.unsent = Record(ts, list(keys), outcomes)
        self.outbox.append(self.unsent)

    def _write(self, state: State, keys: dict[IndexKey, None]) -> State:
        for _ in range(self.random.randint(0, 2)):
            if self.random.random() < 0.3:
                channel, position = self.random.randrange(CHANNELS), self.random.randrange(POSITIONS)
                state = state.with_row_flipped(channel, position)
                keys[row_key(channel, position)] = None
            else:
                point = self.random.randrange(POINTS)
                state = state.with_point(point, int(self.now) + self.random.randint(-3, 6))
                keys[point_key(point)] = None
        return state

    def reply(self) -> None:
        assert self.unsent is not None
        self.from_writer.append(partial(self.publish, self.unsent))
        self.batch = self.unsent = None

    def writer_dies(self) -> None:
        assert self.batch is not None
        self.from_writer.append(partial(self.recover, self.batch))
        self.batch = self.unsent = None

    def hear_writer(self) -> None:
        self.from_writer.popleft()()

    def publish(self, record: Record) -> None:
        self.reactor.publish(record.ts, record.keys, record.responses())

    def recover(self, batch: list[Mutation]) -> None:
        """The successor tells what was committed and not told; what was not committed is run again."""
        lost = [record for record in self.outbox if record.ts > self.reactor.published]
        for record in lost:
            self.publish(record)
        if not lost:
            self.lane[:0] = batch

    # -- the readers

    def open_snapshot(self, code: int) -> int:
        assert code == self.code or self.ts < self.swap_ts, "old code opened new data"
        return self.ts

    def start_round(self, reader: ModelReader) -> None:
        self.reactor.start_round(reader)
        self.waited = {s: self.waited.get(s, 0) + 1 for s in self.reactor.waiting if s.alive}
        limit = -(-len(self.reactor.subscribers) // self.round_subscribers)
        assert all(waited <= limit for waited in self.waited.values()), "I7 starved"

    def dismiss_old_readers(self) -> None:
        self.readers = [r for r in self.readers if r.code == self.code or r.busy or r.outbox]

    # -- single queries

    def ask(self, client: Client) -> None:
        query, identity = self.any_query(), client.identity
        if query.path == SECRET and identity is None:
            return
        floor = max(self.reactor.published, client.answered_ts)
        known = self.reactor.recall(QueryKey(*query), identity or "")
        if known is None:
            self.singles.append(Single(client, query, identity, floor))
            return
        self.check_answer(Single(client, query, identity, floor), known, self.reactor.published, self.code, self.now)

    def finish_singles(self, shot: Shot, ts: int, now: float, answers: list[tuple[Single, Outcome]], code: int) -> None:
        def tell() -> None:
            for single, outcome in answers:
                key = QueryKey(*single.query)
                result = self.reactor.learn(shot, key, single.identity or "", ts, now, outcome)
                self.check_answer(single, result, ts, code, now)
            self.reactor.end_shot(shot)

        self.reactor.when_published(ts, tell)

    def check_answer(self, single: Single, result: Result, ts: int, code: int, now: float) -> None:
        assert ts >= single.floor, "I8 an answer older than what was seen"
        single.client.answered_ts = max(single.client.answered_ts, ts)
        expected = expectation(single.query, single.identity, None, code, self.states[ts], now)
        assert _text(result) == _text(expected), f"I8 wrong answer to {single.query} of {single.identity} at {ts}"

    # -- time and code

    def tick(self) -> None:
        self.now += 1

    def late_tick(self) -> None:
        self.late_ticks -= 1
        self.tick()

    def begin_swap(self) -> None:
        self.swapping = True

    def may_swap(self) -> bool:
        return self.batch is None and not self.from_writer and not any(reader.opening for reader in self.readers)

    def swap(self) -> None:
        """A deploy's hand-over: the writer is idle, every snapshot open; then the new code commits."""
        self.swapping = False
        self.code += 1
        self.ts = self.swap_ts = self.ts + 1
        self.states[self.ts] = self.state
        self.readers = [ModelReader(self, self.code), ModelReader(self, self.code), *self.readers]
        self.dismiss_old_readers()
        self.reactor.publish(self.ts, [])
        self.reactor.deploy(self.code)
        self.learned.clear()

    # -- what must hold

    def note_run(self, round: Round, call: Call, outcome: Outcome) -> None:
        if round.code == self.code:
            assert round.ts is not None
            who = None if not outcome.personal else call.identity.subject if call.identity else ""
            for journal in {call.journal, outcome.journal}:
                key = QueryKey(call.path, call.args, journal)
                self.learned.setdefault(key, []).append((round.ts, round.now, who, outcome))

    @staticmethod
    def check_distinct(round: Round) -> None:
        running = [(entry.key, who) for entry, who in round.running]
        assert len(running) == len(set(running)), "I9 the same call twice at a time"

    def check_needed(self, round: Round, calls: list[Call]) -> None:
        """What a round asks for is what no answer that still holds tells."""
        if self.cache_bytes < max(CACHE_BYTES):
            return
        assert round.ts is not None
        for call in calls:
            who = call.identity.subject if call.identity else ""
            for ts, ran_at, audience, outcome in self.learned.get(QueryKey(call.path, call.args, call.journal), ()):
                mine = ts <= round.ts and (audience is None or audience == who)
                timely = not outcome.timed or ran_at <= self.now < outcome.expires
                assert not (mine and timely and self.untouched_since(ts, outcome)), f"I9 {call.path} was run again"

    def untouched_since(self, ts: int, outcome: Outcome) -> bool:
        return not any(
            key.index == read.index
            and key.key.startswith(read.prefix)
            and (read.start is None or read.start <= key.key)
            and (read.end is None or key.key < read.end)
            for commit_ts, keys in self.written
            if ts < commit_ts <= self.reactor.published
            for key in keys
            for read in outcome.reads
        )

    def check_always(self) -> None:
        cache = self.reactor.cache
        assert cache.size_bytes <= cache.bytes_max or not cache._idle, "I10 the cache is too heavy"
        assert all(node.current for node in cache._idle), "I10 results are kept that nobody can use"

    def check_rest(self) -> None:
        assert not self.reactor.rounds, "a round never ended"
        assert not self.singles
        for client in self.clients:
            client.check_rest()
        assert set(self.runs.values()) <= {1}, "I6 a mutation ran twice"

    def check_nothing_left(self) -> None:
        """When everybody is gone and nothing may be cached, the reactor is as empty as a new one."""
        for client in self.clients:
            self.reactor.detach(client.subscriber)
        for reader in self.readers:  # Who waited and left is still in the line.
            assert not self.reactor.start_round(reader)
        reactor, cache = self.reactor, self.reactor.cache
        cache.bytes_max = 0
        reactor.attach(last := Subscriber(Wire(self)))
        reactor.subscribe(last, 0, "pair", b"[0]", None)
        reactor.detach(last)
        assert not reactor.rounds, "a round never ended"
        assert not reactor.subscribers
        assert not reactor.waiting
        assert not len(cache), "entries are left in the cache"
        assert cache.size_bytes == 0, "bytes are left in the cache"
        assert not reactor._reads, "read sets are left in the index"
        assert not reactor._log, "commits are left in the log"
        assert not reactor._shots, "a snapshot is never let go"
        assert reactor.next_expiry() == INFINITY, "an alarm is left"
