"""
Versions: what a server in production serves, one after another.

A deploy is what a save is in development (isolates load the new code beside the old, the database is
made to fit, lanes are swapped), and is written down in the very transaction that makes the database fit.
A rollback is the same, with code that is here already. What is refused at any step leaves nothing behind.

One is done at a time, and each says on which version it was based: who comes second, and did not know
of the first, is told who that was instead of undoing it.

A start goes on with the version that served last. Only if the files beside the server have changed since
(a new image, a `git pull`) were they put there later, and they serve: as a version of their own, so that
what they replace is in the list and a rollback away.

Elsewhere: `parcel.py` has what is sent, `contents.py` compares, `system/deployments.py` remembers.
"""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog

from joelclaw.config import Config
from joelclaw.deploy.bundle import Bundle
from joelclaw.deploy.contents import CHANGES_KEPT, Change, Contents, changes, contents_of
from joelclaw.deploy.deployer import Deployer
from joelclaw.deploy.parcel import FromEnvironment, Parcel, parcel_of, unpack
from joelclaw.deploy.requirements import Requirement, read_lock, unmet
from joelclaw.deploy.sources import read_sources
from joelclaw.deploy.stored import Stored, newest_stored
from joelclaw.engine.engine import Crew, Engine
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import AppRefused, CommandFailed, DeployRefused, IsolateDied, PlatformError, SystemCallFailed
from joelclaw.functions.calls import Call
from joelclaw.functions.environment import ALL_VALUES
from joelclaw.functions.manifest import Place, Problem
from joelclaw.isolate.messages import Load
from joelclaw.limits import MIB
from joelclaw.values import wire

RECORD: Final = "_system/deployments:record"
LATEST: Final = "_system/deployments:latest"
FIND: Final = "_system/deployments:find"
BEFORE: Final = "_system/deployments:before"
LIST: Final = "_system/deployments:list"
CONTENTS: Final = "_system/deployments:contentsOf"
PART: Final = "_system/deployments:codePart"
KEEP_PART: Final = "_system/deployments:keepPart"
FIND_FILES: Final = "_system/deployments:findFiles"
FORGET: Final = "_system/deployments:forget"

PART_BYTES: Final = MIB
"""Code is kept in pieces that a mutation takes easily."""

SECOND_THOUGHTS_S: Final = 600.0
"""After a deploy, a rollback finds processes that wait for it for so long."""

log = structlog.get_logger("joelclaw.deploy")


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for a version, and what for."""

    author: str = ""
    message: str = ""
    git_commit: str = ""
    git_dirty: bool = False
    based_on: int | None = None
    """The version that whoever asks knows of; None: whatever serves."""


class Done(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What came of a deploy or rollback."""

    number: int
    """The version that serves now, or would."""

    before: int
    unchanged: bool = False
    """That serves already; nothing was done."""

    trial: bool = False
    restores: int = 0
    changes: list[Change] = []
    changes_more: int = 0
    took_ms: float = 0.0


class _Version(msgspec.Struct, frozen=True, kw_only=True):
    """A version that is being taken into service."""

    number: int
    kind: str
    origin: Origin
    key: str
    restores: int = 0
    parcel: Parcel
    packed: bytes
    digest: str


