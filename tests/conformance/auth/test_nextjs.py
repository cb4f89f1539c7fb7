"""
The shipped Next.js middleware before a real server: by a cookie jar, and once in Chromium.

Cookies are the app's own; what we see of all of it are calls from the address of one server, with a bearer or
without. Tokens hold shortly here, and the middleware renews what has less than ten seconds left.
"""

from collections.abc import Iterator
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest

from tests.auth.fake_github import FakeGithub
from tests.conformance.auth.conftest import SHORT, Visit
from tests.conformance.auth.deployment import SignInDeployment
from tests.conformance.auth.mailbox import Mailbox
from tests.conformance.auth.next_server import NextServer, build
from tests.conformance.deadline import PATIENCE_S
from tests.ports import free_port

JWT, REFRESH, VERIFIER = "__convexAuthJWT", "__convexAuthRefreshToken", "__convexAuthOAuthVerifier"
HTML = {"Accept": "text/html"}
BOTH = {JWT, REFRESH}


@pytest.fixture(scope="session")
def next_port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def behind_next(
    github: FakeGithub, mailbox: Mailbox, next_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SignInDeployment]:
    """The deployment of the Next.js app."""
    project = tmp_path_factory.mktemp("behind-next") / "project"
    origin = f"http://localhost:{next_port}"
    deployment = SignInDeployment(project, github, mailbox.url, [origin], development=True, jwt_ttl=SHORT)
    deployment.start()
    yield deployment
    deployment.server.stop()


@pytest.fixture(scope="session")
def next_server(node_modules: Path, behind_next: SignInDeployment, next_port: int) -> Iterator[NextServer]:
    server = NextServer(build(node_modules), next_port, behind_next.url)
    yield server
    server.stop()


@pytest.fixture
def jar(next_server: NextServer) -> Iterator[httpx.Client]:
    """A browser without a page: it keeps cookies, and follows no redirect by itself."""
    with httpx.Client(base_url=next_server.origin, timeout=PATIENCE_S) as client:
        yield client


def act(jar: httpx.Client, action: str, **args: Any) -> httpx.Response:
    """What the app's client half asks of the middleware."""
    headers = {"Origin": str(jar.base_url).rstrip("/")}
    return jar.post("/api/auth", json={"action": action, "args": args}, headers=headers)


def sign_in(jar: httpx.Client) -> dict[str, str]:
    """Sign in as somebody new; the tokens that the page is told."""
    tokens: dict[str, str] = act(jar, "auth:signIn", provider="anonymous", params={}).json()["tokens"]
    return tokens


def set_by(answer: httpx.Response) -> dict[str, Morsel[str]]:
    """The cookies that an answer sets or removes."""
    cookies: SimpleCookie = SimpleCookie()
    for header in answer.headers.get_list("set-cookie"):
        cookies.load(header)
    return dict(cookies)


def removed_by(answer: httpx.Response) -> set[str]:
    return {name for name, cookie in set_by(answer).items() if not cookie.value and "1970" in cookie["expires"]}


def is_home(answer: httpx.Response) -> bool:
    """Whether somebody was sent away from what is not for strangers."""
    return answer.status_code == 307 and httpx.URL(answer.headers["location"]).path == "/"


def test_item_9_strangers(jar: httpx.Client) -> None:
    """CONF-9: A stranger sees the page, is sent away from the protected one, and has no cookies."""
    page = jar.get("/", headers=HTML)
    assert page.status_code == 200
    assert "One moment" in page.text
    assert is_home(jar.get("/private", headers=HTML))
    assert dict(jar.cookies) == {}


def test_item_9_sign_in_and_out(jar: httpx.Client, behind_next: SignInDeployment) -> None:
    """
    CONF-9: Signing in sets cookies that no script reads, and lets the protected page be made; signing out removes
    them.
    """
    answer = act(jar, "auth:signIn", provider="anonymous", params={})
    assert answer.json()["tokens"]["refreshToken"] == "dummy"
    cookies = set_by(answer)
    assert answer.json()["tokens"]["token"] == cookies[JWT].value
    for name in BOTH:
        flags = cookies[name]
        assert (flags["path"], flags["httponly"], flags["samesite"].lower()) == ("/", True, "lax")
        assert not flags["secure"]
        assert not flags["max-age"]
    page = jar.get("/private", headers=HTML)
    assert page.status_code == 200
    assert "(anonymous)" in page.text

    refresh = jar.cookies[REFRESH]
    gone = act(jar, "auth:signOut")
    assert gone.json() is None
    assert removed_by(gone) >= BOTH
    assert is_home(jar.get("/private", headers=HTML))
    assert behind_next.sign_in(refreshToken=refresh) == {"tokens": None}


