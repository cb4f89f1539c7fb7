"""
Askers: on whose behalf a call is made, as verified.

    anonymous          no identity, no rights
    user               an identity
    admin              rights, no identity
    acting as          rights, and the identity that functions shall see

An asker is compared by content. Two tokens of one user make equal askers, so that a
refreshed token shares every cached result of the one before it.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from joelclaw.functions.calls import INFINITY, Identity

_write_sorted = msgspec.json.Encoder(order="sorted").encode

_OWN_FIELDS = frozenset({"issuer", "subject", "tokenIdentifier"})


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks. `key` is what results are shared by, and never holds anything of the token itself."""

    identity: Identity | None = None
    """What functions see; None: nobody is signed in."""

    admin: bool = False
    """May call what nobody else may, and no rule of the app is consulted."""

    read_only: bool = False
    """An administrator who may look and change nothing."""

    admin_key: str = ""
    """Which key an administrator has shown, by its hash; empty for all others, and for the platform itself."""

    expires_at: float = INFINITY
    """The instant from which it does not hold any more, in milliseconds. Not part of the content."""

    session: str = ""
    """The login session that the deployment itself has opened for them; empty for all others."""

    entry: str = ""
    """Which declared issuer's token they have shown; empty for all others. Not part of the content."""

    key: str = ""
    """Canonical text of the identity's content; empty for nobody."""

    @property
    def tether(self) -> str:
        """
        What it hangs on, a login session, an admin key or a declaration: when that ends, whoever has come in with
        it is told.
        """
        return self.session or self.admin_key or self.entry


def asker_of(
    identity: Identity | None,
    *,
    admin: bool = False,
    expires_at: float = INFINITY,
    session: str = "",
    entry: str = "",
) -> Asker:
    """The asker with this identity."""
    key = "" if identity is None else _write_sorted(identity).decode()
    return Asker(identity=identity, admin=admin, expires_at=expires_at, session=session, entry=entry, key=key)


ANONYMOUS = asker_of(None)
ADMIN = asker_of(None, admin=True)


def identity_of(attributes: Mapping[str, Any]) -> Identity:
    """
    The identity that an administrator describes, in the form in which functions see one.

    Raises:
        ValueError: The attributes do not say who it is.
    """
    identifier = attributes.get("tokenIdentifier")
    issuer, subject = attributes.get("issuer"), attributes.get("subject")
    if isinstance(identifier, str) and "|" in identifier:
        before, _, after = identifier.rpartition("|")
        issuer = before if issuer is None else issuer
        subject = after if subject is None else subject
    if not (isinstance(issuer, str) and isinstance(subject, str) and isinstance(identifier, (str, type(None)))):
        raise ValueError("the identity to act as needs 'tokenIdentifier', or 'issuer' and 'subject', as strings")
    return Identity(
        issuer=issuer,
        subject=subject,
        token_identifier=identifier or f"{issuer}|{subject}",
        claims={name: value for name, value in attributes.items() if name not in _OWN_FIELDS},
    )
