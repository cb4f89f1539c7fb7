"""
`auth:signIn` and `auth:signOut`: what clients call to sign in, to stay signed in, and to leave.

The form of arguments and results is that of the shipped client, and stands here alone; so does the order
in which a call is understood. Decisions are methods' (`Method`) and the system's (`system/auth/`).

    a refresh token, no provider        renew; never an error that a client is told, because none survives one
    a code, no provider                 every method is asked whether it is its own; never an error either
    a provider                          that method

In results, absent is not null: `{"tokens": null}` erases what the client has, and a null `redirect` breaks it.

Elsewhere: `own_tokens.py` makes tokens; `engine/built_ins.py` is how these are called.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import msgspec
import structlog
from msgspec import UNSET, Struct, UnsetType

from joelclaw.auth.own_tokens import OwnTokens, RefreshParts
from joelclaw.engine.asker import Asker
from joelclaw.engine.built_ins import Origin
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import BadValue, SignInRefused, SystemCallFailed
from joelclaw.functions.calls import TRY_AGAIN, Failure, Outcome
from joelclaw.values import wire

SIGN_IN: Final = "auth:signIn"
SIGN_OUT: Final = "auth:signOut"

SIGN_OUT_SESSION: Final = "_system/auth/sessions:signOut"
REFRESH: Final = "_system/auth/sessions:refresh"

REFRESH_TRIES: Final = 5
REFRESH_PAUSE_S: Final = 0.5
"""A renewal that fails (the disk is full, say) is tried again before anybody hears of it."""

NOT_SIGNED_IN: Final = b'{"tokens":null}'
STARTED: Final = b'{"started":true}'

log = structlog.get_logger("joelclaw.auth")


# -- what methods are handed, and what they answer


class Attempt(Struct, frozen=True, kw_only=True):
    """Somebody wants to sign in."""

    params: Mapping[str, Any]
    """The fields of a form, as the client sent them. Anything may be in there."""

    verifier: str | None
    """The client's secret of an earlier start; sent with whatever comes next, related or not."""

    asker: Asker
    session: str | None
    """The login session of who asks, which a successful sign-in ends."""

    origin: Origin


class Grant(Struct, frozen=True, kw_only=True, rename="camel"):
    """A login session that was opened or renewed, as `system/auth/sessions.py` tells it."""

    session: str
    user: str
    claims: dict[str, Any]
    expires_at: float
    refresh: str
    development: bool = False
    ended: list[str] = []


class Granted(Struct, frozen=True):
    """Signed in."""

    grant: Grant


class Pending(Struct, frozen=True):
    """Not yet: a mail is on its way, say. The client forgets whatever tokens it has."""


class Redirect(Struct, frozen=True):
    """The browser is to go there, and come back with a code; `verifier` is the client's to keep."""

    url: str
    verifier: str


class Started(Struct, frozen=True):
    """Something was begun, a code was sent, and what the client has stays as it is."""


Result: TypeAlias = Granted | Pending | Redirect | Started


class Method(Protocol):
    """A way to sign in."""

    id: str
    """By which clients name it, and joelclaw.toml."""

    async def sign_in(self, attempt: Attempt) -> Result:
        """
        Raises:
            SignInRefused: Not like this; the client is told why.
            SystemCallFailed: The app's mutation has refused, and its client is told what it says.
        """
        ...

    async def redeem(self, code: str, attempt: Attempt) -> Granted | None:
        """Who comes back with this code; None: it is not ours, or not good. Never raises."""
        ...


def granted(answer: Any) -> Granted:
    """What a system mutation has answered that returns a `Grant`."""
    return Granted(msgspec.convert(answer, Grant))


# -- arguments, as clients send them


class _Arguments(Struct, forbid_unknown_fields=True, rename="camel"):
    provider: str | UnsetType = UNSET
    params: Any = UNSET
    verifier: str | UnsetType = UNSET
    refresh_token: str | UnsetType = UNSET
    called_by: str | UnsetType = UNSET


class _NoArguments(Struct, forbid_unknown_fields=True):
    pass


# -- the service


Ended = Callable[[Sequence[str], Any], None]
"""Told which login sessions have ended, and by which socket, if one asked."""


