"""
`[auth]` of joelclaw.toml: how people sign in, whose tokens count, who may do what.

    [auth]
    providers = ["github", "password"]

    [auth.sign_in.github]
    base_url = "https://github.example.com"

A sign-in method has settings of its own, which only it knows. Here they stay a table as
written, with `{ from = "NAME" }` replaced; the method decodes it into its struct with
`config.read_table`, so that what is wrong in it is told with file and line, as everything is.

Elsewhere: `config.py` reads the file; `auth/methods.py` knows which methods there are.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

_DURATION = (
    r"^(?=.)([0-9]+(\.[0-9]+)?d)?([0-9]+(\.[0-9]+)?h)?([0-9]+(\.[0-9]+)?m(?!s))?([0-9]+(\.[0-9]+)?s)?([0-9]+ms)?$"
)

Duration = Annotated[str, Meta(pattern=_DURATION)]
"""As `values/durations.py` reads them, which is above this."""


class Issuer(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody else whose tokens count. Which settings go together, `auth/issuers.py` checks."""

    type: Annotated[Literal["oidc", "custom_jwt"], Meta(description='"oidc" or "custom_jwt"')] = "oidc"
    domain: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description='where an OpenID issuer is, like "https://tenant.us.auth0.com"'),
    ] = None
    issuer: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description='the "iss" of the tokens, like "https://issuer.example.com"'),
    ] = None
    jwks: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description='where the keys are, like "https://issuer.example.com/jwks", or "data:" and the keys'),
    ] = None
    algorithm: Annotated[Literal["RS256", "ES256"] | None, Meta(description='"RS256" or "ES256"')] = None
    application_id: Annotated[
        Annotated[str, Meta(min_length=1)] | None, Meta(description='the "aud" of tokens for this app')
    ] = None
    private_network: Annotated[bool, Meta(description="true or false")] = False


class MailServer(msgspec.Struct, frozen=True, kw_only=True):
    """Who takes the mails of sign-in."""

    url: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="a mail server, like smtps://user:password@mail.example.com", extra={"secret": True}),
    ] = None
    from_: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description='whom mails are from, like "Example <no-reply@example.com>"'),
    ] = msgspec.field(name="from", default=None)
    per_hour: Annotated[int, Meta(ge=1, le=1_000_000, description="a number of mails, from 1 to 1000000")] = 1_000


class Auth(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asking, and who may do what."""

    providers: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")], ...],
        Meta(description='a list of sign-in methods, like ["github", "password"]'),
    ] = ()
    jwt_ttl: Annotated[
        Duration, Meta(description='how long a token holds before it is renewed, from "10s" to "24h", like "1h"')
    ] = "1h"
    session_total: Annotated[Duration, Meta(description='after which time everybody signs in again, like "30d"')] = (
        "30d"
    )
    session_idle: Annotated[
        Duration, Meta(description='after which time without a visit somebody signs in again, like "30d"')
    ] = "30d"
    reuse_window: Annotated[
        Duration,
        Meta(description='how long a used refresh token still gets its successor, from "0s" to "5m", like "10s"'),
    ] = "10s"
    redirects: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:[^\s\\]*$")], ...],
        Meta(description='a list of origins and addresses of apps, like ["myapp://auth"]'),
    ] = ()
    user_table: Annotated[str, Meta(min_length=1, description='a table of the app, like "users"')] = "users"
    on_first_sign_in: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description='an internal mutation of the app, like "users.arrived"'),
    ] = None
    key: Annotated[
        Annotated[str, Meta(min_length=32)] | None,
        Meta(
            description="a secret of at least 32 characters, which nothing else is protected with",
            extra={"secret": True},
        ),
    ] = None
    sign_in: dict[str, dict[str, Any]] = {}
    mail: MailServer = MailServer()
    issuers: tuple[Issuer, ...] = ()
    roles: dict[
        str,
        Annotated[
            tuple[Annotated[str, Meta(pattern=r"^\S+$")], ...],
            Meta(description='a list of who has it, like ["github:joelhooks"]'),
        ],
    ] = {}
