"""
Signing in with a password.

    [auth.sign_in.password]
    verify = "email-otp"
    reset = "email-otp"

Which of five things somebody wants, `flow` says, as in Convex Auth: `signUp`, `signIn`,
`email-verification`, `reset`, `reset-verification`. `verify` has addresses proven before there is an account,
`reset` lets passwords be forgotten; both say which method's codes are mailed for that, and its settings.

Nobody learns from an answer, nor from how long it takes, whether an address has an account; but where
addresses are not verified, a sign-up has to say that one is taken.

Elsewhere: `hashing.py` does the work, `system/auth/passwords.py` decides, `codes.py` has the codes.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import structlog
from msgspec import Meta

from joelclaw.auth.addresses import network_of, parse_address
from joelclaw.auth.codes import (
    CodeMaker,
    CodeSettings,
    Letters,
    guess,
    open_letters,
    opening,
    spoken,
    told,
    too_many,
)
from joelclaw.auth.hashing import Hasher, new_password, normal_form
from joelclaw.auth.mail import Mail
from joelclaw.auth.own_tokens import OwnTokens
from joelclaw.auth.sign_in import Attempt, Granted, Pending, granted
from joelclaw.engine.background import Background
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import ConfigRefused, SignInRefused
from joelclaw.system.auth.accounts import folded

if TYPE_CHECKING:
    from joelclaw.auth.methods import Toolbox

SIGN_UP: Final = "_system/auth/passwords:signUp"
BEGIN_CHECK: Final = "_system/auth/passwords:beginCheck"
WAS_WRONG: Final = "_system/auth/passwords:wasWrong"
SIGN_IN: Final = "_system/auth/passwords:signIn"
VERIFY: Final = "_system/auth/passwords:verify"
BEGIN_RESET: Final = "_system/auth/passwords:beginReset"
RESET: Final = "_system/auth/passwords:reset"

COMPARED_MAX: Final = 2
"""A password may be right by a hash that another device has had renewed meanwhile; it is by the new one, too."""

log = structlog.get_logger("joelclaw.auth")

_CodeMethod = Annotated[
    Annotated[str, Meta(min_length=1)] | None, Meta(description='the method whose codes are mailed, like "email-otp"')
]


class PasswordSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[auth.sign_in.password]`."""

    verify: _CodeMethod = None
    reset: _CodeMethod = None


