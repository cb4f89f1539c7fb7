"""
The form of a JSON Web Token (RFC 7519, RFC 7515 section 3.1), read without believing any of it.
"""

import re
from base64 import urlsafe_b64decode
from typing import Any, Final, NamedTuple

import msgspec

from joelclaw.errors import TokenRefused

TOKEN_BYTES_MAX: Final = 16 * 1024

INVALID: Final = "InvalidAuthHeader"
"""What clients know a token by that is none, or nobody's."""

_PART = re.compile(r"[A-Za-z0-9_-]*")


class Unverified(NamedTuple):
    """A token as it says it is."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    """What the signature is over."""

    signature: bytes


def read_token(token: str) -> Unverified:
    """
    Raises:
        TokenRefused: It has not the form of one.
    """
    if len(token) > TOKEN_BYTES_MAX:
        raise TokenRefused(INVALID, f"Could not parse token: it is longer than {TOKEN_BYTES_MAX:,} characters")
    parts = token.split(".")
    if len(parts) != 3 or not all(map(_PART.fullmatch, parts)):
        raise TokenRefused(INVALID, "Could not parse token: expected three base64-encoded parts")
    header, claims = (_object(part, what) for part, what in zip(parts, ("header", "claims"), strict=False))
    return Unverified(header, claims, f"{parts[0]}.{parts[1]}".encode(), _decoded(parts[2], "signature"))


def _object(part: str, what: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(_decoded(part, what), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise TokenRefused(INVALID, f"Could not parse token: its {what} is no JSON object") from None


def _decoded(part: str, what: str) -> bytes:
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise TokenRefused(INVALID, f"Could not parse token: its {what} is not base64") from None
