"""Deployments that sign people in, a page with the shipped provider, a fake GitHub, a mail server."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.auth.fake_github import FakeGithub, fake_github
from tests.conformance.auth.deployment import SignInDeployment, Site, copy_page
from tests.conformance.auth.mailbox import Mailbox
from tests.conformance.browser import Page
from tests.conformance.conftest import static_origin
from tests.conformance.remote import Remote

PAGE = Path(__file__).parent / "page"
SHORT = "11s"
"""How long tokens hold where renewals are awaited: the client renews ten seconds before the end."""

Visit = Callable[..., Page]


@pytest.fixture(scope="session")
def github() -> Iterator[FakeGithub]:
    """A GitHub that approves of everybody, who is always the same."""
    with fake_github() as serving:
        yield serving


@pytest.fixture(scope="session")
def mailbox() -> Iterator[Mailbox]:
    taking = Mailbox()
    yield taking
    taking.close()


@pytest.fixture(scope="session")
def built_page(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test page, built."""
    built = tmp_path_factory.mktemp("sign-in-page") / "built"
    subprocess.run([node_modules / ".bin" / "vite", "build", "--outDir", built], cwd=PAGE, check=True)
    return built


@pytest.fixture(scope="session")
def site(built_page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The page, talking to the deployment that tests share."""
    folder = copy_page(built_page, tmp_path_factory.mktemp("site") / "files")
    with static_origin(folder) as origin:
        yield Site(folder, origin)


@pytest.fixture
def own_site(built_page: Path, tmp_path: Path) -> Iterator[Site]:
    """The page, for a test that has a deployment of its own."""
    folder = copy_page(built_page, tmp_path / "site")
    with static_origin(folder) as origin:
        yield Site(folder, origin)


@pytest.fixture(scope="session")
def signing_in(
    github: FakeGithub, mailbox: Mailbox, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SignInDeployment]:
    """A deployment that tests share; whoever signs in has an address of their own."""
    project = tmp_path_factory.mktemp("sign-in") / "project"
    shared = SignInDeployment(project, github, mailbox.url, [site.origin], development=True)
    shared.start()
    site.point_to(shared.url)
    yield shared
    shared.server.stop()


@pytest.fixture
def own(github: FakeGithub, mailbox: Mailbox, own_site: Site, tmp_path: Path) -> Iterator[SignInDeployment]:
    """A deployment whose tokens hold shortly, for a test that restarts it or cuts it off."""
    mine = SignInDeployment(tmp_path / "project", github, mailbox.url, [own_site.origin], jwt_ttl=SHORT)
    mine.start()
    own_site.point_to(mine.url)
    yield mine
    mine.server.stop()


@pytest.fixture
def own_lasting(github: FakeGithub, mailbox: Mailbox, own_site: Site, tmp_path: Path) -> Iterator[SignInDeployment]:
    """A deployment with the usual tokens, which nobody renews while a test runs."""
    mine = SignInDeployment(tmp_path / "project", github, mailbox.url, [own_site.origin])
    mine.start()
    own_site.point_to(mine.url)
    yield mine
    mine.server.stop()


@pytest.fixture
def visit(browser: Remote, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """Opens a page in a browser of its own, or in a tab beside another page: `visit(url, beside=page)`."""
    numbers = count()
    with ExitStack() as opened:

        def open_page(url: str, *, beside: Page | None = None) -> Page:
            window = {} if beside is None else {"beside": beside.name}
            page = Page(browser, f"{request.node.name} {next(numbers)}", url, **window)
            opened.callback(page.close)
            return page

        yield open_page
