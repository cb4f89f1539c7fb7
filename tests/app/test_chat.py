"""The app's chat: rooms, who belongs to them, and what is said there."""

from typing import Any

import pytest

from app_functions import chat, users
from joelclaw import AppError, Id, PageOptions
from joelclaw.testing import Backend, Caller, CallFailed, CallRefused
from schema import Room
from tests.app.people import guest, owner, reader
from tests.app.rooms import NEWEST, id_of, open_room, said, say


def refusal(call: Any, *args: Any, **keywords: Any) -> str:
    """The code that the app refused a call with."""
    with pytest.raises(AppError) as caught:
        call(*args, **keywords)
    code: str = caught.value.data["code"]
    return code


def seen(caller: Caller, room: Id[Room]) -> chat.RoomSeen:
    [found] = [one for one in caller.query(chat.rooms) if one.id == room]
    return found


def messages(caller: Caller, room: Id[Room]) -> list[chat.Said]:
    page = caller.query(chat.history, room=room, pagination_opts=NEWEST)
    return page.page[::-1]


def upload(
    backend: Backend, caller: Caller, room: Id[Room], body: bytes = b"ink", kind: str = "image/png", name: str = "a.png"
) -> chat.Upload:
    """A file that is uploaded, and not sent yet."""
    url = caller.mutation(chat.upload_url, room=room)
    answer = backend.fetch("POST", url, body=body, headers={"Content-Type": kind})
    return chat.Upload(file=answer.json()["storageId"], name=name)


def url_of(caller: Caller, room: Id[Room]) -> str:
    """Where the only attachment of the newest message is served."""
    [attachment] = messages(caller, room)[-1].attachments
    assert attachment.url is not None
    return attachment.url


# -- rooms


def test_the_owner_opens_a_room_once(backend: Backend) -> None:
    """Opening a room that exists gives that one, with the title that it has; whoever opens it belongs to it."""
    joel = owner(backend)
    first = joel.mutation(chat.open_room, slug="lobby", title=" Lobby ")

    assert joel.mutation(chat.open_room, slug="lobby", title="Another") == first
    [only] = joel.query(chat.rooms)
    assert (only.id, only.title, only.last_seq, only.unread, only.closed) == (first, "Lobby", 0, 0, False)


@pytest.mark.parametrize("slug", ["", "Lobby", "a b", "x" * 41])
def test_a_slug_is_made_of_small_letters_digits_and_dashes(backend: Backend, slug: str) -> None:
    """Others make no room."""
    with pytest.raises(CallFailed):
        owner(backend).mutation(chat.open_room, slug=slug, title="Lobby")

    assert owner(backend).query(chat.rooms) == []


def test_only_the_owner_keeps_rooms(backend: Backend) -> None:
    """Members neither open, rename nor close rooms, and put nobody out."""
    ann = reader(backend, "Ann")
    room = open_room(backend, members=(ann,))
    for call in (
        lambda: ann.mutation(chat.open_room, slug="mine", title="Mine"),
        lambda: ann.mutation(chat.rename, room=room, title="Mine"),
        lambda: ann.mutation(chat.close_room, room=room),
        lambda: ann.mutation(chat.remove_member, room=room, user=id_of(owner(backend))),
    ):
        with pytest.raises(CallRefused):
            call()

    assert seen(ann, room).title == "Lobby"
    assert len(ann.query(chat.members, room=room)) == 2


def test_who_is_no_member_sees_and_says_nothing(backend: Backend) -> None:
    """For strangers, guests and readers who do not belong to it, a room does not exist."""
    room = open_room(backend)
    say(owner(backend), room, "among us")
    for caller in (backend, guest(backend), reader(backend, "Ann")):
        with pytest.raises(CallRefused):
            caller.query(chat.history, room=room, pagination_opts=NEWEST)
        with pytest.raises(CallRefused):
            caller.query(chat.members, room=room)
        with pytest.raises(CallRefused):
            caller.mutation(chat.send, room=room, body="hello", key="12345678")
        with pytest.raises(CallRefused):
            caller.mutation(chat.upload_url, room=room)
        with pytest.raises(CallRefused):
            caller.mutation(chat.mark_read, room=room, seq=1)

    assert said(owner(backend), room) == ["among us"]
    assert reader(backend, "Ann").query(chat.rooms) == []
    with pytest.raises(CallRefused):
        backend.query(chat.rooms)


