"""The recorder: what it takes from the engine, what it shows, what it writes, and that it never stands in the way."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from joelclaw.clock import MovableClock
from joelclaw.functions.calls import Outcome
from joelclaw.logs import recorder
from joelclaw.logs.entries import Entry, Filter
from joelclaw.logs.file import LogFile
from joelclaw.logs.recorder import RunLog
from tests.engine.engines import within_patience
from tests.logs.entries import failed, said

T0_MS = 1_700_000_000_000.0


class Desk:
    """A log on a clock that is moved."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.path = folder / "app.db-logs"
        self.clock = MovableClock(T0_MS)
        self.log = RunLog(self.path, clock=self.clock, **options)

    def ran(self, function: str, outcome: Outcome, request_id: str = "r") -> None:
        self.clock.advance(timedelta(milliseconds=1))
        self.log.ran("mutation", function, request_id, "HttpApi", outcome)

    def kept(self) -> list[Entry]:
        """What another process reads in the file."""
        file = LogFile(self.path, read_only=True)
        try:
            return file.newest(100_000, Filter())
        finally:
            file.close()


def play(scene: Callable[[Desk], Coroutine[Any, Any, None]], folder: Path, **options: Any) -> Desk:
    """Run a scene with a log that is open, and close it."""

    async def run() -> Desk:
        desk = Desk(folder, **options)
        async with desk.log:
            await scene(desk)
        return desk

    return asyncio.run(run())


def functions(entries: list[Entry]) -> list[str]:
    return [entry.function for entry in entries]


def test_runs_are_written_without_being_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is in the file soon after it is over, with all that is known of it."""
    monkeypatch.setattr(recorder, "WRITE_EVERY_S", 0)
    written = asyncio.Event()

    async def scene(desk: Desk) -> None:
        append = LogFile.append
        loop = asyncio.get_running_loop()

        def noticed(self: LogFile, entries: list[Entry]) -> None:
            append(self, entries)
            loop.call_soon_threadsafe(written.set)

        monkeypatch.setattr(LogFile, "append", noticed)
        desk.ran("notes:add", failed("Uncaught ValueError: boom", "[LOG] hi"), "r1")
        await within_patience("the write", written.wait())
        [run] = desk.kept()
        assert (run.function, run.request_id, run.caller) == ("notes:add", "r1", "HttpApi")
        assert (run.error, run.frames) == ("Uncaught ValueError: boom", "    at f (app_functions/f.py:1)")
        assert (run.lines, run.took_ms, run.at_ms) == (["[LOG] hi"], 1.5, T0_MS + 1)

    play(scene, tmp_path)


def test_what_gathers_is_written_at_the_end(tmp_path: Path) -> None:
    """A server that stops loses nothing of its log."""

    async def scene(desk: Desk) -> None:
        for number in range(1_000):
            desk.ran(f"notes:n{number}", said())

    assert functions(play(scene, tmp_path).kept()) == [f"notes:n{number}" for number in range(1_000)]


def test_the_platforms_own_functions_leave_entries_only_when_they_fail(tmp_path: Path) -> None:
    """A system function that succeeds is no news to an app's developer."""

    async def scene(desk: Desk) -> None:
        desk.ran("_system/env:update", said())
        desk.ran("_system/env:list", failed())

    assert functions(play(scene, tmp_path).kept()) == ["_system/env:list"]


def test_ids_grow_whatever_the_clock_does(tmp_path: Path) -> None:
    """Runs of one moment, and runs after the clock went back, also over a restart, keep their order."""

    async def scene(desk: Desk) -> None:
        for _ in range(3):
            desk.log.ran("mutation", "notes:same", "r", "HttpApi", said())
        desk.clock.advance(timedelta(hours=-1))
        desk.ran("notes:back", said())

    async def later(desk: Desk) -> None:
        desk.clock.advance(timedelta(hours=-2))
        desk.ran("notes:restarted", said())

    play(scene, tmp_path)
    kept = play(later, tmp_path).kept()
    assert functions(kept) == ["notes:same"] * 3 + ["notes:back", "notes:restarted"]
    assert len({entry.id for entry in kept}) == 5


def test_old_runs_are_forgotten_when_time_passes(tmp_path: Path) -> None:
    """After `keep_days` a run is dropped, the next time that something is written."""

    async def scene(desk: Desk) -> None:
        desk.ran("notes:old", said())
        await desk.log.flush()
        desk.clock.advance(timedelta(days=6))
        desk.ran("notes:newer", said())
        await desk.log.flush()
        assert functions(desk.kept()) == ["notes:old", "notes:newer"]
        desk.clock.advance(timedelta(days=2))
        desk.ran("notes:newest", said())

    assert functions(play(scene, tmp_path, keep_days=7).kept()) == ["notes:newer", "notes:newest"]


