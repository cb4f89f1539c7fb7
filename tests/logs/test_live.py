"""Logs and environment of a server that really runs: as a process, with the command line beside it."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.functions.deployment import write_app

PATIENCE_S = 60.0
KEY = "joelclaw|0123456789abcdef"
FILES = {
    "__init__.py": "",
    "schema.py": """
        from joelclaw import Table

        class Note(Table):
            __table__ = "notes"
            text: str
    """,
    "notes.py": """
        import asyncio
        import logging
        import threading
        from joelclaw import *
        from schema import Note

        @query(allow=anyone)
        def quiet(ctx: QueryCtx) -> int:
            return 1

        @query(allow=anyone)
        def greeting(ctx: QueryCtx) -> str | None:
            print("looking for a greeting")
            return ctx.env.get("GREETING")

        @mutation(allow=anyone)
        def add(ctx: MutationCtx, text: str) -> None:
            print("adding", text)
            ctx.db.insert(Note(text=text))

        @mutation(allow=anyone)
        def broken(ctx: MutationCtx) -> None:
            logging.warning("about to break")
            raise ValueError("a secret of the server's")

        @action(allow=anyone)
        async def waits(ctx: ActionCtx) -> None:
            print("before")
            while await ctx.run_query(released) == 0:
                await asyncio.sleep(0)
            print("after")

        @query
        def released(ctx: QueryCtx) -> int:
            return ctx.db.query(Note).count()
    """,
}


class Answer(NamedTuple):
    status: int
    body: Any


class Server:
    """`joelclaw dev` or `serve` in a folder, and requests to it."""

    def __init__(self, folder: Path, command: str = "dev") -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "joelclaw.cli", command],
            cwd=folder,
            env=os.environ | {"COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []
        self._started = threading.Event()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        assert self._started.wait(PATIENCE_S), "".join(self.said)
        [self.url] = re.findall(r"clients: (http://\S+)", "".join(self.said))

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.said.append(line)
            if "database: " in line or "admin key" in line:
                self._started.set()
        self._started.set()

    @property
    def log(self) -> str:
        """What it has said, once it has ended."""
        self._reading.join(PATIENCE_S)
        return "".join(self.said)

    def ask(self, method: str, path: str, body: Any = None, *, admin: bool = True) -> Answer:
        connection = HTTPConnection(self.url.removeprefix("http://"), timeout=PATIENCE_S)
        headers = {"Content-Type": "application/json"}
        if admin:
            headers["Authorization"] = f"Convex {self.key}"
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            return Answer(response.status, json.loads(response.read() or b"null"))
        finally:
            connection.close()

    @property
    def key(self) -> str:
        file = self.folder / "data" / "admin_key"
        return file.read_text().strip() if file.exists() else KEY

    def call(self, kind: str, path: str, **args: Any) -> Any:
        """As anybody."""
        return self.ask("POST", f"/api/{kind}", {"path": path, "args": args}, admin=False).body

    def stream(self, cursor: float) -> Any:
        return self.ask("GET", f"/api/stream_function_logs?cursor={cursor}").body

    def joelclaw(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "joelclaw.cli", *arguments],
            cwd=self.folder,
            env=os.environ | {"JOELCLAW_URL": self.url} if arguments[0] != "logs" else os.environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def kept(self, *options: str) -> list[dict[str, Any]]:
        """What `joelclaw logs` finds in the file."""
        done = self.joelclaw("logs", "--json", *options)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self._reading.join(PATIENCE_S)
        return code


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_app(tmp_path, FILES)
    (tmp_path / "joelclaw.toml").write_text('[server]\napi_port = 0\n[env]\nGREETING = "declared"\n')
    return tmp_path


@pytest.fixture
def server(project: Path) -> Iterator[Server]:
    running = Server(project)
    yield running
    if running.process.poll() is None:
        running.end(signal.SIGKILL)


def request_id(answer: Any) -> str:
    [found] = re.findall(r"^\[Request ID: ([0-9a-f]{16})\] Server Error", answer["errorMessage"])
    return str(found)


def test_the_id_that_an_error_shows_finds_its_run(server: Server) -> None:
    """
    ERR-1: `joelclaw logs --request ID` shows what failed, with traceback and log lines. A query that
    succeeds and says nothing leaves nothing.
    """
    server.call("query", "notes:quiet")
    server.call("mutation", "notes:add", text="a")
    failure = server.call("mutation", "notes:broken")
    assert failure["logLines"] == ["[WARN] about to break"]
    server.end()

    [run] = server.kept("--request", request_id(failure))
    assert (run["identifier"], run["udfType"], run["caller"]) == ("notes:broken", "Mutation", "HttpApi")
    assert re.fullmatch(
        r"Uncaught ValueError: a secret of the server's\n    at broken \(app_functions/notes\.py:\d+\)", run["error"]
    )
    assert [line["messages"] for line in run["logLines"]] == [["about to break"]]
    assert [run["identifier"] for run in server.kept()] == ["notes:add", "notes:broken"]
    assert [run["identifier"] for run in server.kept("--level", "error")] == ["notes:broken"]
    assert [run["identifier"] for run in server.kept("--function", "notes:add", "--since", "1h")] == ["notes:add"]
    assert server.kept("--since", "1h", "--limit", "0") == []


def test_log_02_in_production_clients_are_told_no_lines(project: Path) -> None:
    """
    LOG-2: on a production server lines, and what failed, are for administrators: of every kind of function,
    of failures too. Anybody else gets the id, under which the log has the rest.
    """
    (project / "joelclaw.toml").write_text(f'[server]\napi_port = 0\nadmin_key = "{KEY}"\n')
    server = Server(project, "serve")
    try:
        failure = server.call("mutation", "notes:broken")
        quiet = [server.call("query", "notes:greeting"), server.call("mutation", "notes:add", text="a")]
        quiet.append(server.call("action", "notes:waits"))
        told = {
            path: server.ask("POST", "/api/function", {"path": path, "args": args}).body["logLines"]
            for path, args in {
                "notes:broken": {},
                "notes:add": {"text": "b"},
                "notes:waits": {},
            }.items()
        }
    finally:
        server.end()
    assert failure["errorMessage"] == f"[Request ID: {request_id(failure)}] Server Error"
    assert [answer["logLines"] for answer in [failure, *quiet]] == [[]] * 4
    assert told == {
        "notes:broken": ["[WARN] about to break"],
        "notes:add": ["[LOG] adding b"],
        "notes:waits": ["[LOG] before", "[LOG] after"],
    }
    [run] = server.kept("--request", request_id(failure))
    assert "a secret of the server's" in run["error"]
    assert request_id(failure) in server.log


def test_what_is_set_takes_effect_with_the_next_call(server: Server) -> None:
    """`joelclaw env set`, `get`, `list` and `unset`; a value from standard input; no value in the server's own log."""
    assert server.call("query", "notes:greeting")["value"] == "declared"
    assert server.joelclaw("env", "set", "GREETING", stdin="hush-hush\n").stderr == "GREETING is set.\n"
    assert server.call("query", "notes:greeting")["value"] == "hush-hush"
    assert server.joelclaw("env", "get", "GREETING").stdout == "hush-hush\n"
    assert server.joelclaw("env", "set", "A=1=2").returncode == 0
    assert server.joelclaw("env", "list").stdout == "A\nGREETING\n"
    assert json.loads(server.joelclaw("env", "list", "--json").stdout) == {"A": "1=2", "GREETING": "hush-hush"}
    assert server.joelclaw("env", "unset", "GREETING", "A").returncode == 0
    assert server.call("query", "notes:greeting")["value"] == "declared"

    refused = server.joelclaw("env", "set", "CONVEX_SITE_URL", stdin="hush-hush")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "the platform's own" in refused.stderr
    assert "hush-hush" not in refused.stderr
    missing = server.joelclaw("env", "get", "GREETING")
    assert (missing.returncode, missing.stdout) == (1, "")
    server.end()
    assert "hush-hush" not in server.log
    assert "hush-hush" not in (server.folder / "data" / "joelclaw.db-logs").read_text("latin-1")


