"""What `joelclaw doctor` says of sign-in at providers: each check shown its failure, against providers on loopback."""

from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from joelclaw.auth.oauth.client import Trial
from joelclaw.auth.oauth.settings import Settings
from joelclaw.cli.checks import Finding
from joelclaw.cli.provider_checks import check_providers, over_the_network
from joelclaw.config import load_config
from joelclaw.errors import ProviderFailed
from tests.auth.fake_github import FakeGithub, fake_github
from tests.auth.fake_oidc import FakeOidc, fake_oidc

NOW_MS = 1_764_000_000_000.0
ENVIRON = {"AUTH_GITHUB_ID": "id", "AUTH_GITHUB_SECRET": "s3cret", "AUTH_ACME_ID": "id", "AUTH_ACME_SECRET": "s3cret"}
DECLARED = '[server]\nsite_origin = "https://site.example.com"\n[auth]\nproviders = ["github"]\n'


def known(id: str, settings: Settings, callback: str) -> Trial:
    return Trial(True, formatdate(NOW_MS / 1_000, usegmt=True))


def looked(root: Path, text: str, attempt: object = known, environ: dict[str, str] = ENVIRON) -> list[Finding]:
    (root / "joelclaw.toml").write_text(text)
    return list(check_providers(load_config(root, environ), environ, NOW_MS, attempt))  # type: ignore[arg-type]


def said(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.said) for finding in findings]


@pytest.fixture(scope="module")
def github() -> Iterator[FakeGithub]:
    with fake_github() as serving:
        yield serving


@pytest.fixture(scope="module")
def oidc() -> Iterator[FakeOidc]:
    with fake_oidc() as serving:
        yield serving


def test_one_provider_is_looked_at_beside_one_that_is_none(tmp_path: Path) -> None:
    """What is wrong with another declaration is told elsewhere, and hides nothing."""
    [finding] = looked(tmp_path, DECLARED.replace('"github"', '"github", "gitub"'), environ={})
    assert finding.level == "warning"
    assert "a page of `joelclaw dev` answers in its place" in finding.said


def test_the_callback_to_register_is_said(tmp_path: Path) -> None:
    """For each provider; plain http is for loopback alone."""
    assert said(looked(tmp_path, DECLARED)) == [
        ("ok", "register the callback https://site.example.com/api/auth/callback/github"),
        ("ok", "github is reached, and accepts the client id and secret"),
    ]
    local = looked(tmp_path, '[auth]\nproviders = ["github"]\n')
    assert (
        local[0].said == "for this machine alone, register the callback http://127.0.0.1:3211/api/auth/callback/github"
    )
    elsewhere = '[server]\nallowed_origins = ["http://localhost:3000", "https://example.com"]\n'
    [first, *_] = looked(tmp_path, f'{elsewhere}[auth]\nproviders = ["github"]\n')
    assert first.level == "problem"
    assert first.said.startswith("whoever signs in on https://example.com would come back to their own machine")
    assert first.said.endswith("the callback is http://127.0.0.1:3211/api/auth/callback/github")
    assert "server.site_origin" in first.advice
    [first, *_] = looked(tmp_path, DECLARED.replace("https", "http"))
    assert first.level == "problem"
    assert "server.site_origin" in first.advice


def test_other_methods_are_not_looked_at(tmp_path: Path) -> None:
    """A password has no provider."""
    assert looked(tmp_path, '[auth]\nproviders = ["password"]\n') == []


def test_a_secret_that_is_nowhere_is_a_problem(tmp_path: Path) -> None:
    """With the variable to export, and the line on which the provider is named."""
    [finding] = looked(tmp_path, DECLARED, environ={"AUTH_GITHUB_ID": "id"})

    assert finding.level == "problem"
    assert finding.said.startswith("joelclaw.toml:4: signing in with github needs its client_secret")
    assert "AUTH_GITHUB_SECRET" in finding.said


def test_a_provider_without_either_is_for_development(tmp_path: Path) -> None:
    """A page answers in its place there; the doctor says so, what to register, and what to export."""
    [finding] = looked(tmp_path, DECLARED, environ={})

    assert (finding.level, finding.said) == (
        "warning",
        "github does not know this deployment: a page of `joelclaw dev` answers in its place, `serve` does not start",
    )
    assert finding.advice == (
        "register the callback https://site.example.com/api/auth/callback/github there, "
        "and export AUTH_GITHUB_ID and AUTH_GITHUB_SECRET"
    )