# -- followers


def test_who_stops_waiting_for_a_write_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was taken to be written is written, also if whoever asked for it is cancelled before it has begun."""
    busy, go_on = asyncio.Event(), threading.Event()

    async def scene(desk: Desk) -> None:
        loop, newest = asyncio.get_running_loop(), LogFile.newest

        def slow_newest(file: LogFile, limit: int, wanted: Filter) -> list[Entry]:
            loop.call_soon_threadsafe(busy.set)
            assert go_on.wait(60)
            return newest(file, limit, wanted)

        monkeypatch.setattr(LogFile, "newest", slow_newest)
        reading = asyncio.create_task(desk.log.recent())
        await within_patience("a thread that is busy", busy.wait())
        desk.ran("notes:a", said())
        writing = asyncio.create_task(desk.log.flush())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait([writing])
        go_on.set()
        await reading

    desk = play(scene, tmp_path)
    monkeypatch.undo()
    assert functions(desk.kept()) == ["notes:a"]


def test_a_follower_gets_what_comes_and_nothing_twice(tmp_path: Path) -> None:
    """From cursor to cursor every entry is seen once, and who waits is woken by the next one."""

    async def scene(desk: Desk) -> None:
        cursor = desk.log.newest_id
        assert await desk.log.after(cursor) == []
        waiting = desk.log.news()
        desk.ran("notes:a", said())
        await within_patience("the news", waiting)
        desk.ran("notes:b", said())
        first = await desk.log.after(cursor)
        assert functions(first) == ["notes:a", "notes:b"]
        assert await desk.log.after(first[-1].id) == []

    play(scene, tmp_path)


def test_a_follower_that_goes_away_leaves_nothing(tmp_path: Path) -> None:
    """A wait that is cancelled is forgotten, and others are woken as before."""

    async def scene(desk: Desk) -> None:
        gone, stays = desk.log.news(), desk.log.news()
        gone.cancel()
        desk.ran("notes:a", said())
        await within_patience("the news", stays)
        await asyncio.sleep(0)
        assert desk.log.followers == 0

    play(scene, tmp_path)


def test_what_comes_while_the_file_is_read_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends while a new follower's past is read is told, also when a line of an action is later still."""

    async def scene(desk: Desk) -> None:
        def meanwhile() -> None:
            desk.ran("notes:meanwhile", said())
            desk.log.begin("action", "notes:later", "r", "Action").logged(["[LOG] so far"])

        loop, newest = asyncio.get_running_loop(), LogFile.newest

        def newest_and_run(file: LogFile, limit: int, wanted: Filter) -> list[Entry]:
            entries = newest(file, limit, wanted)
            loop.call_soon_threadsafe(meanwhile)
            return entries

        monkeypatch.setattr(LogFile, "newest", newest_and_run)
        desk.ran("notes:past", said())
        assert functions(await desk.log.recent()) == ["notes:past", "notes:meanwhile", "notes:later"]

    play(scene, tmp_path)