def test_lines_of_an_action_are_followed_while_it_runs(server: Server) -> None:
    """A follower sees what an action prints before it ends; its client, in development, gets all lines at the end."""
    follower = subprocess.Popen(
        [sys.executable, "-m", "joelclaw.cli", "logs", "--follow", "--json", "--url", server.url],
        cwd=server.folder,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert follower.stdout is not None
    watchdog = threading.Timer(PATIENCE_S, follower.kill)
    watchdog.start()
    try:
        with ThreadPoolExecutor(1) as pool:
            action = pool.submit(server.call, "action", "notes:waits")
            running = json.loads(follower.stdout.readline())
            assert (running["kind"], running["identifier"]) == ("Progress", "notes:waits")
            assert running["logLines"][0]["messages"] == ["before"]
            assert not action.done()
            server.call("mutation", "notes:add", text="now")
            assert action.result(PATIENCE_S)["logLines"] == ["[LOG] before", "[LOG] after"]
        rest = [json.loads(follower.stdout.readline()) for _ in range(2)]
        while rest[-1]["identifier"] != "notes:waits" or rest[-1]["kind"] != "Completion":
            rest.append(json.loads(follower.stdout.readline()))
        ours = [entry for entry in rest if entry["identifier"] == "notes:waits"]
        assert [line["messages"] for entry in ours for line in entry["logLines"]] == [["after"]]
        assert {entry["executionId"] for entry in ours} == {running["executionId"]}
    finally:
        watchdog.cancel()
        follower.kill()
        follower.wait()


def test_a_follower_does_not_keep_the_server(server: Server) -> None:
    """SIGTERM answers requests that wait for the log, and the server ends as usual."""
    cursor = server.stream(0)["newCursor"]
    waiting = HTTPConnection(server.url.removeprefix("http://"), timeout=PATIENCE_S)
    authorization = {"Authorization": f"Convex {server.key}"}
    waiting.request("GET", f"/api/stream_function_logs?cursor={cursor}", headers=authorization)
    # What was sent later, on a connection that was made later, is answered: so the server has that request, too.
    assert server.call("query", "notes:quiet")["value"] == 1
    assert server.end() == 0
    assert json.load(waiting.getresponse()) == {"entries": [], "newCursor": cursor}
    waiting.close()


def test_a_server_that_is_killed_leaves_a_log_that_can_be_read(server: Server) -> None:
    """
    SIGKILL in the middle of writing: the file is whole, what is in it is a beginning of what happened, and
    the next server goes on in it. What was not written yet is lost, a moment's.
    """
    for number in range(200):
        server.call("mutation", "notes:add", text=str(number))
    server.stream(0)  # Whoever reads the past has what gathered written first.
    for number in range(200, 300):
        server.call("mutation", "notes:add", text=str(number))
    server.end(signal.SIGKILL)

    lines = [run["logLines"][0]["messages"][0] for run in server.kept("--limit", "1000")]
    assert 200 <= len(lines) <= 300
    assert lines == [f"adding {number}" for number in range(len(lines))]
    file = sqlite3.connect(server.folder / "data" / "joelclaw.db-logs")
    assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    file.close()

    successor = Server(server.folder)
    successor.call("mutation", "notes:add", text="after")
    successor.end()
    after = [run["logLines"][0]["messages"][0] for run in successor.kept("--limit", "1000")]
    assert after == [*lines, "adding after"]
