"""`joelclaw.auth.oauth.settings` and `providers`: where a provider is asked, by what is declared of it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from joelclaw.auth.destinations import Destinations
from joelclaw.auth.methods import Toolbox
from joelclaw.auth.oauth.client import Checks, Credentials, Tokens, authorization_url
from joelclaw.auth.oauth.method import OAuth, open_method
from joelclaw.auth.oauth.providers import Github, make_provider
from joelclaw.auth.oauth.settings import GithubSettings, Oauth2Settings, OidcSettings, Settings, read_settings
from joelclaw.auth.outbound import Outbound
from joelclaw.clock import SystemClock
from joelclaw.config import load_config
from joelclaw.errors import ConfigRefused


def read(root: Path, text: str, environ: dict[str, str], id: str) -> Settings:
    (root / "joelclaw.toml").write_text(text)
    return read_settings(load_config(root, environ), environ, id)


@pytest.mark.parametrize(
    ("base_url", "authorize", "api"),
    [
        ("https://github.com", "https://github.com/login/oauth/authorize", "https://api.github.com"),
        ("https://github.com/", "https://github.com/login/oauth/authorize", "https://api.github.com"),
        ("https://octo.ghe.com", "https://octo.ghe.com/login/oauth/authorize", "https://api.octo.ghe.com"),
        ("https://git.corp/hub", "https://git.corp/hub/login/oauth/authorize", "https://git.corp/hub/api/v3"),
        ("https://notgithub.com", "https://notgithub.com/login/oauth/authorize", "https://notgithub.com/api/v3"),
    ],
)
def test_each_github_is_where_it_is(base_url: str, authorize: str, api: str) -> None:
    """github.com, data residency and Enterprise Server differ in where the API is; all say who they are alike."""
    settings = GithubSettings(client_id="id", client_secret="secret", base_url=base_url)
    github = make_provider("github", settings, Outbound(development=False), SystemClock())
    assert isinstance(github, Github)

    endpoints = asyncio.run(github.endpoints())

    assert (endpoints.authorize, github.api) == (authorize, api)
    assert endpoints.token == authorize.replace("authorize", "access_token")
    assert endpoints.issuer == authorize.removesuffix("/authorize")


def test_where_the_api_is_can_be_said() -> None:
    """What is declared wins over what is derived."""
    settings = GithubSettings(client_id="id", client_secret="secret", api_url="https://api.proxy.corp/github/")

    assert Github("github", settings, Outbound(development=False)).api == "https://api.proxy.corp/github"


def test_secrets_come_from_the_environment(tmp_path: Path) -> None:
    """By the id in capitals; what the table says wins; `from` is replaced as everywhere."""
    environ = {"AUTH_MY_HUB_ID": "env id", "AUTH_MY_HUB_SECRET": "env secret", "ELSEWHERE": "other secret"}
    declared = '[auth]\n[auth.sign_in.my-hub]\ntype = "github"\n'

    assert read(tmp_path, declared, environ, "my-hub") == GithubSettings(client_id="env id", client_secret="env secret")
    other = read(tmp_path, f'{declared}client_secret = {{ from = "ELSEWHERE" }}\n', environ, "my-hub")
    assert (other.client_id, other.client_secret) == ("env id", "other secret")


@pytest.mark.parametrize("environ", [{}, {"AUTH_GITHUB_ID": "id"}, {"AUTH_GITHUB_ID": "id", "AUTH_GITHUB_SECRET": ""}])
def test_a_secret_that_is_nowhere_is_asked_for(tmp_path: Path, environ: dict[str, str]) -> None:
    """With the variable, the line, and where else it may stand."""
    with pytest.raises(
        ConfigRefused, match=r"^joelclaw\.toml:2: signing in with github needs its client_\w+: export AUTH_"
    ):
        read(tmp_path, '[auth]\nproviders = ["github"]\n', environ, "github")


def test_some_providers_are_known_by_name(tmp_path: Path) -> None:
    """Google needs no issuer; others take one from their table or the environment; without any it is asked for."""
    environ = {f"AUTH_{id}_{what}": "x" for id in ("GOOGLE", "WORK") for what in ("ID", "SECRET")}
    work = '[auth]\n[auth.sign_in.work]\ntype = "oidc"\n'

    google = read(tmp_path, "", environ, "google")
    assert isinstance(google, OidcSettings)
    assert google.issuer == "https://accounts.google.com"
    named = read(tmp_path, work, {**environ, "AUTH_WORK_ISSUER": "https://login.corp"}, "work")
    assert isinstance(named, OidcSettings)
    assert named.issuer == "https://login.corp"
    with pytest.raises(ConfigRefused, match=r"needs issuer"):
        read(tmp_path, work, environ, "work")


def test_an_oauth_server_needs_its_endpoints(tmp_path: Path) -> None:
    """Nothing is guessed of a server without discovery."""
    environ = {"AUTH_FORUM_ID": "x", "AUTH_FORUM_SECRET": "x"}
    declared = (
        '[auth]\n[auth.sign_in.forum]\ntype = "oauth2"\nauthorize_url = "https://f/a"\ntoken_url = "https://f/t"\n'
    )

    with pytest.raises(ConfigRefused, match=r"needs userinfo_url"):
        read(tmp_path, declared, environ, "forum")
    settings = read(tmp_path, f'{declared}userinfo_url = "https://f/me"\npkce = false\n', environ, "forum")
    assert isinstance(settings, Oauth2Settings)
    assert settings.pkce is False


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'base_url = "http://g.corp"',
            "joelclaw.toml:2: auth.sign_in.github.base_url is not https, which is for development",
        ),
        ('api_url = "http://g.corp/api"', "joelclaw.toml:2: auth.sign_in.github.api_url is not https, which is for"),
    ],
)
def test_plain_http_is_refused_when_a_server_starts(tmp_path: Path, text: str, said: str) -> None:
    """O19: outside development, with the line; in development it passes."""
    (tmp_path / "joelclaw.toml").write_text(f"[auth.sign_in.github]\n{text}\n")
    environ = {"AUTH_GITHUB_ID": "id", "AUTH_GITHUB_SECRET": "secret"}
    anything: Any = None

    def opened(*, development: bool) -> OAuth:
        toolbox = Toolbox(
            config=load_config(tmp_path, environ),
            environ=environ,
            system=anything,
            tokens=anything,
            clock=SystemClock(),
            site_origin="https://site",
            destination=Destinations([], development=development),
            development=development,
        )
        return open_method("github", toolbox)

    assert opened(development=True).callback_url == "https://site/api/auth/callback/github"
    with pytest.raises(ConfigRefused) as caught:
        opened(development=False)
    assert str(caught.value).startswith(said)


def test_more_parameters_replace_none_of_ours() -> None:
    """`authorize` adds to the address; state, scope, callback and challenge are not for it to say."""
    more = {"prompt": "login", "state": "mine", "scope": "repo", "redirect_uri": "https://evil", "nonce": "mine"}

    url = authorization_url(
        "https://p/a?tenant=1",
        "id",
        "https://site/cb",
        "openid",
        Checks("state", "v" * 43, "nonce"),
        pkce=True,
        nonce=True,
        more=more,
    )

    assert url.startswith("https://p/a?tenant=1&")
    for expected in (
        "prompt=login",
        "state=state",
        "scope=openid",
        "redirect_uri=https%3A%2F%2Fsite%2Fcb",
        "nonce=nonce",
    ):
        assert url.count(expected) == 1
    assert "mine" not in url
    assert "evil" not in url


def test_what_holds_a_secret_does_not_say_it() -> None:
    """H6: written into a log or a traceback, credentials, checks and tokens are their names."""
    for secret in (
        Credentials("id", "s3cret"),
        Checks("s3cret", "s3cret", "s3cret"),
        Tokens("s3cret", {"a": "s3cret"}),
    ):
        assert "s3cret" not in f"{secret!r} {secret}"