def test_who_is_behind_reads_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What memory has forgotten is found in the file: a slow follower misses nothing."""
    monkeypatch.setattr(recorder, "RECENT_BYTES_MAX", 5_000)

    async def scene(desk: Desk) -> None:
        cursor = desk.log.newest_id
        for number in range(2_500):
            desk.ran(f"notes:n{number}", said())
        seen: list[str] = []
        while entries := await desk.log.after(cursor):
            seen += functions(entries)
            cursor = entries[-1].id
        assert seen == [f"notes:n{number}" for number in range(2_500)]

    play(scene, tmp_path)


def test_a_follower_comes_back_after_a_restart(tmp_path: Path) -> None:
    """A cursor of an earlier server goes on where it was."""
    cursors: list[int] = []

    async def first(desk: Desk) -> None:
        desk.ran("notes:a", said())
        cursors.append(desk.log.newest_id)
        desk.ran("notes:b", said())

    async def second(desk: Desk) -> None:
        desk.clock.advance(timedelta(seconds=10))
        desk.ran("notes:c", said())
        entries = await desk.log.after(cursors[0])
        assert functions(entries) == ["notes:b", "notes:c"]
        assert functions(await desk.log.recent()) == ["notes:a", "notes:b", "notes:c"]

    play(first, tmp_path)
    play(second, tmp_path)


# -- actions


def test_lines_of_an_action_are_shown_while_it_runs(tmp_path: Path) -> None:
    """Each line is an entry at once; at the end there is the run, which has all lines with the moment of each."""

    async def scene(desk: Desk) -> None:
        cursor = desk.log.newest_id
        ongoing = desk.log.begin("action", "feeds:fetch", "r1", "SyncWorker")
        desk.clock.advance(timedelta(seconds=1))
        ongoing.logged(["[LOG] one"])
        [lines] = await desk.log.after(cursor)
        assert (lines.over, lines.lines, lines.request_id) == (False, ["[LOG] one"], "r1")
        assert await desk.log.recent() == [lines]

        desk.clock.advance(timedelta(seconds=1))
        ongoing.ended(said("[LOG] one", "[WARN] two"))
        [run] = await desk.log.after(lines.id)
        assert (run.over, run.lines, run.told) == (True, ["[LOG] one", "[WARN] two"], 1)
        assert run.execution_id == lines.execution_id
        assert list(run.times) == [T0_MS + 1_000, T0_MS + 2_000]
        assert round(run.took_ms) == 2_000

    [kept] = play(scene, tmp_path).kept()
    assert kept.lines == ["[LOG] one", "[WARN] two"]


def test_a_new_follower_sees_the_lines_of_an_action_once(tmp_path: Path) -> None:
    """Of an action that is over the past shows the run; of one that is not, its lines."""

    async def scene(desk: Desk) -> None:
        over = desk.log.begin("action", "feeds:over", "r1", "HttpApi")
        runs = desk.log.begin("action", "feeds:runs", "r2", "HttpApi")
        over.logged(["[LOG] a"])
        runs.logged(["[LOG] b"])
        over.ended(said("[LOG] a"))
        assert [(e.function, e.over, list(e.lines)) for e in await desk.log.recent()] == [
            ("feeds:runs", False, ["[LOG] b"]),
            ("feeds:over", True, ["[LOG] a"]),
        ]

    play(scene, tmp_path)


def test_what_an_action_said_outlives_its_process(tmp_path: Path) -> None:
    """An action whose process died has no lines in its outcome; those that were told are kept."""

    async def scene(desk: Desk) -> None:
        ongoing = desk.log.begin("action", "feeds:fetch", "r1", "HttpApi")
        ongoing.logged(["[LOG] before the crash"])
        ongoing.ended(failed("The process that ran this action ended"))

    [kept] = play(scene, tmp_path).kept()
    assert kept.lines == ["[LOG] before the crash"]
    assert kept.error == "The process that ran this action ended"


# -- faults


def test_a_log_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    """
    Where the file should be is a folder: calls are recorded all the same, the reason is told once, and when
    it is gone everything is written.
    """
    (tmp_path / "app.db-logs").mkdir()

    async def scene(desk: Desk) -> None:
        for number in range(3):
            desk.ran(f"notes:n{number}", said())
            await desk.log.flush()
        assert functions(await desk.log.recent()) == ["notes:n0", "notes:n1", "notes:n2"]
        desk.path.rmdir()

    with capture_logs() as told:
        kept = play(scene, tmp_path).kept()
    assert functions(kept) == ["notes:n0", "notes:n1", "notes:n2"]
    assert [event["event"].split(";")[0] for event in told] == ["runs cannot be logged", "runs are logged again"]
    assert "cannot be opened" in told[0]["reason"]


def test_what_is_too_much_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing can be written only so much is kept; how much was dropped is told, in the log, too."""
    monkeypatch.setattr(recorder, "UNWRITTEN_BYTES_MAX", 10_000)
    (tmp_path / "app.db-logs").mkdir()

    async def scene(desk: Desk) -> None:
        for number in range(50):
            desk.ran(f"notes:n{number}", said())
        await desk.log.flush()
        desk.path.rmdir()
        with capture_logs() as told:
            await desk.log.flush()
        assert told[-1]["runs"] == 30

    kept = play(scene, tmp_path).kept()
    assert functions(kept) == [f"notes:n{number}" for number in range(20)] + ["_system/logs:write"]
    assert kept[-1].lines == ["[WARN] 30 runs were not logged: there were more than could be written"]


def test_a_file_that_is_no_log_does_not_keep_the_server_from_starting(tmp_path: Path) -> None:
    """It is set aside, which is told."""
    (tmp_path / "app.db-logs").write_bytes(b"no database" * 1_000)

    async def scene(desk: Desk) -> None:
        desk.ran("notes:a", said())

    with capture_logs() as told:
        assert functions(play(scene, tmp_path).kept()) == ["notes:a"]
    assert told[0]["set_aside"].endswith("app.db-logs-unusable-1")
