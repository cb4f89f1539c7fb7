"""
Destinations: where a sign-in may end. A code is handed over there, so it must be the app and nobody else.

Allowed are the origins that `server.allowed_origins` and `[auth] redirects` list, any path of them; addresses of
apps (`myapp://auth`), as they are listed or with more behind; in development, every origin of this machine.
Nothing else: an address is taken apart and its parts are compared, never its text.

What a client asks for is checked when the sign-in begins, before anything is written or mailed. Without a wish,
or with a relative one, it is the page that asks, if that is allowed, and otherwise the first origin of the list. What a
request says of its own host counts for nothing.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, NoReturn
from urllib.parse import SplitResult, urlsplit

from joelclaw.errors import SignInRefused

LENGTH_MAX: Final = 2_048
DEVELOPMENT_DEFAULT: Final = "http://localhost:3000"

_PLAIN: Final = re.compile(r"[!-\[\]-~]+")
"""Printable ASCII without a backslash, which browsers take for a slash."""

_WEB: Final = frozenset({"http", "https"})
_PORTS: Final = {"http": 80, "https": 443}
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class _Origin(NamedTuple):
    scheme: str
    host: str
    port: int


class Destinations:
    """The rule of one deployment."""

    def __init__(self, origins: Iterable[str], redirects: Iterable[str] = (), *, development: bool) -> None:
        listed = [*origins, *redirects]
        web = [text for text in listed if urlsplit(text).scheme.lower() in _WEB]
        self._first = web[0].rstrip("/") if web else DEVELOPMENT_DEFAULT if development else None
        self._origins = {origin for origin in map(_origin_of, map(urlsplit, web)) if origin is not None}
        self._apps = [urlsplit(text) for text in listed if text not in web]
        self._development = development

    def __call__(self, asked: Any, page: str | None) -> str:
        """
        Where a sign-in ends, by what its client asks for and the page that it is on.

        Raises:
            SignInRefused: It may not end there.
        """
        if asked is None or asked == "":
            return self._base(page)
        if not isinstance(asked, str) or len(asked) > LENGTH_MAX or _PLAIN.fullmatch(asked) is None:
            _refuse(asked)
        if asked.startswith(("/", "?")):
            if asked.startswith("//"):
                _refuse(asked)
            return self._base(page) + asked
        try:
            parts = urlsplit(asked)
            allowed = self._allows(parts)
        except ValueError:  # A port or an address that is none.
            allowed = False
        return asked if allowed else _refuse(asked)

    def allows_page(self, page: str | None) -> bool:
        """May a sign-in end on this page's origin?"""
        if page is None or len(page) > LENGTH_MAX or _PLAIN.fullmatch(page) is None:
            return False
        try:
            return self._allows(urlsplit(page))
        except ValueError:
            return False

    def _base(self, page: str | None) -> str:
        if page is not None and self.allows_page(page):
            return page.rstrip("/")
        if self._first is None:
            raise SignInRefused(
                "INVALID_REDIRECT",
                "Invalid `redirectTo`: this deployment does not know where its site is; "
                "list its origin in server.allowed_origins of joelclaw.toml",
            )
        return self._first

    def _allows(self, parts: SplitResult) -> bool:
        if "@" in parts.netloc:
            return False
        if parts.scheme not in _WEB:
            return any(_is_below(parts, app) for app in self._apps)
        origin = _origin_of(parts)
        if origin is None:
            return False
        return origin in self._origins or (self._development and origin.host in _LOOPBACK)


def _origin_of(parts: SplitResult) -> _Origin | None:
    if parts.hostname is None:
        return None
    return _Origin(parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme])


def _is_below(parts: SplitResult, app: SplitResult) -> bool:
    """The listed address itself, or one that goes on from it; a scheme alone (`exp://`) is the whole of it."""
    if parts.scheme != app.scheme:
        return False
    if not app.netloc and app.path in ("", "/"):
        return True
    if parts.netloc.lower() != app.netloc.lower():
        return False
    path = app.path.rstrip("/")
    return ".." not in parts.path.split("/") and (parts.path == path or parts.path.startswith(f"{path}/"))


def _refuse(asked: Any) -> NoReturn:
    if not isinstance(asked, str):
        raise SignInRefused("INVALID_REDIRECT", "Invalid `redirectTo`: write an address, as text")
    raise SignInRefused("INVALID_REDIRECT", f"Invalid `redirectTo` {asked!r:.200}: it is not on the list of this app")
