"""Stored files, as an app uses them."""

from joelclaw import Id, MutationCtx, QueryCtx, StoredFile, anyone, mutation, query


@mutation(allow=anyone)
def generate_upload_url(ctx: MutationCtx) -> str:
    return ctx.storage.generate_upload_url()


@query(allow=anyone)
def url(ctx: QueryCtx, file: Id[StoredFile]) -> str | None:
    return ctx.storage.get_url(file)


@mutation(allow=anyone)
def delete(ctx: MutationCtx, file: Id[StoredFile]) -> None:
    ctx.storage.delete(file)
