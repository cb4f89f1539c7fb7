"""`joelclaw admin-key`: what is asked of a server, what is shown, and a deployment that is not served."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from joelclaw.auth.admin_keys import hash_of
from joelclaw.clock import SystemClock
from joelclaw.deploy.lock import locked
from tests.cli.conftest import ADMIN_KEY, Run, ScriptedServer
from tests.ports import free_port


def succeeds(value: Any) -> dict[str, Any]:
    return {"status": "success", "value": value, "logLines": []}


def test_a_key_is_made_here_and_only_its_hash_is_sent(joelclaw: Run, server: ScriptedServer) -> None:
    """It is printed alone, for a pipe; what to do with it is said beside."""
    server.answer(200, succeeds("id"))
    result = joelclaw("admin-key", "create", "laptop", "--url", server.url)

    key = result.out.strip()
    assert re.fullmatch(r"laptop\|[A-Za-z0-9_-]{43}", key)
    assert "not shown again" in result.err
    [asked] = server.asked
    assert asked.authorization == f"Convex {ADMIN_KEY}"
    assert asked.body["path"] == "_system/adminKeys:create"
    assert asked.body["args"] == {"name": "laptop", "hash": hash_of(key), "scope": "full"}
    assert key not in json.dumps(asked.body)


def test_a_key_may_be_for_looking_and_may_end(joelclaw: Run, server: ScriptedServer) -> None:
    """The end is a moment, counted from now."""
    server.answer(200, succeeds("id"))
    before = SystemClock().now_ms()
    joelclaw("admin-key", "create", "look", "--read-only", "--expires", "90d", "--url", server.url)

    args = server.asked[0].body["args"]
    assert args["scope"] == "read_only"
    assert before <= args["expiresAt"] - 90 * 86_400_000 <= SystemClock().now_ms()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "a b"], "NAME is made of letters"),
        (["create", "a|b"], "NAME is made of letters"),
        (["create", "a", "--expires", "soon"], "--expires"),
        (["create"], "NAME"),
    ],
)
def test_what_is_asked_for_wrongly(joelclaw: Run, server: ScriptedServer, arguments: list[str], said: str) -> None:
    """Nothing is asked of the server."""
    result = joelclaw("admin-key", *arguments)

    assert result.code == 2
    assert said in result.err
    assert server.asked == []


@pytest.mark.parametrize(
    ("arguments", "value", "said"),
    [
        (["create", "ci"], None, "there is a key called ci already; revoke it, or choose another name"),
        (["revoke", "ci"], False, "there is no key called ci; `joelclaw admin-key list` lists them"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    joelclaw: Run, server: ScriptedServer, arguments: list[str], value: Any, said: str
) -> None:
    """No key is printed that opens nothing."""
    server.answer(200, succeeds(value))
    result = joelclaw("admin-key", *arguments, "--url", server.url)

    assert (result.code, result.out, result.err) == (1, "", f"error: {said}\n")


def test_keys_are_listed_without_their_hashes(joelclaw: Run, server: ScriptedServer) -> None:
    """With what they may do, and when; as JSON for programs."""
    keys = [
        {"_id": "i", "_creationTime": 0.0, "name": "first start", "hash": "h4sh"},
        {
            "_id": "j",
            "_creationTime": 86_400_000.0,
            "name": "look",
            "hash": "h4sh",
            "scope": "read_only",
            "expiresAt": 2 * 86_400_000.0,
            "lastUsedAt": 60_000.0,
        },
    ]
    server.answer(200, succeeds(keys))
    server.answer(200, succeeds(keys))
    shown = joelclaw("admin-key", "list", "--url", server.url).out
    listed = joelclaw("admin-key", "list", "--json", "--url", server.url).out

    assert re.search(r"first start +everything +1970-01-01 00:00 +never +never", shown)
    assert re.search(r"look +look +1970-01-02 00:00 +1970-01-03 00:00 +1970-01-01 00:01", shown)
    assert json.loads(listed)[1]["scope"] == "read_only"
    assert "h4sh" not in shown + listed


def test_a_server_that_is_named_is_the_one_that_is_meant(joelclaw: Run, tmp_path: Path) -> None:
    """Nothing else is opened when it does not answer."""
    project(tmp_path)
    result = joelclaw("admin-key", "list", "--url", "http://127.0.0.1:1", "--project", str(tmp_path))

    assert result.code == 1
    assert "no server answers" in result.err
    assert not (tmp_path / "data").exists()


def test_without_a_server_the_database_is_asked(joelclaw: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has lost every key stops the server and makes another one; without a key, and without a server's port."""
    project(tmp_path)
    monkeypatch.delenv("JOELCLAW_ADMIN_KEY")
    where = ("--project", str(tmp_path))

    made = joelclaw("admin-key", "create", "again", *where)
    assert made.code == 0, made.err
    assert [key["name"] for key in json.loads(joelclaw("admin-key", "list", "--json", *where).out)] == ["again"]
    assert joelclaw("admin-key", "revoke", "again", *where).code == 0
    assert "There are no admin keys" in joelclaw("admin-key", "list", *where).err


def test_a_database_that_is_served_is_left_alone(
    joelclaw: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence says who has it."""
    project(tmp_path)
    monkeypatch.delenv("JOELCLAW_ADMIN_KEY")
    with locked(tmp_path / "data" / "joelclaw.db"):
        result = joelclaw("admin-key", "create", "again", "--project", str(tmp_path))

    assert (result.code, result.out) == (1, "")
    assert "is served already, by process" in result.err


def project(folder: Path) -> None:
    (folder / "app_functions").mkdir()
    (folder / "schema.py").touch()
    (folder / "joelclaw.toml").write_text(f"[server]\napi_port = {free_port()}\n[limits]\nreaders = 1\n")
