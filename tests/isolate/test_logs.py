"""Log lines: what a function says becomes the lines of its call."""

from typing import Any

from tests.isolate.isolates import Deployment, call


def log_lines(deployment: Deployment, path: str, **args: Any) -> list[str]:
    [outcome] = deployment.reader().run(call(path, **args))
    assert outcome.failure is None, outcome.failure
    return outcome.log_lines


def test_everything_that_is_said_is_a_line(deployment: Deployment) -> None:
    """`print`, `logging` and `warnings` become lines with their level, in order; an unfinished line counts."""
    said, logged, failed, warned, unfinished = log_lines(deployment, "notes:talk")
    assert (said, unfinished) == ("[LOG] said 1 thing", "[LOG] without an end")
    assert (logged, failed) == ("[INFO] logged 2", "[ERROR] failed")
    assert warned.startswith("[WARN] UserWarning: old (")


def test_structlog_is_understood(deployment: Deployment) -> None:
    """structlog as it comes has its events in the lines, with level and values."""
    with (deployment.root / "schema.py").open("a") as schema:
        schema.write("\nimport structlog\n")
    assert log_lines(deployment, "notes:talkWithStructlog") == ["[WARN] room is full room=7"]


def test_lines_are_limited_in_number(deployment: Deployment) -> None:
    """After the last line that is kept one more says that there were others (LIM-11)."""
    lines = log_lines(deployment, "notes:chatter", lines=266)
    assert lines == [f"[LOG] {number}" for number in range(256)] + [
        "[ERROR] Log overflow (maximum 256). Remaining log lines omitted."
    ]


def test_lines_are_limited_in_length(deployment: Deployment) -> None:
    """A line is cut at a whole character (LIM-11)."""
    [line] = log_lines(deployment, "notes:talkAtLength")
    assert 2**15 - 2 < len(line.encode()) <= 2**15
    assert set(line) == set("[LOG] ä")


def test_what_is_said_outside_of_calls_goes_to_standard_error(deployment: Deployment) -> None:
    """A file that prints while it is imported is heard, and belongs to no call."""
    with (deployment.root / "schema.py").open("a") as schema:
        schema.write("\nprint('imported')\n")
    reader = deployment.reader()
    assert "imported" in reader.stderr()


def test_lines_at_their_edges(deployment: Deployment) -> None:
    """As many lines as allowed are all there; one more is left out, and said to be. Lines are cut at the limit."""
    reader = deployment.reader(log_lines=3, log_line_bytes=16)

    def lines(path: str, **args: Any) -> list[str]:
        [outcome] = reader.run(call(path, **args))
        return outcome.log_lines

    three = ["[LOG] 0", "[LOG] 1", "[LOG] 2"]
    assert lines("notes:chatter", lines=3) == three
    assert lines("notes:chatter", lines=4) == [
        *three,
        "[ERROR] Log overflow (maximum 3). Remaining log lines omitted.",
    ]
    assert lines("notes:talkAtLength") == ["[LOG] äääää"]
