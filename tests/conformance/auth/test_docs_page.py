"""What docs/auth.md shows, followed step by step: its declaration, functions and page, GitHub's double, Chromium."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.auth.fake_github import FakeGithub
from tests.conformance.auth.conftest import Visit
from tests.conformance.conftest import ROOT, static_origin
from tests.conformance.deployment import Deployment
from tests.ports import free_port

TEXT = (ROOT / "docs" / "auth.md").read_text("utf-8")
ARTIFACTS = ROOT / "tests" / "artifacts"


def block(language: str) -> str:
    """The first example in a language."""
    found = re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def documented(github: FakeGithub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """The page's project, with another GitHub and on other ports."""
    project = tmp_path / "project"
    (project / "app_functions").mkdir(parents=True)
    for name, code in re.findall(r"```python\n# (\S+\.py)\n(.*?)```", TEXT, re.DOTALL):
        (project / name).write_text(code)
    elsewhere = f'[auth.sign_in.github]\nbase_url = "{github.base_url}"\nprivate_network = true\n'
    ports = f"[server]\napi_port = {free_port()}\nsite_port = {free_port()}\n"
    (project / "joelclaw.toml").write_text(f"{block('toml')}\n{elsewhere}\n{ports}")
    monkeypatch.setenv("AUTH_GITHUB_ID", github.client_id)
    monkeypatch.setenv("AUTH_GITHUB_SECRET", github.client_secret)
    deployment = Deployment(project, development=True)
    deployment.start()
    yield deployment
    deployment.server.stop()


@pytest.fixture
def origin(documented: Deployment, node_modules: Path, tmp_path: Path) -> Iterator[str]:
    """Where its page is served."""
    page = tmp_path / "page"
    (page / "src").mkdir(parents=True)
    (page / "node_modules").symlink_to(node_modules)
    (page / "src" / "main.tsx").write_text(block("tsx").replace("http://127.0.0.1:3210", documented.url))
    (page / "index.html").write_text(
        '<!doctype html><link rel="icon" href="data:," /><div id="root"></div>'
        '<script type="module" src="/src/main.tsx"></script>'
    )
    (page / "tsconfig.json").write_text('{ "compilerOptions": { "jsx": "react-jsx" } }')
    command = [node_modules / ".bin" / "vite", "build", "--logLevel", "error"]
    subprocess.run(command, cwd=page, check=True)
    with static_origin(page / "dist") as address:
        yield address


def test_the_page_on_sign_in_does_what_it_says(origin: str, visit: Visit) -> None:
    """Its button signs in with GitHub and comes back; notes are kept; signing out shows the button again."""
    page = visit(origin)
    page.until("document.querySelector('button')?.innerText === 'Sign in with GitHub'")
    page.click("Sign in with GitHub")
    page.until("document.body.innerText.includes('Sign out')")
    page.click("Note the time")
    page.until("document.querySelectorAll('li').length === 1")
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(str(ARTIFACTS / "sign-in-docs.png"), width=800, height=400, scheme="light")
    page.click("Sign out")
    page.until("document.querySelector('button')?.innerText === 'Sign in with GitHub'")
