"""Pages in a real Chromium."""

import json
from typing import Any

import pytest

from tests.conformance.deadline import PATIENCE_S
from tests.conformance.remote import Remote


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
        assert self._browser.events(f"{self.name}: error") == []

    def _do(self, what: str, **request: Any) -> Any:
        return self._browser.do(what, page=self.name, **request)
