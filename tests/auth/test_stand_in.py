"""`joelclaw.auth.oauth.stand_in`: signing in as anybody, in development alone."""

import html
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest

from joelclaw.auth.declaring import sign_in_of, stand_ins_of
from joelclaw.auth.destinations import Destinations
from joelclaw.auth.keyring import Keyring
from joelclaw.auth.methods import Toolbox, open_methods
from joelclaw.auth.oauth.profiles import ProfileWrong, account_id
from joelclaw.auth.oauth.settings import GithubSettings
from joelclaw.auth.oauth.stand_in import made_up_id
from joelclaw.auth.own_tokens import OwnTokens
from joelclaw.auth.sign_in import Granted
from joelclaw.config import load_config
from joelclaw.errors import ConfigRefused, SignInRefused, TokenRefused
from joelclaw.functions.calls import Identity
from joelclaw.functions.rules import is_named
from joelclaw.functions.sign_in import SignIn
from joelclaw.http.forwarding import is_from_here
from tests.auth.fake_github import FakeGithub, Persona, person
from tests.auth.journey import APP, SITE, Journey, Seen, github_settings
from tests.auth.mailing import signing_key
from tests.conformance.deadline import PATIENCE_S
from tests.conformance.deployment import Server
from tests.functions.deployment import deploy
from tests.ports import free_port

HERE = {"Host": "127.0.0.1:3211"}
FORM = {**HERE, "Content-Type": "application/x-www-form-urlencoded"}

HOUR_MS = 3_600_000.0

SCHEMA = """
from joelclaw import Table, index

class User(Table):
    __table__ = "users"
    name: str
    github_id: int
    email: str | None = None
    by_github = index("github_id", unique=True)
"""


class Standing(Journey):
    """A deployment in development with a stand-in for GitHub, and a browser on its machine."""

    def __init__(self, folder: Path, declared: str = "", files: dict[str, str] | None = None) -> None:
        (folder / "joelclaw.toml").write_text(f'[auth]\nproviders = ["github"]\n{declared}')
        self.config = load_config(folder, {})
        app = deploy(
            folder,
            files or {"schema.py": SCHEMA},
            sign_in=SignIn(issuer=SITE, stand_ins=("github",), fills=("github_id",)),
        )
        super().__init__(app, {"github": GithubSettings(client_id="unused", client_secret="unused")})
        keyring = Keyring(b"k" * 32, [signing_key()], app.hooks.time)
        self.tokens = OwnTokens(keyring, app.hooks.time, issuer=SITE, ttl_ms=HOUR_MS, stand_ins=["github"])
        self.browser = "127.0.0.1"
        toolbox = Toolbox(
            config=self.config,
            environ={},
            system=self.system,
            tokens=self.tokens,
            clock=app.hooks.time,
            site_origin=SITE,
            destination=Destinations([APP], development=False),
            development=True,
            stand_ins=("github",),
            local_origin=SITE,
            roles=lambda: self.config.auth.roles,
        )
        self.methods |= open_methods(toolbox)  # type: ignore[arg-type]
        self.route()

    def page(self) -> tuple[Seen, str]:
        """From the button to the page that asks; and the client's verifier."""
        redirect = self.begin("github")
        return self.request("GET", redirect.url, headers=HERE), redirect.verifier

    def answer(self, page: Seen, **said: str) -> Seen:
        """Fill the page in."""
        body = urlencode({"state": state_of(page.body), **said}).encode()
        return self.request("POST", f"{SITE}/api/auth/callback/github", headers=FORM, body=body)

    def be(self, login: str, **said: str) -> Granted:
        page, verifier = self.page()
        granted = self.redeem(self.answer(page, login=login, **said).code, verifier)
        assert granted is not None
        return granted

    def identity(self, granted: Granted) -> Identity:
        """As functions see whom a token is of."""
        token = self.tokens.mint(
            granted.grant.user,
            granted.grant.session,
            granted.grant.claims,
            ends_at=granted.grant.expires_at,
            development=granted.grant.development,
        )
        identity = self.tokens.check(token).identity
        assert identity is not None
        return identity