class Password:
    """Sign in with an address and a password."""

    def __init__(
        self,
        id: str,
        hasher: Hasher,
        system: SystemCalls,
        tokens: OwnTokens,
        *,
        letters: Letters | None = None,
        verify: CodeMaker | None = None,
        reset: CodeMaker | None = None,
    ) -> None:
        self.id = id
        self._hasher = hasher
        self._system = system
        self._tokens = tokens
        self._letters = letters
        self._verify = verify
        self._reset = reset
        self._background = Background()
        self._flows: dict[str, Callable[[str, Attempt], Awaitable[Granted | Pending]]] = {
            "signUp": self._sign_up,
            "signIn": self._sign_in,
            "email-verification": self._verify_address,
            "reset": self._begin_reset,
            "reset-verification": self._finish_reset,
        }

    async def sign_in(self, attempt: Attempt) -> Granted | Pending:
        """What `flow` asks for."""
        name = attempt.params.get("flow")
        flow = self._flows.get(name) if isinstance(name, str) else None
        if flow is None:
            known = ", ".join(f'"{each}"' for each in self._flows)
            raise SignInRefused("BAD_ARGUMENTS", f"Missing `flow` param, it must be one of {known}")
        return await flow(parse_address(attempt.params.get("email")), attempt)

    async def redeem(self, code: str, attempt: Attempt) -> Granted | None:  # noqa: ARG002 (all methods are asked)
        """A short code without its address is nobody's."""
        return None

    async def _sign_up(self, email: str, attempt: Attempt) -> Granted | Pending:
        address = folded(email)
        password = new_password(attempt.params.get("password"))
        hashed = await self._hasher.hash(password)
        code, new = self._new_code(self._verify, "verify", address, attempt)
        if new is not None:
            new["passwordMark"] = self._tokens.keyring.mac("code", self.id, "password", address, password.decode())
        entry = await self._system.tell(
            SIGN_UP,
            provider=self.id,
            address=address,
            email=email,
            hash=hashed,
            network=network_of(attempt.origin.address),
            code=new,
            opening=opening(attempt, self._tokens),
        )
        if entry["kind"] == "taken" and self._verify is not None:
            await self._send(_taken_mail(self._app, email), entry["limit"])
            return Pending()
        if entry["kind"] == "taken":
            raise SignInRefused("ACCOUNT_EXISTS", f"Account {email} already exists")
        return await self._entered(entry, email, code)

    async def _sign_in(self, email: str, attempt: Attempt) -> Granted | Pending:
        try:
            password = normal_form(attempt.params.get("password"))
        except ValueError:
            raise _wrong() from None
        self._hasher.refuse_if_full()
        for _ in range(COMPARED_MAX):
            entry, code = await self._compare(folded(email), password, attempt)
            if entry["kind"] != "changed":
                return await self._entered(entry, email, code)
        raise _wrong()

    async def _compare(self, address: str, password: bytes, attempt: Attempt) -> tuple[Any, str]:
        """
        What comes of the right password, and the code to mail. "changed": it was right by a hash that is none now.

        Raises:
            SignInRefused: It is wrong, or too many were.
        """
        network = network_of(attempt.origin.address)
        check = await self._system.tell(BEGIN_CHECK, provider=self.id, address=address, network=network)
        if check["retryAfterS"] is not None:
            raise too_many(check)
        verdict = await self._hasher.verify(check["hash"], password)
        if not verdict.right:
            await self._system.tell(WAS_WRONG, network=network)
            raise _wrong()
        code, new = self._new_code(self._verify, "verify", address, attempt)
        entry = await self._system.tell(
            SIGN_IN,
            provider=self.id,
            address=address,
            hash=check["hash"],
            newHash=verdict.better,
            code=new,
            opening=opening(attempt, self._tokens),
        )
        return entry, code

    async def _verify_address(self, email: str, attempt: Attempt) -> Granted:
        if self._verify is None:
            raise SignInRefused("PROVIDER_NOT_CONFIGURED", f"Email verification is not enabled for {self.id}")
        address = folded(email)
        mac = self._verify.mac("verify", address, attempt.params.get("code"))
        return told(
            await self._system.tell(
                VERIFY,
                provider=self.id,
                address=address,
                guess=guess(mac, attempt),
                opening=opening(attempt, self._tokens),
            )
        )

    async def _begin_reset(self, email: str, attempt: Attempt) -> Pending:
        address = folded(email)
        code, new = self._new_code(self._resets, "reset", address, attempt)
        entry = await self._system.tell(BEGIN_RESET, provider=self.id, address=address, code=new)
        if entry is not None:
            # Nobody waits for it: how long a mail takes would tell that there is an account.
            self._background.start(self._send_behind(_reset_mail(self._app, email, code, self._resets), entry["limit"]))
        return Pending()

    async def _finish_reset(self, email: str, attempt: Attempt) -> Granted:
        address, codes = folded(email), self._resets
        password = new_password(attempt.params.get("newPassword"))
        return told(
            await self._system.tell(
                RESET,
                provider=self.id,
                address=address,
                guess=guess(codes.mac("reset", address, attempt.params.get("code")), attempt),
                newHash=await self._hasher.hash(password),
                opening=opening(attempt, self._tokens),
            )
        )

    async def _entered(self, entry: Any, email: str, code: str) -> Granted | Pending:
        """Signed in, or told to come back with a code."""
        if entry["kind"] == "limited":
            raise too_many(entry)
        if entry["kind"] == "granted":
            return granted(entry["grant"])
        assert self._verify is not None
        await self._send(_verify_mail(self._app, email, code, self._verify), entry["limit"])
        return Pending()

    # -- codes and mails

    @property
    def _resets(self) -> CodeMaker:
        if self._reset is None:
            raise SignInRefused("PROVIDER_NOT_CONFIGURED", f"Password reset is not enabled for {self.id}")
        return self._reset

    @property
    def _app(self) -> str:
        return "" if self._letters is None else self._letters.app

    def _new_code(
        self, codes: CodeMaker | None, purpose: str, address: str, attempt: Attempt
    ) -> tuple[str, dict[str, Any] | None]:
        """A code to mail, and what is kept of it; nothing where none is wanted."""
        if codes is None or self._letters is None:
            return "", None
        code = codes.draw()
        return code, {
            "hash": codes.mac(purpose, address, code),
            "ttlMs": codes.ttl_ms,
            "network": network_of(attempt.origin.address),
            "mailsPerHour": self._letters.per_hour,
        }

    async def _send(self, mail: Mail, limit: str | None) -> None:
        assert self._letters is not None
        await self._letters.send(mail, limit)

    async def _send_behind(self, mail: Mail, limit: str | None) -> None:
        with suppress(SignInRefused):  # It is in the log already, and who asked is gone.
            await self._send(mail, limit)


