"""
Routes: what `@http_action` declares, checked when the app is loaded.

Every mistake is told with its line: a request that never finds its route is a silence that
nobody explains.
"""

import inspect
from typing import Final

from joelclaw.functions.http_actions import Declared, HttpAction
from joelclaw.functions.manifest import Place, Problem, RouteSpec

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
RESERVED: Final = "/.files"
"""Kept for the platform. Nothing is there: stored files are served with the clients' API."""


class RouteReader:
    """Reads the HTTP actions of an app, one after another; `problems` grows with whatever is wrong."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.routes: dict[str, RouteSpec] = {}
        """By name, as `GET /profile/*`."""

    def read(self, action: HttpAction, python_path: str, place: Place) -> list[RouteSpec]:
        """The routes of one HTTP action, those that are right."""
        if not inspect.iscoroutinefunction(action.fn):
            advice = "write `async def`; what needs a transaction is called with ctx.run_query and ctx.run_mutation"
            self._report(place, python_path, "an HTTP action is an `async def`", advice)
            return []
        if not _takes_two(action):
            self._report(
                place, python_path, "an HTTP action takes two parameters", "write (ctx: ActionCtx, request: Request)"
            )
        return [spec for route in action.declared if (spec := self._read(route, python_path, place)) is not None]

    def sorted(self) -> list[RouteSpec]:
        """All that are right, in a stable order."""
        return [self.routes[name] for name in sorted(self.routes)]

    def _read(self, route: Declared, python_path: str, place: Place) -> RouteSpec | None:
        mistake = _mistake(route)
        if mistake is not None:
            self._report(place, python_path, *mistake)
            return None
        path = route.path if route.path is not None else route.prefix
        assert path is not None
        spec = RouteSpec(
            method=route.method, path=path, is_prefix=route.prefix is not None, python_path=python_path, place=place
        )
        other = self.routes.setdefault(spec.name, spec)
        if other is not spec:
            reason = f"answers {spec.name}, and so does {other.python_path} ({other.place})"
            self._report(place, python_path, reason, "a route leads to one function; change one of them")
            return None
        return spec

    def _report(self, place: Place, name: str, reason: str, advice: str) -> None:
        self.problems.append(Problem(place=place, name=name, reason=reason, advice=advice))


def _takes_two(action: HttpAction) -> bool:
    try:
        inspect.signature(action.fn).bind(None, None)
    except TypeError:
        return False
    return True


def _mistake(route: Declared) -> tuple[str, str] | None:
    """What is wrong with a route, and what to write instead; None if nothing is."""
    method, path, prefix = route
    if method == "HEAD":
        return "HEAD has no routes of its own", 'write "GET": its route answers HEAD, too, without the body'
    if method not in METHODS:
        upper = method.upper() if isinstance(method, str) else ""
        choice = f'write "{upper}"' if upper in METHODS else f"choose one of {', '.join(METHODS)}"
        return f"{method!r:.40} is no method that a route can have", choice
    if path is None and prefix is None:
        return "the route has no path", f'write @http_action("{method}", "/path"), or prefix="/path/"'
    if path is not None and prefix is not None:
        return "the route has both a path and a prefix", "keep one of them; a second decorator makes a second route"
    return _mistake_of_path(path, "path") if path is not None else _mistake_of_path(prefix, "prefix")


def _mistake_of_path(path: object, what: str) -> tuple[str, str] | None:
    if not isinstance(path, str):
        return f"the {what} is {type(path).__name__}", f'write it as text, like "/{what}"'
    if not path.startswith("/"):
        return f"the {what} {path!r:.80} does not begin with '/'", f'write "/{path}"'
    if what == "prefix" and not path.endswith("/"):
        return f"the prefix {path!r:.80} does not end with '/'", f'write "{path}/", or give it as a path'
    if any(not "!" <= character <= "~" or character in "?#" for character in path):
        advice = "paths are matched as they are sent: percent-encode what is no ASCII, and leave the query out"
        return f"the {what} {path!r:.80} can be no part of a request", advice
    if path == RESERVED or path.startswith(f"{RESERVED}/"):
        return f"paths under {RESERVED} are the platform's own", "choose another one"
    return None
