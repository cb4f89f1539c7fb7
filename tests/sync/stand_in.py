"""
An engine to talk to without processes: the real reactor, between a scripted reader and a scripted writer.

Nothing happens by itself. Queries are answered by `read`, which runs what waits on a snapshot
of now; mutations stand in `queued` until `commit` or `fail`; actions in `actions`.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from joelclaw.clock import MovableClock
from joelclaw.engine.asker import Asker
from joelclaw.engine.built_ins import NOWHERE, Origin
from joelclaw.engine.reactor import Reactor, Resolved, Response, Round
from joelclaw.engine.results import QueryKey, Result
from joelclaw.engine.runs import Caller
from joelclaw.engine.subscribers import Subscriber
from joelclaw.functions.calls import Call, Failure, Outcome, Range
from joelclaw.functions.manifest import Anyone, FunctionKind, FunctionSpec, Place
from joelclaw.schema.layout import IndexKey
from joelclaw.schema.validators import ObjectType
from joelclaw.sync.session import Mutate

T0 = 1_700_000_000_000_000_000
"""The newest commit at the beginning."""


class QueuedMutation(NamedTuple):
    subscriber: Subscriber
    call: Mutate


class QueuedAction(NamedTuple):
    path: str
    args: bytes
    asker: Asker
    request_id: str
    answer: "asyncio.Future[Outcome]"
    origin: Origin = NOWHERE


class StandInEngine:
    """See the module's text. `answers` are the queries there are; a number changes with each commit."""

    def __init__(self) -> None:
        self.clock = MovableClock(T0 / 1e6)
        self.development = True
        self.reactor = Reactor(clock=self.clock.now_ms, resolve=self._resolve)
        self.reactor.published = T0
        self.answers: dict[str, Callable[[Call], Outcome]] = {}
        self.kinds: dict[str, FunctionKind] = {}
        self.queued: list[QueuedMutation] = []
        self.actions: list[QueuedAction] = []
        self.mutations: list[dict[str, Any]] = []
        """Those that came without a socket, as they were asked for."""
        self.runs: list[str] = []
        """Paths of the queries that were run."""
        self._asked: list[tuple[Round, list[Call]]] = []

    # -- what is declared

    def answer(self, path: str, answer: Callable[[Call], Outcome]) -> None:
        """Declare a query."""
        self.kinds[path] = "query"
        self.answers[path] = answer

    def declare(self, kind: FunctionKind, *paths: str) -> None:
        self.kinds.update(dict.fromkeys(paths, kind))

    def find(self, path: str) -> FunctionSpec | None:
        kind = self.kinds.get(path)
        if kind is None:
            return None
        place = Place(file="app.py", line=1)
        return FunctionSpec(path=path, python_path=path, kind=kind, allow=Anyone(), args=ObjectType(()), place=place)

    def refusal(self, path: str, kind: FunctionKind | None, asker: Asker, *, internal: bool = False) -> Failure | None:
        known = self.kinds.get(path)
        if known is None or (path.startswith("internal") and not asker.admin):
            public = "" if internal else "public "
            return Failure(message=f"Could not find {public}function for '{path}'.", code="missing", public=True)
        if kind is not None and known != kind:
            return Failure(message=f"Trying to execute {path} as {kind}.", code="wrong_kind", public=True)
        return None

    def _resolve(self, path: str, args: bytes, journal: str | None, subscriber: Subscriber) -> Resolved:
        asker = Asker(identity=subscriber.identity, admin=subscriber.privileged)
        refusal = self.refusal(path, "query", asker)
        if refusal is not None:
            return Resolved(None, Result(Outcome(failure=refusal)))
        return Resolved(QueryKey(path, args, journal, subscriber.privileged))

    # -- the reader

    def open(self, round: Round) -> None:
        self._opened = round

    def run(self, round: Round, calls: list[Call]) -> None:
        self._asked.append((round, calls))

    def close(self, round: Round) -> None:
        self._asked.append((round, []))

    def read(self) -> None:
        """Run all that waits for a reader, one snapshot after another."""
        while self.reactor.start_round(self):
            self.reactor.opened(self._opened, self.reactor.published)
            while self._asked:
                round, calls = self._asked.pop(0)
                if not calls:
                    self.reactor.finished(round)
                for call in calls:
                    self.runs.append(call.path)
                    self.reactor.outcome(round, self.answers[call.path](call))

    # -- the writer

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
        self.queued.append(QueuedMutation(subscriber, Mutate(path, args, asker, request_id, call_id, respond)))

    def commit(self, value: bytes = b"null", *, touched: int | None = None, log_lines: list[str] | None = None) -> int:
        """Commit the oldest queued mutation, or somebody else's if there is none; `touched` is an index."""
        ts = self.reactor.published + 1_000
        keys = [] if touched is None else [IndexKey(touched, b"k", (0, 1))]
        responses = []
        if self.queued:
            subscriber, call = self.queued.pop(0)
            outcome = Outcome(value=value, commit_ts=ts, log_lines=log_lines or [])
            responses = [Response(subscriber, call.respond(outcome), ts)]
        self.reactor.publish(ts, keys, responses)
        return ts

    def fail(self, failure: Failure) -> None:
        subscriber, call = self.queued.pop(0)
        self.reactor.respond([Response(subscriber, call.respond(Outcome(failure=failure)), None)])

    # -- callers without a socket

    @property
    def published_ts(self) -> int:
        return self.reactor.published

    def recall(self, path: str, args: bytes, asker: Asker) -> Result | None:
        return self.reactor.recall(QueryKey(path, args, None, asker.admin), asker.key)

    async def query(self, path: str, args: bytes, asker: Asker, *, request_id: str = "") -> tuple[Result, int]:
        self.runs.append(path)
        call = Call(path=path, args=args, identity=asker.identity, privileged=asker.admin, request_id=request_id)
        shot = self.reactor.begin_shot()
        key = QueryKey(path, args, None, asker.admin)
        outcome = self.answers[path](call)
        result = self.reactor.learn(shot, key, asker.key, self.published_ts, self.clock.now_ms(), outcome)
        self.reactor.end_shot(shot)
        return result, self.published_ts

    async def mutate(self, path: str, args: bytes, asker: Asker, *, request_id: str = "", call_id: str = "") -> Outcome:
        self.mutations.append(
            {"path": path, "args": args, "asker": asker, "request_id": request_id, "call_id": call_id}
        )
        return Outcome(value=b'"done"', commit_ts=self.commit())

    async def act(
        self,
        path: str,
        args: bytes,
        asker: Asker,
        *,
        request_id: str = "",
        caller: Caller = "HttpApi",  # noqa: ARG002 (nobody records)
        origin: Origin = NOWHERE,
    ) -> Outcome:
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.actions.append(QueuedAction(path, args, asker, request_id, answer, origin))
        return await answer


def value(json: str, *, index: int = 1, **fields: Any) -> Callable[[Call], Outcome]:
    """A query that answers this and has read all of an index."""
    return lambda _: Outcome(value=json.encode(), reads=[Range(index, b"")], **fields)


def boom(message: str = "Uncaught ValueError: boom", *, data: bytes | None = None, public: bool = False) -> Failure:
    return Failure(message=message, frames="    at f (app.py:1)", data=data, public=public)


def fails(failure: Failure, *, index: int = 1) -> Callable[[Call], Outcome]:
    return lambda _: Outcome(failure=failure, reads=[Range(index, b"")])


def parsed(text: str) -> dict[str, Any]:
    return msgspec.json.decode(text, type=dict[str, Any])
