"""
An OpenID provider on loopback: discovery, JWKS with rotation, id_tokens right and wrong, userinfo.

It is strict about what a client sends, and has a switch for every fault of an id_token that a client
has to find. As with `fake_github.py`, switches and journal are attributes for tests in this process,
and `PUT /control`, `POST /control/reset`, `POST /control/rotate`, `GET /control/journal` for others.

`python -m tests.auth.fake_oidc [--port N] [--client-id ID] [--client-secret SECRET]` serves one until it
is stopped, and prints its issuer as the first line.
"""

import argparse
import hashlib
import hmac
import html
import secrets
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote_plus, urlencode

import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from litestar import Litestar, Request, Response, get, post, put

from joelclaw.clock import Clock, SystemClock
from tests.auth.loopback import Journal, changed, listening, repeated, serve_for_ever, serving

CODE_LIFE_MS = 60_000.0

Fault = Literal[
    "",
    "missing",
    "garbage",
    "alg_none",
    "hs256_with_secret",
    "foreign_key",
    "unknown_kid",
    "withdrawn_key",
    "wrong_aud",
    "extra_aud",
    "extra_aud_with_azp",
    "foreign_azp",
    "wrong_iss",
    "expired",
    "from_the_future",
    "nonce_missing",
    "nonce_different",
    "at_hash_wrong",
    "at_hash_number",
    "sub_missing",
    "sub_empty",
    "exp_text",
]


class Switches(msgspec.Struct, frozen=True):
    """What goes wrong, and what the provider can do."""

    authorize: Literal["approve", "deny"] = "approve"
    iss: Literal["right", "absent", "wrong"] = "right"
    promises_iss: bool = True
    pkce: bool = True
    """False: discovery names no challenge method, and a challenge is ignored."""

    algorithm: Literal["RS256", "ES256"] = "RS256"
    id_token: Fault = ""
    at_hash: bool = True
    thin: bool = False
    """The id_token says only who it is; userinfo says the rest."""

    userinfo: Literal["right", "another_sub", "no_sub", "500", "absent"] = "right"
    discovery: Literal["right", "wrong_issuer", "redirect", "html", "500"] = "right"
    jwks: Literal["right", "500", "redirect"] = "right"
    claims: dict[str, Any] = {}
    """Over those of the person."""


PERSON: dict[str, Any] = {
    "sub": "248289761001",
    "name": "Jane Doe",
    "email": "Jane.Doe@example.com",
    "email_verified": True,
    "picture": "https://example.com/jane.png",
}


class _Code(msgspec.Struct):
    redirect_uri: str
    challenge: str | None
    nonce: str | None
    expires_at: float
    used: bool = False


