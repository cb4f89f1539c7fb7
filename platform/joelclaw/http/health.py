"""
Health: whether the process is alive, whether it can serve, and its metrics.

`/health/live` says that the event loop turns; who does not hear it restarts us. `/health/ready` says
whether calls would be answered now: a reader answers a query from the database, a writer stands,
and nobody has told us to stop. What is wrong without keeping anybody from being served (a deploy
that was refused, a backup that is overdue) stands beside it, and does not make us unready:
restarting would mend neither.

Both are open to anybody, as a balancer or kubelet cannot sign in; so the reasons in them are
fixed sentences. Whoever shows an admin key, or asks at the port for metrics, is told the whole. The
question to the database is asked at most once a second, however many ask.

`/metrics` names functions and counts, which is nobody else's business: an admin key opens it on the
port of clients. Not an address: behind a proxy every request comes from this machine. `[server]
metrics_port` is for a network that is trusted instead; there is nothing else behind it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import msgspec

from joelclaw.auth.authenticator import Authenticator
from joelclaw.clock import Clock
from joelclaw.engine.results import Result
from joelclaw.engine.tally import Vitals
from joelclaw.errors import PlatformError, RequestRefused
from joelclaw.functions.calls import Failure
from joelclaw.http.requests import (
    Answer,
    Receive,
    Request,
    Scope,
    Send,
    path_of,
    refusal_answer,
    require_admin,
    respond,
)
from joelclaw.metrics.collector import CONTENT_TYPE, Backlog, Metrics
from joelclaw.values import wire

BACKLOG: Final = "_system/jobs:backlog"
BACKUPS: Final = "_system/backups:health"

PROBE_TIMEOUT_S: Final = 2.0
"""A database that takes longer to answer a small query serves nobody well."""

PROBE_EVERY_MS: Final = 1_000.0


class Part(msgspec.Struct, omit_defaults=True):
    """One of the things that have to be well."""

    ok: bool
    reason: str = ""


class Health(msgspec.Struct):
    """How a deployment is."""

    ready: bool
    version: int | None
    """Which version of the app serves; None in development, where there are none."""

    parts: dict[str, Part]


class HealthyEngine(Protocol):
    """What health asks the engine."""

    @property
    def clock(self) -> Clock: ...

    @property
    def vitals(self) -> Vitals: ...

    def find(self, path: str) -> object | None: ...

    async def probe(self, path: str) -> Result: ...


class HealthRoutes:
    """The routes on the port of clients, and an ASGI app of their own for the port of metrics."""

    def __init__(
        self,
        engine: HealthyEngine,
        metrics: Metrics,
        authenticator: Authenticator,
        *,
        stopping: Callable[[], bool],
        deployed: Callable[[], int | None],
        deploy_problem: Callable[[], str],
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self._authenticator = authenticator
        self._stopping = stopping
        self._deployed = deployed
        self._deploy_problem = deploy_problem
        self._probe: asyncio.Task[Result | None] | None = None
        self._probed_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The app on the port of metrics: nobody has to show a key there."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close"})
            return
        scope["path"] = path_of(scope)
        request = Request(scope, receive)
        routes: dict[str, Callable[[], Awaitable[Answer]]] = {
            "/health/live": self._live,
            "/health/ready": lambda: self._ready(whole=True),
            "/metrics": self._scraped,
        }
        route = routes.get(request.path)
        if route is None or request.method not in ("GET", "HEAD"):
            there = "There are GET /health/live, /health/ready and /metrics here"
            await respond(send, refusal_answer(RequestRefused(404, "NotFound", there)), [])
            return
        await respond(send, await route(), [])

    async def live(self, request: Request) -> Answer:  # noqa: ARG002 (all handlers take it)
        """`/health/live`."""
        return await self._live()

    async def ready(self, request: Request) -> Answer:
        """`/health/ready`; to administrators with every reason."""
        return await self._ready(whole=await self._shows_a_key(request))

    async def metrics(self, request: Request) -> Answer:
        """`/metrics`, for administrators."""
        await require_admin(self._authenticator, request, read_only=True)
        return await self._scraped()

    # -- health

    async def _live(self) -> Answer:
        return Answer(b'{"live":true}')

    async def _ready(self, *, whole: bool) -> Answer:
        needed = {
            "accepting": self._accepting(),
            "writer": self._writer(),
            "database": await self._database(whole=whole),
        }
        beside = {"deploy": self._deploy(whole=whole)}
        if (backups := await self._backups(whole=whole)) is not None:
            beside["backups"] = backups
        health = Health(all(part.ok for part in needed.values()), self._deployed(), needed | beside)
        return Answer(msgspec.json.encode(health), 200 if health.ready else 503)

    async def _shows_a_key(self, request: Request) -> bool:
        if request.authorization is None:
            return False
        try:
            await require_admin(self._authenticator, request, read_only=True)
        except PlatformError:
            return False  # It is a question of health: whoever asks wrongly is answered as anybody.
        return True

    def _accepting(self) -> Part:
        return Part(ok=False, reason="the server is shutting down") if self._stopping() else Part(ok=True)

    def _writer(self) -> Part:
        if self._engine.vitals.lanes["writer"].isolates:
            return Part(ok=True)
        return Part(ok=False, reason="no process runs mutations; one is being started")

    async def _database(self, *, whole: bool) -> Part:
        result = await self._probed()
        if result is None:
            return Part(ok=False, reason=f"no query was answered within {PROBE_TIMEOUT_S:.0f} s")
        if result.failure is None:
            return Part(ok=True)
        return Part(ok=False, reason=_told(result.failure, "a query of the database fails", whole=whole))

    def _deploy(self, *, whole: bool) -> Part:
        problem = self._deploy_problem()
        if not problem:
            return Part(ok=True)
        sentence = "the newest code was refused; what served before, serves"
        return Part(ok=False, reason=f"{sentence}: {problem}" if whole else sentence)

    async def _backups(self, *, whole: bool) -> Part | None:
        """None: there are no backups to speak of."""
        if self._engine.find(BACKUPS) is None:
            return None
        unknown = "it cannot be told whether backups are well"
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                result = await self._engine.probe(BACKUPS)
        except TimeoutError:
            return Part(ok=False, reason=unknown)
        if result.failure is not None:
            return Part(ok=False, reason=_told(result.failure, unknown, whole=whole))
        health: Any = wire.decode(result.value)
        if health is None:
            return None
        if health["ok"]:
            return Part(ok=True)
        return Part(ok=False, reason=str(health["problem"]) if whole else "backups fail or are overdue")

    async def _probed(self) -> Result | None:
        """The newest answer of the database, not older than a second; one question serves all who wait."""
        now = self._engine.clock.now_ms()
        # Clocks are set back, too.
        fresh = 0 <= now - self._probed_at < PROBE_EVERY_MS
        if self._probe is None or (self._probe.done() and not fresh):
            self._probed_at = now
            self._probe = asyncio.create_task(self._ask_the_database())
        return await asyncio.shield(self._probe)

    async def _ask_the_database(self) -> Result | None:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                return await self._engine.probe(BACKLOG)
        except TimeoutError:
            return None

    # -- metrics

    async def _scraped(self) -> Answer:
        result = await self._probed()
        backlog = None
        if result is not None and result.failure is None:
            counted: Any = wire.decode(result.value)
            backlog = Backlog(int(counted["outstanding"]), counted["nextAt"])
        backups = await self._backups(whole=False)
        text = self._metrics.text(backlog=backlog, backups_healthy=None if backups is None else backups.ok)
        return Answer(text, content_type=(b"content-type", CONTENT_TYPE.encode()))


def _told(failure: Failure, sentence: str, *, whole: bool) -> str:
    return f"{sentence}: {failure.message}" if whole else sentence
