"""
An issuer of tokens on loopback: discovery and key sets with every fault there is, and tokens of all kinds.

Unlike `fake_oidc.py` it signs nobody in. It answers about its keys as its switches say (headers of
caches, redirects, being slow, huge or down), keeps a journal, and makes tokens with any header, claims
and signature.
"""

import hashlib
import hmac
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey, OKPKey, RSAKey

from joelclaw.clock import Clock, MovableClock
from tests.auth.loopback import Entry, Journal, changed, listening, serving

Algorithm = Literal["RS256", "ES256", "EdDSA"]
Reply = Literal["right", "500", "redirect", "huge", "slow", "broken", "html"]

DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/keys"

_made: dict[tuple[str, int], "SigningKey"] = {}


class SigningKey:
    """A key pair of an issuer."""

    def __init__(self, algorithm: Algorithm, kid: str, *, bits: int = 2_048) -> None:
        self.algorithm = algorithm
        self.kid = kid
        self.pair = _pair(algorithm, bits)

    def public(self) -> dict[str, Any]:
        """As a key set has it."""
        described = dict(self.pair.as_dict(private=False))
        return {**described, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def sign(self, signed: bytes) -> bytes:
        match self.pair.private_key:
            case RSAPrivateKey() as key:
                return key.sign(signed, PKCS1v15(), SHA256())
            case Ed25519PrivateKey() as key:
                return key.sign(signed)
            case EllipticCurvePrivateKey() as key:
                r, s = decode_dss_signature(key.sign(signed, ECDSA(SHA256())))
                return r.to_bytes(32) + s.to_bytes(32)
        raise AssertionError(self.algorithm)


def _pair(algorithm: Algorithm, bits: int) -> RSAKey | ECKey | OKPKey:
    if algorithm == "RS256":
        return RSAKey.generate_key(bits)
    return ECKey.generate_key("P-256") if algorithm == "ES256" else OKPKey.generate_key("Ed25519")


def signing_key(algorithm: Algorithm = "RS256", number: int = 1) -> SigningKey:
    """The same key for the same number, in all tests of a process: making one takes long."""
    if (algorithm, number) not in _made:
        _made[algorithm, number] = SigningKey(algorithm, f"{algorithm.lower()}-{number}")
    return _made[algorithm, number]


def key_set(*keys: SigningKey) -> dict[str, Any]:
    """Published."""
    return {"keys": [key.public() for key in keys]}


def data_url(document: Any) -> str:
    """A document as a `data:` URL."""
    return f"data:application/json;base64,{b64encode(msgspec.json.encode(document)).decode()}"


def token(key: SigningKey, claims: Mapping[str, Any], *, header: Mapping[str, Any] | None = None) -> str:
    """A token signed with this key; entries of `header` go over the usual ones, None leaves one out."""
    said = {"alg": key.algorithm, "kid": key.kid, "typ": "JWT"} | dict(header or {})
    signed = f"{encoded({name: value for name, value in said.items() if value is not None})}.{encoded(claims)}"
    return f"{signed}.{base64url(key.sign(signed.encode()))}"


def unsigned(claims: Mapping[str, Any], algorithm: str = "none") -> str:
    """A token that says it needs no signature."""
    return f"{encoded({'alg': algorithm, 'kid': signing_key().kid})}.{encoded(claims)}."


def signed_with_secret(secret: bytes, claims: Mapping[str, Any]) -> str:
    """HS256, with a secret that is none."""
    signed = f"{encoded({'alg': 'HS256', 'kid': signing_key().kid})}.{encoded(claims)}"
    return f"{signed}.{base64url(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def encoded(part: Any) -> str:
    """A part of a token."""
    return base64url(msgspec.json.encode(part))


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


class Switches(msgspec.Struct, frozen=True):
    """How it answers."""

    discovery: Reply = "right"
    keys: Reply = "right"
    headers: dict[str, str] = {}
    """Of both documents."""

    content_type: str = "application/json"
    metadata: dict[str, Any] = {}
    """Over what discovery says."""


class FakeIssuer:
    """One issuer."""

    def __init__(self, name: str, *, clock: Clock | None = None) -> None:
        self.name = name
        self.clock = clock or MovableClock()
        self.keys = [signing_key()]
        self.switches = Switches()
        self.journal = Journal()

    def switch(self, **switches: Any) -> None:
        """Set some switches."""
        self.switches = changed(self.switches, switches)

    def reset(self) -> None:
        """As at the start."""
        self.keys = [signing_key()]
        self.switches = Switches()
        self.journal.clear()

    def claims(self, subject: str = "ann", **more: Any) -> dict[str, Any]:
        """Of a token that is issued now, for a minute."""
        now_s = int(self.clock.now_ms() / 1000)
        return {"iss": self.name, "sub": subject, "aud": "app", "iat": now_s, "exp": now_s + 60} | more

    def token(self, subject: str = "ann", **more: Any) -> str:
        """A token of the newest key."""
        return token(self.keys[-1], self.claims(subject, **more))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI app."""
        self.journal.entries.append(_entry(scope))
        is_discovery = scope["path"] == DISCOVERY
        document = self._discovery() if is_discovery else key_set(*self.keys)
        body = msgspec.json.encode(document)
        headers = {"content-type": self.switches.content_type, **self.switches.headers}
        etag = headers.get("etag")
        status = 200
        match self.switches.discovery if is_discovery else self.switches.keys:
            case "500":
                status = 500
            case "redirect":
                status, headers["location"] = 302, f"{self.name}{JWKS}?redirected"
            case "huge":
                body = b" " * (2**20 + 1) + body
            case "broken":
                body = body[:-1]
            case "html":
                body, headers["content-type"] = b"<html>down for maintenance</html>", "text/html"
            case "slow":
                while (await receive())["type"] != "http.disconnect":
                    pass
                return
            case "right" if etag is not None and _header(scope, b"if-none-match") == etag:
                status, body = 304, b""
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    def _discovery(self) -> dict[str, Any]:
        return {"issuer": self.name, "jwks_uri": f"{self.name}{JWKS}"} | self.switches.metadata


def _entry(scope: Any) -> Entry:
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    return Entry(scope["method"], scope["path"], scope["query_string"].decode(), headers, "")


def _header(scope: Any, name: bytes) -> str | None:
    return next((value.decode() for found, value in scope["headers"] if found == name), None)


@contextmanager
def fake_issuer(*, clock: Clock | None = None, port: int = 0) -> Iterator[FakeIssuer]:
    """An issuer that serves until the block ends."""
    with listening(port) as (listener, origin):
        issuer = FakeIssuer(origin, clock=clock)
        with serving(issuer, listener):
            yield issuer
