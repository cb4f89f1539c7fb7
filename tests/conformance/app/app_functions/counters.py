"""Counters: mutations that depend on what they read."""

from joelclaw import MutationCtx, QueryCtx, anyone, mutation, query
from schema import Counter


@query(allow=anyone)
def value(ctx: QueryCtx, name: str) -> int:
    """The counter's value; zero before its first step."""
    counter = ctx.db.find(Counter.by_name, name=name)
    return 0 if counter is None else counter.value


@mutation(allow=anyone)
def step(ctx: MutationCtx, name: str, times: int = 1, plus: int = 1) -> int:
    """Multiply, then add: an operation whose order shows. The value it arrived at."""
    counter = ctx.db.find(Counter.by_name, name=name)
    if counter is None:
        ctx.db.insert(Counter(name=name, value=plus))
        return plus
    return ctx.db.patch(counter, value=(counter.value * times + plus) % 1_000_003).value
