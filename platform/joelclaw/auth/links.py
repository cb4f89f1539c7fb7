"""
Signing in with a link that was mailed.

    [auth.sign_in.magic-link]
    ttl = "24h"

Its code is long, and good by itself. The page that the link opens redeems it: a scanner of mails that follows
links redeems nothing, unless it runs the page.

Elsewhere: `codes.py` mails codes to type in, and has what both need; `system/auth/codes.py` decides.
"""

import re
import secrets
import string
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import msgspec
import structlog
from msgspec import Meta

from joelclaw.auth.addresses import network_of, parse_address
from joelclaw.auth.codes import BEGIN, Letters, open_letters, opening, spoken
from joelclaw.auth.mail import Mail
from joelclaw.auth.oauth.steps import with_parameter
from joelclaw.auth.own_tokens import OwnTokens
from joelclaw.auth.sign_in import Attempt, Granted, Started, granted
from joelclaw.config_auth import Duration
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import SignInRefused, SystemCallFailed
from joelclaw.system.auth.accounts import folded
from joelclaw.values.durations import parse_duration

if TYPE_CHECKING:
    from joelclaw.auth.methods import Toolbox

REDEEM_LINK: Final = "_system/auth/codes:redeemLink"

CODE_LENGTH: Final = 43
"""Letters and digits: 256 bits."""

_CODE: Final = re.compile(rf"[A-Za-z0-9]{{{CODE_LENGTH}}}")
_ALPHABET: Final = string.ascii_letters + string.digits

Destination: TypeAlias = Callable[[Any, str | None], str]
"""Where a link leads: what the client asks for, and the page that it asks from. Refuses what is not allowed."""

log = structlog.get_logger("joelclaw.auth")


class LinkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[auth.sign_in.magic-link]`: links to follow."""

    ttl: Annotated[Duration, Meta(description='how long a link is good, like "24h"')] = "24h"


class MagicLink:
    """Sign in with a link that was mailed."""

    def __init__(
        self,
        id: str,
        settings: LinkSettings,
        letters: Letters,
        system: SystemCalls,
        tokens: OwnTokens,
        destination: Destination,
    ) -> None:
        self.id = id
        self._ttl_ms = parse_duration(settings.ttl)
        self._letters = letters
        self._system = system
        self._tokens = tokens
        self._destination = destination

    async def sign_in(self, attempt: Attempt) -> Granted | Started:
        """With `email` a link is sent; with `code`, it is redeemed."""
        code = attempt.params.get("code")
        if code is None:
            return await self._begin(attempt)
        found = await self._redeem(code, attempt) if isinstance(code, str) else None
        if found is None:
            raise SignInRefused("INVALID_CODE", "Could not verify code")
        return found

    async def redeem(self, code: str, attempt: Attempt) -> Granted | None:
        """A page was opened with a code."""
        try:
            return await self._redeem(code, attempt)
        except SystemCallFailed as error:
            log.warning("somebody was not signed in", provider=self.id, reason=str(error))
            return None

    async def _begin(self, attempt: Attempt) -> Started:
        email = parse_address(attempt.params.get("email"))
        # Before anything is written or sent.
        destination = self._destination(attempt.params.get("redirectTo"), attempt.origin.page)
        code = "".join(secrets.choice(_ALPHABET) for _ in range(CODE_LENGTH))
        mailing = await self._system.tell(
            BEGIN,
            provider=self.id,
            address=folded(email),
            email=email,
            hash=self._mac(code),
            ttlMs=self._ttl_ms,
            network=network_of(attempt.origin.address),
            mailsPerHour=self._letters.per_hour,
        )
        link = with_parameter(destination, "code", code)
        await self._letters.send(link_mail(self._letters.app, email, link, self._ttl_ms), mailing["limit"])
        return Started()

    async def _redeem(self, code: str, attempt: Attempt) -> Granted | None:
        if _CODE.fullmatch(code) is None:
            return None
        redemption = await self._system.tell(
            REDEEM_LINK, provider=self.id, hash=self._mac(code), opening=opening(attempt, self._tokens)
        )
        return granted(redemption["grant"]) if redemption["kind"] == "granted" else None

    def _mac(self, code: str) -> str:
        return self._tokens.keyring.mac("link", self.id, code)


def link_mail(app: str, email: str, link: str, ttl_ms: float) -> Mail:
    """Somebody wants to sign in."""
    return Mail(
        to=email,
        subject=f"Sign in to {app}",
        text=f"""\
Open this link to sign in to {app}:

    {link}

It is good for {spoken(ttl_ms)}, once. If you did not ask for it, do not open
it: whoever opens it is signed in as you, on their own device.
""",
    )


def open_method(id: str, toolbox: "Toolbox") -> MagicLink:
    """
    The method as it is declared.

    Raises:
        ConfigRefused: It is declared wrong, or nobody takes its mails.
    """
    settings = toolbox.settings(id, LinkSettings)
    return MagicLink(id, settings, open_letters(toolbox), toolbox.system, toolbox.tokens, toolbox.destination)
