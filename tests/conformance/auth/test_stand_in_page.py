"""The page that stands in for a provider in development, in Chromium: how it looks, and that its buttons sign in."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest

from tests.conformance.auth.conftest import Visit
from tests.conformance.browser import Page
from tests.conformance.conftest import static_origin
from tests.conformance.deadline import PATIENCE_S
from tests.conformance.deployment import Deployment
from tests.conformance.remote import Remote
from tests.functions.deployment import write_app
from tests.ports import free_port
from tests.site.pages import ARTIFACTS, DEVICES, SCHEMES, Visitor

FILES = {
    "owners.py": """
        from joelclaw import QueryCtx, query, role

        @query(allow=role("owner"))
        def secret(ctx: QueryCtx) -> str:
            return ctx.auth.identity.claims["login"]
    """
}
DECLARED = """
[auth]
providers = ["github"]

[auth.roles]
owner = ["github:mona", "email:ann@example.com"]
editor = ["github:mona", "github:hubot"]
"""


@pytest.fixture
def standing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """A deployment in development that no provider knows yet."""
    for name in ("AUTH_GITHUB_ID", "AUTH_GITHUB_SECRET"):
        monkeypatch.delenv(name, raising=False)
    project = tmp_path / "project"
    project.mkdir()
    write_app(project, FILES)
    ports = f"[server]\napi_port = {free_port()}\nsite_port = {free_port()}\n"
    (project / "joelclaw.toml").write_text(DECLARED + ports)
    deployment = Deployment(project, development=True)
    deployment.start()
    yield deployment
    deployment.server.stop()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[str]:
    """Where a sign-in begins and ends: a page on this machine."""
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "index.html").write_text('<!doctype html><link rel="icon" href="data:," /><p>The app</p>')
    with static_origin(folder) as origin:
        yield origin


def begin(standing: Deployment, app: str) -> tuple[str, str]:
    """The address to open, and the client's verifier."""
    begun = standing.call("action", "auth:signIn", {"provider": "github", "params": {"redirectTo": f"{app}/"}})
    return begun["redirect"], begun["verifier"]


def secret_of(standing: Deployment, token: str) -> str:
    """What functions tell owners alone."""
    body = json.dumps({"path": "owners:secret", "args": {}}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    with urlopen(Request(f"{standing.url}/api/query", body, headers), timeout=PATIENCE_S) as response:
        told: str = json.load(response)["value"]
    return told


def landed(page: Page, app: str) -> dict[str, list[str]]:
    """What the app is told in its address, when the browser is back."""
    page.until(f"location.origin === {json.dumps(app)} && document.body.innerText === 'The app'")
    return parse_qs(urlsplit(page.url).query)


def test_the_suggested_owner_signs_in(standing: Deployment, app: str, visit: Visit) -> None:
    """One click on whom joelclaw.toml names: back in the app with a code, which makes an owner of who began."""
    url, verifier = begin(standing, app)
    page = visit(url)
    page.click("mona")

    [code] = landed(page, app)["code"]
    args = {"params": {"code": code}, "verifier": verifier}
    token = standing.call("action", "auth:signIn", args)["tokens"]["token"]
    assert secret_of(standing, token) == "mona"


def test_anybody_may_be_named_and_nobody_by_mistake(standing: Deployment, app: str, visit: Visit) -> None:
    """A name that no login is does not leave the page; one that is comes back; and so does who signs in as nobody."""
    page = visit(begin(standing, app)[0])
    page.write("Login", "not a login")
    assert page.evaluate("document.querySelector('[name=login]').validity.patternMismatch") is True
    assert urlsplit(page.url).netloc != urlsplit(app).netloc
    page.write("Login", "somebody")
    assert "code" in landed(page, app)

    page = visit(begin(standing, app)[0])
    page.click("Do not sign in")
    assert landed(page, app) == {"convexAuthError": ["access_denied"]}


def test_it_is_dressed_and_accessible(standing: Deployment, app: str, browser: Remote) -> None:
    """Its policy lets its own style through, by hash; no rule of accessibility is broken, at any size."""
    page = Visitor(browser, "the page that asks", begin(standing, app)[0], "")
    blue = "getComputedStyle(document.querySelector('button.main')).backgroundColor"
    assert page.evaluate(blue) == "rgb(31, 111, 235)"
    assert page.evaluate("document.activeElement.name") == "login"
    page.is_accessible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth") is True
    ARTIFACTS.mkdir(exist_ok=True)
    for device, (width, height) in DEVICES.items():
        for scheme in SCHEMES:
            picture = ARTIFACTS / f"stand-in-{device}-{scheme}.png"
            page.screenshot(str(picture), width=width, height=height, scheme=scheme)
    page.close()


def test_a_dead_end_is_accessible(standing: Deployment, app: str, browser: Remote) -> None:
    """The page of one sentence, for an address that is not known."""
    url, _ = begin(standing, app)
    page = Visitor(browser, "a dead end", url.partition("?")[0], "?code=unheard-of")
    assert page.text("main p") == ["This sign-in is not known here, or is over already."]
    page.is_accessible()
    page.close()
