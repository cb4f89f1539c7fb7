"""
Live results: a query as a client that subscribes sees it.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from joelclaw.engine.reactor import Reactor
from joelclaw.engine.results import Result
from joelclaw.engine.subscribers import Subscriber, Transition
from joelclaw.testing.calling import Addressed, failed

R = TypeVar("R")


class Live(Generic[R]):
    """
    The result of a query, kept current until `close`.

    It is up to date whenever a call of the backend has returned: no waiting, no polling.
    """

    def __init__(self, reactor: Reactor, query: Addressed, run_count: Callable[[], int]) -> None:
        self._reactor = reactor
        self._query = query
        self._runs = run_count
        self._results: list[Result] = []
        self._seen = 0
        self._subscriber = Subscriber(self)
        reactor.attach(self._subscriber)
        reactor.identify(self._subscriber, query.asker.identity, query.asker.key, privileged=query.asker.admin)
        reactor.subscribe(self._subscriber, 0, query.path, query.args, None)
        reactor.modified(self._subscriber, 1)

    @property
    def value(self) -> R:
        """
        The result now.

        Raises:
            CallRefused: The subscriber may not call it, any more perhaps.
            AppError: It failed with that.
            CallFailed: It failed otherwise.
        """
        return self._value(self._results[-1])

    @property
    def history(self) -> list[R]:
        """All results that a client was shown, the first one included. Raises, as `value`, if one is a failure."""
        return [self._value(result) for result in self._results]

    def changed(self) -> bool:
        """Was another result shown since this was asked last, or since the subscription began?"""
        seen, self._seen = self._seen, len(self._results)
        return self._seen > max(seen, 1)

    @property
    def ran(self) -> int:
        """How often the query ran since the subscription began, for whomever; a cached result costs no run."""
        return self._runs()

    def close(self) -> None:
        """Subscribe no more. `value` stays what it was."""
        self._reactor.detach(self._subscriber)

    def _value(self, result: Result) -> R:
        if result.failure is not None:
            raise failed(result.failure)
        value: R = self._query.decode(result.value)
        return value

    # -- as the reactor sees it

    @property
    def unsent_transitions(self) -> int:
        """A test takes everything at once."""
        return 0

    def transition(self, transition: Transition) -> None:
        """Another result."""
        self._results += [result for _, result in transition.updates]

    def response(self, response: object) -> None:
        raise AssertionError(f"a subscription makes no mutations, and was answered {response!r}")
