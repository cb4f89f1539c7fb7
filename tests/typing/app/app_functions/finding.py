from joelclaw import (
    ActionCtx,
    Hit,
    Id,
    MutationCtx,
    Page,
    PageOptions,
    QueryCtx,
    Rows,
    SearchIndex,
    VectorIndex,
    action,
    any_of,
    anyone,
    mutation,
    query,
    snippet,
)
from schema import Comment


@query(allow=anyone)
def search(ctx: QueryCtx, text: str, article: str | None = None) -> list[str]:
    rows = ctx.db.search(Comment.search_body, text)
    if article is not None:
        rows = ctx.db.search(Comment.search_body, text, article=article)
    return [snippet(comment.body, text, length=80, marks=("[", "]"), html=False) for comment in rows.take(10)]


@query(allow=anyone)
def pages(ctx: QueryCtx, text: str, pagination_opts: PageOptions) -> Page[Comment]:
    return ctx.db.search(Comment.search_body, text, anchor_paragraph=any_of("p1", "p2")).paginate(pagination_opts)


@query(allow=anyone)
def near(ctx: QueryCtx, vector: list[float], article: str) -> list[Comment | None]:
    hits = ctx.db.vector_search(Comment.by_embedding, vector, limit=3, article=article)
    return ctx.db.get_many([hit.id for hit in hits if hit.score > 0.5])


@mutation
def resolve_all(ctx: MutationCtx, text: str) -> int:
    found: Rows[Comment] = ctx.db.search(Comment.search_body, text)
    for comment in found.filter(lambda comment: not comment.resolved):
        ctx.db.patch(comment, resolved=True)
    return found.count()


@action
async def act(ctx: ActionCtx, vector: list[float]) -> list[Id[Comment]]:
    hits: list[Hit[Comment]] = await ctx.vector_search(Comment.by_embedding, vector, any_of(article="a"))
    return [hit.id for hit in hits]


INDEXES: tuple[SearchIndex[Comment], VectorIndex[Comment]] = (Comment.search_body, Comment.by_embedding)
