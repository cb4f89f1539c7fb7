"""
`joelclaw import`: documents of a file, brought into a running deployment.

The file goes up in parts, the server reads and checks all of it, and says what would change; then
it is brought in, in one step.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import rich_click as click
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from joelclaw.cli.client import Client
from joelclaw.cli.project import client_of, declaration_without_secrets, project_option, url_option
from joelclaw.cli.terminal import err, tell
from joelclaw.errors import CommandFailed
from joelclaw.values import wire

STATE = "_system/cli/queryImport"
PART_BYTES = 5 * 1024 * 1024

FORMATS = {".zip": "zip", ".jsonl": "jsonLines", ".ndjson": "jsonLines", ".json": "jsonArray", ".csv": "csv"}
NAMED = {"zip": "zip", "jsonl": "jsonLines", "json": "jsonArray", "csv": "csv"}
MODES = {
    "require-empty": "requireEmpty",
    "append": "append",
    "replace": "replace",
    "replace-all": "replaceAll",
}


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--table", metavar="TABLE", help="Where the documents go; a ZIP says it itself.")
@click.option("--format", "kind", type=click.Choice(list(NAMED)), help="Of the file; its name says it otherwise.")
@click.option(
    "--mode",
    type=click.Choice(list(MODES)),
    default="require-empty",
    show_default=True,
    help="What becomes of documents that are there: none may be, they stay, or they are deleted (of all tables).",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask before documents are deleted.")
@url_option
@project_option
def import_file(
    file: Path, table: str | None, kind: str | None, mode: str, yes: bool, url: str | None, project: Path
) -> None:
    """
    Bring the documents of FILE into a running deployment: all of them, or none.

    A ZIP is an export of this or of Convex; a file for one table is JSON lines, one JSON array, or CSV.
    """
    form = NAMED[kind] if kind else FORMATS.get(file.suffix.lower())
    if form is None:
        raise click.UsageError(f"{file.name} does not say what it is; choose --format")
    if (form == "zip") == (table is not None):
        raise click.UsageError(
            "a ZIP names its tables itself: leave out --table" if table else "say for which table it is: --table"
        )
    client = client_of(declaration_without_secrets(project), url)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, console=err, transient=True) as bar:
        id = _upload(client, file, {"tableName": table, "mode": MODES[mode], "format": form}, bar)
        state = _wait(client, id, bar, "uploaded")
    if state["state"] == "waiting_for_confirmation":
        _agree(client, id, state, yes=yes)
        with Progress(*columns, console=err, transient=True) as bar:
            client.exchange("/api/perform_import", {"importId": id})
            state = _wait(client, id, bar, "waiting_for_confirmation", "in_progress")
    if state["state"] == "failed":
        raise CommandFailed(state["error_message"])
    tell(f"{state['num_rows_written']:,} documents were imported.")


def _upload(client: Client, path: Path, what: dict[str, Any], bar: Progress) -> str:
    task = bar.add_task("Sending the file", total=path.stat().st_size)
    token = msgspec.json.decode(client.send("/api/import/start_upload"))["uploadToken"]
    parts: list[str] = []
    try:
        with open(path, "rb") as file:
            while (data := file.read(PART_BYTES)) or not parts:
                place = urlencode({"uploadToken": token, "partNumber": len(parts) + 1})
                parts.append(msgspec.json.decode(client.send(f"/api/import/upload_part?{place}", data)))
                bar.advance(task, len(data))
    except OSError as exc:
        raise CommandFailed(f"{path} cannot be read: {exc.strerror or exc}") from exc
    body = {"import": what, "uploadToken": token, "partTokens": parts}
    id: str = msgspec.json.decode(client.exchange("/api/import/finish_upload", body))["importId"]
    return id


def _wait(client: Client, id: str, bar: Progress, *passing: str) -> dict[str, Any]:
    """Its state, when it is none of those that pass by themselves."""
    task = bar.add_task("Checking documents", total=None)
    for answer in client.watch(STATE, {"importId": id}):
        if not answer.succeeded:
            raise CommandFailed(answer.error_message)
        found: Any = wire.decode(bytes(answer.value))
        if found is None:
            raise CommandFailed("the server knows nothing of this import any more")
        state: dict[str, Any] = found["state"]
        if state["state"] not in passing:
            return state
        _show(bar, task, state)
    raise CommandFailed("the import was not told of to its end")


def _show(bar: Progress, task: TaskID, state: dict[str, Any]) -> None:
    rows = int(state.get("rows_read", 0))
    description = state.get("progress_message") or (f"Checking documents, {rows:,}" if rows else "Checking documents")
    total = state.get("bytes_total") if state["state"] == "uploaded" else None
    bar.update(task, description=description, completed=state.get("bytes_read", 0), total=total or None)


def _agree(client: Client, id: str, state: dict[str, Any], *, yes: bool) -> None:
    tell(state["message_to_confirm"])
    if yes or not state["require_manual_confirmation"]:
        return
    try:
        click.confirm("Import?", abort=True, err=True)
    except click.Abort:
        client.exchange("/api/cancel_import", {"importId": id})
        raise CommandFailed("the import was cancelled; nothing was changed. Without asking: --yes") from None
