"""
`joelclaw crons`: what runs by the clock in a running deployment, how it went, and run it now.

Times are shown as clocks show them here, with their distance from UTC; `--json` has the
documents as they are kept.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click
from rich import box
from rich.table import Table
from rich.text import Text

from joelclaw.cli.client import Client
from joelclaw.cli.project import client_of, declaration_without_secrets, project_option, url_option
from joelclaw.cli.terminal import answer, out, tell
from joelclaw.errors import CommandFailed

LIST = "_system/crons:list"
RUN = "_system/crons:run"
HISTORY = "_system/crons:history"

json_option = click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")


class _Run(msgspec.Struct, rename="camel"):
    cron: str
    outcome: str
    due_at: float
    skipped: int = 0
    by_hand: bool = False
    duration_ms: float | None = None
    error: str = ""


class _Cron(msgspec.Struct, rename="camel"):
    name: str
    schedule: str
    function: str
    args: str
    next_at: float
    running: bool
    last: _Run | None


@click.group()
def crons() -> None:
    """See what runs by the clock, and run it by hand."""


@crons.command("list")
@json_option
@url_option
@project_option
def list_all(as_json: bool, url: str | None, project: Path) -> None:
    """List all crons: when they run, what, when next, and how it went last."""
    raw = _ask(_client(project, url), LIST)
    if as_json:
        answer(msgspec.json.format(raw, indent=2).decode())
        return
    found = msgspec.json.decode(raw, type=list[_Cron])
    if not found:
        tell("The app has no crons; write @cron(...) above a mutation or an action.")
        return
    table = _table("cron", "schedule", "function", "arguments", "next", "last")
    for cron in found:
        last = "running" if cron.running else _outcome(cron.last) if cron.last else "never"
        table.add_row(
            Text(cron.name, "bold"),
            Text(cron.schedule),
            Text(cron.function),
            Text("" if cron.args == "{}" else cron.args),
            _time(cron.next_at),
            Text(last),
        )
    out.print(table)


@crons.command()
@click.argument("name")
@url_option
@project_option
def run(name: str, url: str | None, project: Path) -> None:
    """Run the cron NAME now; when it is due next does not change. Prints the id of its job."""
    answer(msgspec.json.decode(_ask(_client(project, url), RUN, name=name), type=str))
    tell(f"{name} is run; `joelclaw crons history {name}` tells how it went.")


@crons.command()
@click.argument("name", required=False)
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="At most so many runs.")
@json_option
@url_option
@project_option
def history(name: str | None, limit: int, as_json: bool, url: str | None, project: Path) -> None:
    """List the newest runs, of all crons or of NAME, newest first."""
    raw = _ask(_client(project, url), HISTORY, name=name, limit=limit)
    if as_json:
        answer(msgspec.json.format(raw, indent=2).decode())
        return
    found = msgspec.json.decode(raw, type=list[_Run])
    if not found:
        tell(f"No run of {name} is known; `joelclaw crons list` has the names." if name else "Nothing has run yet.")
        return
    table = _table("cron", "due", "outcome", "took", "error")
    for one in found:
        took = "" if one.duration_ms is None else f"{one.duration_ms / 1000:.1f} s"
        table.add_row(Text(one.cron, "bold"), _time(one.due_at), Text(_outcome(one)), Text(took), Text(one.error))
    out.print(table)


def _client(project: Path, url: str | None) -> Client:
    return client_of(declaration_without_secrets(project), url)


def _ask(client: Client, path: str, **arguments: Any) -> bytes:
    """The result of a system function, as wire JSON."""
    outcome = client.call(path, arguments)
    if outcome.succeeded:
        return bytes(outcome.value)
    if outcome.error_data is not msgspec.UNSET:
        raise CommandFailed(msgspec.json.decode(outcome.error_data, type=str))
    raise CommandFailed(outcome.error_message)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _time(at_ms: float) -> Text:
    return Text(datetime.fromtimestamp(at_ms / 1000).astimezone().isoformat(" ", "seconds"))


def _outcome(run: _Run) -> str:
    if run.outcome == "skipped":
        return f"{run.skipped} skipped"
    return f"{run.outcome}, by hand" if run.by_hand else run.outcome
