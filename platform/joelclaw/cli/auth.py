"""
`joelclaw auth`: who is signed in to a running deployment, and the keys that its tokens are signed with.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import rich_click as click

from joelclaw.cli.client import Client
from joelclaw.cli.project import client_of, declaration_without_secrets, project_option, url_option
from joelclaw.cli.terminal import answer, tell
from joelclaw.errors import CommandFailed

ROTATE: Final = "/api/joelclaw/auth/rotate_keys"
LIST: Final = "_system/auth/sessions:list"
END: Final = "_system/auth/sessions:end"
END_ALL: Final = "_system/auth/sessions:endAll"


class _Rotated(msgspec.Struct, rename="camel"):
    kid: str
    signs_from: float


@click.group()
def auth() -> None:
    """See who is signed in, sign people out, and change the signing key."""


@auth.command()
@click.option("--user", help="Only of the user with this id.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@url_option
@project_option
def sessions(user: str | None, as_json: bool, url: str | None, project: Path) -> None:
    """List login sessions, newest first: session, user, how they signed in, last seen."""
    found: list[dict[str, Any]] = _called(_client(project, url), LIST, {"user": user})
    if as_json:
        answer(msgspec.json.encode(found).decode())
        return
    if not found:
        tell("Nobody is signed in.")
    for session in found:
        answer(f"{session['id']}  {session['user']}  {session['provider']}  {_moment(session['renewedAt'])}")


@auth.command("sign-out")
@click.argument("session", required=False)
@click.option("--user", help="End all sessions of the user with this id.")
@url_option
@project_option
def sign_out(session: str | None, user: str | None, url: str | None, project: Path) -> None:
    """End SESSION, or all sessions of a user. Open pages of theirs are told at once."""
    if (session is None) == (user is None):
        raise click.UsageError("Name a session, or a user with --user.")
    client = _client(project, url)
    if user is not None:
        ended = int(_called(client, END_ALL, {"user": user}))
        tell(f"{ended} {'session has' if ended == 1 else 'sessions have'} ended.")
    elif _called(client, END, {"session": session}):
        tell("The session has ended.")
    else:
        raise CommandFailed(f"there is no session {session}; `joelclaw auth sessions` lists those there are")


@auth.command("rotate-keys")
@click.option("--now", is_flag=True, help="The old keys count for nothing any more: one of them is known to others.")
@url_option
@project_option
def rotate_keys(now: bool, url: str | None, project: Path) -> None:
    """
    Sign tokens with another key.

    It is published ten minutes before it signs, and the old one counts as long as tokens of it are around. With
    --now at once, and all open pages get new tokens. Nobody is signed out by either.
    """
    raw = _client(project, url).exchange(ROTATE, {"at_once": now})
    rotated = msgspec.json.decode(raw, type=_Rotated)
    tell(f"{rotated.kid} signs {'from now on' if now else f'from {_moment(rotated.signs_from)} on'}.")


def _client(project: Path, url: str | None) -> Client:
    return client_of(declaration_without_secrets(project), url)


def _called(client: Client, path: str, arguments: dict[str, Any]) -> Any:
    found = client.call(path, arguments)
    if not found.succeeded:
        raise CommandFailed(found.error_message or f"{path} has failed")
    return msgspec.json.decode(found.value)


def _moment(at_ms: float) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
