"""
A GitHub on loopback: authorize, token and API endpoints in the layout of Enterprise Server.

It is as strict as GitHub where GitHub is strict (redirect rule, S256 only, one use of a code,
a User-Agent, JSON only if asked for) and has a switch for everything that a provider does
wrong. Switches, personas and the journal are attributes for tests in this process, and a
control API for those in another:

    PUT  /control           {"authorize": "deny", "persona": "nameless"}   sets switches
    POST /control/reset                                                     all as at the start
    GET  /control/journal                                                   every request so far

`python -m tests.auth.fake_github [--port N] [--client-id ID] [--client-secret SECRET] [--callback URL]`
serves one until it is stopped, and prints its base URL as the first line.
"""

import argparse
import asyncio
import hashlib
import hmac
import re
import secrets
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
from litestar import Litestar, Request, Response, get, post, put

from joelclaw.clock import Clock, SystemClock
from tests.auth.certificates import Certificate
from tests.auth.loopback import Journal, changed, listening, repeated, serve_for_ever, serving

CODE_LIFE_MS = 10 * 60 * 1000.0
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


class Persona(msgspec.Struct, frozen=True):
    """Somebody who signs in: what the API says about them."""

    user: dict[str, Any]
    emails: list[dict[str, Any]] | None = []
    """None: the endpoint answers 404, as without the permission."""


def person(id: Any, login: str, *, email: str | None = None, name: str | None = "Mona Lisa") -> dict[str, Any]:
    """The answer of `/user`."""
    return {
        "id": id,
        "login": login,
        "name": name,
        "email": email,
        "avatar_url": f"https://avatars.example.com/{login}",
        "type": "User",
    }


def address(email: str, *, primary: bool = False, verified: bool = True) -> dict[str, Any]:
    """An element of the answer of `/user/emails`."""
    return {"email": email, "primary": primary, "verified": verified, "visibility": "private" if primary else None}


NOREPLY = "1001+mona@users.noreply.github.com"

PERSONAS: dict[str, Persona] = {
    "public": Persona(
        person(1001, "mona", email="mona@example.com"), [address("mona@example.com", primary=True), address(NOREPLY)]
    ),
    "private": Persona(
        person(1002, "hubot"), [address("other@example.com"), address("hubot@example.com", primary=True)]
    ),
    "unverified": Persona(
        person(1003, "newbie", email="newbie@example.com"),
        [address("newbie@example.com", primary=True, verified=False)],
    ),
    "no_addresses": Persona(person(1004, "silent")),
    "noreply": Persona(person(1001, "mona"), [address(NOREPLY, primary=True)]),
    "renamed": Persona(
        person(1001, "mona-lisa", email="mona@example.com"), [address("mona@example.com", primary=True)]
    ),
    "huge_id": Persona(person(9_007_199_254_740_993, "huge"), [address("huge@example.com", primary=True)]),
    "nameless": Persona(person(1005, "nameless", name=None), [address("nameless@example.com", primary=True)]),
    "no_emails_endpoint": Persona(person(1006, "hidden", email="hidden@example.com"), None),
    "id_missing": Persona({"login": "mona", "name": "Mona"}),
    "id_zero": Persona(person(0, "mona")),
    "id_object": Persona(person({"id": 1}, "mona")),
    "id_undefined": Persona(person("undefined", "mona")),
    "id_null": Persona(person(None, "mona")),
    "id_true": Persona(person(True, "mona")),
}


class Switches(msgspec.Struct, frozen=True):
    """What goes wrong. The defaults: nothing."""

    authorize: Literal["approve", "deny", "suspended", "wrong_state", "no_state", "duplicate"] = "approve"
    iss: Literal["right", "absent", "wrong"] = "right"
    token: Literal["right", "500", "html", "redirect", "slow", "no_access_token", "huge", "bad_code"] = "right"
    scope: str = "read:user,user:email"
    persona: str = "public"


class _Code(msgspec.Struct):
    """A code that was handed out, and what it is good for."""

    redirect_uri: str
    challenge: str | None
    persona: str
    expires_at: float
    used: bool = False


