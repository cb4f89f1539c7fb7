"""
A sign-in at a fake provider, step by step: a client, a browser, and the deployment between them.

    journey = journey_at(deployment, github)
    redirect = journey.begin()                      # auth:signIn, on the client's page
    away = journey.open(redirect.url)               # the browser opens the address ...
    back = journey.visit(away.location)             # ... is sent to the provider, and back
    landed = journey.open(back)                     # ... and ends in the app, with a code
    journey.redeem(landed.code, redirect.verifier)  # auth:signIn, with code and verifier

The functions are the platform's on a real store; what is between them and here is left out.
All clocks are the deployment's.
"""

import asyncio
import html
import re
from datetime import timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import msgspec
import pytest

from joelclaw.auth.destinations import Destinations
from joelclaw.auth.keyring import Keyring
from joelclaw.auth.oauth.flow import FlowMethod
from joelclaw.auth.oauth.method import OAuth
from joelclaw.auth.oauth.providers import Provider, make_provider
from joelclaw.auth.oauth.settings import GithubSettings, Oauth2Settings, OidcSettings, Settings
from joelclaw.auth.oauth.steps import CALLBACK_PATH, SIGN_IN_PATH
from joelclaw.auth.outbound import Outbound
from joelclaw.auth.own_tokens import OwnTokens
from joelclaw.auth.sign_in import Attempt, Granted, Pending, Redirect
from joelclaw.engine.asker import ANONYMOUS
from joelclaw.engine.built_ins import Origin
from joelclaw.errors import SystemCallFailed
from joelclaw.http.sign_in import SignInRoutes
from tests.auth.fake_github import FakeGithub
from tests.auth.fake_oidc import FakeOidc
from tests.functions.deployment import CallError, Deployment

SITE = "http://site.test:3211"
APP = "https://app.example.com"
TABLES = (
    "_auth_accounts",
    "_auth_flows",
    "_auth_refresh_tokens",
    "_auth_sessions",
    "_auth_users",
    "_auth_ended_sessions",
)


class Seen:
    """What a browser is answered."""

    def __init__(self, status: int, headers: dict[str, str], body: str) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def location(self) -> str:
        return self.headers["location"]

    @property
    def parameters(self) -> dict[str, list[str]]:
        """Those of the address that it is sent to."""
        return parse_qs(urlsplit(self.location).query)

    @property
    def code(self) -> str:
        [code] = self.parameters["code"]
        return code

    @property
    def error(self) -> str | None:
        return self.parameters.get("convexAuthError", [None])[0]


