"""
Callers: on whose behalf a test calls functions.

A caller is outside: `allow` holds for it, and what it may not call does not exist for it. Its
functions are given as they are, so that type checkers know their arguments and results, or by
their path on the wire, as a client names them.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

import msgspec
from msgspec import UNSET

from joelclaw.engine.asker import Asker
from joelclaw.functions.decorators import Action, Mutation, Query
from joelclaw.testing.calling import address
from joelclaw.testing.live import Live
from joelclaw.testing.web import Answered

if TYPE_CHECKING:
    from joelclaw.testing.backend import Backend

P = ParamSpec("P")
R = TypeVar("R")


class Caller:
    """
    Somebody who calls functions.

    All methods raise `AppError` with the data that the function raised it with, `CallRefused`
    for what this caller may not call, `CallFailed` with message and `failure_code` for all else.
    """

    def __init__(self, backend: "Backend", asker: Asker) -> None:
        self._backend = backend
        self._asker = asker

    @property
    def token_identifier(self) -> str | None:
        """What `ctx.auth.identity.token_identifier` is; None: nobody is signed in."""
        identity = self._asker.identity
        return None if identity is None else identity.token_identifier

    @overload
    def query(self, fn: Query[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def query(self, fn: str, /, **kwargs: Any) -> Any: ...
    def query(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The result of a query now, as the function returned it."""
        return self._backend.run_query(address(self._backend.app, fn, "query", args, kwargs, self._asker))

    @overload
    def mutation(self, fn: Mutation[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def mutation(self, fn: str, /, **kwargs: Any) -> Any: ...
    def mutation(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Run a mutation. When this returns, it is committed, and what it caused has happened."""
        return self._backend.run_mutation(address(self._backend.app, fn, "mutation", args, kwargs, self._asker))

    @overload
    def action(self, fn: Action[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def action(self, fn: str, /, **kwargs: Any) -> Any: ...
    def action(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Run an action to its end. What it waits for, it waits for in real time."""
        return self._backend.run_action(address(self._backend.app, fn, "action", args, kwargs, self._asker))

    @overload
    def subscribe(self, fn: Query[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Live[R]: ...
    @overload
    def subscribe(self, fn: str, /, **kwargs: Any) -> Live[Any]: ...
    def subscribe(self, fn: Any, /, *args: Any, **kwargs: Any) -> Live[Any]:
        """The result of a query, kept current. What fails is raised by its `value`: it may be allowed again."""
        return self._backend.run_subscription(address(self._backend.app, fn, "query", args, kwargs, self._asker))

    def fetch(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str = b"",
        json: Any = UNSET,
    ) -> Answered:
        """
        Send a request to an HTTP action by its path, or to a URL that a function gave, and read the answer.

        Who is signed in says so with a token. `json` is sent as such, in place of `body`.
        """
        sent = dict(headers or {})
        if json is not UNSET:
            body = msgspec.json.encode(json)
            sent = {"content-type": "application/json", **sent}
        raw = body.encode() if isinstance(body, str) else body
        return self._backend.run_request(method, url, sent, raw, self._asker)
