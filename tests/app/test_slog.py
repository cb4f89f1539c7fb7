"""The app's log: lines of a file on disk, kept with the place up to which it was read."""

import json
from pathlib import Path
from typing import Any

import pytest

from app_functions import health, slog
from app_functions._loglines import understood
from joelclaw import PageOptions
from joelclaw.testing import Backend, CallRefused
from tests.app.people import guest, owner, reader

NEWEST = PageOptions(num_items=100, cursor=None)


@pytest.fixture
def log(backend: Backend, tmp_path: Path) -> Path:
    path = tmp_path / "slog.jsonl"
    path.touch()
    backend.env["SLOG_PATH"] = str(path)
    return path


def write(log: Path, *lines: dict[str, Any] | str) -> None:
    with log.open("a") as file:
        for line in lines:
            file.write((line if isinstance(line, str) else json.dumps(line)) + "\n")


def follow(backend: Backend) -> int:
    """Keep what is there; how many lines."""
    return backend.internal.action(slog.follow, for_s=0)


def shown(backend: Backend, **asked: Any) -> list[str]:
    """The texts of the newest lines, the oldest first."""
    return [line.text for line in owner(backend).query(slog.tail, pagination_opts=NEWEST, **asked).page][::-1]


def source(backend: Backend) -> health.SourceSeen:
    [found] = [one for one in owner(backend).query(health.sources) if one.name == "slog"]
    return found


def test_only_the_owner_reads_the_log(backend: Backend, log: Path) -> None:
    """Nobody else does, and nobody at all writes it from outside."""
    for caller in (backend, guest(backend), reader(backend)):
        with pytest.raises(CallRefused):
            caller.query(slog.tail, pagination_opts=NEWEST)
        with pytest.raises(CallRefused):
            caller.query(slog.place, path=str(log))
    with pytest.raises(CallRefused):
        owner(backend).action(slog.follow)
    with pytest.raises(CallRefused):
        owner(backend).mutation(slog.tried)


def test_lines_appear_on_an_open_page(backend: Backend, log: Path) -> None:
    """The newest first, each once, however often the file is looked at; without new ones nothing is written."""
    page = owner(backend).subscribe(slog.tail, pagination_opts=NEWEST)
    write(log, {"msg": "one"}, {"msg": "two"})
    assert follow(backend) == 2
    write(log, {"msg": "three"})
    assert [follow(backend), follow(backend)] == [1, 0]

    assert [line.text for line in page.value.page] == ["three", "two", "one"]
    assert len(page.history) == 3


def test_the_log_is_followed_over_a_rotation(backend: Backend, log: Path) -> None:
    """Lines of the old file come first, then those of the new one."""
    write(log, {"msg": "one"})
    follow(backend)
    write(log, {"msg": "two"})
    log.rename(f"{log}.1")
    write(log, {"msg": "three"})
    follow(backend)

    assert shown(backend) == ["one", "two", "three"]


def test_a_cron_follows_the_log(backend: Backend) -> None:
    """Every five minutes; without a path it ends at once, and the source stays without configuration."""
    backend.clock.advance("5m")
    assert source(backend).state == "not configured"


def test_lines_are_filtered(backend: Backend, log: Path) -> None:
    """By component, by level, and by both."""
    write(
        log,
        {"msg": "a", "component": "gateway", "level": "INFO"},
        {"msg": "b", "component": "gateway", "level": "error"},
        {"msg": "c", "component": "agent", "level": "error"},
    )
    follow(backend)

    assert shown(backend, component="gateway") == ["a", "b"]
    assert shown(backend, level="error") == ["b", "c"]
    assert shown(backend, component="gateway", level="error") == ["b"]
    assert shown(backend, component="nobody") == []


