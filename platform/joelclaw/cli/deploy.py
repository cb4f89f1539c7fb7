"""
`joelclaw deploy`, `joelclaw deployments`, `joelclaw rollback`: the code of a running server.

The server does the work (`deploy/versions.py`); here is what only this end knows: the files, the lock,
and what git says about them. A deploy key in JOELCLAW_DEPLOY_KEY is all that CI needs.
"""

import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import rich_click as click
from rich import box
from rich.table import Table
from rich.text import Text

from joelclaw.cli.client import Client
from joelclaw.cli.git import Checkout, find_checkout
from joelclaw.cli.project import client_of, declaration_without_secrets, project_option, url_option
from joelclaw.cli.terminal import answer, err, out, tell, visible
from joelclaw.config import Config
from joelclaw.errors import CommandFailed

KEY_VARIABLE: Final = "JOELCLAW_DEPLOY_KEY"

DEPLOY: Final = "/api/joelclaw/deploy"
ROLLBACK: Final = "/api/joelclaw/rollback"
DEPLOYMENTS: Final = "/api/joelclaw/deployments"

COMMIT_SHOWN: Final = 9

F = TypeVar("F", bound=Callable[..., Any])


class _Change(msgspec.Struct):
    change: str
    kind: str
    name: str


class _Done(msgspec.Struct, rename="camel"):
    number: int
    before: int
    unchanged: bool
    trial: bool
    restores: int
    changes: list[_Change]
    changes_more: int
    took_ms: float


class _Listed(msgspec.Struct, rename="camel"):
    number: float
    kind: str
    author: str
    message: str
    at: float
    git_commit: str
    git_dirty: bool
    restores: float
    kept: bool
    changes: list[_Change]
    changes_more: float


def _key_option(command: F) -> F:
    return click.option(
        "--key",
        "key_file",
        type=click.Path(allow_dash=True, path_type=Path),
        help=f"A file with the deploy key, or - for standard input; {KEY_VARIABLE} or an admin key otherwise.",
    )(command)


@click.command()
@click.option("--message", help="What this version is; the subject of the last commit by default.")
@click.option("--author", help="Who deploys; git's user.name or the name of the key by default.")
@click.option("--dry-run", is_flag=True, help="Find out whether it would be taken, and change nothing.")
@click.option("--force", is_flag=True, help="Replace what serves, even if this is not based on it.")
@click.option("--json", "as_json", is_flag=True, help="Print what came of it as JSON.")
@_key_option
@url_option
@project_option
def deploy(
    message: str | None,
    author: str | None,
    dry_run: bool,
    force: bool,
    as_json: bool,
    key_file: Path | None,
    url: str | None,
    project: Path,
) -> None:
    """
    Send the project's code to a running `joelclaw serve`, which takes it into service.

    Functions, schema, and what joelclaw.toml says about the app are sent; the server checks all of it
    first. Connections stay open, and if anything is wrong, what served before serves on.
    """
    # Imported late: quick help needs none of it.
    from joelclaw.deploy.parcel import parcel_of
    from joelclaw.deploy.requirements import read_lock
    from joelclaw.deploy.sources import read_sources

    config = declaration_without_secrets(project)
    client = _client(config, url, key_file)
    sources = read_sources(config)
    if sources.unreadable is not None:
        raise CommandFailed(f"{sources.unreadable.filename} cannot be read: {sources.unreadable.strerror}")
    if not sources.files:
        raise CommandFailed(f"there is no app in {config.root}; --project says where it is")
    parcel = parcel_of(config, sources, read_lock(config))
    checkout = find_checkout(config.root)
    newest = _listed(client, 1)[0]
    if not force:
        _check_history(newest, checkout)
    push = {
        **_asked(message, author, checkout),
        "based_on": None if force else int(newest.number),
        "parcel": parcel.pack(),
        "trial": dry_run,
    }
    _tell_done(client.send(DEPLOY, msgspec.msgpack.encode(push)), as_json=as_json)


@click.command()
@click.argument("number", type=click.IntRange(min=1), required=False)
@click.option("--message", help="Why.")
@click.option("--author", help="Who rolls back; git's user.name or the name of the key by default.")
@click.option("--json", "as_json", is_flag=True, help="Print what came of it as JSON.")
@_key_option
@url_option
@project_option
def rollback(
    number: int | None,
    message: str | None,
    author: str | None,
    as_json: bool,
    key_file: Path | None,
    url: str | None,
    project: Path,
) -> None:
    """
    Serve the code of version NUMBER again, or of the one before.

    It is a version of its own, and documents have to fit its schema. One rollback after another goes
    further back; `joelclaw rollback NUMBER` goes anywhere, forward too.
    """
    config = declaration_without_secrets(project)
    checkout = find_checkout(config.root)
    asked = {
        "number": number,
        "message": message or "",
        "author": author or (checkout.author if checkout is not None else ""),
    }
    client = _client(config, url, key_file)
    _tell_done(client.exchange(ROLLBACK, asked), as_json=as_json)


