"""
OAuth 2.0's two requests: the address that a browser is sent to, and the exchange of what it brings back.

On Authlib, and the only module that is: RFC 6749 (code flow), RFC 7636 (PKCE, S256 and nothing else). Its
transport is not used, see `auth/outbound.py`.
"""

import re
from typing import Any, Final, Literal

from authlib.oauth2.auth import ClientAuth  # type: ignore[import-untyped]
from authlib.oauth2.rfc6749.parameters import (  # type: ignore[import-untyped]
    prepare_grant_uri,
    prepare_token_request,
)
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from msgspec import Struct

from joelclaw.auth.outbound import Outbound, Reply
from joelclaw.errors import ProviderFailed

_ERROR: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""The codes of RFC 6749, section 5.2, and those of providers. Anything else is not repeated in a log."""


_CODE_WRONG: Final = frozenset({"bad_verification_code", "invalid_grant"})
_CREDENTIALS_WRONG: Final = frozenset({"incorrect_client_credentials", "invalid_client", "unauthorized_client"})

NOBODYS_CODE: Final = "joelclaw-doctor"
NOBODYS_VERIFIER: Final = "joelclaw-doctor-joelclaw-doctor-joelclaw-doctor"


class Unspoken(Struct, frozen=True):
    """Holds secrets: what is written of it, in a log or a traceback, is its name alone."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Credentials(Unspoken, frozen=True):
    """Who we are at the provider."""

    id: str
    secret: str
    auth: Literal["post", "basic"] = "post"
    """How it is presented: in the form, or in a header."""


class Checks(Unspoken, frozen=True):
    """What binds an answer to its question. All three are always made; not every provider takes every one."""

    state: str
    verifier: str
    """PKCE's."""

    nonce: str


class Tokens(Unspoken, frozen=True):
    """What a code was exchanged for."""

    access_token: str
    answer: dict[str, Any]
    """All of it."""


class Trial(Struct, frozen=True):
    """What came of credentials that were tried."""

    accepted: bool | None
    """None: the provider does not say."""

    date: str | None
    """When the provider thinks that it is, as its answer says."""


def authorization_url(
    endpoint: str,
    client_id: str,
    redirect_uri: str,
    scope: str,
    checks: Checks,
    *,
    pkce: bool,
    nonce: bool,
    more: dict[str, str],
) -> str:
    """Where the browser is sent. `more` adds parameters, and replaces none of ours."""
    parameters = dict(more)
    if pkce:
        parameters |= {
            "code_challenge": create_s256_code_challenge(checks.verifier),
            "code_challenge_method": "S256",
        }
    if nonce:
        parameters["nonce"] = checks.nonce
    for taken in ("response_type", "client_id", "redirect_uri", "scope", "state"):
        parameters.pop(taken, None)
    url: str = prepare_grant_uri(
        endpoint, client_id, "code", redirect_uri=redirect_uri, scope=scope, state=checks.state, **parameters
    )
    return url


async def exchange(
    outbound: Outbound,
    endpoint: str,
    credentials: Credentials,
    code: str,
    redirect_uri: str,
    verifier: str | None,
    *,
    private: bool,
) -> Tokens:
    """
    Exchange a code. Once: whatever goes wrong, the code is spent.

    Raises:
        ProviderFailed: There are no tokens.
    """
    return _tokens(await _present(outbound, endpoint, credentials, code, redirect_uri, verifier, private=private))


async def try_credentials(
    outbound: Outbound, endpoint: str, credentials: Credentials, redirect_uri: str, *, private: bool
) -> Trial:
    """
    Present a code that is nobody's: what is refused then, the code or who presents it, tells whether they are known.

    Raises:
        ProviderFailed: The provider does not answer.
    """
    reply = await _present(
        outbound, endpoint, credentials, NOBODYS_CODE, redirect_uri, NOBODYS_VERIFIER, private=private
    )
    try:
        said = reply.json()
    except ProviderFailed:
        said = None
    error = said.get("error") if isinstance(said, dict) else None
    if error in _CODE_WRONG:
        accepted: bool | None = True
    else:
        # GitHub answers 404 for an id that it does not know.
        accepted = False if error in _CREDENTIALS_WRONG or reply.status in (401, 404) else None
    return Trial(accepted, reply.headers.get("date"))


async def _present(
    outbound: Outbound,
    endpoint: str,
    credentials: Credentials,
    code: str,
    redirect_uri: str,
    verifier: str | None,
    *,
    private: bool,
) -> Reply:
    body = prepare_token_request("authorization_code", "", redirect_uri=redirect_uri, code=code, code_verifier=verifier)
    auth = ClientAuth(credentials.id, credentials.secret, f"client_secret_{credentials.auth}")
    url, headers, body = auth.prepare("POST", endpoint, {"Accept": "application/json"}, body)
    return await outbound.post_form(url, body, headers, private=private)


def _tokens(reply: Reply) -> Tokens:
    said = reply.json()
    if not isinstance(said, dict):
        raise ProviderFailed(reply.place, "answered with what is no JSON object")
    if "error" in said:  # GitHub says so with status 200.
        raise ProviderFailed(reply.place, f"refused the exchange: {error_code(said['error'])}")
    if reply.status != 200:
        raise ProviderFailed(reply.place, f"answered with status {reply.status}")
    token, kind = said.get("access_token"), said.get("token_type", "bearer")
    if not isinstance(token, str) or not token or not isinstance(kind, str) or kind.lower() != "bearer":
        raise ProviderFailed(reply.place, "answered without a bearer token")
    return Tokens(token, said)


def error_code(error: Any) -> str:
    """A provider's error, if it is one that may be repeated."""
    return error if isinstance(error, str) and _ERROR.fullmatch(error) else "an error without a readable name"