def test_item_9_cookies_on_https(jar: httpx.Client) -> None:
    """CONF-9: Behind a proxy with https the cookies are `__Host-` ones, and secure."""
    headers = {"Host": "app.example.com", "Origin": "https://app.example.com", "X-Forwarded-Proto": "https"}
    body = {"action": "auth:signIn", "args": {"provider": "anonymous", "params": {}}}
    cookies = set_by(jar.post("/api/auth", json=body, headers=headers))
    assert {name for name, cookie in cookies.items() if cookie.value} == {f"__Host-{name}" for name in BOTH}
    for cookie in cookies.values():
        assert (cookie["path"], cookie["httponly"], cookie["secure"]) == ("/", True, True)
        assert not cookie["domain"]


def test_item_9_a_token_near_its_end(jar: httpx.Client) -> None:
    """CONF-9: A page that is asked for with a token near its end renews it, and is made with the new one."""
    sign_in(jar)
    before = dict(jar.cookies)
    deadline = monotonic() + PATIENCE_S
    while True:
        page = jar.get("/private", headers=HTML)
        assert page.status_code == 200
        if set_by(page):
            break
        assert monotonic() < deadline, "it was never renewed"
    assert jar.cookies[JWT] != before[JWT]
    assert jar.cookies[REFRESH] != before[REFRESH]
    assert "anonymous" in page.text


def test_item_9_code_exchange(jar: httpx.Client, behind_next: SignInDeployment) -> None:
    """
    CONF-9: Who comes back from GitHub is sent on without the code, signed in; the verifier was a cookie meanwhile.
    """
    started = act(jar, "auth:signIn", provider="github", params={"redirectTo": "/private"})
    assert started.json().keys() == {"redirect"}
    assert jar.cookies[VERIFIER]
    url = started.json()["redirect"]
    while not url.startswith(str(jar.base_url)):
        url = httpx.get(url, timeout=PATIENCE_S).headers["location"]
    landed = jar.get(url, headers=HTML)
    assert landed.status_code == 307
    assert httpx.URL(landed.headers["location"]).raw_path == b"/private"
    assert removed_by(landed) == {VERIFIER}
    page = jar.get("/private", headers=HTML)
    assert "Mona Lisa" in page.text


def test_item_9_a_bad_code(jar: httpx.Client) -> None:
    """CONF-9: A code that is nobody's is taken off the address, with the cookies; the page works."""
    sign_in(jar)
    landed = jar.get("/?code=bad&tab=2", headers=HTML)
    assert landed.status_code == 307
    assert httpx.URL(landed.headers["location"]).raw_path == b"/?tab=2"
    assert removed_by(landed) >= BOTH
    assert jar.get("/?tab=2", headers=HTML).status_code == 200


def test_item_9_cross_site(jar: httpx.Client) -> None:
    """
    CONF-9: Another site's page neither acts for somebody who is signed in, nor sees what is theirs; nothing is
    lost.
    """
    sign_in(jar)
    elsewhere = {"Origin": "https://evil.example.com"}
    posted = jar.post("/api/auth", json={"action": "auth:signOut", "args": {}}, headers=elsewhere)
    assert (posted.status_code, posted.text) == (403, "Invalid origin")
    kept = dict(jar.cookies)
    assert jar.get("/private", headers=HTML).status_code == 200
    with httpx.Client(base_url=jar.base_url, cookies=kept, timeout=PATIENCE_S) as other:
        assert is_home(other.get("/private", headers={**HTML, **elsewhere}))
    assert jar.get("/api/auth").status_code == 405
    assert act(jar, "people:me").status_code == 400


@pytest.mark.parametrize("missing", sorted(BOTH))
def test_item_9_a_missing_cookie(jar: httpx.Client, missing: str) -> None:
    """CONF-9: With one of the two cookies gone, the other one goes as well, and somebody is a stranger again."""
    sign_in(jar)
    jar.cookies.delete(missing)
    page = jar.get("/private", headers=HTML)
    assert is_home(page) or page.status_code == 200
    assert removed_by(page) >= BOTH
    assert is_home(jar.get("/private", headers=HTML))


def test_item_9_in_chromium(next_server: NextServer, visit: Visit) -> None:
    """
    CONF-9: In a browser: with GitHub to the protected page, back to the live one, and out; the page never has the
    secret.
    """
    page = visit(next_server.origin)
    page.until("document.body.innerText.includes('Continue with GitHub')")
    page.click("Continue with GitHub")
    page.until("location.pathname === '/private' && document.body.innerText.includes('Mona Lisa')")
    page.goto(next_server.origin)
    page.until("document.body.innerText.includes('Signed in as Mona Lisa')")
    cookies = {cookie["name"]: cookie for cookie in page.cookies}
    assert cookies.keys() >= BOTH
    assert all(cookie["httpOnly"] and cookie["sameSite"] == "Lax" for cookie in cookies.values())
    kept = page.evaluate("Object.values(localStorage)")
    assert cookies[REFRESH]["value"] not in kept
    assert "dummy" in kept
    page.click("Sign out")
    page.until("document.body.innerText.includes('Look around first')")
    assert not BOTH & {cookie["name"] for cookie in page.cookies}
    page.goto(f"{next_server.origin}/private")
    page.until("location.pathname === '/'")