def _wrong() -> SignInRefused:
    """The same for a wrong password and for no account. The text is the one that most apps know."""
    return SignInRefused("INVALID_CREDENTIALS", "InvalidSecret")


def _verify_mail(app: str, email: str, code: str, codes: CodeMaker) -> Mail:
    return Mail(
        to=email,
        subject=f"{code} is your code for {app}",
        text=f"""\
Your code to finish signing up for {app}:

    {code}

It is good for {spoken(codes.ttl_ms)}, once. If you did not sign up, do nothing:
without this code there is no account.
""",
    )


def _taken_mail(app: str, email: str) -> Mail:
    return Mail(
        to=email,
        subject=f"You have an account at {app} already",
        text=f"""\
Somebody wanted to sign up for {app} with this address, which has an account
already. If that was you, sign in with your password, or reset it.

If it was not, do nothing: nothing has changed.
""",
    )


def _reset_mail(app: str, email: str, code: str, codes: CodeMaker) -> Mail:
    return Mail(
        to=email,
        subject=f"{code} is your code to choose a new password for {app}",
        text=f"""\
Your code to choose a new password for {app}:

    {code}

It is good for {spoken(codes.ttl_ms)}, once. If you did not ask for it, do nothing:
your password stays as it is.
""",
    )


# -- as declared


def open_method(id: str, toolbox: "Toolbox") -> Password:
    """
    The method as it is declared.

    Raises:
        ConfigRefused: It is declared wrong, or nobody takes its mails.
    """
    settings = toolbox.settings(id, PasswordSettings)
    verify = _code_maker(id, toolbox, "verify", settings.verify)
    reset = _code_maker(id, toolbox, "reset", settings.reset)
    letters = None if verify is None and reset is None else open_letters(toolbox)
    return Password(id, Hasher(), toolbox.system, toolbox.tokens, letters=letters, verify=verify, reset=reset)


def _code_maker(id: str, toolbox: "Toolbox", setting: str, method: str | None) -> CodeMaker | None:
    if method is None:
        return None
    if toolbox.config.auth.sign_in.get(method, {}).get("type", method) != "email-otp":
        source = toolbox.config.source
        raise ConfigRefused(
            source.path.name,
            source.line("auth", "sign_in", id, setting),
            f"auth.sign_in.{id}.{setting} names {method!r}, which mails no codes to type in; "
            f'write "email-otp", whose settings are in [auth.sign_in.email-otp]',
        )
    return CodeMaker(id, toolbox.settings(method, CodeSettings), toolbox.tokens)