def test_rooms_where_something_was_said_come_first(backend: Backend) -> None:
    """With the beginning of what was said last."""
    joel = owner(backend)
    rooms = {slug: open_room(backend, slug) for slug in ("a", "b", "c")}
    backend.clock.advance("1m")
    say(joel, rooms["b"], "so\n it " + "goes " * 40)

    [first, *others] = joel.query(chat.rooms)
    assert first.slug == "b"
    assert first.last_said == ("so it " + "goes " * 40)[:80]
    assert [room.slug for room in others] == ["c", "a"]


def test_a_closed_room_can_be_read(backend: Backend) -> None:
    """Nothing more is said, uploaded or changed in it, until it goes on."""
    ann = reader(backend, "Ann")
    room = open_room(backend, members=(ann,))
    say(ann, room, "last words")
    owner(backend).mutation(chat.close_room, room=room)

    [last] = messages(ann, room)
    assert refusal(say, ann, room, "one more") == "room_closed"
    assert refusal(ann.mutation, chat.upload_url, room=room) == "room_closed"
    assert refusal(ann.mutation, chat.edit, id=last.id, body="other words") == "room_closed"
    assert said(ann, room) == ["last words"]
    assert seen(ann, room).closed

    owner(backend).mutation(chat.close_room, room=room, closed=False)
    assert say(ann, room, "one more") == 2


def test_members_are_named(backend: Backend) -> None:
    """In the order in which they came; a new name is seen at once."""
    ann, gus = reader(backend, "Ann"), guest(backend, "Gus")
    room = open_room(backend, members=(ann, gus))
    page = ann.subscribe(chat.members, room=room)

    assert [(one.person.name, one.opened_it) for one in page.value] == [("Joel", True), ("Ann", False), ("Gus", False)]
    gus.mutation(users.rename, name="Gustav")
    assert [one.person.name for one in page.value] == ["Joel", "Ann", "Gustav"]


def test_who_is_put_out_has_open_pages_refused(backend: Backend) -> None:
    """At once, and for everything in the room; what they said stays."""
    ann, gus = reader(backend, "Ann"), guest(backend)
    room = open_room(backend, members=(ann, gus))
    say(gus, room, "I was here")
    page = gus.subscribe(chat.history, room=room, pagination_opts=NEWEST)
    others = ann.subscribe(chat.history, room=room, pagination_opts=NEWEST)
    assert page.value.page
    before = others.ran

    owner(backend).mutation(chat.remove_member, room=room, user=id_of(gus))

    with pytest.raises(CallRefused):
        _ = page.value
    with pytest.raises(CallRefused):
        say(gus, room, "and still am")
    assert gus.query(chat.rooms) == []
    assert [message.body for message in others.value.page] == ["I was here"]
    assert others.ran == before + 1, "once, for whoever was put out"


def test_a_member_leaves(backend: Backend) -> None:
    """By themselves; the owner does not leave an own room, nor put themselves out of it."""
    ann = reader(backend, "Ann")
    room = open_room(backend, members=(ann,))
    ann.mutation(chat.leave, room=room)

    assert ann.query(chat.rooms) == []
    joel = owner(backend)
    assert refusal(joel.mutation, chat.leave, room=room) == "own_room"
    assert refusal(joel.mutation, chat.remove_member, room=room, user=id_of(joel)) == "own_room"
    assert [one.person.name for one in joel.query(chat.members, room=room)] == ["Joel"]


# -- messages


def test_messages_are_numbered_without_a_gap(backend: Backend) -> None:
    """From 1, in each room, whoever speaks; also after some were removed."""
    ann = reader(backend, "Ann")
    here, there = (open_room(backend, slug, members=(ann,)) for slug in ("here", "there"))
    for number in range(4):
        say(ann if number % 2 else owner(backend), here, str(number))
    ann.mutation(chat.remove, id=messages(ann, here)[-1].id)

    assert say(ann, here, "after all") == 5
    assert say(ann, there, "elsewhere") == 1
    assert [(one.seq, one.body, one.removed) for one in messages(ann, here)] == [
        (1, "0", False),
        (2, "1", False),
        (3, "2", False),
        (4, "", True),
        (5, "after all", False),
    ]


