"""
The model's clients: what the shipped ones do, and a check of every message that they take.
"""

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from joelclaw.engine.results import Result
from joelclaw.engine.subscribers import Subscriber, Transition
from tests.engine.model.database import Query, State, expectation, identity_of, text_of

if TYPE_CHECKING:
    from tests.engine.model.world import World


class Mutation(NamedTuple):
    """A call that waits in the writer's lane."""

    client: "Client"
    subscriber: Subscriber
    request: int


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
        shown = {i: text_of(self.view[i]) for i in queries}
        codes = {text.split(",")[0][1:] for text in shown.values() if text != "refused"}
        assert len(codes) <= 1, f"I1 versions of the code {codes}"
        code = int(codes.pop()) if codes else 0
        now = self.moment(queries, shown, state)
        for i, query in queries.items():
            expected = expectation(query, identity, self.journals.get(i), code, state, now)
            assert shown[i] == text_of(expected), f"I1 torn view: {query} of {identity} at {ts} is not {shown[i]}"
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
            assert text_of(self.view[i]) == text_of(expected), f"I6 stale at rest: {query} of {self.identity}"
