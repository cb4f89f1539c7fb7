"""
The protocol as its clients meet it, on a server that runs: the shipped client in Node, and many callers at once.

What needs a network that breaks, or a browser, is in `tests/conformance/`.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.behaviours.live import LiveServer

SCENES = Path(__file__).with_name("scenes.mjs")
SCENE_S = 120.0


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    server = LiveServer(tmp_path_factory.mktemp("live"))
    yield server
    server.close()


def play(scene: str, live: LiveServer, node_modules: Path) -> Any:
    """What the shipped client saw; the scene's name is its room."""
    command = ["node", str(SCENES), scene, live.url, scene]
    done = subprocess.run(
        command, cwd=node_modules.parent, capture_output=True, text=True, timeout=SCENE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_sync_06_a_mutation_resolves_after_its_effects_are_shown(live: LiveServer, node_modules: Path) -> None:
    """SYNC-6: listeners have the new result before the promise of the mutation resolves."""
    assert play("resolves_after_listeners", live, node_modules) == [[], ["one"], "resolved"]


def test_sync_16_one_run_for_all_subscribers(live: LiveServer, node_modules: Path) -> None:
    """SYNC-16: two clients of one query have its one result, random numbers included, before and after a write."""
    seen = play("shared", live, node_modules)
    for one, other in (seen["before"], seen["after"]):
        assert one == other
    assert seen["before"][0] != seen["after"][0]


def test_sync_18_skip_subscribes_to_nothing(live: LiveServer, node_modules: Path) -> None:
    """SYNC-18: a skipped query is not sent; with arguments it is subscribed to, and skipped again it is removed."""
    seen = play("skip", live, node_modules)
    assert seen == {"skipped": [], "subscribed": ["one"], "sent": ["Add", "Remove"]}


def test_sync_19_optimistic_updates_roll_back_with_the_result(live: LiveServer, node_modules: Path) -> None:
    """SYNC-19: what was shown in advance is replaced in the same step, by the result or by what was there before."""
    assert play("optimistic", live, node_modules) == [[], ["one?"], ["one"], ["one", "two?"], ["one"]]


def test_err_01_02_05_06_errors_as_the_client_has_them(live: LiveServer, node_modules: Path) -> None:
    """
    ERR-1, ERR-2, ERR-4, ERR-5, ERR-6, ERR-7: the middle of a message is ours, the rest the client's.

    An app's error is a `ConvexError` with its data, and its own class names it in the message;
    any other is an `Error` without data.
    """
    seen = play("errors", live, node_modules)
    refused, broken = seen["refused"], seen["broken"]
    request = r"\[Request ID: [0-9a-f]{16}\] Server Error"
    assert re.fullmatch(
        rf'\[CONVEX M\(notes:refuse\)\] {request}\nUncaught Refused: {{"code":"123n","message":"no"}}\n'
        r"    at refuse \(app_functions/notes\.py:\d+\)\n  Called by client",
        refused.pop("message"),
    )
    assert refused == {"name": "ConvexError", "isConvexError": True, "hasData": True, "code": "bigint 123"}
    assert re.fullmatch(
        rf"\[CONVEX Q\(notes:broken\)\] {request}\nUncaught ValueError: boom\n"
        r"    at broken \(app_functions/notes\.py:\d+\)\n  Called by client",
        broken.pop("message"),
    )
    assert broken == {"name": "Error", "isConvexError": False, "hasData": False}


def post(live: LiveServer, path: str, **args: Any) -> Any:
    response = httpx.post(f"{live.url}/api/mutation", json={"path": path, "args": args, "format": "json"})
    assert response.json()["status"] == "success", response.text
    return response.json()["value"]


def test_txn_01_03_concurrent_mutations_all_take_effect(live: LiveServer) -> None:
    """TXN-1, TXN-3: ten read-modify-writes of one document at once lose nothing, nor do plain inserts."""
    note = post(live, "notes:add", room="crowd", text="")
    with ThreadPoolExecutor(10) as crowd:
        appended = [crowd.submit(post, live, "notes:append", id=note, letter=letter) for letter in "abcdefghij"]
        inserted = [crowd.submit(post, live, "notes:add", room="crowd", text=letter) for letter in "abcdefghij"]
        ids = {one.result() for one in inserted}
        assert [one.result() for one in appended] == [None] * 10
    assert len(ids) == 10
    query = {"path": "notes:texts", "args": {"room": "crowd"}, "format": "json"}
    first, *others = httpx.post(f"{live.url}/api/query", json=query).json()["value"]
    assert sorted(first) == sorted(others) == list("abcdefghij")
