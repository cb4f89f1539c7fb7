"""
Anonymous sign-in: somebody new each time, at once.
"""

import secrets

from joelclaw.auth.own_tokens import OwnTokens
from joelclaw.auth.sign_in import Attempt, Granted, granted
from joelclaw.engine.system_calls import SystemCalls

ANONYMOUS_SIGN_IN = "_system/auth/anonymous:signIn"


class Anonymous:
    """A user of whom nothing is known."""

    id = "anonymous"
    fills: frozenset[str] = frozenset()

    def __init__(self, system: SystemCalls, tokens: OwnTokens) -> None:
        self._system = system
        self._tokens = tokens

    async def sign_in(self, attempt: Attempt) -> Granted:
        """Always."""
        return granted(
            await self._system.tell(
                ANONYMOUS_SIGN_IN,
                provider=self.id,
                accountId=secrets.token_urlsafe(16),
                replacing=attempt.session,
                refresh=self._tokens.new_refresh_id(),
            )
        )

    async def redeem(self, code: str, attempt: Attempt) -> Granted | None:  # noqa: ARG002 (all methods are asked)
        """It hands out no codes."""
        return None