def state_of(page: str) -> str:
    states = set(re.findall(r'name="state" value="([^"]*)"', page))
    [state] = states
    return html.unescape(state)


@pytest.fixture
def journey(tmp_path: Path) -> Iterator[Standing]:
    declared = """
    [auth.roles]
    owner = ["github:joelhooks", "email:joel@example.com", "github:12345"]
    editor = ["github:JoelHooks", "github:joelhooks", "google:somebody"]
    """
    standing = Standing(tmp_path, declared)
    yield standing
    standing.close()
    standing.app.close()


# -- who somebody is


def test_whoever_is_here_is_whom_they_say(journey: Standing) -> None:
    """The page asks, and functions see somebody as from GitHub: login, provider and a document; marked as made up."""
    granted = journey.be("mona", email="Mona@example.com")

    [user] = journey.table("users")
    assert (user["_id"], user["name"], user["email"]) == (granted.grant.user, "mona", "Mona@example.com")
    assert user["githubId"] == int(made_up_id("github", "mona")) < 0
    claims = journey.identity(granted).claims
    assert {name: claims[name] for name in ("provider", "login", "email", "emailVerified", "development")} == {
        "provider": "github",
        "login": "mona",
        "email": "Mona@example.com",
        "emailVerified": True,
        "development": True,
    }
    assert claims["githubId"] == str(user["githubId"])
    assert journey.be("Mona").grant.user == granted.grant.user, "the same login, the same somebody"
    assert journey.be("hubot").grant.user != granted.grant.user


def test_owners_are_tried_by_their_login(journey: Standing) -> None:
    """`[auth.roles]` counts for whom somebody is here; and the page offers those whom it names, as far as it can."""
    page, _ = journey.page()

    offered = re.findall(r'name="login" value="([^"]*)".*?name="email" value="([^"]*)"', page.body)
    assert offered == [("joelhooks", ""), ("joel", "joel@example.com"), ("JoelHooks", "")]
    owner, other = journey.identity(journey.be("joelhooks")), journey.identity(journey.be("mona"))
    assert is_named(owner, "github:joelhooks", SITE)
    assert not is_named(other, "github:joelhooks", SITE)


@pytest.mark.parametrize(
    "login", ["", " ", "-mona", "mona-", "mo na", "x" * 40, "<script>", "mo\nna", "mona\0", "m\u00f8na"]
)
def test_no_login_is_nobodys(journey: Standing, login: str) -> None:
    """What GitHub could not call anybody signs nobody in, and leaves nothing."""
    page, _ = journey.page()

    landed = journey.answer(page, login=login)

    assert (landed.status, landed.error) == (303, "oauth_error")
    assert journey.is_untouched


def test_somebody_may_change_their_mind(journey: Standing) -> None:
    """As at the provider: back in the app, which is told."""
    page, _ = journey.page()

    landed = journey.answer(page, error="access_denied", login="mona")

    assert landed.error == "access_denied"
    assert journey.is_untouched


def test_what_stands_in_the_page_is_text(tmp_path: Path) -> None:
    """Roles and addresses of joelclaw.toml are shown, and no markup; and nothing may frame or script the page."""
    standing = Standing(tmp_path, "[auth.roles]\n'<b>x' = ['email:a&\"<b>@example.com', 'email:ann@<i>']\n")

    page, _ = standing.page()

    assert "<b>" not in page.body
    assert "<i>" not in page.body
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert page.headers["cache-control"] == "no-store"
    standing.close()
    standing.app.close()


