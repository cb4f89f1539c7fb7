"""
Admin keys: who may do everything.

A key is shown when it is made and never again: only its hash is kept. `joelclaw.auth.admin_keys`
makes keys and hashes; here they are only remembered.
"""

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
    by_hash = index("hash", unique=True)


@mutation
def create(ctx: MutationCtx, name: str, hash: str) -> Id[AdminKey]:
    """Remember a key."""
    return ctx.db.insert(AdminKey(name=name, hash=hash))


@query
def find(ctx: QueryCtx, hash: str) -> AdminKey | None:
    """The key with this hash."""
    return ctx.db.find(AdminKey.by_hash, hash=hash)


@query(name="list")
def list_all(ctx: QueryCtx) -> list[AdminKey]:
    """All keys, oldest first."""
    return ctx.db.query(AdminKey).collect()


@mutation
def revoke(ctx: MutationCtx, id: Id[AdminKey]) -> bool:
    """Forget a key; False if it was gone already. Whoever is connected with it stays until the connection ends."""
    key = ctx.db.get(id)
    if key is not None:
        ctx.db.delete(key)
    return key is not None