@click.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1_000), help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, with all changes.")
@_key_option
@url_option
@project_option
def deployments(limit: int, as_json: bool, key_file: Path | None, url: str | None, project: Path) -> None:
    """List the versions of a running server, newest first: the first one serves."""
    client = _client(declaration_without_secrets(project), url, key_file)
    if as_json:
        answer(msgspec.json.format(client.ask(DEPLOYMENTS, {"limit": limit}), indent=2).decode())
        return
    table = Table("", "when", "who", "what", "changes", box=box.SIMPLE_HEAD, pad_edge=False)
    for version in _listed(client, limit):
        table.add_row(
            Text(f"{version.number:.0f}", "bold" if version.kept else "dim", no_wrap=True),
            Text(_time(version.at), no_wrap=True),
            Text(visible(version.author), no_wrap=True),
            Text(_what(version), overflow="fold"),
            Text(_counted(version.changes, int(version.changes_more)), no_wrap=True),
        )
    out.print(table)


# -- inside


def _client(config: Config, url: str | None, key_file: Path | None) -> Client:
    key = os.environ.get(KEY_VARIABLE)
    if key_file is not None:
        try:
            key = (sys.stdin.read() if str(key_file) == "-" else key_file.read_text("utf-8")).strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise CommandFailed(f"the key in {key_file} cannot be read: {exc}") from exc
    return client_of(config, url, key=key)


def _asked(message: str | None, author: str | None, checkout: Checkout | None) -> dict[str, Any]:
    if checkout is None:
        return {"message": message or "", "author": author or ""}
    return {
        "message": message or checkout.subject,
        "author": author or checkout.author,
        "git_commit": checkout.commit,
        "git_dirty": checkout.dirty,
    }


def _check_history(newest: _Listed, checkout: Checkout | None) -> None:
    """
    Raises:
        CommandFailed: What serves was made from a commit that this code does not come after.
    """
    if checkout is None or not newest.git_commit:
        return
    contained = checkout.has(newest.git_commit)
    commit = newest.git_commit[:COMMIT_SHOWN]
    if contained == "unknown":
        tell(f"Whether commit {commit}, which serves, is part of this one cannot be told: this clone is shallow.")
    elif contained == "no":
        raise CommandFailed(
            f"version {newest.number:.0f} serves, deployed by {newest.author} at {_time(newest.at)} from commit "
            f"{commit}, which is not in the history of {checkout.commit[:COMMIT_SHOWN]}; merge it first, "
            f"or replace it with --force"
        )


def _listed(client: Client, limit: int) -> list[_Listed]:
    return msgspec.json.decode(client.ask(DEPLOYMENTS, {"limit": limit}), type=list[_Listed])


def _tell_done(body: bytes, *, as_json: bool) -> None:
    done = msgspec.json.decode(body, type=_Done)
    if as_json:
        answer(msgspec.json.format(body, indent=2).decode())
        return
    if done.unchanged:
        tell(f"Nothing to do: version {done.number} serves this code already.")
        return
    for change in done.changes:
        style = {"added": "green", "removed": "red"}.get(change.change, "yellow")
        out.print(
            Text(f"{_SIGNS.get(change.change, '?')} {change.kind} {visible(change.name)}", style, overflow="fold")
        )
    if done.changes_more:
        tell(f"and {done.changes_more:,} more")
    back = f", the code of version {done.restores}" if done.restores else ""
    if done.trial:
        tell(f"It would be version {done.number}, after {done.before}; nothing was changed.")
    else:
        err.print(
            Text.assemble(
                ("live: ", "bold green"), f"version {done.number}{back}, after {done.before}, in {done.took_ms:.0f} ms"
            )
        )


_SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}


def _what(version: _Listed) -> str:
    commit = f" [{version.git_commit[:COMMIT_SHOWN]}{'+' if version.git_dirty else ''}]" if version.git_commit else ""
    return f"{visible(version.message)}{commit}"


def _counted(changes: Sequence[_Change], more: int) -> str:
    if more:
        return f"{len(changes) + more:,}"
    counts = ((sign, sum(one.change == kind for one in changes)) for kind, sign in _SIGNS.items())
    return " ".join(f"{sign}{count}" for sign, count in counts if count)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
