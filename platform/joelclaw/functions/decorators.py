"""
Decorators: how a Python function becomes a query, a mutation or an action.

A decorator notes what was declared and checks nothing. Whatever is wrong is found when the
app is loaded (`loader.py`), where every problem is reported, not the first.

The result is callable like the function it was, with a context: that is plain Python, in the
same transaction and without a check of arguments. `ctx.run_query` and its like make a call.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import update_wrapper
from typing import Any, ClassVar, Concatenate, Generic, Literal, ParamSpec, Protocol, TypeAlias, TypeVar, cast, overload

from msgspec import Struct, UnsetType

from joelclaw.functions.contexts import ActionCtx, MutationCtx, QueryCtx
from joelclaw.functions.retries import Retry
from joelclaw.functions.rules import Rule

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

Wire: TypeAlias = bool | int | float | str | bytes | Struct | UnsetType | Sequence[Any] | Mapping[str, Any] | None
"""What can be a result; an `async def`, a set or a datetime is refused by type checkers where it is written."""

W = TypeVar("W", bound=Wire)


class Function:
    """What the three kinds have in common: the author's function, and what was declared about it."""

    kind: ClassVar[Literal["query", "mutation", "action"]]

    retry: Retry | None = None
    """Of actions that have been declared with it."""

    def __init__(self, fn: Callable[..., Any], allow: "Rule | None", name: str | None) -> None:
        update_wrapper(cast(Callable[..., Any], self), fn)
        self.fn = fn
        self.allow = allow
        self.wire_name = name

    def __repr__(self) -> str:
        return f"<{self.kind} {self.fn.__module__}.{self.fn.__qualname__}>"


class Query(Function, Generic[P, R_co]):
    """Reads the database; its results are shared, cached and kept current."""

    kind: ClassVar[Literal["query"]] = "query"

    def __call__(self, ctx: QueryCtx, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        result: R_co = self.fn(ctx, *args, **kwargs)
        return result


class Mutation(Function, Generic[P, R_co]):
    """Reads and writes the database, all or nothing."""

    kind: ClassVar[Literal["mutation"]] = "mutation"

    def __call__(self, ctx: MutationCtx, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        result: R_co = self.fn(ctx, *args, **kwargs)
        return result


class Action(Function, Generic[P, R_co]):
    """Talks to the world, and to the database through queries and mutations."""

    kind: ClassVar[Literal["action"]] = "action"

    def __init__(
        self, fn: Callable[..., Any], allow: "Rule | None", name: str | None, retry: Retry | None = None
    ) -> None:
        super().__init__(fn, allow, name)
        self.retry = retry

    def __call__(self, ctx: ActionCtx, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]:
        coroutine: Coroutine[Any, Any, R_co] = self.fn(ctx, *args, **kwargs)
        return coroutine


# Protocols, not aliases of Callable, so that P and W bind where the decorator is applied.


class _Query(Protocol):
    def __call__(self, fn: Callable[Concatenate[QueryCtx, P], W], /) -> Query[P, W]: ...


class _Mutation(Protocol):
    def __call__(self, fn: Callable[Concatenate[MutationCtx, P], W], /) -> Mutation[P, W]: ...


class _Action(Protocol):
    def __call__(self, fn: Callable[Concatenate[ActionCtx, P], Coroutine[Any, Any, W]], /) -> Action[P, W]: ...


@overload
def query(fn: Callable[Concatenate[QueryCtx, P], W], /) -> Query[P, W]: ...
@overload
def query(*, allow: "Rule | None" = None, name: str | None = None) -> _Query: ...
def query(fn: Callable[..., Any] | None = None, /, *, allow: "Rule | None" = None, name: str | None = None) -> Any:
    """
    Make a query of a function.

    `allow` says who may call it from outside: `anyone`, `signed_in`, `role("owner")`, or a
    function of the context and any of the arguments by name. Without it the function is
    internal. `name` is its name on the wire, where that is not Python's in camelCase.
    """
    return _made(Query, fn, allow, name)


@overload
def mutation(fn: Callable[Concatenate[MutationCtx, P], W], /) -> Mutation[P, W]: ...
@overload
def mutation(*, allow: "Rule | None" = None, name: str | None = None) -> _Mutation: ...
def mutation(fn: Callable[..., Any] | None = None, /, *, allow: "Rule | None" = None, name: str | None = None) -> Any:
    """Make a mutation of a function. `allow` and `name` are those of `query`."""
    return _made(Mutation, fn, allow, name)


@overload
def action(fn: Callable[Concatenate[ActionCtx, P], Coroutine[Any, Any, W]], /) -> Action[P, W]: ...
@overload
def action(*, allow: "Rule | None" = None, name: str | None = None, retry: Retry | None = None) -> _Action: ...
def action(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    allow: "Rule | None" = None,
    name: str | None = None,
    retry: Retry | None = None,
) -> Any:
    """
    Make an action of an `async def`. `allow` and `name` are those of `query`.

    `retry` says that a scheduled run, or a cron's, may be tried again when it fails or is cut off by a crash.
    """
    return _made(lambda fn, allow, name: Action(fn, allow, name, retry), fn, allow, name)


def _made(kind: Callable[..., Any], fn: Callable[..., Any] | None, allow: "Rule | None", name: str | None) -> Any:
    if fn is not None:
        return kind(fn, allow, name)
    return lambda decorated: kind(decorated, allow, name)
