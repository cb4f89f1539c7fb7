"""
Contexts: what a function is handed, and all that it may touch.

`QueryCtx` and `MutationCtx` belong to one run of one function. A `MutationCtx` is a `QueryCtx`,
so helpers and rules take the latter. `ActionCtx` has no database: it calls queries and
mutations, each a transaction of its own.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Protocol, TypeAlias, TypeVar

from joelclaw.functions import nested
from joelclaw.functions.auth import AsyncAuth, Auth, WritableAuth
from joelclaw.functions.db import Reader, Writer
from joelclaw.functions.environment import Environment
from joelclaw.functions.run import SEED_BYTES, Run
from joelclaw.functions.scheduling import AsyncScheduler, Scheduler
from joelclaw.functions.storage import AsyncStorage, Storage, WritableStorage
from joelclaw.functions.vectors import Hit
from joelclaw.schema.search import AnyOf, VectorIndex
from joelclaw.schema.tables import Table
from joelclaw.values.durations import parse_duration

if TYPE_CHECKING:
    from joelclaw.functions.decorators import Action, Function, Mutation, Query

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D", bound=Table)

Millis: TypeAlias = float
"""An instant: milliseconds since the epoch, the unit of `creation_time`."""

Duration: TypeAlias = timedelta | str
"""A timedelta, or "30s", "15m", "1h30m"; never a bare number."""


class QueryCtx:
    """What a query sees: one snapshot of the database, who asks, and the time, which stands still."""

    __slots__ = ("_auth", "_db", "_env", "_run")

    def __init__(self, run: Run, path: str) -> None:
        self._run = run
        self._db = Reader(run, path)
        self._auth: Auth | None = None
        self._env: Environment | None = None

    @property
    def db(self) -> Reader:
        """The database."""
        return self._db

    @property
    def auth(self) -> Auth:
        """Who asks."""
        if self._auth is None:
            self._auth = Auth(self._run, self._db, self._call_system)
        return self._auth

    @property
    def env(self) -> Mapping[str, str]:
        """
        Environment variables: those set at run time, over what `[env]` in `joelclaw.toml` declares.

        A query is run again when one that it looked at changes.
        """
        if self._env is None:
            self._env = Environment(self._run.hooks.env, self._call_system)
        return self._env

    @property
    def storage(self) -> Storage:
        """Stored files."""
        return Storage(self._call_system)

    @property
    def random(self) -> Random:
        """
        Randomness, seeded anew for each call.

        A call that is run again because its process died gets other numbers: what the first
        run did with its own was undone with it, and nobody has seen them.
        """
        if self._run.random is None:
            self._run.random = Random(self._run.hooks.random_bytes(SEED_BYTES))
        return self._run.random

    def now(self) -> Millis:
        """
        The time at which this transaction began.

        A query that returns something computed from it is not run again because time passes:
        compare with `before`, `after` or `within` instead.
        """
        return self._run.look_at_clock()

    def before(self, at: Millis, /) -> bool:
        """Is it before this instant? A query's result is refreshed when the answer changes."""
        return not self._run.passes(at)

    def after(self, at: Millis, /) -> bool:
        """Is it this instant already, or later? A query's result is refreshed when the answer changes."""
        return self._run.passes(at)

    def within(self, at: Millis, duration: Duration, /) -> bool:
        """Has less than `duration` passed since this instant? Refreshed when it has."""
        return not self._run.passes(at + parse_duration(duration))

    def _call_system(self, path: str, /, **keywords: Any) -> Any:
        """Run a system function here, with its rights: what the platform's own parts of a context are made of."""
        return nested.call_system(self._run, type(self)(self._run, path), path, **keywords)

    def run_query(self, fn: "Query[P, R]", /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a query on the same snapshot, with a check of its arguments and its result."""
        function = self._run.app.function_of(fn, "query", for_system=self._db.is_system)
        result: R = nested.call(self._run, function, QueryCtx(self._run, function.path), args, kwargs)
        return result


class MutationCtx(QueryCtx):
    """What a mutation sees: a query's view, its own writes in it, and the means to write."""

    __slots__ = ()

    _db: Writer
    _auth: WritableAuth | None

    def __init__(self, run: Run, path: str) -> None:
        self._run = run
        self._db = Writer(run, path)
        self._auth = self._env = None

    @property
    def db(self) -> Writer:
        """The database."""
        return self._db

    @property
    def auth(self) -> WritableAuth:
        """Who asks."""
        if self._auth is None:
            self._auth = WritableAuth(self._run, self._db, self._call_system)
        return self._auth

    @property
    def scheduler(self) -> Scheduler:
        """Has functions run later."""
        return Scheduler(self._run, self._call_system)

    @property
    def storage(self) -> WritableStorage:
        """Stored files."""
        return WritableStorage(self._call_system)

    def run_mutation(self, fn: "Mutation[P, R]", /, *args: P.args, **kwargs: P.kwargs) -> R:
        """
        Call a mutation inside this one. If it fails, its writes are undone, and only they.

        It sees what was written before, and what it writes is seen after.
        """
        function = self._run.app.function_of(fn, "mutation", for_system=self._db.is_system)
        ctx = MutationCtx(self._run, function.path)
        result: R = nested.call_undoable(self._run, function, ctx, args, kwargs)
        return result


CallKind: TypeAlias = Literal["query", "mutation", "action"]


class ActionHost(Protocol):
    """What runs an action, as its context sees it."""

    @property
    def auth(self) -> AsyncAuth: ...

    @property
    def env(self) -> Mapping[str, str]: ...

    @property
    def storage(self) -> AsyncStorage: ...

    @property
    def scheduler(self) -> AsyncScheduler: ...

    def clock(self) -> float:
        """Milliseconds since the epoch."""
        ...

    async def ask(self, kind: CallKind, function: "Function", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a function of the app."""
        ...

    async def nearest(
        self,
        index: VectorIndex[D],
        vector: Sequence[float],
        either: AnyOf | None,
        limit: int | None,
        equal: Mapping[str, object],
    ) -> list[Hit[D]]:
        """What a vector search finds."""
        ...

    async def ask_system(self, kind: CallKind, path: str, arguments: Mapping[str, Any]) -> bytes:
        """The result of one of the platform's own functions, as wire JSON; names of arguments are the wire's."""
        ...


class ActionCtx:
    """What an action sees: who asks, the environment, the clock, and the functions it can call."""

    __slots__ = ("_host",)

    def __init__(self, host: ActionHost) -> None:
        self._host = host

    @property
    def auth(self) -> AsyncAuth:
        """Who asks."""
        return self._host.auth

    @property
    def env(self) -> Mapping[str, str]:
        """Environment variables, as they were when this action began."""
        return MappingProxyType(self._host.env)

    @property
    def scheduler(self) -> AsyncScheduler:
        """Has functions run later."""
        return self._host.scheduler

    @property
    def storage(self) -> AsyncStorage:
        """Stored files, and their bytes."""
        return self._host.storage

    def now(self) -> Millis:
        """The time."""
        return self._host.clock()

    async def vector_search(
        self,
        index: VectorIndex[D],
        vector: Sequence[float],
        either: AnyOf | None = None,
        /,
        *,
        limit: int | None = None,
        **equal: object,
    ) -> list[Hit[D]]:
        """
        The documents whose vectors are nearest, on a snapshot of its own; see `ctx.db.vector_search`.

        What to do with their ids is a query's business: one of them may be gone by then.
        """
        return await self._host.nearest(index, vector, either, limit, equal)

    async def run_query(self, fn: "Query[P, R]", /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a query, on a snapshot of its own."""
        result: R = await self._host.ask("query", fn, args, kwargs)
        return result

    async def run_mutation(self, fn: "Mutation[P, R]", /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a mutation; when this returns, it is committed."""
        result: R = await self._host.ask("mutation", fn, args, kwargs)
        return result

    async def run_action(self, fn: "Action[P, R]", /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run another action and wait for it. To run plain code, call a plain function instead."""
        result: R = await self._host.ask("action", fn, args, kwargs)
        return result
