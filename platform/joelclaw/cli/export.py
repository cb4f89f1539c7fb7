"""
`joelclaw export`: what a running deployment has, as a file.

The server writes a snapshot, the command fetches it. Here the file gets its name when it is whole.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import rich_click as click
from rich.progress import BarColumn, Progress, TextColumn

from joelclaw.cli.client import Client
from joelclaw.cli.project import client_of, declaration_without_secrets, project_option, url_option
from joelclaw.cli.terminal import err, tell
from joelclaw.errors import CommandFailed
from joelclaw.values import wire

LATEST = "_system/cli/exports:getLatest"


@click.command()
@click.option("--path", type=click.Path(path_type=Path), help="Where to write it; a folder, or a new file.")
@click.option("--table", metavar="TABLE", help="One table only, not a ZIP of all.")
@click.option("--format", "kind", type=click.Choice(["jsonl", "json", "csv"]), help="Of one table: jsonl by default.")
@click.option("--include-storage", "--include-file-storage", is_flag=True, help="The bytes of stored files, too.")
@url_option
@project_option
def export(
    path: Path | None, table: str | None, kind: str | None, include_storage: bool, url: str | None, project: Path
) -> None:
    """
    Write the documents of a running deployment to a file: a ZIP of all tables, or one table.

    It shows one moment, however long it takes, and writes go on meanwhile.
    """
    if table is None and kind is not None:
        raise click.UsageError("--format is of one table: say which, with --table")
    if table is not None and include_storage:
        raise click.UsageError("stored files go into a ZIP of all tables: leave out --table")
    if path is not None and not path.is_dir() and path.exists():
        raise CommandFailed(f"{path} exists already; name another file, or a folder")
    client = client_of(declaration_without_secrets(project), url)
    kind = kind or ("zip" if table is None else "jsonl")
    if table is None:
        client.send(f"/api/export/request/zip?{urlencode({'includeStorage': str(include_storage).lower()})}")
    else:
        client.send(f"/api/export/request/table?{urlencode({'table': table, 'format': kind})}")
    with _bar() as bar:
        done = _wait(client, bar)
        target = _target(path, f"{table or 'snapshot'}_{done['start_ts']}.{kind}")
        _fetch(client, done, target, bar)
    tell(f"{int(done['rows_written']):,} documents are in {target}.")


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    return Progress(*columns, console=err, transient=True)


def _wait(client: Client, bar: Progress) -> dict[str, Any]:
    task = bar.add_task("Reading documents", total=None)
    for answer in client.watch(LATEST, {}):
        if not answer.succeeded:
            raise CommandFailed(answer.error_message)
        state: Any = wire.decode(bytes(answer.value))
        bar.update(task, completed=state["rows_written"], total=state["rows_total"] or None)
        if state["state"] == "completed":
            return state  # type: ignore[no-any-return]
        if state["state"] == "failed":
            raise CommandFailed(state["error_message"])
    raise CommandFailed("the export was not told of to its end")


def _target(path: Path | None, name: str) -> Path:
    if path is None:
        return Path(name)
    return path / name if path.is_dir() else path


def _fetch(client: Client, done: dict[str, Any], target: Path, bar: Progress) -> None:
    task = bar.add_task("Fetching the file", total=done["size"])
    part = target.with_name(f"{target.name}.part")
    try:
        with open(part, "xb") as file:
            for piece in client.fetch(f"/api/export/zip/{done['start_ts']}"):
                file.write(piece)
                bar.advance(task, len(piece))
            file.flush()
            os.fsync(file.fileno())
        os.link(part, target)  # Not `replace`: what came to be there meanwhile stays.
    except OSError as exc:
        raise CommandFailed(
            f"{exc.filename2 or exc.filename or target}: {exc.strerror or exc}; nothing was kept"
        ) from exc
    finally:
        with suppress(OSError):
            part.unlink()
