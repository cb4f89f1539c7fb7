"""The log's file: what it keeps, what it forgets, and what it does when it cannot."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from joelclaw.errors import StoreFull, StoreUnreadable
from joelclaw.logs.entries import LEVELS, Filter
from joelclaw.logs.file import LogFile
from joelclaw.store import sqlite_driver
from tests.logs.entries import entry

EVERYTHING = Filter()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[LogFile]:
    opened = LogFile(tmp_path / "app.db-logs")
    yield opened
    opened.close()


def ids(file: LogFile, wanted: Filter = EVERYTHING, limit: int = 100) -> list[int]:
    return [run.id for run in file.newest(limit, wanted)]


def test_what_is_kept_is_what_was_given(file: LogFile) -> None:
    """Every field of a run survives, text of any script included."""
    run = entry(
        7,
        kind="http_action",
        status=404,
        took_ms=1.25,
        execution_id="e",
        code="internal",
        error="Uncaught ValueError: \u00fc\U0001f600",
        frames="    at f (f.py:1)",
        lines=["[LOG] one", "[WARN] 'two'\nthree"],
        times=[1.0, 2.5],
    )
    file.append([run])
    assert file.newest(10, EVERYTHING) == [run]
    assert file.after(6, 10) == [run]
    assert file.newest_id() == 7


def test_newest_and_after_are_in_order(file: LogFile) -> None:
    """The newest are the last ones, oldest first; `after` goes on where one was."""
    file.append(entry(id) for id in range(1, 11))
    assert ids(file, limit=3) == [8, 9, 10]
    assert [run.id for run in file.after(3, 2)] == [4, 5]
    assert file.after(10, 2) == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(functions=["notes:add"]), [1]),
        (Filter(functions=["notes"]), [1, 2]),
        (Filter(functions=["ops/"]), [4]),
        (Filter(functions=["note"]), []),
        (Filter(level=LEVELS.index("WARN")), [2, 3]),
        (Filter(level=LEVELS.index("ERROR")), [3]),
        (Filter(since_id=2), [3, 4]),
        (Filter(request_id="r3"), [3]),
        (Filter(request_id="r3", functions=["notes"]), []),
    ],
)
def test_filters(file: LogFile, wanted: Filter, found: list[int]) -> None:
    """By function, module, folder, level (a failure is an error), time, request, and all of them together."""
    file.append(
        [
            entry(1, "notes:add"),
            entry(2, "notes:list", lines=["[LOG] a", "[WARN] b"]),
            entry(3, "notesy:add", request_id="r3", code="internal"),
            entry(4, "ops/stats:count"),
        ]
    )
    assert ids(file, wanted) == found


def test_a_rare_function_is_found_among_many(file: LogFile) -> None:
    """A filter looks on until it has as many as were asked for, however long ago they ran."""
    file.append(entry(id, "rare:f" if id in (3, 5) else "common:f") for id in range(1, 3_001))
    assert ids(file, Filter(functions=["rare:f"]), limit=2) == [3, 5]


def test_old_runs_are_dropped(file: LogFile) -> None:
    """Runs older than a moment go, those at it and after it stay."""
    file.append(entry(id) for id in range(1, 11))
    assert file.trim(before_id=5, bytes_max=2**30) == 4
    assert ids(file) == [5, 6, 7, 8, 9, 10]


def test_the_file_stays_within_its_size(file: LogFile, tmp_path: Path) -> None:
    """With a limit on its size the oldest runs give way, and the file does not grow beyond it by much."""
    limit = 2**20
    for batch in range(100):
        file.append(entry(batch * 100 + i + 1, lines=["[LOG] " + "x" * 500]) for i in range(100))
        file.trim(before_id=0, bytes_max=limit)
    kept = ids(file, limit=100_000)
    assert kept[-1] == 10_000
    assert 500 < len(kept) < 2_500
    assert kept == list(range(kept[0], 10_001))
    file.close()
    assert (tmp_path / "app.db-logs").stat().st_size < 1.5 * limit


def test_a_batch_is_kept_whole_or_not_at_all(file: LogFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full in the middle of a batch nothing of it stays, and later batches are kept again."""
    file.append([entry(1)])
    file.close()
    small = sqlite_driver.Driver.__init__

    def full(self: sqlite_driver.Driver, path: str, **options: object) -> None:
        small(self, path, **options, size_max_bytes=64 * 1024)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_driver.Driver, "__init__", full)
        with pytest.raises(StoreFull):
            file.append(entry(id, lines=["[LOG] " + "x" * 1_000]) for id in range(2, 1_000))
    assert ids(file) == [1]
    file.append([entry(2)])
    assert ids(file) == [1, 2]


def test_a_file_that_is_no_log_is_set_aside(file: LogFile, tmp_path: Path) -> None:
    """What cannot be a log any more is kept under another name, and a new one is begun."""
    path = tmp_path / "app.db-logs"
    path.write_bytes(b"this is not SQLite" * 100)
    file.append([entry(1)])
    assert ids(file) == [1]
    assert file.set_aside == tmp_path / "app.db-logs-unusable-1"
    assert file.set_aside.read_bytes().startswith(b"this is not")


def test_a_log_of_another_version_is_set_aside(file: LogFile, tmp_path: Path) -> None:
    """A file that a later version has written is not misread."""
    with sqlite3.connect(tmp_path / "app.db-logs") as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    assert file.newest_id() == 0
    assert file.set_aside is not None


def test_reading_makes_nothing(tmp_path: Path) -> None:
    """Who only reads begins no file and changes none."""
    reader = LogFile(tmp_path / "app.db-logs", read_only=True)
    with pytest.raises(StoreUnreadable):
        reader.newest(10, EVERYTHING)
    assert list(tmp_path.iterdir()) == []


def test_another_process_may_read_while_it_is_written(file: LogFile, tmp_path: Path) -> None:
    """A second connection sees what is kept, and holds nobody up."""
    file.append([entry(1)])
    reader = LogFile(tmp_path / "app.db-logs", read_only=True)
    assert ids(reader) == [1]
    file.append([entry(2)])
    assert ids(reader) == [1, 2]
    reader.close()
