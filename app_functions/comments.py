"""Comments in the margins of articles."""

from app_functions._people import author as who_writes
from joelclaw import AppError, Id, MutationCtx, Object, QueryCtx, anyone, mutation, query
from schema import Anchor, Comment, User


class ArticleCounts(Object):
    """How much is said about an article."""

    comments: int
    open: int


@query(allow=anyone)
def for_article(ctx: QueryCtx, article: str, limit: int = 200) -> list[Comment]:
    """Comments on one article, by paragraph, the oldest of each first."""
    return ctx.db.query(Comment.by_article, article=article).take(limit)


@query(allow=anyone)
def counts(ctx: QueryCtx, article: str) -> ArticleCounts:
    """How many comments an article has, and how many of them wait for an answer."""
    comments = ctx.db.query(Comment.by_article, article=article).collect()
    return ArticleCounts(comments=len(comments), open=sum(not comment.resolved for comment in comments))


@mutation(allow=anyone)
def add(
    ctx: MutationCtx,
    article: str,
    anchor: Anchor,
    body: str,
    name: str | None = None,
    reply_to: Id[Comment] | None = None,
) -> Id[Comment]:
    """Write in the margin, or answer there. Guests give a name."""
    if reply_to is not None and ctx.db.require(reply_to).article != article:
        raise AppError({"code": "other_article", "message": "An answer belongs to the article of what it answers."})
    author, author_name = who_writes(ctx, name)
    return ctx.db.insert(
        Comment(article=article, anchor=anchor, author=author, author_name=author_name, body=body, reply_to=reply_to)
    )


def wrote(ctx: QueryCtx, id: Id[Comment]) -> bool:
    """Whoever wrote a comment may change it."""
    if ctx.auth.identity is None:
        return False
    return ctx.db.require(id).author == ctx.auth.require_user(User).id


@mutation(allow=wrote)
def edit(ctx: MutationCtx, id: Id[Comment], body: str) -> None:
    """Change the words of a comment."""
    ctx.db.patch(id, body=body)


@mutation(allow=wrote)
def resolve(ctx: MutationCtx, id: Id[Comment]) -> None:
    """Mark a comment as settled."""
    comment = ctx.db.require(id)
    comment.resolved = True
    ctx.db.save(comment)


@mutation
def remove(ctx: MutationCtx, id: Id[Comment]) -> int:
    """Delete a comment with all answers to it; how many went."""
    answers = ctx.db.query(Comment.by_thread, reply_to=id).collect()
    removed = sum(ctx.run_mutation(remove, id=answer.id) for answer in answers)
    ctx.db.delete(id)
    return removed + 1
