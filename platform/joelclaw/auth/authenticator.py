"""
The authenticator: from what a client presents to an asker.

It takes the three forms there are, a user's token, an admin key, an admin key with somebody
to act as, from a header or from a message. Who verifies users' tokens is handed in; a
deployment without providers refuses all of them, and says why.
"""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from joelclaw.auth.admin_keys import AdminKeys, split_acting_as
from joelclaw.auth.jwt import read_token
from joelclaw.auth.tokens import no_provider
from joelclaw.engine.asker import ANONYMOUS, Asker, asker_of, identity_of
from joelclaw.errors import AdminKeyRefused, TokenRefused


class UserVerifier(Protocol):
    """Who can tell whose a token is."""

    async def verify(self, token: str) -> Asker:
        """
        Raises:
            TokenRefused: It is nobody's, or not any more.
            ProviderFailed: Whoever made it cannot be asked now.
        """
        ...


class NoProviders:
    """A deployment that nobody can sign in to yet. The refusal names the token's own issuer and audience."""

    async def verify(self, token: str) -> Asker:
        raise no_provider(read_token(token).claims, ())


class Authenticator:
    """Decides who asks."""

    def __init__(self, admin_keys: AdminKeys, users: UserVerifier | None = None) -> None:
        self._admin_keys = admin_keys
        self._users = users or NoProviders()

    async def user(self, token: str) -> Asker:
        """
        Raises:
            TokenRefused: The token is nobody's, or not any more.
            ProviderFailed: Whoever made it cannot be asked now.
        """
        return await self._users.verify(token)

    async def admin(self, key: str, acting_as: Mapping[str, Any] | None = None) -> Asker:
        """
        Raises:
            AdminKeyRefused: The key opens nothing here, or it is unclear whom to act as.
        """
        grant = await self._admin_keys.opens(key)
        if grant is None:
            raise AdminKeyRefused("The provided admin key was invalid for this instance")
        try:
            identity = None if acting_as is None else identity_of(acting_as)
        except ValueError as error:
            raise AdminKeyRefused(f"Cannot act as a user: {error}") from None
        return replace(
            asker_of(identity, admin=True, expires_at=grant.expires_at),
            admin_key=grant.hash,
            read_only=grant.read_only,
        )

    async def header(self, authorization: str | None) -> Asker:
        """
        Who asks, by an `Authorization` header: `Bearer <token>`, `Convex <key>`, `Convex <key>:<base64 JSON>`.

        Raises:
            TokenRefused: The token is nobody's, or the header is none of these.
            AdminKeyRefused: The key opens nothing here.
            ProviderFailed: Whoever made the token cannot be asked now.
        """
        if authorization is None:
            return ANONYMOUS
        scheme, _, credentials = authorization.strip().partition(" ")
        credentials = credentials.strip()
        match scheme.lower():
            case "bearer" if credentials:
                return await self.user(credentials)
            case "convex" if credentials:
                key, encoded = split_acting_as(credentials)
                return await self.admin(key, None if encoded is None else _attributes(encoded))
        raise TokenRefused("InvalidAuthHeader", "Expected an Authorization header 'Bearer <token>' or 'Convex <key>'")


def _attributes(encoded: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(b64decode(encoded, validate=True), type=dict[str, Any])
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise AdminKeyRefused("Cannot act as a user: what follows the key is not base64 of a JSON object") from None
