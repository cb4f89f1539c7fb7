"""
Signing in at a provider.

Elsewhere: `flow.py` has everything before and after the provider.
"""

from collections.abc import Mapping

import structlog

from joelclaw.auth.methods import Toolbox
from joelclaw.auth.oauth.client import Checks, authorization_url, error_code, exchange
from joelclaw.auth.oauth.flow import ERROR_PARAMETER, Destination, FlowMethod
from joelclaw.auth.oauth.providers import Endpoints, Provider, make_provider
from joelclaw.auth.oauth.settings import addresses_of, read_settings
from joelclaw.auth.oauth.steps import Onward, with_parameter
from joelclaw.auth.outbound import Outbound
from joelclaw.auth.own_tokens import OwnTokens
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import ConfigRefused, ProviderFailed
from joelclaw.system.auth.accounts import Profile

log = structlog.get_logger("joelclaw.auth")


class OAuth(FlowMethod):
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
        super().__init__(provider.id, system, tokens, kept_as=provider.id, origin=site_origin, destination=destination)
        self.provider = provider
        self._outbound = outbound

    async def close(self) -> None:
        """Hang up on the provider."""
        await self._outbound.close()

    async def send_away(self, state: str, destination: str) -> Onward:
        """To the provider; or back at once, if it does not say where it is."""
        try:
            endpoints = await self.provider.endpoints()
        except ProviderFailed as error:
            log.warning("a sign-in could not begin", provider=self.id, reason=str(error))
            return Onward(with_parameter(destination, ERROR_PARAMETER, "oauth_error"))
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

    async def ask(self, said: Mapping[str, str], state: str) -> Profile:
        """Who it is. The code goes to nobody before the answer is known to be this provider's (RFC 9207)."""
        checks = self._checks(state)
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

    def _checks(self, state: str) -> Checks:
        keyring = self._tokens.keyring
        return Checks(state, keyring.mac("pkce", state), keyring.mac("nonce", state))


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


def _check_issuer(endpoints: Endpoints, said: str | None, place: str) -> None:
    if said is None:
        if endpoints.promises_issuer:
            raise ProviderFailed(place, "was not told which provider has answered, though this one promises to")
    elif endpoints.issuer is not None and said != endpoints.issuer:
        raise ProviderFailed(place, "was told that another provider has answered")
