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
import gc
import signal
from collections.abc import Sequence
from contextlib import aclosing, nullcontext, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog
import uvloop

from joelclaw.auth.admin_keys import AdminKeys
from joelclaw.auth.authenticator import Authenticator, UserVerifier
from joelclaw.backup.declaring import check_declaration
from joelclaw.config import Config
from joelclaw.deploy.deployer import Deployer, Narrator, Origins, engine_limits
from joelclaw.deploy.lock import locked
from joelclaw.deploy.versions import Versions
from joelclaw.engine.engine import Engine
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import CommandFailed, PlatformError
from joelclaw.files.opening import open_files
from joelclaw.functions.manifest import Manifest
from joelclaw.http.api import Api
from joelclaw.http.app import App, Doors
from joelclaw.http.forwarding import Proxies
from joelclaw.http.health import HealthRoutes
from joelclaw.http.requests import Cors
from joelclaw.http.site import Site
from joelclaw.http.storage import StorageRoutes
from joelclaw.logs.recorder import RunLog
from joelclaw.metrics.collector import Metrics
from joelclaw.server.issuers import issuer_tokens
from joelclaw.server.key_table import KeyTable
from joelclaw.server.narration import configure_logging, report_failure
from joelclaw.server.ports import Listeners, port_of, ports_taken, url_of
from joelclaw.server.routes import admin_routes, deploy_routes, health_routes, tool_routes, transfer_routes
from joelclaw.server.services import has_failed, running, services
from joelclaw.server.uvicorn_server import ApiServer, uvicorn_config
from joelclaw.store.file_systems import network_file_system
from joelclaw.sync.socket import Sockets
from joelclaw.sync.wording import Wording
from joelclaw.transfer.transfers import Transfers

if TYPE_CHECKING:
    from joelclaw.server.sign_in import SignInParts

log = structlog.get_logger("joelclaw.server")


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


def run(
    config: Config, *, development: bool, host: Host, users: UserVerifier | None = None, own_files: bool = False
) -> None:
    """
    Serve a deployment until the process is told to stop. `users` tells whose a token of others is, instead of the
    declared issuers. `own_files`: begin with the project's files, whatever was deployed since they were put there.

    Raises:
        CommandFailed: The port cannot be had, or another server has the database.
        AppRefused: The app does not load, and nobody is there to correct it (not in development).
    """
    configure_logging(development=development, level=config.server.log_level)
    uvloop.run(_run(config, development=development, host=host, users=users, own_files=own_files))


