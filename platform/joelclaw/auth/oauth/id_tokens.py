"""
id_tokens: what an OpenID provider has signed about who signed in (OpenID Connect Core, section 3.1.3.7).

The algorithms are ours to choose, never the token's; none of them is symmetric, since a client's secret
is known to more than the provider. The keys are those that the provider publishes now.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jws, jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import JWKRegistry

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
TOKEN_BYTES: Final = 16 * 1024
LEEWAY_S: Final = 60
"""Between the provider's clock and ours."""


class TokenWrong(Exception):
    """An id_token that is not to be believed; says why, and nothing of what is in it."""


def verified_claims(
    token: str,
    keys: Iterable[Any],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    access_token: str,
    now_s: float,
) -> dict[str, Any]:
    """
    The claims of an id_token, believed.

    `keys` are those of the provider's JWKS, as published.

    Raises:
        TokenWrong: It is not the provider's, not for us, not of this sign-in, or not valid now.
    """
    if len(token) > TOKEN_BYTES:
        raise TokenWrong(f"the id_token is larger than {TOKEN_BYTES:,} bytes")
    try:
        header = jws.extract_compact(token.encode()).headers()
        decoded = _decoded(token, header, keys)
        claims = CodeIDToken(
            decoded, header, params={"nonce": nonce, "client_id": client_id, "access_token": access_token}
        )
        claims.validate(now=int(now_s), leeway=LEEWAY_S)
    except JoseError as error:
        # Its description may name the claim, which is all that helps; values are not repeated.
        raise TokenWrong(f"the id_token is wrong: {error.error} {getattr(error, 'claim', '') or ''}".strip()) from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise TokenWrong(f"the id_token cannot be read: {type(error).__name__}") from None
    _check(decoded, issuer, client_id)
    return decoded


def _check(claims: Mapping[str, Any], issuer: str, client_id: str) -> None:
    """What the library leaves to its callers, or to options."""
    if claims.get("iss") != issuer:
        raise TokenWrong("the id_token is another issuer's")
    audience = claims.get("aud")
    if client_id not in (audience if isinstance(audience, list) else [audience]):
        raise TokenWrong("the id_token is meant for somebody else")


def _decoded(token: str, header: Mapping[str, Any], keys: Iterable[Any]) -> dict[str, Any]:
    """By the key that the token names, or by any that fits if it names none."""
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in ALGORITHMS:
        raise TokenWrong("the id_token is signed in a way that is not accepted")
    wanted = {"E": "EC"}.get(str(algorithm)[0], "RSA")
    for published in keys:
        if not isinstance(published, dict) or published.get("kty") != wanted or published.get("use") == "enc":
            continue
        if kid is not None and published.get("kid") != kid:
            continue
        try:
            key = JWKRegistry.import_key(published)
            return dict(jwt.decode(token, key, algorithms=[str(algorithm)]).claims)
        except BadSignatureError:
            continue
        except (JoseError, ValueError, KeyError, TypeError, AttributeError):
            continue  # A key that cannot be used: another may.
    raise TokenWrong("the id_token is signed with no key that the provider publishes")
