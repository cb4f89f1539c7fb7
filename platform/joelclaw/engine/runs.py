"""
Runs, as the lanes tell of them to whoever records them.

A transaction is told of when it is over. An action is told of from its beginning, because its
log lines are shown while it runs. What did not run (answers from the cache, repeated calls that
were answered from their record, refusals) is not told of.

A recorder returns at once and raises nothing: it is called on the way of every answer. What its
entries look like and where they are kept is `logs/`'s business.
"""

from collections.abc import Sequence
from typing import Final, Literal, Protocol, TypeAlias

from joelclaw.functions.calls import Call, Outcome

RunKind: TypeAlias = Literal["query", "mutation", "action", "http_action"]

Caller: TypeAlias = Literal["SyncWorker", "HttpApi", "HttpEndpoint", "Action", "Scheduler"]
"""Who asked for a run, in the words of the log stream: a socket, a request, a request to an HTTP action, ..."""


class OngoingRun(Protocol):
    """An action that was begun."""

    def logged(self, lines: Sequence[str], /) -> None:
        """It has logged these since it began, or since the last time."""
        ...

    def answered(self, status: int, /) -> None:
        """An HTTP action: the head of its response is known."""
        ...

    def ended(self, outcome: Outcome, /) -> None: ...


class Recorder(Protocol):
    """Whoever records runs."""

    @property
    def quiet_queries(self) -> bool:
        """Wants to hear of queries that succeeded and logged nothing, too. They are most of all runs."""
        ...

    def ran(self, kind: RunKind, path: str, request_id: str, caller: Caller, outcome: Outcome, /) -> None:
        """A query or mutation is over."""
        ...

    def begin(self, kind: RunKind, path: str, request_id: str, caller: Caller, /) -> OngoingRun:
        """An action begins."""
        ...


class _Unrecorded:
    """Records nothing: engines without a log."""

    quiet_queries = False

    def ran(self, kind: RunKind, path: str, request_id: str, caller: Caller, outcome: Outcome, /) -> None: ...

    def begin(self, _kind: RunKind, _path: str, _request_id: str, _caller: Caller, /) -> "_Unrecorded":
        return self

    def logged(self, lines: Sequence[str], /) -> None: ...

    def answered(self, status: int, /) -> None: ...

    def ended(self, outcome: Outcome, /) -> None: ...


UNRECORDED: Final[Recorder] = _Unrecorded()


def caller_of(call: Call, otherwise: Caller) -> Caller:
    """Who asked for this run, as far as the call itself can tell."""
    if call.depth:
        return "Action"
    return otherwise if call.job is None else "Scheduler"
