"""
Vector searches of actions, which have no database.
"""

from joelclaw.functions.contexts import QueryCtx
from joelclaw.functions.decorators import query
from joelclaw.functions.vectors import Lookup, look_up
from joelclaw.schema.finding import Conditions
from joelclaw.schema.structs import Object


class Equal(Object):
    """A filter field, by its number in the index, and the key of the value that it has to have."""

    field: int
    key: bytes


class Near(Object):
    """One result."""

    id: str
    score: float


@query
def nearest(ctx: QueryCtx, table: str, index: str, vector: bytes, groups: list[list[Equal]], limit: int) -> list[Near]:
    """What `look_up` finds in an index, which is named as in Python."""
    run = ctx.db.run
    conditions = Conditions(tuple(tuple((equal.field, equal.key) for equal in group) for group in groups))
    opened = run.app.open_table(run.app.tables[table].cls)
    return [Near(id=hit.id, score=hit.score) for hit in look_up(run, opened, index, Lookup(vector, conditions, limit))]