@dataclass(frozen=True)
class SignInService:
    """Answers the two actions."""

    system: SystemCalls
    tokens: OwnTokens
    methods: Mapping[str, Method]
    ended: Ended

    async def sign_in(self, args: bytes, asker: Asker, origin: Origin) -> Outcome:
        """`auth:signIn`."""
        try:
            arguments = _decode(args, _Arguments)
        except SignInRefused as refusal:
            return refused(refusal)
        if arguments.provider is UNSET and arguments.refresh_token:
            return await self._renew(arguments.refresh_token, origin)
        params = arguments.params if isinstance(arguments.params, dict) else {}
        attempt = Attempt(
            params=params,
            verifier=None if arguments.verifier is UNSET else arguments.verifier,
            asker=asker,
            session=asker.session or None,
            origin=origin,
        )
        if arguments.provider is UNSET:
            code = params.get("code")
            if not isinstance(code, str):
                return refused(SignInRefused("PROVIDER_NOT_CONFIGURED", "Name a provider, or give a code to redeem"))
            return Outcome(value=await self._redeem(code, attempt))
        method = self.methods.get(arguments.provider)
        if method is None:
            return refused(
                SignInRefused("PROVIDER_NOT_CONFIGURED", f"Provider `{arguments.provider:.80}` is not configured")
            )
        return await self._sign_in(method, attempt)

    async def sign_out(self, args: bytes, asker: Asker, origin: Origin) -> Outcome:
        """`auth:signOut`. Nobody signed in is no error."""
        try:
            _decode(args, _NoArguments)
        except SignInRefused as refusal:
            return refused(refusal)
        if asker.session:
            try:
                self.ended(await self.system.tell(SIGN_OUT_SESSION, session=asker.session), origin.socket)
            except SystemCallFailed as error:
                return _failed(error)
        return Outcome()

    async def _sign_in(self, method: Method, attempt: Attempt) -> Outcome:
        try:
            return Outcome(value=self._written(await method.sign_in(attempt), attempt))
        except SignInRefused as refusal:
            return refused(refusal)
        except SystemCallFailed as error:
            return _failed(error)
        except Exception as error:
            log.exception("a sign-in has failed", method=method.id)
            return Outcome(failure=Failure(message=f"Uncaught {type(error).__name__}"))

    async def _redeem(self, code: str, attempt: Attempt) -> bytes:
        for method in self.methods.values():
            try:
                found = await method.redeem(code, attempt)
                if found is not None:
                    return self._written(found, attempt)
            except Exception:  # A client that is answered with an error here hangs for ever.
                log.exception("a code could not be redeemed", method=method.id)
        return NOT_SIGNED_IN

    async def _renew(self, token: str, origin: Origin) -> Outcome:
        parts = self.tokens.read_refresh_token(token)
        if parts is None:
            return Outcome(value=NOT_SIGNED_IN)
        try:
            renewal = await self._ask_for_renewal(*parts)
        except SystemCallFailed as error:
            # It says nothing about the session: to be answered that there is none would sign everybody out.
            log.error("a session could not be renewed", session=parts.session, reason=error.message)
            return Outcome(failure=Failure(message="Uncaught Error: nothing can be written now", code=TRY_AGAIN))
        return Outcome(value=self._renewed(renewal, parts, origin))

    def _renewed(self, renewal: Any, parts: RefreshParts, origin: Origin) -> bytes:
        try:
            if renewal["kind"] == "theft":
                log.warning("a refresh token was used twice; its session has ended", session=parts.session)
            elif renewal["kind"] == "lost_answer":
                log.info("a refresh token was used again after its answer was lost", session=parts.session)
            self.ended(renewal["ended"], origin.socket)
            return NOT_SIGNED_IN if renewal["grant"] is None else self._tokens(granted(renewal["grant"]).grant)
        except Exception:
            log.exception("no token could be made", session=parts.session)
            return NOT_SIGNED_IN

    async def _ask_for_renewal(self, token: str, session: str) -> Any:
        child = self.tokens.new_refresh_id()
        for _ in range(REFRESH_TRIES - 1):
            try:
                return await self.system.tell(REFRESH, token=token, session=session, child=child)
            except SystemCallFailed as error:
                log.error("a session could not be renewed yet", session=session, reason=error.message)
                await asyncio.sleep(REFRESH_PAUSE_S)
        return await self.system.tell(REFRESH, token=token, session=session, child=child)

    def _written(self, result: Result, attempt: Attempt) -> bytes:
        match result:
            case Granted(grant):
                written = self._tokens(grant)
                self.ended(grant.ended, attempt.origin.socket)
                return written
            case Redirect(url, verifier):
                return wire.encode({"redirect": url, "verifier": verifier})
            case Started():
                return STARTED
            case Pending():
                return NOT_SIGNED_IN

    def _tokens(self, grant: Grant) -> bytes:
        token = self.tokens.mint(
            grant.user, grant.session, grant.claims, ends_at=grant.expires_at, development=grant.development
        )
        refresh = self.tokens.refresh_token(grant.refresh, grant.session)
        return wire.encode({"tokens": {"token": token, "refreshToken": refresh}})


def refused(refusal: SignInRefused) -> Outcome:
    """What the client is told: the text that apps may know, and a code for programs beside it."""
    data: dict[str, Any] = {"code": refusal.reason_code}
    if refusal.retry_after_s is not None:
        data["retryAfterS"] = refusal.retry_after_s
    message = f"Uncaught ConvexError: {refusal.reason}"
    return Outcome(failure=Failure(message=message, data=wire.encode(data), code="app_error", public=True))


def _failed(error: SystemCallFailed) -> Outcome:
    """A system mutation has failed: the app's own word goes to its client, everything else to the log."""
    failure = error.failure or Failure(message=str(error))
    return Outcome(failure=failure)


def _decode(args: bytes, form: Any) -> Any:
    try:
        return msgspec.convert(wire.decode(args), form)
    except (msgspec.ValidationError, BadValue) as error:
        raise SignInRefused("BAD_ARGUMENTS", f"ArgumentValidationError: {error}") from None
