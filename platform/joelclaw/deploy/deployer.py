"""
The deployer: takes the app's files into service, once or after every save.

What it finds out it tells a `Narrator`: the command line prints it, a test collects it. A
problem is told once, however often a file with it is saved; when it is gone, that is told.

A save that comes while the one before is still being imported takes its place: nobody waits
for code that has been replaced already, least of all when it never ends. What has loaded is
installed to the end, as the database may be fitted to it already.

Elsewhere: `sources.py` says which files are the app's, `bundle.py` keeps copies of them,
`watching.py` notices saves, `engine/` starts isolates and swaps them.
"""

import asyncio
import os
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import msgspec
import structlog

from joelclaw.auth.declaring import sign_in_of, stand_ins_of
from joelclaw.auth.issuers import Issuer, advice_of, issuers_of
from joelclaw.codegen import generate, write
from joelclaw.config import Config, load_config
from joelclaw.deploy.bundle import Bundle, Bundles
from joelclaw.deploy.sources import Sources, concerns, read_sources
from joelclaw.deploy.watching import watching
from joelclaw.engine.engine import Crew, Engine, EngineLimits
from joelclaw.errors import AppRefused, CommandFailed, ConfigRefused, PlatformError
from joelclaw.functions.crons import cron_declarations
from joelclaw.functions.environment import API_ORIGIN, BUILT_IN, SITE_ORIGIN
from joelclaw.functions.manifest import Manifest, Place, Problem
from joelclaw.isolate.messages import Load
from joelclaw.limits import setting

SLOW_LOAD_S: Final = 5.0
"""A load that takes longer is told, so that nobody wonders whether the save was seen."""

_TAKEN_ALONG: Final = ("app", "env", "auth", "crons", "limits", "codegen")
"""Sections that take effect with a deploy, and make one when they change."""

_TAKEN_ALONG_OF_AUTH: Final = ("roles", "user_table", "on_first_sign_in", "issuers")

log = structlog.get_logger("joelclaw.deploy")


class Narrator(Protocol):
    """Who tells the developer what happened."""

    def deployed(self, manifest: Manifest, *, took_ms: float, written: Sequence[Path], first: bool) -> None: ...

    def refused(self, error: PlatformError) -> None: ...

    def slow(self, seconds: float) -> None: ...

    def types_not_written(self, reason: str) -> None: ...

    def restart_needed(self, settings: Sequence[str]) -> None: ...


class Origins(NamedTuple):
    """Where the deployment is reached, for functions that make addresses."""

    api: str = ""
    site: str = ""


NOWHERE: Final = Origins()
"""For who serves no clients."""


