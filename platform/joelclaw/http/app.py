"""
The framework's app: what is served on the deployment's origin, mounted side by side.

Everything about OpenAPI, templates and logging that the framework would set up is left out;
the raw handlers behind the mounts do their own.
"""

from typing import Any

from litestar import Litestar, Response, asgi
from litestar.exceptions import HTTPException

from joelclaw.http.api import Api
from joelclaw.http.requests import Receive, Scope, Send


def build_app(api: Api) -> Litestar:
    """The app of the deployment's origin."""

    @asgi("/", is_mount=True, copy_scope=False)
    async def client_api(scope: Scope, receive: Receive, send: Send) -> None:
        await api(scope, receive, send)

    return Litestar(
        [client_api],
        openapi_config=None,
        logging_config=None,
        exception_handlers={HTTPException: _refusal},
    )


def _refusal(_: Any, error: HTTPException) -> Response[dict[str, str]]:
    """What the framework refuses before we see it, a bad `Host` for one, in the form that clients read."""
    return Response({"code": "BadRequest", "message": error.detail}, status_code=error.status_code)