class FakeGithub:
    """One GitHub. `base_url` is what an Enterprise Server's would be."""

    def __init__(
        self,
        base_url: str,
        *,
        client_id: str = "Iv1.fake",
        client_secret: str = "fake-github-secret",
        callback: str = "http://127.0.0.1/api/auth/callback/github",
        clock: Clock | None = None,
    ) -> None:
        self.base_url = base_url
        self.client_id = client_id
        self.client_secret = client_secret
        self.callback = callback
        self.personas = dict(PERSONAS)
        self.switches = Switches()
        self.journal = Journal()
        self.codes: dict[str, _Code] = {}
        self.tokens: dict[str, str] = {}
        """Persona by access token."""

        self.clock = clock or SystemClock()

    @property
    def issuer(self) -> str:
        return f"{self.base_url}/login/oauth"

    def switch(self, **switches: Any) -> None:
        """Set some switches."""
        self.switches = changed(self.switches, switches)

    def reset(self) -> None:
        """As at the start."""
        self.switches = Switches()
        self.personas = dict(PERSONAS)
        self.journal.clear()
        self.codes.clear()
        self.tokens.clear()

    # -- authorize

    def authorize(self, request: Request[Any, Any, Any]) -> Response[Any]:
        """`GET /login/oauth/authorize`: nobody has to press a button here."""
        asked = request.query_params
        if repeated(asked) or asked.get("client_id") != self.client_id:
            return _page("404: there is no such application", 404)
        redirect_uri = asked.get("redirect_uri", self.callback)
        if not self._may_return_to(redirect_uri):
            return self._back(self.callback, {"error": "redirect_uri_mismatch"}, asked.get("state"))
        challenge = asked.get("code_challenge")
        if challenge is not None and (
            asked.get("code_challenge_method") != "S256" or not CHALLENGE.fullmatch(challenge)
        ):
            return self._back(redirect_uri, {"error": "invalid_request"}, asked.get("state"))
        state = asked.get("state")
        match self.switches.authorize:
            case "deny":
                said = {"error": "access_denied", "error_description": "The user has denied your application access."}
                return self._back(redirect_uri, said, state)
            case "suspended":
                return self._back(redirect_uri, {"error": "application_suspended"}, state)
        code = secrets.token_hex(10)
        expires_at = self.clock.now_ms() + CODE_LIFE_MS
        self.codes[code] = _Code(redirect_uri, challenge, self.switches.persona, expires_at)
        match self.switches.authorize:
            case "wrong_state":
                state = secrets.token_urlsafe(8)
            case "no_state":
                state = None
        return self._back(redirect_uri, {"code": code}, state)

    def _may_return_to(self, uri: str) -> bool:
        """Host and port as registered, path at or below; on loopback any port."""
        asked, registered = urlsplit(uri), urlsplit(self.callback)
        if asked.scheme != registered.scheme or asked.hostname != registered.hostname:
            return False
        if asked.port != registered.port and asked.hostname not in LOOPBACK:
            return False
        return asked.path == registered.path or asked.path.startswith(f"{registered.path.rstrip('/')}/")

    def _back(self, redirect_uri: str, said: dict[str, str], state: str | None) -> Response[Any]:
        parameters = list(said.items())
        if state is not None:
            parameters.append(("state", state))
        match self.switches.iss:
            case "right":
                parameters.append(("iss", self.issuer))
            case "wrong":
                parameters.append(("iss", "https://evil.example.com"))
        if self.switches.authorize == "duplicate":
            parameters *= 2
        separator = "&" if "?" in redirect_uri else "?"
        location = f"{redirect_uri}{separator}{urlencode(parameters)}"
        return Response(b"", status_code=302, headers={"location": location})

    # -- token

    async def token(self, request: Request[Any, Any, Any]) -> Response[Any]:
        """`POST /login/oauth/access_token`: what is wrong comes with status 200."""
        match self.switches.token:
            case "500":
                return _page("Unicorn!", 500)
            case "html":
                return _page("<html>not today</html>", 200)
            case "redirect":
                return Response(b"", status_code=302, headers={"location": f"{self.base_url}/elsewhere"})
            case "slow":
                await asyncio.sleep(30)
            case "huge":
                return Response(b" " * (2 * 2**20) + b"{}", media_type="application/json")
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        return self._answer(request, self._exchanged(request, form))

    def _exchanged(self, request: Request[Any, Any, Any], form: dict[str, str]) -> dict[str, Any]:
        if self._credentials(request, form) != (self.client_id, self.client_secret):
            return _error("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.")
        found = self.codes.get(form.get("code", ""))
        if (
            found is None
            or found.used
            or found.expires_at <= self.clock.now_ms()
            or self.switches.token == "bad_code"
            or not _verified(found.challenge, form.get("code_verifier"))
        ):
            return _error("bad_verification_code", "The code passed is incorrect or expired.")
        if form.get("redirect_uri", found.redirect_uri) != found.redirect_uri:
            return _error("redirect_uri_mismatch", "The redirect_uri MUST match the registered callback URL.")
        found.used = True
        token = f"gho_{secrets.token_hex(18)}"
        self.tokens[token] = found.persona
        answer = {"access_token": token, "token_type": "bearer", "scope": self.switches.scope}
        if self.switches.token == "no_access_token":
            del answer["access_token"]
        return answer

    def _credentials(self, request: Request[Any, Any, Any], form: dict[str, str]) -> tuple[str, str]:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            id, _, secret = b64decode(encoded).decode().partition(":")
            return id, secret
        return form.get("client_id", ""), form.get("client_secret", "")

    def _answer(self, request: Request[Any, Any, Any], answer: dict[str, Any]) -> Response[Any]:
        if "application/json" in request.headers.get("accept", ""):
            return _json(answer)
        return Response(urlencode(answer).encode(), media_type="application/x-www-form-urlencoded")

    # -- API

    def api(self, request: Request[Any, Any, Any], what: Literal["user", "emails"]) -> Response[Any]:
        """`GET /api/v3/user` and `/api/v3/user/emails`."""
        if not request.headers.get("user-agent"):
            return _json({"message": "Request forbidden by administrative rules."}, 403)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        name = self.tokens.get(token) if scheme.lower() == "bearer" else None
        if name is None:
            return _json({"message": "Bad credentials"}, 401)
        found = self.personas[name]
        if what == "user":
            return _json(found.user)
        if found.emails is None or "user:email" not in self.switches.scope:
            return _json({"message": "Not Found"}, 404)
        return _json(found.emails)

    def app(self) -> Litestar:
        """Its endpoints."""

        @get("/login/oauth/authorize")
        async def authorize(request: Request[Any, Any, Any]) -> Response[Any]:
            await self.journal.note(request)
            return self.authorize(request)

        @post("/login/oauth/access_token")
        async def token(request: Request[Any, Any, Any]) -> Response[Any]:
            await self.journal.note(request)
            return await self.token(request)

        @get("/api/v3/user")
        async def user(request: Request[Any, Any, Any]) -> Response[Any]:
            await self.journal.note(request)
            return self.api(request, "user")

        @get("/api/v3/user/emails")
        async def emails(request: Request[Any, Any, Any]) -> Response[Any]:
            await self.journal.note(request)
            return self.api(request, "emails")

        @get("/elsewhere")
        async def elsewhere(request: Request[Any, Any, Any]) -> Response[Any]:
            await self.journal.note(request)
            return _json({"access_token": "stolen", "token_type": "bearer"})

        @put("/control")
        async def control(request: Request[Any, Any, Any]) -> Response[Any]:
            self.switches = changed(self.switches, msgspec.json.decode(await request.body(), type=dict[str, Any]))
            return _json(msgspec.to_builtins(self.switches))

        @post("/control/reset")
        async def reset() -> Response[Any]:
            self.reset()
            return _json(msgspec.to_builtins(self.switches))

        @get("/control/journal")
        async def read_journal() -> Response[Any]:
            return _json(msgspec.to_builtins(self.journal.entries))

        return Litestar(
            [authorize, token, user, emails, elsewhere, control, reset, read_journal],
            openapi_config=None,
            logging_config=None,
        )