def test_old_lines_go_by_themselves(backend: Backend, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When they were kept for as long as lines are, which is a week; and they are not read again."""
    assert slog.KEPT_MS == 7 * 86_400_000
    # A week of crons would tell nothing more about a line.
    monkeypatch.setattr(slog, "KEPT_MS", 60_000.0)
    write(log, {"msg": "old"})
    follow(backend)
    del backend.env["SLOG_PATH"]
    backend.clock.advance("1m")
    backend.env["SLOG_PATH"] = str(log)
    write(log, {"msg": "new"})
    follow(backend)

    assert shown(backend) == ["new"]


def test_lines_read_from_another_place_are_refused(backend: Backend, log: Path) -> None:
    """Two who follow the same file, or one whose answer was lost, keep each line once."""
    write(log, {"msg": "one"})
    follow(backend)
    behind = slog.ReadPlace(inode="1:2", offset=9, sign="x", inside_line=False)
    line = understood(b'{"msg": "again"}', 0.0)
    assert line is not None

    kept = backend.internal.mutation(slog.keep, path=str(log), lines=[line], behind=behind, before=None)

    assert kept is False
    assert shown(backend) == ["one"]


def test_a_log_that_cannot_be_read_says_so_and_blanks_nothing(backend: Backend, log: Path) -> None:
    """What was read stays; since when it is down is kept; when it is back, so is the source."""
    write(log, {"msg": "one"})
    follow(backend)
    assert source(backend).state == "up"
    log.unlink()
    log.mkdir()
    follow(backend)
    down_at = backend.clock.now()
    backend.clock.advance("30s")
    follow(backend)

    seen = source(backend)
    assert (seen.state, seen.down_since) == ("down", down_at)
    assert seen.problem == f"{log} cannot be read: {log} is no file."
    assert shown(backend) == ["one"]

    log.rmdir()
    write(log, {"msg": "two"})
    follow(backend)
    assert source(backend).state == "up"
    assert shown(backend) == ["one", slog.GAP, "two"]


def test_a_log_that_is_not_there_is_named(backend: Backend, log: Path) -> None:
    """By its path, in a sentence."""
    log.unlink()
    follow(backend)
    assert source(backend).problem == f"There is no file {log}."


def test_a_log_that_may_not_be_read_is_named(backend: Backend, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root reads everything, so the refusal is the system's word, given by us."""

    def refuse(path: Path, place: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(slog, "read_on", refuse)
    follow(backend)
    assert source(backend).problem == f"{log} may not be read by the user that runs joelclaw."


# -- lines


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            b'{"time": "2026-11-24T04:00:00Z", "level": "WARN", "msg": "low"}',
            (1795492800000.0, "warn", "log", "low", ""),
        ),
        (b'{"ts": 1795492800, "severity": "fatal", "message": "m"}', (1795492800000.0, "error", "log", "m", "")),
        (b'{"timestamp": 1795492800000, "tool": "t", "action": "a"}', (1795492800000.0, "info", "t", "a", "")),
        (b'{"level": 50, "component": "c", "msg": "m"}', (7.0, "error", "c", "m", "")),
        (b'{"msg": {"a": 1}, "n": [1]}', (7.0, "info", "log", '{"a": 1}', '{"n": [1]}')),
        (b'{"msg": "m", "time": 1e400, "level": true}', (7.0, "debug", "log", "m", "")),
        (b'{"msg": "m", "time": "yesterday"}', (7.0, "info", "log", "m", "")),
        (b"no JSON", (7.0, "warn", "log", "no JSON", "")),
        (b'["no", "object"]', (7.0, "warn", "log", '["no", "object"]', "")),
        (b"\xff\xfe broken", (7.0, "warn", "log", "\ufffd\ufffd broken", "")),
        (b"\x00\x00" + b'{"msg": "m"}\r', (7.0, "info", "log", "m", "")),
        (b'{"msg": "\\ud800"}', (7.0, "info", "log", "?", "")),
        (b"[" * 100_000, (7.0, "warn", "log", "[" * 1_999 + "…", "")),
    ],
)
def test_something_is_shown_of_every_line(raw: bytes, expected: tuple[object, ...]) -> None:
    """Names, levels and times of several programs are understood; what is no JSON object is shown as it is."""
    line = understood(raw, 7.0)
    assert line is not None
    assert (line.at, line.level, line.component, line.text, line.details) == expected


@pytest.mark.parametrize("raw", [b"", b"  \r", b"\x00" * 500])
def test_an_empty_line_says_nothing(raw: bytes) -> None:
    """It is left out."""
    assert understood(raw, 7.0) is None


def test_a_long_line_is_cut(backend: Backend, log: Path) -> None:
    """Its text, its component and its details, each to what is kept of it; broken lines stop nobody."""
    write(
        log, {"msg": "x" * 300_000}, {"msg": "m", "component": "c" * 200, "more": "y" * 9_000}, "{", "", {"msg": "end"}
    )
    follow(backend)

    page = owner(backend).query(slog.tail, pagination_opts=NEWEST).page[::-1]
    assert [len(line.text) for line in page] == [2_000, 1, 1, 3]
    assert [len(line.component) for line in page] == [3, 80, 3, 3]
    assert len(page[1].details) == 4_000
