"""
Providers: what is particular about each kind. Where to ask, what to believe, who it is.

A provider tells its endpoints when a sign-in begins (an OpenID provider has to be asked for them), and
afterwards who it was. It keeps nothing of anybody: the access token is dropped with the profile read.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from msgspec import Struct

from joelclaw.auth.oauth.client import Checks, Credentials, Tokens
from joelclaw.auth.oauth.id_tokens import TokenWrong, verified_claims
from joelclaw.auth.oauth.profiles import ProfileWrong, account_id, github_address, is_true, text
from joelclaw.auth.oauth.settings import GithubSettings, Oauth2Settings, OidcSettings, Settings
from joelclaw.auth.outbound import Outbound, place_of
from joelclaw.clock import Clock
from joelclaw.errors import ProviderFailed
from joelclaw.system.auth.accounts import Profile

DISCOVERY_LIFE_MS: Final = 3_600_000.0
"""For so long an OpenID provider is not asked again where its endpoints are."""


class Endpoints(Struct, frozen=True, kw_only=True):
    """Where a provider is asked, and how."""

    authorize: str
    token: str
    credentials: Credentials
    issuer: str | None
    """What it calls itself on the way back (RFC 9207)."""

    promises_issuer: bool = False
    """Then an answer that does not say it is nobody's."""

    pkce: bool = True


class Provider(Protocol):
    """Somebody who knows who people are."""

    id: str

    @property
    def settings(self) -> Settings: ...

    @property
    def uses_nonce(self) -> bool: ...

    @property
    def more_parameters(self) -> dict[str, str]: ...

    async def endpoints(self) -> Endpoints:
        """
        Raises:
            ProviderFailed: It does not say.
        """
        ...

    async def profile(self, tokens: Tokens, checks: Checks) -> Profile:
        """
        Who has just signed in there.

        Raises:
            ProviderFailed: It does not say, or what it says cannot be believed.
        """
        ...


class Github:
    """GitHub, wherever it is."""

    uses_nonce = False

    def __init__(self, id: str, settings: GithubSettings, outbound: Outbound) -> None:
        self.id = id
        self.settings = settings
        self._outbound = outbound
        self._base = settings.base_url.rstrip("/")
        self.api = (settings.api_url or _github_api(self._base)).rstrip("/")

    @property
    def more_parameters(self) -> dict[str, str]:
        return dict(self.settings.authorize)

    async def endpoints(self) -> Endpoints:
        return Endpoints(
            authorize=f"{self._base}/login/oauth/authorize",
            token=f"{self._base}/login/oauth/access_token",
            credentials=Credentials(self.settings.client_id, self.settings.client_secret),
            # It says so, said so once before, and has stopped in between: believed if there, not missed if not.
            issuer=f"{self._base}/login/oauth",
        )

    async def profile(self, tokens: Tokens, checks: Checks) -> Profile:  # noqa: ARG002 (it signs nothing)
        user = await self._ask("/user", tokens)
        emails = await self._ask("/user/emails?per_page=100", tokens)
        try:
            if not isinstance(user, dict):
                raise ProfileWrong("the profile is none")
            email, verified = github_address(user, emails)
            login = text(user, "login")
            return Profile(
                provider=self.id,
                account_id=account_id(user.get("id")),
                kind="oauth",
                name=text(user, "name", "login"),
                email=email,
                email_verified=verified,
                image=text(user, "avatar_url"),
                trusted=self.settings.trust_email,
                claims={} if login is None else {"login": login},
            )
        except ProfileWrong as error:
            raise ProviderFailed(f"{self.api}/user", f"answered with what cannot be believed: {error}") from None

    async def _ask(self, path: str, tokens: Tokens) -> Any:
        reply = await self._outbound.get(
            f"{self.api}{path}",
            {
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {tokens.access_token}",
                "X-GitHub-Api-Version": "2022-11-28",
            },
            private=self.settings.private_network,
        )
        if reply.status != 200:
            raise ProviderFailed(reply.place, f"answered with status {reply.status}")
        return reply.json()


def _github_api(base_url: str) -> str:
    """Where the API of a GitHub is: at github.com, with data residency, and of an Enterprise Server."""
    parts = urlsplit(base_url)
    host = parts.netloc.lower()
    if host == "github.com":
        return "https://api.github.com"
    if host.endswith(".ghe.com"):
        return f"{parts.scheme}://api.{host}"
    return f"{base_url}/api/v3"


