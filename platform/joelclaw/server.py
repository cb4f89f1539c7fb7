"""
The server: the parts put together, started, and stopped without losing anything.

One event loop serves every socket. Start: take the ports, so that a second server is told at
once; deploy the app; only then listen. Stop, at SIGTERM or Ctrl-C: listen no more, answer what was
received, close the sockets with a code that makes clients come back, let requests end, end
the isolates. A second Ctrl-C waits for nothing.

HTTP and WebSockets are spoken by uvicorn, each made lighter in one place: `http/protocol.py` and
`sync/websocket.py`.
"""

import asyncio
import errno
import gc
import logging
import os
import signal
import socket as sockets_of_the_system
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import structlog
import uvicorn
import uvloop

from joelclaw.auth.admin_keys import AdminKeys, generate_admin_key, hash_of
from joelclaw.auth.authenticator import Authenticator, UserVerifier
from joelclaw.backup.declaring import check_declaration
from joelclaw.config import Config
from joelclaw.deploy.deployer import Deployer, Narrator, Origins, engine_limits
from joelclaw.deploy.lock import locked
from joelclaw.engine.engine import Engine
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import CommandFailed, PlatformError, SystemCallFailed
from joelclaw.files.opening import open_files
from joelclaw.files.protocol import FileStore
from joelclaw.functions.calls import Failure
from joelclaw.functions.manifest import Manifest
from joelclaw.http.administration import AdministrationRoutes
from joelclaw.http.api import Api, Handler
from joelclaw.http.app import App, Doors
from joelclaw.http.environment import EnvironmentRoutes
from joelclaw.http.forwarding import Proxies
from joelclaw.http.health import HealthRoutes
from joelclaw.http.logs import LogRoutes
from joelclaw.http.protocol import HttpProtocol
from joelclaw.http.pushes import PushRoutes
from joelclaw.http.requests import Cors
from joelclaw.http.site import Site
from joelclaw.http.storage import StorageRoutes
from joelclaw.http.transfer import TransferRoutes
from joelclaw.limits import DEFAULT_LIMITS
from joelclaw.logs.recorder import RunLog
from joelclaw.metrics.collector import Metrics
from joelclaw.scheduler.backups import BackupService
from joelclaw.scheduler.crons import Crons
from joelclaw.scheduler.expiry import Expiry
from joelclaw.scheduler.jobs import Jobs
from joelclaw.scheduler.sweeping import FileSweeper
from joelclaw.store.file_systems import network_file_system
from joelclaw.sync.socket import Sockets
from joelclaw.sync.websocket import WebSocketProtocol
from joelclaw.sync.wording import Wording
from joelclaw.transfer.transfers import Transfers

FRAME_ARGUMENTS = 2
"""Arguments as large as allowed may come in one frame, and their text may be larger than they count. Refusing it would
make the client send it again, for ever."""

WEBSOCKET_PING_S = 30.0
WEBSOCKET_PONG_S = 90.0
"""A peer that answered no ping for so long is dead; a slow one may need a while to take what is before the ping."""

KEEP_ALIVE_S = 75
SHUTDOWN_TIMEOUT_S = 10
BACKLOG = 2_048

FIND_KEY = "_system/adminKeys:find"
CREATE_KEY = "_system/adminKeys:create"
LIST_KEYS = "_system/adminKeys:list"

log = structlog.get_logger("joelclaw.server")


class Service(Protocol):
    """Something that the platform does by itself beside answering: it begins with the first deploy."""

    async def run(self) -> None:
        """Work until cancelled. The engine serves all the while."""
        ...

    async def close(self) -> None:
        """`run` was cancelled: finish what was begun and is owed. The engine still serves."""
        ...


class Host(Narrator, Protocol):
    """Who tells the people before the terminal."""

    def serving(self, url: str, *, site_url: str, development: bool) -> None:
        """Clients are answered from now on, and at `site_url` those of HTTP actions."""
        ...

    def admin_key_made(self, key: str) -> None:
        """The deployment had no admin key and has this one now. It cannot be shown again."""
        ...

    def stopping(self) -> None:
        """Told to stop; what was received is being answered."""
        ...


