"""
Upload tokens: who has one may upload a file, for an hour, as often as they like.

    token = base64url( expiry, 8 bytes big-endian milliseconds ++ HMAC-SHA256, 32 bytes )

A function makes them in its process and the gateway checks them in its own: both know the
database's secret and need no table for it.
"""

import base64
import hmac
from typing import Final

from joelclaw.errors import TokenRefused

VALID_MS: Final = 3_600_000.0

_PURPOSE: Final = b"joelclaw upload "
"""The secret seals other things, too: one must not pass for the other."""

_EXPIRY_BYTES: Final = 8
_TOKEN_BYTES: Final = _EXPIRY_BYTES + 32


def make_token(secret: bytes, now_ms: float) -> str:
    """A token that is valid for an hour from now."""
    expiry = int(now_ms + VALID_MS).to_bytes(_EXPIRY_BYTES, "big")
    return base64.urlsafe_b64encode(expiry + _seal(secret, expiry)).decode().rstrip("=")


def check_token(secret: bytes, token: str, now_ms: float) -> None:
    """
    Raises:
        TokenRefused: It is none of ours, or its hour is over.
    """
    try:
        raw = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except ValueError:
        raw = b""
    expiry, seal = raw[:_EXPIRY_BYTES], raw[_EXPIRY_BYTES:]
    if len(raw) != _TOKEN_BYTES or not hmac.compare_digest(seal, _seal(secret, expiry)):
        raise TokenRefused("StorageTokenInvalid", "This is no upload token; ask for a new upload URL")
    if int.from_bytes(expiry, "big") < now_ms:
        raise TokenRefused("StorageTokenExpired", "This upload token has expired; ask for a new upload URL")


def _seal(secret: bytes, expiry: bytes) -> bytes:
    return hmac.digest(secret, _PURPOSE + expiry, "sha256")