class Oidc:
    """An OpenID provider."""

    uses_nonce = True

    def __init__(self, id: str, settings: OidcSettings, outbound: Outbound, clock: Clock) -> None:
        self.id = id
        self.settings = settings
        self._outbound = outbound
        self._clock = clock
        self._discovered: dict[str, Any] | None = None
        self._discovered_at = 0.0

    @property
    def more_parameters(self) -> dict[str, str]:
        return {**self.settings.authorize, **({"response_mode": "form_post"} if self.settings.form_post else {})}

    async def endpoints(self) -> Endpoints:
        said = await self.discovered()
        challenges = said.get("code_challenge_methods_supported")
        # By post the secret needs no second encoding, about which servers disagree.
        presented = said.get("token_endpoint_auth_methods_supported", [])
        by_post = isinstance(presented, list) and "client_secret_post" in presented
        return Endpoints(
            authorize=self._endpoint(said, "authorization_endpoint"),
            token=self._endpoint(said, "token_endpoint"),
            credentials=Credentials(
                self.settings.client_id, self.settings.client_secret, "post" if by_post else "basic"
            ),
            issuer=said["issuer"],
            promises_issuer=said.get("authorization_response_iss_parameter_supported") is True,
            # Not in the list is declared; without a list nothing is, and a challenge does no harm.
            pkce=not isinstance(challenges, list) or "S256" in challenges,
        )

    async def profile(self, tokens: Tokens, checks: Checks) -> Profile:
        said = await self.discovered()
        claims = await self._verified(said, tokens, checks)
        try:
            id = account_id(claims.get("sub"))
            if not {"email", "name"} <= claims.keys() and "userinfo_endpoint" in said:
                claims = {**await self._userinfo(said, tokens, id), **claims}
        except ProfileWrong as error:
            raise ProviderFailed(said["issuer"], f"answered with what cannot be believed: {error}") from None
        return _profile(self.id, id, claims, trusted=self.settings.trust_email)

    async def discovered(self) -> dict[str, Any]:
        """
        What the provider says of itself, kept for a while.

        Raises:
            ProviderFailed: It says nothing, or that it is somebody else.
        """
        now = self._clock.now_ms()
        if self._discovered is None or now - self._discovered_at > DISCOVERY_LIFE_MS:
            url = f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
            said = (await self._outbound.get(url, private=self.settings.private_network)).fields()
            if not isinstance(said.get("issuer"), str) or said["issuer"].rstrip("/") != self.settings.issuer.rstrip(
                "/"
            ):
                raise ProviderFailed(place_of(url), "describes another issuer than the one it was asked for")
            self._discovered, self._discovered_at = said, now
        return self._discovered

    def _endpoint(self, said: Mapping[str, Any], name: str) -> str:
        url = said.get(name)
        refusal = self._outbound.refusal(url) if isinstance(url, str) else "is not there"
        if refusal is not None:
            raise ProviderFailed(self.settings.issuer, f"describes itself wrongly: its {name} {refusal}")
        return str(url)

    async def _verified(self, said: Mapping[str, Any], tokens: Tokens, checks: Checks) -> dict[str, Any]:
        token = tokens.answer.get("id_token")
        if not isinstance(token, str):
            raise ProviderFailed(said["issuer"], "answered without an id_token")
        # Asked anew each time: a key that was replaced a minute ago is the wrong one to believe.
        jwks = self._endpoint(said, "jwks_uri")
        published = (await self._outbound.get(jwks, private=self.settings.private_network)).fields()
        keys = published.get("keys")
        try:
            return verified_claims(
                token,
                keys if isinstance(keys, list) else [],
                issuer=said["issuer"],
                client_id=self.settings.client_id,
                nonce=checks.nonce,
                access_token=tokens.access_token,
                now_s=self._clock.now_ms() / 1000,
            )
        except TokenWrong as error:
            raise ProviderFailed(said["issuer"], f"answered with what cannot be believed: {error}") from None

    async def _userinfo(self, said: Mapping[str, Any], tokens: Tokens, id: str) -> dict[str, Any]:
        """What is said beside the id_token; by a server that may mix people up, so of the same one (Core, 5.3.2)."""
        url = self._endpoint(said, "userinfo_endpoint")
        told = await _userinfo(self._outbound, url, tokens, private=self.settings.private_network)
        if told.get("sub") != id:
            raise ProfileWrong("userinfo is about somebody else than the id_token")
        return told


class Oauth2:
    """An OAuth 2.0 server, by its endpoints."""

    uses_nonce = False

    def __init__(self, id: str, settings: Oauth2Settings, outbound: Outbound) -> None:
        self.id = id
        self.settings = settings
        self._outbound = outbound

    @property
    def more_parameters(self) -> dict[str, str]:
        return dict(self.settings.authorize)

    async def endpoints(self) -> Endpoints:
        declared = self.settings
        return Endpoints(
            authorize=declared.authorize_url,
            token=declared.token_url,
            credentials=Credentials(declared.client_id, declared.client_secret, declared.token_auth),
            issuer=declared.issuer,
            pkce=declared.pkce,
        )

    async def profile(self, tokens: Tokens, checks: Checks) -> Profile:  # noqa: ARG002 (it signs nothing)
        declared = self.settings
        said = await _userinfo(self._outbound, declared.userinfo_url, tokens, private=self.settings.private_network)
        verified = declared.email_verified_field
        claims = {
            "name": said.get(declared.name_field),
            "email": said.get(declared.email_field),
            "email_verified": verified is not None and is_true(said.get(verified)),
            "picture": said.get(declared.image_field),
        }
        try:
            id = account_id(said.get(declared.id_field))
        except ProfileWrong as error:
            place = place_of(declared.userinfo_url)
            raise ProviderFailed(place, f"answered with what cannot be believed: {error}") from None
        return _profile(self.id, id, claims, trusted=declared.trust_email)


async def _userinfo(outbound: Outbound, url: str, tokens: Tokens, *, private: bool) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {tokens.access_token}"}
    return (await outbound.get(url, headers, private=private)).fields()


def _profile(provider: str, id: str, claims: Mapping[str, Any], *, trusted: bool) -> Profile:
    """By the standard claims (OpenID Connect Core, section 5.1)."""
    email = text(claims, "email")
    return Profile(
        provider=provider,
        account_id=id,
        kind="oauth",
        name=text(claims, "name", "preferred_username", "nickname"),
        email=email,
        email_verified=email is not None and is_true(claims.get("email_verified")),
        image=text(claims, "picture"),
        trusted=trusted,
    )


def make_provider(id: str, settings: Settings, outbound: Outbound, clock: Clock) -> Provider:
    """The provider that was declared."""
    if isinstance(settings, GithubSettings):
        return Github(id, settings, outbound)
    if isinstance(settings, OidcSettings):
        return Oidc(id, settings, outbound, clock)
    return Oauth2(id, settings, outbound)
