"""
The shipped command line, `npx convex`, in a web project of its own.

Its environment names the deployment and nothing of this machine's. `CI` keeps it from reporting
its crashes to somebody far away, and from asking questions.
"""

import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import NamedTuple, Self

from tests.conformance.deadline import PATIENCE_S

CONFIG = '{"functions": "convex/", "codegen": {"staticApi": true, "staticDataModel": true}}'
EMPTY_SCHEMA = 'import { defineSchema } from "convex/server";\n\nexport default defineSchema({});\n'


class Ran(NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str


class WebProject:
    """A folder with the client package installed, in which commands are run against a deployment."""

    def __init__(self, folder: Path, node_modules: Path, url: str, admin_key: str) -> None:
        self.folder = folder
        self._program = node_modules / ".bin" / "convex"
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "CI": "1",
            "CONVEX_SELF_HOSTED_URL": url,
            "CONVEX_SELF_HOSTED_ADMIN_KEY": admin_key,
        }
        folder.mkdir()
        (folder / "package.json").write_text('{"name": "web", "private": true, "dependencies": {"convex": "*"}}')
        (folder / "node_modules").symlink_to(node_modules)

    def add_schema(self) -> Path:
        """What a site has that wants types; its folder of functions."""
        (self.folder / "convex.json").write_text(CONFIG)
        functions = self.folder / "convex"
        functions.mkdir()
        (functions / "schema.ts").write_text(EMPTY_SCHEMA)
        return functions

    def __call__(self, *arguments: str, **environ: str) -> Ran:
        """Run a command to its end."""
        done = subprocess.run(
            [self._program, *arguments],
            cwd=self.folder,
            env=self._environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def watching(self, *arguments: str) -> "Watching":
        """Run a command that does not end by itself."""
        command = [str(self._program), *arguments]
        return Watching(
            subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )


class Watching:
    """A command that runs until it is closed, and what it tells meanwhile."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._told = ""
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)

    def tells(self, text: str) -> str:
        """Wait until it has told this; all that it has told."""
        with self._news:
            assert self._news.wait_for(lambda: text in self._told, PATIENCE_S), f"not told {text!r}: {self._told}"
            return self._told

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self._told += line
                self._news.notify_all()
