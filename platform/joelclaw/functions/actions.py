"""
Actions: running one, and what it asks of others.

An action has no transaction. Each query or mutation that it calls is a call of its own,
routed like any other: `ask` carries it to the gateway and brings its outcome. An `AppError`
comes back as one, with its data; any other failure as `CallFailed`.

Only actors import this module. It needs an event loop around it and names none.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias, TypeVar

from joelclaw.errors import (
    AppError,
    ArgumentsRefused,
    CallFailed,
    FunctionNotFound,
    LimitExceeded,
    Misuse,
    TokenRefused,
)
from joelclaw.functions.app import FIND_USER, NEAREST, RULE_ALLOWS, LoadedApp, LoadedFunction
from joelclaw.functions.auth import AsyncAuth
from joelclaw.functions.calls import Call, Failure, Outcome
from joelclaw.functions.contexts import ActionCtx, CallKind
from joelclaw.functions.failures import Told, failure_of
from joelclaw.functions.hooks import Hooks
from joelclaw.functions.http import Request, Response
from joelclaw.functions.run import too_deep
from joelclaw.functions.scheduling import AsyncScheduler
from joelclaw.functions.storage import AsyncStorage
from joelclaw.functions.vectors import Hit, lookup_of
from joelclaw.limits import WARNING_SHARE, setting
from joelclaw.schema.finding import VectorFinder
from joelclaw.schema.search import AnyOf, VectorIndex
from joelclaw.values import wire

if TYPE_CHECKING:
    from joelclaw.files.protocol import FileStore
    from joelclaw.functions.decorators import Function
    from joelclaw.schema.tables import Table

D = TypeVar("D", bound="Table")

AskKind: TypeAlias = CallKind
Ask: TypeAlias = Callable[[AskKind, Call], Awaitable[Outcome]]
Reply: TypeAlias = Callable[[Response], Awaitable[None]]

_log = logging.getLogger("joelclaw.functions")

CANCELLED: Final = Failure(
    message=(
        "The server is shutting down, and this action had not ended in time; it was cancelled. "
        "It may have done part of its work; it is not run again."
    ),
    code="action_cancelled",
    public=True,
)

NO_ROUTE: Final = Failure(message="No matching routes found", code="no_route", public=True)
"""A deploy took the route away while the request waited for its turn."""


async def run_action(app: LoadedApp, call: Call, hooks: Hooks, ask: Ask) -> Outcome:
    """Run an action to its end. Only being cancelled is raised from here."""
    action = _Action(app, call, hooks, ask)
    in_app = False
    try:
        function = app.function_at(call, "action")
        try:
            keywords = function.decode_arguments(call.args)
        except ArgumentsRefused as error:
            raise function.refusal_of(error, call) from None
        if function.rule is not None and not call.privileged:
            await action.consult(function)
        in_app = True
        result = await function.invoke(ActionCtx(action), keywords)
        in_app = False
        return Outcome(value=function.encode_result(result))
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        return Outcome(failure=failure_of(error, app.root, in_app=in_app))


async def run_http_action(
    app: LoadedApp,
    call: Call,
    hooks: Hooks,
    ask: Ask,
    *,
    request: Request,
    reply: Reply,
    token_refused: TokenRefused | None = None,
) -> Outcome:
    """
    Run an HTTP action until `reply` has sent what it answers. Only being cancelled is raised from here.

    `token_refused` is raised in the action when it asks who asks, and only then: a header that we cannot
    read may be meant for the app.
    """
    handler = app.handlers.get(call.path)
    if handler is None:
        return Outcome(failure=NO_ROUTE)
    action = _Action(app, call, hooks, ask, token_refused)
    try:
        response = await handler(ActionCtx(action), request)
        if not isinstance(response, Response):
            raise Misuse(f"an HTTP action returns a Response, and this one returned {type(response).__name__}")
        await reply(response)
        return Outcome()
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        return Outcome(failure=failure_of(error, app.root, in_app=True))


class _Action:
    """One action that runs, and its calls."""

    def __init__(
        self, app: LoadedApp, call: Call, hooks: Hooks, ask: Ask, token_refused: TokenRefused | None = None
    ) -> None:
        self._app = app
        self._call = call
        self._ask = ask
        self._under_way = 0
        self._warned = False
        self.auth = AsyncAuth(call.identity, self._find_user, token_refused)
        self.env = hooks.env
        self.clock = hooks.clock
        self.scheduler = AsyncScheduler(app, self.ask_system, hooks.clock)

    @property
    def storage(self) -> AsyncStorage:
        return AsyncStorage(self)

    @property
    def files(self) -> "FileStore":
        """Where bytes of files are kept."""
        return self._app.places.files

    async def _send(self, kind: AskKind, call: Call) -> Outcome:
        """
        Ask the gateway for something.

        Raises:
            LimitExceeded: More is under way already than one action may have; this was not asked for.
        """
        limit = self._app.limits.action_operations
        if self._under_way >= limit:
            raise LimitExceeded(
                f"Too many concurrent operations in a single action (limit: {limit}). "
                f"Await some of them before others begin, or {setting('action_operations')}."
            )
        self._under_way += 1
        if self._under_way > limit * WARNING_SHARE and not self._warned:
            self._warned = True
            _log.warning(
                "Many concurrent operations in a single action (actual: %d, limit: %d).", self._under_way, limit
            )
        try:
            return await self._ask(kind, call)
        finally:
            self._under_way -= 1

    async def consult(self, function: LoadedFunction) -> None:
        """Ask an own rule, which reads the database, in a query. A refusal reads like an unknown function."""
        arguments = wire.encode({"path": function.path, "arguments": self._call.args.decode()})
        outcome = await self._send("query", self._inner(RULE_ALLOWS, arguments, privileged=False))
        if outcome.failure is not None:
            _raise(outcome.failure)
        if wire.decode(outcome.value) is not True:
            raise FunctionNotFound(function.path)

    async def ask(self, kind: AskKind, function: "Function", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a function of the app."""
        loaded = self._app.function_of(function, kind)
        if self._call.depth >= self._app.limits.call_depth:
            raise CallFailed(too_deep(kind, self._app.limits.call_depth), "limit_exceeded", True)
        arguments = loaded.encode_arguments(args, kwargs)
        # Rules are for callers from outside; functions of the app may call each other.
        outcome = await self._send(kind, self._inner(loaded.path, arguments, privileged=True))
        if outcome.failure is not None:
            _raise(outcome.failure)
        return loaded.decode_result(outcome.value)

    async def nearest(
        self,
        index: VectorIndex[D],
        vector: Sequence[float],
        either: AnyOf | None,
        limit: int | None,
        equal: Mapping[str, object],
    ) -> list[Hit[D]]:
        """What a vector search finds. It is checked here, and asked of a process that has a database."""
        table, finder = self._app.open_finder(index, VectorFinder)
        lookup = lookup_of(finder, vector, either, limit, equal, self._app.limits)
        if table.is_private:
            return []
        arguments = {
            "table": table.name,
            "index": index.name,
            "vector": lookup.vector,
            "groups": [[{"field": field, "key": key} for field, key in group] for group in lookup.conditions.groups],
            "limit": lookup.limit,
        }
        found: Any = wire.decode(await self.ask_system("query", NEAREST, arguments))
        return [Hit(near["id"], near["score"]) for near in found]

    async def ask_system(self, kind: AskKind, path: str, arguments: Mapping[str, Any]) -> bytes:
        """
        The result of one of the platform's own functions, as wire JSON. Names of arguments are those on the wire.

        What an action's context offers beside calls of the app's functions is made of this.
        """
        outcome = await self._send(kind, self._inner(path, wire.encode(dict(arguments)), privileged=True))
        if outcome.failure is not None:
            _raise(outcome.failure)
        return outcome.value

    async def _find_user(self, table: "type[D]") -> "D | None":
        opened = self._app.open_table(table)
        found = await self.ask_system("query", FIND_USER, {"table": opened.name})
        return None if found == b"null" else opened.decode(found)

    def _inner(self, path: str, arguments: bytes, *, privileged: bool) -> Call:
        """A call on behalf of this one: the same asker, another transaction, another now."""
        call = self._call
        return Call(
            path=path,
            args=arguments,
            identity=call.identity,
            privileged=privileged,
            request_id=call.request_id,
            depth=call.depth + 1,
            job=call.job,
        )


def _raise(failure: Failure) -> NoReturn:
    """What a called function failed with, as an exception of this action."""
    error: Exception
    if failure.code == "app_error" and failure.data is not None:
        error = AppError(wire.decode(failure.data))
    else:
        error = CallFailed(failure.message, failure.code, failure.public)
    Told(failure.message, failure.frames).attach(error)
    raise error
