"""
The site: HTTP actions, on a port of their own and under `/http` of the deployment's origin.

Raw ASGI, and nothing of ours on the way: no CORS, no caching, no compression, no answers to
`OPTIONS`. What an app does not route is a 404. Requests are matched as they are sent, still
percent-encoded: the route of the exact path, otherwise that of the longest prefix.

Bodies pass piece by piece in both directions, no faster than the slower side. When the client is
gone, the action goes on and what it answers is dropped.

Elsewhere: `engine/exchange.py` is the way to the actor, `forwarding.py` what proxies say.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias

import msgspec
import structlog

from joelclaw.auth.authenticator import Authenticator
from joelclaw.engine.asker import ANONYMOUS, Asker
from joelclaw.engine.exchange import Exchange
from joelclaw.errors import AdminKeyRefused, ProviderFailed, TokenRefused
from joelclaw.functions.calls import Failure
from joelclaw.functions.manifest import Manifest, RouteSpec
from joelclaw.http.forwarding import Proxies
from joelclaw.http.requests import JSON, TEXT, Answer, Receive, Scope, Send, refusal_answer, respond, unverifiable
from joelclaw.isolate.messages import BodyEnd, HttpRequest, ResponseStart
from joelclaw.limits import setting
from joelclaw.sync.wording import Wording, random_request_id

UNDER: Final = b"/http"
"""Where the site is on the deployment's origin."""

NO_ROUTE: Final = Answer(b"No matching routes found", 404, TEXT)
NO_ROUTES: Final = Answer(b"This Convex deployment does not have HTTP actions enabled.", 404, TEXT)
NO_HOST: Final = Answer(b"The Host header is missing, or is no host", 400, TEXT)

_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_STATUSES: Final = {
    "action_cancelled": 503,
    "client_gone": 400,
    "no_route": 404,
    "request_too_large": 413,
    "shutting_down": 503,
    "too_many_actions": 503,
}
"""What a failure is answered with that is not the app's; everything else is a 500."""

log = structlog.get_logger("joelclaw.site")

Handler: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
"""Answers a request by itself."""


class SiteEngine(Protocol):
    """What the site needs of the engine."""

    @property
    def manifest(self) -> Manifest: ...

    def serve(
        self,
        route: RouteSpec,
        request: HttpRequest,
        asker: Asker,
        *,
        request_id: str = "",
        token_refused: TokenRefused | None = None,
    ) -> Exchange: ...


class Routes:
    """Which route answers a request."""

    def __init__(self, routes: Sequence[RouteSpec]) -> None:
        self._exact = {(route.method, route.path): route for route in routes if not route.is_prefix}
        prefixes = [route for route in routes if route.is_prefix]
        self._prefixes = sorted(prefixes, key=lambda route: len(route.path), reverse=True)

    def __len__(self) -> int:
        return len(self._exact) + len(self._prefixes)

    def find(self, method: str, path: str) -> RouteSpec | None:
        """The route of this very path, otherwise the longest prefix of it; `HEAD` takes the routes of `GET`."""
        method = "GET" if method == "HEAD" else method
        exact = self._exact.get((method, path))
        if exact is not None:
            return exact
        matching = (route for route in self._prefixes if route.method == method and path.startswith(route.path))
        return next(matching, None)