class FakeOidc:
    """One OpenID provider."""

    def __init__(
        self,
        issuer: str,
        *,
        client_id: str = "oidc-client",
        client_secret: str = "fake-oidc-secret-of-32-characters",
        clock: Clock | None = None,
    ) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self.client_secret = client_secret
        self.switches = Switches()
        self.journal = Journal()
        self.codes: dict[str, _Code] = {}
        self.tokens: set[str] = set()
        self.metadata: dict[str, Any] = {}
        """Over what discovery says by itself: an endpoint that points elsewhere, say."""

        self.clock = clock or SystemClock()
        self._generation = 0
        self.keys: list[RSAKey | ECKey] = []
        self.withdrawn: list[RSAKey | ECKey] = []
        self.rotate()

    def switch(self, **switches: Any) -> None:
        """Set some switches."""
        self.switches = changed(self.switches, switches)

    def reset(self) -> None:
        """As at the start; keys stay."""
        self.switches = Switches()
        self.metadata = {}
        self.journal.clear()
        self.codes.clear()
        self.tokens.clear()

    def rotate(self) -> None:
        """New keys for all algorithms; the old ones are published no more."""
        self._generation += 1
        self.withdrawn = self.keys
        self.keys = [
            RSAKey.generate_key(2048, {"kid": f"rsa-{self._generation}", "use": "sig", "alg": "RS256"}),
            ECKey.generate_key("P-256", {"kid": f"ec-{self._generation}", "use": "sig", "alg": "ES256"}),
        ]

    # -- discovery

    def discovery(self) -> dict[str, Any]:
        said = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        }
        if self.switches.pkce:
            said["code_challenge_methods_supported"] = ["S256"]
        if self.switches.promises_iss:
            said["authorization_response_iss_parameter_supported"] = True
        if self.switches.userinfo == "absent":
            del said["userinfo_endpoint"]
        if self.switches.discovery == "wrong_issuer":
            said["issuer"] = "https://evil.example.com"
        return said | self.metadata

    def jwks(self) -> dict[str, Any]:
        return {"keys": [key.as_dict(private=False) for key in self.keys]}

    # -- authorize

    def authorize(self, asked: Any) -> Response[Any]:
        if repeated(asked) or asked.get("client_id") != self.client_id or asked.get("response_type") != "code":
            return _json({"error": "invalid_request"}, 400)
        if "openid" not in asked.get("scope", "").split() or not asked.get("state"):
            return _json({"error": "invalid_scope"}, 400)
        said: dict[str, str] = {"state": asked["state"]}
        if self.switches.authorize == "deny":
            said["error"] = "access_denied"
        else:
            said["code"] = secrets.token_urlsafe(16)
            challenge = asked.get("code_challenge") if self.switches.pkce else None
            expires_at = self.clock.now_ms() + CODE_LIFE_MS
            self.codes[said["code"]] = _Code(asked["redirect_uri"], challenge, asked.get("nonce"), expires_at)
        if self.switches.iss != "absent":
            said["iss"] = self.issuer if self.switches.iss == "right" else "https://evil.example.com"
        if asked.get("response_mode") == "form_post":
            return _form(asked["redirect_uri"], said)
        return Response(b"", status_code=302, headers={"location": f"{asked['redirect_uri']}?{urlencode(said)}"})

    # -- token

    def token(self, authorization: str, form: dict[str, str]) -> Response[Any]:
        if _credentials(authorization, form) != (self.client_id, self.client_secret):
            return _json({"error": "invalid_client"}, 401)
        found = self.codes.get(form.get("code", ""))
        if (
            found is None
            or found.used
            or found.expires_at <= self.clock.now_ms()
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != found.redirect_uri
            or not _verified(found.challenge, form.get("code_verifier"))
        ):
            return _json({"error": "invalid_grant"}, 400)
        found.used = True
        token = secrets.token_urlsafe(24)
        self.tokens.add(token)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": 3600, "scope": "openid profile email"}
        if self.switches.id_token != "missing":
            answer["id_token"] = self.id_token(token, found.nonce)
        return _json(answer)

    def id_token(self, access_token: str, nonce: str | None) -> str:
        """An id_token, with the fault that is switched on."""
        fault = self.switches.id_token
        if fault == "garbage":
            return "not.a.token"
        claims = self._claims(access_token, nonce, fault)
        if fault == "alg_none":
            return f"{_encoded({'alg': 'none'})}.{_encoded(claims)}."
        if fault == "hs256_with_secret":
            key = OctKey.import_key(self.client_secret)
            return jwt.encode({"alg": "HS256"}, claims, key, algorithms=["HS256"])
        algorithm = self.switches.algorithm
        keys = self.withdrawn if fault == "withdrawn_key" else self.keys
        signing: RSAKey | ECKey = next(key for key in keys if key.get("alg") == algorithm)
        kid = str(signing.kid)
        if fault in ("foreign_key", "unknown_kid"):
            signing = RSAKey.generate_key(2048) if algorithm == "RS256" else ECKey.generate_key("P-256")
            kid = kid if fault == "foreign_key" else "nobody-knows-me"
        return jwt.encode({"alg": algorithm, "kid": kid}, claims, signing, algorithms=[algorithm])

    def _claims(self, access_token: str, nonce: str | None, fault: Fault) -> dict[str, Any]:
        now = int(self.clock.now_ms() / 1000)
        person = {"sub": PERSON["sub"]} if self.switches.thin else PERSON
        claims = {"iss": self.issuer, "aud": self.client_id, "iat": now, "exp": now + 600, **person}
        if nonce is not None:
            claims["nonce"] = nonce
        if self.switches.at_hash:
            half = hashlib.sha256(access_token.encode()).digest()[:16]
            claims["at_hash"] = urlsafe_b64encode(half).rstrip(b"=").decode()
        match fault:
            case "wrong_aud":
                claims["aud"] = "somebody-else"
            case "extra_aud" | "extra_aud_with_azp":
                claims["aud"] = [self.client_id, "somebody-else"]
                if fault == "extra_aud_with_azp":
                    claims["azp"] = self.client_id
            case "foreign_azp":
                claims["azp"] = "somebody-else"
            case "wrong_iss":
                claims["iss"] = "https://evil.example.com"
            case "expired":
                claims |= {"iat": now - 7200, "exp": now - 3600}
            case "from_the_future":
                claims |= {"iat": now + 3600, "exp": now + 7200}
            case "nonce_missing":
                claims.pop("nonce", None)
            case "nonce_different":
                claims["nonce"] = "another"
            case "at_hash_wrong":
                claims["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA"
            case "at_hash_number":
                claims["at_hash"] = 7
            case "sub_missing":
                del claims["sub"]
            case "sub_empty":
                claims["sub"] = ""
            case "exp_text":
                claims["exp"] = "tomorrow"
        return claims | self.switches.claims

    # -- userinfo

    def userinfo(self, authorization: str) -> Response[Any]:
        if authorization.removeprefix("Bearer ") not in self.tokens:
            return _json({"error": "invalid_token"}, 401)
        told = PERSON | self.switches.claims
        match self.switches.userinfo:
            case "500":
                return _json({"error": "server_error"}, 500)
            case "another_sub":
                told = told | {"sub": "666"}
            case "no_sub":
                told = {name: value for name, value in told.items() if name != "sub"}
        return _json(told)

    def app(self) -> Litestar:
        """Its endpoints."""

        @get("/.well-known/openid-configuration")
        async def discovery(request: Request[Any, Any, Any]) -> Response[Any]:
            await self.journal.note(request)
            match self.switches.discovery:
                case "redirect":
                    return Response(b"", status_code=302, headers={"location": f"{self.issuer}/elsewhere"})
                case "html":
                    return Response(b"<html>", media_type="text/html")
                case "500":
                    return _json({}, 500)
            return _json(self.discovery())

        @get("/jwks")
        async def jwks(request: Request[Any, Any, Any]) -> Response[Any]:
            await self.journal.note(request)
            match self.switches.jwks:
                case "redirect":
                    return Response(b"", status_code=302, headers={"location": f"{self.issuer}/elsewhere"})
                case "500":
                    return _json({}, 500)
            return _json(self.jwks())

        @get("/elsewhere")
        async def elsewhere(request: Request[Any, Any, Any]) -> Response[Any]:
            await self.journal.note(request)
            return _json(self.discovery() | self.jwks())

        @get("/authorize")
        async def authorize(request: Request[Any, Any, Any]) -> Response[Any]:
            await self.journal.note(request)
            return self.authorize(request.query_params)

        @post("/token")
        async def token(request: Request[Any, Any, Any]) -> Response[Any]:
            await self.journal.note(request)
            form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
            return self.token(request.headers.get("authorization", ""), form)

        @get("/userinfo")
        async def userinfo(request: Request[Any, Any, Any]) -> Response[Any]:
            await self.journal.note(request)
            return self.userinfo(request.headers.get("authorization", ""))

        @put("/control")
        async def control(request: Request[Any, Any, Any]) -> Response[Any]:
            self.switches = changed(self.switches, msgspec.json.decode(await request.body(), type=dict[str, Any]))
            return _json(msgspec.to_builtins(self.switches))

        @post("/control/reset")
        async def reset() -> Response[Any]:
            self.reset()
            return _json(msgspec.to_builtins(self.switches))

        @post("/control/rotate")
        async def rotate() -> Response[Any]:
            self.rotate()
            return _json(self.jwks())

        @get("/control/journal")
        async def read_journal() -> Response[Any]:
            return _json(msgspec.to_builtins(self.journal.entries))

        return Litestar(
            [discovery, jwks, elsewhere, authorize, token, userinfo, control, reset, rotate, read_journal],
            openapi_config=None,
            logging_config=None,
        )


def _credentials(authorization: str, form: dict[str, str]) -> tuple[str, str]:
    """By RFC 6749, section 2.3.1: in the header, form-encoded before base64."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() == "basic":
        id, _, secret = b64decode(encoded).decode().partition(":")
        return unquote_plus(id), unquote_plus(secret)
    return form.get("client_id", ""), form.get("client_secret", "")


def _verified(challenge: str | None, verifier: str | None) -> bool:
    if challenge is None:
        return True
    digest = hashlib.sha256((verifier or "").encode()).digest()
    return hmac.compare_digest(urlsafe_b64encode(digest).rstrip(b"=").decode(), challenge)


def _encoded(part: dict[str, Any]) -> str:
    return urlsafe_b64encode(msgspec.json.encode(part)).rstrip(b"=").decode()


def _form(action: str, fields: dict[str, str]) -> Response[Any]:
    """OAuth 2.0 Form Post Response Mode: a page that posts itself."""
    inputs = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in fields.items()
    )
    page = (
        f'<!doctype html><body onload="document.forms[0].submit()">'
        f'<form method="post" action="{html.escape(action)}">{inputs}</form>'
    )
    return Response(page.encode(), media_type="text/html; charset=utf-8")


def _json(content: Any, status: int = 200) -> Response[Any]:
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")


@contextmanager
def fake_oidc(**settings: Any) -> Iterator[FakeOidc]:
    """A provider that serves until the block ends."""
    with listening() as (listener, origin):
        provider = FakeOidc(origin, **settings)
        with serving(provider.app(), listener):
            yield provider


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a fake OpenID provider on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--client-id", default="oidc-client")
    parser.add_argument("--client-secret", default="fake-oidc-secret-of-32-characters")
    asked = parser.parse_args()
    with listening(asked.port) as (listener, origin):
        provider = FakeOidc(origin, client_id=asked.client_id, client_secret=asked.client_secret)
        print(origin, flush=True)
        serve_for_ever(provider.app(), listener)


if __name__ == "__main__":
    main()
