"""
Admin keys: `<name>|<secret>`, shown once, kept as a hash.

A secret is 32 random bytes, so one round of SHA-256 hides it as well as any slow function
would. It has no colon: in a header, one stands between the key and whom to act as. A key
may carry a type in front (`prod:name|secret`), which clients read and we do not.

Keys that the platform made live in a system table, by hash; one more may be declared in the
deployment's configuration. `known` is handed in, because looking into the table is a query.

A key may do everything, or only look: run queries, read logs, export nothing, and see no secrets.
"""

import hmac
import secrets
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import NamedTuple

from joelclaw.functions.calls import INFINITY

SECRET_BYTES = 32


class Grant(NamedTuple):
    """What a key opens."""

    hash: str
    read_only: bool = False
    expires_at: float = INFINITY
    """In milliseconds since the epoch."""


KnownHash = Callable[[str], Awaitable[Grant | None]]
"""What the key with this hash opens, if the platform's table has it and it is not over."""


def generate_admin_key(name: str) -> str:
    """A new key for the deployment of this name. Show it once, and keep `hash_of` it."""
    return f"{name}|{secrets.token_urlsafe(SECRET_BYTES)}"


def hash_of(key: str) -> str:
    """What is kept of a key: the hex SHA-256 of it, without its type."""
    return sha256(untyped(key).encode("utf-8", "surrogatepass")).hexdigest()


def untyped(key: str) -> str:
    """`prod:name|secret` without `prod:`."""
    bar, colon = key.find("|"), key.find(":")
    return key[colon + 1 :] if 0 <= colon < bar else key


def split_acting_as(credentials: str) -> tuple[str, str | None]:
    """A key, and behind the first colon that is not its type's: whom to act as, still encoded."""
    bar = credentials.find("|")
    colon = credentials.find(":", max(bar, 0))
    return (credentials, None) if colon < 0 else (credentials[:colon], credentials[colon + 1 :])


class AdminKeys:
    """The keys that open this deployment."""

    def __init__(self, known: KnownHash, declared: str | None = None) -> None:
        self._known = known
        self._declared = None if declared is None else hash_of(declared)

    async def opens(self, key: str) -> Grant | None:
        """What this key opens, if it is one of them. Comparing takes as long whatever differs."""
        hashed = hash_of(key)
        if self._declared is not None and hmac.compare_digest(hashed, self._declared):
            return Grant(hashed)
        return await self._known(hashed)
