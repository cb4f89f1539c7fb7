"""
What `auth:signIn` answers over HTTP, key by key, and what its failures leave as it was.

The rows are those of the auth protocol's table of flows; a key that does not apply is left out, because
clients take a null for something else.
"""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.conformance.auth.deployment import Refusal, SignInDeployment, claims_of
from tests.conformance.auth.mailbox import Mailbox
from tests.conformance.deadline import PATIENCE_S

PASSWORD = "correct horse battery"
NEW_PASSWORD = "another horse entirely"
NOBODY = {"tokens": None}


def is_signed_in(result: Any) -> bool:
    return bool(result.keys() == {"tokens"} and result["tokens"].keys() == {"token", "refreshToken"})


def subject(result: Any) -> str:
    """Who that is, and in which session: `user|session`."""
    return str(claims_of(result["tokens"]["token"])["sub"])


def user(result: Any) -> str:
    return subject(result).partition("|")[0]


def session(result: Any) -> str:
    return subject(result).partition("|")[2]


def password(deployment: SignInDeployment, flow: str, email: str, *, provider: str = "password", **more: str) -> Any:
    return deployment.sign_in(provider=provider, params={"flow": flow, "email": email, **more})


def code_in(url: str) -> str:
    [code] = parse_qs(urlsplit(url).query)["code"]
    return code


def come_back(deployment: SignInDeployment, origin: str) -> tuple[str, str]:
    """Go to GitHub and come back to the page; the code that it brings, and the client's verifier."""
    started = deployment.sign_in(provider="github", params={"redirectTo": f"{origin}/after.html"})
    assert started.keys() == {"redirect", "verifier"}
    url = started["redirect"]
    while not url.startswith(origin):
        url = httpx.get(url, timeout=PATIENCE_S).headers["location"]
    return code_in(url), started["verifier"]


def test_item_4_oauth(signing_in: SignInDeployment, site: Any) -> None:
    """
    CONF-4: A start answers with an address and a verifier, a finish with tokens, with the provider's name and
    without.
    """
    code, verifier = come_back(signing_in, site.origin)
    first = signing_in.sign_in(params={"code": code}, verifier=verifier)
    assert is_signed_in(first)
    assert signing_in.sign_in(params={"code": code}, verifier=verifier) == NOBODY
    code, verifier = come_back(signing_in, site.origin)
    second = signing_in.sign_in(provider="github", params={"code": code}, verifier=verifier)
    assert is_signed_in(second)
    assert user(first) == user(second)


def test_item_4_refresh_and_sign_out(signing_in: SignInDeployment) -> None:
    """
    CONF-4: A refresh token gives tokens, or null when its session is over; signing out answers null, signed in or
    not.
    """
    first = signing_in.sign_in(provider="anonymous", params={})
    assert is_signed_in(first)
    renewed = signing_in.sign_in(refreshToken=first["tokens"]["refreshToken"])
    assert is_signed_in(renewed)
    assert subject(renewed) == subject(first)
    bearer = f"Bearer {renewed['tokens']['token']}"
    assert signing_in.ask("query", "auth:isAuthenticated", {}, bearer) is True
    assert signing_in.ask("query", "auth:isAuthenticated", {}) is False
    assert signing_in.ask("action", "auth:signOut", {}, bearer) is None
    assert signing_in.ask("action", "auth:signOut", {}) is None
    assert signing_in.sign_in(refreshToken=renewed["tokens"]["refreshToken"]) == NOBODY
    with pytest.raises(Refusal) as caught:
        signing_in.ask("query", "auth:isAuthenticated", {}, bearer)
    assert caught.value.status == 401


def test_item_4_password(signing_in: SignInDeployment) -> None:
    """CONF-4: Signing up and in by password give tokens; what is wrong is an error with a code."""
    up = password(signing_in, "signUp", "item-4@example.com", password=PASSWORD)
    again = password(signing_in, "signIn", "item-4@example.com", password=PASSWORD)
    assert is_signed_in(up)
    assert is_signed_in(again)
    assert user(up) == user(again)
    for email in ("item-4@example.com", "nobody@example.com"):
        with pytest.raises(Refusal, match="InvalidSecret") as caught:
            password(signing_in, "signIn", email, password="wrong horse battery")
        assert caught.value.data == {"code": "INVALID_CREDENTIALS"}
    with pytest.raises(Refusal, match="`flow`"):
        signing_in.sign_in(provider="password", params={"email": "item-4@example.com"})
    with pytest.raises(Refusal, match="Provider `none` is not configured"):
        signing_in.sign_in(provider="none", params={})


def test_item_4_verified_password(signing_in: SignInDeployment, mailbox: Mailbox) -> None:
    """CONF-4: Until an address is verified there are no tokens; a reset, too, is finished with a mailed code."""
    email = "strict@example.com"
    assert password(signing_in, "signUp", email, provider="strict", password=PASSWORD) == NOBODY
    code = mailbox.code_for(email)
    verified = password(signing_in, "email-verification", email, provider="strict", code=code)
    assert is_signed_in(verified)
    assert is_signed_in(password(signing_in, "signIn", email, provider="strict", password=PASSWORD))

    email = "forgets@example.com"
    assert password(signing_in, "signUp", email, provider="strict", password=PASSWORD) == NOBODY
    verified = password(signing_in, "email-verification", email, provider="strict", code=mailbox.code_for(email))
    assert password(signing_in, "reset", "nobody@example.com", provider="strict") == NOBODY


