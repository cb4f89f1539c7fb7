"""A backup that is restored: who is signed in afterwards, and who is not."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.auth.test_live import FILES, PATIENCE_S, TOML, Server
from tests.functions.deployment import write_app

WRONG = {"provider": "password", "params": {"flow": "signIn", "email": "ann@example.com", "password": "wrong one"}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    project = tmp_path / "project"
    project.mkdir()
    folder = write_app(project, FILES)
    places = f'\n[backup]\nto = ["file://{tmp_path / "backups"}"]\n'
    (folder / "joelclaw.toml").write_text(TOML + places)
    running = Server(folder)
    yield running
    running.stop()


def backup(server: Server, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "joelclaw.cli", "backup", *arguments],
        cwd=server.folder,
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_backup_brings_back_sessions_as_they_were(server: Server) -> None:
    """
    H8: who was signed in stays so, whose session had ended stays out, and guesses that were lost are lost. A session
    that ended after the backup goes on, and can be ended again; one that began after it cannot be renewed.
    """
    stays, left, later = server.sign_in(), server.sign_in(), server.sign_in()
    server.call("action", "auth:signOut", left["token"])
    server.sign_in(
        provider="password", params={"flow": "signUp", "email": "ann@example.com", "password": "a long password"}
    )
    for _ in range(10):
        server.call("action", "auth:signIn", **WRONG)
    name = backup(server, "now")
    server.call("action", "auth:signOut", later["token"])
    began = server.sign_in()

    server.stop()
    backup(server, "restore", name, "--replace")
    server.start()

    assert server.call("query", "auth:isAuthenticated", stays["token"])["value"] is True
    assert server.refresh(stays["refreshToken"])["tokens"] is not None
    assert server.call("query", "users:me", left["token"])[0] == 401
    assert server.refresh(left["refreshToken"]) == {"tokens": None}
    assert server.call("action", "auth:signIn", **WRONG)["errorData"]["code"] == "RATE_LIMITED"
    assert server.refresh(began["refreshToken"]) == {"tokens": None}

    user = server.call("query", "users:me", later["token"])["value"]
    assert "1 session has ended." in server.command("auth", "sign-out", "--user", user)
    assert server.call("query", "users:me", later["token"])[0] == 401
    assert server.refresh(later["refreshToken"]) == {"tokens": None}
