"""
Signing in somewhere else: from the button to the session, whoever says in between who it is.

Everything random is drawn here, and rows get hashes of it. PKCE's verifier and the nonce are MACs over
the state with the server key: whoever has a copy of the database, or has seen the state in an address, cannot
make them, and no row has to keep them.

Elsewhere: `method.py` asks a provider, `stand_in.py` answers for one in development; `system/auth/flows.py`
decides, `http/sign_in.py` has the routes.
"""

import hashlib
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, TypeAlias

import msgspec
import structlog

from joelclaw.auth.addresses import network_of
from joelclaw.auth.oauth.steps import SIGN_IN_PATH, Ask, DeadEnd, Onward, callback_url, with_parameter
from joelclaw.auth.own_tokens import OwnTokens
from joelclaw.auth.sign_in import Attempt, Granted, Pending, Redirect, granted
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import ProviderFailed, SignInRefused, SystemCallFailed
from joelclaw.system.auth.accounts import Profile
from joelclaw.values.names import camel

BEGIN: Final = "_system/auth/flows:begin"
OPEN: Final = "_system/auth/flows:open"
CLAIM: Final = "_system/auth/flows:claim"
FINISH: Final = "_system/auth/flows:finish"
ABANDON: Final = "_system/auth/flows:abandon"
FIND: Final = "_system/auth/flows:find"
REDEEM: Final = "_system/auth/flows:redeem"

SECRET_BYTES: Final = 32

ERROR_PARAMETER: Final = "convexAuthError"
"""By which the app is told, in its own address, that nobody was signed in."""

log = structlog.get_logger("joelclaw.auth")

Destination: TypeAlias = Callable[[Any, str | None], str]
"""Where a flow ends: by what its client asks for and the page it is on. Raises `SignInRefused`."""


