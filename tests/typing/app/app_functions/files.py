from collections.abc import AsyncIterator
from pathlib import Path

from joelclaw import ActionCtx, FileMetadata, Id, MutationCtx, QueryCtx, StoredBlob, StoredFile, action, mutation, query


@query
def described(ctx: QueryCtx, file: Id[StoredFile]) -> FileMetadata | None:
    url: str | None = ctx.storage.get_url(file)
    return ctx.storage.get_metadata(file) if url else None


@mutation
def renewed(ctx: MutationCtx, file: Id[StoredFile]) -> str:
    if ctx.storage.get_url(file) is not None:
        ctx.storage.delete(file)
    return ctx.storage.generate_upload_url()


async def lines(blob: StoredBlob) -> AsyncIterator[bytes]:
    async for piece in blob.pieces(start=10):
        yield piece.replace(b"\r\n", b"\n")


@action
async def converted(ctx: ActionCtx, file: Id[StoredFile]) -> list[Id[StoredFile]]:
    blob = await ctx.storage.get(file)
    if blob is None:
        return []
    kept = await ctx.storage.store(lines(blob), content_type=blob.content_type)
    text: str = await blob.text()
    copies = [await ctx.storage.store(blob), await ctx.storage.store(Path("/etc/hostname"))]
    return [kept, await ctx.storage.store(text.encode(), sha256=blob.sha256), *copies]
