"""
The reactor's promises one by one, each in the shortest schedule that shows it.

The model checker in `model/` finds such schedules; these are written out to be read.
"""

from collections.abc import Callable

import msgspec

from joelclaw.engine.reactor import EXPIRIES_SLACK, Reactor, Resolved, Response, Round
from joelclaw.engine.results import ISOLATE_DIED, QueryKey
from joelclaw.engine.subscribers import Subscriber, Transition
from joelclaw.functions.calls import Call, Failure, Identity, Outcome, Range
from joelclaw.store.protocol import IndexKey

KEY = IndexKey(1, b"k", (0, 1))
READS = [Range(index=1, prefix=b"k")]
QUERY = QueryKey("q", b"{}")


def value(text: bytes, **more: object) -> Outcome:
    return msgspec.structs.replace(Outcome(value=text, reads=READS), **more)


def always(outcome: Outcome) -> Callable[[Call], Outcome]:
    return lambda _: outcome


class Desk:
    """A reactor, a clock, and one reader that answers when told to."""

    def __init__(self, *, cache_bytes_max: int = 10**9) -> None:
        self.now = 1_000.0
        self.reactor = Reactor(
            clock=lambda: self.now,
            resolve=lambda path, args, journal, _: Resolved(QueryKey(path, args, journal)),
            cache_bytes_max=cache_bytes_max,
        )
        self.reactor.published = 1
        self.answer: Callable[[Call], Outcome] = always(Outcome(reads=READS))
        self.runs: list[Call] = []
        self._calls: list[Call] = []
        self._closed = False

    # The reader.

    def open(self, _round: Round, /) -> None:
        self._closed = False

    def run(self, _round: Round, calls: list[Call], /) -> None:
        self._calls += calls

    def close(self, _round: Round, /) -> None:
        self._closed = True

    def begin(self, ts: int | None = None) -> Round:
        """Start a round on a snapshot, the newest published one if none is named."""
        assert self.reactor.start_round(self)
        round = self.reactor.rounds[-1]
        self.reactor.opened(round, ts or self.reactor.published)
        return round

    def end(self, round: Round) -> None:
        """Answer all that a round asks for."""
        while self._calls:
            call = self._calls.pop(0)
            self.runs.append(call)
            self.reactor.outcome(round, self.answer(call))
        assert self._closed
        self.reactor.finished(round)

    def serve(self) -> None:
        """Rounds until nobody waits."""
        while self.reactor.waiting:
            self.end(self.begin())


class Connection:
    """A client that takes everything at once."""

    unsent_transitions = 0

    def __init__(self, desk: Desk, who: str = "", *queries: str) -> None:
        self.frames: list[Transition | object] = []
        self.subscriber = Subscriber(self)
        desk.reactor.attach(self.subscriber)
        if who:
            identity = Identity(issuer="i", subject=who, token_identifier=f"i|{who}", claims={})
            desk.reactor.identify(self.subscriber, identity, who)
        for number, path in enumerate(queries or ("q",)):
            desk.reactor.subscribe(self.subscriber, number, path, b"{}", None)
        desk.reactor.modified(self.subscriber, 1)

    def transition(self, transition: Transition) -> None:
        self.frames.append(transition)

    def response(self, response: object) -> None:
        self.frames.append(response)

    @property
    def shown(self) -> dict[int, bytes]:
        """The newest value of each query."""
        updates = [update for frame in self.frames if isinstance(frame, Transition) for update in frame.updates]
        return {query_id: result.value for query_id, result in updates}


def test_a_response_comes_before_its_transition_and_one_follows() -> None:
    """Of all calls of a batch, before any view that shows their commit."""
    desk = Desk()
    client = Connection(desk)
    desk.serve()
    client.frames.clear()
    desk.answer = always(value(b"1"))
    responses = [Response(client.subscriber, name, 2) for name in ("first", "second")]
    desk.reactor.publish(2, [KEY], responses)
    desk.serve()
    assert client.frames[:2] == ["first", "second"]
    [transition] = client.frames[2:]
    assert isinstance(transition, Transition)
    assert transition.end.ts == 2


def test_a_failed_mutation_is_followed_by_a_transition() -> None:
    """Clients that roll back an optimistic update wait for it."""
    desk = Desk()
    client = Connection(desk)
    desk.serve()
    client.frames.clear()
    desk.reactor.respond([Response(client.subscriber, "failed", None)])
    assert client.frames[0] == "failed"
    assert isinstance(client.frames[1], Transition)


