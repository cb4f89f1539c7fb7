"""A real deployment: the server as its own process, on a copy of an app, on a free port."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.deadline import PATIENCE_S
from tests.ports import free_port

APP = Path(__file__).parent / "app"
ADMIN_KEY = "conformance|0123456789abcdef0123456789abcdef"
WITH_TOKENS = Path(__file__).parent / "serve_with_tokens.py"


class Server:
    """A process that serves a project, and what it tells."""

    def __init__(self, command: list[str], project: Path, env: Mapping[str, str] | None = None) -> None:
        environ = os.environ | (env or {})
        self._process = subprocess.Popen(command, cwd=project, env=environ, stderr=subprocess.PIPE, text=True)
        self._told: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def tells(self, beginning: str, *, after: int = 0) -> str:
        """Wait for a line that begins so, not before that many others; the rest of that line."""

        def line() -> str | None:
            return next((line for line in self._told[after:] if line.startswith(beginning)), None)

        with self._news:
            self._news.wait_for(lambda: line() is not None or self._ended, PATIENCE_S)
            found = line()
        if found is None:
            pytest.fail(f"the server did not tell {beginning!r}:\n" + "\n".join(self._told))
        return found.removeprefix(beginning).strip()

    @property
    def lines(self) -> int:
        """How many lines it has told, for `tells(after=...)`."""
        return len(self._told)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._wait()

    def kill(self) -> None:
        self._process.kill()
        self._wait()

    def _wait(self) -> None:
        try:
            self._process.wait(PATIENCE_S)
        finally:
            self._process.kill()
        self._reader.join(PATIENCE_S)

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._news:
                self._told.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


class Deployment:
    """A project and its server, which can be stopped, killed and started again."""

    def __init__(
        self,
        project: Path,
        *,
        tokens: bool = False,
        development: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.project = project
        self._env = env
        command = "dev" if development else "serve"
        program = [str(WITH_TOKENS)] if tokens else ["-m", "joelclaw.cli", command]
        self._command = [sys.executable, *program, "--project", str(project)]
        self.server: Server
        self.url = ""

    def start(self) -> None:
        self.server = Server(self._command, self.project, self._env)
        self.url = self.server.tells("  clients: ")

    def restart(self, stop: Callable[[Server], None]) -> None:
        """End the server in the given way, and start it again where it was."""
        stop(self.server)
        self.start()

    def call(self, kind: str, path: str, args: dict[str, Any]) -> Any:
        """Call a function as somebody else, over HTTP; its value, as wire JSON."""
        body = json.dumps({"path": path, "args": args, "format": "convex_encoded_json"}).encode()
        request = urllib.request.Request(f"{self.url}/api/{kind}", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            answer = json.load(response)
        assert answer["status"] == "success", answer
        return answer["value"]

    def query(self, path: str, /, **args: Any) -> Any:
        return self.call("query", path, args)

    def mutation(self, path: str, /, **args: Any) -> Any:
        return self.call("mutation", path, args)

    def bodies(self, room: str) -> list[str]:
        """What stands in a room."""
        return [message["body"] for message in self.query("messages:listed", room=room)]


def copy_app(project: Path, app: Path = APP) -> Path:
    """A copy of the test app (or another one) that takes a free port, and takes it again after a restart."""
    shutil.copytree(app, project, ignore=shutil.ignore_patterns("data", "__pycache__"))
    declare(project, "api_port", str(free_port()))
    return project


def declare(project: Path, setting: str, value: str) -> None:
    """Change a line of the project's declaration, or put it into the last section if there is none."""
    file = project / "joelclaw.toml"
    lines = file.read_text().splitlines()
    places = [place for place, line in enumerate(lines) if line.startswith(f"{setting} ")] or [len(lines)]
    lines[places[0] : places[0] + 1] = [f"{setting} = {value}"]
    file.write_text("\n".join([*lines, ""]))
