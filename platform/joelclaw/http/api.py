"""
The client API over HTTP: calling functions, consistent reads, and a few words of text.

Raw ASGI, mounted into the framework's app: its layers of requests and responses would cost
half the throughput. Unknown routes answer 400 in JSON rather than 404, which the official
command line takes for a network fault and retries for a minute.

Elsewhere: `calls.py` reads and writes bodies, `requests.py` headers and CORS; `sync/` has the
WebSocket that shares the origin; the rules of who may call what are the engine's.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Protocol

import msgspec
import structlog

from joelclaw.auth.authenticator import Authenticator
from joelclaw.clock import Clock
from joelclaw.engine.asker import ANONYMOUS, Asker
from joelclaw.engine.built_ins import NOWHERE, Origin
from joelclaw.engine.results import Result
from joelclaw.errors import AdminKeyRefused, ProviderFailed, RequestRefused, TokenRefused
from joelclaw.functions.calls import TRY_AGAIN, Failure, Outcome
from joelclaw.functions.manifest import FunctionKind, FunctionSpec
from joelclaw.http.calls import (
    HttpCall,
    error_body,
    read_batch,
    read_call,
    read_query_string,
    read_run,
    success_body,
)
from joelclaw.http.consistent_reads import ConsistentReads
from joelclaw.http.forwarding import Proxies
from joelclaw.http.protocol import HANG_UP
from joelclaw.http.requests import (
    Answer,
    Cors,
    Receive,
    Request,
    Scope,
    Send,
    path_of,
    refusal_answer,
    respond,
    text_answer,
    unverifiable,
)
from joelclaw.http.storage import PREFIX as STORAGE_PREFIX
from joelclaw.http.storage import StorageRoutes
from joelclaw.limits import DEFAULT_LIMITS
from joelclaw.sync.messages import ts_text
from joelclaw.sync.socket import OUTLET, Sockets
from joelclaw.sync.wording import Wording, log_lines_text, random_request_id

BATCH_QUERIES_MAX = 256
EXPORTS = "/api/export/zip/"
"""What is below it is one route."""

ECHO_BYTES_MAX = 128 * 1024 * 1024
IDEMPOTENCY_KEY_LENGTH_MAX = 255

NO_PROXIES = Proxies()

NO_ANSWER = refusal_answer(RequestRefused(503, "TryAgain", "Nothing can be written right now. Try again later."))
"""Said only where the server cannot hang up, see `TRY_AGAIN`."""

_SYNC_PATH = re.compile(r"/api/([^/]+/)?sync")

log = structlog.get_logger("joelclaw.http")


class ApiEngine(Protocol):
    """What the API needs of the engine."""

    @property
    def clock(self) -> Clock: ...

    @property
    def published_ts(self) -> int: ...

    def find(self, path: str) -> FunctionSpec | None: ...

    def refusal(
        self, path: str, kind: FunctionKind | None, asker: Asker, *, internal: bool = False
    ) -> Failure | None: ...

    def recall(self, path: str, args: bytes, asker: Asker) -> Result | None: ...

    async def query(self, path: str, args: bytes, asker: Asker, *, request_id: str = "") -> tuple[Result, int]: ...

    async def mutate(
        self, path: str, args: bytes, asker: Asker, *, request_id: str = "", call_id: str = ""
    ) -> Outcome: ...

    async def act(
        self, path: str, args: bytes, asker: Asker, *, request_id: str = "", origin: Origin = NOWHERE
    ) -> Outcome: ...


Handler = Callable[[Request], Awaitable[Answer]]


class Api:
    """Answers the requests of HTTP clients; hands sockets of the sync protocol on."""

    def __init__(
        self,
        engine: ApiEngine,
        authenticator: Authenticator,
        wording: Wording,
        sockets: Sockets,
        *,
        name: str,
        version: str,
        cors: Cors,
        storage: StorageRoutes | None = None,
        arguments_bytes: Callable[[], int] = lambda: DEFAULT_LIMITS.arguments_bytes,
        proxies: Proxies = NO_PROXIES,
        more_routes: Mapping[str, Mapping[str, Handler]] = MappingProxyType({}),
    ) -> None:
        self._engine = engine
        self._authenticator = authenticator
        self._wording = wording
        self._sockets = sockets
        self._cors = cors
        self._storage = storage
        self._arguments_bytes = arguments_bytes
        self._proxies = proxies
        self._reads = ConsistentReads()
        self._routes: dict[str, Mapping[str, Handler]] = {
            **more_routes,
            "/api/query": {"POST": self._query, "GET": self._query_by_url},
            "/api/mutation": {"POST": self._mutation},
            "/api/action": {"POST": self._action},
            "/api/function": {"POST": self._function},
            "/api/query_ts": {"POST": self._query_ts},
            "/api/query_at_ts": {"POST": self._query_at_ts},
            "/api/query_batch": {"POST": self._query_batch},
            "/version": {"GET": _text(version)},
            "/instance_version": {"GET": _text(version)},
            "/instance_name": {"GET": _text(name)},
            "/": {"GET": _text(f"This joelclaw deployment is running: {name}")},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI app."""
        path = scope["path"] = path_of(scope)
        if scope["type"] == "websocket":
            await self._connect(path, scope, receive, send)
            return
        request = Request(scope, receive, self._arguments_bytes())
        if request.method == "OPTIONS":
            await respond(send, Answer(b""), self._cors.preflight(request))
            return
        if self._storage is not None and path.startswith(STORAGE_PREFIX):
            await self._serve_storage(self._storage, request, scope, receive, send)
            return
        if path == "/echo" and request.method == "POST":
            await self._echo(request, receive, send)
            return
        answer = await self._answer(request)
        if answer is NO_ANSWER and HANG_UP in scope["state"]:
            scope["state"][HANG_UP]()
            await request.left()
            return
        await respond(send, answer, self._cors.headers(request))

    async def _connect(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        if _SYNC_PATH.fullmatch(path):
            page = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"), None)
            address = self._proxies.seen(scope).client or ""
            scope["headers"].clear()  # Nobody reads them any more, and they would be kept as long as the connection.
            outlet = scope.get("extensions", {}).pop(OUTLET, None)
            await self._sockets.serve(receive, send, outlet, page, address)  # Any version: clients move on without us.
            return
        await receive()
        await send({"type": "websocket.close"})

    async def _answer(self, request: Request) -> Answer:
        try:
            return await self._handler(request)(request)
        except Exception as error:
            return _refused(request, error)

    def _handler(self, request: Request) -> Handler:
        methods = self._routes.get(request.path)
        if methods is None and request.path.startswith("/api/run/"):
            methods = {"POST": self._run_by_path}
        if methods is None and request.path.startswith(EXPORTS):
            methods = self._routes.get(EXPORTS)
        if methods is None:
            raise _unknown(request.path)
        handler = methods.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            raise RequestRefused(405, "MethodNotAllowed", f"{request.path} takes {' or '.join(methods)}")
        return handler

    # -- calls

    async def _query(self, request: Request) -> Answer:
        call = await _call(request)
        return await self._run(call, "query", await self._asker(request))

    async def _query_by_url(self, request: Request) -> Answer:
        return await self._run(read_query_string(request.query_string), "query", await self._asker(request))

    async def _mutation(self, request: Request) -> Answer:
        call = await _call(request)
        asker = await self._asker(request)
        return await self._run(call, "mutation", asker, call_id=_call_id(request, call, asker))

    async def _action(self, request: Request) -> Answer:
        call = await _call(request)
        return await self._run(call, "action", await self._asker(request), origin=self._origin(request))

    def _origin(self, request: Request) -> Origin:
        page = None if request.origin is None else request.origin.decode("latin-1")
        return Origin(page=page, address=self._proxies.seen(request.scope).client or "")

    async def _function(self, request: Request) -> Answer:
        """Any function of any kind, for administrators: the command line's way to run one."""
        call = await _call(request)
        asker = await self._asker(request)
        if not asker.admin:
            raise RequestRefused(403, "BadDeployKey", "Only an admin key may call this; see /api/query and its like")
        return await self._run(call, None, asker, internal=True, call_id=_call_id(request, call, asker))

    async def _run_by_path(self, request: Request) -> Answer:
        request.check_json()
        call = read_run(await request.body(), request.path.removeprefix("/api/run/").split("/"))
        asker = await self._asker(request)
        call_id = _call_id(request, call, asker)
        return await self._run(call, None, asker, call_id=call_id, origin=self._origin(request))

    async def _asker(self, request: Request) -> Asker:
        if request.authorization is None:
            return ANONYMOUS
        return await self._authenticator.header(request.authorization.decode("latin-1"))

    async def _run(
        self,
        call: HttpCall,
        kind: FunctionKind | None,
        asker: Asker,
        *,
        internal: bool = False,
        call_id: str = "",
        origin: Origin = NOWHERE,
    ) -> Answer:
        """Run what a request asks for; `kind` None: whatever it is."""
        engine = self._engine
        refusal = engine.refusal(call.path, kind, asker, internal=internal)
        if refusal is not None:
            return self._failure(call, refusal, (), asker, random_request_id())
        if kind is None:
            spec = engine.find(call.path)
            assert spec is not None, "a function that is not there was not refused"
            kind = spec.kind
        if kind == "query":
            return await self._answer_query(call, asker)
        request_id = random_request_id()
        if kind == "mutation":
            outcome = await engine.mutate(call.path, call.args, asker, request_id=request_id, call_id=call_id)
        else:
            outcome = await engine.act(call.path, call.args, asker, request_id=request_id, origin=origin)
        if outcome.failure is not None:
            if outcome.failure.code == TRY_AGAIN:
                return NO_ANSWER
            return self._failure(call, outcome.failure, outcome.log_lines, asker, request_id)
        return self._success(call, outcome.value, outcome.log_lines, asker)

    async def _answer_query(self, call: HttpCall, asker: Asker) -> Answer:
        result = self._engine.recall(call.path, call.args, asker)
        if result is not None:
            return self._success(call, result.value, [], asker)  # Whoever asked for the run was told its lines.
        request_id = random_request_id()
        result, _ = await self._engine.query(call.path, call.args, asker, request_id=request_id)
        if result.failure is not None:
            return self._failure(call, result.failure, result.log_lines, asker, result.request_id)
        return self._success(call, result.value, result.log_lines, asker)

    def _success(self, call: HttpCall, value: bytes, log_lines: list[str], asker: Asker) -> Answer:
        lines = log_lines_text(log_lines, tell_all=self._wording.tells_all(asker)) if log_lines else "[]"
        return Answer(success_body(value, lines, call.format))

    def _failure(
        self, call: HttpCall, failure: Failure, log_lines: "list[str] | tuple[()]", asker: Asker, request_id: str
    ) -> Answer:
        tell_all = self._wording.tells_all(asker)
        message = self._wording.message(failure, call.path, request_id, tell_all=tell_all)
        lines = log_lines_text(log_lines, tell_all=tell_all)
        return Answer(error_body(message, failure.data, lines, call.format))

    # -- consistent reads

    async def _query_ts(self, request: Request) -> Answer:
        await request.body()
        ts = self._reads.give_out(self._engine.published_ts, self._engine.clock.now_ms())
        return Answer(b'{"ts":"%b"}' % ts_text(ts).encode())

    async def _query_at_ts(self, request: Request) -> Answer:
        call = await _call(request)
        self._reads.check(call.ts, self._engine.published_ts, self._engine.clock.now_ms())
        return await self._run(call, "query", await self._asker(request))

    async def _query_batch(self, request: Request) -> Answer:
        request.check_json()
        calls = read_batch(await request.body())
        if len(calls) > BATCH_QUERIES_MAX:
            raise RequestRefused(400, "TooManyQueries", f"A batch holds at most {BATCH_QUERIES_MAX} queries")
        asker = await self._asker(request)
        answers = [await self._run(call, "query", asker) for call in calls]
        return Answer(b'{"results":[%b]}' % b",".join(answer.body for answer in answers))

    # -- the rest

    async def _serve_storage(
        self, storage: StorageRoutes, request: Request, scope: Scope, receive: Receive, send: Send
    ) -> None:
        headers = self._cors.headers(request)
        try:
            await storage(scope, receive, send, headers)
        except Exception as error:
            await respond(send, _refused(request, error), headers)

    async def _echo(self, request: Request, receive: Receive, send: Send) -> None:
        """Send the body back piece by piece, as it comes: nothing of it is kept."""
        headers = [(b"content-type", request.content_type or b"application/octet-stream"), *self._cors.headers(request)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        more, size = True, 0
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body = message.get("body", b"")
            size += len(body)
            more = message.get("more_body", False) and size <= ECHO_BYTES_MAX
            await send({"type": "http.response.body", "body": body, "more_body": more})


def _refused(request: Request, error: Exception) -> Answer:
    """What is told of an exception; one that is none of ours is a defect, and told to the log."""
    match error:
        case RequestRefused():
            return refusal_answer(error)
        case TokenRefused():
            return refusal_answer(RequestRefused(401, error.reason_code, str(error)))
        case ProviderFailed():
            return refusal_answer(unverifiable())
        case AdminKeyRefused():
            return refusal_answer(RequestRefused(403, "BadDeployKey", str(error)))
    log.error("a request could not be answered", path=request.path, exc_info=error)
    sentence = "Your request couldn't be completed. Try again later."
    return refusal_answer(RequestRefused(500, "InternalServerError", sentence))


def _text(text: str) -> Handler:
    answer = text_answer(text)

    async def handler(request: Request) -> Answer:  # noqa: ARG001 (all handlers take it)
        return answer

    return handler


def _unknown(path: str) -> RequestRefused:
    if path == "/api" or path.startswith("/api/"):
        return RequestRefused(400, "NotSupported", f"This deployment has no route {path}")
    return RequestRefused(404, "NotFound", f"There is nothing at {path}")


async def _call(request: Request) -> HttpCall:
    request.check_json()
    return read_call(await request.body()).for_client(request.client)


def _call_id(request: Request, call: HttpCall, asker: Asker) -> str:
    """
    Under which name a mutation's outcome is recorded, so that a repeated request runs nothing.

    The caller's key counts together with who calls what with which arguments: nobody reads
    somebody else's outcome by guessing a key, and a key used twice by mistake loses no write.
    """
    key = request.idempotency_key
    if key is None:
        return ""
    if not 0 < len(key) <= IDEMPOTENCY_KEY_LENGTH_MAX:
        raise RequestRefused(
            400, "BadIdempotencyKey", f"An Idempotency-Key has 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} characters"
        )
    who = f"{asker.key}{' admin' if asker.admin else ''}"
    parts = msgspec.json.encode([who, call.path, call.args.decode(), key.decode("latin-1")])
    return f"key|{sha256(parts).hexdigest()}"
