"""
`joelclaw deploy-key`: keys that may deploy, and nothing else.

Made with an admin key, for CI and for colleagues. A key is made here and only its hash is sent: the server
never sees it before it is used.
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
from joelclaw.errors import CommandFailed

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@click.group("deploy-key")
def deploy_key() -> None:
    """Make, list and revoke keys that may deploy and nothing else."""


@deploy_key.command()
@click.argument("name")
@url_option
@project_option
def create(name: str, url: str | None, project: Path) -> None:
    """Make a key called NAME, and print it. It is not shown again."""
    if not _NAME.fullmatch(name):
        raise click.UsageError("NAME is made of letters, digits, '-' and '_', at most 64")
    key = f"deploy:{generate_admin_key(name)}"
    if not _ask(project, url, "create", {"name": name, "hash": hash_of(key)}):
        raise CommandFailed(f"there is a key called {name} already; revoke it, or choose another name")
    answer(key)
    tell("Keep it, it is not shown again. JOELCLAW_DEPLOY_KEY is where `joelclaw deploy` looks for it.")


@deploy_key.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@url_option
@project_option
def list_all(as_json: bool, url: str | None, project: Path) -> None:
    """List the keys by name, oldest first."""
    keys = _ask(project, url, "list", {})
    if as_json:
        answer(msgspec.json.format(msgspec.json.encode(keys), indent=2).decode())
        return
    if not keys:
        tell("There are no deploy keys; make one with `joelclaw deploy-key create NAME`.")
        return
    table = Table("key", "made", box=box.SIMPLE_HEAD, pad_edge=False)
    for key in keys:
        made = datetime.fromtimestamp(key["madeAt"] / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
        table.add_row(Text(key["name"], "bold", overflow="fold"), Text(made, no_wrap=True))
    out.print(table)


@deploy_key.command()
@click.argument("name")
@url_option
@project_option
def revoke(name: str, url: str | None, project: Path) -> None:
    """Revoke the key called NAME. It opens nothing from now on."""
    if not _ask(project, url, "revoke", {"name": name}):
        raise CommandFailed(f"there is no key called {name}; `joelclaw deploy-key list` lists them")
    tell(f"{name} is revoked.")


def _ask(project: Path, url: str | None, function: str, arguments: dict[str, Any]) -> Any:
    client = client_of(declaration_without_secrets(project), url)
    outcome = client.call(f"_system/deployKeys:{function}", arguments)
    if not outcome.succeeded:
        raise CommandFailed(outcome.error_message)
    return msgspec.json.decode(outcome.value)
