"""
Comments in the margins of articles.

Whoever signed in writes. What readers write is published at once, what guests write when the owner approves;
either may be kept as a draft, and all drafts of an article are submitted in one step. A guest who changes what was
approved waits again.

A comment and the answers to it are a thread. One that is removed while there are answers leaves a place
without words and without a name.

What everybody sees is a result of its own, the same for all (`for_article`); what only its author sees comes
beside it (`mine`). Pages put the two together.
"""

from typing import Final, Literal

from app_functions._people import OWNER, standing, who
from app_functions.chat import Person, people_of
from joelclaw import (
    AppError,
    Id,
    MutationCtx,
    Object,
    Page,
    PageOptions,
    QueryCtx,
    RateLimit,
    anyone,
    mutation,
    query,
    role,
    signed_in,
)
from schema import Anchor, Comment, CommentCount, CommentState, User

WRITTEN: Final = RateLimit("comments", rate=60, per="1h", burst=20)
WRITTEN_BY_GUEST: Final = RateLimit("comments of a guest", rate=10, per="1h", burst=5)
WRITTEN_BY_GUESTS: Final = RateLimit("comments of all guests", rate=200, per="1h", burst=50)
"""Whoever is refused may come in as another guest; not for ever."""

CHANGED: Final = RateLimit("changed comments", rate=60, per="1h", burst=20)

PUBLISHED_MAX: Final = 1_000
"""Of one article. All of them are one result."""

OWN_MAX: Final = 100
"""Of one author at one article, in each state that nobody else sees."""

HELD_SHOWN: Final = 200
ARTICLES_SHOWN: Final = 500


class Note(Object):
    """A comment, as it is shown."""

    id: Id[Comment]
    article: str
    anchor: Anchor
    root: Id[Comment] | None
    author: Person | None
    """Null of what was deleted."""

    key: str
    body: str
    state: CommentState
    resolved: bool
    at: float
    edited_at: float | None


class ArticleCount(Object):
    """How many comments of an article everybody sees."""

    article: str
    published: int


# -- rules


def author(ctx: QueryCtx, id: Id[Comment]) -> bool:
    """Whoever wrote a comment."""
    if ctx.auth.identity is None:
        return False
    comment = ctx.db.get(id)
    return comment is not None and comment.author == who(ctx).id


def author_or_owner(ctx: QueryCtx, id: Id[Comment]) -> bool:
    """Whoever wrote a comment, and the owner."""
    return ctx.auth.has_role(OWNER) or author(ctx, id)


# -- what is shown


@query(allow=anyone)
def for_article(ctx: QueryCtx, article: str) -> list[Note]:
    """What everybody sees beside an article, the oldest first. Of a thread whose beginning is hidden, nothing."""
    found = [
        *ctx.db.query(Comment.by_article, article=article, state="published").take(PUBLISHED_MAX),
        *ctx.db.query(Comment.by_article, article=article, state="deleted").take(PUBLISHED_MAX),
    ]
    seen = {comment.id for comment in found}
    return _notes(ctx, [comment for comment in found if comment.root is None or comment.root in seen])


@query(allow=signed_in)
def mine(ctx: QueryCtx, article: str) -> list[Note]:
    """What whoever asks has written there and not everybody sees: drafts, held and hidden, the oldest first."""
    user = who(ctx).id
    states: tuple[CommentState, ...] = ("draft", "held", "hidden")
    return _notes(ctx, [comment for state in states for comment in _own(ctx, user, article, state)])


@query(allow=anyone)
def totals(ctx: QueryCtx) -> list[ArticleCount]:
    """How many comments each article has."""
    counts = ctx.db.query(CommentCount.by_article).take(ARTICLES_SHOWN)
    return [ArticleCount(article=count.article, published=count.published) for count in counts if count.published]


@query(allow=role(OWNER))
def held(ctx: QueryCtx) -> list[Note]:
    """What waits for the owner, the oldest first."""
    return _notes(ctx, ctx.db.query(Comment.by_state, state="held").take(HELD_SHOWN))


