"""
Entries: what is told of one run, or of the lines of one that goes on.
"""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from joelclaw.engine.runs import Caller, RunKind

LEVELS: Final = ("DEBUG", "INFO", "LOG", "WARN", "ERROR")
"""From the least to the most alarming."""

Level: TypeAlias = Literal["DEBUG", "INFO", "LOG", "WARN", "ERROR"]

_LEVEL_NUMBERS: Final = {f"[{level}]": number for number, level in enumerate(LEVELS)}
_LOG: Final = LEVELS.index("LOG")
_ERROR: Final = LEVELS.index("ERROR")

ENTRY_BYTES: Final = 500
"""What an entry weighs beside its texts, roughly."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One run that is over; or, while an action runs, some of its lines."""

    id: int
    """When it was noted, in microseconds since the epoch; a little later, if that moment was taken."""

    kind: RunKind
    function: str
    """Path, or `POST /webhook` for an HTTP action."""

    caller: Caller
    request_id: str
    execution_id: str = ""
    """Equal for all that is told of one action. What is told of at once needs none."""

    over: bool = True
    took_ms: float = 0.0
    status: int | None = None
    """Of an HTTP action's response."""

    code: str | None = None
    """Of the failure; None: it succeeded, or is not over."""

    error: str = ""
    frames: str = ""
    lines: Sequence[str] = ()
    """`[LEVEL] text`."""

    times: Sequence[float] = ()
    """When each line was said, in milliseconds; none: all when the run ended."""

    told: int = 0
    """How many of the lines followers have been told already, while the action ran."""

    @property
    def at_ms(self) -> float:
        return self.id / 1_000

    @property
    def level(self) -> int:
        """Of its most alarming line, as a place in `LEVELS`; a failure is an error."""
        if self.code is not None:
            return _ERROR
        return max(map(level_of, self.lines), default=0)

    @property
    def size_bytes(self) -> int:
        return ENTRY_BYTES + len(self.error) + len(self.frames) + sum(map(len, self.lines))


def level_of(line: str) -> int:
    """A place in `LEVELS`."""
    return _LEVEL_NUMBERS.get(line[: line.find("]") + 1], _LOG)


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries are wanted; all that is given has to hold."""

    functions: Sequence[str] = ()
    """One of these: a path, or the beginning of one up to a ':' or '/', like `comments` or `ops/`. None: all."""

    level: int = 0
    since_id: int = 0
    """Only later ones."""

    request_id: str | None = None


def names(wanted: Sequence[str], function: str) -> bool:
    """Is it one of these functions, or in one of these modules or folders?"""
    return not wanted or any(
        function == one
        or (function.startswith(one) and (one[-1:] in ("/", ":") or function[len(one) :][:1] in ("/", ":")))
        for one in wanted
    )