def test_its_address_links_it_to_nobody(tmp_path: Path, github: FakeGithub) -> None:
    """O20, P13: with somebody's verified address it is somebody else all the same, in both directions."""
    journey = Standing(tmp_path, files={"nothing.py": ""})
    real = Journey(journey.app, {"github": github_settings(github)})
    github.clock = journey.app.hooks.time

    made_up = journey.be("mona", email="mona@example.com").grant.user
    by_github = real.sign_in().grant.user
    assert made_up != by_github
    assert journey.be("hubot", email="mona@example.com").grant.user not in (made_up, by_github)

    accounts = [(row["provider"], row["accountId"]) for row in journey.table("_auth_accounts")]
    assert accounts == [
        ("dev:github", made_up_id("github", "mona")),
        ("github", "1001"),
        ("dev:github", made_up_id("github", "hubot")),
    ]
    real.close()
    journey.close()
    journey.app.close()


def test_no_provider_gives_out_an_id_of_somebody_made_up() -> None:
    """O15: ids below zero are refused of providers; so no document that a stand-in has left is ever theirs."""
    for id in (int(made_up_id("github", "mona")), made_up_id("github", "mona"), "-1", "-\u0661"):
        with pytest.raises(ProfileWrong):
            account_id(id)
    assert account_id("-a1") == "-a1"


# -- who may


