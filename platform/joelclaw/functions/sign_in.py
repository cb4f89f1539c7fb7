"""
Sign-in, as far as functions and isolates know of it: what joelclaw.toml declares.

None of it is secret. Keys, providers' secrets and tokens stay in the gateway.

Elsewhere: `system/auth/` decides with it who somebody is and how long they stay signed in.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from joelclaw.functions.calls import Identity
from joelclaw.schema.problems import Place
from joelclaw.schema.structs import Object


class LoginSession(Object):
    """Somebody is signed in, on one device."""

    id: str
    user: str
    """The id of the user's document."""

    provider: str
    """How they have signed in: "github", "password"."""

    created_at: float
    renewed_at: float
    """When the device was here last, within the life of a token."""

    expires_at: float
    """When it is over, without another visit."""


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """How this deployment signs people in. A deployment that signs nobody in has none."""

    issuer: str
    """Of the deployment's own tokens: the origin of its site."""

    user_table: str = "users"
    """Wire name of the app's table of users. An app without such a table leaves its users to the platform."""

    user_table_place: Place = Place("joelclaw.toml", 1)
    hook: str | None = None
    """The app's mutation that makes somebody's document, in Python's spelling or the wire's."""

    hook_place: Place = Place("joelclaw.toml", 1)
    fills: tuple[str, ...] = ()
    """Fields of a user that every declared sign-in method can fill."""

    stand_ins: tuple[str, ...] = ()
    """Providers for which a page of ours answers, where everybody is whom they say. Never any in production."""

    jwt_ttl_ms: float = 3_600_000.0
    session_total_ms: float = 2_592_000_000.0
    session_idle_ms: float = 2_592_000_000.0
    reuse_window_ms: float = 10_000.0


NOBODY: Final = "Anonymous"
"""The name of a user who has none, in a table where everybody must have one."""

INITIATING_USER: Final = "initiating_user"
TOKEN_IDENTIFIER: Final = "token_identifier"

PROFILE_FIELDS: Final = (
    "provider",
    "account_id",
    "kind",
    "name",
    "email",
    "email_verified",
    "image",
    "claims",
)
"""What the app's mutation may ask for, beside `initiating_user`."""


STAND_IN: Final = "dev:"
"""
Before the id of a provider for which a page of ours has answered, in the rows of sign-in: `dev:github`.

No method can be declared with such an id. So an account that anybody may have made up is never found by
the provider itself, nor the other way round, whatever database is served by whom.
"""


def stand_in(provider: str) -> str:
    """What rows call a provider for which a page of ours answers."""
    return f"{STAND_IN}{provider}"


def declared_id(provider: str) -> str:
    """What joelclaw.toml, and functions, call the provider that rows call so."""
    return provider.removeprefix(STAND_IN)


def counts(provider: str, sign_in: SignIn) -> bool:
    """Is an account at this provider somebody, in this deployment as it is served now?"""
    return not provider.startswith(STAND_IN) or declared_id(provider) in sign_in.stand_ins


def provider_field(provider: str) -> str:
    """Where a user's document has the account at this provider: `github_id`."""
    return f"{declared_id(provider).replace('-', '_')}_id"


_RENAMED: Final = {"picture": "pictureUrl", "email_verified": "emailVerified"}
"""Claims that functions see under another name, as those of other issuers."""


def own_identity(issuer: str, user: str, session: str, claims: Mapping[str, Any]) -> Identity:
    """
    Whoever this deployment has signed in, as functions see them.

    The token identifier has no session in it, so it is the same on all devices and may stand in a document.
    """
    renamed = {_RENAMED.get(name, name): value for name, value in claims.items()}
    return Identity(issuer, f"{user}|{session}", f"{issuer}|{user}", renamed)