def test_item_4_mailed_code(signing_in: SignInDeployment, mailbox: Mailbox) -> None:
    """
    CONF-4: A mailed code is started, then redeemed with its address; a wrong one is an error, and the right one
    holds.
    """
    email = "otp@example.com"
    assert signing_in.sign_in(provider="email-otp", params={"email": email}) == {"started": True}
    code = mailbox.code_for(email)
    with pytest.raises(Refusal, match="Could not verify code") as caught:
        signing_in.sign_in(provider="email-otp", params={"email": email, "code": "0" * 8})
    assert caught.value.data == {"code": "INVALID_CODE"}
    assert is_signed_in(signing_in.sign_in(provider="email-otp", params={"email": email, "code": code}))


def test_item_4_mailed_link(signing_in: SignInDeployment, site: Any, mailbox: Mailbox) -> None:
    """CONF-4: A mailed link leads to the page, whose code alone gives tokens, whatever verifier comes with it; once."""
    email = "link@example.com"
    params = {"email": email, "redirectTo": f"{site.origin}/after.html"}
    assert signing_in.sign_in(provider="magic-link", params=params) == {"started": True}
    link = mailbox.link_for(email)
    assert link.startswith(f"{site.origin}/after.html?")
    code = code_in(link)
    assert is_signed_in(signing_in.sign_in(params={"code": code}, verifier="of another start"))
    assert signing_in.sign_in(params={"code": code}) == NOBODY


# -- what the client half's own tests hold a server to


def test_item_10_a_failed_redemption_keeps_the_code(signing_in: SignInDeployment, site: Any) -> None:
    """CONF-10: A wrong verifier, none, or another method's name do not use a code up."""
    code, verifier = come_back(signing_in, site.origin)
    assert signing_in.sign_in(params={"code": code}, verifier="wrong") == NOBODY
    assert signing_in.sign_in(params={"code": code}) == NOBODY
    with pytest.raises(Refusal):
        signing_in.sign_in(provider="email-otp", params={"email": "a@example.com", "code": code}, verifier=verifier)
    assert is_signed_in(signing_in.sign_in(params={"code": code}, verifier=verifier))


@pytest.mark.parametrize("code", ["", "0", "12345678", "x" * 20_000, "a|b", "\u0000", "../..", "null"])
def test_item_10_a_code_alone_never_fails(signing_in: SignInDeployment, code: str) -> None:
    """CONF-10: A code that is nobody's answers null, never an error: the client would wait for ever."""
    assert signing_in.sign_in(params={"code": code}) == NOBODY


def test_item_10_a_reset_code_is_for_its_account(signing_in: SignInDeployment, mailbox: Mailbox) -> None:
    """
    CONF-10: A code for one's own reset does not reset somebody else's password; it goes on being good for one's
    own.
    """
    mine, theirs = "resets@example.com", "victim@example.com"
    for email in (mine, theirs):
        # Mails to an address come a minute apart at least: these are verified with the only ones.
        assert password(signing_in, "signUp", email, provider="password", password=PASSWORD)
    assert password(signing_in, "reset", mine) == NOBODY
    code = mailbox.code_for(mine)
    with pytest.raises(Refusal) as caught:
        password(signing_in, "reset-verification", theirs, code=code, newPassword=NEW_PASSWORD)
    assert caught.value.data["code"] == "INVALID_CODE"
    assert is_signed_in(password(signing_in, "signIn", theirs, password=PASSWORD))
    before = password(signing_in, "signIn", mine, password=PASSWORD)
    reset = password(signing_in, "reset-verification", mine, code=code, newPassword=NEW_PASSWORD)
    assert is_signed_in(reset)
    assert signing_in.sign_in(refreshToken=before["tokens"]["refreshToken"]) == NOBODY
    assert is_signed_in(password(signing_in, "signIn", mine, password=NEW_PASSWORD))


def test_item_10_a_sign_in_replaces_the_session(signing_in: SignInDeployment) -> None:
    """CONF-10: Who signs in while signed in has a new session, and the one before ends with its tokens."""
    email = "replaces@example.com"
    before = password(signing_in, "signUp", email, password=PASSWORD)
    params = {"flow": "signIn", "email": email, "password": PASSWORD}
    after = signing_in.sign_in(provider="password", params=params, bearer=before["tokens"]["token"])
    assert user(after) == user(before)
    assert session(after) != session(before)
    assert signing_in.sign_in(refreshToken=before["tokens"]["refreshToken"]) == NOBODY
    assert is_signed_in(signing_in.sign_in(refreshToken=after["tokens"]["refreshToken"]))
    assert session(before) not in [each["id"] for each in signing_in.sessions()]


def test_item_10_the_parent_of_the_active_token(signing_in: SignInDeployment) -> None:
    """CONF-10: A refresh token whose successor nobody has used yet gives tokens that work, and can be renewed."""
    first = signing_in.sign_in(provider="anonymous", params={})["tokens"]
    signing_in.sign_in(refreshToken=first["refreshToken"])
    again = signing_in.sign_in(refreshToken=first["refreshToken"])
    assert is_signed_in(again)
    bearer = f"Bearer {again['tokens']['token']}"
    assert signing_in.ask("query", "people:me", {}, bearer)["provider"] == "anonymous"
    assert is_signed_in(signing_in.sign_in(refreshToken=again["tokens"]["refreshToken"]))
