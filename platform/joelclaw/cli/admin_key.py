"""
`joelclaw admin-key`: keys that may do everything, or look at everything.

Asked of the running server, with a key that one has; of the database itself, where no server runs: whoever may
write that file may do everything anyway. A key is made here, and only its hash is sent.
"""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click
from rich import box
from rich.table import Table
from rich.text import Text

from joelclaw.auth.admin_keys import generate_admin_key, hash_of
from joelclaw.cli.project import client_of, declaration_without_secrets, project_option, url_option
from joelclaw.cli.terminal import answer, out, tell
from joelclaw.clock import SystemClock
from joelclaw.errors import BadDuration, CommandFailed, NoAdminKey, NoServer
from joelclaw.values.durations import parse_duration

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NAME_IS = "NAME is made of letters, digits, '-' and '_', at most 64"


@click.group("admin-key")
def admin_key() -> None:
    """Make, list and revoke keys that may do everything, or look at everything."""


@admin_key.command()
@click.argument("name")
@click.option("--read-only", is_flag=True, help="It may run queries and read logs; it changes nothing.")
@click.option("--expires", metavar="DURATION", help='When it opens nothing any more, like "90d"; never by default.')
@url_option
@project_option
def create(name: str, read_only: bool, expires: str | None, url: str | None, project: Path) -> None:
    """Make a key called NAME, and print it. It is not shown again."""
    if not _NAME.fullmatch(name):
        raise click.UsageError(_NAME_IS)
    key = generate_admin_key(name)
    arguments = {"name": name, "hash": hash_of(key), "scope": "read_only" if read_only else "full"}
    if not _ask(project, url, "create", arguments | _end(expires)):
        raise CommandFailed(f"there is a key called {name} already; revoke it, or choose another name")
    answer(key)
    tell("Keep it, it is not shown again. JOELCLAW_ADMIN_KEY is where commands look for it.")


@admin_key.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@url_option
@project_option
def list_all(as_json: bool, url: str | None, project: Path) -> None:
    """List the keys by name, oldest first. One that joelclaw.toml declares is not among them."""
    keys = [_shown(key) for key in _ask(project, url, "list", {})]
    if as_json:
        answer(msgspec.json.format(msgspec.json.encode(keys), indent=2).decode())
        return
    if not keys:
        tell("There are no admin keys; make one with `joelclaw admin-key create NAME`.")
        return
    table = Table("key", "may", "made", "expires", "last used", box=box.SIMPLE_HEAD, pad_edge=False)
    for key in keys:
        table.add_row(
            Text(key["name"], "bold", overflow="fold"),
            "look" if key["scope"] == "read_only" else "everything",
            *(Text(_day(key[name]), no_wrap=True) for name in ("madeAt", "expiresAt", "lastUsedAt")),
        )
    out.print(table)


@admin_key.command()
@click.argument("name")
@url_option
@project_option
def revoke(name: str, url: str | None, project: Path) -> None:
    """Revoke the key called NAME. It opens nothing from now on, and whoever is connected with it is put out."""
    if not _ask(project, url, "revokeNamed", {"name": name}):
        raise CommandFailed(f"there is no key called {name}; `joelclaw admin-key list` lists them")
    tell(f"{name} is revoked.")


def _end(expires: str | None) -> dict[str, float]:
    if expires is None:
        return {}
    try:
        return {"expiresAt": SystemClock().now_ms() + parse_duration(expires)}
    except BadDuration as error:
        raise click.UsageError(f"--expires: {error}") from None


def _shown(key: dict[str, Any]) -> dict[str, Any]:
    """What one may know of a key; None: never."""
    return {
        "name": key["name"],
        "scope": key.get("scope", "full"),
        "madeAt": key["_creationTime"],
        "expiresAt": key.get("expiresAt"),
        "lastUsedAt": key.get("lastUsedAt"),
    }


def _day(at_ms: float | None) -> str:
    return "never" if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _ask(project: Path, url: str | None, function: str, arguments: dict[str, Any]) -> Any:
    config = declaration_without_secrets(project)
    path = f"_system/adminKeys:{function}"
    try:
        outcome = client_of(config, url).call(path, arguments)
    except (NoServer, NoAdminKey):
        if url is not None:
            raise
        # Imported late: other commands start no engine.
        from joelclaw.server.offline import call_offline

        return call_offline(config, path, arguments)
    if not outcome.succeeded:
        raise CommandFailed(outcome.error_message)
    return msgspec.json.decode(outcome.value)
