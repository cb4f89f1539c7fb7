"""
The built site in Chromium, on a real deployment of the app.

    def test_a_guest_comes_in(visitor: Visit) -> None:
        gus = visitor("gus", "/chat/")
        gus.come_in("Gus")

`deployment` is there as soon as a test asks for it or for a visitor; each test has its own, with an empty database.
`deploy` makes one that is started otherwise.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.auth.certificates import Certificate, self_signed
from tests.auth.fake_github import FakeGithub, fake_github
from tests.conformance.browser import chromium
from tests.conformance.remote import Remote
from tests.site.building import SITE, build, install
from tests.site.deployments import SiteDeployment
from tests.site.pages import Visitor
from tests.site.serving import ServedSite, served_site

Deploy = Callable[..., SiteDeployment]
Visit = Callable[..., Visitor]


@pytest.fixture(scope="session")
def built_site() -> Path:
    """The files of the site, built as they are deployed."""
    return build()


@pytest.fixture(scope="session")
def site_modules() -> Path:
    """The installed packages of `site/package.json`."""
    install()
    return SITE / "node_modules"


@pytest.fixture(scope="session")
def served(built_site: Path) -> Iterator[ServedSite]:
    """Where the site is; `served.point_to` says which deployment its pages talk to."""
    with served_site(built_site) as site:
        yield site


@pytest.fixture(scope="session")
def browser(node_modules: Path) -> Iterator[Remote]:
    """A Chromium, for all tests of this process."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def github(certificate: Certificate) -> Iterator[FakeGithub]:
    """A GitHub that lets in whoever comes; over TLS, without which production asks nobody."""
    with fake_github(certificate) as serving:
        yield serving


@pytest.fixture
def deploy(served: ServedSite, github: FakeGithub, certificate: Certificate, tmp_path: Path) -> Iterator[Deploy]:
    """Starts the app, and has pages talk to it: `deploy(env={...}, development=True)`."""
    running: list[SiteDeployment] = []

    def start(*, origins: Sequence[str] = (), **options: object) -> SiteDeployment:
        project = tmp_path / f"project{len(running)}"
        known = [served.origin, *origins]
        running.append(SiteDeployment(project, github, certificate, known, **options))  # type: ignore[arg-type]
        running[-1].start()
        served.point_to(running[-1].url)
        return running[-1]

    yield start
    for deployment in running:
        deployment.server.stop()


@pytest.fixture
def deployment(deploy: Deploy) -> SiteDeployment:
    """`joelclaw serve` on this repository's app, for this test alone."""
    return deploy()


@pytest.fixture
def visitor(browser: Remote, served: ServedSite, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """Opens a page in a browser of its own: `visitor("ann", "/chat/")`. The test says which deployment there is."""
    pages: list[Visitor] = []

    def open_page(name: str, path: str = "/", *, origin: str | None = None, **window: object) -> Visitor:
        pages.append(Visitor(browser, f"{request.node.name} {name}", origin or served.origin, path, **window))
        return pages[-1]

    yield open_page
    for page in pages:
        page.close()
