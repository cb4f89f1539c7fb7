"""`joelclaw run`: call a function of a running deployment, or watch a query of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from joelclaw.cli.client import Answer, Client
from joelclaw.cli.project import client_of, declaration_without_secrets, project_option, url_option
from joelclaw.cli.terminal import answer, tell, tell_error, visible
from joelclaw.errors import CommandFailed
from joelclaw.values.names import camel


@click.command()
@click.argument("function")
@click.argument("args", default="{}", metavar="[ARGUMENTS]")
@click.option("--watch", is_flag=True, help="Stay, and print each new result of a query; Ctrl-C ends it.")
@click.option("--as", "identity", metavar="JSON", help='Call as this user: \'{"subject": "ann"}\'.')
@url_option
@click.option("--json", "as_json", is_flag=True, help="Print each outcome as one line of JSON, failures too.")
@project_option
def run(
    function: str, args: str, watch: bool, identity: str | None, url: str | None, as_json: bool, project: Path
) -> None:
    """
    Call FUNCTION, public or internal, with ARGUMENTS, a JSON object.

    FUNCTION is `module:name`, in Python's spelling or the wire's: `comments:for_article` and
    `comments:forArticle` are the same. The deployment has to run; the admin key is taken from
    JOELCLAW_ADMIN_KEY, or is the one that `joelclaw dev` keeps beside its database.
    """
    arguments = _json_object(args, "ARGUMENTS")
    acting_as = _user(_json_object(identity, "--as")) if identity is not None else None
    config = declaration_without_secrets(project)
    client = client_of(config, url, acting_as)
    if watch:
        _watch(client, spellings(function), arguments, as_json)
    elif not _tell_outcome(_call(client, spellings(function), arguments), as_json):
        raise SystemExit(1)


def spellings(function: str) -> list[str]:
    """
    The wire paths that a function's name may stand for, the likelier one first.

    As written comes first: a function may have been given a wire name with underscores.
    """
    if ":" not in function and "." in function:
        module, _, name = function.rpartition(".")
        function = f"{module.replace('.', '/')}:{name}"
    module, colon, name = function.rpartition(":")
    camelled = "/".join(camel(step) for step in module.split("/")) + colon + camel(name)
    return [function] if camelled == function else [function, camelled]


def _call(client: Client, paths: list[str], arguments: dict[str, Any]) -> Answer:
    for path in paths[:-1]:
        outcome = client.call(path, arguments)
        if not outcome.unknown_function:
            return outcome
    return client.call(paths[-1], arguments)


def _watch(client: Client, paths: list[str], arguments: dict[str, Any], as_json: bool) -> None:
    try:
        for outcome in _results(client, paths, arguments):
            _tell_outcome(outcome, as_json)
    except KeyboardInterrupt:
        tell("")  # The terminal has shown ^C on a line of its own.


def _results(client: Client, paths: list[str], arguments: dict[str, Any]) -> Iterator[Answer]:
    for path in paths:
        for outcome in client.watch(path, arguments):
            if outcome.unknown_function and path != paths[-1]:
                break
            yield outcome


def _tell_outcome(outcome: Answer, as_json: bool) -> bool:
    """Print what a function answered; whether it succeeded."""
    if as_json:
        answer(msgspec.json.encode(outcome).decode())
        return outcome.succeeded
    for line in outcome.log_lines:
        tell(visible(line))
    if outcome.succeeded:
        answer(msgspec.json.format(bytes(outcome.value), indent=2).decode())
    else:
        tell_error(CommandFailed(outcome.error_message))
        if outcome.error_data is not msgspec.UNSET:
            tell(msgspec.json.format(bytes(outcome.error_data), indent=2).decode())
    return outcome.succeeded


def _json_object(text: str, what: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as exc:
        raise click.UsageError(f'{what} must be a JSON object, like \'{{"name": "value"}}\': {exc}') from exc


def _user(identity: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(identity.get("subject"), str):
        raise click.UsageError('--as needs a subject: \'{"subject": "ann"}\'')
    issuer = identity.get("issuer", "https://joelclaw.test")
    return {"issuer": issuer, "tokenIdentifier": f"{issuer}|{identity['subject']}"} | identity
