"""
The reactor: many live queries on several readers become one consistent view for each client.

A pure object, events in, messages out: no I/O, no clock of its own, nothing awaited. The
order of the steps in `publish`, `_begin` and `_emit` carries the guarantees; a model checker in
the tests plays random schedules against it.

Words: `published` is the newest commit whose record the gateway has applied. A *round* is
one reader, one open snapshot, some subscribers, and the calls that those need on that
snapshot. A *plan* is what one subscriber's next transition will answer, frozen when its
round began; nothing of it is consumed until it is sent, so a reader that dies costs nothing.

What holds:

- a transition is one snapshot, one moment, one identity, one version of the code;
- a response is queued before any transition that shows its commit, and one at or past it
  follows always;
- versions fit end to start, timestamps never go back;
- waiting subscribers take turns, so each is served after a bounded number of rounds.

Elsewhere: `results.py` keeps nodes and entries, `read_index.py` finds what a commit disturbs,
`reader_lane.py` owns the processes behind `RoundReader`, `sync/` turns transitions into frames.
"""

from collections import deque
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from itertools import count
from typing import NamedTuple, Protocol

from joelclaw.engine.read_index import ReadIndex, WrittenKeys, distinct
from joelclaw.engine.results import EVERYBODY, ISOLATE_DIED, Cache, Entry, Node, QueryKey, Result
from joelclaw.engine.subscribers import Subscriber, Subscription, Transition, Version
from joelclaw.functions.calls import INFINITY, Call, Identity, Outcome, Range
from joelclaw.store.protocol import IndexKey

ROUND_SUBSCRIBERS_MAX = 1_024
CACHE_BYTES_MAX = 64 * 1024 * 1024
EXPIRIES_SLACK = 64
"""Expiries of results that were replaced: at most so many, or as many as there are others."""


class Resolved(NamedTuple):
    """What a client's query comes to: a key to run, or an answer that needs no run (`refusal`)."""

    key: QueryKey | None
    refusal: Result | None = None


class Plan:
    """What one subscriber's next transition answers."""

    __slots__ = (
        "identity",
        "identity_key",
        "missing",
        "queries",
        "removed",
        "results",
        "subscriber",
        "timed",
        "versions",
    )

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.versions = (subscriber.query_set, subscriber.identity_no)
        self.identity = subscriber.identity
        self.identity_key = subscriber.identity_key
        self.queries = dict(subscriber.queries)
        self.removed = frozenset(subscriber.removed)
        self.results: dict[int, Result] = {}
        self.missing = 0
        self.timed = False


class Response(NamedTuple):
    """A mutation came to its end: what to tell the client, and which commit its next transition must cover."""

    subscriber: Subscriber
    message: object
    ts: int | None
    """None: it failed."""


class Shot:
    """A snapshot in use; while it is, the log of commits reaches back to its floor."""

    __slots__ = ("code", "floor")

    def __init__(self, code: int, floor: int) -> None:
        self.code = code
        self.floor = floor


class Needs:
    """Who in a round waits for one query: (plan, query id), by identity."""

    __slots__ = ("by_identity", "identities")

    def __init__(self) -> None:
        self.by_identity: dict[str, list[tuple[Plan, int]]] = {}
        self.identities: dict[str, Identity | None] = {}


class Round(Shot):
    """One reader, one open snapshot, some subscribers."""

    __slots__ = ("began", "needs", "now", "plans", "reader", "running", "subscribers", "ts")

    def __init__(self, reader: "RoundReader", code: int, floor: int, subscribers: list[Subscriber]) -> None:
        super().__init__(code, floor)
        self.reader = reader
        self.subscribers = subscribers
        self.ts: int | None = None
        self.now = 0.0
        self.began = False
        self.plans: list[Plan] = []
        self.needs: dict[Entry, Needs] = {}
        self.running: deque[tuple[Entry, str]] = deque()
        """Calls asked for and not yet answered, in order, with the identity that each runs for."""


class RoundReader(Protocol):
    """A reader isolate, as the reactor sees one. Answers come back as `opened`, `outcome` (in order), `finished`."""

    def open(self, round: Round, /) -> None: ...

    def run(self, round: Round, calls: list[Call], /) -> None: ...

    def close(self, round: Round, /) -> None: ...