class Deployer:
    """Keeps an engine on the newest code that works."""

    def __init__(self, engine: Engine, config: Config, narrator: Narrator, origins: Origins = NOWHERE) -> None:
        self.config = config
        """What is in effect."""

        self._engine = engine
        self._origins = origins
        self._narrator = narrator
        self.version: int | None = None
        """The number of the version that serves; None in development, where there are none."""

        self.bundles = Bundles(config.bundles)
        """The code that serves, and what served before."""

        self._declaration: bytes | None = config.source.text.encode()
        """joelclaw.toml as it was read last, right or wrong; None, if it could not be read."""

        self._declared = config
        """What joelclaw.toml said when it was right. What only a start applies may differ from what is in effect."""

        self._declaration_broken = False
        self._serving: tuple[object, ...] = ()
        """Digest and settings of what serves."""

        self._refusal = ""
        """Why what is saved now is not what serves, as it was told."""

        self.issuers: tuple[Issuer, ...] = ()
        """Whose tokens count, beside the deployment's own."""

        self._issuers_declared: tuple[Issuer, ...] = ()
        """As what is being loaded was declared."""

        self._issuers_gone: Callable[[Collection[str]], None] = lambda _: None

        self._loading = False
        """Isolates are importing new code; until they have, it can be given up."""

    @property
    def problem(self) -> str:
        """Why what is saved now is not what serves; empty, if it is."""
        return self._refusal

    async def deploy(self, *, development: bool) -> None:
        """
        Take the files into service as they are now.

        Raises:
            AppRefused: They do not load, or documents do not fit the schema. What served, serves.
            IsolateDied: Importing them ended the process, or never came to an end.
            CommandFailed: A file cannot be read or written.
        """
        await self._deploy(read_sources(self.config), development=development)

    async def _deploy(self, sources: Sources, *, development: bool) -> None:
        started = time.monotonic()
        try:
            self.check(sources)
            bundle = self.bundles.take(sources, self.config.root)
            version = (bundle.digest, *(getattr(self.config, section) for section in _TAKEN_ALONG))
            if version == self._serving:
                self._tell_the_way_back(started)
                return
            crew = await self.muster(self.load(bundle.root, development=development))
            await self._engine.install(crew)
        except OSError as error:
            raise CommandFailed(_sentence(error)) from error
        first, self._serving = not self._serving, version
        self.bundles.served(bundle)
        self._accept_issuers()
        manifest = crew.release.manifest
        written = self._write_types(manifest) if development else []
        self._tell_deployed(manifest, started, written, first=first)

    def check(self, sources: Sources) -> None:
        """
        Raises:
            AppRefused: The files are larger than an app's may be.
            CommandFailed: One of them cannot be read.
        """
        if sources.unreadable is not None:
            raise CommandFailed(_sentence(sources.unreadable)) from sources.unreadable
        _check_size(sources, self.config.limits.code_bytes)

    async def muster(self, load: Load) -> Crew:
        """Start isolates on new code; see `Engine.muster`. Whoever waits is told if it takes long."""
        slow = asyncio.get_running_loop().call_later(SLOW_LOAD_S, self._narrator.slow, SLOW_LOAD_S)
        self._loading = True
        try:
            return await self._engine.muster(load)
        finally:
            self._loading = False
            slow.cancel()

    def load(self, root: Path, *, development: bool) -> Load:
        """What isolates are told to load a bundle as it is declared here."""
        config = self.config
        stand_ins = stand_ins_of(config, os.environ, development=development)
        sign_in = sign_in_of(config, self._origins.site, stand_ins)
        own = None if sign_in is None else sign_in.issuer
        self._issuers_declared = issuers_of(config, own=own, development=development)
        return Load(
            role="writer",
            root=str(root),
            functions=config.app.functions,
            schema=config.app.schema,
            wire_names=config.app.wire_names,
            store_url=config.store_url,
            durability=config.store.durability,
            env=self._env(),
            limits=config.limits,
            development=development,
            api_origin=self._origins.api,
            files_url=config.files_url,
            files_credentials=config.files_credentials,
            site_origin=self._origins.site,
            roles={role: list(entries) for role, entries in config.auth.roles.items()},
            sign_in=sign_in,
            crons=cron_declarations(config),
        )

    def tell_of_issuers(self, gone: Callable[[Collection[str]], None]) -> None:
        """Call this with the entries (`str(issuer)`) that do not hold any more, from now on."""
        self._issuers_gone = gone

    def _accept_issuers(self) -> None:
        for advice in advice_of(set(self._issuers_declared) - set(self.issuers)):
            log.warning("an issuer is declared for everybody's apps", advice=advice)
        gone = set(self.issuers) - set(self._issuers_declared)
        self.issuers = self._issuers_declared
        if gone:
            self._issuers_gone([str(issuer) for issuer in gone])

    def _env(self) -> dict[str, str]:
        """What functions see, as declared, and the deployment's own addresses."""
        for name in sorted(BUILT_IN & self.config.env.keys()):
            source = self.config.source
            reason = f"env.{name} is the platform's own and cannot be declared; leave it out"
            raise ConfigRefused(source.path.name, source.line("env", name), reason)
        return {**self.config.env, API_ORIGIN: self._origins.api, SITE_ORIGIN: self._origins.site}

    def _write_types(self, manifest: Manifest) -> list[Path]:
        files = generate(manifest)
        written = []
        for folder in self.config.typescript_folders:
            try:
                written += write(files, folder)
            except OSError as error:  # The app serves all the same.
                self._narrator.types_not_written(_sentence(error))
        return written

    # -- following the files

    async def follow(self) -> None:
        """
        Deploy now and after every change of the app's files or of the declaration, until cancelled.

        Raises:
            CommandFailed: The files cannot be watched.
        """
        attempt: asyncio.Task[None] | None = None
        sources = read_sources(self.config)
        try:
            while True:
                async with watching(sources.folders, self._concerning(sources)) as watch:
                    self._reconfigure()
                    watched, sources = sources, read_sources(self.config)
                    if (sources.folders, sources.imported) != (watched.folders, watched.imported):
                        continue  # Watch what is there now before it is deployed.
                    if attempt is not None:
                        await self._give_way(attempt)
                    attempt = asyncio.create_task(self._attempt(sources))
                    await watch.changed()
        finally:
            if attempt is not None:
                if not attempt.cancelling():  # A second time would interrupt its clearing up.
                    attempt.cancel()
                await asyncio.wait([attempt])

    def _concerning(self, sources: Sources) -> Callable[[Path], bool]:
        return lambda path: concerns(self.config, sources.imported, path)

    async def _give_way(self, attempt: asyncio.Task[None]) -> None:
        """Let an attempt end that something newer follows."""
        if self._loading:
            attempt.cancel()
        await asyncio.wait([attempt])

    async def _attempt(self, sources: Sources) -> None:
        try:
            await self._deploy(sources, development=True)
        except PlatformError as error:
            self._refuse(error)
        except Exception:
            # A defect of ours must not end the service of what works, nor go unnoticed.
            log.exception("the deploy failed")
            self._refuse(CommandFailed("the platform failed while it took this over; the log has the traceback"))

    def _refuse(self, error: PlatformError) -> None:
        if str(error) != self._refusal:
            self._refusal = str(error)
            self._narrator.refused(error)

    def _tell_the_way_back(self, started: float) -> None:
        """What is saved now is what serves. Whoever was told otherwise is told."""
        if self._refusal and not self._declaration_broken:
            self._tell_deployed(self._engine.manifest, started, [], first=False)

    def served(self, bundle: Bundle, manifest: Manifest, started: float, *, first: bool) -> None:
        """This bundle serves from now on."""
        self.bundles.served(bundle)
        self._accept_issuers()
        self._tell_deployed(manifest, started, [], first=first)

    def _tell_deployed(self, manifest: Manifest, started: float, written: Sequence[Path], *, first: bool) -> None:
        self._refusal = ""
        took_ms = (time.monotonic() - started) * 1000
        self._narrator.deployed(manifest, took_ms=took_ms, written=written, first=first)

    # -- following the declaration

    def _reconfigure(self) -> None:
        """Take over what a running deployment can; say what waits for a start, and what is wrong."""
        declaration = _read_if_there(self.config.source.path)
        if declaration == self._declaration:
            return
        self._declaration = declaration
        try:
            declared = load_config(self.config.root, os.environ)
        except ConfigRefused as error:
            self._declaration_broken = True
            self._refuse(error)
            return
        self._declaration_broken = False
        self._tell_what_waits(declared)
        self._declared = declared
        self.config = _with_fixed(declared, self.config)
        self._engine.limit(engine_limits(self.config))

    def _tell_what_waits(self, declared: Config) -> None:
        waiting = [
            setting
            for setting, value in _fixed(declared).items()
            if value != _fixed(self.config)[setting] and value != _fixed(self._declared)[setting]
        ]
        if waiting:
            self._narrator.restart_needed(waiting)


