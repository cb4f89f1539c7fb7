"""
What joelclaw.toml says of a provider: `[auth.sign_in.github]`.

Which kind it is, its `type` says, or else its id (`github`, `google`, `gitlab`). Client id and secret come from
the environment, `AUTH_GITHUB_ID` and `AUTH_GITHUB_SECRET`, unless the table says otherwise; so does an issuer,
`AUTH_WORK_ISSUER`. The names are those of projects that come from Convex Auth.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from joelclaw.auth.declaring import CREDENTIALS, has_credential, variable_part
from joelclaw.config import Config, read_table
from joelclaw.errors import ConfigRefused

ISSUERS: Final[Mapping[str, str]] = {"google": "https://accounts.google.com", "gitlab": "https://gitlab.com"}
"""OpenID providers that are known by their id alone."""

Text = Annotated[str, Meta(min_length=1, description="text")]
Url = Annotated[
    str, Meta(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$", description="an address, like https://login.example.com")
]
ClientId = Annotated[str, Meta(min_length=1, description="the id under which the provider knows this deployment")]
ClientSecret = Annotated[
    str, Meta(min_length=1, description="the secret that the provider has given out", extra={"secret": True})
]
Scope = Annotated[str, Meta(pattern=r"^[\x21-\x7e]+( [\x21-\x7e]+)*$", description="words with a space between them")]
Flag = Annotated[bool, Meta(description="true or false")]
Authorize: TypeAlias = dict[str, Text]
"""More parameters of the page that people are sent to: `{ prompt = "select_account" }`."""


class GithubSettings(msgspec.Struct, frozen=True, kw_only=True):
    """GitHub: github.com, an Enterprise Server, or Enterprise Cloud with data residency."""

    client_id: ClientId
    client_secret: ClientSecret
    base_url: Url = "https://github.com"
    api_url: Annotated[
        Annotated[str, Meta(pattern=r"^https?://[^\s?#@]+$")] | None,
        Meta(description="where its API is, like https://github.example.com/api/v3"),
    ] = None
    scope: Scope = "read:user user:email"
    trust_email: Flag = True
    private_network: Flag = False
    authorize: Authorize = {}


class OidcSettings(msgspec.Struct, frozen=True, kw_only=True):
    """An OpenID provider, which tells everything else by discovery."""

    issuer: Url
    client_id: ClientId
    client_secret: ClientSecret
    scope: Scope = "openid profile email"
    form_post: Flag = False
    trust_email: Flag = True
    private_network: Flag = False
    authorize: Authorize = {}


class Oauth2Settings(msgspec.Struct, frozen=True, kw_only=True):
    """An OAuth 2.0 server with an endpoint that says who a token belongs to."""

    authorize_url: Url
    token_url: Url
    userinfo_url: Url
    client_id: ClientId
    client_secret: ClientSecret
    scope: Annotated[str, Meta(pattern=r"^[\x21-\x7e ]*$", description="words with a space between them")] = ""
    issuer: Annotated[Url | None, Meta(description="what it calls itself, where it says so on the way back")] = None
    token_auth: Annotated[Literal["post", "basic"], Meta(description='"post" or "basic"')] = "post"
    pkce: Flag = True
    id_field: Text = "id"
    name_field: Text = "name"
    email_field: Text = "email"
    email_verified_field: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="the field that says whether the address is verified"),
    ] = None
    image_field: Text = "picture"
    trust_email: Flag = False
    private_network: Flag = False
    authorize: Authorize = {}


Settings: TypeAlias = GithubSettings | OidcSettings | Oauth2Settings

KINDS: Final[Mapping[str, type[Settings]]] = {
    "github": GithubSettings,
    "oauth2": Oauth2Settings,
    "oidc": OidcSettings,
    **dict.fromkeys(ISSUERS, OidcSettings),
}
"""By the `type` of a table, or else by the method's id."""


def read_settings(config: Config, environ: Mapping[str, str], id: str, *, unknown: str | None = None) -> Settings:
    """
    What is declared of a provider; `unknown` stands for a client id or secret that is nowhere.

    Raises:
        ConfigRefused: Something in its table is not as it has to be, or its client id or secret is nowhere.
    """
    table: dict[str, Any] = dict(config.auth.sign_in.get(id, {}))
    kind = table.pop("type", id)
    issuer = environ.get(f"AUTH_{variable_part(id)}_ISSUER") or ISSUERS.get(kind)
    if KINDS[kind] is OidcSettings and issuer is not None:
        table.setdefault("issuer", issuer)
    for field, form in CREDENTIALS.items():
        variable = form.format(variable_part(id))
        if field not in table:
            credential = environ.get(variable) or unknown
            if not credential:
                raise ConfigRefused(
                    config.source.path.name,
                    config.source.line("auth", "sign_in", id) or config.source.line("auth", "providers"),
                    f"signing in with {id} needs its {field}: export {variable} before you start joelclaw, "
                    f"or write {field} below a line [auth.sign_in.{id}]{_without_both(config, environ, id)}",
                )
            table[field] = credential
    return read_table(config.source, table, KINDS[kind], "auth", "sign_in", id)


ADDRESSES: Final = ("base_url", "api_url", "issuer", "authorize_url", "token_url", "userinfo_url")
"""Settings that are asked, or that browsers are sent to."""


def addresses_of(settings: Settings) -> dict[str, str]:
    """The addresses that are declared of a provider, by the setting."""
    found = {name: getattr(settings, name, None) for name in ADDRESSES}
    return {name: address for name, address in found.items() if address is not None}


def _without_both(config: Config, environ: Mapping[str, str], id: str) -> str:
    if any(has_credential(config, environ, id, field) for field in CREDENTIALS):
        return ""
    return "; only `joelclaw dev` does without, and answers in its place"
