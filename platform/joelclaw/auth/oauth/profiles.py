"""
Profiles: from what a provider says about somebody to what we believe of it.

Whose account it is depends on the id alone, so an id that could be two people's is refused: nothing,
zero, a word that a program writes for nothing. An address counts as verified only where the provider
says so of this very address.
"""

from collections.abc import Mapping
from typing import Any, Final

ID_LENGTH_MAX: Final = 255
TEXT_BYTES_MAX: Final = 512
"""Of names and addresses of pictures, which go into every token, and a token has to fit into a cookie."""

_NO_IDS: Final = frozenset({"", "0", "undefined", "null", "none", "nan", "true", "false", "[object object]"})


class ProfileWrong(Exception):
    """What a provider says about somebody cannot be believed; says why, and nothing of it."""


def account_id(value: Any) -> str:
    """
    An id as text: of a number, its digits, and never those of a rounded one.

    Raises:
        ProfileWrong: It is none that one person alone could have.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return str(value)
    if (
        isinstance(value, str)
        and value.strip().lower() not in _NO_IDS
        and len(value) <= ID_LENGTH_MAX
        and value.isprintable()
        # Below zero are those whom stand-ins make up, see `stand_in.py`.
        and not (value.startswith("-") and value[1:].isdecimal())
    ):
        return value
    raise ProfileWrong("the profile has no usable id")


def text(said: Mapping[str, Any], *names: str) -> str | None:
    """The first of these fields that has text in it, and not too much."""
    for name in names:
        value = said.get(name)
        if isinstance(value, str) and value.strip() and _is_short(value):
            return value.strip()
    return None


def _is_short(value: str) -> bool:
    """Half of a surrogate pair, which JSON can spell and nothing can store, is no text at all."""
    try:
        return len(value.encode()) <= TEXT_BYTES_MAX
    except UnicodeEncodeError:
        return False


def is_true(value: Any) -> bool:
    """Whether a claim holds; some providers write it as text."""
    return value is True or value == "true"


def github_address(user: Mapping[str, Any], emails: Any) -> tuple[str | None, bool]:
    """
    Somebody's address at GitHub, and whether it is verified: the one that is primary and verified, else the public one.

    The addresses that GitHub makes up (`1+mona@users.noreply.github.com`) are nobody's mailbox: never verified.

    Raises:
        ProfileWrong: The list is none.
    """
    if not isinstance(emails, list):
        raise ProfileWrong("the list of addresses is none")
    for entry in emails:
        if isinstance(entry, dict) and entry.get("primary") is True and entry.get("verified") is True:
            address = text(entry, "email")
            if address is not None:
                return address, "@users.noreply." not in address.lower()
    return text(user, "email"), False
