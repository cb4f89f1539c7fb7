"""Running commands in this process, and a server that answers by script."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from joelclaw.cli import main

ADMIN_KEY = "joelclaw|0123456789abcdef"

GONE = 0
"""Instead of a status: the connection ends without an answer."""


class Result(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def joelclaw(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command line: `joelclaw("run", "a:b")`."""
    monkeypatch.setenv("JOELCLAW_ADMIN_KEY", ADMIN_KEY)
    monkeypatch.delenv("JOELCLAW_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(main, arguments, prog_name="joelclaw")
        # A defect of ours, not an outcome: show it as itself.
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Result(result.exit_code, result.stdout, result.stderr)

    return run


class Asked(NamedTuple):
    """A request that the scripted server has seen."""

    path: str
    authorization: str
    body: dict[str, Any]


class ScriptedServer:
    """Answers requests in the order of `answers`, and keeps what was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str]] = []
        self.asked: list[Asked] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer({})

            def do_POST(self) -> None:
                self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _answer(self, body: dict[str, Any]) -> None:
                server.asked.append(Asked(self.path, self.headers["Authorization"], body))
                status, text = server.answers.pop(0)
                if status == GONE:
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def answer(self, status: int, body: object) -> None:
        self.answers.append((status, body if isinstance(body, str) else json.dumps(body)))

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
