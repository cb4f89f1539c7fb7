"""The app's comments in the margins: who may write, see, change and remove them, and in which state."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from app_functions import comments, users
from joelclaw import AppError, Id, PageOptions
from joelclaw.testing import Backend, Caller, CallFailed, CallRefused
from schema import Anchor, Comment
from tests.app.people import guest, owner, reader

ANCHOR = Anchor(paragraph="p1", quote="as it were", prefix="so, ", suffix=", it is", start=4, position=1)
NEWEST = PageOptions(num_items=10, cursor=None)

KEYS = itertools.count(10_000_000)


def write(
    caller: Caller, body: str = "hello", *, article: str = "a", draft: bool = False, key: str = ""
) -> Id[Comment]:
    """A comment of somebody."""
    return caller.mutation(
        comments.add, article=article, anchor=ANCHOR, body=body, key=key or str(next(KEYS)), draft=draft
    )


def answer(caller: Caller, to: Id[Comment], body: str = "indeed", *, draft: bool = False) -> Id[Comment]:
    return caller.mutation(comments.answer, to=to, body=body, key=str(next(KEYS)), draft=draft)


def seen(backend: Backend, article: str = "a") -> list[comments.Note]:
    """What everybody sees."""
    return backend.query(comments.for_article, article=article)


def bodies(backend: Backend, article: str = "a") -> list[str]:
    return [note.body for note in seen(backend, article)]


def own(caller: Caller, article: str = "a") -> list[tuple[str, str]]:
    """What somebody sees beside that: body and state."""
    return [(note.body, note.state) for note in caller.query(comments.mine, article=article)]


def published(backend: Backend) -> dict[str, int]:
    return {count.article: count.published for count in backend.query(comments.totals)}


def refusal(call: Callable[..., Any], *args: Any, **keywords: Any) -> str:
    """The code that the app refused a call with."""
    with pytest.raises(AppError) as caught:
        call(*args, **keywords)
    code: str = caught.value.data["code"]
    return code


# -- writing


def test_what_a_reader_writes_is_published(backend: Backend) -> None:
    """At once, for everybody, with its anchor, and the name that its author has now."""
    ann = reader(backend, "Ann")
    page = backend.subscribe(comments.for_article, article="a")
    write(ann, " hello ")
    write(ann, article="b")

    [note] = page.value
    assert (note.body, note.state, note.anchor, note.root) == ("hello", "published", ANCHOR, None)
    assert note.author is not None
    assert note.author.name == "Ann"
    ann.mutation(users.rename, name="Anna")
    assert [note.author.name for note in page.value if note.author] == ["Anna"]
    assert own(ann) == []


def test_what_a_guest_writes_is_held(backend: Backend) -> None:
    """Only they and the owner see it, until the owner approves."""
    gus, joel = guest(backend), owner(backend)
    id = write(gus)
    assert (bodies(backend), own(gus), own(reader(backend))) == ([], [("hello", "held")], [])

    [waiting] = joel.query(comments.held)
    assert waiting.id == id
    joel.mutation(comments.approve, id=id)

    assert (bodies(backend), own(gus), joel.query(comments.held)) == (["hello"], [], [])


def test_a_guest_who_changes_what_was_approved_waits_again(backend: Backend) -> None:
    """Approved is what the owner has read."""
    gus = guest(backend)
    id = write(gus, "lovely")
    owner(backend).mutation(comments.approve, id=id)
    gus.mutation(comments.edit, id=id, body="buy pills")

    assert (bodies(backend), own(gus), published(backend)) == ([], [("buy pills", "held")], {})


def test_a_stranger_writes_nothing(backend: Backend) -> None:
    """Who is not signed in neither comments nor answers, and has nothing of their own to see."""
    id = write(reader(backend))
    for call in (
        lambda: backend.mutation(comments.add, article="a", anchor=ANCHOR, body="no", key="12345678"),
        lambda: backend.mutation(comments.answer, to=id, body="no", key="12345678"),
        lambda: backend.mutation(comments.submit_drafts, article="a"),
        lambda: backend.query(comments.mine, article="a"),
    ):
        with pytest.raises(CallRefused):
            call()
    assert bodies(backend) == ["hello"]


def test_written_again_with_the_same_key_it_is_one(backend: Backend) -> None:
    """Whoever cannot know whether it arrived asks again; somebody else's key is another."""
    ann = reader(backend, "Ann")
    first = write(ann, key="the same key")
    assert write(ann, key="the same key") == first
    assert write(reader(backend, "Bob"), key="the same key") != first
    assert len(seen(backend)) == 2


