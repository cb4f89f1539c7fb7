"""
What others need to verify our tokens: who we are, and with which keys we sign (OpenID Connect Discovery, RFC 7517).

Read by anybody, from any page. Clients do not: they take their tokens as they are.
"""

from hashlib import sha256
from typing import Any, Final

import msgspec

from joelclaw.auth.keyring import ALGORITHM
from joelclaw.auth.own_tokens import OwnTokens
from joelclaw.http.requests import JSON, Answer, Header, Receive, Scope, Send, respond

DISCOVERY: Final = "/.well-known/openid-configuration"
JWKS: Final = "/.well-known/jwks.json"

_HEADERS: Final[tuple[Header, ...]] = (
    # Short: a key that is dropped in an emergency must not count for long anywhere.
    (b"cache-control", b"public, max-age=15, stale-while-revalidate=15, stale-if-error=86400"),
    (b"access-control-allow-origin", b"*"),
)


class WellKnown:
    """Answers both addresses."""

    def __init__(self, tokens: OwnTokens) -> None:
        self._tokens = tokens

    async def discovery(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI)
        issuer = self._tokens.issuer
        await _answer(
            scope,
            send,
            {
                "issuer": issuer,
                "jwks_uri": issuer + JWKS,
                "authorization_endpoint": f"{issuer}/oauth/authorize",
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
            },
        )

    async def jwks(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI)
        await _answer(scope, send, {"keys": [key.public for key in self._tokens.keyring.published]})


async def _answer(scope: Scope, send: Send, document: dict[str, Any]) -> None:
    if scope["method"] not in ("GET", "HEAD"):
        await respond(send, Answer(b"", 405, JSON), [(b"allow", b"GET, HEAD")])
        return
    body = msgspec.json.encode(document)
    tag = b'"%b"' % sha256(body).hexdigest()[:32].encode()
    headers = [*_HEADERS, (b"etag", tag)]
    if any(name == b"if-none-match" and value == tag for name, value in scope["headers"]):
        await respond(send, Answer(b"", 304, JSON), headers)
        return
    await respond(send, Answer(body, 200, JSON), headers)
