"""
Lines of the log: what a JSON object says, in whichever words its program uses.

Programs disagree about names, levels and times; what is understood stands in the tables below. The rest of the object
is kept as details. Whatever a line is, something is shown of it.
"""

import json
from datetime import UTC, datetime
from typing import Any, Final

from schema import LogLevel, NewLine

TEXT_CHARACTERS: Final = 2_000
DETAIL_CHARACTERS: Final = 4_000
COMPONENT_CHARACTERS: Final = 80
UNKNOWN: Final = "log"

TIMES: Final = ("time", "timestamp", "ts", "at")
LEVELS: Final = ("level", "severity", "lvl")
COMPONENTS: Final = ("component", "service", "tool", "source", "logger")
TEXTS: Final = ("msg", "message", "event", "action", "detail")

LEVEL_WORDS: Final[dict[str, LogLevel]] = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "notice": "info",
    "warn": "warn",
    "warning": "warn",
    "error": "error",
    "err": "error",
    "critical": "error",
    "fatal": "error",
    "panic": "error",
}

SECONDS_MAX: Final = 1e11
"""A number above is an instant in milliseconds: as seconds it would be the year 5138."""

INSTANT_MAX: Final = 8.64e15
"""Beyond, JavaScript has no dates."""


def understood(raw: bytes, now: float) -> NewLine | None:
    """What a line says; None if it is empty. `now` is when it came, if it does not say itself."""
    # Zeros stand where a file was cut below a program that had it open.
    text = raw.strip(b"\x00 \t\r").decode("utf-8", "replace")
    if not text:
        return None
    try:
        line: Any = json.loads(text)
    except (ValueError, RecursionError):
        line = None
    if not isinstance(line, dict):
        return note(text, now)
    said = dict(line)
    level = _level(_take(said, LEVELS))
    component = _take(said, COMPONENTS)
    at = instant(_take(said, TIMES), now)
    words = _take(said, TEXTS)
    details = json.dumps(said, ensure_ascii=False) if said else ""
    return NewLine(
        at=at,
        level=level,
        component=cut(_text(component), COMPONENT_CHARACTERS) or UNKNOWN,
        text=cut(_text(words), TEXT_CHARACTERS),
        details=cut(details, DETAIL_CHARACTERS),
    )


def note(text: str, now: float) -> NewLine:
    """A line that is no JSON object, or that the file itself has not."""
    return NewLine(at=now, level="warn", component=UNKNOWN, text=cut(_text(text), TEXT_CHARACTERS))


def _take(said: dict[str, Any], names: tuple[str, ...]) -> Any:
    """The first of these, out of what is said."""
    for name in names:
        if said.get(name) is not None:
            return said.pop(name)
    return None


def _text(value: Any) -> str:
    """As text that can be stored: JSON may escape halves of characters."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode("utf-8")


def cut(text: str, characters: int) -> str:
    """A text that can be stored, of so many characters at most."""
    text = _text(text)
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _level(value: Any) -> LogLevel:
    if isinstance(value, str):
        return LEVEL_WORDS.get(value.lower(), "info")
    if isinstance(value, int | float):
        # As pino counts: 20 debug, 30 info, 40 warn, 50 error.
        return "error" if value >= 50 else "warn" if value >= 40 else "info" if value >= 30 else "debug"
    return "info"


def instant(value: Any, otherwise: float) -> float:
    """An instant in milliseconds, from a number of seconds or milliseconds, or an ISO text."""
    try:
        if isinstance(value, int | float):
            at = float(value) if abs(value) > SECONDS_MAX else value * 1000.0
        else:
            parsed = datetime.fromisoformat(value)
            at = (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)).timestamp() * 1000
    except (TypeError, ValueError, OverflowError):
        return otherwise
    return at if 0 < at <= INSTANT_MAX else otherwise
