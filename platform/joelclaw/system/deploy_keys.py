"""
Deploy keys: who may deploy, and nothing else.

As with admin keys, a key is shown when it is made and only its hash is kept. It has a name of its own, for
whoever reads the list of versions or has to choose which one to revoke.
"""

from joelclaw.functions.contexts import MutationCtx, QueryCtx
from joelclaw.functions.decorators import mutation, query
from joelclaw.schema.indexes import index
from joelclaw.schema.structs import Object
from joelclaw.schema.tables import Table


class DeployKey(Table):
    """A key that lets somebody deploy, by its hash."""

    __table__ = "_deploy_keys"
    name: str
    hash: str
    by_hash = index("hash", unique=True)
    by_name = index("name", unique=True)


class KeyListed(Object):
    """What may be told of a key."""

    name: str
    made_at: float


@mutation
def create(ctx: MutationCtx, name: str, hash: str) -> bool:
    """Remember a key; False if there is another of this name."""
    if ctx.db.find(DeployKey.by_name, name=name) is not None:
        return False
    ctx.db.insert(DeployKey(name=name, hash=hash))
    return True


@query
def find(ctx: QueryCtx, hash: str) -> str | None:
    """The name of the key with this hash."""
    key = ctx.db.find(DeployKey.by_hash, hash=hash)
    return None if key is None else key.name


@query(name="list")
def list_all(ctx: QueryCtx) -> list[KeyListed]:
    """All keys, oldest first."""
    return [KeyListed(name=key.name, made_at=key.creation_time) for key in ctx.db.query(DeployKey)]


@mutation
def revoke(ctx: MutationCtx, name: str) -> bool:
    """Forget a key; False if there is none of this name."""
    key = ctx.db.find(DeployKey.by_name, name=name)
    if key is not None:
        ctx.db.delete(key)
    return key is not None