class Site:
    """Answers requests with the app's HTTP actions."""

    def __init__(
        self,
        engine: SiteEngine,
        authenticator: Authenticator,
        wording: Wording,
        *,
        proxies: Proxies,
        body_bytes_max: Callable[[], int],
        own: Mapping[str, Handler] = MappingProxyType({}),
    ) -> None:
        """`own` are the platform's routes, which go before the app's: whole paths, and beginnings that end in `/`."""
        self._engine = engine
        self._authenticator = authenticator
        self._wording = wording
        self._proxies = proxies
        self._body_bytes_max = body_bytes_max
        self._own = own
        self._manifest: Manifest | None = None
        self._routes = Routes(())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI app."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close"})
            return
        path: str = scope["raw_path"].decode("latin-1")
        own = self._find_own(path) if self._own else None
        if own is not None:
            await own(scope, receive, send)
            return
        route = self._current_routes().find(scope["method"], path)
        if route is None:
            await respond(send, NO_ROUTE if len(self._routes) else NO_ROUTES, [])
            return
        seen = self._proxies.seen(scope)
        if not seen.host:
            await respond(send, NO_HOST, [])
            return
        if _declared_size(scope) > (bytes_max := self._body_bytes_max()):
            await respond(send, _too_large(bytes_max), [])
            return
        query = scope["query_string"].decode("latin-1")
        request = HttpRequest(
            method=scope["method"],
            url=f"{seen.scheme}://{seen.host}{path}{'?' if query else ''}{query}",
            headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
            client=seen.client,
            has_body=scope["method"] not in _WITHOUT_BODY,
        )
        await self._serve(route, request, scope, receive, send)

    def _find_own(self, path: str) -> Handler | None:
        found = self._own.get(path)
        if found is not None:
            return found
        return next((own for prefix, own in self._own.items() if prefix[-1] == "/" and path.startswith(prefix)), None)

    def _current_routes(self) -> Routes:
        """Those of the release that serves."""
        manifest = self._engine.manifest
        if manifest is not self._manifest:
            self._manifest, self._routes = manifest, Routes(manifest.routes)
        return self._routes

    async def _serve(self, route: RouteSpec, request: HttpRequest, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            asker, refused = await self._asker(scope)
        except ProviderFailed:
            await respond(send, refusal_answer(unverifiable()), [])
            return
        request_id = random_request_id()
        exchange = self._engine.serve(route, request, asker, request_id=request_id, token_refused=refused)
        reading = asyncio.create_task(self._read(exchange, receive, has_body=request.has_body))
        try:
            start = await exchange.started()
            if start is not None:
                await _send_response(exchange, start, send)
            failure = None if exchange.outcome is None else exchange.outcome.failure
            if failure is not None:
                tell_all = self._wording.tells_all(asker)
                answer = self._failed(failure, route, request_id, tell_all=tell_all)
                if start is None:
                    await respond(send, answer, [])
        finally:
            exchange.leave()
            reading.cancel()

    async def _asker(self, scope: Scope) -> tuple[Asker, TokenRefused | None]:
        """Who asks, or why nobody knows: the header may be meant for the app, and is none of our business."""
        authorization = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        if authorization is None:
            return ANONYMOUS, None
        try:
            return await self._authenticator.header(authorization.decode("latin-1")), None
        except TokenRefused as error:
            return ANONYMOUS, error
        except AdminKeyRefused as error:
            return ANONYMOUS, TokenRefused("BadDeployKey", str(error))

    async def _read(self, exchange: Exchange, receive: Receive, *, has_body: bool) -> None:
        """Hand the request's body on, then wait for the client to leave."""
        size, more, bytes_max = 0, has_body, self._body_bytes_max()
        end: BodyEnd = "whole"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                end = "gone"
                break
            data = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(data)
            if size > bytes_max:
                end = "too_large"
                break
            await exchange.upload(data)
        if has_body:
            await exchange.end_upload(end)
        while end != "gone" and (await receive())["type"] != "http.disconnect":
            pass  # More of a body that is too large, or that nobody asked for.
        exchange.leave()

    def _failed(self, failure: Failure, route: RouteSpec, request_id: str, *, tell_all: bool) -> Answer:
        """What is answered instead of what the action did not answer. The failure is reported by this."""
        text = self._wording.message(failure, route.name, request_id, tell_all=tell_all)
        trace = failure.frames if tell_all else ""
        if trace:
            text = text.removesuffix(f"\n{trace}")
        body: dict[str, Any] = {"code": text.replace("\n", ": ", 1)}
        if trace:
            body["trace"] = trace
        if failure.data is not None:
            body["data"] = msgspec.Raw(failure.data)
        return Answer(msgspec.json.encode(body), _STATUSES.get(failure.code, 500), JSON)


async def _send_response(exchange: Exchange, start: ResponseStart, send: Send) -> None:
    """Send what the action answers. If it fails on the way, the end is missing, and the server cuts the connection."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in start.headers]
    await send({"type": "http.response.start", "status": start.status, "headers": headers})
    async for piece in exchange.pieces():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    if exchange.outcome is not None and exchange.outcome.failure is None:
        await send({"type": "http.response.body", "body": b""})


def _declared_size(scope: Scope) -> int:
    if scope["method"] in _WITHOUT_BODY:
        return 0
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(length) if length.isdigit() else 0


def _too_large(bytes_max: int) -> Answer:
    message = f"The request's body is larger than {bytes_max:,} bytes; {setting('http_body_bytes')}, or send less"
    return Answer(msgspec.json.encode({"code": "RequestTooLarge", "message": message}), 413, JSON)
