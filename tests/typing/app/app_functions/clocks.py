from datetime import timedelta

from joelclaw import ActionCtx, Id, MutationCtx, QueryCtx, action, cron, mutation, query
from schema import Typing, User


@cron("0 4 * * *", tz="America/Los_Angeles", catch_up=True, name="nightly")
@cron(every="5m")
@mutation
def forget(ctx: MutationCtx, limit: int = 100) -> int:
    return limit


@cron(every=timedelta(hours=1))
@action
async def poll(ctx: ActionCtx) -> None:
    left: int = await ctx.run_mutation(forget, limit=5)
    assert left


@mutation
def types(ctx: MutationCtx, who: Id[User]) -> Id[Typing]:
    return ctx.db.insert(Typing(who=who, until=ctx.now() + 5_000))


@query
def typing(ctx: QueryCtx) -> list[Typing]:
    return [one for one in ctx.db.query(Typing) if one.until is None or ctx.before(one.until)]
