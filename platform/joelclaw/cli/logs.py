"""
`joelclaw logs`: what functions did, from the log's file; with `--follow` or `--url`, from a running server.
"""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import rich_click as click
from rich.text import Text

from joelclaw.cli.client import Client
from joelclaw.cli.project import client_of, declaration_without_secrets, project_option, url_option
from joelclaw.cli.run import spellings
from joelclaw.cli.terminal import answer, out, tell, visible
from joelclaw.errors import BadDuration, NoServer
from joelclaw.logs.entries import LEVELS, Filter, names
from joelclaw.logs.stream import Batch, Completion, Progress, id_of, told
from joelclaw.values.durations import parse_duration

STREAM = "/api/stream_function_logs"
ERROR: Final = LEVELS.index("ERROR")
COLOURS: Final = ("dim", "", "", "yellow", "red")
"""Of each level."""

RETRY_EVERY_S: Final = 0.5
"""Who follows a server that is gone asks again so often."""

Told: TypeAlias = Progress | Completion


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Stay, and print what is logged; Ctrl-C ends it.")
@click.option("--function", metavar="PATH", help="Of this function, or of all in this module or folder.")
@click.option("--level", type=click.Choice(LEVELS, case_sensitive=False), help="At least this alarming.")
@click.option("--since", metavar="DURATION", help="Not older than this: 30s, 15m, 2h, 7d.")
@click.option("--request", metavar="ID", help="Of this request, by the id that an error shows.")
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="How many of the past.")
@click.option("--json", "as_json", is_flag=True, help="Print each run as one line of JSON.")
@url_option
@project_option
def logs(
    follow: bool,
    function: str | None,
    level: str | None,
    since: str | None,
    request: str | None,
    limit: int,
    as_json: bool,
    url: str | None,
    project: Path,
) -> None:
    """
    Print what functions logged, and how they failed, the newest last.

    Without --follow and --url the file is read, whether or not a server runs.
    """
    wanted = Filter(
        functions=spellings(function) if function else (),
        level=LEVELS.index(level) if level else 0,
        since_id=_since(since),
        request_id=request,
    )
    config = declaration_without_secrets(project)
    if not follow and url is None:
        entries = _kept(config.logs_file, limit, wanted)
    else:
        entries = _streamed(client_of(config, url), wanted, limit, follow=follow)
    try:
        for entry in entries:
            _print(entry, as_json)
    except KeyboardInterrupt:
        tell("")  # The terminal has shown ^C on a line of its own.


def _since(duration: str | None) -> int:
    if duration is None:
        return 0
    try:
        return id_of(time.time() * 1_000 - parse_duration(duration))
    except BadDuration as error:
        raise click.UsageError(f"--since: {error}") from error


def _kept(path: Path, limit: int, wanted: Filter) -> Iterator[Told]:
    """What the file holds."""
    from joelclaw.logs.file import LogFile

    if not path.exists():
        tell("Nothing was logged here yet.")
        return
    file = LogFile(path, read_only=True)
    try:
        for entry in file.newest(limit, wanted):
            yield told(entry)
    finally:
        file.close()


def _streamed(client: Client, wanted: Filter, limit: int, *, follow: bool) -> Iterator[Told]:
    """What a server has logged last, and with `follow` what it logs, for ever and through its restarts."""
    batch = _batch(client, 0)
    past = [entry for entry in batch.entries if _admits(wanted, entry)]
    yield from past[-limit:] if limit else []
    while follow:
        batch = _next_batch(client, batch.new_cursor)
        yield from (entry for entry in batch.entries if _admits(wanted, entry))


def _next_batch(client: Client, cursor: float) -> Batch:
    """What comes after a cursor. A server that is gone is waited for: entries of its next life are later ones."""
    told = False
    while True:
        try:
            return _batch(client, cursor)
        except NoServer as error:
            if not told:
                tell(f"{error}. Waiting for it; Ctrl-C ends this.")
            told = True
            time.sleep(RETRY_EVERY_S)


def _batch(client: Client, cursor: float) -> Batch:
    return msgspec.json.decode(client.ask(STREAM, {"cursor": cursor}), type=Batch)


def _admits(wanted: Filter, entry: Told) -> bool:
    return (
        entry.timestamp * 1_000_000 > wanted.since_id
        and names(wanted.functions, entry.identifier)
        and (wanted.request_id is None or entry.request_id == wanted.request_id)
        and _level(entry) >= wanted.level
    )


def _level(entry: Told) -> int:
    if isinstance(entry, Completion) and entry.error is not None:
        return ERROR
    return max((LEVELS.index(line.level) for line in entry.log_lines), default=0)


# -- for people


def _print(entry: Told, as_json: bool) -> None:
    if as_json:
        answer(msgspec.json.encode(entry).decode())
        return
    for line in entry.log_lines:
        _say(line.timestamp, entry, f"[{line.level}] {' '.join(line.messages)}", LEVELS.index(line.level))
    if isinstance(entry, Completion):
        at_ms = entry.timestamp * 1_000
        if entry.error is not None:
            _say(at_ms, entry, f"failed [Request ID: {entry.request_id}]\n{entry.error}", ERROR)
        elif not entry.log_lines:
            status = f"{entry.success.status} " if entry.success is not None else ""
            _say(at_ms, entry, f"{status}in {entry.execution_time * 1_000:.1f} ms", 0)


def _say(at_ms: float, entry: Told, text: str, level: int) -> None:
    at = datetime.fromtimestamp(at_ms / 1_000).astimezone().isoformat(" ", "milliseconds")[:23]
    head = (f"{at} ", "dim"), (f"{entry.udf_type} ", "cyan"), (f"{entry.identifier} ", "bold")
    out.print(Text.assemble(*head, (visible(text), COLOURS[level])), soft_wrap=True)