def test_the_same_key_is_the_same_message(backend: Backend) -> None:
    """Whoever sends again hears the number that it has, and nothing is said twice; keys are each sender's own."""
    ann, gus = reader(backend, "Ann"), guest(backend)
    room = open_room(backend, members=(ann, gus))

    assert say(ann, room, "hello", key="same-key") == 1
    assert say(ann, room, "hello", key="same-key") == 1
    assert say(gus, room, "hello, too", key="same-key") == 2
    owner(backend).mutation(chat.close_room, room=room)
    assert say(ann, room, "hello", key="same-key") == 1
    assert said(ann, room) == ["hello", "hello, too"]


@pytest.mark.parametrize("body", ["", " \n\t"])
def test_a_message_says_something(backend: Backend, body: str) -> None:
    """One of nothing but spaces is refused, and takes no number."""
    room = open_room(backend)
    assert refusal(say, owner(backend), room, body, "12345678") == "nothing_said"

    assert say(owner(backend), room, "hello") == 1


@pytest.mark.parametrize(("body", "key"), [("x" * 8_001, "12345678"), ("x", "1234567"), ("x", "x" * 65)])
def test_a_message_has_its_bounds(backend: Backend, body: str, key: str) -> None:
    """A body that is too long, and a key that is too short or too long, leave nothing."""
    room = open_room(backend)
    with pytest.raises(CallFailed):
        say(owner(backend), room, body, key)

    assert said(owner(backend), room) == []


def test_rooms_are_apart(backend: Backend) -> None:
    """What is said in one room is heard in no other, and wakes nobody there."""
    here, there = open_room(backend, "here"), open_room(backend, "there")
    joel = owner(backend)
    listening = joel.subscribe(chat.history, room=there, pagination_opts=NEWEST)
    say(joel, here, "hello")

    assert said(joel, there) == []
    assert listening.ran == 1


def test_history_comes_in_pages(backend: Backend) -> None:
    """Pages follow each other without gap or repetition, down to the oldest message."""
    room = open_room(backend)
    joel = owner(backend)
    for number in range(7):
        say(joel, room, str(number))

    numbers: list[int] = []
    cursor: str | None = None
    while True:
        page = joel.query(chat.history, room=room, pagination_opts=PageOptions(num_items=3, cursor=cursor))
        numbers += [message.seq for message in page.page]
        if page.is_done:
            break
        cursor = page.continue_cursor

    assert numbers == [7, 6, 5, 4, 3, 2, 1]


def test_a_page_that_is_open_grows(backend: Backend) -> None:
    """A subscriber of the newest page sees what is said, as it is said."""
    room = open_room(backend)
    page = owner(backend).subscribe(chat.history, room=room, pagination_opts=NEWEST)
    for number in range(3):
        say(owner(backend), room, str(number))

    assert [[message.seq for message in shown.page] for shown in page.history] == [[], [1], [2, 1], [3, 2, 1]]


def test_the_author_edits(backend: Backend) -> None:
    """Their own message, as long as they belong to the room; nobody else does, the owner included."""
    ann = reader(backend, "Ann")
    room = open_room(backend, members=(ann,))
    say(ann, room, "helo")
    [message] = messages(ann, room)
    with pytest.raises(CallRefused):
        owner(backend).mutation(chat.edit, id=message.id, body="what Ann never said")
    assert refusal(ann.mutation, chat.edit, id=message.id, body=" ") == "nothing_said"

    ann.mutation(chat.edit, id=message.id, body="hello")

    [edited] = messages(ann, room)
    assert (edited.seq, edited.body, edited.edited_at is None) == (1, "hello", False)
    owner(backend).mutation(chat.remove_member, room=room, user=id_of(ann))
    with pytest.raises(CallRefused):
        ann.mutation(chat.edit, id=message.id, body="from outside")
    with pytest.raises(CallRefused):
        ann.mutation(chat.remove, id=message.id)


