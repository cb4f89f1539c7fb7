"""The app's presence: who is here, and who types, as long as they are and do."""

import pytest

from app_functions import chat, presence
from joelclaw import Id
from joelclaw.testing import Backend, Caller, CallRefused
from schema import Room
from tests.app.people import guest, owner, reader
from tests.app.rooms import id_of, open_room, say

PAGE, OTHER_PAGE = "page-one", "page-two"


@pytest.fixture
def ann(backend: Backend) -> Caller:
    return reader(backend, "Ann")


@pytest.fixture
def room(backend: Backend, ann: Caller) -> Id[Room]:
    return open_room(backend, members=(ann,))


def test_who_says_nothing_more_is_gone(backend: Backend, ann: Caller, room: Id[Room]) -> None:
    """45 seconds after they said last that they are here, exactly, on every open page, and nobody writes."""
    page = owner(backend).subscribe(presence.who, room=room)
    ann.mutation(presence.here, room=room, page=PAGE)
    owner(backend).mutation(presence.here, room=room, page=PAGE)
    assert [person.name for person in page.value] == ["Ann", "Joel"]

    backend.clock.advance("20s")
    owner(backend).mutation(presence.here, room=room, page=PAGE)
    backend.clock.advance("24.999s")
    assert [person.name for person in page.value] == ["Ann", "Joel"]
    backend.clock.advance("1ms")
    assert [person.name for person in page.value] == ["Joel"]


def test_who_leaves_is_gone_at_once(backend: Backend, ann: Caller, room: Id[Room]) -> None:
    """If they can still say so; saying it twice is fine."""
    page = owner(backend).subscribe(presence.who, room=room)
    ann.mutation(presence.here, room=room, page=PAGE)
    ann.mutation(presence.key_pressed, room=room)

    ann.mutation(presence.gone, room=room, page=PAGE)
    ann.mutation(presence.gone, room=room, page=PAGE)
    assert page.value == []
    assert owner(backend).query(presence.typing, room=room) == []


def test_who_closes_one_of_two_pages_is_here(backend: Backend, ann: Caller, room: Id[Room]) -> None:
    """Once, as long as any page of theirs has the room open; and goes on typing in the other."""
    page = owner(backend).subscribe(presence.who, room=room)
    ann.mutation(presence.here, room=room, page=PAGE)
    ann.mutation(presence.here, room=room, page=OTHER_PAGE)
    ann.mutation(presence.key_pressed, room=room)
    assert [person.name for person in page.value] == ["Ann"]

    ann.mutation(presence.gone, room=room, page=PAGE)
    assert [person.name for person in page.value] == ["Ann"]
    assert [person.name for person in ann.query(presence.typing, room=room)] == ["Ann"]
    ann.mutation(presence.gone, room=room, page=OTHER_PAGE)
    assert page.value == []
    assert ann.query(presence.typing, room=room) == []


def test_pages_of_one_user_are_bounded(backend: Backend, ann: Caller, room: Id[Room]) -> None:
    """One more takes the place of the one that was heard of longest ago."""
    for number in range(presence.PAGES_MAX + 1):
        backend.clock.advance("1s")
        ann.mutation(presence.here, room=room, page=f"page-{number:03}")

    assert [person.name for person in ann.query(presence.who, room=room)] == ["Ann"]
    for number in range(1, presence.PAGES_MAX + 1):
        ann.mutation(presence.gone, room=room, page=f"page-{number:03}")
    assert ann.query(presence.who, room=room) == []


def test_typing_ends_by_itself(backend: Backend, ann: Caller, room: Id[Room]) -> None:
    """Five seconds after the last key, or when the message is sent."""
    page = owner(backend).subscribe(presence.typing, room=room)
    ann.mutation(presence.key_pressed, room=room)
    assert [person.name for person in page.value] == ["Ann"]
    backend.clock.advance("3s")
    ann.mutation(presence.key_pressed, room=room)
    backend.clock.advance("4.999s")
    assert [person.name for person in page.value] == ["Ann"]
    backend.clock.advance("1ms")
    assert page.value == []

    ann.mutation(presence.key_pressed, room=room)
    say(ann, room, "done")
    assert page.value == []


def test_saying_it_often_writes_nothing(backend: Backend, ann: Caller, room: Id[Room]) -> None:
    """A page that beats or types a hundred times a second makes no more work for others than one that does not."""
    here = owner(backend).subscribe(presence.who, room=room)
    typing = owner(backend).subscribe(presence.typing, room=room)
    for _ in range(100):
        ann.mutation(presence.here, room=room, page=PAGE)
        ann.mutation(presence.key_pressed, room=room)

    assert (here.ran, typing.ran) == (2, 2)


def test_a_page_is_told_when_to_say_it_again(backend: Backend, ann: Caller, room: Id[Room]) -> None:
    """Twenty seconds later, unless the environment says how long somebody is here."""
    assert ann.mutation(presence.here, room=room, page=PAGE) == 20_000
    backend.env["CHAT_HERE_MS"] = "4500"
    assert ann.mutation(presence.here, room=room, page=PAGE) == 2_000


def test_typing_wakes_no_history(backend: Backend, ann: Caller, room: Id[Room]) -> None:
    """Nor the list of rooms, nor who is here."""
    joel = owner(backend)
    pages = (
        joel.subscribe(chat.rooms),
        joel.subscribe(presence.who, room=room),
        joel.subscribe(chat.members, room=room),
    )
    ann.mutation(presence.key_pressed, room=room)

    assert [page.ran for page in pages] == [1, 1, 1]


def test_who_is_put_out_is_not_here(backend: Backend, ann: Caller, room: Id[Room]) -> None:
    """Nor is anybody here, for who does not belong to the room."""
    ann.mutation(presence.here, room=room, page=PAGE)
    owner(backend).mutation(chat.remove_member, room=room, user=id_of(ann))

    assert owner(backend).query(presence.who, room=room) == []
    for caller in (backend, guest(backend), ann):
        for listed in (presence.who, presence.typing):
            with pytest.raises(CallRefused):
                caller.query(listed, room=room)
        for told in (presence.here, presence.gone):
            with pytest.raises(CallRefused):
                caller.mutation(told, room=room, page=PAGE)
        with pytest.raises(CallRefused):
            caller.mutation(presence.key_pressed, room=room)
