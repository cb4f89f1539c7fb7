"""
The deployment's own tokens: JWTs that say who somebody is, and refresh tokens that renew them.

A JWT is short-lived, and checked here without asking anybody: no request to ourselves, which
behind a proxy often fails. It names its login session, and is refused from the moment at which
that has ended. Two of them are never alike (`jti`), because a client that gets the same again
thinks that nothing was renewed, and sets no timer.

A refresh token is opaque to clients: an id, the session, and a MAC over both. Garbage is refused
without a look into the database.

Elsewhere: `keyring.py` has the keys, `sign_in.py` hands tokens out, `system/auth/sessions.py`
decides what a refresh token is worth.
"""

import secrets
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from joserfc import jws
from joserfc.errors import JoseError

from joelclaw.auth.authenticator import UserVerifier
from joelclaw.auth.jwt import read_token
from joelclaw.auth.keyring import ALGORITHM, Keyring, SigningKey
from joelclaw.clock import Clock
from joelclaw.engine.asker import Asker, asker_of
from joelclaw.errors import TokenRefused
from joelclaw.functions.sign_in import own_identity

AUDIENCE: Final = "convex"
"""What clients expect our tokens to be for."""

TOKEN_BYTES_MAX: Final = 3_500
"""A cookie holds 4 KB, and frameworks keep the token in one: beyond, nobody would be signed in, and nothing said."""

DEVELOPMENT: Final = "joelclaw-development"
"""
Whom tokens are for that come of a page of ours, where everybody is whom they say.

An audience of their own, rather than a claim that somebody has to look for: whoever does not know of
them refuses them, other servers that verify our tokens included.
"""

LEEWAY_S: Final = 5.0
ISSUED_AHEAD_S: Final = 60.0
REMEMBERED_MAX: Final = 4_096
REFRESH_ID_BYTES: Final = 24

_RESERVED: Final = frozenset({"sub", "iss", "aud", "iat", "exp", "nbf", "jti"})

_PURPOSE: Final = "refresh"


class RefreshParts(NamedTuple):
    """What a refresh token says, if it was ours."""

    token: str
    session: str


class ClaimsRefused(ValueError):
    """Claims that a token cannot carry."""


