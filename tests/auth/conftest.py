"""Fixtures: deployments on a clock that is moved, and providers on loopback."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from joelclaw.auth.oauth.settings import Settings
from joelclaw.functions.sign_in import SignIn, provider_field
from tests.auth.fake_github import FakeGithub, fake_github
from tests.auth.fake_oidc import FakeOidc, fake_oidc
from tests.auth.journey import SITE, Journey
from tests.functions.deployment import deploy

Start = Callable[..., Journey]


@pytest.fixture(scope="module")
def github_serving() -> Iterator[FakeGithub]:
    with fake_github(callback=f"{SITE}/api/auth/callback/github") as serving:
        yield serving


@pytest.fixture(scope="module")
def oidc_serving() -> Iterator[FakeOidc]:
    with fake_oidc() as serving:
        yield serving


@pytest.fixture
def github(github_serving: FakeGithub) -> FakeGithub:
    """A GitHub where nothing is wrong yet."""
    github_serving.reset()
    return github_serving


@pytest.fixture
def oidc(oidc_serving: FakeOidc) -> FakeOidc:
    """An OpenID provider where nothing is wrong yet."""
    oidc_serving.reset()
    return oidc_serving


@pytest.fixture
def start(tmp_path: Path, github_serving: FakeGithub, oidc_serving: FakeOidc) -> Iterator[Start]:
    """Makes a deployment that signs people in at these providers."""
    made: list[Journey] = []

    def make(
        settings: dict[str, Settings],
        *,
        files: dict[str, str] | None = None,
        total_s: float = 60.0,
        development: bool = True,
        hook: str | None = None,
    ) -> Journey:
        fills = tuple(map(provider_field, settings)) if len(settings) == 1 else ()
        app = deploy(tmp_path, files or {"nothing.py": ""}, sign_in=SignIn(issuer=SITE, hook=hook, fills=fills))
        github_serving.clock = oidc_serving.clock = app.hooks.time
        made.append(Journey(app, settings, total_s=total_s, development=development))
        return made[-1]

    yield make
    for journey in made:
        journey.close()
        journey.app.close()
