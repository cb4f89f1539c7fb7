"""
HTTP actions: how an `async def` is given a route.

The decorator notes what was declared and checks nothing, as those of the other functions do
(`decorators.py`); `routes.py` checks it when the app is loaded. A function may have several
routes: the decorator is written once for each.
"""

from collections.abc import Awaitable, Callable
from functools import update_wrapper
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, cast, overload

from joelclaw.functions.contexts import ActionCtx
from joelclaw.functions.http import Request, Response

Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

Handler: TypeAlias = Callable[[ActionCtx, Request], Awaitable[Response]]


class Declared(NamedTuple):
    """A route as its decorator says it: one of `path` and `prefix`, if it is right."""

    method: str
    path: str | None
    prefix: str | None


class HttpAction:
    """Answers HTTP requests of its routes."""

    def __init__(self, fn: Handler, declared: tuple[Declared, ...]) -> None:
        update_wrapper(cast(Callable[..., Any], self), fn)
        self.fn = fn
        self.declared = declared

    def __call__(self, ctx: ActionCtx, request: Request, /) -> Awaitable[Response]:
        return self.fn(ctx, request)

    def __repr__(self) -> str:
        return f"<HTTP action {self.fn.__module__}.{self.fn.__qualname__}>"


class _Http(Protocol):
    def __call__(self, fn: Handler, /) -> HttpAction: ...


@overload
def http_action(method: Method, path: str, /) -> _Http: ...
@overload
def http_action(method: Method, /, *, prefix: str) -> _Http: ...
def http_action(method: str, path: str | None = None, /, *, prefix: str | None = None) -> Any:
    """
    Make an HTTP action of an `async def`: it answers requests of this method for exactly `path`, or for
    every path that begins with `prefix`.

    A prefix begins and ends with `/`. Routes of `GET` answer `HEAD`, too; `OPTIONS` is answered only
    where it has a route, so that an app decides who may call it from another origin.
    """

    def made(fn: Handler) -> HttpAction:
        route = Declared(method, path, prefix)
        if isinstance(fn, HttpAction):
            return HttpAction(fn.fn, (route, *fn.declared))
        return HttpAction(fn, (route,))

    return made
