"""A log file is read on from a place: each line once, in order, whatever becomes of the file."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_functions._logfile import CHUNK_BYTES, Place, read_on


class Log:
    """A log file, who writes into it and rotates it, and who reads on from the place that was kept."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.path = folder / "slog.jsonl"
        self.path.write_bytes(b"")
        self.place: Place | None = None
        self.read: list[bytes] = []
        self.gaps = 0

    def write(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def rename(self) -> None:
        """As logrotate does with `create`."""
        self._make_room()
        os.rename(self.path, f"{self.path}.1")
        self.path.write_bytes(b"")

    def copy_and_cut(self) -> None:
        """As it does with `copytruncate`."""
        self._make_room()
        shutil.copyfile(self.path, f"{self.path}.1")
        os.truncate(self.path, 0)

    def _make_room(self) -> None:
        numbers = [int(name.rpartition(".")[2]) for name in os.listdir(self.path.parent) if name[-1].isdigit()]
        for number in sorted(numbers, reverse=True):
            os.rename(f"{self.path}.{number}", f"{self.path}.{number + 1}")

    def read_once(self, killed: bool = False) -> bool:
        """Read on; whether there was anything. Killed: before it was kept."""
        taken = read_on(self.path, self.place)
        if killed or taken.place == self.place:
            return False
        self.place = taken.place
        self.read += taken.lines
        self.gaps += taken.gap
        return True

    def read_all(self) -> list[bytes]:
        """All that was read so far, and all there is now."""
        while self.read_once():
            pass
        return self.read


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


STEPS = st.lists(
    st.sampled_from(["line", "line", "alike", "half", "burst", "long", "rename", "cut", "read", "read", "killed"]),
    max_size=40,
)


@given(steps=STEPS)
@settings(max_examples=150, deadline=None)
def test_no_line_is_missed_or_repeated(steps: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Over any order of writes, rotations of both kinds and reads, some of them killed, the lines are those written."""
    log = Log(tmp_path_factory.mktemp("log"))
    written = [b"the first"]
    log.write(b"the first\n")
    log.read_all()
    half = b""
    for number, step in enumerate(steps):
        if half and step in ("line", "alike", "half", "burst", "long", "rename", "cut"):
            log.write(b" and its end\n")
            written.append(half + b" and its end")
            half = b""
        match step:
            case "line":
                written.append(b"line %d" % number)
                log.write(written[-1] + b"\n")
            case "alike":
                written.append(b"alike")
                log.write(b"alike\n")
            case "half":
                half = b"half %d" % number
                log.write(half)
            case "burst":
                lines = [b"burst %d %d" % (number, place) for place in range(250)]
                written += lines
                log.write(b"\n".join(lines) + b"\n")
            case "long":
                written.append(b"long %d " % number + b"x" * 40_000)
                log.write(written[-1] + b"\n")
            case "rename":
                log.rename()
            case "cut":
                log.copy_and_cut()
            case "read" | "killed":
                log.read_once(killed=step == "killed")
    if half:
        log.write(b"\n")
        written.append(half)

    assert log.read_all() == written
    assert log.gaps == 0


def test_half_a_line_waits_for_its_end(log: Log) -> None:
    """Nothing of it is taken before."""
    log.write(b"one\ntw")
    assert log.read_all() == [b"one"]
    log.write(b"o\n")
    assert log.read_all() == [b"one", b"two"]


def test_half_a_line_that_nobody_finishes_is_taken_as_it_is(log: Log) -> None:
    """When its file was rotated away and the new one has lines."""
    log.write(b"one\ntw")
    log.read_all()
    log.rename()
    assert log.read_all() == [b"one"]
    log.write(b"three\n")
    assert log.read_all() == [b"one", b"tw", b"three"]


def test_the_old_file_is_read_to_its_end_first(log: Log) -> None:
    """Also what is written into it after it was renamed, as long as the new one has no line."""
    log.write(b"one\n")
    log.read_all()
    with log.path.open("ab") as old:
        log.rename()
        old.write(b"two\n")
        old.flush()
        assert log.read_all() == [b"one", b"two"]
        old.write(b"three\n")
    log.write(b"four\n")
    assert log.read_all() == [b"one", b"two", b"three", b"four"]


@pytest.mark.parametrize("length", [CHUNK_BYTES, 3 * CHUNK_BYTES + 7])
def test_of_a_line_without_an_end_a_chunk_is_taken(log: Log, length: int) -> None:
    """However long it is, it costs a chunk of memory at a time, and what follows is read."""
    log.write(b"one\n" + b"x" * length + b"\ntwo\n")
    one, long, two = log.read_all()
    assert (one, two) == (b"one", b"two")
    assert long == b"x" * CHUNK_BYTES


def test_a_file_that_was_cut_without_a_copy_is_a_gap(log: Log) -> None:
    """What was in it is lost, and that is told; what is in it now is read."""
    log.write(b"one\n")
    log.read_all()
    log.write(b"lost\n")
    os.truncate(log.path, 0)
    assert log.read_all() == [b"one"]
    log.write(b"two\n")
    assert log.read_all() == [b"one", b"two"]
    assert log.gaps == 1


def test_a_file_that_was_replaced_is_a_gap(log: Log) -> None:
    """Also by a longer one, which may have got the same inode."""
    log.write(b"one\n")
    log.read_all()
    log.path.unlink()
    log.write(b"two\nthree\n")
    assert log.read_all() == [b"one", b"two", b"three"]
    assert log.gaps == 1


def test_a_log_that_is_not_there_is_waited_for(log: Log) -> None:
    """That is an error of its own, also after the file was read; the place stays good."""
    log.path.unlink()
    with pytest.raises(FileNotFoundError):
        log.read_once()
    log.write(b"one\n")
    assert log.read_all() == [b"one"]
    os.rename(log.path, f"{log.path}.1")
    assert log.read_all() == [b"one"]
    log.write(b"two\n")
    assert log.read_all() == [b"one", b"two"]
    assert log.gaps == 0


def test_a_pipe_is_no_log(log: Log) -> None:
    """It is refused, and nobody waits for whoever writes into it."""
    log.path.unlink()
    os.mkfifo(log.path)
    with pytest.raises(OSError, match="is no file"):
        log.read_once()
