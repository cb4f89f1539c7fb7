"""The app's chat: rooms, and what is said in them."""

import pytest

from app_functions import chat, users
from joelclaw import AppError, Id, PageOptions
from joelclaw.testing import Backend, CallFailed
from schema import Room
from tests.app.people import reader


def room(backend: Backend, slug: str = "lobby") -> Id[Room]:
    return backend.mutation(chat.open_room, slug=slug, title="Lobby")


def said(backend: Backend, place: Id[Room]) -> list[str]:
    """What was said, the newest first."""
    page = backend.query(chat.history, room=place, pagination_opts=PageOptions(num_items=100, cursor=None))
    return [message.body for message in page.page]


def test_a_room_is_made_once(backend: Backend) -> None:
    """Opening a room that exists gives that one, with the title that it has."""
    first = room(backend)

    assert backend.mutation(chat.open_room, slug="lobby", title="Another") == first
    [only] = backend.query(chat.rooms)
    assert (only.id, only.title, only.messages) == (first, "Lobby", 0)


@pytest.mark.parametrize("slug", ["", "Lobby", "a b", "x" * 41])
def test_a_slug_is_made_of_small_letters_digits_and_dashes(backend: Backend, slug: str) -> None:
    """Others make no room."""
    with pytest.raises(CallFailed):
        backend.mutation(chat.open_room, slug=slug, title="Lobby")

    assert backend.query(chat.rooms) == []


def test_rooms_come_in_the_order_in_which_they_were_opened(backend: Backend) -> None:
    """The oldest first."""
    for slug in ("b", "a", "c"):
        room(backend, slug)

    assert [found.slug for found in backend.query(chat.rooms)] == ["b", "a", "c"]


def test_what_is_said_is_counted(backend: Backend) -> None:
    """A message appears in its room's history, and the room counts it."""
    place = room(backend)
    backend.mutation(chat.send, room=place, body="hello", name="Ann")
    backend.mutation(chat.send, room=place, body="bye", name="Ann")

    assert said(backend, place) == ["bye", "hello"]
    assert backend.query(chat.rooms)[0].messages == 2


def test_rooms_are_apart(backend: Backend) -> None:
    """What is said in one room is heard in no other, and wakes nobody there."""
    here, there = room(backend, "here"), room(backend, "there")
    listening = backend.subscribe(chat.history, room=there, pagination_opts=PageOptions(num_items=10, cursor=None))
    backend.mutation(chat.send, room=here, body="hello", name="Ann")

    assert said(backend, there) == []
    assert not listening.changed()
    assert listening.ran == 1


def test_a_guest_gives_a_name(backend: Backend) -> None:
    """Without one nothing is said, and nothing is counted."""
    place = room(backend)
    with pytest.raises(AppError) as caught:
        backend.mutation(chat.send, room=place, body="hello")

    assert caught.value.data["code"] == "name_needed"
    assert backend.query(chat.rooms)[0].messages == 0


def test_who_is_signed_in_needs_none(backend: Backend) -> None:
    """A user's message is signed with the name of their document."""
    place = room(backend)
    ann = reader(backend, "Ann")
    ann.mutation(chat.send, room=place, body="hello")
    me = ann.query(users.me)
    assert me is not None

    page = backend.query(chat.history, room=place, pagination_opts=PageOptions(num_items=1, cursor=None))
    assert [(message.author, message.author_name) for message in page.page] == [(me.id, "Ann")]


@pytest.mark.parametrize("body", ["", "x" * 8_001])
def test_a_message_has_its_bounds(backend: Backend, body: str) -> None:
    """One that is empty or too long is not counted either: the mutation is undone as a whole."""
    place = room(backend)
    with pytest.raises(CallFailed):
        backend.mutation(chat.send, room=place, body=body, name="Ann")

    assert backend.query(chat.rooms)[0].messages == 0


def test_history_comes_in_pages(backend: Backend) -> None:
    """Pages follow each other without gap or repetition, down to the oldest message."""
    place = room(backend)
    for number in range(7):
        backend.mutation(chat.send, room=place, body=str(number), name="Ann")

    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = backend.query(chat.history, room=place, pagination_opts=PageOptions(num_items=3, cursor=cursor))
        seen += [message.body for message in page.page]
        if page.is_done:
            break
        cursor = page.continue_cursor

    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


def test_a_page_that_is_open_grows(backend: Backend) -> None:
    """A subscriber of the newest page sees what is said, as it is said."""
    place = room(backend)
    page = backend.subscribe(chat.history, room=place, pagination_opts=PageOptions(num_items=10, cursor=None))
    for number in range(3):
        backend.mutation(chat.send, room=place, body=str(number), name="Ann")

    assert [len(shown.page) for shown in page.history] == [0, 1, 2, 3]
