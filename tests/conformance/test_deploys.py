"""The npm package in Node, while the server's code is replaced by `joelclaw deploy`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.conftest import Start
from tests.conformance.deadline import PATIENCE_S
from tests.conformance.deployment import ADMIN_KEY, Deployment
from tests.conformance.remote import Refused

PASSING = """
from joelclaw import MutationCtx, QueryCtx, anyone, mutation, query
from schema import Message


@query(allow=anyone)
def count(ctx: QueryCtx, room: str) -> int:
    return len([message for message in ctx.db.query(Message) if message.room == room])


@mutation(allow=anyone)
def shout(ctx: MutationCtx, room: str, body: str) -> None:
    ctx.db.insert(Message(room=room, body=body.upper()))
"""
"""Functions that a page was built with, and that the next version does not have."""


def deploy(deployment: Deployment, checkout: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "joelclaw.cli", "deploy", "--url", deployment.url, "--project", str(checkout)],
        env={**os.environ, "JOELCLAW_DEPLOY_KEY": ADMIN_KEY, "GIT_CEILING_DIRECTORIES": str(checkout.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=10 * PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr


def test_an_old_page_outlives_a_deploy_that_removes_its_functions(
    own_deployment: Deployment, node: Start, room: str, tmp_path: Path
) -> None:
    """A removed function fails for that call alone, with its name; other queries and mutations go on, on one socket."""
    checkout = tmp_path / "checkout"
    shutil.copytree(own_deployment.project, checkout, ignore=shutil.ignore_patterns("data*", "__pycache__"))
    functions = checkout / "app_functions" / "passing.py"
    functions.write_text(PASSING)
    deploy(own_deployment, checkout)
    page = node(own_deployment.url)
    page.subscribe("count", "passing:count", room=room)
    page.subscribe("list", "messages:listed", room=room)
    assert page.wait_for("count", lambda _: True) == 0
    assert page.wait_for("list", lambda _: True) == []
    connected = page.do("state")
    assert (connected["isWebSocketConnected"], connected["connectionRetries"]) == (True, 0)

    functions.unlink()
    deploy(own_deployment, checkout)

    assert "Could not find public function for 'passing:count'" in page.wait_for_error("count").message
    with pytest.raises(Refused, match="Could not find public function for 'passing:shout'"):
        page.mutation("passing:shout", room=room, body="anybody")
    with pytest.raises(Refused, match="Could not find public function for 'passing:count'"):
        page.query("passing:count", room=room)
    page.mutation("messages:send", room=room, body="still here")
    assert page.wait_for("list", lambda messages: len(messages) == 1)[0]["body"] == "still here"
    assert page.do("state") == connected
    assert not any("error" in event for event in page.events("list"))

    functions.write_text(PASSING)
    deploy(own_deployment, checkout)
    assert page.wait_for("count", lambda count: count == 1) == 1
    assert page.do("state") == connected
