"""
`POST /api/joelclaw/auth/rotate_keys`: another signing key, for administrators.
"""

import msgspec

from joelclaw.auth.authenticator import Authenticator
from joelclaw.auth.rotation import Rotation
from joelclaw.errors import RequestRefused
from joelclaw.http.requests import Answer, Request, require_admin


class _Wish(msgspec.Struct, forbid_unknown_fields=True):
    at_once: bool = False


class AuthKeyRoutes:
    """The route."""

    def __init__(self, rotation: Rotation, authenticator: Authenticator) -> None:
        self._rotation = rotation
        self._authenticator = authenticator

    async def rotate(self, request: Request) -> Answer:
        """The name of the key that signs next, and from when."""
        body = await request.body()
        await require_admin(self._authenticator, request)
        try:
            wish = msgspec.json.decode(body or b"{}", type=_Wish)
        except msgspec.DecodeError as error:
            raise RequestRefused(400, "BadJsonBody", f"The body cannot be read: {error}") from None
        key = await self._rotation.rotate(at_once=wish.at_once)
        return Answer(msgspec.json.encode({"kid": key.kid, "signsFrom": key.signs_from}))
