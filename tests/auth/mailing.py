"""
A deployment that signs people in by password and by mail, and a client of it.

    people = People(app)
    people.call("password", flow="signUp", email="ann@example.com", password="...")
    people.mails[-1].text

What clients call is the real dispatcher, the functions are the platform's on a real store. Mails are kept
instead of sent, hashes are cheap, and the clock is the deployment's.
"""

import asyncio
import re
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

import msgspec
import pytest
import structlog

from joelclaw.auth.codes import CodeMaker, CodeSettings, EmailCode, Letters
from joelclaw.auth.destinations import Destinations
from joelclaw.auth.hashing import Hasher, Strength
from joelclaw.auth.keyring import Keyring, SigningKey
from joelclaw.auth.links import LinkSettings, MagicLink
from joelclaw.auth.mail import Mail
from joelclaw.auth.own_tokens import OwnTokens
from joelclaw.auth.passwords import Password
from joelclaw.auth.sign_in import Method, SignInService
from joelclaw.engine.asker import ANONYMOUS, Asker
from joelclaw.engine.built_ins import Origin
from joelclaw.errors import MailFailed, SystemCallFailed
from joelclaw.functions.calls import Failure
from joelclaw.values import wire
from tests.auth.journey import APP, SITE
from tests.functions.deployment import CallError, Deployment

CHEAP = Strength(time_cost=1, memory_kib=8)

R = TypeVar("R")

_signing: list[SigningKey] = []


def signing_key() -> SigningKey:
    """One for all tests: making one takes long."""
    if not _signing:
        _signing.append(SigningKey.generate())
    return _signing[0]


class Refused(Exception):
    """A client was told no."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.text = failure.message.removeprefix("Uncaught ConvexError: ")
        self.public = failure.public
        data: Any = None if failure.data is None else wire.decode(failure.data)
        facts: dict[str, Any] = data if isinstance(data, dict) else {}
        self.code: str | None = facts.get("code")
        self.retry_after_s: float | None = facts.get("retryAfterS")


class Mailbox:
    """Keeps mails; or takes none."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.is_down = False

    async def send(self, mail: Mail) -> None:
        if self.is_down:
            raise MailFailed("nobody answers")
        self.mails.append(mail)


class _System:
    """System calls, run where the test is."""

    def __init__(self, app: Deployment) -> None:
        self._app = app
        self.refused = 0
        self.refuses = 0
        """So many calls from now on find no room left on the disk."""

    async def tell(self, path: str, **arguments: Any) -> Any:
        if self.refused < self.refuses:
            self.refused += 1
            raise SystemCallFailed(path, "There is no room left")
        try:
            return self._app.mutate(path, **arguments)
        except CallError as error:
            raise SystemCallFailed(path, error.failure.message, error.failure) from None

    ask = tell


class People:
    """Those who sign in to one deployment."""

    def __init__(
        self,
        app: Deployment,
        *,
        verify: bool = False,
        reset: bool = True,
        hasher: Hasher | None = None,
        mails_per_hour: int = 1_000,
    ) -> None:
        self.app = app
        self.runner = asyncio.Runner()
        clock = app.hooks.time
        self.tokens = OwnTokens(Keyring(b"k" * 32, [signing_key()], clock), clock, issuer=SITE, ttl_ms=3_600_000.0)
        self.mailbox = Mailbox()
        self.ended: list[str] = []
        self.system = _System(app)
        system: Any = self.system
        letters = Letters(self.mailbox, "Example", mails_per_hour)
        codes = CodeMaker("password", CodeSettings(), self.tokens)
        self.password = Password(
            "password",
            hasher or Hasher(CHEAP),
            system,
            self.tokens,
            letters=letters,
            verify=codes if verify else None,
            reset=codes if reset else None,
        )
        otp = EmailCode("email-otp", CodeMaker("email-otp", CodeSettings(), self.tokens), letters, system, self.tokens)
        link = MagicLink(
            "magic-link", LinkSettings(), letters, system, self.tokens, Destinations([APP], development=False)
        )
        methods: dict[str, Method] = {method.id: method for method in (self.password, otp, link)}
        self.service = SignInService(system, self.tokens, methods, self._note)

    def close(self) -> None:
        self.runner.close()

    def _note(self, sessions: Sequence[str], socket: Any) -> None:  # noqa: ARG002
        self.ended += sessions

    @property
    def mails(self) -> list[Mail]:
        return self.mailbox.mails

    # -- the client

    def call(self, provider: str | None, /, **arguments: Any) -> Any:
        """
        `auth:signIn`, with these params.

        Raises:
            Refused: It answers with an error.
        """
        return self.run(self.calling(provider, **arguments))

    async def calling(
        self,
        provider: str | None,
        /,
        *,
        as_token: str | None = None,
        network: str = "192.0.2.1",
        verifier: str | None = None,
        **params: Any,
    ) -> Any:
        asker = ANONYMOUS if as_token is None else self.asker(as_token)
        arguments: dict[str, Any] = {"params": params}
        if provider is not None:
            arguments["provider"] = provider
        if verifier is not None:
            arguments["verifier"] = verifier
        origin = Origin(page=APP, address=network)
        outcome = await self.service.sign_in(wire.encode(arguments), asker, origin)
        if outcome.failure is not None:
            raise Refused(outcome.failure)
        return wire.decode(outcome.value)

    def run(self, awaitable: Awaitable[R]) -> R:
        async def awaited() -> R:
            return await awaitable

        return self.runner.run(awaited())

    def refresh(self, tokens: dict[str, str]) -> Any:
        arguments = wire.encode({"refreshToken": tokens["refreshToken"]})
        outcome = self.run(self.service.sign_in(arguments, ANONYMOUS, Origin()))
        return wire.decode(outcome.value)

    def asker(self, token: str) -> Asker:
        return self.tokens.check(token)

    def user_of(self, result: Any) -> str:
        """Whose tokens these are."""
        identity = self.asker(result["tokens"]["token"]).identity
        assert identity is not None
        return identity.subject.partition("|")[0]

    def settle(self) -> None:
        """Let what nobody waits for end; it awaits nothing but the mailbox, which is never long."""
        for _ in range(3):
            self.run(asyncio.sleep(0))

    # -- what is there

    def rows(self, *tables: str) -> dict[str, list[dict[str, Any]]]:
        """All documents; of these tables, or of all but what counts attempts."""
        found: dict[str, list[dict[str, Any]]] = {}
        with self.app.store.read() as snapshot:
            for table in self.app.layout.tables:
                if (table.name in tables) if tables else table.name != "_rate_limits":
                    rows = snapshot.scan(table, table.by_creation_time, b"", None)
                    found[table.name] = [msgspec.json.decode(raw) for _, raw in rows]
        return found

    def table(self, name: str) -> list[dict[str, Any]]:
        return self.rows(name)[name]


def log_of(module: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a module logs from now on, however other tests in this process have configured logging."""
    capture = structlog.testing.LogCapture()
    wrapper = structlog.make_filtering_bound_logger(0)
    log = structlog.wrap_logger(None, [capture], wrapper, dict, cache_logger_on_first_use=False)
    monkeypatch.setattr(module, "log", log)
    return capture.entries


def code_in(mail: Mail) -> str:
    """The code to type in."""
    [code] = re.findall(r"^    (\d{8})$", mail.text, re.MULTILINE)
    return str(code)


def link_in(mail: Mail) -> str:
    """The link to follow."""
    [link] = re.findall(r"^    (\S+://\S+)$", mail.text, re.MULTILINE)
    return str(link)
