"""
Roles: who has which, as the deployment declares it.

    [auth.roles]
    owner = ["github:joelhooks", "https://issuer.example|user_1", "email:joel@example.com"]

An entry is a token identifier, a subject, or `email:` and an address that the issuer says it
has verified: anybody can put somebody else's unverified address into a profile. `github:` and a
login or an id is for those whom the deployment itself has signed in there.
"""

from collections.abc import Mapping, Sequence

from joelclaw.engine.asker import Asker
from joelclaw.functions.calls import Identity
from joelclaw.functions.rules import is_among

Roles = Mapping[str, Sequence[str]]


def holds(role: str, asker: Asker, roles: Roles, own_issuer: str = "") -> bool:
    """
    Whether the identity has a role. Nobody signed in has none, an administrator's key included.

    The claims `role` and `roles` count only where an administrator wrote them, to act as
    somebody: those of a user's token are its issuer's to fill, or the user's own.
    """
    identity = asker.identity
    if identity is None:
        return False
    if asker.admin and _claims_role(identity, role):
        return True
    return is_among(identity, roles.get(role, ()), own_issuer)


def _claims_role(identity: Identity, role: str) -> bool:
    claimed = identity.claims.get("roles")
    return identity.claims.get("role") == role or (isinstance(claimed, list) and role in claimed)
