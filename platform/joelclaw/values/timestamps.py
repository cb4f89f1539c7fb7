"""
Commit timestamps, and their form on the wire.

A commit timestamp is a place in the single order of commits: an unsigned 64-bit integer,
by convention nanoseconds since the epoch, kept below 2**63. Clients compare them and send
them back, as the base64 of eight little-endian bytes: twelve characters.
"""

from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import NewType

from joelclaw.errors import BadTimestamp

CommitTs = NewType("CommitTs", int)

ENCODED_LENGTH = 12


def encode_ts(ts: int) -> str:
    """The twelve characters that clients know a timestamp by."""
    return b64encode(ts.to_bytes(8, "little")).decode("ascii")


def decode_ts(text: str) -> CommitTs:
    """
    The timestamp in a client's message. Every timestamp has one spelling, and only that is read.

    Raises:
        BadTimestamp: Another text. The client is broken; nothing it says about time holds.
    """
    try:
        ts = int.from_bytes(a2b_base64(text, strict_mode=True), "little")
    except (Base64Error, ValueError):
        raise BadTimestamp(text) from None
    if len(text) != ENCODED_LENGTH or encode_ts(ts) != text:
        raise BadTimestamp(text)
    return CommitTs(ts)
