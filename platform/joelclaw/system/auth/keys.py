"""
Keys of sign-in, sealed: rows that are worth nothing without the key that is not in the database.

Whoever starts first brings new ones, and everybody takes what is there then (`adopt`).

Elsewhere: `joelclaw/auth/keyring.py` makes, seals and opens them.
"""

from typing import Final, Literal

from msgspec import UNSET, UnsetType

from joelclaw.functions.contexts import MutationCtx, QueryCtx
from joelclaw.functions.decorators import mutation, query
from joelclaw.schema.indexes import index
from joelclaw.schema.structs import Object
from joelclaw.schema.tables import Table

ISSUERS_MAX: Final = 100


class AuthKey(Table, expires_at="retires_at"):
    """A key, sealed."""

    __table__ = "_auth_keys"
    kind: Literal["signing", "server"]
    kid: str
    secret: str
    signs_from: float
    """Of a signing key: it is published before."""

    retires_at: float | UnsetType = UNSET
    """From here on nothing that it has signed counts."""

    by_kid = index("kid", unique=True)


class AuthIssuer(Table, expires_at="until"):
    """A name that this deployment has signed tokens under."""

    __table__ = "_auth_issuers"
    issuer: str
    until: float | UnsetType = UNSET
    """An earlier name: until the last token with it is over."""

    by_issuer = index("issuer", unique=True)


class SealedKey(Object):
    """A key, as the gateway knows it."""

    kind: Literal["signing", "server"]
    kid: str
    secret: str
    signs_from: float
    retires_at: float | None = None


@query(name="list")
def list_keys(ctx: QueryCtx) -> list[SealedKey]:
    """All keys there are."""
    return [_shown(key) for key in ctx.db.query(AuthKey)]


@mutation
def adopt(ctx: MutationCtx, keys: list[SealedKey]) -> list[SealedKey]:
    """The keys that are kept; these, if there are none yet."""
    if ctx.db.query(AuthKey).first() is None:
        _insert(ctx, keys)
    return list_keys(ctx)


@mutation
def rotate(ctx: MutationCtx, key: SealedKey, retires_at: float | None) -> list[SealedKey]:
    """
    Have another key sign from when it says. The others retire at an instant, or now: then nothing of theirs counts.
    """
    for row in ctx.db.query(AuthKey):
        if row.kind != "signing":
            continue
        if retires_at is None:
            ctx.db.delete(row)
        elif row.retires_at is UNSET or row.retires_at > retires_at:
            ctx.db.patch(row, retires_at=retires_at)
    _insert(ctx, [key])
    return list_keys(ctx)


@mutation
def replace_all(ctx: MutationCtx, keys: list[SealedKey]) -> list[SealedKey]:
    """Begin anew: the key that the old ones were sealed with is lost."""
    for row in ctx.db.query(AuthKey):
        ctx.db.delete(row)
    _insert(ctx, keys)
    return list_keys(ctx)


@mutation
def name_issuer(ctx: MutationCtx, issuer: str, until: float) -> list[str]:
    """Sign under this name from now on; the earlier ones, whose tokens count until an instant."""
    for row in ctx.db.query(AuthIssuer).take(ISSUERS_MAX):
        if row.issuer == issuer:
            ctx.db.patch(row, until=UNSET)
        elif row.until is UNSET:
            ctx.db.patch(row, until=until)
    if ctx.db.find(AuthIssuer.by_issuer, issuer=issuer) is None:
        ctx.db.insert(AuthIssuer(issuer=issuer))
    return [row.issuer for row in ctx.db.query(AuthIssuer).take(ISSUERS_MAX) if row.issuer != issuer]


def _insert(ctx: MutationCtx, keys: list[SealedKey]) -> None:
    for key in keys:
        retires_at = UNSET if key.retires_at is None else key.retires_at
        ctx.db.insert(
            AuthKey(kind=key.kind, kid=key.kid, secret=key.secret, signs_from=key.signs_from, retires_at=retires_at)
        )


def _shown(key: AuthKey) -> SealedKey:
    return SealedKey(
        kind=key.kind,
        kid=key.kid,
        secret=key.secret,
        signs_from=key.signs_from,
        retires_at=None if key.retires_at is UNSET else key.retires_at,
    )
