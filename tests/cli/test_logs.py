"""`joelclaw logs` on a file: filters, forms of output, and a file that is not there."""

import json
import time
from pathlib import Path

import pytest

from joelclaw.logs.file import LogFile
from tests.cli.conftest import Run
from tests.logs.entries import entry

NOW_US = int(time.time() * 1_000_000)


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