Resolve = Callable[[str, bytes, str | None, Subscriber], Resolved]
"""Path, canonical arguments, journal, and who asks."""


class Reactor:
    """See the module's text. All methods return at once; none may be called from within another's effects."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        resolve: Resolve,
        round_wanted: Callable[[], None] = lambda: None,
        expires_sooner: Callable[[], None] = lambda: None,
        round_subscribers_max: int = ROUND_SUBSCRIBERS_MAX,
        cache_bytes_max: int = CACHE_BYTES_MAX,
    ) -> None:
        self.clock = clock
        self.resolve = resolve
        self.round_wanted = round_wanted
        self.expires_sooner = expires_sooner
        self.round_subscribers_max = round_subscribers_max
        self.published = 0
        self.recalled = 0
        """Queries that `recall` answered."""

        self.code = 0
        self.cache = Cache(cache_bytes_max)
        self.subscribers: dict[Subscriber, None] = {}
        self.waiting: deque[Subscriber] = deque()
        self.rounds: list[Round] = []
        self._shots: set[Shot] = set()
        self._log: deque[tuple[int, WrittenKeys]] = deque()
        self._early: list[tuple[int, int, Callable[[], None]]] = []
        self._reads: ReadIndex[Node] = ReadIndex()
        self._expiries: list[tuple[float, int, Node]] = []
        self._expiries_max = EXPIRIES_SLACK
        self._numbers = count()
        self._personal_paths: set[str] = set()
        """Functions that were seen to look at the identity: run for each identity at once, not for one first."""

    # -- from the writer lane

    def publish(self, ts: int, keys: Sequence[IndexKey], responses: Sequence[Response] = ()) -> None:
        """Apply one commit in one step: invalidate, queue the responses, then see who can move."""
        self.published = ts
        if self._shots and keys:
            self._log.append((ts, WrittenKeys(keys)))
        woken: dict[Subscriber, None] = {}
        for node in sorted(self._reads.stab(keys), key=_number) if self._reads else ():
            woken.update(dict.fromkeys(node.entry.watchers(node.audience)))
            self._retire(node, ts)
        answered = self._queue(responses)
        for subscriber in woken | answered:
            self.mark(subscriber)
        for round in [r for r in self.rounds if not r.began and self.may_begin(r)]:
            self._begin(round)
        while self._early and self._early[0][0] <= ts:
            heappop(self._early)[2]()
        self._trim_log()

    def when_published(self, ts: int, then: Callable[[], None]) -> None:
        """Do this once everybody may see this commit: at once, or in the step that publishes it."""
        if ts <= self.published:
            then()
        else:
            heappush(self._early, (ts, next(self._numbers), then))

    def respond(self, responses: Sequence[Response]) -> None:
        """Outcomes without a commit: everything failed, or was found in the records."""
        for subscriber in self._queue(responses):
            self.mark(subscriber)

    def _queue(self, responses: Sequence[Response]) -> dict[Subscriber, None]:
        """Hand over all responses before anybody is marked: a batch may hold several calls of one connection."""
        answered: dict[Subscriber, None] = {}
        for subscriber, message, ts in responses:
            if subscriber.alive:
                subscriber.outbound.response(message)
                subscriber.owed_ts = max(subscriber.owed_ts or 0, ts or 0)
                answered[subscriber] = None
        return answered

    def _retire(self, node: Node, ts: int) -> None:
        """From this commit on the node is history: it needs no waking any more."""
        self._reads.remove(node.reads, node)
        node.until = ts
        if not node.entry.wanted(node.audience):
            self.cache.drop(node)

    def _trim_log(self) -> None:
        if not self._shots:
            self._log.clear()
            return
        floor = min(shot.floor for shot in self._shots)
        while self._log and self._log[0][0] <= floor:
            self._log.popleft()

    def first_touch(self, since: int, reads: Sequence[Range]) -> float:
        """The first commit after `since` that met these reads, among those that are published."""
        for ts, keys in self._log:
            if ts > since and keys.disturb(reads):
                return ts
        return INFINITY

    # -- subscribers

    def attach(self, subscriber: Subscriber) -> None:
        self.subscribers[subscriber] = None

    def detach(self, subscriber: Subscriber) -> None:
        """The connection is gone; what it was owed went with it."""
        subscriber.alive = False
        self.subscribers.pop(subscriber, None)
        for subscription in subscriber.queries.values():
            self._leave(subscription)

    def subscribe(self, subscriber: Subscriber, query_id: int, path: str, args: bytes, journal: str | None) -> None:
        """Add a query; `modified` must follow when the whole modification is applied."""
        subscription = Subscription(subscriber, path, args, journal)
        subscriber.queries[query_id] = subscription
        self._enter(subscription)

    def unsubscribe(self, subscriber: Subscriber, query_id: int) -> None:
        subscription = subscriber.queries.pop(query_id)
        self._leave(subscription)
        subscription.entry = None
        subscriber.removed.add(query_id)

    def modified(self, subscriber: Subscriber, query_set: int) -> None:
        subscriber.query_set = query_set
        self.mark(subscriber)

    def identify(
        self,
        subscriber: Subscriber,
        identity: Identity | None,
        identity_key: str,
        *,
        privileged: bool = False,
        read_only: bool = False,
    ) -> None:
        """Another identity from here on: every query answers to it, those that never looked need no run."""
        for subscription in subscriber.queries.values():
            self._leave(subscription)
        subscriber.identity, subscriber.identity_key = identity, identity_key
        subscriber.privileged, subscriber.read_only = privileged, read_only
        for subscription in subscriber.queries.values():
            self._enter(subscription)
        subscriber.identity_no += 1
        self.mark(subscriber)

    def _enter(self, subscription: Subscription) -> None:
        """Find the entry of a subscription, or why there is none, and be woken with it."""
        subscriber = subscription.subscriber
        resolved = self.resolve(subscription.path, subscription.args, subscription.journal, subscriber)
        subscription.refusal, subscription.entry = resolved.refusal, None
        if resolved.key is not None:
            self._join(subscription, resolved.key)

    def _join(self, subscription: Subscription, key: QueryKey) -> Entry:
        subscription.entry = entry = self.cache.entry(key)
        self.cache.subscribe(entry, subscription.subscriber.identity_key, subscription)
        return entry

    def _leave(self, subscription: Subscription) -> None:
        if subscription.entry is not None:
            self.cache.unsubscribe(subscription.entry, subscription.subscriber.identity_key, subscription)
            self._lighten()

    def mark(self, subscriber: Subscriber) -> None:
        """Something may have changed for it."""
        subscriber.dirty = True
        self.consider(subscriber)

    def consider(self, subscriber: Subscriber) -> None:
        """Answer from memory if every result holds at this moment, else wait for a round. Also for drained sockets."""
        s = subscriber
        if not (s.alive and s.dirty and s.round is None and not s.waiting and s.has_room()):
            return
        now, ts, key = self.clock(), self.published, s.identity_key
        results: dict[int, Result] = {}
        for query_id, subscription in s.queries.items():
            if subscription.entry is None:
                assert subscription.refusal is not None
                results[query_id] = subscription.refusal
                continue
            node = subscription.entry.find(key, ts, now)
            if node is None:
                s.waiting = True
                self.waiting.append(s)
                self.round_wanted()
                return
            results[query_id] = node.result
        s.dirty = False
        plan = Plan(s)
        plan.results = results
        self._emit(plan, ts)
        if s.dirty:
            self.consider(s)

    def clock_moved(self) -> None:
        """Time went on: results that are wrong by now wake their subscribers."""
        now = self.clock()
        woken: dict[Subscriber, None] = {}
        while self._expiries and self._expiries[0][0] <= now:
            _, _, node = heappop(self._expiries)
            if self.cache.holds(node):
                woken.update(dict.fromkeys(node.entry.watchers(node.audience)))
        for subscriber in woken:
            self.mark(subscriber)

    def next_expiry(self) -> float:
        """When to call `clock_moved` next, in milliseconds."""
        while self._expiries and not self.cache.holds(self._expiries[0][2]):
            heappop(self._expiries)
        return self._expiries[0][0] if self._expiries else INFINITY

    def deploy(self, code: int) -> None:
        """Another version of the code answers from here on; what the old one answered is forgotten."""
        self.code = code
        self.cache.clear()
        self._reads, self._expiries, self._personal_paths = ReadIndex(), [], set()
        for subscriber in self.subscribers:
            for subscription in subscriber.queries.values():
                self._enter(subscription)
        for subscriber in list(self.subscribers):
            self.mark(subscriber)

    # -- rounds

    def start_round(self, reader: RoundReader) -> bool:
        """A reader is free: take those who wait longest. Which calls to run is decided on the open snapshot."""
        picked: list[Subscriber] = []
        while self.waiting and len(picked) < self.round_subscribers_max:
            subscriber = self.waiting.popleft()
            subscriber.waiting = False
            if subscriber.alive and subscriber.has_room():
                picked.append(subscriber)
        if not picked:
            return False
        round = Round(reader, self.code, self.published, picked)
        for subscriber in picked:
            subscriber.round = round
        self.rounds.append(round)
        self._shots.add(round)
        reader.open(round)
        return True

    def opened(self, round: Round, ts: int) -> None:
        assert ts >= round.floor, "a snapshot older than what was published: the storage lies"
        round.ts = ts
        if self.may_begin(round):
            self._begin(round)

    def may_begin(self, round: Round) -> bool:
        """A snapshot from our future waits for the records of the commits that it holds."""
        return round.ts is not None and self.published >= round.ts

    def _begin(self, round: Round) -> None:
        """Snapshot and all commits up to it are known: run exactly what does not hold there, on that same snapshot."""
        assert round.ts is not None
        round.began, round.now = True, self.clock()
        if round.code != self.code:  # A deploy came between: the new code's readers serve them.
            self._disband(round)
            round.reader.close(round)
            return
        for subscriber in round.subscribers:
            if not subscriber.alive:
                continue
            subscriber.dirty = False
            plan = Plan(subscriber)
            round.plans.append(plan)
            self._gather(round, plan)
        calls = [call for entry, needs in round.needs.items() for call in self._first_calls(round, entry, needs)]
        if calls:
            round.reader.run(round, calls)
        for plan in round.plans:
            if not plan.missing:
                self._settle(round, plan)
        if not round.running:
            round.reader.close(round)

    def _gather(self, round: Round, plan: Plan) -> None:
        """Take from the cache what holds on the round's snapshot; note the rest as needed."""
        assert round.ts is not None
        for query_id, subscription in plan.queries.items():
            entry = subscription.entry
            if entry is None:
                assert subscription.refusal is not None
                plan.results[query_id] = subscription.refusal
                continue
            node = entry.find(plan.identity_key, round.ts, round.now)
            if node is not None:
                plan.results[query_id] = node.result  # Held by the plan: the cache may move on meanwhile.
                plan.timed |= node.timed
                continue
            needs = round.needs.get(entry)
            if needs is None:
                needs = round.needs[entry] = Needs()
            needs.by_identity.setdefault(plan.identity_key, []).append((plan, query_id))
            needs.identities[plan.identity_key] = plan.identity
            plan.missing += 1

    def _first_calls(self, round: Round, entry: Entry, needs: Needs) -> list[Call]:
        """One run for all, unless the function is known to look at who asks."""
        identities = list(needs.by_identity)
        if entry.key.path not in self._personal_paths:
            identities = identities[:1]
        return [self._call(round, entry, needs, identity_key) for identity_key in identities]

    def _call(self, round: Round, entry: Entry, needs: Needs, identity_key: str) -> Call:
        round.running.append((entry, identity_key))
        return call_of(entry.key, needs.identities[identity_key], round.now)

    def outcome(self, round: Round, outcome: Outcome) -> None:
        """The oldest running call of a round came to its end."""
        assert round.ts is not None
        entry, identity_key = round.running.popleft()
        result = Result(outcome)
        audience = identity_key if outcome.personal else EVERYBODY
        self._keep(entry.key, audience, result, outcome, round, round.ts, round.now)
        needs = round.needs.get(entry)
        if needs is not None:
            if outcome.personal:
                served = needs.by_identity.pop(identity_key, [])
                self._personal_paths.add(entry.key.path)
                self._run_for_the_others(round, entry, needs)
            else:
                served = [place for places in needs.by_identity.values() for place in places]
                needs.by_identity = {}
            if not needs.by_identity:
                del round.needs[entry]
            timed = outcome.timed or outcome.expires < INFINITY
            for plan, query_id in served:
                plan.results[query_id] = result
                plan.timed |= timed
                plan.missing -= 1
                if not plan.missing:
                    self._settle(round, plan)
        if not round.running:
            round.reader.close(round)

    def _run_for_the_others(self, round: Round, entry: Entry, needs: Needs) -> None:
        """One was asked for all and turned out to be for itself: everybody else needs a run of his own."""
        running = {identity_key for other, identity_key in round.running if other is entry}
        calls = [self._call(round, entry, needs, key) for key in list(needs.by_identity) if key not in running]
        if calls:
            round.reader.run(round, calls)

    def _keep(
        self, key: QueryKey, audience: str | None, result: Result, outcome: Outcome, shot: Shot, ts: int, now: float
    ) -> None:
        """Remember a result, with the span of snapshots and moments in which it holds."""
        if shot.code != self.code:
            return
        reads = distinct(outcome.reads)
        until = self.first_touch(ts, reads)
        places = [key]
        if outcome.journal is not None and outcome.journal != key.journal:
            # The next run of a page begins from its journal. On the same snapshot it would end the same.
            places.append(key._replace(journal=outcome.journal))
        outdated: dict[Subscriber, None] = {}
        for place in places:
            entry = self.cache.find(place)
            if until < INFINITY and (entry is None or not entry.wanted(audience)):
                continue
            entry = entry or self.cache.entry(place)
            node = Node(next(self._numbers), entry, audience, result, reads)
            node.since, node.until = ts, until
            node.ran_at = now if outcome.timed else 0.0
            node.expires = outcome.expires
            older = entry.node(audience)
            if older is not None and _tells_more(older, node, now):
                continue
            if older is not None and older.current:
                self._reads.remove(older.reads, older)
                if older.result.digest != result.digest:  # It expired, or equal runs answer differently.
                    outdated.update(dict.fromkeys(entry.watchers(audience)))
            self.cache.put(node)
            if node.current:
                self._reads.add(reads, node)
            if node.expires < INFINITY:
                self._expect_expiry(node)
        self._lighten()
        for subscriber in outdated:
            self.mark(subscriber)

    def _expect_expiry(self, node: Node) -> None:
        heappush(self._expiries, (node.expires, node.number, node))
        if len(self._expiries) > self._expiries_max:  # Replaced results must not stay until they would have expired.
            self._expiries = [expiry for expiry in self._expiries if self.cache.holds(expiry[2])]
            heapify(self._expiries)
            self._expiries_max = 2 * len(self._expiries) + EXPIRIES_SLACK
        if self._expiries[0][2] is node:
            self.expires_sooner()

    def _lighten(self) -> None:
        while (node := self.cache.overweight()) is not None:
            self.cache.drop(node)
            if node.current:
                self._reads.remove(node.reads, node)

    def _settle(self, round: Round, plan: Plan) -> None:
        """All its results are there: a subscriber leaves the round, it does not wait for the others'."""
        assert round.ts is not None
        subscriber = plan.subscriber
        if subscriber.round is not round:
            return
        subscriber.round = None
        self._emit(plan, round.ts)
        if round.ts < self.published or (plan.timed and round.now < self.clock()) or round.code != self.code:
            subscriber.dirty = True
        self.consider(subscriber)

    def finished(self, round: Round) -> None:
        """The reader closed the round's snapshot, or died; who was not served yet waits again."""
        self.rounds.remove(round)
        self._shots.discard(round)
        self._disband(round)
        self._trim_log()

    def _disband(self, round: Round) -> None:
        for subscriber in [s for s in round.subscribers if s.round is round]:
            subscriber.round = None
            self.mark(subscriber)

    def is_personal(self, path: str) -> bool:
        """Was this function seen to look at the identity?"""
        return path in self._personal_paths

    # -- calls that nobody subscribes to

    def recall(self, key: QueryKey, identity_key: str) -> Result | None:
        """
        The answer to this query if it is in memory and holds now.

        Errors are not repeated, they get another try, except those that cost a process each time.
        """
        entry = self.cache.find(key)
        node = entry.find(identity_key, self.published, self.clock()) if entry is not None else None
        if node is None:
            return None
        failure = node.result.failure
        if failure is not None and failure.code != ISOLATE_DIED:
            return None
        self.cache.used(node)
        self.recalled += 1
        return node.result

    def begin_shot(self) -> Shot:
        """A snapshot will be opened, no older than now; `end_shot` must follow."""
        shot = Shot(self.code, self.published)
        self._shots.add(shot)
        return shot

    def learn(
        self,
        shot: Shot,
        key: QueryKey,
        identity_key: str,
        ts: int,
        now: float,
        outcome: Outcome,
        request_id: str = "",
    ) -> Result:
        """Remember what a call answered on a shot's snapshot, which has to be published: see `when_published`."""
        assert ts <= self.published, "nobody would be woken by the commits between"
        result = Result(outcome, request_id)
        audience = identity_key if outcome.personal else EVERYBODY
        self._keep(key, audience, result, outcome, shot, ts, now)
        return result

    def end_shot(self, shot: Shot) -> None:
        self._shots.discard(shot)
        self._trim_log()

    # -- to subscribers

    def _emit(self, plan: Plan, ts: int) -> None:
        s, told = plan.subscriber, plan.subscriber.told
        updates = [(i, result) for i, result in plan.results.items() if told.get(i) != result.digest]
        if not (s.alive and (updates or plan.removed or s.owed_ts is not None or plan.versions != s.sent[:2])):
            return
        if s.owed_ts is not None and self.covers(ts, s.owed_ts):
            s.owed_ts = None
        if len(updates) > 1:
            updates.sort(key=lambda update: update[0])
        for query_id, result in updates:
            told[query_id] = result.digest
            if result.journal is not None:
                self._pin(plan.queries[query_id], result.journal)
        if plan.removed:
            s.removed -= plan.removed
            for query_id in plan.removed:
                told.pop(query_id, None)
        start, end = s.sent, Version(*plan.versions, ts)
        s.sent = end
        s.dirty = s.dirty or s.owed_ts is not None
        s.outbound.transition(Transition(start, end, updates, plan.removed))

    def _pin(self, subscription: Subscription, journal: str) -> None:
        """A page that was shown keeps its end: from now on it is asked for with its journal."""
        if subscription.journal == journal or subscription.entry is None:
            return
        key = subscription.entry.key
        self._leave(subscription)
        subscription.journal = journal
        entry = self._join(subscription, key._replace(journal=journal))
        subscriber = subscription.subscriber
        if entry.find(subscriber.identity_key, self.published, self.clock()) is None:
            subscriber.dirty = True  # Dropped from the cache meanwhile: without a node nothing would wake it.

    def covers(self, ts: int, owed_ts: int) -> bool:
        return ts >= owed_ts


def _number(node: Node) -> int:
    return node.number


def _tells_more(older: Node, newer: Node, now: float) -> bool:
    """Is a kept result worth more than another run's, of this moment? Such runs overlap, and end in any order."""
    if not (older.current and newer.current):
        return older.current or (not newer.current and older.since > newer.since)
    if older.expires <= now or older.ran_at > now:
        return older.ran_at > now
    return older.since <= newer.since and older.result.digest == newer.result.digest


def call_of(key: QueryKey, identity: Identity | None, now: float, request_id: str = "") -> Call:
    """The run that answers a query."""
    return Call(
        path=key.path,
        args=key.args,
        identity=identity,
        privileged=key.privileged,
        request_id=request_id,
        now=now,
        journal=key.journal,
    )