class Versions:
    """The versions of one server."""

    def __init__(self, engine: Engine, deployer: Deployer, *, own_files: bool = False) -> None:
        """`own_files`: serve the project's files at the start, whatever was deployed."""
        self._engine = engine
        self._system = SystemCalls(engine)
        self._deployer = deployer
        self._own_files = own_files
        self._turn = asyncio.Lock()
        self._found = ""
        """The digest of the files beside this server."""

    # -- the start

    async def start(self) -> None:
        """
        Serve what served last, or the files beside the server if they are newer.

        Raises:
            AppRefused: It does not load, or documents do not fit its schema.
            IsolateDied: Importing it ended the process, or never came to an end.
            CommandFailed: A file cannot be read or written.
        """
        config = self._deployer.config
        sources = read_sources(config)
        self._deployer.check(sources)
        own = parcel_of(config, sources, _lock_if_there(config))
        self._found = own.files_digest
        stored = await asyncio.to_thread(newest_stored, config.store_url)
        async with self._turn:
            if stored is None or not self._goes_on(stored, own):
                await self._start_with_files(own, stored)
            else:
                await self._go_on(stored, own)
            await self._clear_up()

    def _goes_on(self, stored: Stored, own: Parcel) -> bool:
        version = stored.version
        if self._own_files:
            return False
        if version["kind"] == "files":
            return False  # Its code is here, and settings may have changed; no new version is made if not.
        if version["found"] == self._found:
            return True
        parcel = stored.parcel()
        return parcel.files_digest == self._found and parcel.settings.crons == own.settings.crons

    async def _start_with_files(self, own: Parcel, stored: Stored | None) -> None:
        before = 0 if stored is None else int(stored.version["number"])
        digest = own.digest
        if stored is not None and stored.version["digest"] == digest:
            await self._serve(own, None, first=True)
            self._deployer.version = before
            await self._keep_own(digest, own.pack())
            return
        if stored is not None and stored.version["kind"] != "files":
            log.warning(
                "files beside the server are newer than what was deployed last, and serve now",
                replaces=before,
                author=stored.version["author"],
                advice=f"`joelclaw rollback {before}` goes back to it",
            )
        origin = Origin(author="joelclaw serve", message="files of the server")
        version = _Version(
            number=before + 1, kind="files", origin=origin, key="", parcel=own, packed=own.pack(), digest=digest
        )
        await self._serve(own, version, first=True, old=None if stored is None else stored.contents)
        await self._keep_own(digest, version.packed)

    async def _go_on(self, stored: Stored, own: Parcel) -> None:
        version, parcel = stored.version, stored.parcel()
        await self._warn_of_packages(parcel)
        if own.settings.crons and own.settings.crons != parcel.settings.crons:
            log.warning("[crons] beside the server is not in effect: crons come with the code that was deployed")
        await self._serve(parcel, None, first=True)
        self._deployer.version = int(version["number"])
        log.info("the version that served last serves", version=int(version["number"]), author=version["author"])
        try:
            await self._system.tell(FIND_FILES, found=self._found)
        except SystemCallFailed as error:  # The next start compares once more.
            log.warning("the server's own files could not be noted", reason=error.message)

    async def _keep_own(self, digest: str, packed: bytes) -> None:
        """Keep the code of the server's own files, for a rollback. They serve already: without, it serves as well."""
        try:
            await self._keep(digest, packed)
        except DeployRefused as error:
            log.error("no rollback to the files of the server will be possible", reason=error.reason)

    async def _warn_of_packages(self, parcel: Parcel) -> None:
        for problem in await asyncio.to_thread(unmet, parcel.requirements):
            log.warning("a package is not what the app was deployed with", package=problem.name, reason=problem.reason)

    # -- while it serves

    @property
    def code_bytes(self) -> int:
        """How large an app may be here."""
        return self._deployer.config.limits.code_bytes

    async def newest(self) -> dict[str, Any]:
        """The version that serves."""
        version: dict[str, Any] | None = await self._system.ask(LATEST)
        assert version is not None, "a server that has started has a version"
        return version

    async def listed(self, limit: int) -> list[dict[str, Any]]:
        """The newest versions, newest first."""
        versions: list[dict[str, Any]] = await self._system.ask(LIST, limit=limit)
        return versions

    async def deploy(self, data: bytes, origin: Origin, key: str, *, trial: bool = False) -> Done:
        """
        Take a packed parcel into service; with `trial`, find out whether it could be.

        Raises:
            DeployRefused: It cannot be taken: damaged, too large, or based on another version than the one that serves.
            AppRefused: It does not load, documents do not fit, or a package is missing. What served, serves.
            IsolateDied: Importing it ended the process, or never came to an end.
        """
        parcel = await asyncio.to_thread(unpack, data, self.code_bytes)
        async with self._turn:
            newest = await self.newest()
            _check_base(newest, origin.based_on)
            try:
                return await self._take_over(newest, parcel, origin, key, kind="deploy", trial=trial)
            except PlatformError:
                await self._clear_up()
                raise

    async def roll_back(self, number: int | None, origin: Origin, key: str) -> Done:
        """
        Serve an older version again; None: the one before.

        Raises:
            DeployRefused: There is no such version, or its code is not kept any more.
            AppRefused: Documents do not fit its schema, or a package is missing. What served, serves.
        """
        async with self._turn:
            newest = await self.newest()
            _check_base(newest, origin.based_on)
            target = await self._find(newest, number)
            parcel = await self._kept(target)
            restores = int(target["number"])
            message = origin.message or f"back to version {restores}: {target['message']}"
            origin = msgspec.structs.replace(
                origin, message=message, git_commit=target["gitCommit"], git_dirty=target["gitDirty"]
            )
            return await self._take_over(newest, parcel, origin, key, kind="rollback", restores=restores)

    async def _find(self, newest: Mapping[str, Any], number: int | None) -> dict[str, Any]:
        if number is None:
            found = await self._system.ask(BEFORE, number=newest["number"])
            if found is None:
                raise DeployRefused("UnknownVersion", "There is no version before the one that serves")
        else:
            found = await self._system.ask(FIND, number=number)
            if found is None:
                reason = f"There is no version {number}; `joelclaw deployments` lists those that there are"
                raise DeployRefused("UnknownVersion", reason)
        version: dict[str, Any] = found
        return version

    async def _kept(self, version: Mapping[str, Any]) -> Parcel:
        parts: list[bytes] = []
        while (data := await self._system.ask(PART, digest=version["digest"], part=len(parts))) is not None:
            parts.append(data)
        try:
            return await asyncio.to_thread(Stored(dict(version), b"".join(parts)).parcel)
        except CommandFailed:
            kept = self._deployer.config.deploy.keep
            reason = (
                f"The code of version {int(version['number'])} is not kept any more; "
                f"deploy.keep in joelclaw.toml says of how many it is, now {kept}"
            )
            raise DeployRefused("UnknownVersion", reason) from None

    async def _take_over(
        self,
        newest: Mapping[str, Any],
        parcel: Parcel,
        origin: Origin,
        key: str,
        *,
        kind: str,
        restores: int = 0,
        trial: bool = False,
    ) -> Done:
        began = time.monotonic()
        before, digest = int(newest["number"]), await asyncio.to_thread(lambda: parcel.digest)
        if digest == newest["digest"]:
            return Done(number=before, before=before, unchanged=True, trial=trial)
        await self._check_packages(parcel)
        version = _Version(
            number=before + 1,
            kind=kind,
            origin=origin,
            key=key,
            restores=restores,
            parcel=parcel,
            packed=b"" if restores else await asyncio.to_thread(parcel.pack),
            digest=digest,
        )
        old = await self._system.ask(CONTENTS, digest=newest["digest"])
        told = await self._serve(parcel, version, trial=trial, old=old or {})
        took_ms = (time.monotonic() - began) * 1000
        if not trial:
            log.info(
                "a version was deployed",
                version=version.number,
                kind=kind,
                author=origin.author,
                key=key,
                restores=restores,
                took_ms=round(took_ms),
            )
            await self._clear_up()
            self._engine.expect_deploy(SECOND_THOUGHTS_S)
        return Done(
            number=version.number,
            before=before,
            trial=trial,
            restores=restores,
            changes=told[:CHANGES_KEPT],
            changes_more=max(0, len(told) - CHANGES_KEPT),
            took_ms=took_ms,
        )

    # -- taking into service

    async def _serve(
        self,
        parcel: Parcel,
        version: _Version | None,
        *,
        first: bool = False,
        trial: bool = False,
        old: Contents | None = None,
    ) -> list[Change]:
        """
        Load it, have the database fit it, and swap; what it changes about `old`.

        `version` is what is written down; None: nothing is.
        """
        started = time.monotonic()
        bundle = await self._bundle(parcel)
        load = await self._load(parcel, bundle)
        crew = await self._deployer.muster(load)
        try:
            contents = {} if version is None else await asyncio.to_thread(contents_of, crew.release.manifest, parcel)
            told = [] if old is None else changes(old, contents)
            record = None if version is None else _record(version, contents, told, self._found)
            if version is not None and not first and not trial:
                await self._keep(version.digest, version.packed)
        except BaseException:
            await crew.dismiss()
            raise
        if trial:
            await self._engine.try_out(crew)
            return told
        await self._install(crew, record, version, load)
        if version is not None:
            self._deployer.version = version.number
        self._deployer.served(bundle, crew.release.manifest, started, first=first)
        return told

    async def _install(self, crew: Crew, record: Call | None, version: _Version | None, load: Load) -> None:
        try:
            await self._engine.install(crew, record)
        except IsolateDied:
            # It may have died when it had committed: then the version is there, and has to serve.
            stored = await asyncio.to_thread(newest_stored, self._deployer.config.store_url)
            if version is None or stored is None or stored.version["number"] != version.number:
                raise
            await self._engine.install(await self._deployer.muster(load))

    async def _bundle(self, parcel: Parcel) -> Bundle:
        try:
            return await asyncio.to_thread(self._deployer.bundles.put, *parcel.content)
        except OSError as error:
            raise CommandFailed(f"{error.filename or 'the code'} cannot be written: {error.strerror}") from error

    async def _load(self, parcel: Parcel, bundle: Bundle) -> Load:
        settings = parcel.settings
        own = self._deployer.load(bundle.root, development=False)
        return msgspec.structs.replace(
            own,
            functions=settings.functions,
            schema=settings.schema,
            wire_names=settings.wire_names,
            crons=list(settings.crons),
            # What the server's own declaration says stands before what comes with the code.
            roles={role: list(entries) for role, entries in settings.roles.items()} | own.roles,
            env=await self._env(settings.env, own.env),
        )

    async def _env(self, declared: Mapping[str, str | FromEnvironment], own: Mapping[str, str]) -> dict[str, str]:
        values: dict[str, str] = {}
        unset: dict[str, str] = {}
        for name, value in sorted(declared.items()):
            found = os.environ.get(value.name) if isinstance(value, FromEnvironment) else value
            if found is not None:
                values[name] = found
            elif name not in own:
                assert isinstance(value, FromEnvironment)
                if not value.optional:
                    unset[name] = value.name
        await self._check_unset(unset)
        return values | dict(own)

    async def _check_unset(self, unset: Mapping[str, str]) -> None:
        """
        Raises:
            AppRefused: A variable is missing in the environment, and is not set at run time either.
        """
        if self._engine.release is None:
            # What is set at run time cannot be asked yet, and who starts has served with this before.
            for name, variable in unset.items():
                log.warning("a variable is not set where the server runs", name=name, variable=variable)
        elif unset:
            later = {variable["name"] for variable in await self._system.ask(ALL_VALUES)}
            problems = [_unset(name, variable) for name, variable in unset.items() if name not in later]
            if problems:
                raise AppRefused(problems)

    async def _keep(self, digest: str, packed: bytes) -> None:
        try:
            for part in range(0, len(packed), PART_BYTES):
                data = packed[part : part + PART_BYTES]
                await self._system.tell(KEEP_PART, digest=digest, part=part // PART_BYTES, data=data)
        except SystemCallFailed as error:
            raise DeployRefused("NotStored", f"The code cannot be kept: {error.message}") from error

    async def _clear_up(self) -> None:
        try:
            while await self._system.tell(FORGET, keep=self._deployer.config.deploy.keep):
                pass
        except SystemCallFailed as error:  # It is tried again with the next version.
            log.warning("old code could not be removed", reason=error.message)

    async def _check_packages(self, parcel: Parcel) -> None:
        problems = await asyncio.to_thread(unmet, parcel.requirements)
        if problems:
            raise AppRefused(problems)


def _lock_if_there(config: Config) -> Sequence[Requirement]:
    """The lock of the server's own files. What it asks for is installed here, or not; an image need not carry it."""
    try:
        return read_lock(config)
    except CommandFailed as error:
        log.warning("the server's own files have no lock", reason=str(error))
        return ()


def _record(version: _Version, contents: Contents, told: list[Change], found: str) -> Call:
    origin = version.origin
    arguments = {
        "number": float(version.number),
        "kind": version.kind,
        "author": origin.author,
        "message": origin.message,
        "key": version.key,
        "digest": version.digest,
        "found": found,
        "contents": dict(contents),
        "changes": [msgspec.structs.asdict(one) for one in told[:CHANGES_KEPT]],
        "changesMore": float(max(0, len(told) - CHANGES_KEPT)),
        "gitCommit": origin.git_commit,
        "gitDirty": origin.git_dirty,
        "restores": float(version.restores),
    }
    return Call(path=RECORD, args=wire.encode(arguments), privileged=True)


def _check_base(newest: Mapping[str, Any], based_on: int | None) -> None:
    number = int(newest["number"])
    if based_on is not None and based_on != number:
        raise DeployRefused(
            "VersionConflict",
            f"This is based on version {based_on}, and version {number} serves: {told_of(newest)}. "
            f"Look at it with `joelclaw deployments`, take over what it has, and deploy again; --force replaces it",
        )


def told_of(version: Mapping[str, Any]) -> str:
    """Who deployed a version, and when."""
    at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(version["_creationTime"] / 1000))
    message = f" ({version['message']})" if version["message"] else ""
    return f"{version['author'] or 'somebody'} deployed it at {at}{message}"


def _unset(name: str, variable: str) -> Problem:
    return Problem(
        place=Place("joelclaw.toml", 1),
        name=f"env.{name}",
        reason=f"comes from the environment variable {variable}, which is not set where the server runs",
        advice=f"set it there, or run `joelclaw env set {name}`",
    )
