"""The app's comments in the margins: who may write, read, change and remove them."""

import pytest

from app_functions import comments
from joelclaw import AppError, Id
from joelclaw.testing import Backend, Caller, CallFailed, CallRefused
from schema import Anchor, Comment
from tests.app.people import reader

ANCHOR = Anchor(paragraph="p1", quote="as it were")


def signed_in(backend: Backend, name: str) -> Caller:
    """Somebody with a document of their own."""
    return reader(backend, name)


def write(
    caller: Caller, body: str = "hello", *, article: str = "a", paragraph: str = "p1", name: str | None = None
) -> Id[Comment]:
    return caller.mutation(
        comments.add, article=article, anchor=Anchor(paragraph=paragraph, quote="..."), body=body, name=name
    )


def bodies(backend: Backend, article: str = "a") -> list[str]:
    return [comment.body for comment in backend.query(comments.for_article, article=article)]


def test_a_guest_signs_with_a_name(backend: Backend) -> None:
    """A guest's comment has the name that was given, and no author."""
    write(backend, name=" Ann ")

    [comment] = backend.query(comments.for_article, article="a")
    assert (comment.author_name, comment.author, comment.resolved) == ("Ann", None, False)


@pytest.mark.parametrize("name", [None, "", "   "])
def test_a_guest_without_a_name_is_refused(backend: Backend, name: str | None) -> None:
    """Nobody writes anonymously; what the client is told says what is needed, and nothing is written."""
    with pytest.raises(AppError) as caught:
        write(backend, name=name)

    assert caught.value.data["code"] == "name_needed"
    assert bodies(backend) == []


def test_who_is_signed_in_signs_with_their_own_name(backend: Backend) -> None:
    """The name of a signed in author is that of their document, whatever name is given."""
    write(signed_in(backend, "Ann"), name="Bob")

    [comment] = backend.query(comments.for_article, article="a")
    assert comment.author_name == "Ann"
    assert comment.author is not None


def test_who_never_arrived_cannot_write(backend: Backend) -> None:
    """Signed in alone is not enough: the author's document has to exist."""
    with pytest.raises(CallFailed) as caught:
        write(backend.as_user("stranger"))

    assert caught.value.failure_code == "user_not_found"


@pytest.mark.parametrize("body", ["", "x" * 4_001])
def test_a_body_has_its_bounds(backend: Backend, body: str) -> None:
    """An empty comment and one that is too long are refused, and leave nothing."""
    with pytest.raises(CallFailed):
        write(backend, body, name="Ann")

    assert bodies(backend) == []


def test_the_longest_body_fits(backend: Backend) -> None:
    """4,000 characters are a comment."""
    write(backend, "x" * 4_000, name="Ann")

    assert len(bodies(backend)[0]) == 4_000


def test_comments_come_by_paragraph_the_oldest_first(backend: Backend) -> None:
    """The order is that of the article, and within a paragraph that of time; other articles do not show."""
    write(backend, "second", paragraph="p2", name="Ann")
    write(backend, "first", paragraph="p1", name="Ann")
    write(backend, "third", paragraph="p2", name="Ann")
    write(backend, "elsewhere", article="b", name="Ann")

    assert bodies(backend) == ["first", "second", "third"]


def test_no_more_than_the_limit_are_shown(backend: Backend) -> None:
    """`limit` bounds the list."""
    for number in range(3):
        write(backend, str(number), name="Ann")

    shown = backend.query(comments.for_article, article="a", limit=2)
    assert [comment.body for comment in shown] == ["0", "1"]


def test_a_reader_of_an_article_sees_a_comment_appear(backend: Backend) -> None:
    """A subscriber is shown a new comment of the article, and is not bothered by one elsewhere."""
    page = backend.subscribe(comments.for_article, article="a")
    assert page.value == []

    write(backend, "hello", name="Ann")
    assert page.changed()
    assert [comment.body for comment in page.value] == ["hello"]

    write(backend, "elsewhere", article="b", name="Ann")
    assert not page.changed()
    assert page.ran == 2, "a comment elsewhere does not even run the query"