@query(allow=role(OWNER))
def recent(
    ctx: QueryCtx, pagination_opts: PageOptions, state: Literal["published", "hidden"] = "published"
) -> Page[Note]:
    """Comments on all articles, the newest first, a page at a time."""
    page = ctx.db.query(Comment.by_state, state=state).order("desc").paginate(pagination_opts)
    notes = {note.id: note for note in _notes(ctx, page.page)}
    return page.map(lambda comment: notes[comment.id])


# -- writing


@mutation(allow=signed_in)
def add(ctx: MutationCtx, article: str, anchor: Anchor, body: str, key: str, draft: bool = False) -> Id[Comment]:
    """Write in the margin. What was written with this key already is not written again."""
    return _write(ctx, article, anchor, body, key, draft, root=None)


@mutation(allow=signed_in)
def answer(ctx: MutationCtx, to: Id[Comment], body: str, key: str, draft: bool = False) -> Id[Comment]:
    """Answer a comment, or an answer to it: either joins the thread."""
    asked = ctx.db.get(to)
    root = None if asked is None else asked if asked.root is None else ctx.db.get(asked.root)
    if root is None or root.state not in ("published", "deleted"):
        raise AppError({"code": "not_there", "message": "What you answer is not there any more."})
    return _write(ctx, root.article, root.anchor, body, key, draft, root=root.id)


@mutation(allow=author)
def edit(ctx: MutationCtx, id: Id[Comment], body: str) -> None:
    """Change the words of a comment."""
    comment = ctx.db.require(id)
    if comment.state == "deleted":
        raise AppError({"code": "deleted", "message": "This comment was deleted."})
    CHANGED.take(ctx, comment.author)
    comment.body = _words(body)
    if comment.state != "draft":
        comment.edited_at = ctx.now()
    if comment.state == "published":
        _move(ctx, comment, _said_state(ctx))
    else:
        ctx.db.save(comment)


@mutation(allow=author_or_owner)
def remove(ctx: MutationCtx, id: Id[Comment]) -> None:
    """Delete a comment. Where others have answered it, its place stays."""
    comment = ctx.db.require(id)
    if comment.root is None and ctx.db.query(Comment.by_root, root=id).first() is not None:
        comment.body = ""
        _move(ctx, comment, "deleted")
        return
    _count(ctx, comment.article, was=comment.state, to=None)
    ctx.db.delete(id)
    if comment.root is not None:
        _forget_if_bare(ctx, comment.root)


@mutation(allow=author_or_owner)
def resolve(ctx: MutationCtx, id: Id[Comment], resolved: bool = True) -> None:
    """Mark a thread as settled, or as open again: by who began it, or the owner."""
    comment = ctx.db.require(id)
    if comment.root is not None:
        raise AppError({"code": "no_thread", "message": "A thread is settled where it begins."})
    CHANGED.take(ctx, who(ctx).id)
    ctx.db.patch(comment, resolved=resolved)


@mutation(allow=signed_in)
def submit_drafts(ctx: MutationCtx, article: str) -> int:
    """Submit all drafts of whoever asks at an article, or, if one cannot be, none; how many."""
    drafts = _own(ctx, who(ctx).id, article, "draft")
    state = _said_state(ctx)
    for draft in drafts:
        draft.said_at = ctx.now()
        _move(ctx, draft, state)
    return len(drafts)


# -- moderation


@mutation(allow=role(OWNER))
def approve(ctx: MutationCtx, id: Id[Comment]) -> None:
    """Publish what was held."""
    _moderate(ctx, id, ("held",), "published")


@mutation(allow=role(OWNER))
def hide(ctx: MutationCtx, id: Id[Comment]) -> None:
    """Show a comment to nobody but its author and the owner."""
    _moderate(ctx, id, ("held", "published"), "hidden")


