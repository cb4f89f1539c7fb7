"""
Tokens of other issuers: verified, and made into the identity that functions see.

The algorithm is the declared issuer's, never the token's, and so is where its keys are. The header may only
name a key. Times are numbers of seconds (RFC 7519, section 2): five seconds of leeway at the end
and the beginning, a minute for `iat`, which nothing hangs on.

Claims that change with every renewal (`jti`, `iat`, `nonce`, Clerk's `fva`) are left out of the
identity: a renewed token has to make an equal one, or each renewal would run every query again.

That an issuer does not answer says nothing about a token: it is neither accepted nor refused, and
`ProviderFailed` means "try again later".

Elsewhere: `issuers.py` knows whose tokens count, `jwks.py` has their keys; the deployment's own
tokens are in `own_tokens.py`.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from joelclaw.auth.issuers import Issuer, find_issuer
from joelclaw.auth.jwt import INVALID, Unverified, read_token
from joelclaw.clock import Clock
from joelclaw.engine.asker import Asker, asker_of
from joelclaw.errors import TokenRefused
from joelclaw.functions.calls import Identity

if TYPE_CHECKING:
    from joelclaw.auth.jwks import Key, KeySet, KeySets

LEEWAY_S: Final = 5.0
ISSUED_AHEAD_S: Final = 60.0
EXPIRES_S_MAX: Final = 1e11
"""The year 5138. Larger ones are milliseconds, written by mistake, and would hold for ever."""

REMEMBERED_MAX: Final = 4_096

_RENAMED: Final = {
    "given_name": "givenName",
    "family_name": "familyName",
    "preferred_username": "preferredUsername",
    "profile": "profileUrl",
    "picture": "pictureUrl",
    "website": "websiteUrl",
    "email_verified": "emailVerified",
    "birthdate": "birthday",
    "zoneinfo": "timezone",
    "locale": "language",
    "phone_number": "phoneNumber",
    "phone_number_verified": "phoneNumberVerified",
    "updated_at": "updatedAt",
}
"""Standard claims of OpenID Connect that functions see under another name; the others keep theirs."""

_NOT_SHOWN: Final = frozenset({"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "fva"})
_OF_THE_PROTOCOL: Final = frozenset({"nonce", "at_hash", "c_hash", "s_hash"})
"""They bind an OpenID token to the request that it answered."""


class _Remembered(NamedTuple):
    issuer: Issuer
    keys: "KeySet"
    asker: Asker


class IssuerTokens:
    """Tells whose a token of a declared issuer is."""

    def __init__(
        self, issuers: Callable[[], tuple[Issuer, ...]], clock: Clock, open_key_sets: "Callable[[], KeySets]"
    ) -> None:
        """`issuers` is asked each time, because deploys change them; `open_key_sets` once, when there are some."""
        self._issuers = issuers
        self._clock = clock
        self._open_key_sets = open_key_sets
        self._key_sets: KeySets | None = None
        self._remembered: dict[str, _Remembered] = {}

    async def verify(self, token: str) -> Asker:
        """
        Whose token it is.

        Raises:
            TokenRefused: It is nobody's, or not any more.
            ProviderFailed: Its issuer cannot be asked for its keys now.
        """
        known = self._remembered.get(token)
        if known is None or known.issuer not in self._issuers():
            return await self._verify(token)
        if await self._keys().get(known.issuer) is not known.keys or known.issuer not in self._issuers():
            return await self._verify(token)  # The key may be gone, or the issuer, while we asked.
        self._check_not_over(known.asker)
        return known.asker

    async def aclose(self) -> None:
        """Ask nobody any more."""
        if self._key_sets is not None:
            await self._key_sets.aclose()

    async def _verify(self, token: str) -> Asker:
        read = read_token(token)
        issuer = self._issuer(read.claims)
        algorithm = read.header.get("alg")
        if algorithm not in issuer.algorithms or "crit" in read.header:
            raise TokenRefused(
                INVALID, f"Could not decode token: tokens of {issuer} are signed with {' or '.join(issuer.algorithms)}"
            )
        keys = await self._verified(issuer, read)
        if issuer not in self._issuers():
            # Whoever tells sockets of it has done so already, and would not tell this one.
            return await self._verify(token)
        asker = self._asker(issuer, read.claims)
        if len(self._remembered) >= REMEMBERED_MAX:
            self._remembered.clear()
        self._remembered[token] = _Remembered(issuer, keys, asker)
        return asker

    def _issuer(self, claims: Mapping[str, Any]) -> Issuer:
        named, audience = claims.get("iss"), claims.get("aud")
        if not isinstance(named, str):
            raise TokenRefused(INVALID, "Could not decode token: it names no issuer, it has no 'iss'")
        issuer = find_issuer(self._issuers(), named, audience)
        if issuer is None:
            raise no_provider(claims, self._issuers())
        return issuer

    # -- the signature

    async def _verified(self, issuer: Issuer, read: Unverified) -> "KeySet":
        """The key set that has verified it."""
        kid = read.header.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise TokenRefused(INVALID, "Could not decode token: its 'kid' is no text")
        keys = await self._keys().get(issuer)
        candidates = _candidates(keys, kid, read)
        if kid is not None and not keys.find(kid):
            keys = await self._keys().get(issuer, again=True)
            candidates = _candidates(keys, kid, read)
            if not keys.find(kid):
                raise TokenRefused(INVALID, f"Could not decode token: {issuer} has no key with kid {kid[:80]!r}")
        if not any(key.verifies(read.signed, read.signature) for key in candidates):
            why = "the token is missing a 'kid', and no key fits" if kid is None else "its signature is not that key's"
            raise TokenRefused(INVALID, f"Could not decode token: {why}")
        return keys

    def _keys(self) -> "KeySets":
        if self._key_sets is None:
            self._key_sets = self._open_key_sets()
        return self._key_sets

    # -- the claims

    def _asker(self, issuer: Issuer, claims: Mapping[str, Any]) -> Asker:
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise TokenRefused(INVALID, "Could not decode token: it does not say whose it is, it has no 'sub'")
        expires_s = _seconds(claims, "exp")
        if expires_s is None:
            raise TokenRefused(INVALID, "Could not decode token: it does not say until when it holds, it has no 'exp'")
        if expires_s > EXPIRES_S_MAX:
            raise TokenRefused(INVALID, "Could not decode token: its 'exp' is no time in seconds")
        self._check_begun(claims)
        shown = _openid_claims(claims) if issuer.kind == "oidc" else dict(_flat(claims))
        identity = Identity(
            issuer=claims["iss"], subject=subject, token_identifier=f"{claims['iss']}|{subject}", claims=shown
        )
        # With its leeway: what is let in by it must not be sent away in the same moment.
        asker = asker_of(identity, expires_at=(expires_s + LEEWAY_S) * 1000, entry=str(issuer))
        self._check_not_over(asker)
        return asker

    def _check_begun(self, claims: Mapping[str, Any]) -> None:
        now_s = self._clock.now_ms() / 1000
        for name, ahead_s in (("nbf", LEEWAY_S), ("iat", ISSUED_AHEAD_S)):
            begins_s = _seconds(claims, name)
            if begins_s is not None and begins_s > now_s + ahead_s:
                wait_s = math.ceil(begins_s - now_s)
                raise TokenRefused(INVALID, f"Token will be valid in {wait_s} seconds; are the clocks right?")

    def _check_not_over(self, asker: Asker) -> None:
        over_ms = self._clock.now_ms() - asker.expires_at
        if over_ms >= 0:
            raise TokenRefused("TokenExpired", f"Token expired {math.floor(over_ms / 1000 + LEEWAY_S)} seconds ago")


def no_provider(claims: Mapping[str, Any], issuers: tuple[Issuer, ...]) -> TokenRefused:
    """Why a token is of nobody whom the deployment knows. It names both sides: the mistake is between them."""
    configured = ", ".join(map(str, issuers)) or "none"
    return TokenRefused(
        "NoAuthProvider",
        f"No auth provider found matching the given token (issuer={claims.get('iss')!r:.200}, "
        f"audience={claims.get('aud')!r:.200}); configured providers: {configured}",
    )


def _candidates(keys: "KeySet", kid: str | None, read: Unverified) -> "list[Key]":
    """Keys that could have signed it: that of its name, or all, if it has none."""
    named = keys.keys if kid is None else keys.find(kid)
    return [key for key in named if key.algorithm == read.header["alg"]]


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    """A time, if there is one; what is there and is none is refused."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < math.inf:
        raise TokenRefused(INVALID, f"Could not decode token: its '{name}' is no number")
    return float(value)


def _openid_claims(claims: Mapping[str, Any]) -> dict[str, Any]:
    standard = {name: value for name, value in claims.items() if name in _RENAMED}
    shown = {
        name: value
        for name, value in claims.items()
        if value is not None and name not in _NOT_SHOWN | _OF_THE_PROTOCOL | _RENAMED.keys()
    }
    # Last: a claim of somebody's own making must not stand for one of the issuer's.
    shown |= {_RENAMED[name]: value for name, value in standard.items() if value is not None}
    if isinstance(shown.get("address"), dict):
        formatted = shown.pop("address").get("formatted")
        shown |= {"address": formatted} if isinstance(formatted, str) else {}
    updated = shown.get("updatedAt")
    if isinstance(updated, (int, float)) and not isinstance(updated, bool) and 0 <= updated < EXPIRES_S_MAX:
        shown["updatedAt"] = datetime.fromtimestamp(updated, UTC).isoformat().replace("+00:00", "Z")
    return shown


def _flat(claims: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Claims of a custom token: objects in it are flattened, `properties.id`."""
    for name, value in claims.items():
        if (not prefix and name in _NOT_SHOWN) or value is None:
            continue
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