@pytest.mark.parametrize("body", ["", " \n"])
def test_nothing_is_no_comment(backend: Backend, body: str) -> None:
    """Neither new nor by a change; nothing is counted."""
    ann = reader(backend)
    assert refusal(write, ann, body) == "nothing_said"
    id = write(ann)
    assert refusal(ann.mutation, comments.edit, id=id, body=body) == "nothing_said"
    assert (bodies(backend), published(backend)) == (["hello"], {"a": 1})


def test_a_body_has_its_bounds(backend: Backend) -> None:
    """4,000 characters are a comment; one more is none."""
    ann = reader(backend)
    with pytest.raises(CallFailed):
        write(ann, "x" * 4_001)
    write(ann, "x" * 4_000)
    assert [len(body) for body in bodies(backend)] == [4_000]


def test_guests_write_less_often_than_readers(backend: Backend) -> None:
    """Beyond their limit nothing is written, and what was is still there."""
    gus = guest(backend)
    for _ in range(5):
        write(gus)
    assert refusal(write, gus) == "RATE_LIMITED"
    assert len(own(gus)) == 5
    for _ in range(6):
        write(reader(backend))
    assert len(seen(backend)) == 6


# -- drafts


def test_drafts_are_their_authors_alone(backend: Backend) -> None:
    """Not even the owner sees one."""
    ann, joel = reader(backend, "Ann"), owner(backend)
    id = write(ann, draft=True)
    ann.mutation(comments.edit, id=id, body="later")

    assert own(ann) == [("later", "draft")]
    assert (bodies(backend), own(joel), joel.query(comments.held), published(backend)) == ([], [], [], {})
    joel.mutation(comments.approve, id=id)
    joel.mutation(comments.hide, id=id)
    assert own(ann) == [("later", "draft")], "there is no way for the owner to publish or hide it"


def test_drafts_are_submitted_at_once(backend: Backend) -> None:
    """All of one article in one commit, as said when they were submitted; those elsewhere stay."""
    ann = reader(backend, "Ann")
    page = backend.subscribe(comments.for_article, article="a")
    ran = page.ran
    for body in ("one", "two"):
        write(ann, body, draft=True)
    write(ann, "elsewhere", article="b", draft=True)
    before = ann.query(comments.mine, article="a")[0].at
    backend.clock.advance("1h")

    assert ann.mutation(comments.submit_drafts, article="a") == 2
    assert [note.body for note in page.value] == ["one", "two"]
    assert page.ran == ran + 1, "the page saw both come at once"
    assert {note.at - before for note in page.value} == {3_600_000}
    assert (own(ann, "b"), published(backend)) == ([("elsewhere", "draft")], {"a": 2})
    assert ann.mutation(comments.submit_drafts, article="a") == 0


def test_a_guests_drafts_are_held_when_submitted(backend: Backend) -> None:
    """As what they write at once."""
    gus = guest(backend)
    write(gus, draft=True)
    gus.mutation(comments.submit_drafts, article="a")
    assert (bodies(backend), own(gus)) == ([], [("hello", "held")])


# -- threads


def test_an_answer_to_an_answer_joins_the_thread(backend: Backend) -> None:
    """A thread is one comment and the answers to it, all with its anchor."""
    ann, bob = reader(backend, "Ann"), reader(backend, "Bob")
    root = write(ann)
    answer(ann, answer(bob, root, "one"), "two")
    assert [(note.body, note.root, note.anchor) for note in seen(backend)] == [
        ("hello", None, ANCHOR),
        ("one", root, ANCHOR),
        ("two", root, ANCHOR),
    ]


def test_what_others_do_not_see_is_not_answered(backend: Backend) -> None:
    """Drafts, held and hidden ones: whether there is one is not told."""
    ann, joel = reader(backend, "Ann"), owner(backend)
    hidden = write(ann)
    joel.mutation(comments.hide, id=hidden)
    for id in (write(ann, draft=True), write(guest(backend)), hidden):
        assert refusal(answer, reader(backend, "Bob"), id) == "not_there"


def test_what_was_answered_leaves_its_place(backend: Backend) -> None:
    """Without words and name, until the last answer goes as well."""
    ann, bob = reader(backend, "Ann"), reader(backend, "Bob")
    root = write(ann)
    said = answer(bob, root)
    ann.mutation(comments.remove, id=root)

    place, rest = seen(backend)
    assert (place.body, place.author, place.state, rest.body) == ("", None, "deleted", "indeed")
    assert published(backend) == {"a": 1}
    assert refusal(ann.mutation, comments.edit, id=root, body="again") == "deleted"
    bob.mutation(comments.remove, id=said)
    assert (seen(backend), published(backend)) == ([], {})


def test_what_nobody_answered_is_gone(backend: Backend) -> None:
    """Nothing of it stays."""
    ann = reader(backend)
    id = write(ann)
    ann.mutation(comments.remove, id=id)
    assert (seen(backend), own(ann), published(backend)) == ([], [], {})
    with pytest.raises(CallRefused):
        ann.mutation(comments.edit, id=id, body="again")