@mutation(allow=role(OWNER))
def unhide(ctx: MutationCtx, id: Id[Comment]) -> None:
    """Publish what was hidden."""
    _moderate(ctx, id, ("hidden",), "published")


# -- helpers


def _notes(ctx: QueryCtx, comments: list[Comment]) -> list[Note]:
    people = people_of(ctx, [comment.author for comment in comments])
    return [
        Note(
            id=comment.id,
            article=comment.article,
            anchor=comment.anchor,
            root=comment.root,
            author=None if comment.state == "deleted" else people[comment.author],
            key=comment.key,
            body=comment.body,
            state=comment.state,
            resolved=comment.resolved,
            at=comment.said_at,
            edited_at=comment.edited_at,
        )
        for comment in sorted(comments, key=lambda comment: (comment.said_at, comment.creation_time))
    ]


def _own(ctx: QueryCtx, user: Id[User], article: str, state: CommentState) -> list[Comment]:
    return ctx.db.query(Comment.by_author, author=user, article=article, state=state).take(OWN_MAX)


def _write(
    ctx: MutationCtx, article: str, anchor: Anchor, body: str, key: str, draft: bool, root: Id[Comment] | None
) -> Id[Comment]:
    user = who(ctx).id
    written = ctx.db.find(Comment.by_key, author=user, key=key)
    if written is not None:
        return written.id
    said = _said_state(ctx)
    if said == "held":
        WRITTEN_BY_GUEST.take(ctx, user)
        WRITTEN_BY_GUESTS.take(ctx)
    else:
        WRITTEN.take(ctx, user)
    state: CommentState = "draft" if draft else said
    if state != "published" and len(_own(ctx, user, article, state)) >= OWN_MAX:
        raise AppError({"code": "too_many", "message": "Too much of yours waits here. Submit or delete some of it."})
    comment = Comment(
        article=article,
        anchor=anchor,
        author=user,
        key=key,
        body=_words(body),
        root=root,
        state=state,
        said_at=ctx.now(),
    )
    _count(ctx, article, was=None, to=state)
    return ctx.db.insert(comment)


def _said_state(ctx: QueryCtx) -> Literal["held", "published"]:
    """What becomes of what somebody says."""
    return "held" if standing(ctx, who(ctx)) == "guest" else "published"


def _words(body: str) -> str:
    body = body.strip()
    if not body:
        raise AppError({"code": "nothing_said", "message": "Write something."})
    return body


def _moderate(ctx: MutationCtx, id: Id[Comment], states: tuple[CommentState, ...], to: CommentState) -> None:
    """Move a comment on from one of these states. If it is in another, somebody was faster, and nothing is done."""
    comment = ctx.db.require(id)
    if comment.state in states:
        _move(ctx, comment, to)


def _move(ctx: MutationCtx, comment: Comment, to: CommentState) -> None:
    _count(ctx, comment.article, was=comment.state, to=to)
    comment.state = to
    ctx.db.save(comment)


def _count(ctx: MutationCtx, article: str, was: CommentState | None, to: CommentState | None) -> None:
    """
    Count a comment that changes its state, comes (`was` is None), or goes.

    Raises:
        AppError: The article has as many as it may have.
    """
    change = (to == "published") - (was == "published")
    if change == 0:
        return
    count = ctx.db.find(CommentCount.by_article, article=article)
    if count is None:
        ctx.db.insert(CommentCount(article=article, published=change))
        return
    if change > 0 and count.published >= PUBLISHED_MAX:
        raise AppError({"code": "margin_full", "message": "The margin of this article is full."})
    ctx.db.patch(count, published=count.published + change)


def _forget_if_bare(ctx: MutationCtx, root: Id[Comment]) -> None:
    """Delete the place of what was deleted when the last answer to it has gone."""
    found = ctx.db.get(root)
    if found is not None and found.state == "deleted" and ctx.db.query(Comment.by_root, root=root).first() is None:
        ctx.db.delete(root)
