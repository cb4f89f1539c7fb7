"""
Tokens as an identity provider would make them, and what verifies them.

Their shape is real, because clients read their times; their signature is a word, because
signatures are not what is tested here.
"""

import base64
import json
import time
from typing import Any

from joelclaw.engine.asker import Asker, asker_of
from joelclaw.errors import TokenRefused
from joelclaw.functions.calls import Identity

ISSUER = "https://issuer.test"
LIFETIME_S = 3_600


def token(subject: str, *, signature: str = "right", number: int = 0) -> str:
    """A token of this user; a different number makes a different token of the same user."""
    now = int(time.time())
    claims = {"sub": subject, "iss": ISSUER, "iat": now, "exp": now + LIFETIME_S, "jti": str(number)}
    return ".".join(
        [_encoded({"alg": "none"}), _encoded(claims), base64.urlsafe_b64encode(signature.encode()).decode()]
    )


class Words:
    """Takes tokens that are signed with the right word."""

    async def verify(self, token: str) -> Asker:
        _, claims, signature = token.split(".")
        if base64.urlsafe_b64decode(signature) != b"right":
            raise TokenRefused("InvalidAuthHeader", "Could not verify token")
        subject = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]
        identity = Identity(issuer=ISSUER, subject=subject, token_identifier=f"{ISSUER}|{subject}", claims={})
        return asker_of(identity)


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
