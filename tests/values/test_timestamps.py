"""`joelclaw.values.timestamps`: what clients compare."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joelclaw.errors import BadTimestamp
from joelclaw.values.timestamps import decode_ts, encode_ts


@pytest.mark.parametrize(
    ("ts", "text"),
    [
        (0, "AAAAAAAAAAA="),
        (1700000000000000000, "AAAqNv6clxc="),
        (1795343618033307637, "9c+jKoJX6hg="),
        (2**64 - 1, "//////////8="),
    ],
)
def test_vectors(ts: int, text: str) -> None:
    """Known timestamps are written and read as they are known."""
    assert encode_ts(ts) == text
    assert decode_ts(text) == ts


@given(st.integers(0, 2**64 - 1))
def test_round_trip(ts: int) -> None:
    """Every timestamp comes back."""
    assert decode_ts(encode_ts(ts)) == ts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AAAAAAAAAAA",
        "AAAAAAAAAAB=",
        "AAAAAAAAAA==",
        "AAAAAAAAAAAA",
        "AAAAAAAAAAA=\n",
        "AAAA AAAAAA=",
        "-c-jKoJX6hg=",
        "é",
    ],
)
def test_refuses_other_text(text: str) -> None:
    """Another length, alphabet, padding or stray bits are no timestamp."""
    with pytest.raises(BadTimestamp, match="is not a timestamp"):
        decode_ts(text)