def run(config: Config, *, development: bool, host: Host, users: UserVerifier | None = None) -> None:
    """
    Serve a deployment until the process is told to stop. `users` tells whose a token is; without it, nobody's.

    Raises:
        CommandFailed: The port cannot be had, or another server has the database.
        AppRefused: The app does not load, and nobody is there to correct it (not in development).
    """
    configure_logging(development=development, level=config.server.log_level)
    uvloop.run(_run(config, development=development, host=host, users=users))


async def _run(config: Config, *, development: bool, host: Host, users: UserVerifier | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(config, development=development, host=host, users=users, stop=stop)


async def serve(
    config: Config, *, development: bool, host: Host, users: UserVerifier | None = None, stop: asyncio.Event
) -> None:
    """Serve a deployment until `stop` is set; see `run`."""
    logs = config.logs
    async with RunLog(
        config.logs_file, keep_days=logs.keep_days, keep_mb=logs.keep_mb, quiet_queries=logs.quiet_queries
    ) as run_log:
        await _serve(config, run_log, development=development, host=host, users=users, stop=stop)


async def _serve(
    config: Config, run_log: RunLog, *, development: bool, host: Host, users: UserVerifier | None, stop: asyncio.Event
) -> None:
    check_file_system(config)
    check_declaration(config)
    with (
        closing(listen(config)) as listener,
        closing(listen_for_site(config)) as site,
        _listening_for_metrics(config) as metrics_listener,
        locked(config.database),
    ):
        limits = engine_limits(config)
        crew = limits.readers + 2
        engine = Engine(limits, development=development, spares=crew if development else 0)
        engine.record(run_log)
        announced = _FirstDeploy(host)
        deployer = Deployer(engine, config, announced, _origins(config, listener, site))
        deploying = asyncio.create_task(deployer.follow() if development else deployer.deploy(development=False))
        # Who cannot follow the files any more, or has nothing to serve, has to say so.
        deploying.add_done_callback(lambda task: stop.set() if development or _failed(task) else None)
        try:
            if await _either(announced.done, stop):
                return  # Told to stop before there was anything to serve.
            authenticator = Authenticator(
                AdminKeys(_KeyTable(SystemCalls(engine)).known, config.server.admin_key), users
            )
            files = open_files(config.files_url, config.files_credentials)
            storage = StorageRoutes(
                SystemCalls(engine),
                files,
                engine.clock,
                secret=lambda: engine.secret,
                bytes_max=lambda: deployer.config.limits.upload_bytes,
            )
            transfers = Transfers(engine, config.transfers)
            async with _running([transfers, *services(engine, config, files)]):
                await _serve_api(
                    config,
                    engine,
                    authenticator,
                    storage,
                    run_log,
                    transfers,
                    deployer,
                    listener,
                    site,
                    metrics_listener,
                    development=development,
                    host=host,
                    stop=stop,
                )
        finally:
            deploying.cancel()
            try:
                with suppress(asyncio.CancelledError):
                    await deploying
            finally:
                await engine.close()


def _origins(config: Config, listener: sockets_of_the_system.socket, site: sockets_of_the_system.socket) -> Origins:
    """Where the deployment is reached: as declared, or where it listens."""
    return Origins(config.server.api_origin or url_of(listener), config.server.site_origin or url_of(site))


def services(
    engine: Engine,
    config: Config,
    files: FileStore,
) -> list[Service]:
    """What runs beside the protocols, in the order in which it is ended."""
    return [
        BackupService(SystemCalls(engine), engine.clock, config),
        Crons(SystemCalls(engine), engine.clock),
        Expiry(SystemCalls(engine)),
        FileSweeper(SystemCalls(engine), files, engine.clock, engine.secret),
        Jobs(engine),
    ]


@asynccontextmanager
async def _running(services: Sequence[Service]) -> AsyncIterator[None]:
    """Services at work. One that fails is a defect of ours: it is told, and the others go on."""
    tasks = [asyncio.create_task(service.run()) for service in services]
    for task in tasks:
        task.add_done_callback(_tell_failure)
    try:
        yield
    finally:
        for service, task in zip(services, tasks, strict=True):
            task.cancel()
            await asyncio.wait([task])
            await service.close()


def _tell_failure(task: asyncio.Task[None]) -> None:
    if _failed(task):
        log.error("a part of the platform has stopped; restart the server", exc_info=task.exception())


def _failed(task: asyncio.Task[None]) -> bool:
    return not task.cancelled() and task.exception() is not None


async def _either(done: asyncio.Event, stop: asyncio.Event) -> bool:
    """Wait until one of them is set; whether only `stop` is."""
    waits = [asyncio.ensure_future(event.wait()) for event in (done, stop)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    return not done.is_set()


async def _serve_api(
    config: Config,
    engine: Engine,
    authenticator: Authenticator,
    storage: StorageRoutes,
    run_log: RunLog,
    transfers: Transfers,
    deployer: Deployer,
    listener: sockets_of_the_system.socket,
    site_listener: sockets_of_the_system.socket,
    metrics_listener: sockets_of_the_system.socket | None,
    *,
    development: bool,
    host: Host,
    stop: asyncio.Event,
) -> None:
    wording = Wording(development=development, report=_report)
    sockets = Sockets(engine, authenticator, wording, connections_max=lambda: engine.limits.connections)
    metrics = Metrics(
        engine,
        version=version("joelclaw"),
        connections=lambda: len(sockets),
        subscriptions=lambda: sockets.subscriptions,
    )
    health = HealthRoutes(engine, metrics, authenticator, stopping=stop.is_set, deploy_problem=lambda: deployer.problem)
    api = Api(
        engine,
        authenticator,
        wording,
        sockets,
        name=config.app.name,
        version=version("joelclaw"),
        cors=Cors(config.server.allowed_origins),
        storage=storage,
        arguments_bytes=lambda: engine.limits.arguments_bytes,
        more_routes=_health_routes(health)
        | _admin_routes(engine, authenticator, run_log, stop)
        | _transfer_routes(transfers, authenticator)
        | _tool_routes(engine, authenticator, _origins(config, listener, site_listener)),
    )
    site = Site(
        engine,
        authenticator,
        wording,
        proxies=Proxies(config.server.trusted_proxies),
        body_bytes_max=lambda: engine.limits.http_body_bytes,
    )
    if config.server.admin_key is None:
        await _KeyTable(SystemCalls(engine)).ensure(config.app.name, host)
    metrics_port = None if metrics_listener is None else metrics_listener.getsockname()[1]
    doors = Doors(App(api), site, site_listener.getsockname()[1], health, metrics_port)
    server = ApiServer(uvicorn_config(doors, config.limits.arguments_bytes), sockets, engine.drain)
    _calm_the_collector()
    stopping = asyncio.create_task(_stop(stop, server, host))
    log.info(
        "serving",
        version=version("joelclaw"),
        api_port=listener.getsockname()[1],
        site_port=site_listener.getsockname()[1],
        metrics_port=metrics_port,
        database=str(config.database),
        commit_ts=engine.published_ts,
    )
    host.serving(url_of(listener), site_url=url_of(site_listener), development=development)
    try:
        listeners = [listener, site_listener, *([] if metrics_listener is None else [metrics_listener])]
        await server.serve(sockets=listeners)
    finally:
        stopping.cancel()


def _health_routes(health: HealthRoutes) -> dict[str, dict[str, Handler]]:
    return {
        "/health/live": {"GET": health.live},
        "/health/ready": {"GET": health.ready},
        "/metrics": {"GET": health.metrics},
    }


def _admin_routes(
    engine: Engine, authenticator: Authenticator, run_log: RunLog, stop: asyncio.Event
) -> dict[str, dict[str, Handler]]:
    environment = EnvironmentRoutes(SystemCalls(engine), authenticator)
    logs = LogRoutes(run_log, authenticator, stop)
    return {
        "/api/update_environment_variables": {"POST": environment.update},
        "/api/list_environment_variables": {"GET": environment.list},
        "/api/stream_function_logs": {"GET": logs.function_logs},
        "/api/stream_udf_execution": {"GET": logs.executions},
        "/api/app_metrics/stream_function_logs": {"GET": logs.function_logs},
    }


def _transfer_routes(transfers: Transfers, authenticator: Authenticator) -> dict[str, dict[str, Handler]]:
    routes = TransferRoutes(transfers, authenticator)
    return {
        "/api/export/request/zip": {"POST": routes.request_zip},
        "/api/export/request/table": {"POST": routes.request_table},
        "/api/export/zip/": {"GET": routes.fetch},
        "/api/import/start_upload": {"POST": routes.start_upload},
        "/api/import/upload_part": {"POST": routes.upload_part},
        "/api/import/finish_upload": {"POST": routes.finish_upload},
        "/api/perform_import": {"POST": routes.perform},
        "/api/cancel_import": {"POST": routes.cancel},
    }


def _tool_routes(engine: Engine, authenticator: Authenticator, origins: Origins) -> dict[str, dict[str, Handler]]:
    """What the official command line and dashboard ask beside calls."""
    administration = AdministrationRoutes(authenticator, api_origin=origins.api, site_origin=origins.site)
    pushes = PushRoutes(lambda: engine.manifest, authenticator)
    return {
        "/api/check_admin_key": {"GET": administration.check_key},
        "/api/v1/get_canonical_urls": {"GET": administration.canonical_urls},
        "/api/run_test_function": {"POST": administration.run_inline},
        "/api/get_config_hashes": {"POST": pushes.config_hashes},
        "/api/deploy2/evaluate_push": {"POST": pushes.evaluate},
        "/api/deploy2/start_push": {"POST": pushes.start},
        "/api/deploy2/wait_for_schema": {"POST": pushes.wait_for_schema},
        "/api/deploy2/finish_push": {"POST": pushes.finish},
        "/api/deploy2/report_push_completed": {"POST": pushes.completed},
    }


def _calm_the_collector() -> None:
    """
    Let Python look for cycles less often, and never among what is there for good.

    A connection is a hundred objects that live long. With the usual threshold every broadcast
    walks all of them: 1,000 sockets cost 50 ms of CPU instead of 35.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _stop(stop: asyncio.Event, server: "ApiServer", host: Host) -> None:
    await stop.wait()
    host.stopping()
    server.should_exit = True
    # From here on Ctrl-C has its usual meaning.
    asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)


class _FirstDeploy:
    """Passes on what is told, and notices the first code that works."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.done = asyncio.Event()

    def deployed(self, manifest: Manifest, *, took_ms: float, written: Sequence[Path], first: bool) -> None:
        self._host.deployed(manifest, took_ms=took_ms, written=written, first=first)
        self.done.set()

    def refused(self, error: PlatformError) -> None:
        self._host.refused(error)

    def slow(self, seconds: float) -> None:
        self._host.slow(seconds)

    def types_not_written(self, reason: str) -> None:
        self._host.types_not_written(reason)

    def restart_needed(self, settings: Sequence[str]) -> None:
        self._host.restart_needed(settings)


class _KeyTable:
    """The admin keys that the platform made, in its own table."""

    def __init__(self, system: SystemCalls) -> None:
        self._system = system

    async def known(self, hashed: str) -> bool:
        try:
            return await self._system.ask(FIND_KEY, hash=hashed) is not None
        except SystemCallFailed:
            return False

    async def ensure(self, name: str, host: Host) -> None:
        """Make a key if there is none."""
        try:
            if await self._system.ask(LIST_KEYS):
                return
            key = generate_admin_key(name)
            await self._system.tell(CREATE_KEY, hash=hash_of(key), name="first start")
        except SystemCallFailed as error:
            raise CommandFailed(f"no admin key could be kept: {error.message}") from error
        host.admin_key_made(key)


# -- the ports


def listen(config: Config) -> sockets_of_the_system.socket:
    """
    Take the declared port of clients.

    Raises:
        CommandFailed: Somebody else has it, or it cannot be had.
    """
    return _listen(config, "api_port", config.server.api_port)


def listen_for_site(config: Config) -> sockets_of_the_system.socket:
    """As `listen`, the port of HTTP actions."""
    return _listen(config, "site_port", config.site_port)


@contextmanager
def _listening_for_metrics(config: Config) -> Iterator[sockets_of_the_system.socket | None]:
    """As `listen`, the port of metrics; None, if none is declared."""
    if config.server.metrics_port is None:
        yield None
        return
    with closing(_listen(config, "metrics_port", config.server.metrics_port)) as listener:
        yield listener


def _listen(config: Config, setting: str, port: int) -> sockets_of_the_system.socket:
    host = config.server.host
    try:
        family, kind, protocol, _, address = sockets_of_the_system.getaddrinfo(
            host, port, type=sockets_of_the_system.SOCK_STREAM, flags=sockets_of_the_system.AI_PASSIVE
        )[0]
        listener = sockets_of_the_system.socket(family, kind, protocol)
    except OSError as error:
        raise CommandFailed(f"{config.source.place('server', 'host')}: {host} is no address of this machine") from error
    try:
        listener.setsockopt(sockets_of_the_system.SOL_SOCKET, sockets_of_the_system.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CommandFailed(_why_not(config, setting, port, error)) from error
    listener.setblocking(False)
    return listener


def _why_not(config: Config, setting: str, port: int, error: OSError) -> str:
    host = config.server.host
    place = config.source.place("server", setting)
    if error.errno == errno.EADDRINUSE:
        return f"{place}: port {port} of {host} is in use; stop what uses it, or choose another server.{setting}"
    return f"{place}: port {port} of {host} cannot be had: {os.strerror(error.errno or 0)}"


def url_of(listener: sockets_of_the_system.socket) -> str:
    """Where this machine reaches a listener."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def check_file_system(config: Config) -> None:
    """
    Raises:
        CommandFailed: The database would be on a network file system, and nobody has allowed that.
    """
    kind = network_file_system(config.database)
    if kind is not None and not config.store.allow_network_file_system:
        raise CommandFailed(
            f"{config.source.place('store', 'url')}: {config.database} is on {kind}, a file system over the network, "
            f"whose locks SQLite cannot rely on: the database could be damaged. Put it on a disk of this machine; "
            f"if you know better, set store.allow_network_file_system = true"
        )


# -- uvicorn


class ApiServer(uvicorn.Server):
    """Uvicorn, with our order of leaving, and signals left to us."""

    def __init__(
        self, config: uvicorn.Config, sockets: Sockets, drain_actions: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        super().__init__(config)
        self._sockets = sockets
        self._drain_actions = drain_actions

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[sockets_of_the_system.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        # First: uvicorn would hang up on them, whatever they are owed.
        await self._sockets.drain()
        if self._drain_actions is not None:
            await self._drain_actions()  # So that whoever waits for one is answered, however it ended.
        await super().shutdown(sockets)


def uvicorn_config(app: App | Doors, arguments_bytes: int = DEFAULT_LIMITS.arguments_bytes) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=HttpProtocol,
        ws=WebSocketProtocol,
        ws_max_size=FRAME_ARGUMENTS * max(arguments_bytes, DEFAULT_LIMITS.arguments_bytes),
        ws_ping_interval=WEBSOCKET_PING_S,
        ws_ping_timeout=WEBSOCKET_PONG_S,
        ws_per_message_deflate=False,
        lifespan="off",
        proxy_headers=False,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
    )


# -- the log


def configure_logging(*, development: bool, level: str = "info") -> None:
    """
    JSON lines in production, readable ones in development; both on standard error.

    Every line of JSON has `time`, `level` and `event`; what concerns one call has `request_id` and `path`. Libraries
    that log by themselves (uvicorn) are told in the same form.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    rendering = _for_people() if development else _for_programs()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    others = logging.StreamHandler(sys.stderr)
    others.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                *rendering,
            ],
        )
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[others])
    # A body that is cut off, because what makes it has failed, is told with the reason by whoever cuts it.
    logging.getLogger("uvicorn.error").addFilter(lambda record: "without completing response" not in str(record.msg))


def _for_programs() -> list[structlog.typing.Processor]:
    return [structlog.processors.TimeStamper(fmt="iso", key="time"), structlog.processors.JSONRenderer()]


def _for_people() -> list[structlog.typing.Processor]:
    return [
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        _failure_below,
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
    ]


def _failure_below(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Put message and frames of a failure, which may have many lines, below the line that tells of it."""
    texts = [event.pop(key) for key in ("message", "frames") if key in event]
    if any(texts):
        event["exception"] = "\n".join(text for text in texts if text)
    return event


def _report(request_id: str, path: str, failure: Failure) -> None:
    """What a client was told of a failure can be found here, by the id that it shows."""
    if failure.data is not None or failure.public:
        log.info("call refused", path=path, request_id=request_id, code=failure.code, message=failure.message)
    else:
        log.error("call failed", path=path, request_id=request_id, message=failure.message, frames=failure.frames)
