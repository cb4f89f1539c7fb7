"""
How often a query really runs.

The counts live in the memory of the process that runs queries, of which this deployment has
one: they are about the process, and the database knows nothing of them.
"""

from collections import Counter

from app_functions import counters
from joelclaw import QueryCtx, anyone, query

runs: Counter[str] = Counter()


@query(allow=anyone)
def watched(ctx: QueryCtx, group: str, name: str) -> int:
    """A counter's value, asked for by a member of a group; the runs of each group are counted."""
    runs[group] += 1
    return ctx.run_query(counters.value, name=name)


@query(allow=anyone)
def so_far(ctx: QueryCtx, group: str, nonce: str) -> int:
    """The runs of a group; a new nonce gets past the cache."""
    return runs[group]
