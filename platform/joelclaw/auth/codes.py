"""
Signing in with a code that was mailed.

    [auth.sign_in.email-otp]
    digits = 8
    ttl = "15m"

A code is short, and good only together with the address that it was sent to. What is kept of it is a MAC.
Whether an address is known already makes no difference to anybody who asks.

Elsewhere: `system/auth/codes.py` decides, `mail.py` sends; `links.py` mails links, `passwords.py` codes of its
own, of the same form.
"""

import re
import secrets
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import structlog
from msgspec import Meta

from joelclaw.auth.addresses import network_of, parse_address
from joelclaw.auth.mail import Mail, Mailer, open_mailer
from joelclaw.auth.own_tokens import OwnTokens
from joelclaw.auth.sign_in import Attempt, Granted, Started, granted
from joelclaw.config_auth import Duration
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import MailFailed, SignInRefused
from joelclaw.system.auth.accounts import folded
from joelclaw.values.durations import duration_text, parse_duration

if TYPE_CHECKING:
    from joelclaw.auth.methods import Toolbox

BEGIN: Final = "_system/auth/codes:begin"
REDEEM: Final = "_system/auth/codes:redeem"

log = structlog.get_logger("joelclaw.auth")


_LIMITS: Final = {
    "everybody": "sign-in sends no more mails in this hour; raise auth.mail.per_hour if they were wanted",
    "network": "one network has asked for half of the hour's mails of sign-in, and gets no more; "
    "raise auth.mail.per_hour if it is a server that asks for many people",
}


class CodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[auth.sign_in.email-otp]`: codes to type in."""

    digits: Annotated[int, Meta(ge=6, le=12, description="how many digits a code has, from 6 to 12")] = 8
    ttl: Annotated[Duration, Meta(description='how long a code is good, like "15m"')] = "15m"


class CodeMaker:
    """Draws codes of digits for one method, and their MACs."""

    def __init__(self, provider: str, settings: CodeSettings, tokens: OwnTokens) -> None:
        self._provider = provider
        self._digits = settings.digits
        self._tokens = tokens
        self.ttl_ms = parse_duration(settings.ttl)

    def draw(self) -> str:
        """Digits, each as likely as any other."""
        return f"{secrets.randbelow(10**self._digits):0{self._digits}d}"

    def mac(self, purpose: str, address: str, code: Any) -> str:
        """What a row keeps of a code; of what is no code, what no row has."""
        text = re.sub(r"[\s-]", "", code) if isinstance(code, str) and len(code) <= 64 else ""
        return self._tokens.keyring.mac("code", self._provider, purpose, address, text)


class Letters:
    """Sends the mails of one method, within its limits."""

    def __init__(self, mailer: Mailer, app: str, per_hour: int) -> None:
        self._mailer = mailer
        self.app = " ".join(app.split()) or "joelclaw"
        self.per_hour = per_hour

    async def send(self, mail: Mail, limit: str | None) -> None:
        """
        Send a mail, unless a limit forbids it, which the caller is not told.

        Raises:
            SignInRefused: Nobody takes it.
        """
        if limit is not None:
            if limit != "address":
                log.error(_LIMITS[limit], per_hour=self.per_hour)
            return
        try:
            await self._mailer.send(mail)
        except MailFailed as error:
            log.error("a mail of sign-in was not sent", reason=error.reason)
            raise SignInRefused("MAIL_FAILED", "The mail could not be sent; try again later") from None


class EmailCode:
    """Sign in with a code that was mailed."""

    def __init__(self, id: str, codes: CodeMaker, letters: Letters, system: SystemCalls, tokens: OwnTokens) -> None:
        self.id = id
        self._codes = codes
        self._letters = letters
        self._system = system
        self._tokens = tokens

    async def sign_in(self, attempt: Attempt) -> Granted | Started:
        """With `email` alone a code is sent; with `code` as well, it is redeemed."""
        email = parse_address(attempt.params.get("email"))
        code = attempt.params.get("code")
        if code is None:
            return await self._begin(email, attempt)
        address = folded(email)
        return told(
            await self._system.tell(
                REDEEM,
                provider=self.id,
                address=address,
                guess=guess(self._codes.mac("sign_in", address, code), attempt),
                opening=opening(attempt, self._tokens),
            )
        )

    async def redeem(self, code: str, attempt: Attempt) -> Granted | None:  # noqa: ARG002 (all methods are asked)
        """A short code without its address is nobody's."""
        return None

    async def _begin(self, email: str, attempt: Attempt) -> Started:
        code, address = self._codes.draw(), folded(email)
        mailing = await self._system.tell(
            BEGIN,
            provider=self.id,
            address=address,
            email=email,
            hash=self._codes.mac("sign_in", address, code),
            ttlMs=self._codes.ttl_ms,
            network=network_of(attempt.origin.address),
            mailsPerHour=self._letters.per_hour,
        )
        await self._letters.send(code_mail(self._letters.app, email, code, self._codes.ttl_ms), mailing["limit"])
        return Started()


# -- what methods with codes have in common


def opening(attempt: Attempt, tokens: OwnTokens) -> dict[str, Any]:
    """What a login session is opened with, as system functions take it."""
    return {"replacing": attempt.session, "refresh": tokens.new_refresh_id()}


def guess(mac: str, attempt: Attempt) -> dict[str, Any]:
    """A code that came back, and from where."""
    return {"hash": mac, "network": network_of(attempt.origin.address)}


def told(redemption: Any) -> Granted:
    """
    What came of a code.

    Raises:
        SignInRefused: It was not the right one, or it is too early for another guess.
    """
    if redemption["kind"] == "granted":
        return granted(redemption["grant"])
    if redemption["kind"] == "limited":
        raise too_many(redemption)
    raise SignInRefused("INVALID_CODE", "Could not verify code")


def too_many(answer: Any) -> SignInRefused:
    """What somebody is told who has guessed too often."""
    return SignInRefused("RATE_LIMITED", "TooManyFailedAttempts", answer["retryAfterS"])


def code_mail(app: str, email: str, code: str, ttl_ms: float) -> Mail:
    """Somebody wants to sign in."""
    return Mail(
        to=email,
        subject=f"{code} is your code for {app}",
        text=f"""\
Your code to sign in to {app}:

    {code}

It is good for {spoken(ttl_ms)}, once. If you did not ask for it, do nothing:
without this code nobody gets in.
""",
    )


def spoken(duration_ms: float) -> str:
    """The largest unit that fits whole: "15 minutes"."""
    for unit, unit_ms in (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000)):
        count, rest = divmod(duration_ms, unit_ms)
        if count and not rest:
            return f"{count:.0f} {unit}{'s' if count > 1 else ''}"
    return duration_text(duration_ms)


# -- as declared


def open_method(id: str, toolbox: "Toolbox") -> EmailCode:
    """
    The method as it is declared.

    Raises:
        ConfigRefused: It is declared wrong, or nobody takes its mails.
    """
    codes = CodeMaker(id, toolbox.settings(id, CodeSettings), toolbox.tokens)
    return EmailCode(id, codes, open_letters(toolbox), toolbox.system, toolbox.tokens)


def open_letters(toolbox: "Toolbox") -> Letters:
    """What sends the mails of a method."""
    mailer = open_mailer(toolbox.config, development=toolbox.development)
    return Letters(mailer, toolbox.config.app.name, toolbox.config.auth.mail.per_hour)
