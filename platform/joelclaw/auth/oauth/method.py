"""
Signing in at a provider: from the button to the session.

Everything random is drawn here, and rows get hashes of it. PKCE's verifier and the nonce are MACs over
the state with the server key: whoever has a copy of the database, or has seen the state in an address, cannot
make them, and no row has to keep them.

Elsewhere: `system/auth/flows.py` decides, `http/sign_in.py` has the routes.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec
import structlog

from joelclaw.auth.addresses import network_of
from joelclaw.auth.methods import Toolbox
from joelclaw.auth.oauth.client import Checks, authorization_url, error_code, exchange
from joelclaw.auth.oauth.providers import Endpoints, Provider, make_provider
from joelclaw.auth.oauth.settings import addresses_of, read_settings
from joelclaw.auth.oauth.steps import SIGN_IN_PATH, DeadEnd, Onward, callback_url, with_parameter
from joelclaw.auth.outbound import Outbound
from joelclaw.auth.own_tokens import OwnTokens
from joelclaw.auth.sign_in import Attempt, Granted, Pending, Redirect, granted
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import ConfigRefused, ProviderFailed, SignInRefused, SystemCallFailed
from joelclaw.functions.sign_in import provider_field
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


class OAuth:
    """Signing in at one provider."""

    def __init__(
        self,
        provider: Provider,
        system: SystemCalls,
        tokens: OwnTokens,
        outbound: Outbound,
        *,
        site_origin: str,
        destination: Destination,
    ) -> None:
        self.id = provider.id
        self.fills: frozenset[str] = frozenset({provider_field(provider.id)})
        self.provider = provider
        self.callback_url = callback_url(site_origin, provider.id)
        """What has to be registered at the provider."""

        self._system = system
        self._tokens = tokens
        self._outbound = outbound
        self._address = f"{site_origin}{SIGN_IN_PATH}{provider.id}"
        self._destination = destination

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
            provider=self.id,
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
        if found is None or found["provider"] != self.id:
            return None
        redemption = await self._system.tell(
            REDEEM,
            codeHash=code_hash,
            verifierHash=verifier_hash,
            provider=self.id,
            profile=self._unsealed(code_hash, found["profile"]),
            replacing=attempt.session,
            refresh=self._tokens.new_refresh_id(),
        )
        if redemption["kind"] == "spent":
            log.warning("a code was redeemed twice", provider=self.id)
        return None if redemption["grant"] is None else granted(redemption["grant"])

    # -- what browsers open

    async def leave(self, flow: str) -> Onward | DeadEnd:
        """
        To the provider.

        Raises:
            SystemCallFailed: Nothing can be written just now.
        """
        state = _secret()
        step = await self._system.tell(OPEN, flowHash=_hash(flow), provider=self.id, stateHash=_hash(state))
        if step["kind"] != "on":
            return DeadEnd(_LATE if step["kind"] == "expired" else _UNKNOWN, step["destination"])
        try:
            endpoints = await self.provider.endpoints()
        except ProviderFailed as error:
            log.warning("a sign-in could not begin", provider=self.id, reason=str(error))
            return Onward(with_parameter(step["destination"], ERROR_PARAMETER, "oauth_error"))
        return Onward(
            authorization_url(
                endpoints.authorize,
                endpoints.credentials.id,
                self.callback_url,
                self.provider.settings.scope,
                self._checks(state),
                pkce=endpoints.pkce,
                nonce=self.provider.uses_nonce,
                more=self.provider.more_parameters,
            )
        )

    async def come_back(self, said: Mapping[str, str]) -> Onward | DeadEnd:
        """
        From the provider, with what it has said: a code, or why there is none.

        Raises:
            SystemCallFailed: Nothing can be written just now.
        """
        state = said.get("state", "")
        step = await self._system.tell(CLAIM, stateHash=_hash(state), provider=self.id)
        destination: str = step["destination"]
        if step["kind"] == "unknown":
            return DeadEnd(_UNKNOWN)
        if step["kind"] == "expired":
            return Onward(with_parameter(destination, ERROR_PARAMETER, "expired"))
        try:
            profile = await self._ask(said, self._checks(state))
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

    async def _ask(self, said: Mapping[str, str], checks: Checks) -> Profile:
        """Who it is. The code goes to nobody before the answer is known to be this provider's (RFC 9207)."""
        endpoints = await self.provider.endpoints()
        _check_issuer(endpoints, said.get("iss"), self.callback_url)
        if "error" in said:
            raise ProviderFailed(self.callback_url, f"was told: {error_code(said['error'])}")
        code = said.get("code", "")
        if not code:
            raise ProviderFailed(self.callback_url, "was given no code")
        tokens = await exchange(
            self._outbound,
            endpoints.token,
            endpoints.credentials,
            code,
            self.callback_url,
            checks.verifier if endpoints.pkce else None,
            private=self.provider.settings.private_network,
        )
        return await self.provider.profile(tokens, checks)

    # -- secrets

    def _checks(self, state: str) -> Checks:
        keyring = self._tokens.keyring
        return Checks(state, keyring.mac("pkce", state), keyring.mac("nonce", state))

    def _unsealed(self, code_hash: str, sealed: str | None) -> Any:
        """A profile as arguments have it: names on the wire."""
        if sealed is None:
            return None
        profile = msgspec.json.decode(self._tokens.keyring.unseal(_purpose(code_hash), sealed))
        return {camel(name): value for name, value in profile.items()}


def open_method(id: str, toolbox: Toolbox) -> OAuth:
    """
    The provider as it is declared.

    Raises:
        ConfigRefused: It is declared wrong, its client id or secret is nowhere, or it is not asked over https.
    """
    settings = read_settings(toolbox.config, toolbox.environ, id)
    outbound = Outbound(development=toolbox.development)
    for name, address in addresses_of(settings).items():
        refusal = outbound.refusal(address)
        if refusal is not None:
            source = toolbox.config.source
            line = source.line("auth", "sign_in", id, name)
            raise ConfigRefused(source.path.name, line, f"auth.sign_in.{id}.{name} {refusal}; write https://")
    return OAuth(
        make_provider(id, settings, outbound, toolbox.clock),
        toolbox.system,
        toolbox.tokens,
        outbound,
        site_origin=toolbox.site_origin,
        destination=toolbox.destination,
    )


_UNKNOWN: Final = "This sign-in is not known here, or is over already."
_LATE: Final = "This sign-in has taken too long."


def _check_issuer(endpoints: Endpoints, said: str | None, place: str) -> None:
    if said is None:
        if endpoints.promises_issuer:
            raise ProviderFailed(place, "was not told which provider has answered, though this one promises to")
    elif endpoints.issuer is not None and said != endpoints.issuer:
        raise ProviderFailed(place, "was told that another provider has answered")


def _secret() -> str:
    return secrets.token_urlsafe(SECRET_BYTES)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _purpose(code_hash: str) -> str:
    """A profile is sealed for the code that it is kept under, and is no other's."""
    return f"profile|{code_hash}"
