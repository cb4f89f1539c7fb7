"""Pages in a real Chromium."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.deadline import PATIENCE_S
from tests.conformance.remote import CLIENTS, Remote

FIND = Path(__file__).parents[2] / "scripts" / "find-chromium"


@contextmanager
def chromium() -> Iterator[Remote]:
    """A Chromium. Each of its pages has cookies and storage of its own."""
    found = subprocess.run([FIND], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.fail(found.stderr)
    browser = Remote(["node", str(CLIENTS / "browser.mjs"), found.stdout.strip()])
    yield browser
    browser.close()


class Page:
    """A page that is open. An error that nobody in it caught fails the test."""

    def __init__(self, browser: Remote, name: str, url: str, **window: Any) -> None:
        self._browser = browser
        self.name = name
        self._do("open", url=url, **window)

    def evaluate(self, expression: str) -> Any:
        return self._do("evaluate", expression=expression)

    def until(self, expression: str) -> None:
        """Wait until an expression is true in the page."""
        try:
            self._do("until", expression=expression, timeout_ms=PATIENCE_S * 1000 / 2)
        except Exception as error:
            shown = json.dumps(self.evaluate("window.shown?.slice(-5) ?? document.body.innerText"))
            pytest.fail(f"it never was so: {expression}\n{error}\nthe page shows: {shown}")

    def until_shown(self, condition: str) -> None:
        """Wait until `it`, what a scene shows, is so."""
        self.until(f"shown.some((it) => it !== null && ({condition}))")

    def until_showing(self, condition: str) -> None:
        """Wait until `it`, what a scene shows at last, is so."""
        self.until(f"shown.slice(-1).some((it) => it !== null && ({condition}))")

    @property
    def shown(self) -> list[Any]:
        """All that the page's scene has shown."""
        shown: list[Any] = self.evaluate("shown")
        return shown

    def act(self, name: str, *args: Any) -> Any:
        """Do what the scene offers; how it ended."""
        return self.evaluate(f"act({', '.join(map(json.dumps, (name, *args)))})")

    def start(self, name: str, *args: Any) -> None:
        """Do what the scene offers, and wait for nothing."""
        self.evaluate(f"void act({', '.join(map(json.dumps, (name, *args)))})")

    @property
    def sockets(self) -> dict[str, int]:
        sockets: dict[str, int] = self._do("sockets")
        return sockets

    def text(self, selector: str) -> list[str]:
        texts: list[str] = self._do("text", selector=selector)
        return texts

    def write(self, label: str, text: str) -> None:
        """Write into a labelled field and press Enter."""
        self.fill(label, text)
        self._do("press", key="Enter")

    def fill(self, label: str, text: str) -> None:
        self._do("fill", label=label, text=text)

    def click(self, button: str) -> None:
        self._do("click", button=button)

    def choose(self, role: str, name: str) -> None:
        """Click the first of a role with this name: a link, a tab, a check box."""
        self._do("choose", role=role, name=name)

    def press(self, key: str) -> None:
        self._do("press", key=key)

    def type(self, text: str) -> None:
        """Into whatever has the focus, key by key."""
        self._do("type", text=text)

    def focus(self, label: str) -> None:
        self._do("focus", label=label)

    def attach(self, label: str, *files: Path) -> None:
        """Choose files in a labelled field."""
        self._do("attach", label=label, files=[str(file) for file in files])

    def unplug(self) -> None:
        """Take the network from its browser."""
        self._do("unplug", unplugged=True)

    def plug_in(self) -> None:
        self._do("unplug", unplugged=False)

    def goto(self, url: str) -> None:
        self._do("goto", url=url)

    def reload(self) -> None:
        self._do("reload")

    @property
    def url(self) -> str:
        url: str = self._do("url")
        return url

    @property
    def cookies(self) -> list[dict[str, Any]]:
        """Of the whole browser."""
        cookies: list[dict[str, Any]] = self._do("cookies")
        return cookies

    def screenshot(self, path: str, *, width: int, height: int, scheme: str) -> None:
        self._do("screenshot", path=path, width=width, height=height, scheme=scheme)

    def close(self) -> None:
        self._do("close")
        errors = self._browser.events(f"{self.name}: error")
        if errors:
            pytest.fail(f"nobody in the page caught:\n{errors}")

    def _do(self, what: str, **request: Any) -> Any:
        return self._browser.do(what, page=self.name, **request)
