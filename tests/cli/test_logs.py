"""`joelclaw logs` on a file: filters, forms of output, and a file that is not there."""

import json
import sys
import time
from pathlib import Path

import msgspec
import pytest

from joelclaw.logs.file import LogFile
from joelclaw.logs.stream import function_logs
from tests.cli.conftest import GONE, Run, ScriptedServer
from tests.logs.entries import entry

NOW_US = int(time.time() * 1_000_000)


def batch(id: int) -> str:
    """A server's answer with one run."""
    return msgspec.json.encode(function_logs([entry(id)], id)).decode()


@pytest.fixture
def log(project: Path) -> LogFile:
    """The project's log, with three runs."""
    file = LogFile(project / "data" / "joelclaw.db-logs")
    file.append(
        [
            entry(NOW_US - 7_200_000_000, "notes:forRoom", kind="query", lines=["[LOG] two hours ago"]),
            entry(NOW_US - 2_000_000, "notes:add", lines=["[WARN] [bold]not markup[/bold]", "[LOG] one\ntwo"]),
            entry(
                NOW_US - 1_000_000,
                "POST /web_hook",
                kind="http_action",
                status=500,
                code="internal",
                error="Uncaught ValueError: boom",
                frames="    at hook (app_functions/hooks.py:3)",
                request_id="82dfbf4c7d66c3bb",
            ),
        ]
    )
    file.close()
    return file


def test_runs_are_shown_for_people(joelclaw: Run, log: LogFile) -> None:
    """A line for each that was logged, and failures with the id and the place, all of it as it was written."""
    result = joelclaw("logs")

    assert (result.code, result.err) == (0, "")
    shown = [line[24:] for line in result.out.splitlines() if line[:2] == "20"]
    assert shown == [
        "Query notes:forRoom [LOG] two hours ago",
        "Mutation notes:add [WARN] [bold]not markup[/bold]",
        "Mutation notes:add [LOG] one",
        "HttpAction POST /web_hook failed [Request ID: 82dfbf4c7d66c3bb]",
    ]
    assert "\ntwo\n" in result.out
    assert result.out.endswith("\nUncaught ValueError: boom\n    at hook (app_functions/hooks.py:3)\n")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--function", "notes"], ["notes:forRoom", "notes:add"]),
        (["--function", "notes:for_room"], ["notes:forRoom"]),
        (["--function", "notes.for_room"], ["notes:forRoom"]),
        (["--function", "POST /web_hook"], ["POST /web_hook"]),
        (["--level", "warn"], ["notes:add", "POST /web_hook"]),
        (["--level", "ERROR"], ["POST /web_hook"]),
        (["--since", "1h"], ["notes:add", "POST /web_hook"]),
        (["--request", "82dfbf4c7d66c3bb"], ["POST /web_hook"]),
        (["--limit", "1"], ["POST /web_hook"]),
        (["--limit", "0"], []),
    ],
)
def test_runs_are_chosen(joelclaw: Run, log: LogFile, options: list[str], found: list[str]) -> None:
    """By function in either spelling, module, level, age, request, number; a line of JSON for each."""
    result = joelclaw("logs", "--json", *options)

    assert result.code == 0
    assert [json.loads(line)["identifier"] for line in result.out.splitlines()] == found


def test_without_a_log_that_is_said(joelclaw: Run, project: Path) -> None:
    """A project that never ran has no log, which is no failure; none is made."""
    result = joelclaw("logs")

    assert (result.code, result.out, result.err) == (0, "", "Nothing was logged here yet.\n")
    assert list(project.iterdir()) == []


def test_a_file_that_is_no_log_is_a_sentence(joelclaw: Run, project: Path) -> None:
    """Who only reads leaves it where it is."""
    path = project / "data" / "joelclaw.db-logs"
    path.parent.mkdir()
    path.write_bytes(b"no database" * 100)
    result = joelclaw("logs")

    assert result.code == 1
    assert "is not a SQLite database" in result.err
    assert path.exists()


@pytest.mark.parametrize("since", ["5", "-1h", "soon"])
def test_a_duration_needs_a_unit(joelclaw: Run, project: Path, since: str) -> None:
    """What `--since` cannot be is a usage error that says what it can be."""
    result = joelclaw("logs", "--since", since)

    assert result.code == 2


def test_what_functions_say_does_not_command_the_terminal(joelclaw: Run, project: Path) -> None:
    """Whatever a stranger has had logged, it cannot move the cursor, set a title or hide a line."""
    file = LogFile(project / "data" / "joelclaw.db-logs")
    file.append([entry(NOW_US, lines=["[LOG] a\x1b[2J\x1b]0;title\x07\tb\r\nc\rd\x9b1m"])])
    file.close()
    result = joelclaw("logs")

    assert r"[LOG] a\x1b[2J\x1b]0;title\x07" in result.out
    assert r"c\x0dd\x9b1m" in result.out
    assert not {"\x1b", "\x07", "\x9b"} & set(result.out)


def test_following_outlives_a_restart(
    joelclaw: Run, project: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is gone is waited for, which is told once, and asked for what came after the last run."""
    # The package's attribute of that name is the command.
    monkeypatch.setattr(sys.modules["joelclaw.cli.logs"], "RETRY_EVERY_S", 0)
    server.answer(200, batch(NOW_US))
    server.answer(GONE, "")
    server.answer(GONE, "")
    server.answer(200, batch(NOW_US + 1))
    server.answer(403, {"code": "BadDeployKey", "message": "the end of this test"})
    result = joelclaw("logs", "--follow", "--json", "--url", server.url)

    assert [json.loads(line)["requestId"] for line in result.out.splitlines()] == [
        f"{NOW_US:016x}",
        f"{NOW_US + 1:016x}",
    ]
    assert result.err.count("no server answers") == 1
    assert "the end of this test" in result.err
    asked = [asked.path.partition("cursor=")[2] for asked in server.asked]
    assert asked == ["0", *[str(NOW_US / 1_000)] * 3, str((NOW_US + 1) / 1_000)]


def test_following_begins_where_a_server_is(joelclaw: Run, project: Path) -> None:
    """An address that nobody answers at is told at once: it may be the wrong one."""
    result = joelclaw("logs", "--follow", "--url", "http://127.0.0.1:1")

    assert result.code == 1
    assert "no server answers at http://127.0.0.1:1" in result.err
