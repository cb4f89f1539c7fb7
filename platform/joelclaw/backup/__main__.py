"""
A process that makes one backup, or drills the newest: `python -m joelclaw.backup backup|drill FOLDER`.

Standard input may say which app serves; a drill checks the documents of that.

The server starts it, so that nobody who calls a function waits for it. It says what came of it as
one line of JSON, a failure as well; exit code 1 is a failure that could be said. Told to end, it
removes what it was working on, and every place has the backups that it had.
"""

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec

from joelclaw.backup.making import Backups
from joelclaw.config import load_config
from joelclaw.errors import PlatformError
from joelclaw.isolate.messages import Load

NICENESS: Final = 10
"""Whoever serves goes first."""


def main(work: str, folder: str) -> int:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    os.nice(NICENESS)
    try:
        backups = Backups(load_config(Path(folder), os.environ))
        result = backups.make(datetime.now(UTC)) if work == "backup" else backups.prove(None, _served())
    except (PlatformError, OSError) as error:
        print(msgspec.json.encode({"error": str(error)}).decode())
        return 1
    print(msgspec.json.encode(result).decode())
    return 0


def _served() -> Load | None:
    said = sys.stdin.buffer.read()
    if not said:
        return None
    # `-m` puts the current folder first, and with it files that are not this release's.
    if not sys.flags.safe_path:
        del sys.path[0]
    sys.dont_write_bytecode = True
    return msgspec.json.decode(said, type=Load)


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (as the system calls it)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
