"""The fake providers are as strict as the real ones, and can be told what to do from another process."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest

from joelclaw.clock import MovableClock
from tests.auth.fake_github import FakeGithub
from tests.auth.fake_oidc import FakeOidc

ROOT = Path(__file__).parent.parent.parent
CALLBACK = "http://127.0.0.1/api/auth/callback/github"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636, appendix B


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def ask(url: str, *, method: str = "GET", form: dict[str, str] | bytes | None = None, **headers: str) -> Any:
    """An answer's JSON, or where it redirects to."""
    body = urlencode(form).encode() if isinstance(form, dict) else form
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with build_opener(_NoRedirects()).open(Request(url, body, named, method=method)) as answer:
            return json.load(answer)
    except HTTPError as error:
        return error.headers.get("location") or error.code


def authorized(github: FakeGithub, **more: str) -> dict[str, list[str]]:
    asked = {"client_id": github.client_id, "redirect_uri": CALLBACK, "state": "s", **more}
    return parse_qs(urlsplit(ask(f"{github.base_url}/login/oauth/authorize?{urlencode(asked)}")).query)


def exchanged(github: FakeGithub, code: str, **more: str) -> dict[str, Any]:
    form = {"client_id": github.client_id, "client_secret": github.client_secret, "code": code, **more}
    url = f"{github.base_url}/login/oauth/access_token"
    answer: dict[str, Any] = ask(url, method="POST", form=form, Accept="application/json")
    return answer


def test_github_knows_its_callback(github: FakeGithub) -> None:
    """Host and path as registered, below it is fine, on loopback any port; nothing else gets a code."""
    github.callback = CALLBACK
    for uri, fits in (
        (f"{CALLBACK}/more", True),
        ("http://127.0.0.1:9/api/auth/callback/github", True),
        ("http://127.0.0.1/api/auth/callback/githubs", False),
        ("http://127.0.0.2/api/auth/callback/github", False),
        ("https://127.0.0.1/api/auth/callback/github", False),
    ):
        said = authorized(github, redirect_uri=uri)
        assert ("code" in said, said.get("error")) == (fits, None if fits else ["redirect_uri_mismatch"])
    assert ask(f"{github.base_url}/login/oauth/authorize?client_id=nobody") == 404


def test_github_checks_the_verifier(github: FakeGithub) -> None:
    """S256 alone; the right verifier once, and no other."""
    github.callback = CALLBACK
    assert authorized(github, code_challenge=VERIFIER, code_challenge_method="plain")["error"] == ["invalid_request"]
    for verifier, fits in ((VERIFIER, True), ("x" * 43, False), ("", False)):
        [code] = authorized(github, code_challenge=CHALLENGE, code_challenge_method="S256")["code"]
        assert ("access_token" in exchanged(github, code, code_verifier=verifier)) is fits
        assert ("access_token" in exchanged(github, code, code_verifier=VERIFIER)) is not fits


def test_github_forgets_codes(github: FakeGithub) -> None:
    """After ten minutes, and of other callbacks and secrets."""
    github.callback = CALLBACK
    clock = github.clock = MovableClock()
    [code] = authorized(github)["code"]
    assert exchanged(github, code, client_secret="wrong")["error"] == "incorrect_client_credentials"
    assert exchanged(github, code, redirect_uri="http://127.0.0.1/other")["error"] == "redirect_uri_mismatch"
    clock.set_ms(clock.now_ms() + 600_000)
    assert exchanged(github, code)["error"] == "bad_verification_code"


def test_github_wants_a_user_agent_and_a_token(github: FakeGithub) -> None:
    """403 without the first, 401 without the second."""
    url = f"{github.base_url}/api/v3/user"

    assert ask(url, User_Agent="") == 403
    assert ask(url, User_Agent="x", Authorization="Bearer nobody's") == 401


def test_an_openid_provider_publishes_what_it_signs_with(oidc: FakeOidc) -> None:
    """Two keys at a time; rotation replaces both."""
    before = ask(f"{oidc.issuer}/jwks")["keys"]
    oidc.rotate()
    after = ask(f"{oidc.issuer}/jwks")["keys"]

    assert [key["alg"] for key in before] == [key["alg"] for key in after] == ["RS256", "ES256"]
    assert not {key["kid"] for key in before} & {key["kid"] for key in after}
    assert not any("d" in key for key in after)


@contextmanager
def another_process(module: str, *options: str) -> Iterator[str]:
    """A fake on its own; where it is."""
    process = subprocess.Popen([sys.executable, "-m", module, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("module", ["tests.auth.fake_github", "tests.auth.fake_oidc"])
def test_a_fake_serves_in_a_process_of_its_own(module: str) -> None:
    """Its first line says where; switches, journal and reset are told over HTTP."""
    with another_process(module, "--client-id", "mine") as url:
        assert ask(f"{url}/control", method="PUT", form=b'{"authorize":"deny"}')["authorize"] == "deny"
        asked = {
            "client_id": "mine",
            "redirect_uri": CALLBACK,
            "state": "s",
            "response_type": "code",
            "scope": "openid",
        }
        path = "/login/oauth/authorize" if "github" in module else "/authorize"
        back = ask(f"{url}{path}?{urlencode(asked)}")
        assert "error=access_denied" in back
        [entry] = ask(f"{url}/control/journal")
        assert (entry["method"], entry["path"]) == ("GET", path)
        assert ask(f"{url}/control/reset", method="POST", form=b"")["authorize"] == "approve"
        assert ask(f"{url}/control/journal") == []
