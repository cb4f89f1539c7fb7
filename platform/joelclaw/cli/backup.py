"""
`joelclaw backup`: make, list, prove and restore backups.

They are made by this process from the files, beside a server or without one: reading the database
stops nobody. Only restoring in place needs the server to be stopped. To prove one, an app is loaded; that
does a process of its own.

What was made or drilled by hand is in the history as well: told to the server, or left for its next
start.
"""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
import rich_click as click
from rich import box
from rich.table import Table
from rich.text import Text

from joelclaw.cli.project import client_of, declaration, project_option
from joelclaw.cli.terminal import answer, out, tell
from joelclaw.clock import SystemClock
from joelclaw.config import Config
from joelclaw.errors import BackupBusy, BackupDamaged, BackupFailed, CommandFailed, FileStoreFailed

if TYPE_CHECKING:
    from joelclaw.backup.attempts import Attempt, Work
    from joelclaw.backup.making import Backups, Made, Proven

R = TypeVar("R", "Made", "Proven")


@click.group()
def backup() -> None:
    """Make backups of database and files, prove them, and restore them."""


@backup.command()
@project_option
def now(project: Path) -> None:
    """Make a backup now, and let old ones go as [backup] keep says. Prints its name."""
    made = _written_down(declaration(project), "backup", lambda backups: backups.make(datetime.now(UTC)))
    answer(made.name)
    tell(f"{_contents(made.counts, made.files)}, {made.size:,} bytes, kept in {' and '.join(made.places)}.")
    if made.gone:
        tell(f"{len(made.gone)} files were deleted by the app meanwhile; they are not in it.")
    if made.removed:
        tell(f"{len(made.removed)} older backups went.")


@backup.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@project_option
def list_all(as_json: bool, project: Path) -> None:
    """List all backups, oldest first."""
    kept = _backups(project).kept()
    if as_json:
        answer(msgspec.json.format(msgspec.json.encode(kept), indent=2).decode())
        return
    if not kept:
        tell("There are no backups yet; make one with `joelclaw backup now`.")
        return
    table = Table("backup", "made", "kept in", box=box.SIMPLE_HEAD, pad_edge=False)
    for one in kept:
        table.add_row(Text(one.name, "bold", overflow="fold"), Text(one.at), Text(one.place, overflow="fold"))
    out.print(table)


@backup.command()
@click.argument("name", required=False)
@project_option
def verify(name: str | None, project: Path) -> None:
    """Check the backup NAME, or the newest: every byte, the database inside, and every stored file."""
    proven = _proven(declaration(project), name)
    _tell_proven(proven)
    _tell_checked_with(proven)


@backup.command()
@project_option
def drill(project: Path) -> None:
    """Restore the newest backup into a scratch folder, and check that it is a sound deployment."""
    config = declaration(project)
    proven = _written_down(config, "drill", lambda _: _proven(config, None))
    _tell_proven(proven)
    _tell_checked_with(proven)


@backup.command()
@click.argument("name")
@click.option("--to", "target", type=click.Path(path_type=Path), help="Restore into this folder; it must be empty.")
@click.option("--replace", is_flag=True, help="Replace the database that is there; it is set aside.")
@project_option
def restore(name: str, target: Path | None, replace: bool, project: Path) -> None:
    """Restore the backup NAME in the place of the deployment's database and files, or into a folder."""
    if target is not None and replace:
        raise click.UsageError("--to and --replace exclude each other")
    backups = _backups(project)
    if target is not None:
        _tell_proven(backups.restore_to(name, target))
        return
    from joelclaw.deploy.lock import locked

    with locked(declaration(project).database):
        proven, aside = backups.restore(name, replace=replace, now=datetime.now(UTC))
    _tell_proven(proven)
    if aside is not None:
        tell(f"What was there before is in {aside}; remove it when you are sure.")


def _backups(project: Path) -> "Backups":
    from joelclaw.backup.making import Backups

    return Backups(declaration(project))


def _proven(config: Config, name: str | None) -> "Proven":
    """
    Have a process prove a backup, or the newest.

    Raises:
        BackupFailed: It is not proven. BackupBusy: Other work is not over.
    """
    from joelclaw.backup.attempts import Report
    from joelclaw.backup.making import Proven
    from joelclaw.backup.working import work_folder
    from joelclaw.cli.project import load_of
    from joelclaw.deploy.backing_up import BUSY, Fallback

    there = (config.root / config.app.functions).is_dir() or (config.root / config.app.schema).is_file()
    load = msgspec.structs.replace(load_of(config), env={})
    fallback = Fallback(load=load, told="the project's files" if there else "")
    done = subprocess.run(
        [sys.executable, "-m", "joelclaw.deploy.backing_up", "drill", str(config.root), *([name] if name else [])],
        input=msgspec.json.encode(fallback),
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode == BUSY:
        raise BackupBusy(str(work_folder(config.database)))
    try:
        failure = msgspec.json.decode(done.stdout, type=Report).error
    except msgspec.DecodeError:
        failure = f"the process that proves it ended with exit code {done.returncode}"
    if failure:
        raise BackupFailed(failure)
    return msgspec.json.decode(done.stdout, type=Proven)


def _written_down(config: Config, work: "Work", do: "Callable[[Backups], R]") -> R:
    """What comes of work on backups, which the history has as well, also if it fails."""
    from joelclaw.backup.attempts import Attempt, Report
    from joelclaw.backup.making import Backups

    clock = SystemClock()
    begun_at = clock.now_ms()

    def note(report: Report) -> None:
        _hand_on(config, Attempt(work=work, begun_at=begun_at, ended_at=clock.now_ms(), report=report, by_hand=True))

    backups = Backups(config)
    try:
        result = do(backups)
    except BackupBusy:
        raise  # Nothing was attempted.
    except (BackupFailed, BackupDamaged, FileStoreFailed) as error:
        note(Report(error=str(error)))
        raise
    # The same words, of which a report has those that both know.
    note(msgspec.convert(msgspec.to_builtins(result), Report))
    return result


def _hand_on(config: Config, attempt: "Attempt") -> None:
    from joelclaw.backup.attempts import RECORD, leave
    from joelclaw.scheduler.backups import next_backup_at

    try:
        path = leave(config.database, attempt)
    except OSError as error:
        tell(f"This could not be noted for the history: {error.filename}: {error.strerror}")
        return
    try:
        told = client_of(config, None).call(RECORD, attempt.arguments(next_backup_at(config, attempt.ended_at)))
    except CommandFailed:
        return  # Nobody serves, or not for us: its next start reads the note.
    if told.succeeded:
        path.unlink(missing_ok=True)


def _tell_proven(proven: "Proven") -> None:
    answer(proven.name)
    tell(f"{_contents(proven.counts, proven.files)}; all of it is sound.")


def _tell_checked_with(proven: "Proven") -> None:
    if proven.checked_with:
        tell(f"Its documents and indexes fit {proven.checked_with}.")
    else:
        tell("No app was there to look at documents with: no version of yours is in it, and the project has no files.")


def _contents(counts: dict[str, int], files: int) -> str:
    own = {table: count for table, count in counts.items() if not table.startswith("_")}
    return f"{sum(own.values()):,} documents in {len(own)} tables, {files:,} files"
