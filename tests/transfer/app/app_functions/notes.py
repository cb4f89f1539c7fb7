from joelclaw import ActionCtx, MutationCtx, QueryCtx, action, anyone, mutation, query
from schema import Note, Row


@mutation(allow=anyone)
def add(ctx: MutationCtx, body: str) -> str:
    return ctx.db.insert(Note(body=body))


@query(allow=anyone)
def bodies(ctx: QueryCtx) -> list[str]:
    return [note.body for note in ctx.db.query(Note)]


@query(allow=anyone)
def found(ctx: QueryCtx, words: str) -> list[str]:
    return [note.body for note in ctx.db.search(Note.search_body, words).take(10)]


@query(allow=anyone)
def rows(ctx: QueryCtx) -> float:
    return ctx.db.query(Row).count()


@action(allow=anyone)
async def keep(ctx: ActionCtx, text: str) -> str:
    return await ctx.storage.store(text.encode(), content_type="text/plain")


@query(allow=anyone)
def url(ctx: QueryCtx, id: str) -> str | None:
    return ctx.storage.get_url(id)
