"""
What a served project tells the terminal: where it is served, what was loaded, what is wrong.

One panel at the start, then a line for each change. In production there may be nobody before
the terminal; what is told here is little, and the log, in JSON, tells the rest.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from joelclaw.cli.terminal import err, tell, tell_error, tell_panel
from joelclaw.config import Config
from joelclaw.errors import CommandFailed, PlatformError
from joelclaw.functions.manifest import Manifest


class TerminalHost:
    """The terminal of `joelclaw dev` and `joelclaw serve`; see `joelclaw.server.Host`."""

    def __init__(self, config: Config, *, development: bool) -> None:
        self._config = config
        self._development = development
        self._app = ""
        """What was loaded, for the panel."""

        self._routes = 0
        self._serving = False

    def deployed(self, manifest: Manifest, *, took_ms: float, written: Sequence[Path], first: bool) -> None:
        summary = f"{_app(manifest)} in {took_ms:.0f} ms"
        if first:
            self._app = summary
            self._routes = len(manifest.routes)
        else:
            types = f"; wrote {', '.join(map(_shown, written))}" if written else ""
            err.print(Text.assemble(("live: ", "bold green"), summary, types))

    def serving(self, url: str, *, site_url: str, development: bool) -> None:
        self._serving = True
        rows = [("clients", self._config.server.api_origin or url)]
        if self._routes:
            rows.append(("HTTP actions", self._config.server.site_origin or site_url))
        rows.append(("app", self._app))
        rows.append(("database", _shown(self._config.database)))
        rows += [("types", _shown(folder)) for folder in self._config.typescript_folders if development]
        if development and self._config.admin_key_file.exists():
            rows.append(("admin key", _shown(self._config.admin_key_file)))
        tell_panel(f"{self._config.app.name} is served", rows)

    def admin_key_made(self, key: str) -> None:
        if not self._development:
            tell(f"The administrators' key of this deployment; keep it, it is not shown again:\n\n    {key}\n")
            return
        path = self._config.admin_key_file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            # Readable by its owner only, from its first moment on.
            with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
                file.write(f"{key}\n")
        except OSError as exc:
            raise CommandFailed(f"{path} cannot be written: {exc.strerror}; the admin key would be lost") from exc

    def refused(self, error: PlatformError) -> None:
        tell_error(error)
        if self._serving:
            tell("What was live stays live; save a correction, and it is taken over.")
        else:
            tell("Nothing is served yet; save a correction, and it is.")

    def slow(self, seconds: float) -> None:
        tell(f"The app is still being imported, after {seconds:.0f} s; a save that comes meanwhile takes over.")

    def types_not_written(self, reason: str) -> None:
        tell(f"Types could not be written: {reason}")

    def restart_needed(self, settings: Sequence[str]) -> None:
        tell(f"{' and '.join(settings)} of joelclaw.toml changed; that takes effect at the next start.")

    def stopping(self) -> None:
        tell("Stopping: what was received is being answered. Ctrl-C again ends it at once.")


def _app(manifest: Manifest) -> str:
    functions = sum(not spec.path.startswith("_system/") for spec in manifest.functions)
    tables = sum(not spec.name.startswith("_") for spec in manifest.tables)
    return f"{_count(functions, 'function')}, {_count(tables, 'table')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _shown(path: Path) -> str:
    """A path as one would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
