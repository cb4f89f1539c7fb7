"""`joelclaw dev` and `joelclaw serve` as processes, with the other commands beside them."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.cli.conftest import Run
from tests.saving import save

HANG_S = 300.0
"""A process that says nothing for so long is killed, so that a wait for its words fails instead of lasting."""

Start = Callable[..., "Process"]


class Process:
    """A command that runs, and what it says."""

    def __init__(self, project: Path, *arguments: str, admin_key: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "joelclaw.cli", *arguments],
            cwd=project,
            env=os.environ | {"JOELCLAW_ADMIN_KEY": admin_key},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._watchdog = threading.Timer(HANG_S, self._process.kill)
        self._watchdog.start()
        self.said: list[str] = []

    def tells(self, beginning: str) -> str:
        """Wait until it tells a line that begins so; the rest of that line."""
        return self._line(self._process.stderr, beginning)

    def answers(self) -> str:
        """Wait for its next line on standard output."""
        return self._line(self._process.stdout, "")

    def end(self, number: signal.Signals) -> int:
        """Send it a signal and wait for its end; its exit code."""
        self._process.send_signal(number)
        self.said += self._process.communicate()[1].splitlines()
        self._watchdog.cancel()
        return self._process.returncode

    def wait(self) -> int:
        self.said += self._process.communicate()[1].splitlines()
        self._watchdog.cancel()
        return self._process.returncode

    def kill(self) -> None:
        self._process.kill()
        self.wait()

    def _line(self, stream: IO[str] | None, beginning: str) -> str:
        assert stream is not None
        for line in stream:
            self.said.append(line.rstrip("\n"))
            if line.startswith(beginning):
                return line.removeprefix(beginning).strip()
        pytest.fail(f"it ended without telling {beginning!r}: {self.said}")


@pytest.fixture
def start(joelclaw: Run, project: Path) -> Iterator[Start]:
    """Runs commands in a new project, on a free port."""
    joelclaw("new", "garden")
    (project / "garden" / "joelclaw.toml").write_text('[app]\nname = "garden"\n[server]\napi_port = 0\n')
    running: list[Process] = []

    def run(*arguments: str, admin_key: str = "") -> Process:
        running.append(Process(project / "garden", *arguments, admin_key=admin_key))
        return running[-1]

    yield run
    for process in running:
        process.kill()


def test_a_saved_file_is_live_and_a_broken_one_is_told(start: Start, project: Path) -> None:
    """A watched query follows writes and saves through a mistake and back, on one connection."""
    file = project / "garden" / "app_functions" / "messages.py"
    right = file.read_text()
    dev = start("dev")
    url = dev.tells("  clients: ")
    dev.tells("  admin key: ")
    assert stat.S_IMODE((project / "garden" / "data" / "admin_key").stat().st_mode) == 0o600

    lobby = '{"room": "lobby"}'
    watch = start("run", "messages:recent", lobby, "--watch", "--json", "--url", url)
    assert json.loads(watch.answers()) == {"status": "success", "value": []}
    for body in ("one", "two"):
        call = start("run", "messages:send", json.dumps({"room": "lobby", "author": "me", "body": body}), "--url", url)
        assert call.wait() == 0
        assert json.loads(watch.answers())["value"][0]["body"] == body

    save(file, right.replace("limit: int = 50", "limit: int = 1"))
    assert dev.tells("live: ").startswith("2 functions, 1 table in ")
    assert [message["body"] for message in json.loads(watch.answers())["value"]] == ["two"]

    save(file, right.replace("room=room)", "rom=room)", 1))
    assert "has no field 'rom'; did you mean 'room'?" in dev.tells("app_functions/messages.py:12: ")
    dev.tells("What was live stays live")

    save(file, right.replace("limit: int = 50", "limit: int = 1"))
    dev.tells("live: ")
    save(file, right)
    dev.tells("live: ")
    assert [message["body"] for message in json.loads(watch.answers())["value"]] == ["two", "one"]

    assert watch.end(signal.SIGINT) == 0
    assert dev.end(signal.SIGINT) == 0
    assert not any("Traceback" in line for line in dev.said + watch.said)


def test_new_folders_and_the_declaration_are_followed(start: Start, project: Path) -> None:
    """Functions in a folder that was made meanwhile go live, and so do changes of joelclaw.toml."""
    garden = project / "garden"
    dev = start("dev")
    dev.tells("  admin key: ")

    (garden / "app_functions" / "ops").mkdir()
    (garden / "app_functions" / "ops" / "__init__.py").touch()
    save(garden / "app_functions" / "ops" / "stats.py", (garden / "app_functions" / "messages.py").read_text())
    while not dev.tells("live: ").startswith("4 functions"):
        pass  # A folder and its files may be seen as several changes.

    declared = (garden / "joelclaw.toml").read_text()
    save(garden / "joelclaw.toml", declared + '[codegen]\ntypescript = ["types"]\n')
    while "wrote types/" not in dev.tells("live: "):
        pass
    assert "stats" in (garden / "types" / "api.d.ts").read_text()

    save(garden / "joelclaw.toml", declared + "[codegem]\n")
    assert "did you mean [codegen]?" in dev.tells("error: joelclaw.toml:5: ")
    save(garden / "joelclaw.toml", declared.replace("api_port = 0", "api_port = 1"))
    dev.tells("[server] of joelclaw.toml changed")

    assert dev.end(signal.SIGINT) == 0


def test_a_project_that_is_broken_at_the_start_waits_for_its_correction(start: Start, project: Path) -> None:
    """`dev` starts with a wrong file, tells what is wrong, and serves as soon as it is mended."""
    file = project / "garden" / "schema.py"
    right = file.read_text()
    file.write_text(right.replace('index("room")', 'index("rom")'))
    dev = start("dev")
    dev.tells("schema.py:")
    dev.tells("Nothing is served yet")
    save(file, right)

    assert dev.tells("  app: ").startswith("2 functions, 1 table")
    assert dev.end(signal.SIGTERM) == 0


def test_production_does_not_start_with_a_broken_project(start: Start, project: Path) -> None:
    """`serve` tells what is wrong and exits with 1: nobody is there to mend it."""
    (project / "garden" / "schema.py").write_text("import nothing_of_this_name\n")
    serve = start("serve")

    assert serve.wait() == 1
    assert any(line.startswith("schema.py:1: ") for line in serve.said)
    assert not any("Traceback" in line for line in serve.said)


def test_production_shows_its_key_once(start: Start) -> None:
    """The first start makes a key that opens the deployment, and shows it; the second says nothing of it."""
    serve = start("serve")
    serve.tells("The administrators' key")
    key = serve.tells("    ")
    url = serve.tells("  clients: ")
    query = ("run", "messages:recent", '{"room": "lobby"}', "--url", url)
    assert start(*query, admin_key=key).wait() == 0
    assert start(*query, admin_key=f"{key}x").wait() == 1
    assert start(*query).wait() == 1  # In production no file holds it.
    assert serve.end(signal.SIGTERM) == 0

    again = start("serve")
    again.tells("  clients: ")
    assert again.end(signal.SIGTERM) == 0
    assert not any(key in line or "administrators" in line for line in again.said)


@pytest.mark.parametrize("command", ["dev", "serve"])
def test_a_port_in_use_is_a_sentence(joelclaw: Run, project: Path, command: str) -> None:
    """A port that somebody has is told with the line that declares it, before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (project / "joelclaw.toml").write_text(f"[server]\napi_port = {port}\n")
        result = joelclaw(command)

    assert result == (
        1,
        "",
        (
            f"error: joelclaw.toml:2: port {port} of 127.0.0.1 is in use; "
            f"stop what uses it, or choose another server.api_port\n"
        ),
    )
    assert not (project / "data").exists()
