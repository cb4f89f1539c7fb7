"""
`joelclaw env`: the environment variables of a running deployment's functions.

What is set takes effect with the next call, without a restart, and stands before what
`joelclaw.toml` declares. Values are shown to who asks for one, or for all with `--values`; a list of
names is what one can show to others.
"""

import sys
from pathlib import Path

import msgspec
import rich_click as click

from joelclaw.cli.client import Client
from joelclaw.cli.project import client_of, declaration_without_secrets, project_option, url_option
from joelclaw.cli.terminal import answer, tell
from joelclaw.errors import CommandFailed

LIST = "/api/list_environment_variables"
UPDATE = "/api/update_environment_variables"


class _Listed(msgspec.Struct, rename="camel"):
    environment_variables: dict[str, str]


@click.group()
def env() -> None:
    """Set, show and remove environment variables while the deployment runs."""


@env.command("list")
@click.option("--values", is_flag=True, help="Print values, too: NAME=value.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object of names and values.")
@url_option
@project_option
def list_all(values: bool, as_json: bool, url: str | None, project: Path) -> None:
    """List what is set, by name. What joelclaw.toml declares is not in it."""
    variables = _variables(_client(project, url))
    if as_json:
        answer(msgspec.json.encode(variables).decode())
    elif not variables:
        tell("No environment variables are set; what joelclaw.toml declares holds.")
    for name, value in {} if as_json else variables.items():
        answer(f"{name}={value}" if values else name)


@env.command()
@click.argument("name")
@url_option
@project_option
def get(name: str, url: str | None, project: Path) -> None:
    """Print the value of NAME."""
    variables = _variables(_client(project, url))
    if name not in variables:
        raise CommandFailed(f"{name} is not set; joelclaw.toml may declare it. See `joelclaw env list`")
    answer(variables[name])


@env.command("set")
@click.argument("name")
@click.argument("value", required=False)
@url_option
@project_option
def set_one(name: str, value: str | None, url: str | None, project: Path) -> None:
    """
    Set NAME to VALUE.

    Without VALUE it is read from standard input, or asked for: what is typed on a command line stays in
    the shell's history. NAME=VALUE in one is understood, too.
    """
    if value is None and "=" in name:
        name, _, value = name.partition("=")
    if value is None:
        value = _typed(name) if sys.stdin.isatty() else sys.stdin.read().removesuffix("\n")
    _client(project, url).tell(UPDATE, {"changes": [{"name": name, "value": value}]})
    tell(f"{name} is set.")


@env.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@url_option
@project_option
def unset(names: tuple[str, ...], url: str | None, project: Path) -> None:
    """Remove what was set for each NAME: what joelclaw.toml declares holds again."""
    _client(project, url).tell(UPDATE, {"changes": [{"name": name, "value": None} for name in names]})
    tell(f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} not set any more.")


def _typed(name: str) -> str:
    value: str = click.prompt(f"Value of {name}", hide_input=True, err=True)
    return value


def _client(project: Path, url: str | None) -> Client:
    return client_of(declaration_without_secrets(project), url)


def _variables(client: Client) -> dict[str, str]:
    return msgspec.json.decode(client.ask(LIST), type=_Listed).environment_variables
