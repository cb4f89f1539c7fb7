"""The main job, from end to end: `joelclaw dev` on this repository's own app, its site open in Chromium."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.codegen.compiler import diagnostics
from tests.conformance.conftest import Start, node
from tests.conformance.deployment import Server
from tests.saving import save
from tests.site.building import copy_sources
from tests.site.conftest import Visit
from tests.site.deployments import copy_own_app, declare_server
from tests.site.serving import ServedSite

__all__ = ["node"]

PROBE = """\
import { useQuery } from "convex/react";
import { api } from "@/convex/_generated/api";

export function useGuests(): number | undefined {
  return useQuery(api.users.guests, { atMost: 3 });
}
"""

NEW_QUERY = '''

@query(allow=anyone)
def guests(ctx: QueryCtx, at_most: int) -> int:
    """How many guests there are, up to a number."""
    return sum(user.is_anonymous for user in ctx.db.query(User).take(at_most))
'''


WATCH = """
window.wasBlank = false;
new MutationObserver(() => { window.wasBlank ||= !document.querySelector("header").innerText.includes("Augustus"); })
  .observe(document.body, { childList: true, characterData: true, subtree: true });
null
"""
"""Notices if the header says no more who is here."""


@pytest.fixture
def project(site_modules: Path, tmp_path: Path) -> Path:
    """A copy of the app and the site, as a clone has them: no types are written yet."""
    project = tmp_path / "project"
    copy_own_app(project)
    copy_sources(project / "site")
    for file in (project / "site" / "convex" / "_generated").iterdir():
        file.unlink()
    (project / "site" / "node_modules").symlink_to(site_modules)
    declare_server(project / "joelclaw.toml", api_port=0, site_port=0)
    return project


@pytest.fixture
def dev(project: Path) -> Iterator[Server]:
    """`joelclaw dev` on it."""
    server = Server([sys.executable, "-m", "joelclaw.cli", "dev"], project)
    yield server
    server.stop()


@pytest.fixture
def url(dev: Server, served: ServedSite) -> str:
    url = dev.tells("  clients: ")
    served.point_to(url)
    return url


def test_the_page_changes(project: Path, dev: Server, url: str, visitor: Visit, node: Start) -> None:
    """
    A page subscribes, mutates and follows; files change under it, and its one socket stays.

    Types are written for the site at the start, and follow a change of the functions.
    """
    site, users = project / "site", project / "app_functions" / "users.py"
    assert diagnostics(site) == []

    # The page writes, and is told.
    page = visitor("gus")
    page.come_in("Gus")
    page.rename("Gus", "Augustus")

    # The command line is the recorder of a call, which nobody else may be; another client is told.
    other = node(url)
    other.subscribe("calls", "calls:live")
    run(project, url, "calls:heartbeat", {"key": "k1", "title": "Office hours"})
    other.wait_for("calls", lambda calls: [call["title"] for call in calls] == ["Office hours"])

    # A file is saved, and the page changes.
    told = dev.lines
    replace(users, "name=user.name,", "name=user.name.upper(),")
    dev.tells("live: ", after=told)
    page.reads("AUGUSTUS", "header")
    told = dev.lines
    replace(users, "name=user.name.upper(),", "name=user.name,")
    dev.tells("live: ", after=told)
    page.reads("Augustus", "header")

    # A function that fails blanks nothing; who comes meanwhile has the page without what it would have said.
    page.evaluate(WATCH)
    told = dev.lines
    replace(users, "    user = who(ctx)\n    return Me", '    raise RuntimeError("broken")\n    return Me')
    dev.tells("live: ", after=told)
    second = visitor("gus's second tab", "/stats/", beside=page.name)
    second.reads("Stats", "h1")
    second.until("document.querySelector('header button') === null")
    told = dev.lines
    replace(users, '    raise RuntimeError("broken")\n    return Me', "    user = who(ctx)\n    return Me")
    dev.tells("live: ", after=told)
    second.reads("Augustus", "header")
    assert page.evaluate("window.wasBlank") is False

    # A mistake changes nothing, and is told.
    told = dev.lines
    replace(users, "User.by_github, github_id=", "User.by_github, githubid=")
    assert "did you mean 'github_id'?" in dev.tells("app_functions/users.py:", after=told)
    page.rename("Augustus", "Gus again")
    told = dev.lines
    replace(users, "User.by_github, githubid=", "User.by_github, github_id=")
    dev.tells("live: ", after=told)

    # Types follow.
    (site / "components" / "frame" / "probe.ts").write_text(PROBE)
    assert ["guests" in error.text for error in diagnostics(site)] == [True]
    told = dev.lines
    save(users, users.read_text() + NEW_QUERY)
    assert "site/convex/_generated/api.d.ts" in dev.tells("live: ", after=told)
    assert diagnostics(site) == []
    assert other.query("users:guests", atMost=3) == 1

    page.reads("Gus again", "header")
    assert page.sockets["opened"] == 1
    assert page.sockets["closed"] == 0


def replace(file: Path, old: str, new: str) -> None:
    """Edit a file as one would by hand."""
    text = file.read_text()
    assert old in text
    save(file, text.replace(old, new, 1))


def run(project: Path, url: str, function: str, args: dict[str, str]) -> None:
    """`joelclaw run`, which finds the admin key where `joelclaw dev` keeps it."""
    command = [sys.executable, "-m", "joelclaw.cli", "run", function, json.dumps(args), "--url", url]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
