"""
A log file, read on from a place, over whatever becomes of it: it grows, is rotated, is cut, is not there.

A place says which file, how far, and what stood there: device and inode, an offset, and a digest of the bytes at the
beginning and of those just before the offset. Inodes are given again and files are copied, so what is in a file
decides, and its inode only between two that are alike. Rotated files are `slog.jsonl.1`, `.2` and so on, a higher
number being older; they are looked through from the lowest up, the way in which a rotation moves them, so that
none slips past.

- renamed (`.1`) and begun anew: the rest of the old file is read first, then the new one;
- copied (`.1`) and cut to nothing: the same, for the copy has the same content;
- cut without a copy, or rotated away further than is kept: a *gap*, which is told, and the newest file from its start.

Only whole lines are taken, so one that is half written is taken when it is whole. A place moves on to another file
only when that has a line, so it never stands at a file's start, where nothing tells files apart.

All of it is a function of the place and of the disk; nothing is remembered here. Who keeps the place in one
transaction with the lines misses none and repeats none.
"""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from typing import Final, NamedTuple

CHUNK_BYTES: Final = 128 * 1024
LINES_MAX: Final = 100
SIGN_BYTES: Final = 512


class Place(NamedTuple):
    """How far a file was read."""

    inode: str
    """`device:inode`"""

    offset: int
    sign: str
    inside_line: bool = False
    """The offset is inside a line that is longer than a chunk; its beginning was taken already."""


class Taken(NamedTuple):
    """What was read: lines without their ends, and the place behind them."""

    lines: list[bytes]
    place: Place | None
    gap: bool = False
    """Before these lines there were others, which are lost."""


class _Open(NamedTuple):
    number: int
    """0 is the file itself, 1 the newest of the rotated ones."""

    fd: int
    inode: str


def read_on(path: Path, place: Place | None) -> Taken:
    """
    The next lines behind a place, `LINES_MAX` and `CHUNK_BYTES` at most; none if there are no more for now.

    Raises:
        OSError: The file cannot be read, or there is none. The place is good for another try.
    """
    if place is not None:
        with _found(path, place) as file:
            if file is not None:
                return _from(path, file, place)
    with _opened(path, 0) as newest:
        if newest is None:
            raise FileNotFoundError(f"there is no file {path}")
        taken = _take(newest, 0)
        if place is None or not taken.lines:
            return taken if taken.lines else Taken([], place)
        return taken._replace(gap=True)


def _from(path: Path, file: _Open, place: Place) -> Taken:
    """Read on in the file of the place; when it has no more and a newer one has lines, in that."""
    taken = _take(file, place.offset, place.inside_line)
    if taken.lines or taken.place != place:
        return taken
    for number in range(file.number - 1, -1, -1):
        with _opened(path, number) as newer:
            following = None if newer is None else _take(newer, 0)
        if following is None or not following.lines:
            continue
        with _opened(path, file.number) as same:
            if same is None or same.inode != file.inode:
                # Rotated meanwhile: between the two there may be another by now.
                return Taken([], place)
        # Whatever was written into the old file before the new one had a line is there by now.
        rest = _take(file, place.offset, place.inside_line)
        if rest.lines or rest.place != place:
            return rest
        unfinished = os.pread(file.fd, CHUNK_BYTES, place.offset)
        if unfinished and not place.inside_line:
            # Nobody will finish it.
            return following._replace(lines=[unfinished, *following.lines])
        return following
    return Taken([], place)


def _take(file: _Open, offset: int, inside_line: bool = False) -> Taken:
    """The whole lines behind an offset."""
    chunk = os.pread(file.fd, CHUNK_BYTES, offset)
    lines: list[bytes] = []
    used = 0
    while len(lines) < LINES_MAX and (end := chunk.find(b"\n", used)) >= 0:
        if not inside_line:
            lines.append(chunk[used:end])
        inside_line = False
        used = end + 1
    if used == 0 and len(chunk) == CHUNK_BYTES:
        if not inside_line:
            lines.append(chunk)
        inside_line = True
        used = CHUNK_BYTES
    end = offset + used
    return Taken(lines, Place(file.inode, end, _sign(file.fd, end), inside_line))


@contextmanager
def _found(path: Path, place: Place) -> Iterator[_Open | None]:
    """The file of a place, among the newest and the rotated ones."""
    with ExitStack() as looked_at:
        match: _Open | None = None
        for number in range(_oldest(path) + 2):
            file = looked_at.enter_context(_opened(path, number))
            if file is None or os.fstat(file.fd).st_size < place.offset or _sign(file.fd, place.offset) != place.sign:
                continue
            if file.inode == place.inode:
                match = file
                break
            match = match or file
        yield match


def _oldest(path: Path) -> int:
    """The highest number of a rotated file."""
    rotated = re.compile(re.escape(path.name) + r"\.([1-9][0-9]{0,3})")
    numbers = [int(match[1]) for name in os.listdir(path.parent) if (match := rotated.fullmatch(name))]
    return max(numbers, default=0)


@contextmanager
def _opened(path: Path, number: int) -> Iterator[_Open | None]:
    """The file of this number; None if there is none."""
    name = f"{path}.{number}" if number else str(path)
    try:
        # A pipe of this name would keep us waiting for whoever writes into it.
        fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        found = os.fstat(fd)
        if not S_ISREG(found.st_mode):
            raise OSError(f"{name} is no file")
        yield _Open(number, fd, f"{found.st_dev}:{found.st_ino}")
    finally:
        os.close(fd)


def _sign(fd: int, offset: int) -> str:
    """A digest of what stands at a file's beginning and just before an offset."""
    length = min(offset, SIGN_BYTES)
    return sha256(os.pread(fd, length, 0) + os.pread(fd, length, offset - length)).hexdigest()[:32]