def engine_limits(config: Config) -> EngineLimits:
    """What the engine enforces, as declared."""
    return EngineLimits(
        transaction_wall_s=config.limits.transaction_wall_s,
        isolate_memory_bytes=config.limits.isolate_memory_mb * 2**20,
        cache_bytes=config.limits.cache_mb * 2**20,
        readers=config.readers,
        actions=config.limits.actions,
        actions_waiting=config.limits.actions_waiting,
        action_drain_s=config.limits.action_drain_s,
        http_body_bytes=config.limits.http_body_bytes,
        arguments_bytes=config.limits.arguments_bytes,
        connections=config.limits.connections,
    )


def _check_size(sources: Sources, limit_bytes: int) -> None:
    """
    Raises:
        AppRefused: The files are larger than an app's may be; it names the largest.
    """
    size_bytes = sum(map(len, sources.files.values()))
    if size_bytes > limit_bytes:
        largest = max(sources.files, key=lambda name: len(sources.files[name]))
        reason = (
            f"the app's files have {size_bytes:,} bytes, and may have at most {limit_bytes:,}; "
            f"this is the largest, with {len(sources.files[largest]):,}"
        )
        place = Place(largest.as_posix(), 1)
        advice = f"keep data out of the folder of functions, or {setting('code_bytes')}"
        raise AppRefused([Problem(place=place, name="the app", reason=reason, advice=advice)])


def _fixed(config: Config) -> dict[str, object]:
    """What only a start can apply."""
    return {
        "[server]": config.server,
        "[store]": config.store,
        "[files]": config.files,
        "[logs]": config.logs,
        "[backup]": config.backup,
        "[auth]": {name: getattr(config.auth, name) for name in _fixed_auth(config)},
        "app.name": config.app.name,
    }


def _fixed_auth(config: Config) -> list[str]:
    """What the gateway signs people in with; the rest of it is told to isolates, and looked up for each token."""
    return [field for field in config.auth.__struct_fields__ if field not in _TAKEN_ALONG_OF_AUTH]


def _with_fixed(declared: Config, old: Config) -> Config:
    app = msgspec.structs.replace(declared.app, name=old.app.name)
    auth = msgspec.structs.replace(declared.auth, **{name: getattr(old.auth, name) for name in _fixed_auth(old)})
    return msgspec.structs.replace(
        declared,
        app=app,
        auth=auth,
        server=old.server,
        store=old.store,
        files=old.files,
        logs=old.logs,
        backup=old.backup,
    )


def _read_if_there(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _sentence(error: OSError) -> str:
    return f"{error.filename or 'a file of the app'}: {error.strerror or error}"
