"""
Admin keys: who may do everything, or look at everything.

A key is shown when it is made and never again: only its hash is kept. `joelclaw.auth.admin_keys`
makes keys and hashes; here they are only remembered.
"""

from typing import Literal

from msgspec import UNSET, UnsetType

from joelclaw.functions.contexts import MutationCtx, QueryCtx
from joelclaw.functions.decorators import mutation, query
from joelclaw.schema.indexes import index
from joelclaw.schema.marks import Id
from joelclaw.schema.tables import Table


class AdminKey(Table):
    """A key that opens this deployment, by its hash."""

    __table__ = "_admin_keys"
    name: str
    """What it is for, for whoever has to choose which one to revoke."""

    hash: str
    scope: Literal["full", "read_only"] | UnsetType = UNSET
    """Absent: full."""

    expires_at: float | UnsetType = UNSET
    """The instant from which it opens nothing."""

    last_used_at: float | UnsetType = UNSET
    """Within an hour."""

    revoked_at: float | UnsetType = UNSET
    """It opens nothing any more. Its row stays, so that sockets that it has opened can be told."""

    by_hash = index("hash", unique=True)


@mutation
def create(
    ctx: MutationCtx,
    name: str,
    hash: str,
    scope: Literal["full", "read_only"] = "full",
    expires_at: float | UnsetType = UNSET,
) -> Id[AdminKey] | None:
    """Remember a key; None if there is another of this name."""
    if _find_named(ctx, name) is not None:
        return None
    return ctx.db.insert(AdminKey(name=name, hash=hash, scope=scope, expires_at=expires_at))


@query
def find(ctx: QueryCtx, hash: str) -> AdminKey | None:
    """The key with this hash, if it was not revoked."""
    key = ctx.db.find(AdminKey.by_hash, hash=hash)
    return None if key is None or key.revoked_at is not UNSET else key


@query(name="list")
def list_all(ctx: QueryCtx) -> list[AdminKey]:
    """All keys that were not revoked, oldest first."""
    return [key for key in ctx.db.query(AdminKey) if key.revoked_at is UNSET]


@query
def revoked(ctx: QueryCtx) -> list[str]:
    """Hashes of keys that open nothing any more."""
    return [key.hash for key in ctx.db.query(AdminKey) if key.revoked_at is not UNSET]


@mutation
def used(ctx: MutationCtx, hash: str) -> None:
    """The key with this hash was used just now."""
    key = ctx.db.find(AdminKey.by_hash, hash=hash)
    if key is not None:
        ctx.db.patch(key, last_used_at=ctx.now())


@mutation
def revoke(ctx: MutationCtx, id: Id[AdminKey]) -> bool:
    """Have a key open nothing any more; False if that is so already. Sockets that it has opened are closed."""
    key = ctx.db.get(id)
    if key is None or key.revoked_at is not UNSET:
        return False
    ctx.db.patch(key, revoked_at=ctx.now())
    return True


@mutation
def revoke_named(ctx: MutationCtx, name: str) -> bool:
    """As `revoke`, by name."""
    key = _find_named(ctx, name)
    return key is not None and revoke(ctx, key.id)


def _find_named(ctx: QueryCtx, name: str) -> AdminKey | None:
    # No index: there are a handful, and keys of earlier versions may share a name.
    return next((key for key in list_all(ctx) if key.name == name), None)
