"""
The main job, from end to end: `joelclaw dev` on this repository's own app, its site in Chromium.

Pictures of what the page looks like are left in `tests/artifacts/`.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.codegen.compiler import diagnostics
from tests.conformance.browser import Page
from tests.conformance.conftest import ROOT, Start, static_origin
from tests.conformance.deployment import Server, declare
from tests.conformance.remote import Remote
from tests.saving import save

ARTIFACTS = ROOT / "tests" / "artifacts"

PROBE = """\
import { useQuery } from "convex/react";
import { api } from "../convex/_generated/api";

export function useLoudness(): number | undefined {
  return useQuery(api.chat.loudness, { threshold: 3 });
}
"""

NEW_QUERY = '''

@query(allow=anyone)
def loudness(ctx: QueryCtx, threshold: int) -> int:
    """Rooms with more messages than that."""
    return sum(room.messages > threshold for room in ctx.db.query(Room))
'''


@pytest.fixture
def project(node_modules: Path, tmp_path: Path) -> Path:
    """A copy of the app and the site, as a clone would have them."""
    project = tmp_path / "project"
    project.mkdir()
    for name in ("joelclaw.toml", "schema.py"):
        shutil.copy(ROOT / name, project / name)
    ignored = shutil.ignore_patterns("__pycache__", "node_modules", "dist", "_generated")
    for name in ("app_functions", "site"):
        shutil.copytree(ROOT / name, project / name, ignore=ignored)
    (project / "site" / "node_modules").symlink_to(node_modules)
    declare(project, "api_port", "0")
    return project


@pytest.fixture
def dev(project: Path) -> Iterator[Server]:
    """`joelclaw dev` on it."""
    server = Server([sys.executable, "-m", "joelclaw.cli", "dev"], project)
    yield server
    server.stop()


@pytest.fixture
def url(dev: Server) -> str:
    return dev.tells("  clients: ")


@pytest.fixture
def origin(project: Path, url: str) -> Iterator[str]:
    """Where the site is served, built for this deployment."""
    site = project / "site"
    environment = os.environ | {"VITE_CONVEX_URL": url}
    vite = site / "node_modules" / ".bin" / "vite"
    subprocess.run([vite, "build", "--logLevel", "warn"], cwd=site, env=environment, check=True)
    with static_origin(site / "dist") as origin:
        yield origin


def test_the_page_changes(project: Path, dev: Server, url: str, origin: str, browser: Remote, node: Start) -> None:
    """
    A page subscribes, mutates and follows; files change under it, and its one socket stays.

    Types are written for the site at the start, and follow a change of the functions.
    """
    site = project / "site"
    comments = project / "app_functions" / "comments.py"
    other = node(url)
    room = other.mutation("chat:openRoom", slug="lobby", title="The lobby")
    for number in range(20):
        other.mutation("chat:send", room=room, body=f"number {number}", name="Ann")
    page = Page(browser, "site", origin)
    page.until("document.body.innerText.includes('live')")
    assert diagnostics(site) == []

    # Another client writes, and the page shows it.
    anchor = {"paragraph": "told", "quote": "This one is told."}
    comment = {"article": "what-a-page-knows", "anchor": anchor, "body": "So it is.", "name": "Ann"}
    other.mutation("comments:add", **comment)
    until_text(page, ".comment", "So it is.")
    until_text(page, ".byline", "1 in the margin, 1 open")

    # The page writes, and the other client is told.
    other.subscribe("rooms", "chat:rooms")
    page.until("document.querySelectorAll('.messages li').length === 12")
    page.fill("You are", "Ben")
    page.write("Say something", "Hello from the page.")
    other.wait_for("rooms", lambda rooms: rooms[0]["messages"] == 21)
    until_text(page, ".messages", "Hello from the page.")
    page.until("document.querySelectorAll('.messages li').length === 13")
    page.click("Earlier")
    until_text(page, ".messages", "number 0")

    # The command line is the recorder of a call, which nobody else may be.
    call = {"key": "k1", "title": "Office hours", "state": "talking"}
    run(project, url, "calls:heartbeat", call)
    until_text(page, ".calls", "Office hours")

    # A file is saved, and the page changes.
    told = dev.lines
    replace(comments, "article=article).take(limit)", "article=article).take(limit)[:0]")
    dev.tells("live: ", after=told)
    page.until("document.querySelectorAll('.comment').length === 0")
    told = dev.lines
    replace(comments, ".take(limit)[:0]", ".take(limit)")
    dev.tells("live: ", after=told)
    until_text(page, ".comment", "So it is.")

    # A mistake changes nothing, and is told.
    told = dev.lines
    replace(comments, "article=article).take(limit)", "artcle=article).take(limit)")
    assert "did you mean 'article'?" in dev.tells("app_functions/comments.py:", after=told)
    other.mutation("comments:add", **comment | {"body": "Still here."})
    until_text(page, ".margin", "Still here.")
    told = dev.lines
    replace(comments, "artcle=article", "article=article")
    dev.tells("live: ", after=told)

    # Types follow.
    (site / "src" / "probe.ts").write_text(PROBE)
    assert ["loudness" in error.text for error in diagnostics(site)] == [True]
    told = dev.lines
    chat = project / "app_functions" / "chat.py"
    save(chat, chat.read_text() + NEW_QUERY)
    assert "site/convex/_generated/api.d.ts" in dev.tells("live: ", after=told)
    assert diagnostics(site) == []
    assert other.query("chat:loudness", threshold=3) == 1

    run(project, url, "calls:heartbeat", call)
    take_pictures(page)
    assert page.sockets["opened"] == 1
    assert page.sockets["closed"] == 0
    page.close()


def until_text(page: Page, selector: str, text: str) -> None:
    """Wait until one of the elements contains this text."""
    words = json.dumps(text)
    page.until(f"[...document.querySelectorAll('{selector}')].some((it) => it.textContent.includes({words}))")


def replace(file: Path, old: str, new: str) -> None:
    """Edit a file as one would by hand."""
    text = file.read_text()
    assert old in text
    save(file, text.replace(old, new, 1))


def run(project: Path, url: str, function: str, args: dict[str, str]) -> None:
    """`joelclaw run`, which finds the admin key where `joelclaw dev` keeps it."""
    command = [sys.executable, "-m", "joelclaw.cli", "run", function, json.dumps(args), "--url", url]
    subprocess.run(command, cwd=project, check=True, capture_output=True)


def take_pictures(page: Page) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    for device, width, height in (("phone", 390, 844), ("desktop", 1280, 900)):
        for scheme in ("light", "dark"):
            path = str(ARTIFACTS / f"site-{device}-{scheme}.png")
            page.screenshot(path, width=width, height=height, scheme=scheme)