def test_counts_tell_all_and_the_open_ones(backend: Backend) -> None:
    """Resolved comments count, and are not open."""
    ann = signed_in(backend, "Ann")
    settled = write(ann)
    write(ann)
    ann.mutation(comments.resolve, id=settled)

    counts = backend.query(comments.counts, article="a")
    assert (counts.comments, counts.open) == (2, 1)


def test_an_answer_belongs_to_the_same_article(backend: Backend) -> None:
    """A reply to a comment of another article is refused; to one of the same it is kept with it."""
    asked = write(backend, name="Ann")

    with pytest.raises(AppError) as caught:
        backend.mutation(comments.add, article="b", anchor=ANCHOR, body="no", name="Bob", reply_to=asked)
    assert caught.value.data["code"] == "other_article"

    backend.mutation(comments.add, article="a", anchor=ANCHOR, body="yes", name="Bob", reply_to=asked)
    answer = backend.query(comments.for_article, article="a")[-1]
    assert answer.reply_to == asked


def test_an_author_edits_and_resolves(backend: Backend) -> None:
    """Whoever wrote a comment changes its words and settles it."""
    ann = signed_in(backend, "Ann")
    id = write(ann, "helo")

    ann.mutation(comments.edit, id=id, body="hello")
    ann.mutation(comments.resolve, id=id)

    [comment] = backend.query(comments.for_article, article="a")
    assert (comment.body, comment.resolved) == ("hello", True)


@pytest.mark.parametrize("who", ["anonymous", "another", "unknown"])
def test_nobody_else_edits_or_resolves(backend: Backend, who: str) -> None:
    """For a guest, another user, and one who never arrived, these functions do not exist; nothing changes."""
    id = write(signed_in(backend, "Ann"))
    callers = {"anonymous": backend, "another": signed_in(backend, "Bob"), "unknown": backend.as_user("unknown")}
    caller = callers[who]

    with pytest.raises(CallRefused):
        caller.mutation(comments.edit, id=id, body="mine")
    with pytest.raises(CallRefused):
        caller.mutation(comments.resolve, id=id)

    [comment] = backend.query(comments.for_article, article="a")
    assert (comment.body, comment.resolved) == ("hello", False)


def test_a_guests_comment_is_nobodys_to_edit(backend: Backend) -> None:
    """What a guest wrote, no user may change."""
    id = write(backend, name="Guest")

    with pytest.raises(CallRefused):
        signed_in(backend, "Ann").mutation(comments.edit, id=id, body="mine")


def test_a_comment_that_is_gone_refuses_like_any_other(backend: Backend) -> None:
    """Whether a comment exists is not told by how its change is refused."""
    ann = signed_in(backend, "Ann")
    id = write(ann)
    backend.internal.mutation(comments.remove, id=id)

    with pytest.raises(CallRefused):
        ann.mutation(comments.edit, id=id, body="again")


def test_removing_takes_all_answers_along(backend: Backend) -> None:
    """A comment goes with the answers to it and theirs; the others stay."""
    first = write(backend, "first", name="Ann")
    reply = backend.mutation(comments.add, article="a", anchor=ANCHOR, body="re", name="Bob", reply_to=first)
    backend.mutation(comments.add, article="a", anchor=ANCHOR, body="re re", name="Ann", reply_to=reply)
    write(backend, "other", name="Ann")

    assert backend.internal.mutation(comments.remove, id=first) == 3
    assert bodies(backend) == ["other"]


@pytest.mark.parametrize("signs_in", [False, True])
def test_nobody_outside_removes(backend: Backend, signs_in: bool) -> None:
    """`remove` is for the platform and its people: neither guests nor authors have it."""
    caller = signed_in(backend, "Ann") if signs_in else backend
    id = write(caller, name="Ann")

    with pytest.raises(CallRefused):
        caller.mutation(comments.remove, id=id)
    assert bodies(backend) == ["hello"]
