"""
A deployment that really runs, for what only a client can show: `joelclaw dev` as a process.

Each test keeps to a room of its own, so one process serves them all.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path

from tests.functions.deployment import write_app

START_S = 60.0
"""A server that says nothing for so long is killed, so that the wait for it fails."""

FILES = {
    "schema.py": """
        from joelclaw import Table, index

        class Note(Table):
            __table__ = "notes"
            room: str
            text: str
            by_room = index("room")
    """,
    "__init__.py": "",
    "notes.py": """
        from joelclaw import *
        from schema import Note

        class Refused(AppError): ...

        @query(allow=anyone)
        def texts(ctx: QueryCtx, room: str) -> list[str]:
            return [note.text for note in ctx.db.query(Note.by_room, room=room)]

        @query(allow=anyone)
        def dice(ctx: QueryCtx, room: str) -> list[float]:
            return [ctx.db.query(Note.by_room, room=room).count(), ctx.random.random()]

        @mutation(allow=anyone)
        def add(ctx: MutationCtx, room: str, text: str) -> Id[Note]:
            return ctx.db.insert(Note(room=room, text=text))

        @mutation(allow=anyone)
        def append(ctx: MutationCtx, id: Id[Note], letter: str) -> None:
            note = ctx.db.require(id)
            ctx.db.patch(id, text=note.text + letter)

        @mutation(allow=anyone)
        def refuse(ctx: MutationCtx, room: str, text: str) -> None:
            ctx.db.insert(Note(room=room, text=text))
            raise Refused({"code": Int64(123), "message": "no"})

        @query(allow=anyone)
        def broken(ctx: QueryCtx) -> None:
            raise ValueError("boom")
    """,
}


class LiveServer:
    """A project in a folder, served until `close`."""

    def __init__(self, folder: Path) -> None:
        write_app(folder, FILES)
        (folder / "joelclaw.toml").write_text("[server]\napi_port = 0\n")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "joelclaw.cli", "dev"],
            cwd=folder,
            env=os.environ | {"COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.url = self._wait_for("  clients: ")
        # Whatever it says later has to go somewhere, or it would wait for us.
        self._drain = threading.Thread(target=self._read_on, daemon=True)
        self._drain.start()

    def _wait_for(self, beginning: str) -> str:
        watchdog = threading.Timer(START_S, self._process.kill)
        watchdog.start()
        said = []
        try:
            for line in self._process.stderr or ():
                said.append(line)
                if line.startswith(beginning):
                    return line.removeprefix(beginning).strip()
        finally:
            watchdog.cancel()
        raise AssertionError("it did not start: " + "".join(said))

    def _read_on(self) -> None:
        for _ in self._process.stderr or ():
            pass

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._drain.join()
