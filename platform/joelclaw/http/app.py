"""
The framework's app: what is served on the deployment's origin, mounted side by side.

Everything about OpenAPI, templates and logging that the framework would set up is left out;
the raw handlers behind the mounts do their own. The client API is on a shorter way: its
paths are looked at before the framework's router, whose layers cost a cached query a quarter of
its time and a socket several kilobytes.

HTTP actions are an app of their own, on a port of their own and under `/http` of this origin.
"""

from collections.abc import Coroutine
from typing import Any, Final

from litestar import Litestar, Response, asgi
from litestar.exceptions import HTTPException

from joelclaw.http.api import Api
from joelclaw.http.health import HealthRoutes
from joelclaw.http.requests import Receive, Scope, Send
from joelclaw.http.site import UNDER, Site

SHORT_WAY: Final = b"/api/"
UNDER_SLASH: Final = UNDER + b"/"


class App(Litestar):
    """The app of the deployment's origin."""

    def __init__(self, api: Api) -> None:
        @asgi("/", is_mount=True, copy_scope=False)
        async def client_api(scope: Scope, receive: Receive, send: Send) -> None:
            await api(scope, receive, send)

        super().__init__(
            [client_api],
            openapi_config=None,
            logging_config=None,
            exception_handlers={HTTPException: _refusal},
        )
        self._api = api

    def __call__(self, scope: Any, receive: Any, send: Any) -> Coroutine[Any, Any, None]:
        # A lifespan has no path.
        answer = self._api if scope.get("raw_path", b"").startswith(SHORT_WAY) else super().__call__
        return answer(scope, receive, send)


class Doors:
    """
    Tells by the port at which a request came in whom it is for.

    Neither this nor `App` is a coroutine of its own: each would be one more to step through for every
    request, and they only choose.
    """

    def __init__(
        self,
        app: App,
        site: Site,
        site_port: int,
        metrics: HealthRoutes | None = None,
        metrics_port: int | None = None,
    ) -> None:
        self._app = app
        self._site = site
        self._site_port = site_port
        self._metrics = metrics
        self._metrics_port = metrics_port

    def __call__(self, scope: Any, receive: Any, send: Any) -> Coroutine[Any, Any, None]:
        port = scope["server"][1]
        if port == self._site_port:
            return self._site(scope, receive, send)
        if port == self._metrics_port and self._metrics is not None:
            return self._metrics(scope, receive, send)
        if scope["raw_path"].startswith(UNDER_SLASH):
            scope["raw_path"] = scope["raw_path"].removeprefix(UNDER)
            return self._site(scope, receive, send)
        return self._app(scope, receive, send)


def _refusal(_: Any, error: HTTPException) -> Response[dict[str, str]]:
    """What the framework refuses before we see it, a bad `Host` for one, in the form that clients read."""
    return Response({"code": "BadRequest", "message": error.detail}, status_code=error.status_code)