async def _run(config: Config, *, development: bool, host: Host, users: UserVerifier | None, own_files: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(config, development=development, host=host, users=users, own_files=own_files, stop=stop)


async def serve(
    config: Config,
    *,
    development: bool,
    host: Host,
    users: UserVerifier | None = None,
    own_files: bool = False,
    stop: asyncio.Event,
) -> None:
    """Serve a deployment until `stop` is set; see `run`."""
    logs = config.logs
    async with RunLog(
        config.logs_file, keep_days=logs.keep_days, keep_mb=logs.keep_mb, quiet_queries=logs.quiet_queries
    ) as run_log:
        await _serve(config, run_log, development=development, host=host, users=users, own_files=own_files, stop=stop)


async def _serve(
    config: Config,
    run_log: RunLog,
    *,
    development: bool,
    host: Host,
    users: UserVerifier | None,
    own_files: bool,
    stop: asyncio.Event,
) -> None:
    check_file_system(config)
    check_declaration(config)
    with ports_taken(config) as listeners, locked(config.database):
        limits = engine_limits(config)
        crew = limits.readers + 2
        engine = Engine(limits, development=development, spares=crew if development else 0)
        engine.record(run_log)
        announced = _FirstDeploy(host)
        deployer = Deployer(engine, config, announced, _origins(config, listeners))
        versions = None if development else Versions(engine, deployer, own_files=own_files)
        deploying = asyncio.create_task(deployer.follow() if versions is None else versions.start())
        # Who cannot follow the files any more, or has nothing to serve, has to say so.
        deploying.add_done_callback(lambda task: stop.set() if development or has_failed(task) else None)
        try:
            if await _either(announced.done, stop):
                return  # Told to stop before there was anything to serve.
            sign_in = await _open_sign_in(engine, config, url_of(listeners.site), development=development)
            key_table = KeyTable(SystemCalls(engine), engine.clock)
            others = issuer_tokens(engine, deployer, development=development)
            authenticator = Authenticator(
                AdminKeys(key_table.known, config.server.admin_key),
                _verifier(sign_in, users or others),
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
            ending = [] if sign_in is None else [sign_in.departures]
            asking = nullcontext() if sign_in is None else aclosing(sign_in)
            async with (
                aclosing(others),
                asking,
                running([transfers, *ending, key_table, *services(engine, config, files)]),
            ):
                await _serve_api(
                    config,
                    engine,
                    authenticator,
                    key_table,
                    sign_in,
                    storage,
                    run_log,
                    transfers,
                    deployer,
                    versions,
                    listeners,
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


async def _open_sign_in(
    engine: Engine, config: Config, local_origin: str, *, development: bool
) -> "SignInParts | None":
    """How people sign in, if they can. Who signs nobody in need not carry what that takes."""
    declared = engine.sign_in
    if declared is None:
        return None
    from joelclaw.server.sign_in import open_sign_in

    return await open_sign_in(engine, config, declared, local_origin=local_origin, development=development)


def _verifier(sign_in: "SignInParts | None", others: UserVerifier) -> UserVerifier:
    """Who tells whose a token is: we of our own, somebody else of the others."""
    return others if sign_in is None else sign_in.verifier(others)


def _origins(config: Config, listeners: Listeners) -> Origins:
    """Where the deployment is reached: as declared, or where it listens."""
    server = config.server
    return Origins(server.api_origin or url_of(listeners.api), server.site_origin or url_of(listeners.site))


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
    key_table: KeyTable,
    sign_in: "SignInParts | None",
    storage: StorageRoutes,
    run_log: RunLog,
    transfers: Transfers,
    deployer: Deployer,
    versions: Versions | None,
    listeners: Listeners,
    *,
    development: bool,
    host: Host,
    stop: asyncio.Event,
) -> None:
    wording = Wording(development=development, report=report_failure)
    sockets = Sockets(engine, authenticator, wording, connections_max=lambda: engine.limits.connections)
    key_table.tell(sockets.end_admin_keys)
    deployer.tell_of_issuers(sockets.end_issuers)
    if sign_in is not None:
        sign_in.tell(sockets)
    proxies = Proxies(config.server.trusted_proxies)
    metrics = Metrics(
        engine,
        version=version("joelclaw"),
        deployed=lambda: deployer.version,
        connections=lambda: len(sockets),
        subscriptions=lambda: sockets.subscriptions,
    )
    health = HealthRoutes(
        engine,
        metrics,
        authenticator,
        stopping=stop.is_set,
        deployed=lambda: deployer.version,
        deploy_problem=lambda: deployer.problem,
    )
    api = Api(
        engine,
        authenticator,
        wording,
        sockets,
        name=config.app.name,
        version=version("joelclaw"),
        cors=Cors(config.server.allowed_origins, development=development),
        storage=storage,
        arguments_bytes=lambda: engine.limits.arguments_bytes,
        proxies=proxies,
        more_routes=health_routes(health)
        | admin_routes(engine, authenticator, run_log, stop)
        | transfer_routes(transfers, authenticator)
        | deploy_routes(engine, authenticator, versions)
        | ({} if sign_in is None else sign_in.api_routes(authenticator))
        | tool_routes(engine, authenticator, _origins(config, listeners)),
    )
    site = Site(
        engine,
        authenticator,
        wording,
        proxies=proxies,
        body_bytes_max=lambda: engine.limits.http_body_bytes,
        own={} if sign_in is None else sign_in.site_routes,
    )
    if config.server.admin_key is None:
        await key_table.ensure(config.app.name, host.admin_key_made)
    metrics_port = None if listeners.metrics is None else port_of(listeners.metrics)
    doors = Doors(App(api), site, port_of(listeners.site), health, metrics_port)
    server = ApiServer(uvicorn_config(doors, config.limits.arguments_bytes), sockets, engine.drain)
    _calm_the_collector()
    stopping = asyncio.create_task(_stop(stop, server, host))
    log.info(
        "serving",
        version=version("joelclaw"),
        api_port=port_of(listeners.api),
        site_port=port_of(listeners.site),
        metrics_port=metrics_port,
        database=str(config.database),
        commit_ts=engine.published_ts,
    )
    host.serving(url_of(listeners.api), site_url=url_of(listeners.site), development=development)
    try:
        await server.serve(sockets=[listener for listener in listeners if listener is not None])
    finally:
        stopping.cancel()


def _calm_the_collector() -> None:
    """
    Let Python look for cycles less often, and never among what is there for good.

    A connection is a hundred objects that live long. With the usual threshold every broadcast
    walks all of them: 1,000 sockets cost 50 ms of CPU instead of 35.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _stop(stop: asyncio.Event, server: ApiServer, host: Host) -> None:
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