def test_a_clock_that_differs_is_a_problem(tmp_path: Path) -> None:
    """By what the provider's answer says of the time, in either direction."""

    def at(offset_s: float) -> list[Finding]:
        date = formatdate(NOW_MS / 1_000 - offset_s, usegmt=True)
        return looked(tmp_path, DECLARED, lambda *_: Trial(True, date))[2:]

    assert at(25) == at(-25) == []
    [ahead], [behind] = at(90), at(-90)
    assert ahead.said == "this machine's clock is 90 s ahead of the provider's"
    assert behind.said == "this machine's clock is 90 s behind the provider's"
    assert looked(tmp_path, DECLARED, lambda *_: Trial(True, "yesterday"))[2:] == []


def test_a_provider_that_cannot_be_asked_is_a_problem(tmp_path: Path) -> None:
    """With what went wrong; plain http is told as well."""

    def fails(*_: object) -> Trial:
        raise ProviderFailed("https://github.com/login/oauth/access_token", "did not answer within 10 s")

    assert said(looked(tmp_path, DECLARED, fails))[1] == (
        "problem",
        "https://github.com/login/oauth/access_token did not answer within 10 s",
    )
    plain = looked(tmp_path, f'{DECLARED}[auth.sign_in.github]\nbase_url = "http://github.corp.example"\n')
    assert plain[1].said == "base_url is http://github.corp.example, which works in development alone"


@pytest.mark.parametrize(("secret", "level"), [("right", "ok"), ("wrong", "problem")])
def test_github_is_tried_with_a_code_that_is_nobodys(
    tmp_path: Path, github: FakeGithub, secret: str, level: str
) -> None:
    """`bad_verification_code` means that it knows us, `incorrect_client_credentials` that it does not."""
    github.reset()
    given = github.client_secret if secret == "right" else "s3cret"
    environ = {"AUTH_GITHUB_ID": github.client_id, "AUTH_GITHUB_SECRET": given}
    text = f'{DECLARED}[auth.sign_in.github]\nbase_url = "{github.base_url}"\nprivate_network = true\n'

    findings = looked(tmp_path, text, over_the_network, environ)

    [verdict] = [finding for finding in findings if "client id and secret" in finding.said]
    assert verdict.level == level
    assert given not in str(findings)
    assert len(github.journal.at("/login/oauth/access_token")) == 1


@pytest.mark.parametrize(("secret", "level"), [("right", "ok"), ("wrong", "problem")])
def test_an_openid_provider_is_discovered_and_tried(tmp_path: Path, oidc: FakeOidc, secret: str, level: str) -> None:
    """`invalid_grant` and `invalid_client`, by the endpoint that discovery names."""
    oidc.reset()
    environ = {
        "AUTH_ACME_ID": oidc.client_id,
        "AUTH_ACME_SECRET": oidc.client_secret if secret == "right" else "s3cret",
    }
    text = (
        '[auth]\nproviders = ["acme"]\n'
        f'[auth.sign_in.acme]\ntype = "oidc"\nissuer = "{oidc.issuer}"\nprivate_network = true\n'
    )

    findings = looked(tmp_path, text, over_the_network, environ)

    [verdict] = [finding for finding in findings if "client id and secret" in finding.said]
    assert verdict.level == level


def test_an_issuer_that_describes_another_is_a_problem(tmp_path: Path, oidc: FakeOidc) -> None:
    """Discovery is believed only of the issuer that was declared."""
    oidc.reset()
    oidc.switch(discovery="wrong_issuer")
    text = (
        '[auth]\nproviders = ["acme"]\n'
        f'[auth.sign_in.acme]\ntype = "oidc"\nissuer = "{oidc.issuer}"\nprivate_network = true\n'
    )

    findings = looked(tmp_path, text, over_the_network)

    assert findings[-1].level == "problem"
    assert "describes another issuer" in findings[-1].said


def test_a_provider_that_says_nothing_of_credentials_is_a_warning(tmp_path: Path) -> None:
    """An answer that is neither is no proof."""
    findings = looked(tmp_path, DECLARED, lambda *_: Trial(None, None))

    assert said(findings)[1][0] == "warning"
