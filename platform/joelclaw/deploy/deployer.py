"""
The deployer: takes the app's files into service, once or after every save.

What it finds out it tells a `Narrator`: the command line prints it, a test collects it. A
problem is told once, however often a file with it is saved; when it is gone, that is told.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec
from watchfiles import Change, awatch

from joelclaw.codegen import generate, write
from joelclaw.config import FILE_NAME, Config, load_config
from joelclaw.deploy.bundle import Bundles
from joelclaw.engine.engine import Engine
from joelclaw.errors import AppRefused, CommandFailed, ConfigRefused, IsolateDied, PlatformError
from joelclaw.functions.manifest import Manifest
from joelclaw.isolate.messages import Load

SETTLE_MS = 30
"""An editor that saves several files, or one in several steps, is taken at its last word."""

_FIXED_AT_START = ("server", "store")
"""Sections of the configuration that only a start can apply."""

_TOLD_TO_ISOLATES = ("app", "env", "auth", "limits", "codegen")
"""Sections that the next release takes with it, and that make a release of their own when they change."""


class Narrator(Protocol):
    """Who tells the developer what happened."""

    def deployed(self, manifest: Manifest, *, took_ms: float, written: Sequence[Path], first: bool) -> None: ...

    def refused(self, error: PlatformError) -> None: ...

    def restart_needed(self, sections: Sequence[str]) -> None: ...


class Deployer:
    """Keeps an engine on the newest code that works."""

    def __init__(self, engine: Engine, config: Config, bundles: Bundles, narrator: Narrator) -> None:
        self.config = config
        self._engine = engine
        self._bundles = bundles
        self._narrator = narrator
        self._serving = ""
        """Digest of what serves now."""
        self._configured = True
        """Does what serves know the configuration as it is now?"""
        self._told = ""
        """The refusal that was told last."""

    async def deploy(self, *, development: bool) -> None:
        """
        Take the files into service as they are now; nothing happens if they serve already.

        Raises:
            AppRefused: They do not load, or documents do not fit the schema. What served, serves.
        """
        started = time.monotonic()
        bundle = self._bundles.take(self.config)
        # After a refusal the way back is taken, and told, even where it leads to what serves.
        if bundle.digest == self._serving and self._configured and not self._told:
            return
        first = not self._serving
        manifest = await self._engine.deploy(self._load(bundle.root, development=development))
        self._serving, self._configured = bundle.digest, True
        written = self._write_types(manifest) if development else []
        self._told = ""
        took_ms = (time.monotonic() - started) * 1000
        self._narrator.deployed(manifest, took_ms=took_ms, written=written, first=first)

    def _load(self, root: Path, *, development: bool) -> Load:
        config = self.config
        return Load(
            role="writer",
            root=str(root),
            functions=config.app.functions,
            schema=config.app.schema,
            wire_names=config.app.wire_names,
            store_url=config.store_url,
            durability=config.store.durability,
            env=config.env,
            limits={
                name: float(value)
                for name, value in msgspec.structs.asdict(config.limits).items()
                if isinstance(value, (int, float))
            },
            development=development,
            roles={role: list(entries) for role, entries in config.auth.roles.items()},
        )

    def _write_types(self, manifest: Manifest) -> list[Path]:
        files = generate(manifest)
        return [path for folder in self.config.typescript_folders for path in write(files, folder)]

    # -- following the files

    async def follow(self, stop: asyncio.Event) -> None:
        """Deploy what is not deployed yet, then after every change of the app's files or of the configuration."""
        while not stop.is_set():
            changes = awatch(
                *self._folders(),
                watch_filter=self._concerns_us,
                debounce=SETTLE_MS * 4,
                step=SETTLE_MS,
                stop_event=stop,
                recursive=False,
            )
            changed = asyncio.ensure_future(anext(changes, None))
            # One step, and the watch is set: what is saved from here on wakes us, what was saved before is taken now.
            await asyncio.sleep(0)
            await self._take_over()
            with suppress(FileNotFoundError):  # A folder went away before it could be watched.
                await changed
            await changes.aclose()

    def _folders(self) -> list[Path]:
        """
        The folders to watch, each by itself; looked up anew for each change, as they come and go.

        Not the project with all that is below it: that holds node_modules and .venv, thousands of
        folders that take a second to watch, and the database, which is written all the time.
        """
        functions = self.config.root / self.config.app.functions
        below = [Path(folder) for folder, _, _ in os.walk(functions) if "__pycache__" not in folder]
        schema = (self.config.root / self.config.app.schema).parent
        return [folder for folder in {self.config.root, schema, *below} if folder.is_dir()]

    def _concerns_us(self, _change: Change, path: str) -> bool:
        try:
            name = Path(path).relative_to(self.config.root)
        except ValueError:
            return False
        if "__pycache__" in name.parts or name.name.endswith(("~", ".swp", ".tmp")):
            return False
        declared = (Path(FILE_NAME), Path(self.config.app.schema))
        return name in declared or Path(self.config.app.functions) in (name, *name.parents)

    async def _take_over(self) -> None:
        try:
            self._reconfigure()
            await self.deploy(development=True)
        except (AppRefused, ConfigRefused, IsolateDied) as error:
            self.refuse(error)
        except OSError as error:
            self.refuse(CommandFailed(f"{error.filename or 'a file of the app'}: {error.strerror or error}"))

    def refuse(self, error: PlatformError) -> None:
        """Tell what is wrong, unless that was the last thing told."""
        if str(error) != self._told:
            self._told = str(error)
            self._narrator.refused(error)

    def _reconfigure(self) -> None:
        """Take over what a running deployment can; say what waits for a start."""
        fresh, old = load_config(self.config.root, os.environ), self.config
        if fresh.source == old.source:
            return
        waiting = [section for section in _FIXED_AT_START if getattr(fresh, section) != getattr(old, section)]
        if waiting:
            self._narrator.restart_needed(waiting)
        self.config = msgspec.structs.replace(fresh, **{section: getattr(old, section) for section in _FIXED_AT_START})
        self._engine.roles = self.config.auth.roles
        if any(getattr(fresh, section) != getattr(old, section) for section in _TOLD_TO_ISOLATES):
            self._configured = False