def test_a_thread_is_settled_and_opened_again(backend: Backend) -> None:
    """By who began it, and by the owner; an answer is no thread."""
    ann = reader(backend, "Ann")
    root = write(ann)
    said = answer(ann, root)
    ann.mutation(comments.resolve, id=root)
    assert seen(backend)[0].resolved
    owner(backend).mutation(comments.resolve, id=root, resolved=False)
    assert not seen(backend)[0].resolved
    assert refusal(ann.mutation, comments.resolve, id=said) == "no_thread"


# -- changing


def test_an_author_edits(backend: Backend) -> None:
    """With other words, when they came, and nothing else changed."""
    ann = reader(backend)
    id = write(ann)
    backend.clock.advance("1m")
    ann.mutation(comments.edit, id=id, body="hello again")
    [note] = seen(backend)
    assert (note.body, note.edited_at, note.state) == ("hello again", note.at + 60_000, "published")


@pytest.mark.parametrize("who", ["stranger", "guest", "reader"])
def test_nobody_else_changes_anything(backend: Backend, who: str) -> None:
    """For others these functions do not exist, whether the comment does or not."""
    ann = reader(backend, "Ann")
    id, gone = write(ann), write(ann)
    ann.mutation(comments.remove, id=gone)
    caller = {"stranger": backend, "guest": guest(backend), "reader": reader(backend, "Bob")}[who]
    for target in (id, gone):
        with pytest.raises(CallRefused):
            caller.mutation(comments.edit, id=target, body="mine")
        for function in (comments.remove, comments.resolve, comments.approve, comments.hide, comments.unhide):
            with pytest.raises(CallRefused):
                caller.mutation(function, id=target)
    with pytest.raises(CallRefused):
        caller.query(comments.held)
    with pytest.raises(CallRefused):
        caller.query(comments.recent, pagination_opts=NEWEST)
    [note] = seen(backend)
    assert (note.body, note.resolved, note.state) == ("hello", False, "published")


def test_the_owner_does_not_put_words_into_mouths(backend: Backend) -> None:
    """The owner hides and removes; only the author edits."""
    id = write(reader(backend))
    with pytest.raises(CallRefused):
        owner(backend).mutation(comments.edit, id=id, body="I was wrong")
    owner(backend).mutation(comments.remove, id=id)
    assert seen(backend) == []


# -- moderation


def test_what_is_hidden_is_seen_by_its_author_and_the_owner(backend: Backend) -> None:
    """With it goes the thread that it began; unhidden, all is there again."""
    ann, joel = reader(backend, "Ann"), owner(backend)
    root = write(ann)
    answer(reader(backend, "Bob"), root)
    joel.mutation(comments.hide, id=root)

    assert (seen(backend), own(ann)) == ([], [("hello", "hidden")])
    hidden = joel.query(comments.recent, pagination_opts=NEWEST, state="hidden")
    assert [note.id for note in hidden.page] == [root]
    ann.mutation(comments.edit, id=root, body="sorry")
    assert own(ann) == [("sorry", "hidden")], "a change does not publish it"
    joel.mutation(comments.unhide, id=root)
    assert bodies(backend) == ["sorry", "indeed"]


def test_the_owner_sees_what_is_new(backend: Backend) -> None:
    """Of all articles, the newest first, what is published."""
    ann = reader(backend)
    write(ann, "first")
    write(ann, "second", article="b")
    write(ann, "draft", draft=True)
    page = owner(backend).query(comments.recent, pagination_opts=NEWEST)
    assert [note.body for note in page.page] == ["second", "first"]


def test_counts_follow_what_is_published(backend: Backend) -> None:
    """Through every state and back."""
    ann, joel = reader(backend, "Ann"), owner(backend)
    id = write(ann)
    write(ann, article="b")
    assert published(backend) == {"a": 1, "b": 1}
    joel.mutation(comments.hide, id=id)
    joel.mutation(comments.hide, id=id)
    assert published(backend) == {"b": 1}
    joel.mutation(comments.unhide, id=id)
    ann.mutation(comments.remove, id=id)
    assert published(backend) == {"b": 1}


def test_a_margin_is_full_some_day(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """What everybody sees of an article has a bound; of drafts that do not all fit, all stay drafts."""
    monkeypatch.setattr(comments, "PUBLISHED_MAX", 2)
    ann = reader(backend)
    write(ann)
    for _ in range(2):
        write(ann, draft=True)
    assert refusal(ann.mutation, comments.submit_drafts, article="a") == "margin_full"
    assert (len(own(ann)), published(backend)) == (2, {"a": 1})
