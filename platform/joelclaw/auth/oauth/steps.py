"""
Where a browser goes during a sign-in, and what the two addresses of a provider are.

Imports nothing: routes, and methods that send links, need no OAuth for it.
"""

from typing import Final, Protocol, runtime_checkable
from urllib.parse import quote, unquote_plus

from msgspec import Struct

SIGN_IN_PATH: Final = "/api/auth/signin/"
CALLBACK_PATH: Final = "/api/auth/callback/"


class Onward(Struct, frozen=True):
    """The browser is sent there."""

    url: str


class DeadEnd(Struct, frozen=True):
    """The browser goes nowhere by itself."""

    reason: str
    """A sentence for people, without a word of theirs in it."""

    back: str = ""
    """Where they came from, if that is known."""


class Ask(Struct, frozen=True):
    """The browser is asked who it wants to be, by a page of ours: in development alone."""

    provider: str
    action: str
    """Where the answer goes: `login`, and `email` if there is one, beside the state."""

    state: str
    asks_for: str
    """What somebody says of themselves: "Login", "Name"."""

    pattern: str = ""
    """What all of them are like, as a regular expression; none: like anything."""

    hint: str = ""
    """The same in words."""

    suggestions: tuple["Suggestion", ...] = ()


class Suggestion(Struct, frozen=True):
    """Somebody whom joelclaw.toml names."""

    login: str
    email: str
    roles: str
    """What they may do, as it is declared."""


@runtime_checkable
class Travelling(Protocol):
    """A sign-in method for which browsers leave the app and come back."""

    callback_url: str
    """What has to be registered at the provider."""

    only_here: bool
    """Browsers on this machine may do so, and no others."""

    async def close(self) -> None:
        """Ask nobody any more."""
        ...

    async def leave(self, flow: str) -> Onward | DeadEnd | Ask:
        """
        A browser has opened the address of a flow.

        Raises:
            SystemCallFailed: Nothing can be written just now.
        """
        ...

    async def come_back(self, said: dict[str, str]) -> Onward | DeadEnd:
        """
        A browser is back, and this is what the provider has given it.

        Raises:
            SystemCallFailed: Nothing can be written just now.
        """
        ...


def callback_url(site_origin: str, provider: str) -> str:
    """Where a provider sends browsers back to."""
    return f"{site_origin}{CALLBACK_PATH}{provider}"


def with_parameter(url: str, name: str, value: str) -> str:
    """An address with a parameter in its query, in place of any of that name; also where there is no authority."""
    whole, mark, fragment = url.partition("#")
    path, _, query = whole.partition("?")
    kept = [part for part in query.split("&") if part and unquote_plus(part.partition("=")[0]) != name]
    added = "&".join([*kept, f"{quote(name)}={quote(value, safe='')}"])
    return f"{path}?{added}{mark}{fragment}"
