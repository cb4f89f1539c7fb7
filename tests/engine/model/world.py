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

Elsewhere: `database.py` holds the data and the queries, `clients.py` and `readers.py` who uses
them, `mutants.py` wrong reactors, of which the checker has to catch every one.
"""

# ruff: noqa: SLF001  # Whether anything is left can only be seen from inside.

import random
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from joelclaw.engine.reactor import Reactor, Resolved, Response, Round, Shot
from joelclaw.engine.results import QueryKey, Result
from joelclaw.engine.subscribers import Subscriber
from joelclaw.functions.calls import INFINITY, Call, Outcome
from joelclaw.store.protocol import IndexKey
from tests.engine.model.clients import Answer, Client, Mutation, Wire
from tests.engine.model.database import (
    CHANNELS,
    PATHS,
    POINTS,
    POSITIONS,
    REFUSED,
    SECRET,
    Query,
    State,
    args_of,
    expectation,
    point_key,
    row_key,
    text_of,
)
from tests.engine.model.readers import ModelReader, Single

CLIENTS = 5
ROUND_SUBSCRIBERS_MAX = 3
LOAD_STEPS_MIN, LOAD_STEPS_MAX = 40, 360
REST_STEPS_MAX = 5_000
REST_TICKS = 8
"""Time goes on a little when nothing else happens any more: long enough for most results to expire."""

CACHE_BYTES = (0, 3_500, 10**9)


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
        assert text_of(result) == text_of(expected), f"I8 wrong answer to {single.query} of {single.identity} at {ts}"

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