class OwnTokens:
    """Makes and checks the deployment's own tokens."""

    def __init__(
        self,
        keyring: Keyring,
        clock: Clock,
        *,
        issuer: str,
        earlier_issuers: frozenset[str] = frozenset(),
        ttl_ms: float,
        stand_ins: Collection[str] = (),
    ) -> None:
        self.keyring = keyring
        self.issuer = issuer
        self.ttl_ms = ttl_ms
        self.ended: dict[str, float] = {}
        """Login sessions whose tokens are refused, and until when there may be some."""

        self._clock = clock
        self._stand_ins = frozenset(stand_ins)
        self._issuers = {name.rstrip("/") for name in (issuer, *earlier_issuers)}
        self._remembered: dict[str, tuple[str, Asker]] = {}

    # -- JWTs

    def mint(
        self, user: str, session: str, claims: Mapping[str, Any], *, ends_at: float, development: bool = False
    ) -> str:
        """
        A token for a user's login session, which is over at `ends_at`; of somebody made up, in `development`.

        Raises:
            ClaimsRefused: The claims are too large, or some are not for anybody to choose.
        """
        reserved = sorted(_RESERVED & claims.keys())
        if reserved:
            raise ClaimsRefused(f"a token's {reserved[0]!r} is the platform's to say; leave that claim out")
        now = self._clock.now_ms()
        payload = {
            **claims,
            "sub": f"{user}|{session}",
            "iss": self.issuer,
            "aud": DEVELOPMENT if development else AUDIENCE,
            "iat": int(now / 1000),
            "exp": int(min(now + self.ttl_ms, ends_at) / 1000),
            "jti": secrets.token_urlsafe(12),
        }
        signer = self.keyring.signer
        header = {"alg": ALGORITHM, "kid": signer.kid, "typ": "JWT"}
        token = jws.serialize_compact(header, msgspec.json.encode(payload), signer.pair)
        if len(token) > TOKEN_BYTES_MAX:
            sizes = {name: len(msgspec.json.encode(value)) for name, value in claims.items()}
            largest = ", ".join(sorted(sizes, key=lambda name: -sizes[name])[:3])
            raise ClaimsRefused(
                f"a token would have {len(token)} bytes, and {TOKEN_BYTES_MAX} are what a cookie holds; "
                f"make its claims smaller, beginning with {largest}"
            )
        return token

    def issues(self, token: str) -> bool:
        """Does it claim to be one of ours? Whether it is, `verify` says."""
        try:
            return read_token(token).claims.get("iss", "").rstrip("/") in self._issuers
        except (TokenRefused, AttributeError):
            return False

    async def verify(self, token: str) -> Asker:
        """
        Whose token it is.

        Raises:
            TokenRefused: It is nobody's, or not any more.
        """
        return self.check(token)

    def check(self, token: str) -> Asker:
        """As `verify`; it waits for nothing."""
        kid, asker = self._remembered.get(token) or self._checked(token)
        now = self._clock.now_ms()
        if now >= asker.expires_at:
            raise TokenRefused("TokenExpired", "Token expired")
        if self.keyring.find(kid) is None:
            raise TokenRefused("NoKey", "The token was signed with a key that does not count any more")
        if asker.session in self.ended:
            raise TokenRefused("SessionEnded", "The login session of this token has ended")
        return asker

    def _checked(self, token: str) -> tuple[str, Asker]:
        read = read_token(token)
        header, claims = read.header, read.claims
        if header.get("alg") != ALGORITHM or "crit" in header:
            raise TokenRefused("InvalidAuthHeader", f"Tokens of this deployment are signed with {ALGORITHM}")
        key = self._verify_signature(token, header.get("kid"))
        asker = self._asker(claims)
        if len(self._remembered) >= REMEMBERED_MAX:
            self._remembered.clear()
        self._remembered[token] = key.kid, asker
        return key.kid, asker

    def _verify_signature(self, token: str, kid: object) -> SigningKey:
        """Without a name, any of our keys may have signed it: tokens that were made elsewhere have none."""
        published = self.keyring.published
        for key in published if kid is None else [key for key in published if key.kid == kid]:
            try:
                jws.deserialize_compact(token, key.pair, algorithms=[ALGORITHM])
            except (JoseError, ValueError):
                continue
            return key
        raise TokenRefused("InvalidAuthHeader", "The token was not signed with a key of this deployment")

    def _asker(self, claims: dict[str, Any]) -> Asker:
        subject, audience, issuer = claims.get("sub"), claims.get("aud"), claims.get("iss")
        if not isinstance(issuer, str) or issuer.rstrip("/") not in self._issuers:
            raise TokenRefused("NoAuthProvider", "The token is of another issuer")
        self._check_audience(audience if isinstance(audience, list) else [audience], claims)
        if not isinstance(subject, str) or subject.count("|") != 1:
            raise TokenRefused("InvalidAuthHeader", "The token does not say whose it is")
        now_s = self._clock.now_ms() / 1000
        expires, issued = _number(claims, "exp"), _number(claims, "iat")
        if expires is None or issued is None or issued > now_s + ISSUED_AHEAD_S:
            raise TokenRefused("InvalidAuthHeader", "The token does not say when it was issued and until when it holds")
        not_before = _number(claims, "nbf")
        if not_before is not None and not_before > now_s + LEEWAY_S:
            raise TokenRefused("InvalidAuthHeader", "The token does not hold yet")
        user, session = subject.split("|")
        # The issuer's name of today: moving to another domain makes nobody somebody else.
        said = {name: value for name, value in claims.items() if name not in _RESERVED}
        identity = own_identity(self.issuer, user, session, said)
        return asker_of(identity, expires_at=(expires + LEEWAY_S) * 1000, session=session)

    def _check_audience(self, audience: list[Any], claims: Mapping[str, Any]) -> None:
        if AUDIENCE in audience:
            return
        if DEVELOPMENT not in audience:
            raise TokenRefused("NoAuthProvider", "The token is for somebody else")
        if claims.get("provider") not in self._stand_ins:
            raise TokenRefused("NoAuthProvider", "The token is of a sign-in of development, which does not count here")

    # -- refresh tokens

    def new_refresh_id(self) -> str:
        """An id for a refresh token, random."""
        return secrets.token_urlsafe(REFRESH_ID_BYTES)

    def refresh_token(self, token: str, session: str) -> str:
        """What a client gets."""
        return f"{token}.{session}.{self.keyring.mac(_PURPOSE, token, session)}"

    def read_refresh_token(self, text: str) -> RefreshParts | None:
        """What a client presents, if it is ours."""
        parts = text.split(".") if len(text) <= 256 else []
        if len(parts) != 3 or not self.keyring.has_mac(parts[2], _PURPOSE, parts[0], parts[1]):
            return None
        return RefreshParts(parts[0], parts[1])


def _number(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


class OwnFirst:
    """Our own tokens are ours to check, and nobody else's; all others are for who knows them."""

    def __init__(self, own: OwnTokens, others: UserVerifier) -> None:
        self._own = own
        self._others = others

    async def verify(self, token: str) -> Asker:
        """
        Raises:
            TokenRefused: It is nobody's, or not any more.
        """
        return await (self._own if self._own.issues(token) else self._others).verify(token)
