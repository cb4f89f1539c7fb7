from app_functions import comments
from joelclaw import ActionCtx, Id, MutationCtx, QueryCtx, action, anyone, mutation, query
from schema import Anchor, Comment, User


@query
def count(ctx: QueryCtx) -> int:
    return ctx.db.query(User).count()


@mutation
def rename(ctx: MutationCtx, old: str, *, new: str) -> Id[User] | None:
    user = ctx.db.query(User).filter(lambda user: user.name == old).first()
    if user is None:
        return None
    ctx.db.patch(user, name=new)
    return user.id


@mutation
def replace(ctx: MutationCtx, id: Id[User], name: str) -> User:
    return ctx.db.replace(id, User(name=name, token_identifier="t", github_id=1))


@action(allow=anyone)
async def import_one(ctx: ActionCtx, article: str) -> list[Comment]:
    id: Id[Comment] = await ctx.run_mutation(comments.add, article, anchor=Anchor(paragraph="p"), body="b")
    await ctx.run_mutation(comments.resolve, id=id)
    user: User = await ctx.auth.require_user(User)
    assert user.name
    return await ctx.run_query(comments.for_article, article)


@action
async def twice(ctx: ActionCtx) -> int:
    first: list[Comment] = await ctx.run_action(import_one, "a")
    return len(first) + len(await ctx.run_action(import_one, article="b"))
