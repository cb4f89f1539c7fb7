"""`joelclaw crons`: what is asked of a server, and what is shown."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.conftest import Run, ScriptedServer

RUN: dict[str, Any] = {
    "_id": "j57000000000000000000000000000",
    "_creationTime": 1.0,
    "cron": "notes.clean",
    "outcome": "failed",
    "dueAt": 1_700_000_000_000,
    "skipped": 0,
    "byHand": False,
    "durationMs": 1_500,
    "error": "no such room",
}
CRON: dict[str, Any] = {
    "name": "notes.clean",
    "schedule": "0 4 * * * UTC",
    "function": "notes:clean",
    "args": '{"days":7}',
    "nextAt": 1_700_000_000_000,
    "running": False,
    "last": RUN,
}


@pytest.fixture(autouse=True)
def _utc() -> Iterator[None]:
    """Clocks here show UTC."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def test_crons_are_listed(joelclaw: Run, server: ScriptedServer) -> None:
    """Name, schedule, function, arguments, the next time and how the last run went (SCH-27)."""
    last = [RUN, RUN | {"outcome": "skipped", "skipped": 3}, None]
    server.answer(
        200, {"status": "success", "value": [CRON | {"name": f"c{n}", "last": one} for n, one in enumerate(last)]}
    )
    server.answer(200, {"status": "success", "value": [CRON | {"running": True}]})
    lines = joelclaw("crons", "list", "--url", server.url).out.splitlines()[-4:]

    assert lines[0].split() == [
        "c0", "0", "4", "*", "*", "*", "UTC", "notes:clean", '{"days":7}', "2023-11-14", "22:13:20+00:00", "failed",
    ]  # fmt: skip
    assert [line.split(maxsplit=11)[-1].strip() for line in lines[1:3]] == ["3 skipped", "never"]
    assert joelclaw("crons", "list", "--url", server.url).out.rstrip().endswith("running")
    assert (server.asked[0].body["path"], server.asked[0].body["args"]) == ("_system/crons:list", {})


def test_an_app_without_crons_is_told(joelclaw: Run, server: ScriptedServer) -> None:
    """Nothing on standard output, and how one gets a cron."""
    server.answer(200, {"status": "success", "value": []})
    result = joelclaw("crons", "list", "--url", server.url)

    assert (result.code, result.out) == (0, "")
    assert "write @cron(...)" in result.err


def test_json_is_what_is_kept(joelclaw: Run, server: ScriptedServer) -> None:
    """With --json the documents, whole."""
    server.answer(200, {"status": "success", "value": [CRON]})
    server.answer(200, {"status": "success", "value": [RUN]})

    assert json.loads(joelclaw("crons", "list", "--json", "--url", server.url).out) == [CRON]
    assert json.loads(joelclaw("crons", "history", "--json", "--url", server.url).out) == [RUN]


def test_a_cron_is_run_by_hand(joelclaw: Run, server: ScriptedServer) -> None:
    """The id of its job is the answer; where to look for what came of it is said beside."""
    server.answer(200, {"status": "success", "value": "j57abc"})
    result = joelclaw("crons", "run", "notes.clean", "--url", server.url)

    assert (result.code, result.out) == (0, "j57abc\n")
    assert "joelclaw crons history notes.clean" in result.err
    assert server.asked[0].body["args"] == {"name": "notes.clean"}


def test_what_cannot_be_run_is_told(joelclaw: Run, server: ScriptedServer) -> None:
    """The server's sentence, and exit code 1."""
    server.answer(
        200, {"status": "error", "errorMessage": "[Request] Server Error", "errorData": "there is no cron 'x'"}
    )
    result = joelclaw("crons", "run", "x", "--url", server.url)

    assert (result.code, result.out, result.err) == (1, "", "error: there is no cron 'x'\n")


def test_the_history_is_shown(joelclaw: Run, server: ScriptedServer) -> None:
    """Due time, outcome, how long it took, and the error; of one cron, or of all."""
    by_hand = RUN | {"outcome": "success", "byHand": True, "error": ""}
    server.answer(200, {"status": "success", "value": [RUN, by_hand]})
    lines = joelclaw("crons", "history", "notes.clean", "--limit", "2", "--url", server.url).out.splitlines()

    failed, succeeded = [line for line in lines if "notes.clean" in line]
    assert failed.rstrip().split(maxsplit=6) == [
        "notes.clean", "2023-11-14", "22:13:20+00:00", "failed", "1.5", "s", "no such room",
    ]  # fmt: skip
    assert "success, by hand" in succeeded
    assert server.asked[0].body["args"] == {"name": "notes.clean", "limit": 2}


def test_an_empty_history_is_told(joelclaw: Run, server: ScriptedServer) -> None:
    """A name that was mistyped is the likely reason."""
    server.answer(200, {"status": "success", "value": []})

    assert "`joelclaw crons list` has the names" in joelclaw("crons", "history", "x", "--url", server.url).err
