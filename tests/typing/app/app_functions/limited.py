from datetime import timedelta

from joelclaw import Allowance, MutationCtx, QueryCtx, RateLimit, RateLimited, mutation, query

posts = RateLimit("posts", rate=10, per="1h", burst=3)
all_posts = RateLimit("all posts", rate=100, per=timedelta(minutes=1))


@mutation
def post(ctx: MutationCtx, who: str) -> float | None:
    all_posts.take(ctx)
    try:
        posts.take(ctx, who, n=2)
    except RateLimited as refused:
        return refused.retry_after_s
    left: int = posts.try_take(ctx, who).left
    if left == 0:
        posts.reset(ctx, who)
    return None


@query
def standing(ctx: QueryCtx, who: str) -> Allowance:
    allowance = posts.check(ctx, who, 3)
    assert allowance.ok or allowance.retry_at is not None
    return allowance