def test_an_answer_from_a_commit_that_is_not_published_waits() -> None:
    """Kept at once, it would take the place of what subscribers show, and the commit would wake nobody."""
    desk = Desk()
    client = Connection(desk)
    desk.serve()
    shot = desk.reactor.begin_shot()
    told: list[bytes] = []

    def tell() -> None:
        result = desk.reactor.learn(shot, QUERY, "", 2, desk.now, value(b"new"))
        desk.reactor.end_shot(shot)
        told.append(result.value)

    desk.reactor.when_published(2, tell)
    assert not told
    desk.answer = always(value(b"new"))
    desk.reactor.publish(2, [KEY])
    assert told == [b"new"]
    desk.serve()
    assert client.shown == {0: b"new"}


def test_a_result_that_displaces_an_expired_one_wakes_its_watchers() -> None:
    """The alarm comes too late for them: it finds the result gone."""
    desk = Desk()
    desk.answer = always(value(b"early", timed=True, expires=2_000.0))
    first = Connection(desk)
    desk.serve()
    desk.now = 2_000.0
    desk.answer = always(value(b"late", timed=True))
    second = Connection(desk)
    desk.serve()
    assert second.shown == {0: b"late"}
    desk.reactor.clock_moved()
    assert first.shown == {0: b"late"}
    assert len(desk.runs) == 2


def test_a_page_that_was_dropped_from_memory_is_run_again() -> None:
    """Who is shown a page from memory is kept current under its journal, whatever has become of that result."""
    desk = Desk()
    desk.answer = always(value(b"page", journal="end"))
    first = Connection(desk)
    desk.serve()
    desk.reactor.detach(first.subscriber)
    kept = desk.reactor.cache.find(QUERY._replace(journal="end"))
    assert kept is not None
    assert kept.shared is not None
    desk.reactor.cache.drop(kept.shared)
    client = Connection(desk)
    desk.serve()
    desk.answer = always(value(b"longer page", journal="end"))
    desk.reactor.publish(2, [KEY])
    desk.serve()
    assert client.shown == {0: b"longer page"}


def test_personal_results_leave_with_their_audience() -> None:
    """Though others still subscribe to the query: a lively room must not keep a result for everybody who ever came."""
    desk = Desk(cache_bytes_max=0)
    desk.answer = lambda call: value(repr(call.identity).encode(), personal=True)
    Connection(desk, "ann")
    desk.serve()
    before = desk.reactor.cache.size_bytes
    for number in range(50):
        visitor = Connection(desk, f"visitor {number}")
        desk.serve()
        desk.reactor.detach(visitor.subscriber)
    assert desk.reactor.cache.size_bytes == before


def test_one_run_serves_all_and_a_personal_one_only_its_own() -> None:
    """Nobody knows beforehand whether a function looks at who asks: one is run for all, then each for himself."""
    desk = Desk()
    desk.answer = lambda call: value(call.identity.subject.encode() if call.identity else b"nobody", personal=True)
    clients = {who: Connection(desk, who) for who in ("ann", "ben", "cy")}
    desk.end(desk.begin())
    assert {who: client.shown[0] for who, client in clients.items()} == {"ann": b"ann", "ben": b"ben", "cy": b"cy"}
    assert len(desk.runs) == 3
    desk.answer = always(value(b"for all"))
    desk.reactor.publish(2, [KEY])
    desk.end(desk.begin())
    assert all(client.shown == {0: b"for all"} for client in clients.values())


def test_replaced_results_do_not_wait_for_their_expiry() -> None:
    """A query that a moment far away limits, run again and again, leaves nothing behind."""
    desk = Desk()
    desk.answer = always(value(b"far", timed=True, expires=1e12))
    Connection(desk)
    desk.serve()
    for ts in range(2, 1_000):
        desk.reactor.publish(ts, [KEY])
        desk.serve()
    assert len(desk.reactor._expiries) <= EXPIRIES_SLACK + 1  # noqa: SLF001


def test_a_failure_is_tried_again_unless_it_costs_a_process() -> None:
    """Who asks without subscribing gets another run of what failed; not of what kills."""
    desk = Desk()

    def learn(code: str) -> None:
        shot = desk.reactor.begin_shot()
        desk.reactor.learn(shot, QUERY, "", 1, desk.now, Outcome(failure=Failure(message="failed", code=code)))
        desk.reactor.end_shot(shot)

    learn("internal")
    assert desk.reactor.recall(QUERY, "") is None
    learn(ISOLATE_DIED)
    assert desk.reactor.recall(QUERY, "") is not None


def test_a_retry_that_succeeds_reaches_subscribers() -> None:
    """They were told of a failure; the same query, on the same data, has an answer now."""
    desk = Desk()
    desk.answer = always(value(b"null", failure=Failure(message="once")))
    client = Connection(desk)
    desk.serve()
    shot = desk.reactor.begin_shot()
    desk.reactor.learn(shot, QUERY, "", 1, desk.now, value(b"well"))
    desk.reactor.end_shot(shot)
    assert client.shown == {0: b"well"}