def _verified(challenge: str | None, verifier: str | None) -> bool:
    """RFC 7636, section 4.6."""
    if challenge is None:
        return True
    digest = hashlib.sha256((verifier or "").encode()).digest()
    return hmac.compare_digest(urlsafe_b64encode(digest).rstrip(b"=").decode(), challenge)


def _error(code: str, description: str) -> dict[str, Any]:
    return {"error": code, "error_description": description, "error_uri": "https://docs.example.com/oauth"}


def _json(content: Any, status: int = 200) -> Response[Any]:
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json; charset=utf-8")


def _page(text: str, status: int) -> Response[Any]:
    return Response(text.encode(), status_code=status, media_type="text/html; charset=utf-8")


@contextmanager
def fake_github(certificate: Certificate | None = None, **settings: Any) -> Iterator[FakeGithub]:
    """A GitHub that serves until the block ends, over TLS with a certificate."""
    with listening(scheme="http" if certificate is None else "https") as (listener, origin):
        github = FakeGithub(origin, **settings)
        with serving(github.app(), listener, certificate):
            yield github


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a fake GitHub on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--client-id", default="Iv1.fake")
    parser.add_argument("--client-secret", default="fake-github-secret")
    parser.add_argument("--callback", default="http://127.0.0.1/api/auth/callback/github")
    asked = parser.parse_args()
    with listening(asked.port) as (listener, origin):
        github = FakeGithub(
            origin, client_id=asked.client_id, client_secret=asked.client_secret, callback=asked.callback
        )
        print(origin, flush=True)
        serve_for_ever(github.app(), listener)


if __name__ == "__main__":
    main()
