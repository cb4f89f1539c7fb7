"""The site as it is deployed: built files behind the repository's own Caddyfile."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.auth.fake_github import FakeGithub
from tests.conformance.deadline import PATIENCE_S
from tests.ports import free_port
from tests.site.building import ROOT
from tests.site.conftest import Deploy, Visit

ARTICLE = "/articles/what-a-page-knows/"


@pytest.fixture
def caddy(deploy: Deploy, built_site: Path, tmp_path: Path) -> Iterator[str]:
    """The origin of the site behind Caddy, which a deployment knows; no name of the internet, no certificate."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    deployment = deploy(origins=[origin])
    files = shutil.copytree(built_site, tmp_path / "files")
    (files / "deployment.js").write_text(f'globalThis.deployment = {{ url: "{deployment.url}" }};')
    text = (ROOT / "deploy" / "Caddyfile").read_text("utf-8").replace("\tservers {", "\tadmin off\n\tservers {", 1)
    text = text.replace("\njoelclaw.com {", f"\n{origin} {{", 1)
    for name in ("convex", "convex-site"):
        text = text.replace(f"\n{name}.joelclaw.com {{", f"\nhttp://127.0.0.1:{free_port()} {{", 1)
    (tmp_path / "Caddyfile").write_text(text, "utf-8")
    process = subprocess.Popen(
        [Path(sys.executable).parent / "caddy", "run", "--config", tmp_path / "Caddyfile"],
        env={
            "HOME": str(tmp_path),
            "SITE_FILES": str(files),
            "CONVEX_ORIGINS": f"{deployment.url} {deployment.url.replace('http', 'ws', 1)}",
        },
        stderr=subprocess.PIPE,
    )
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    try:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if b"serving initial configuration" in line:
                break
        else:
            pytest.fail(f"Caddy did not start:\n{b''.join(said).decode()}")
        watchdog.cancel()
        yield origin
    finally:
        watchdog.cancel()
        process.terminate()
        process.communicate()


def test_pages_are_served_and_work(caddy: str, github: FakeGithub, visitor: Visit) -> None:
    """Behind Caddy, under the policy that it sends, pages are live: nothing that they do is forbidden to them."""
    page = visitor("ann", ARTICLE, origin=caddy)
    page.sign_in(github, "ann", "Ann Arbor")
    page.rename("Ann Arbor", "Ann")
    page.follow("Stats")
    page.reads("Stats", "h1")
    assert page.path == "/stats/"


def test_what_may_be_kept_is_said(caddy: str) -> None:
    """Files that are named after their content are kept for ever; pages and where the backend is are asked for anew."""
    with httpx.Client(base_url=caddy) as client:
        page = client.get(ARTICLE, headers={"Accept-Encoding": "gzip"})
        script = next(part for part in page.text.split('"') if part.startswith("/_next/static/"))
        assert "immutable" in client.get(script).headers["cache-control"]
        for path in (ARTICLE, "/deployment.js", "/"):
            assert client.get(path).headers["cache-control"] == "no-cache"
        assert page.headers["content-encoding"] == "gzip"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


def test_what_is_not_there_has_a_page(caddy: str) -> None:
    """An address that leads nowhere is answered with 404, and the site's own page."""
    answer = httpx.get(f"{caddy}/articles/no-such-thing/")

    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


def test_an_article_needs_no_slash(caddy: str) -> None:
    """The address as one types it leads to the page."""
    answer = httpx.get(f"{caddy}{ARTICLE.rstrip('/')}", follow_redirects=True)

    assert answer.status_code == 200
    assert answer.url.path == ARTICLE
