"""Sign-in at GitHub with a real server: over HTTP, over a restart, and with everything that it has written searched."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest

from tests.auth.fake_github import FakeGithub, fake_github
from tests.conformance.deadline import PATIENCE_S
from tests.conformance.deployment import Server
from tests.ports import free_port

APP = "https://app.example.com"

HELLO = """
from joelclaw import QueryCtx, query, signed_in

@query(allow=signed_in)
def login(ctx: QueryCtx) -> str:
    assert ctx.auth.identity is not None
    return ctx.auth.identity.claims["login"]
"""


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Project:
    """A project in development, and what its server has said."""

    def __init__(self, folder: Path, github: FakeGithub, site_port: int) -> None:
        self.folder = folder
        self.said: list[str] = []
        (folder / "app_functions").mkdir()
        (folder / "app_functions" / "hello.py").write_text(HELLO)
        (folder / "joelclaw.toml").write_text(
            f"""
            [server]
            api_port = {free_port()}
            site_port = {site_port}
            log_level = "debug"
            allowed_origins = ["{APP}"]
            [auth]
            providers = ["github"]
            [auth.sign_in.github]
            base_url = "{github.base_url}"
            private_network = true
            """
        )
        self.start()

    def start(self) -> None:
        self.server = Server([sys.executable, "-m", "joelclaw.cli", "dev", "--project", str(self.folder)], self.folder)
        self.url = self.server.tells("  clients: ")

    def stop(self) -> None:
        self.server.stop()
        self.said += self.server._told  # noqa: SLF001 (all of it is searched)

    def call(self, kind: str, path: str, args: dict[str, Any], token: str | None = None) -> Any:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        body = json.dumps({"path": path, "args": args, "format": "convex_encoded_json"}).encode()
        with build_opener().open(Request(f"{self.url}/api/{kind}", body, headers), timeout=PATIENCE_S) as answer:
            return json.load(answer)["value"]


def hop(url: str) -> str:
    """Where a browser is sent to from there."""
    with pytest.raises(HTTPError) as answered:
        build_opener(_NoRedirects()).open(url, timeout=PATIENCE_S)
    assert answered.value.status == 302, answered.value.read()
    return str(answered.value.headers["location"])


@pytest.fixture
def github() -> Iterator[tuple[FakeGithub, int]]:
    port = free_port()
    with fake_github(callback=f"http://127.0.0.1:{port}/api/auth/callback/github") as serving:
        yield serving, port


@pytest.fixture
def project(tmp_path: Path, github: tuple[FakeGithub, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("AUTH_GITHUB_ID", github[0].client_id)
    monkeypatch.setenv("AUTH_GITHUB_SECRET", github[0].client_secret)
    serving = Project(tmp_path, *github)
    yield serving
    serving.server.kill()


def test_a_sign_in_goes_over_restarts_and_leaves_no_secret_anywhere(
    project: Project, github: tuple[FakeGithub, int]
) -> None:
    """
    H6, H8, F10: two lines of declaration and two variables sign somebody in, though the server restarts on the
    way twice; neither its log at every level nor any file of it has a code, verifier, state, token or secret in it.
    """
    started = project.call("action", "auth:signIn", {"provider": "github", "params": {"redirectTo": "/after"}})
    away = hop(started["redirect"])
    back = hop(away)
    project.stop()
    project.start()
    landed = hop(back)
    assert landed.startswith(f"{APP}/after?code=")
    project.stop()
    project.start()
    [code] = parse_qs(urlsplit(landed).query)["code"]
    assert project.call("action", "auth:signIn", {"params": {"code": code}, "verifier": "wrong"}) == {"tokens": None}

    signed_in = project.call("action", "auth:signIn", {"params": {"code": code}, "verifier": started["verifier"]})

    tokens = signed_in["tokens"]
    assert project.call("query", "hello:login", {}, tokens["token"]) == "mona"
    fake = github[0]
    form = parse_qs(fake.journal.at("/login/oauth/access_token")[0].body)
    secrets = {
        "flow": parse_qs(urlsplit(started["redirect"]).query)["code"][0],
        "verifier": started["verifier"],
        "state": parse_qs(urlsplit(away).query)["state"][0],
        "GitHub's code": parse_qs(urlsplit(back).query)["code"][0],
        "PKCE's verifier": form["code_verifier"][0],
        "code": code,
        "token": tokens["token"],
        "refresh token": tokens["refreshToken"],
        "GitHub's token": next(iter(fake.tokens)),
        "client secret": fake.client_secret,
    }
    project.stop()
    written = {"the log": "\n".join(project.said).encode()}
    written |= {str(path): path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}
    found = {
        (what, where) for what, secret in secrets.items() for where, text in written.items() if secret.encode() in text
    }
    assert found == set()
    callback = re.compile(r"the address to register there is http://127\.0\.0\.1:\d+/api/auth/callback/github")
    assert any(callback.search(line) for line in project.said)
