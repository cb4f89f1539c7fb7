from datetime import UTC, datetime, timedelta

from joelclaw import ActionCtx, Id, MutationCtx, QueryCtx, Retry, ScheduledJob, action, mutation, query


@mutation
def remind(ctx: MutationCtx, who: str, times: int = 1) -> Id[ScheduledJob]:
    ctx.scheduler.run_after("0s", remind, who)
    ctx.scheduler.run_after(timedelta(minutes=5), fetch, url=who)
    ctx.scheduler.run_at(ctx.now() + 1_000, remind, who, times=times - 1)
    job = ctx.scheduler.run_at(datetime(2030, 1, 1, tzinfo=UTC), remind, who=who)
    ctx.scheduler.cancel(job)
    return job


@action(retry=Retry(attempts=5, backoff=timedelta(seconds=1), growth=1.5, jitter=0.5, backoff_max="1h"))
async def fetch(ctx: ActionCtx, url: str) -> None:
    job = await ctx.scheduler.run_after("1m", fetch, url=url)
    await ctx.scheduler.run_at(ctx.now(), remind, url, 2)
    await ctx.scheduler.cancel(job)


@query
def errors(ctx: QueryCtx, id: Id[ScheduledJob]) -> list[str]:
    job = ctx.db.require(id)
    return [str(attempt.error) for attempt in job.attempts or []] + [job.state.kind]
