"""
The shipped React provider in Chromium, against a real server: people come, stay, and go.

Items are those of the auth protocol's conformance list. A page's wire is what its clients said and
heard since it was loaded, see `page/src/wire.js`.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.conformance.auth.conftest import Visit
from tests.conformance.auth.deployment import SignInDeployment, Site, claims_of
from tests.conformance.browser import Page
from tests.conformance.conftest import ROOT
from tests.conformance.deadline import PATIENCE_S
from tests.conformance.deployment import Server

ARTIFACTS = ROOT / "tests" / "artifacts"
PASSWORD = "correct horse battery"
LEEWAY_S = 5
"""How long after its end a token is still taken."""

SIGNED_IN = "it.isAuthenticated && it.isConfirmed && it.me !== null"
SIGNED_OUT = "!it.isLoading && !it.isAuthenticated && it.me === null"
SHOWING_SIGNED_IN = f"shown.slice(-1).some((it) => {SIGNED_IN})"
AUTHENTICATES = 'wire.filter((it) => it.way === "up" && it.type === "Authenticate")'
REFUSALS = 'wire.filter((it) => it.way === "down" && it.type === "AuthError")'
RENEWALS = 'wire.filter((it) => it.way === "post" && it.args?.[0]?.refreshToken !== undefined)'
LOCK = "__convexAuthRefreshToken"
"""By which the tabs of a browser take turns in renewing."""

IN_LINE = f"""navigator.locks.query().then(({{ held, pending }}) =>
  [...held, ...pending].filter((it) => it.name === {LOCK!r}).length)"""


def wire(page: Page, which: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = page.evaluate(which)
    return entries


def stored(page: Page, deployment: SignInDeployment | None = None, *, url: str = "") -> dict[str, str]:
    """What the provider keeps in the browser, by the names of the protocol."""
    namespace = re.sub("[^A-Za-z0-9]", "", url or ("" if deployment is None else deployment.url))
    entries: dict[str, str] = page.evaluate("({ ...localStorage })")
    suffix = f"_{namespace}"
    assert all(key.endswith(suffix) for key in entries), entries
    return {key.removesuffix(suffix): value for key, value in entries.items()}


def sign_up(page: Page, email: str) -> None:
    page.fill("E-mail", email)
    page.fill("Password", PASSWORD)
    page.click("Create an account")
    page.until_showing(SIGNED_IN)


def sign_in_unnamed(page: Page) -> dict[str, Any]:
    """Sign in as somebody new; who that is."""
    assert page.act("signIn", "anonymous") == {"value": {"signingIn": True}}
    page.until_showing(SIGNED_IN)
    me: dict[str, Any] = page.shown[-1]["me"]
    return me


def hold(page: Page, name: str) -> None:
    """Stand in the line of tabs that want to renew; at its turn everybody behind waits for `release[name]()`."""
    turn = f"new Promise((release) => {{ window.release = {{ ...window.release, {name}: release }} }})"
    page.evaluate(f"{{ const turn = {turn}; void navigator.locks.request({LOCK!r}, () => turn) }}")


def until_in_line(page: Page, count: int) -> None:
    """Wait until so many stand there, the one whose turn it is among them."""
    look = f"(async () => {{ while (await {IN_LINE} !== {count}) await new Promise((go) => setTimeout(go, 20)); }})()"
    page.evaluate(look)


def never_signed_out(page: Page) -> bool:
    """Whether no frame since the page was first signed in shows it signed out."""
    frames = page.shown
    first = next(place for place, frame in enumerate(frames) if frame["isAuthenticated"])
    return all(frame["isAuthenticated"] for frame in frames[first:])


def follow(url: str) -> str:
    """Where a browser ends that follows redirects from here, as far as they are on this machine."""
    while urlsplit(url).hostname == "127.0.0.1":
        answer = httpx.get(url, timeout=PATIENCE_S)
        assert answer.status_code == 302, answer.text
        url = answer.headers["location"]
    return url


def test_item_1_password(signing_in: SignInDeployment, site: Site, visit: Visit) -> None:
    """
    CONF-1: By password people sign up, sign out and sign in again, as the same user; storage has what the protocol
    says.
    """
    page = visit(site.origin)
    page.until_showing(SIGNED_OUT)
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(str(ARTIFACTS / "sign-in.png"), width=800, height=600, scheme="light")
    sign_up(page, "item-1@example.com")
    page.until(f"{AUTHENTICATES}.length === 2")
    page.until_showing(f"it.token === {AUTHENTICATES}[1].value")
    first = page.shown[-1]
    assert page.act("add", {"text": "first"})["value"]
    page.until("document.body.innerText.includes('first')")
    page.screenshot(str(ARTIFACTS / "signed-in.png"), width=800, height=600, scheme="dark")
    kept = stored(page, signing_in)
    assert kept.keys() == {"__convexAuthJWT", "__convexAuthRefreshToken"}
    assert first["token"] == kept["__convexAuthJWT"]

    page.click("Sign out")
    page.until_showing(SIGNED_OUT)
    assert stored(page, signing_in) == {}

    page.fill("E-mail", "item-1@example.com")
    page.fill("Password", PASSWORD)
    page.click("Sign in")
    page.until_showing(SIGNED_IN)
    again = page.shown[-1]
    assert again["me"]["id"] == first["me"]["id"]
    assert again["me"]["session"] != first["me"]["session"]
    page.until("document.body.innerText.includes('first')")


def test_item_2_a_token_is_renewed_at_once_and_by_the_timer(
    own: SignInDeployment, own_site: Site, visit: Visit
) -> None:
    """
    CONF-2: Each token after a sign-in is another one, so that the client's timer starts, and fires; no query runs
    again.

    T1 and T2: a client that is given the same token twice never renews again.
    """
    page = visit(own_site.origin)
    page.until_showing(SIGNED_OUT)
    assert page.act("signIn", "anonymous") == {"value": {"signingIn": True}}
    page.until(f"{RENEWALS}.length >= 3 && {AUTHENTICATES}.length >= 4")
    said = wire(page, AUTHENTICATES)
    tokens = [entry["value"] for entry in said]
    assert len(set(tokens)) == len(tokens)
    assert [entry["baseVersion"] for entry in said] == list(range(len(said)))
    claims = [claims_of(token) for token in tokens]
    assert {each["exp"] - each["iat"] for each in claims} == {11}
    assert len({each["sub"] for each in claims}) == 1
    for renewal in wire(page, RENEWALS):
        assert renewal["args"][0].keys() == {"refreshToken"}
        assert "Authorization" not in renewal["headers"]
    page.until_showing(SIGNED_IN)
    assert own.query("people:runsOfMe", subject=claims[0]["sub"], nonce="") == 1


def test_item_3_oauth_round_trip(signing_in: SignInDeployment, site: Site, visit: Visit) -> None:
    """
    CONF-3: With GitHub people come back to the page they left, or to where `redirectTo` says, signed in, without a
    code.
    """
    page = visit(site.origin)
    page.until_showing(SIGNED_OUT)
    page.click("Continue with GitHub")
    page.until_showing(SIGNED_IN)
    assert page.url == f"{site.origin}/"
    assert page.shown[-1]["me"]["provider"] == "github"
    assert page.shown[-1]["me"]["email"] == "mona@example.com"
    user = page.shown[-1]["me"]["id"]
    page.until(f"{AUTHENTICATES}.length === 2")
    page.click("Sign out")
    page.until_showing(SIGNED_OUT)

    page.start("signIn", "github", {"redirectTo": "/after.html?tab=2"})
    page.until(f"location.pathname === '/after.html' && ({SHOWING_SIGNED_IN})")
    assert page.url == f"{site.origin}/after.html?tab=2"
    assert page.shown[-1]["me"]["id"] == user
    assert "__convexAuthOAuthVerifier" not in stored(page, signing_in)


def test_item_3_oauth_in_a_second_tab(signing_in: SignInDeployment, site: Site, visit: Visit) -> None:
    """CONF-3: Who signs in at GitHub in one tab is signed in in the other one, too."""
    first = visit(site.origin)
    first.until_showing(SIGNED_OUT)
    second = visit(site.origin, beside=first)
    second.until_showing(SIGNED_OUT)
    second.click("Continue with GitHub")
    second.until_showing(SIGNED_IN)
    first.until_showing(SIGNED_IN)
    assert first.shown[-1]["me"] == second.shown[-1]["me"]


def test_item_3_oauth_as_in_react_native(signing_in: SignInDeployment, site: Site, visit: Visit) -> None:
    """
    CONF-3: An app on a phone is given the address instead, and signs in with the code that its own link brings
    back.
    """
    page = visit(f"{site.origin}/?native")
    page.until_showing(SIGNED_OUT)
    started = page.act("signIn", "github", {"redirectTo": "myapp://auth/done"})["value"]
    assert started["signingIn"] is False
    back = follow(started["redirect"])
    assert back.startswith("myapp://auth/done?")
    [code] = parse_qs(urlsplit(back).query)["code"]
    assert page.act("signIn", "github", {"code": code}) == {"value": {"signingIn": True}}
    page.until_showing(SIGNED_IN)
    assert page.shown[-1]["me"]["provider"] == "github"


def test_item_5_coming_back(own: SignInDeployment, own_site: Site, visit: Visit) -> None:
    """
    CONF-5: Whoever comes back is signed in: after a reload, with a token that has ended, after a restart of the server.

    Who is away while the session is ended is signed out.
    """
    page = visit(own_site.origin)
    page.until_showing(SIGNED_OUT)
    me = sign_in_unnamed(page)
    page.reload()
    page.until_showing(SIGNED_IN)
    assert page.shown[-1]["me"] == me

    ends = claims_of(stored(page, own)["__convexAuthJWT"])["exp"]
    page.goto("about:blank")
    # That time passes is seen by somebody else's renewals, which go on.
    other = visit(own_site.origin)
    other.until_showing(SIGNED_OUT)
    sign_in_unnamed(other)
    other.until(f"shown.slice(-1).some((it) => JSON.parse(atob(it.token.split('.')[1])).iat > {ends + LEEWAY_S})")
    page.goto(own_site.origin)
    page.until_showing(SIGNED_IN)
    assert page.shown[-1]["me"] == me
    assert wire(page, REFUSALS)
    assert never_signed_out(page)

    other.goto("about:blank")  # Its renewals would fail meanwhile; the client tries one twice, and then never again.
    page.goto("about:blank")
    own.restart(Server.kill)
    page.goto(own_site.origin)
    page.until_showing(SIGNED_IN)
    assert page.shown[-1]["me"] == me

    page.goto("about:blank")
    own.end_session(me["session"])
    page.goto(own_site.origin)
    page.until_showing(SIGNED_OUT)
    page.until("Object.keys(localStorage).length === 0")


def test_item_5_a_restart_under_an_open_page(own_lasting: SignInDeployment, own_site: Site, visit: Visit) -> None:
    """CONF-5: A page that is open while the server restarts is signed in all the time, and goes on."""
    page = visit(own_site.origin)
    page.until_showing(SIGNED_OUT)
    me = sign_in_unnamed(page)
    page.until(f"{AUTHENTICATES}.length === 2")
    own_lasting.restart(Server.stop)
    assert page.act("add", {"text": "after the restart"})["value"]
    page.until("document.body.innerText.includes('after the restart')")
    assert page.shown[-1]["me"] == me
    assert never_signed_out(page)


def test_item_6_two_tabs(own: SignInDeployment, own_site: Site, visit: Visit) -> None:
    """CONF-6: Two tabs are one login session: both stay current while it is renewed, and end together."""
    first = visit(own_site.origin)
    first.until_showing(SIGNED_OUT)
    second = visit(own_site.origin, beside=first)
    second.until_showing(SIGNED_OUT)
    me = sign_in_unnamed(first)
    second.until_showing(SIGNED_IN)
    for page in (first, second):
        page.until(f"{AUTHENTICATES}.length >= 5")
        page.until_showing(SIGNED_IN)
        assert page.shown[-1]["me"] == me
        assert never_signed_out(page)
    assert [session["id"] for session in own.sessions()] == [me["session"]]

    second.click("Sign out")
    second.until_showing(SIGNED_OUT)
    first.until_showing(SIGNED_OUT)
    assert own.sessions() == []


def test_item_6_one_renewal_for_two_tabs(own_lasting: SignInDeployment, own_site: Site, visit: Visit) -> None:
    """
    CONF-6: Two tabs that want to renew at the same time renew once: the server answers one refresh, and both go on with
    its token.

    The client has tabs take turns by a lock. Here the lock is held until both wait for it, and between the two until
    the second has heard of the first one's token: browsers do not promise which comes first, and a tab that has its
    turn before renews the new token once more.
    """
    first = visit(own_site.origin)
    first.until_showing(SIGNED_OUT)
    me = sign_in_unnamed(first)
    first.until(f"{AUTHENTICATES}.length === 2")
    between = visit(f"{own_site.origin}/deployment.js", beside=first)
    before, token = own_lasting.runs_of("auth:signIn"), stored(first, own_lasting)["__convexAuthJWT"]

    hold(between, "both")
    until_in_line(between, 1)
    first.reload()
    until_in_line(between, 2)
    hold(between, "second")
    until_in_line(between, 3)
    second = visit(own_site.origin, beside=first)
    until_in_line(between, 4)
    between.evaluate("window.release.both()")
    second.until(f"shown.slice(-1).some((it) => it.isAuthenticated && it.token !== {token!r})")
    between.evaluate("window.release.second()")

    for page in (first, second):
        page.until(f"{AUTHENTICATES}.length === 2")
        page.until_showing(SIGNED_IN)
        assert page.shown[-1]["me"] == me
    renewed = stored(first, own_lasting)["__convexAuthJWT"]
    assert [wire(page, AUTHENTICATES)[1]["value"] for page in (first, second)] == [renewed, renewed]
    assert (len(wire(first, RENEWALS)), len(wire(second, RENEWALS))) == (1, 0)
    assert own_lasting.runs_of("auth:signIn") - before == 1


def test_item_7_account_switch(signing_in: SignInDeployment, site: Site, visit: Visit) -> None:
    """CONF-7: Who signs in as somebody else, without signing out before, is the other one, also on the socket (T3)."""
    page = visit(site.origin)
    page.until_showing(SIGNED_OUT)
    before = sign_in_unnamed(page)
    assert page.act("add", {"text": "not theirs"})["value"]
    page.until("document.body.innerText.includes('not theirs')")
    refresh = stored(page, signing_in)["__convexAuthRefreshToken"]
    params = {"flow": "signUp", "email": "item-7@example.com", "password": PASSWORD}
    assert page.act("signIn", "password", params) == {"value": {"signingIn": True}}
    page.until_showing(f"{SIGNED_IN} && it.me.provider === 'password'")
    assert page.shown[-1]["me"]["id"] != before["id"]
    page.until("!document.body.innerText.includes('not theirs')")
    assert signing_in.sign_in(refreshToken=refresh) == {"tokens": None}
    assert before["session"] not in [session["id"] for session in signing_in.sessions()]


def test_item_7_revocation(signing_in: SignInDeployment, site: Site, visit: Visit) -> None:
    """
    CONF-7: A session that is ended elsewhere ends on its open pages, which need do nothing for that (T4); others go
    on.
    """
    page = visit(site.origin)
    page.until_showing(SIGNED_OUT)
    me = sign_in_unnamed(page)
    page.until(f"{AUTHENTICATES}.length === 2")
    other = visit(site.origin)
    other.until_showing(SIGNED_OUT)
    sign_in_unnamed(other)
    signing_in.end_session(me["session"])
    page.until_showing(SIGNED_OUT)
    assert stored(page, signing_in) == {}
    assert never_signed_out(other)


@pytest.mark.parametrize("trouble", ["broken", "lost", "slow"])
def test_item_8_a_renewal_in_trouble(own: SignInDeployment, own_site: Site, visit: Visit, trouble: str) -> None:
    """
    CONF-8: A renewal whose connection breaks, whose answer is lost or takes long does not stop the page.

    After a lost answer the client asks again with a token that the server has renewed already (T9).
    """
    page = visit(own_site.origin)
    page.until_showing(SIGNED_OUT)
    me = sign_in_unnamed(page)
    page.evaluate(f"window.troubles.push({trouble!r})")
    page.until("window.troubles.length === 0")
    if trouble == "slow":
        page.until("window.release !== undefined")
        page.evaluate("window.release()")
    renewals, said = len(wire(page, RENEWALS)), len(wire(page, AUTHENTICATES))
    page.until(f"{RENEWALS}.length >= {renewals + 2} && {AUTHENTICATES}.length >= {said + 2}")
    page.until_showing(SIGNED_IN)
    assert page.shown[-1]["me"] == me
    assert page.act("add", {"text": "still here"})["value"]
    assert never_signed_out(page)
    asked = [entry["args"][0]["refreshToken"] for entry in wire(page, RENEWALS)]
    assert (len(set(asked)) < len(asked)) is (trouble != "slow")


def test_item_8_twenty_at_once(signing_in: SignInDeployment) -> None:
    """
    CONF-8: One refresh token that is presented by twenty at once gives all of them tokens that work, and one
    successor.
    """
    tokens = signing_in.sign_in(provider="anonymous", params={})["tokens"]
    with ThreadPoolExecutor(20) as together:
        answers = list(
            together.map(lambda _: signing_in.sign_in(refreshToken=tokens["refreshToken"])["tokens"], range(20))
        )
    assert len({answer["refreshToken"] for answer in answers}) == 1
    assert len({answer["token"] for answer in answers}) == 20
    for answer in answers:
        assert signing_in.ask("query", "people:me", {}, f"Bearer {answer['token']}") is not None