class _System:
    """System calls, run where the test is."""

    def __init__(self, app: Deployment) -> None:
        self._app = app
        self.fails = False
        """Nothing can be written."""

    async def ask(self, path: str, **arguments: Any) -> Any:
        return self._run(self._app.query, path, arguments)

    async def tell(self, path: str, **arguments: Any) -> Any:
        if self.fails:
            raise SystemCallFailed(path, "There is no room left")
        return self._run(self._app.mutate, path, arguments)

    def _run(self, run: Any, path: str, arguments: dict[str, Any]) -> Any:
        try:
            return run(path, **arguments)
        except CallError as error:
            raise SystemCallFailed(path, error.failure.message, error.failure) from None


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Journey:
    """One deployment with sign-in methods, and a browser."""

    def __init__(
        self, app: Deployment, settings: dict[str, Settings], *, total_s: float = 60.0, development: bool = True
    ) -> None:
        self.app = app
        self._runner = asyncio.Runner()
        self.outbound = Outbound(development=development, total_s=total_s)
        self.tokens = OwnTokens(Keyring(b"k" * 32, [], app.hooks.time), app.hooks.time, issuer=SITE, ttl_ms=3_600_000.0)
        self.providers: dict[str, Provider] = {
            id: make_provider(id, declared, self.outbound, app.hooks.time) for id, declared in settings.items()
        }
        self.system: Any = _System(app)
        self.methods: dict[str, FlowMethod] = {
            id: OAuth(
                provider,
                self.system,
                self.tokens,
                self.outbound,
                site_origin=SITE,
                destination=Destinations([APP], ["myapp://auth"], development=False),
            )
            for id, provider in self.providers.items()
        }
        self.route()
        self._first = next(iter(self.methods))
        self.browser = "192.0.2.1"
        """The address that the browser and the client have."""

    def route(self) -> None:
        """Have the site answer for the methods that there are now."""
        self._routes = SignInRoutes(self.methods)

    def close(self) -> None:
        self._runner.run(self.outbound.close())
        self._runner.close()

    # -- the client

    def begin(
        self, provider: str | None = None, *, redirect_to: Any = None, session: str | None = None, page: str = APP
    ) -> Redirect:
        params = {} if redirect_to is None else {"redirectTo": redirect_to}
        result = self._runner.run(
            self.methods[provider or self._first].sign_in(
                attempt(params, session=session, page=page, address=self.browser)
            )
        )
        assert isinstance(result, Redirect)
        return result

    def redeem(self, code: str, verifier: str | None, *, session: str | None = None) -> Granted | None:
        """A page was opened with a code: all methods are asked, as the dispatcher does."""
        asked = attempt({"code": code}, verifier, session)
        for method in self.methods.values():
            found = self._runner.run(method.redeem(code, asked))
            if found is not None:
                return found
        return None

    def redeem_at(self, provider: str, code: str, verifier: str | None) -> Granted | Pending:
        """As React Native does."""
        result = self._runner.run(self.methods[provider].sign_in(attempt({"code": code}, verifier)))
        assert isinstance(result, Granted | Pending)
        return result

    # -- the browser

    def request(self, method: str, url: str, *, headers: dict[str, str] | None = None, body: bytes = b"") -> Seen:
        """Ask the site."""
        return self._runner.run(self._ask(method, url, headers or {}, body))

    def open(self, url: str) -> Seen:
        return self.request("GET", url)

    async def together(self, *urls: str) -> list[Seen]:
        return await asyncio.gather(*(self._ask("GET", url, {}, b"") for url in urls))

    def open_together(self, *urls: str) -> list[Seen]:
        """At the same time."""
        return self._runner.run(self.together(*urls))

    def visit(self, url: str) -> str:
        """Go to the provider, which sends the browser back: where to."""
        opener = build_opener(_NoRedirects())
        with pytest.raises(HTTPError) as answered:
            opener.open(Request(url, headers={"User-Agent": "a browser"}))
        assert answered.value.status == 302, answered.value.read()
        return str(answered.value.headers["location"])

    def visit_form(self, url: str) -> tuple[str, bytes]:
        """Go to a provider that answers with a form: where it is posted to, and its body."""
        with build_opener().open(Request(url)) as answer:
            page = answer.read().decode()
        fields = re.findall(r'name="([^"]*)" value="([^"]*)"', page)
        [action] = re.findall(r'action="([^"]*)"', page)
        return action, urlencode([(name, html.unescape(value)) for name, value in fields]).encode()

    async def _ask(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Seen:
        parts = urlsplit(url)
        scope = {
            "type": "http",
            "method": method,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": (self.browser, 50_000),
        }
        sent: list[dict[str, Any]] = []
        incoming = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Any:
            return next(incoming)

        async def send(message: Any) -> None:
            sent.append(message)

        if parts.path.startswith(SIGN_IN_PATH):
            await self._routes.leave(scope, receive, send)
        else:
            assert parts.path.startswith(CALLBACK_PATH), url
            await self._routes.come_back(scope, receive, send)
        told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Seen(sent[0]["status"], told, b"".join(message.get("body", b"") for message in sent[1:]).decode())

    # -- all of it

    def go(self, provider: str | None = None, **options: Any) -> tuple[Seen, str]:
        """From the button to the app: what the browser is answered last, and the client's verifier."""
        redirect = self.begin(provider, **options)
        return self.open(self.visit(self.open(redirect.url).location)), redirect.verifier

    def sign_in(self, provider: str | None = None, *, session: str | None = None) -> Granted:
        landed, verifier = self.go(provider, session=session)
        granted = self.redeem(landed.code, verifier, session=session)
        assert granted is not None
        return granted

    # -- what there is

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Everything that sign-in keeps."""
        return {table: self.table(table) for table in TABLES}

    @property
    def is_untouched(self) -> bool:
        """Whether sign-in keeps nothing at all."""
        return not any(self.rows().values())

    def table(self, name: str) -> list[dict[str, Any]]:
        [table] = (found for found in self.app.layout.tables if found.name == name)
        with self.app.store.read() as snapshot:
            rows = snapshot.scan(table, table.by_creation_time, b"", None)
        return [msgspec.json.decode(raw) for _, raw in rows]

    def pass_time(self, **duration: float) -> None:
        self.app.hooks.time.advance(timedelta(**duration))


def attempt(
    params: dict[str, Any],
    verifier: str | None = None,
    session: str | None = None,
    page: str = APP,
    address: str = "192.0.2.1",
) -> Attempt:
    origin = Origin(page=page, address=address)
    return Attempt(params=params, verifier=verifier, asker=ANONYMOUS, session=session, origin=origin)


def github_settings(github: FakeGithub, **more: Any) -> GithubSettings:
    settings: dict[str, Any] = {"base_url": github.base_url, "private_network": True, **more}
    return GithubSettings(client_id=github.client_id, client_secret=github.client_secret, **settings)


def oidc_settings(provider: FakeOidc, **more: Any) -> OidcSettings:
    settings: dict[str, Any] = {"issuer": provider.issuer, "private_network": True, **more}
    return OidcSettings(client_id=provider.client_id, client_secret=provider.client_secret, **settings)


def oauth2_settings(github: FakeGithub, **more: Any) -> Oauth2Settings:
    """The fake GitHub, as a server of which only the endpoints are known."""
    settings: dict[str, Any] = {
        "authorize_url": f"{github.base_url}/login/oauth/authorize",
        "token_url": f"{github.base_url}/login/oauth/access_token",
        "userinfo_url": f"{github.base_url}/api/v3/user",
        "image_field": "avatar_url",
        "private_network": True,
        **more,
    }
    return Oauth2Settings(client_id=github.client_id, client_secret=github.client_secret, **settings)