def test_author_and_owner_remove(backend: Backend) -> None:
    """What is removed keeps its number and author, and nothing else; it cannot be edited; removing again is fine."""
    ann, gus = reader(backend, "Ann"), guest(backend)
    room = open_room(backend, members=(ann, gus))
    say(ann, room, "mine")
    say(ann, room, "mine, too")
    [first, second] = messages(ann, room)
    with pytest.raises(CallRefused):
        gus.mutation(chat.remove, id=first.id)

    ann.mutation(chat.remove, id=first.id)
    ann.mutation(chat.remove, id=first.id)
    owner(backend).mutation(chat.remove, id=second.id)

    assert [(one.body, one.removed, one.author.name) for one in messages(gus, room)] == [("", True, "Ann")] * 2
    assert refusal(ann.mutation, chat.edit, id=first.id, body="back again") == "removed"
    assert seen(ann, room).last_said == "removed"


def test_who_sends_too_often_waits(backend: Backend) -> None:
    """Forty at once, then one a second; what was refused took no number, and others are not held up."""
    ann = reader(backend, "Ann")
    room = open_room(backend, members=(ann,))
    for number in range(40):
        say(ann, room, str(number))

    assert refusal(say, ann, room, "41st") == "RATE_LIMITED"
    assert say(ann, room, "0") == 1, "sending again costs nothing"
    assert say(owner(backend), room, "I may") == 41
    backend.clock.advance("1s")
    assert say(ann, room, "41st") == 42


# -- unread


def test_unread_is_what_others_said_since(backend: Backend) -> None:
    """A newcomer has nothing to catch up with; who speaks has read; reading moves the mark, and only on."""
    ann = reader(backend, "Ann")
    room = open_room(backend)
    say(owner(backend), room, "long ago")
    assert open_room(backend, members=(ann,)) == room
    assert seen(ann, room).unread == 0

    for number in range(3):
        say(owner(backend), room, str(number))
    assert (seen(ann, room).unread, seen(ann, room).read_seq, seen(owner(backend), room).unread) == (3, 1, 0)

    ann.mutation(chat.mark_read, room=room, seq=3)
    assert seen(ann, room).unread == 1
    ann.mutation(chat.mark_read, room=room, seq=2)
    ann.mutation(chat.mark_read, room=room, seq=-5)
    assert seen(ann, room).unread == 1
    ann.mutation(chat.mark_read, room=room, seq=1_000_000)
    assert seen(ann, room).unread == 0
    say(owner(backend), room, "more")
    assert seen(ann, room).unread == 1, "nobody reads ahead"
    say(ann, room, "here I am")
    assert seen(ann, room).unread == 0


def test_unread_costs_the_same_in_a_long_room(backend: Backend) -> None:
    """The list of rooms looks at the newest message of each and at no other: nobody counts."""
    joel = owner(backend)
    room = open_room(backend)
    for number in range(3):
        say(joel, room, str(number))
    [first, _, newest] = messages(joel, room)
    page = joel.subscribe(chat.rooms)

    joel.mutation(chat.edit, id=first.id, body="otherwise")
    joel.mutation(chat.remove, id=first.id)
    assert page.ran == 1
    joel.mutation(chat.edit, id=newest.id, body="otherwise")
    assert (page.ran, page.value[0].last_said) == (2, "otherwise")


def test_reading_wakes_nobody_else(backend: Backend) -> None:
    """A mark that moves runs the reader's own list of rooms again: no history, and no list of somebody else."""
    joel, ann = owner(backend), reader(backend, "Ann")
    room = open_room(backend, members=(ann,))
    say(joel, room, "hello")
    history = ann.subscribe(chat.history, room=room, pagination_opts=NEWEST)
    rooms, others = ann.subscribe(chat.rooms), joel.subscribe(chat.rooms)
    before = rooms.ran

    ann.mutation(chat.mark_read, room=room, seq=1)

    assert [found.unread for found in rooms.value] == [0]
    assert [found.unread for found in others.value] == [0]
    assert history.ran == 1
    assert rooms.ran == before + 1, "once, for the reader"


# -- attachments


