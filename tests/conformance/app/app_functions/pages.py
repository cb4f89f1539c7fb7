"""Texts that are searched while others write."""

from joelclaw import Id, MutationCtx, Page, PageOptions, QueryCtx, anyone, mutation, query, snippet
from schema import Page as Text


@query(allow=anyone)
def found(ctx: QueryCtx, room: str, text: str) -> list[str]:
    """The best five, with what was searched for marked."""
    return [snippet(page.text, text) for page in ctx.db.search(Text.search_text, text, room=room).take(5)]


@query(allow=anyone)
def found_pages(ctx: QueryCtx, room: str, text: str, pagination_opts: PageOptions) -> Page[Text]:
    """All of them, a page at a time."""
    return ctx.db.search(Text.search_text, text, room=room).paginate(pagination_opts)


@mutation(allow=anyone)
def write(ctx: MutationCtx, room: str, text: str) -> Id[Text]:
    """Add a text."""
    return ctx.db.insert(Text(room=room, text=text))


@mutation(allow=anyone)
def rewrite(ctx: MutationCtx, id: Id[Text], text: str) -> None:
    """Change a text."""
    ctx.db.patch(id, text=text)
