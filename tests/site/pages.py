"""Pages of the site in Chromium, and what visitors do there."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.auth.fake_github import FakeGithub
from tests.conformance.browser import Page
from tests.conformance.remote import Remote
from tests.site.deployments import OWNER, let_in

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "tests" / "artifacts"
AXE = ROOT / "site" / "node_modules" / "axe-core" / "axe.min.js"

DEVICES = {"phone": (390, 844), "desktop": (1280, 900)}
SCHEMES = ("light", "dark")


class Visitor(Page):
    """Somebody with a browser of their own, on a page of the site."""

    def __init__(self, browser: Remote, name: str, origin: str, path: str = "/", **window: Any) -> None:
        self._origin = origin
        super().__init__(browser, name, f"{origin}{path}", trusting=True, **window)

    # -- going around

    def visit(self, path: str) -> None:
        """Load a page of the site."""
        self.goto(f"{self._origin}{path}")

    def follow(self, link: str) -> None:
        self.choose("link", link)

    @property
    def path(self) -> str:
        return self.url.removeprefix(self._origin)

    def select(self, words: str) -> None:
        """Mark words of the article."""
        self.evaluate(_SELECT.replace("WORDS", json.dumps(words)))

    # -- what is shown

    def reads(self, text: str, within: str = "body") -> None:
        """Wait until a text is shown in an element of this kind."""
        self.until(_shows(text, within))

    def no_longer_reads(self, text: str, within: str = "body") -> None:
        self.until(f"!({_shows(text, within)})")

    def counts(self, selector: str, number: int) -> None:
        """Wait until there are so many elements of this kind."""
        self.until(f"document.querySelectorAll({json.dumps(selector)}).length === {number}")

    # -- who it is

    def sign_in(self, github: FakeGithub, login: str, name: str | None = None) -> None:
        """With GitHub; come back to the page."""
        let_in(github, login, name or login.capitalize())
        self.click("Sign in")
        self.click("Sign in with GitHub")
        self.reads(name or login.capitalize(), "header")

    def settles(self) -> None:
        """
        Wait until the token was renewed, which the client has done at once after a sign-in or a load.

        Before a server is stopped: if it goes away in between, the client says so with an error that nobody catches.
        Not for one of two tabs: the other may have done it.
        """
        self.until(_RENEWED)

    def sign_in_as_owner(self, github: FakeGithub) -> None:
        self.sign_in(github, OWNER, "Joel Hooks")
        self.reads("Dashboard", "header")

    def come_in(self, name: str) -> None:
        """As a guest."""
        self.click("Sign in")
        self.fill("Your name", name)
        self.click("Come in as a guest")
        self.reads(" ".join(name.split()), "header")

    def stay_with_github(self, github: FakeGithub, login: str, name: str) -> None:
        """A guest becomes a reader."""
        let_in(github, login, name)
        self.click("Signed in as")
        self.click("Stay, with GitHub")
        self.reads(name, "header")

    def rename(self, name: str, other: str) -> None:
        self.start_renaming(name, other)
        self.reads(other, "header")

    def start_renaming(self, name: str, other: str) -> None:
        """Ask to be called otherwise, and wait for nothing."""
        self.click(f"Signed in as {name}")
        self.fill("Your name", other)
        self.click("Change it")

    def sign_out(self, name: str) -> None:
        self.click(f"Signed in as {name}")
        self.click("Sign out")
        self.reads("Sign in", "header")

    # -- how it looks

    def take_pictures(self, name: str) -> None:
        """On a phone and a desk, light and dark, into `tests/artifacts/`."""
        ARTIFACTS.mkdir(exist_ok=True)
        for device, (width, height) in DEVICES.items():
            for scheme in SCHEMES:
                path = str(ARTIFACTS / f"{name}-{device}-{scheme}.png")
                self.screenshot(path, width=width, height=height, scheme=scheme)

    def window_picture(self, path: Path) -> None:
        """What is in the window as it is."""
        self._do("screenshot", path=str(path), fullPage=False)

    def resize(self, device: str, scheme: str = "light") -> None:
        width, height = DEVICES[device]
        self._do("emulate", width=width, height=height, scheme=scheme)

    def is_accessible(self) -> None:
        """What can be found by rules (WCAG 2.2, A and AA), on both devices and in both schemes."""
        self.evaluate(f"{AXE.read_text()}\n;0")
        for device in DEVICES:
            for scheme in SCHEMES:
                self.resize(device, scheme)
                found = self.evaluate(_AXE_RUN)
                if found:
                    pytest.fail(f"{self.path} on a {device}, {scheme}:\n" + "\n".join(found))


_SELECT = """
{
  const walker = document.createTreeWalker(document.querySelector("[data-article]"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode() && !walker.currentNode.data.includes(WORDS));
  const start = walker.currentNode.data.indexOf(WORDS);
  getSelection().setBaseAndExtent(walker.currentNode, start, walker.currentNode, start + WORDS.length);
}
0
"""

_RENEWED = """
performance.getEntriesByType("resource").some((it) => it.name.endsWith("/api/action") && it.responseEnd > 0)
"""

# What fades in is judged when it is there.
_AXE_RUN = """
Promise.all(
  document.getAnimations().filter((it) => it.effect.getComputedTiming().endTime !== Infinity).map((it) => it.finished)
).then(() =>
  axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })
).then(
  ({ violations }) => violations.flatMap(({ id, help, nodes }) =>
    nodes.map((node) => `${id}: ${help}: ${node.html.slice(0, 200)} ${node.any.map((one) => one.message).join("; ")}`)))
"""


def _shows(text: str, within: str) -> str:
    elements = f"[...document.querySelectorAll({json.dumps(within)})]"
    return f"{elements}.some((it) => it.innerText.includes({json.dumps(text)}))"