def test_files_come_with_a_message(backend: Backend) -> None:
    """Members get a URL that serves them, and not their ids; what they are is as it was stored, not as it was told."""
    ann = reader(backend, "Ann")
    room = open_room(backend, members=(ann,))
    file = upload(backend, ann, room, b"ink", "image/png", "a drawing.png")
    ann.mutation(chat.send, room=room, body="", key="12345678", attachments=[file])

    [message] = messages(owner(backend), room)
    [shown] = message.attachments
    assert (shown.name, shown.content_type, shown.size) == ("a drawing.png", "image/png", 3)
    assert backend.fetch("GET", url_of(owner(backend), room)).body == b"ink"
    assert file.file not in url_of(owner(backend), room)
    assert seen(ann, room).last_said == "a drawing.png"


def test_files_go_with_their_message(backend: Backend) -> None:
    """Who kept the URL of an attachment gets nothing more after the message was removed."""
    ann = reader(backend, "Ann")
    room = open_room(backend, members=(ann,))
    ann.mutation(chat.send, room=room, body="see", key="12345678", attachments=[upload(backend, ann, room)])
    url = url_of(ann, room)

    owner(backend).mutation(chat.remove, id=messages(ann, room)[0].id)

    assert backend.fetch("GET", url).status == 404
    assert messages(ann, room)[0].attachments == []


def test_a_file_belongs_to_one_message(backend: Backend) -> None:
    """Sent again it is refused: removing one message must not take another's file."""
    room = open_room(backend)
    joel = owner(backend)
    file = upload(backend, joel, room)
    joel.mutation(chat.send, room=room, body="one", key="key-one-", attachments=[file])

    twice = [upload(backend, joel, room)] * 2
    for files in ([file], twice):
        refused = refusal(joel.mutation, chat.send, room=room, body="two", key="key-two-", attachments=files)
        assert refused == "upload_gone"
    assert said(joel, room) == ["one"]


@pytest.mark.parametrize(
    ("kind", "size", "code"),
    [
        ("image/svg+xml", 1, "wrong_kind"),
        ("text/html", 1, "wrong_kind"),
        ("application/x-msdownload", 1, "wrong_kind"),
        ("application/pdf", chat.ATTACHMENT_BYTES_MAX + 1, "too_large"),
    ],
)
def test_files_that_nobody_should_open_are_refused(backend: Backend, kind: str, size: int, code: str) -> None:
    """By kind and by size; the message with them is not said."""
    room = open_room(backend)
    joel = owner(backend)
    file = upload(backend, joel, room, b"x" * size, kind)

    assert refusal(joel.mutation, chat.send, room=room, body="see", key="12345678", attachments=[file]) == code
    assert said(joel, room) == []


def test_a_message_has_eight_files(backend: Backend) -> None:
    """And not nine."""
    room = open_room(backend)
    joel = owner(backend)
    files = [upload(backend, joel, room) for _ in range(9)]
    with pytest.raises(CallFailed):
        joel.mutation(chat.send, room=room, body="see", key="12345678", attachments=files)

    joel.mutation(chat.send, room=room, body="see", key="12345678", attachments=files[:8])
    assert len(messages(joel, room)[0].attachments) == 8


def test_what_was_never_sent_is_swept(backend: Backend) -> None:
    """Two hours later, within the next hour; what was sent stays, and each run looks at what is new alone."""
    room = open_room(backend)
    joel = owner(backend)
    joel.mutation(chat.send, room=room, body="see", key="12345678", attachments=[upload(backend, joel, room)])
    unsent = upload(backend, joel, room)
    kept = url_of(joel, room)

    backend.clock.advance("1h30m")
    late = upload(backend, joel, room)
    backend.clock.advance("1h30m")
    refused = refusal(joel.mutation, chat.send, room=room, body="2", key="key-two-", attachments=[unsent])
    assert refused == "upload_gone"
    assert backend.fetch("GET", kept).status == 200
    joel.mutation(chat.send, room=room, body="in time", key="key-late", attachments=[late])

    backend.clock.advance("1d")
    assert backend.fetch("GET", kept).status == 200
    assert backend.fetch("GET", url_of(joel, room)).status == 200
    assert backend.internal.mutation(chat.sweep_unsent) == 0
