"""
System calls: the platform's own functions, called and watched by the gateway itself.

What the platform does by itself (run a job that is due, sweep a file that nobody owns) it finds
out by a subscription and writes through the writer lane, as a client would: no table is polled,
and no second way into the database exists.
"""

import asyncio
from typing import Any, Final, Protocol

import structlog

from joelclaw.engine.asker import ADMIN, Asker
from joelclaw.engine.reactor import Reactor
from joelclaw.engine.results import Result
from joelclaw.engine.subscribers import Subscriber, Transition
from joelclaw.errors import SystemCallFailed
from joelclaw.functions.calls import Failure, Outcome
from joelclaw.values import wire

RETRY_S: Final = 1.0
"""A watched query that failed (its process died, say) is asked anew after so long."""

log = structlog.get_logger("joelclaw.engine")


class CallingEngine(Protocol):
    """What system calls need of the engine."""

    reactor: Reactor

    async def query(self, path: str, args: bytes, asker: Asker, *, request_id: str = "") -> tuple[Result, int]: ...

    async def mutate(
        self, path: str, args: bytes, asker: Asker, *, request_id: str = "", call_id: str = ""
    ) -> Outcome: ...


class SystemCalls:
    """The functions of `joelclaw.system`, as an administrator calls them. Names of arguments are those on the wire."""

    def __init__(self, engine: CallingEngine) -> None:
        self._engine = engine

    async def ask(self, path: str, **arguments: Any) -> Any:
        """
        The result of a system query, now.

        Raises:
            SystemCallFailed: It failed.
        """
        result, _ = await self._engine.query(path, wire.encode(arguments), ADMIN)
        return _value(path, result.value, result.failure)

    async def tell(self, path: str, **arguments: Any) -> Any:
        """
        Run a system mutation; its result, when it is committed.

        Raises:
            SystemCallFailed: It failed, and changed nothing.
        """
        outcome = await self._engine.mutate(path, wire.encode(arguments), ADMIN)
        return _value(path, outcome.value, outcome.failure)

    def watch(self, path: str, **arguments: Any) -> "Watch":
        """Keep a system query current. The first deploy must be over."""
        return Watch(self._engine.reactor, path, wire.encode(arguments))


class Watch:
    """A system query that the gateway subscribes to. For one task, which takes each new result."""

    def __init__(self, reactor: Reactor, path: str, args: bytes) -> None:
        self._reactor = reactor
        self._path = path
        self._args = args
        self._result: Result | None = None
        self._news = asyncio.Event()
        self._subscriber = self._subscribe()

    @property
    def unsent_transitions(self) -> int:
        """Only the newest result is kept, so there is always room for another."""
        return 0

    def transition(self, transition: Transition) -> None:
        """The reactor has a new result, or a new moment for the old one."""
        for _, self._result in transition.updates:
            self._news.set()

    def response(self, response: object) -> None:  # noqa: ARG002
        raise AssertionError("a watch asks for no mutations")

    async def changed(self) -> Any:
        """The next result that was not taken yet, as Python values; what came and went meanwhile is skipped."""
        while True:
            await self._news.wait()
            self._news.clear()
            assert self._result is not None
            failure = self._result.failure
            if failure is None:
                return wire.decode(self._result.value)
            log.error("a system query failed", path=self._path, message=failure.message, frames=failure.frames)
            await asyncio.sleep(RETRY_S)
            self.close()
            self._subscriber = self._subscribe()

    def close(self) -> None:
        """Watch no more."""
        self._reactor.detach(self._subscriber)

    def _subscribe(self) -> Subscriber:
        subscriber = Subscriber(self)
        self._reactor.attach(subscriber)
        self._reactor.identify(subscriber, None, "", privileged=True)
        self._reactor.subscribe(subscriber, 0, self._path, self._args, None)
        self._reactor.modified(subscriber, 1)
        return subscriber


def _value(path: str, value: bytes, failure: Failure | None) -> Any:
    if failure is not None:
        raise SystemCallFailed(path, failure.message, failure)
    return wire.decode(value)
