"""Generated files on disk: replaced whole, and only if they differ."""

import os
import threading
from pathlib import Path

import pytest

from joelclaw.codegen import write


def test_missing_files_are_written(tmp_path: Path) -> None:
    """Folder and files are made; what else stands there stays, and no draft is left."""
    folder = tmp_path / "site" / "convex" / "_generated"
    assert write({"a.ts": "a\n"}, folder) == [folder / "a.ts"]
    (folder / "mine.ts").write_text("mine")

    assert write({"b.ts": "ü\n"}, folder) == [folder / "b.ts"]

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "a.ts": b"a\n",
        "b.ts": "ü\n".encode(),
        "mine.ts": b"mine",
    }


def test_equal_files_are_not_touched(tmp_path: Path) -> None:
    """A file that is equal already keeps its inode and mtime; its neighbour that differs is written."""
    write({"same.ts": "same", "other.ts": "old"}, tmp_path)
    os.utime(tmp_path / "same.ts", (1, 1))
    before = (tmp_path / "same.ts").stat()

    assert write({"same.ts": "same", "other.ts": "new"}, tmp_path) == [tmp_path / "other.ts"]

    after = (tmp_path / "same.ts").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_an_open_reader_keeps_the_old_file(tmp_path: Path) -> None:
    """Who has opened a file reads it to its end as it was, whatever is written meanwhile."""
    write({"a.ts": "old" * 100_000}, tmp_path)
    with (tmp_path / "a.ts").open() as reader:
        start = reader.read(10)
        write({"a.ts": "new"}, tmp_path)
        assert start + reader.read() == "old" * 100_000


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    """Under constant rewriting every read finds one whole text or the other."""
    texts = ["a" * 300_000, "b" * 200_000]
    write({"x.ts": texts[0]}, tmp_path)
    seen: list[str] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.append((tmp_path / "x.ts").read_text())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        # Both threads make progress whenever the other waits for the disk; the bound is for a stuck one.
        for turn in range(20_000):
            write({"x.ts": texts[turn % 2]}, tmp_path)
            if turn >= 100 and set(texts) <= set(seen):
                break
    finally:
        stop.set()
        reader.join()

    assert set(seen) == set(texts)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a file cannot be replaced, the old one is whole and no draft lies beside it."""
    write({"a.ts": "old"}, tmp_path)

    def refuse(_draft: Path, target: Path) -> Path:
        raise PermissionError(target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError):
        write({"a.ts": "new"}, tmp_path)

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.ts": "old"}
