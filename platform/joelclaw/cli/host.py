"""What `joelclaw dev` and `joelclaw serve` tell the terminal while they run."""

from collections.abc import Sequence
from pathlib import Path

from joelclaw.cli.terminal import tell, tell_error, tell_panel
from joelclaw.errors import PlatformError
from joelclaw.functions.manifest import Manifest


class TerminalHost:
    """Prints; see `joelclaw.server.Host`."""

    def __init__(self) -> None:
        self._first = ""

    def deployed(self, manifest: Manifest, *, took_ms: float, written: Sequence[Path], first: bool) -> None:
        ours = [function for function in manifest.functions if not function.path.startswith("_system/")]
        tables = [table for table in manifest.tables if not table.name.startswith("_")]
        summary = f"{len(ours)} functions, {len(tables)} tables"
        if first:
            self._first = summary
        else:
            tell(f"reloaded: {summary}, in {took_ms:.0f} ms")
        for path in written:
            tell(f"wrote {path}")

    def refused(self, error: PlatformError) -> None:
        tell_error(error)

    def restart_needed(self, sections: Sequence[str]) -> None:
        tell(f"joelclaw.toml: start again to apply what changed in {', '.join(f'[{name}]' for name in sections)}")

    def serving(self, url: str, *, development: bool) -> None:
        rows = [("clients", url), ("app", self._first)]
        tell_panel("joelclaw dev" if development else "joelclaw", rows)

    def admin_key_made(self, key: str) -> None:
        tell(f"admin key, shown only now: {key}")

    def stopping(self) -> None:
        tell("stopping")
