"""`joelclaw.values.durations`: never a bare number."""

from datetime import timedelta
from typing import Any

import pytest

from joelclaw.errors import BadDuration
from joelclaw.values.durations import parse_duration


@pytest.mark.parametrize(
    ("duration", "ms"),
    [
        ("250ms", 250),
        ("30s", 30_000),
        ("15m", 900_000),
        ("2h", 7_200_000),
        ("1d", 86_400_000),
        ("1h30m", 5_400_000),
        ("1m5ms", 60_005),
        ("1d2h3m4s5ms", 93_784_005),
        ("1.5h", 5_400_000),
        ("0s", 0),
        (timedelta(seconds=30), 30_000),
        (timedelta(microseconds=1500), 1.5),
        (timedelta(0), 0),
    ],
)
def test_reads(duration: str | timedelta, ms: float) -> None:
    """Strings with units and timedeltas are milliseconds, as a float."""
    parsed = parse_duration(duration)
    assert parsed == ms
    assert type(parsed) is float


@pytest.mark.parametrize(
    ("duration", "reason"),
    [
        (30, "a number does not say its unit"),
        (1.5, "a number does not say its unit"),
        (None, "NoneType is neither a string nor a timedelta"),
        ("30", "it has no unit"),
        ("", "it is empty"),
        ("-5s", "it is negative"),
        (timedelta(seconds=-1), "it is negative"),
        ("5m5m", "each once, large to small"),
        ("30m1h", "each once, large to small"),
        ("5mm", "each once, large to small"),
        ("5 minutes", "each once, large to small"),
        ("1h 30m", "each once, large to small"),
        ("1e3s", "each once, large to small"),
        ("٣s", "each once, large to small"),
    ],
)
def test_refuses(duration: Any, reason: str) -> None:
    """Bare numbers, negative and misspelt durations are refused, with what to write."""
    with pytest.raises(BadDuration) as caught:
        parse_duration(duration)
    assert reason in str(caught.value)
    assert "write '30s', '15m', '1h30m', or a timedelta" in str(caught.value)
