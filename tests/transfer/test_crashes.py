"""Imports that are cut off: the old data or the new, never something between, and never a stuck state."""

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from joelclaw.cli.client import Client
from joelclaw.errors import PlatformError
from tests.conformance.deadline import PATIENCE_S
from tests.conformance.deployment import Deployment, Server
from tests.transfer.served import ADMIN_KEY, Refused, joelclaw, started

ROWS = 20_000


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    server = started(tmp_path / "app")
    yield server
    server.server.stop()


def test_a_server_that_is_killed_imports_all_or_nothing(deployment: Deployment, tmp_path: Path) -> None:
    """Killed at any moment of an import, the server has the old rows or the new, and the import is over. ENV-4."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"number": n, "text": f"row {n}"}) + "\n" for n in range(ROWS)))
    command = ("import", str(file), "--table", "rows", "--mode", "append", "--yes")
    rows = 0

    for _ in range(3):
        importing = Thread(target=_try, args=(deployment, command), daemon=True)
        importing.start()
        time.sleep(chance.uniform(0.2, 3.0))  # What is tested is any moment, not one.
        deployment.restart(Server.kill)
        importing.join(PATIENCE_S)
        assert not importing.is_alive(), "the command waits for a server that is gone"

        now = int(deployment.query("notes:rows"))
        assert now in (rows, rows + ROWS)
        rows = now
        assert deployment.mutation("notes:add", body="it writes")
        _until_over(deployment)


def _try(deployment: Deployment, command: tuple[str, ...]) -> None:
    try:
        joelclaw(deployment, *command)
    except (Refused, PlatformError, OSError):
        pass  # The server is gone; how the command says so is told elsewhere.


def _until_over(deployment: Deployment) -> None:
    for answer in Client(deployment.url, ADMIN_KEY).watch("_system/cli/queryImport:list", {}):
        if json.loads(bytes(answer.value)) == []:
            return