class FlowMethod(ABC):
    """A sign-in method for which browsers leave the app and come back."""

    only_here: ClassVar[bool] = False

    def __init__(
        self, id: str, system: SystemCalls, tokens: OwnTokens, *, kept_as: str, origin: str, destination: Destination
    ) -> None:
        """`kept_as` is what rows call it; `origin`, where browsers reach the site."""
        self.id = id
        self.callback_url = callback_url(origin, id)
        self._kept_as = kept_as
        self._system = system
        self._tokens = tokens
        self._address = f"{origin}{SIGN_IN_PATH}{id}"
        self._destination = destination

    @abstractmethod
    async def send_away(self, state: str, destination: str) -> Onward | Ask:
        """To whoever knows who somebody is. They come back with the state; `destination` is where they have begun."""

    @abstractmethod
    async def ask(self, said: Mapping[str, str], state: str) -> Profile:
        """
        Who it is that has come back, by what the browser has brought.

        Raises:
            ProviderFailed: Nobody says, or nobody is to be believed.
        """

    @abstractmethod
    async def close(self) -> None:
        """Ask nobody any more."""

    # -- what clients call

    async def sign_in(self, attempt: Attempt) -> Redirect | Granted | Pending:
        """Begin; or finish, where the app itself has taken the code off its address, as on telephones."""
        code = attempt.params.get("code")
        if isinstance(code, str):
            return await self._redeem(code, attempt) or Pending()
        return await self._begin(attempt)

    async def redeem(self, code: str, attempt: Attempt) -> Granted | None:
        """A page was opened with a code."""
        try:
            return await self._redeem(code, attempt)
        except SystemCallFailed as error:
            log.warning("somebody was not signed in", provider=self.id, reason=str(error))
            return None

    async def _begin(self, attempt: Attempt) -> Redirect:
        destination = self._destination(attempt.params.get("redirectTo"), attempt.origin.page)
        flow, verifier = _secret(), _secret()
        retry_after_s = await self._system.tell(
            BEGIN,
            flowHash=_hash(flow),
            verifierHash=_hash(verifier),
            provider=self._kept_as,
            destination=destination,
            session=attempt.session,
            network=network_of(attempt.origin.address),
        )
        if retry_after_s is not None:
            raise SignInRefused("RATE_LIMITED", "Too many sign-ins have begun; try again in a while", retry_after_s)
        return Redirect(f"{self._address}?code={flow}", verifier)

    async def _redeem(self, code: str, attempt: Attempt) -> Granted | None:
        code_hash, verifier_hash = _hash(code), _hash(attempt.verifier or "")
        found = await self._system.ask(FIND, codeHash=code_hash, verifierHash=verifier_hash)
        if found is None or found["provider"] != self._kept_as:
            return None
        redemption = await self._system.tell(
            REDEEM,
            codeHash=code_hash,
            verifierHash=verifier_hash,
            provider=self._kept_as,
            profile=self._unsealed(code_hash, found["profile"]),
            replacing=attempt.session,
            refresh=self._tokens.new_refresh_id(),
        )
        if redemption["kind"] == "spent":
            log.warning("a code was redeemed twice", provider=self.id)
        return None if redemption["grant"] is None else granted(redemption["grant"])

    # -- what browsers open

    async def leave(self, flow: str) -> Onward | DeadEnd | Ask:
        """
        Away.

        Raises:
            SystemCallFailed: Nothing can be written just now.
        """
        state = _secret()
        step = await self._system.tell(OPEN, flowHash=_hash(flow), provider=self._kept_as, stateHash=_hash(state))
        if step["kind"] != "on":
            return DeadEnd(_LATE if step["kind"] == "expired" else _UNKNOWN, step["destination"])
        return await self.send_away(state, step["destination"])

    async def come_back(self, said: Mapping[str, str]) -> Onward | DeadEnd:
        """
        Back, with what the browser was given: a code, or why there is none.

        Raises:
            SystemCallFailed: Nothing can be written just now.
        """
        state = said.get("state", "")
        step = await self._system.tell(CLAIM, stateHash=_hash(state), provider=self._kept_as)
        destination: str = step["destination"]
        if step["kind"] == "unknown":
            return DeadEnd(_UNKNOWN)
        if step["kind"] == "expired":
            return Onward(with_parameter(destination, ERROR_PARAMETER, "expired"))
        try:
            profile = await self.ask(said, state)
        except ProviderFailed as error:
            await self._system.tell(ABANDON, flow=step["flow"])
            return Onward(with_parameter(destination, ERROR_PARAMETER, self._told(said, error, step["flow"])))
        code = _secret()
        sealed = self._tokens.keyring.seal(_purpose(_hash(code)), msgspec.json.encode(msgspec.structs.asdict(profile)))
        if not await self._system.tell(FINISH, flow=step["flow"], codeHash=_hash(code), profile=sealed):
            return DeadEnd(_UNKNOWN, destination)
        return Onward(with_parameter(destination, "code", code))

    def _told(self, said: Mapping[str, str], error: ProviderFailed, flow: str) -> str:
        """What the app is told of a failure. Somebody who has changed their mind is none for the log."""
        if said.get("error") == "access_denied":
            return "access_denied"
        log.warning("a sign-in failed", provider=self.id, flow=flow, reason=str(error))
        return "oauth_error"

    def _unsealed(self, code_hash: str, sealed: str | None) -> Any:
        """A profile as arguments have it: names on the wire."""
        if sealed is None:
            return None
        profile = msgspec.json.decode(self._tokens.keyring.unseal(_purpose(code_hash), sealed))
        return {camel(name): value for name, value in profile.items()}


_UNKNOWN: Final = "This sign-in is not known here, or is over already."
_LATE: Final = "This sign-in has taken too long."


def _secret() -> str:
    return secrets.token_urlsafe(SECRET_BYTES)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _purpose(code_hash: str) -> str:
    """A profile is sealed for the code that it is kept under, and is no other's."""
    return f"profile|{code_hash}"
