"""
Durations: a `timedelta`, or a string like "30s".

Never a bare number: half of the world reads `run_after(30, ...)` as seconds, the other half
as milliseconds. Inside, a duration is a float of milliseconds, the unit of every instant.
"""

import re
from datetime import timedelta

from joelclaw.errors import BadDuration

_UNITS_MS = {"d": 86_400_000.0, "h": 3_600_000.0, "m": 60_000.0, "s": 1_000.0, "ms": 1.0}
_AMOUNT = r"[0-9]+(?:\.[0-9]+)?"
# Each unit at most once, large to small: "30m1h" and "5m5m" are slips, not durations.
_DURATION = re.compile("".join(rf"(?:({_AMOUNT}){unit}(?![a-z]))?" for unit in _UNITS_MS))
_BARE_NUMBER = re.compile(rf"[+-]?{_AMOUNT}")


def parse_duration(duration: timedelta | str) -> float:
    """
    Milliseconds in a duration: "250ms", "30s", "1.5h", "1h30m", or a timedelta.

    Raises:
        BadDuration: It has no unit, is negative, or is no duration at all.
    """
    if isinstance(duration, timedelta):
        if duration < timedelta(0):
            raise BadDuration(duration, "it is negative")
        return duration / timedelta(milliseconds=1)
    match = _DURATION.fullmatch(duration) if isinstance(duration, str) else None
    if match is None or not duration:
        raise BadDuration(duration, _reason(duration))
    return sum(
        float(amount) * unit_ms for amount, unit_ms in zip(match.groups(), _UNITS_MS.values(), strict=True) if amount
    )


def duration_text(duration_ms: float) -> str:
    """Whole milliseconds as `parse_duration` reads them: `1h30m`, `30s`."""
    parts = []
    for unit, unit_ms in _UNITS_MS.items():
        count, duration_ms = divmod(duration_ms, unit_ms)
        if count:
            parts.append(f"{count:.0f}{unit}")
    return "".join(parts) or "0s"


def _reason(text: object) -> str:
    if isinstance(text, (int, float)):
        return "a number does not say its unit"
    if not isinstance(text, str):
        return f"{type(text).__name__} is neither a string nor a timedelta"
    if not text:
        return "it is empty"
    if text.startswith("-"):
        return "it is negative"
    if _BARE_NUMBER.fullmatch(text):
        return "it has no unit"
    return "the units are d, h, m, s and ms, each once, large to small"