@pytest.mark.parametrize(
    ("client", "headers", "here"),
    [
        ("127.0.0.1", {"host": "127.0.0.1:3211"}, True),
        ("127.0.0.1", {"host": "localhost:3211"}, True),
        ("::1", {"host": "[::1]:3211"}, True),
        ("::ffff:127.0.0.1", {"host": "LOCALHOST"}, True),
        ("192.168.1.7", {"host": "127.0.0.1:3211"}, False),
        ("127.0.0.1", {"host": "evil.example.com:3211"}, False),
        ("127.0.0.1", {"host": "127.0.0.1.evil.example.com"}, False),
        ("127.0.0.1", {"host": "localhost.evil.example.com"}, False),
        ("127.0.0.1", {}, False),
        ("127.0.0.1", {"host": "localhost", "x-forwarded-for": "127.0.0.1"}, False),
        ("127.0.0.1", {"host": "localhost", "forwarded": "for=127.0.0.1"}, False),
        ("127.0.0.1", {"host": "localhost", "via": "1.1 tunnel"}, False),
        ("127.0.0.1", {"host": "localhost", "x-real-ip": "127.0.0.1"}, False),
        ("", {"host": "localhost"}, False),
    ],
)
def test_only_this_machine_is_here(client: str, headers: dict[str, str], here: bool) -> None:
    """R6: an address of this machine, asked for by its name, and by no proxy: not a tunnel, nor a name led here."""
    scope = {
        "client": (client, 1) if client else None,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    assert is_from_here(scope) is here


def test_others_see_neither_page_nor_answer(journey: Standing) -> None:
    """From another machine, or by another name, nothing begins, nothing is shown, and nothing is answered."""
    page, verifier = journey.page()
    flow = journey.begin("github").url
    before = journey.rows()
    callback = f"{SITE}/api/auth/callback/github"
    body = urlencode({"state": state_of(page.body), "login": "joelhooks"}).encode()

    for browser, host in (("192.0.2.1", "127.0.0.1:3211"), ("127.0.0.1", "tunnel.example.com")):
        journey.browser = browser
        seen = journey.request("GET", flow, headers={**HERE, "Host": host})
        assert (seen.status, "state" in seen.body) == (403, False)
        assert journey.request("POST", callback, headers={**FORM, "Host": host}, body=body).status == 403
    journey.browser = "192.0.2.1"
    with pytest.raises(SignInRefused, match="on this machine alone"):
        journey.begin("github")
    assert journey.rows() == before

    journey.browser = "127.0.0.1"
    assert journey.redeem(journey.answer(page, login="mona").code, verifier) is not None


# -- where it counts


def test_it_stands_in_for_whoever_has_given_out_nothing(tmp_path: Path) -> None:
    """In development alone, for providers alone, and not with half of what they give out."""
    (tmp_path / "joelclaw.toml").write_text(
        '[auth]\nproviders = ["github", "google", "work", "password", "my-hub"]\n'
        '[auth.sign_in.work]\ntype = "oidc"\nissuer = "https://login.corp"\nclient_id = "x"\n'
        '[auth.sign_in.my-hub]\ntype = "github"\n'
    )
    config = load_config(tmp_path, {})
    environ = {"AUTH_GOOGLE_SECRET": "x", "AUTH_GITHUB_ID": ""}

    assert stand_ins_of(config, environ, development=True) == ["github", "my-hub"]
    assert stand_ins_of(config, environ, development=False) == []
    declared = sign_in_of(config, SITE)
    assert declared is not None
    assert declared.stand_ins == ()


@pytest.mark.parametrize(
    ("environ", "stand_ins", "said"),
    [
        ({}, (), r"needs its client_id: export AUTH_GITHUB_ID .*; only `joelclaw dev` does without"),
        ({"AUTH_GITHUB_ID": "x"}, (), r"needs its client_secret: export AUTH_GITHUB_SECRET[^;]*$"),
        ({}, ("github",), r"auth.sign_in.github has no 'base_ur'; did you mean 'base_url'"),
    ],
)
def test_what_is_declared_wrong_is_told(
    journey: Standing, tmp_path: Path, environ: dict[str, str], stand_ins: tuple[str, ...], said: str
) -> None:
    """A server in production does not start without a client id; nor does one in development with half, or a typo."""
    table = '[auth.sign_in.github]\nbase_ur = "https://x"\n' if stand_ins else ""
    (tmp_path / "joelclaw.toml").write_text(f'[auth]\nproviders = ["github"]\n{table}')
    nothing: Any = None
    toolbox = Toolbox(
        config=load_config(tmp_path, environ),
        environ=environ,
        system=nothing,
        tokens=journey.tokens,
        clock=journey.app.hooks.time,
        site_origin=SITE,
        destination=Destinations([APP], development=False),
        development=bool(stand_ins),
        stand_ins=stand_ins,
    )
    with pytest.raises(ConfigRefused, match=said):
        open_methods(toolbox)


def test_nobody_who_was_made_up_is_somebody_elsewhere(journey: Standing, github: FakeGithub) -> None:
    """
    The same database and keys without the stand-in, as in production: the token is refused, the session is not
    renewed and ends, a code that was on its way signs nobody in, and GitHub's own joelhooks is somebody else.
    """
    granted = journey.be("joelhooks")
    token = journey.tokens.mint(
        granted.grant.user,
        granted.grant.session,
        granted.grant.claims,
        ends_at=granted.grant.expires_at,
        development=True,
    )
    page, verifier = journey.page()
    on_its_way = journey.answer(page, login="joelhooks").code
    refresh = {"token": granted.grant.refresh, "session": granted.grant.session, "child": "next"}

    journey.app.app.sign_in = SignIn(issuer=SITE)
    tokens = OwnTokens(journey.tokens.keyring, journey.app.hooks.time, issuer=SITE, ttl_ms=HOUR_MS)
    github.personas["joelhooks"] = Persona(person(77, "joelhooks"))
    github.switch(persona="joelhooks")
    github.clock = journey.app.hooks.time
    real = Journey(journey.app, {"github": github_settings(github)})
    users = journey.table("users")

    with pytest.raises(TokenRefused, match="of development, which does not count here"):
        tokens.check(token)
    assert real.redeem(on_its_way, verifier) is None
    assert journey.redeem(on_its_way, verifier) is None, "not even where it was still asked for"
    assert journey.table("users") == users
    renewal = journey.app.mutate("_system/auth/sessions:refresh", **refresh)
    assert (renewal["kind"], renewal["grant"]) == ("dead", None)
    assert renewal["ended"] == [granted.grant.session]

    assert real.sign_in().grant.user != granted.grant.user
    real.close()


# -- with real servers

APP_OF_OWNERS = """
from joelclaw import QueryCtx, query, role

@query(allow=role("owner"))
def secret(ctx: QueryCtx) -> str:
    return "42"
"""


class Project:
    """A project with a button for GitHub, and nothing that GitHub has given out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "app_functions").mkdir()
        (folder / "app_functions" / "owners.py").write_text(APP_OF_OWNERS)
        (folder / "joelclaw.toml").write_text(
            f"""
            [server]
            api_port = {free_port()}
            site_port = {free_port()}
            [auth]
            providers = ["github"]
            [auth.roles]
            owner = ["github:joelhooks"]
            """
        )
        self.servers: list[Server] = []

    def start(self, command: str) -> Server:
        server = Server([sys.executable, "-m", "joelclaw.cli", command, "--project", str(self.folder)], self.folder)
        self.servers.append(server)
        return server

    def serve(self, command: str) -> Server:
        server = self.start(command)
        self.url = server.tells("  clients: ")
        return server

    def call(self, kind: str, path: str, args: dict[str, Any], token: str | None = None) -> Any:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        body = json.dumps({"path": path, "args": args, "format": "convex_encoded_json"}).encode()
        with build_opener().open(Request(f"{self.url}/api/{kind}", body, headers), timeout=PATIENCE_S) as answer:
            return json.load(answer)["value"]

    def code_of(self, login: str) -> tuple[str, str]:
        """From the button through the page back to the app: its code, and the client's verifier."""
        begun = self.call("action", "auth:signIn", {"provider": "github", "params": {"redirectTo": "/after"}})
        with build_opener().open(begun["redirect"], timeout=PATIENCE_S) as answer:
            page = answer.read().decode()
        action = urljoin(begun["redirect"], re.findall(r'action="([^"]*)"', page)[0])
        body = urlencode({"state": state_of(page), "login": login}).encode()
        with pytest.raises(HTTPError) as answered:
            build_opener(NoRedirects()).open(Request(action, body), timeout=PATIENCE_S)
        [code] = parse_qs(urlsplit(answered.value.headers["location"]).query)["code"]
        return code, begun["verifier"]


class NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    for name in ("AUTH_GITHUB_ID", "AUTH_GITHUB_SECRET"):
        monkeypatch.delenv(name, raising=False)
    made = Project(tmp_path)
    yield made
    for server in made.servers:
        server.kill()


def test_dev_signs_anybody_in_and_serve_lets_none_of_them_in(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    J9, J10: without a client id, `joelclaw dev` makes an owner of whoever says so. `joelclaw serve` does not start
    then; with one, and the same database, it knows neither token nor session nor code of anybody who was made up.
    """
    server = project.serve("dev")
    code, verifier = project.code_of("joelhooks")
    tokens = project.call("action", "auth:signIn", {"params": {"code": code}, "verifier": verifier})["tokens"]
    assert project.call("query", "owners:secret", {}, tokens["token"]) == "42"
    code, verifier = project.code_of("joelhooks")
    server.stop()

    server = project.start("serve")
    said = server.tells("error: joelclaw.toml:")
    assert "signing in with github needs its client_id: export AUTH_GITHUB_ID" in said
    assert "only `joelclaw dev` does without" in said
    server.stop()

    monkeypatch.setenv("AUTH_GITHUB_ID", "Iv1.real")
    monkeypatch.setenv("AUTH_GITHUB_SECRET", "real")
    project.serve("serve")
    with pytest.raises(HTTPError) as refused:
        project.call("query", "owners:secret", {}, tokens["token"])
    assert (refused.value.status, json.load(refused.value)["code"]) == (401, "NoAuthProvider")
    assert project.call("action", "auth:signIn", {"params": {"code": code}, "verifier": verifier}) == {"tokens": None}
    assert project.call("action", "auth:signIn", {"refreshToken": tokens["refreshToken"]}) == {"tokens": None}
