"""
A process that makes one backup, or proves one: `python -m joelclaw.deploy.backing_up backup|drill FOLDER [NAME]`.

Whoever starts it, the server by the clock or somebody by hand, does not load what it loads: to prove a backup,
its documents are looked at with an app. That is the code which is in the backup itself, the version that was
deployed last before it was made, so that a schema which has changed since is nobody's problem. Standard
input may say which other app to take where there is none (`Fallback`): `joelclaw dev` keeps no code.

To load code is to run it, and whoever can write to a bucket can put a backup there. So code is taken from a
backup only if the deployment's own database has a version with the same digest.

It says what came of it as one line of JSON, a failure as well, and by its exit code. Told to end, it removes
what it was working on, and every place has the backups that it had.
"""

import os
import signal
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec

from joelclaw.backup.making import Backups, Made, Proven
from joelclaw.backup.opening import App, FindApp
from joelclaw.config import Config, load_config
from joelclaw.deploy.bundle import Bundles
from joelclaw.deploy.parcel import unpack
from joelclaw.deploy.stored import deployed_digests, newest_stored
from joelclaw.errors import BackupBusy, DeployRefused, PlatformError
from joelclaw.isolate.messages import Load

FAILED: Final = 1
BUSY: Final = 75
"""Nothing was attempted: another is at work. As `sysexits.h` has it for what can be tried again."""

NICENESS: Final = 10
"""Whoever serves goes first."""


class Fallback(msgspec.Struct, frozen=True, kw_only=True):
    """Which app to take where a backup has no code, and what is declared here of any app."""

    load: Load
    told: str
    """Which it is, for people: `the app that serves`. Empty: its files are not there."""


def main(work: str, folder: str, name: str | None = None) -> int:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    os.nice(NICENESS)
    # `-m` puts the current folder first, and with it files that are not this app's.
    if not sys.flags.safe_path:
        del sys.path[0]
    sys.dont_write_bytecode = True
    said = sys.stdin.buffer.read()
    code = 0
    try:
        with redirect_stdout(sys.stderr):  # An app may print while it is loaded, and that is no answer of ours.
            result = _work(work, load_config(Path(folder), os.environ), said, name)
    except (PlatformError, OSError) as error:
        result, code = {"error": str(error)}, BUSY if isinstance(error, BackupBusy) else FAILED
    print(msgspec.json.encode(result).decode())
    return code


def _work(work: str, config: Config, said: bytes, name: str | None) -> Made | Proven | dict[str, str]:
    if work == "backup":
        return Backups(config).make(datetime.now(UTC))
    fallback = msgspec.json.decode(said, type=Fallback) if said else None
    return Backups(config).prove(name, app_finder(config, fallback))


def app_finder(config: Config, fallback: Fallback | None) -> FindApp:
    """What finds the app to look at a backup's documents with."""

    def find_app(database: Path, folder: Path) -> App:
        return _deployed(config, fallback, database, folder) or _other(fallback)

    return find_app


def _deployed(config: Config, fallback: Fallback | None, database: Path, folder: Path) -> App | None:
    """The code that is in a backup, if it is this deployment's."""
    if fallback is None:
        return None
    stored = newest_stored(f"sqlite:///{database}")
    if stored is None or stored.version["digest"] not in deployed_digests(config.store_url):
        return None
    try:
        parcel = unpack(stored.packed, config.limits.code_bytes)
    except DeployRefused:
        return None  # Its code was let go, or not kept yet; damage would have been found before.
    if parcel.digest != stored.version["digest"]:
        return None
    settings = parcel.settings
    load = msgspec.structs.replace(
        fallback.load,
        root=str(Bundles(folder / "code").put(*parcel.content).root),
        functions=settings.functions,
        schema=settings.schema,
        wire_names=settings.wire_names,
        crons=list(settings.crons),
    )
    return App(load, f"version {int(stored.version['number'])}")


def _other(fallback: Fallback | None) -> App:
    return App(fallback.load, fallback.told) if fallback is not None and fallback.told else App(None, "")


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (as the system calls it)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
