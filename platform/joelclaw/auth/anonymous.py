"""
Anonymous sign-in: somebody new each time, at once.
"""

import secrets
from typing import Any, Final

import msgspec

from joelclaw.auth.addresses import network_of
from joelclaw.auth.methods import Toolbox
from joelclaw.auth.own_tokens import OwnTokens
from joelclaw.auth.sign_in import Attempt, Granted, granted
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import SignInRefused

ANONYMOUS_SIGN_IN = "_system/auth/anonymous:signIn"

NAME_CHARACTERS_MAX: Final = 200


class Anonymous:
    """A user of whom nothing is known, but perhaps what they call themselves: `signIn("anonymous", { name })`."""

    def __init__(self, id: str, system: SystemCalls, tokens: OwnTokens) -> None:
        self.id = id
        self._system = system
        self._tokens = tokens

    async def sign_in(self, attempt: Attempt) -> Granted:
        """
        Somebody new.

        Raises:
            SignInRefused: Too many have come from this network, or the name is none.
        """
        name = _name(attempt.params.get("name"))
        entry = await self._system.tell(
            ANONYMOUS_SIGN_IN,
            provider=self.id,
            accountId=secrets.token_urlsafe(16),
            replacing=attempt.session,
            refresh=self._tokens.new_refresh_id(),
            network=network_of(attempt.origin.address),
            name=name,
        )
        if entry["grant"] is None:
            raise SignInRefused("RATE_LIMITED", "Too many have signed in; try again in a while", entry["retryAfterS"])
        return granted(entry["grant"])

    async def redeem(self, code: str, attempt: Attempt) -> Granted | None:  # noqa: ARG002 (all methods are asked)
        """It hands out no codes."""
        return None


def _name(said: Any) -> str | None:
    """
    What they call themselves, if they do. Nobody has verified it.

    Raises:
        SignInRefused: It is no text, or a long one.
    """
    if said is None:
        return None
    if not isinstance(said, str) or len(said) > NAME_CHARACTERS_MAX:
        raise SignInRefused(
            "BAD_ARGUMENTS", f"Invalid `name` param: write a name of at most {NAME_CHARACTERS_MAX} characters"
        )
    return said.strip() or None


class _Settings(msgspec.Struct, frozen=True):
    """None so far."""


def open_method(id: str, toolbox: Toolbox) -> Anonymous:
    """The method as it is declared."""
    toolbox.settings(id, _Settings)
    return Anonymous(id, toolbox.system, toolbox.tokens)
