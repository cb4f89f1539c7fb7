from typing import Annotated, Any

from app_functions import people
from joelclaw import (
    UNSET,
    AppError,
    Arg,
    Id,
    Int64,
    MutationCtx,
    Object,
    Page,
    PageOptions,
    QueryCtx,
    ScheduledJob,
    StoredFile,
    anyone,
    between,
    gt,
    lte,
    mutation,
    query,
    role,
    signed_in,
)
from schema import Anchor, Bookmark, Comment, Reaction, User


class View(Object):
    id: Id[Comment]
    author: str
    body: str


@query(allow=anyone)
def for_article(ctx: QueryCtx, article: str, limit: int = 200) -> list[Comment]:
    """Comments on one article, oldest first."""
    return ctx.db.query(Comment.by_article, article=article).take(limit)


@query(allow=anyone)
def page(ctx: QueryCtx, article: str, pagination_opts: PageOptions) -> Page[View]:
    rows = ctx.db.query(Comment.by_article, article=article).order("desc").filter(lambda c: not c.resolved)
    return rows.paginate(pagination_opts).map(lambda c: view(ctx, c))


def view(ctx: QueryCtx, comment: Comment) -> View:
    author = ctx.db.get(comment.author)
    return View(id=comment.id, author=author.name if author else "somebody", body=comment.body)


@query
def recent(ctx: QueryCtx, since: float) -> int:
    rows = ctx.db.query(Comment.by_article, article=gt("a"))
    return sum(1 for comment in rows if ctx.within(comment.creation_time, "15m") or ctx.after(since))


@query
def ranges(ctx: QueryCtx) -> list[str]:
    first = ctx.db.query(Comment.by_article, article="x", anchor_paragraph=between("a", "b")).first()
    only = ctx.db.query(Comment.by_author, author=lte("x")).unique()
    return [comment.body for comment in (first, only) if comment is not None]


@mutation(allow=signed_in)
def add(ctx: MutationCtx, article: str, anchor: Anchor, body: str) -> Id[Comment]:
    user = ctx.auth.require_user(User)
    return ctx.db.insert(Comment(article=article, anchor=anchor, author=user.id, body=body))


def author(ctx: QueryCtx, id: Id[Comment]) -> bool:
    return ctx.db.require(id).author == ctx.auth.require_user(User).id or role("owner")(ctx)


@mutation(allow=author)
def resolve(ctx: MutationCtx, id: Id[Comment]) -> None:
    comment = ctx.db.require(id)
    comment.resolved = True
    ctx.db.save(comment)


@mutation(allow=author, name="change")
def edit(ctx: MutationCtx, id: Id[Comment], body: str) -> Comment:
    if not body.strip():
        raise AppError({"code": "empty"})
    return ctx.db.patch(id, body=body, edited_at=ctx.now(), extra=UNSET)


@mutation
def react(ctx: MutationCtx, id: Id[Comment], sender: Annotated[Id[User], Arg("from")]) -> None:
    comment = ctx.db.require(id)
    comment.reactions.append(Reaction(by=sender))
    comment.size = comment.size + 1
    ctx.db.save(comment)


@mutation
def remove(ctx: MutationCtx, id: Id[Comment]) -> int:
    removed = 0
    for comment in ctx.db.query(Comment.by_author, author=ctx.db.require(id).author):
        ctx.db.delete(comment)
        removed += 1
    return removed


@mutation(allow=role("owner"))
def tidy(ctx: MutationCtx) -> Id[User] | None:
    count: int = ctx.run_query(people.count)
    if count:
        return ctx.run_mutation(people.rename, "ann", new="Ann")
    return None


@query
def by_github(ctx: QueryCtx, github_id: int) -> User | None:
    return ctx.db.find(User.by_github, github_id=github_id)


@query
def bookmarked(ctx: QueryCtx, owner: Id[User], target: Id[Comment | User]) -> str:
    found = ctx.db.get(target)
    if isinstance(found, Comment):
        return found.body
    mark = ctx.db.find(Bookmark.by_owner, owner=owner, target=target)
    return found.name if found and mark else ""


@query
def many(ctx: QueryCtx, ids: list[Id[Comment]], total: Int64) -> Int64:
    found: list[Comment | None] = ctx.db.get_many(ids)
    return total + len(found)


@query
def parsed(ctx: QueryCtx, text: str) -> Id[Comment] | None:
    return ctx.db.parse_id(Comment, text)


@query
def system(ctx: QueryCtx, file: Id[StoredFile]) -> float:
    jobs: list[ScheduledJob] = ctx.db.query(ScheduledJob).collect()
    stored = ctx.db.get(file)
    return (stored.size if stored else 0.0) + len(jobs) + ctx.random.random()


@query(allow=anyone)
def anything(ctx: QueryCtx, /, **rest: Any) -> dict[str, Any]:
    return {"rest": rest, "env": ctx.env.get("X"), "who": ctx.auth.identity and ctx.auth.identity.claims}


@query
def plain_call(ctx: QueryCtx) -> list[Comment]:
    return for_article(ctx, "x", limit=3)
