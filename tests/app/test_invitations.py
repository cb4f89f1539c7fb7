"""The app's invitations: who may come into a room, and how long."""

import pytest

from app_functions import chat, invitations
from joelclaw import AppError, Id
from joelclaw.testing import Backend, Caller, CallFailed, CallRefused
from schema import Room
from tests.app.people import guest, owner, reader
from tests.app.rooms import id_of, invite, open_room


def refusal(caller: Caller, token: str) -> str:
    """The code that the holder of a token is refused with."""
    with pytest.raises(AppError) as caught:
        caller.mutation(invitations.accept, token=token)
    assert caught.value.data["message"]
    code: str = caught.value.data["code"]
    return code


def names(backend: Backend, room: Id[Room]) -> list[str]:
    return [member.person.name for member in owner(backend).query(chat.members, room=room)]


def test_whoever_holds_the_link_comes_in(backend: Backend) -> None:
    """A stranger sees who invites them where to; a guest or a reader becomes a member."""
    room = open_room(backend)
    token = invite(backend, room, uses=2)

    seen = backend.query(invitations.look, token=token)
    assert (seen.state, seen.room_title, seen.invited_by) == ("good", "Lobby", "Joel")
    with pytest.raises(CallRefused):
        backend.mutation(invitations.accept, token=token)
    for caller in (guest(backend, "Gus"), reader(backend, "Ann")):
        assert caller.mutation(invitations.accept, token=token) == room

    assert names(backend, room) == ["Joel", "Gus", "Ann"]
    assert backend.query(invitations.look, token=token).state == "used_up"
    assert refusal(guest(backend, "Late"), token) == "used_up"


def test_who_is_a_member_uses_nothing_up(backend: Backend) -> None:
    """Opening the link once more leads to the room, also when the invitation is over."""
    room = open_room(backend)
    token = invite(backend, room, uses=2)
    gus = guest(backend)
    for _ in range(3):
        assert gus.mutation(invitations.accept, token=token) == room
    assert backend.query(invitations.look, token=token).state == "good"

    backend.clock.advance("2d")
    assert gus.mutation(invitations.accept, token=token) == room


def test_an_invitation_expires_by_itself(backend: Backend) -> None:
    """At its moment, on a page that is open, and nobody writes; who comes then is refused."""
    room = open_room(backend)
    token = invite(backend, room, valid_for="1h")
    page = backend.subscribe(invitations.look, token=token)
    listed = owner(backend).subscribe(invitations.of_room, room=room)

    backend.clock.advance("59m")
    assert page.value.state == "good"
    backend.clock.advance("1m")
    assert page.value.state == "expired"
    assert [one.state for one in listed.value] == ["expired"]
    assert refusal(guest(backend), token) == "expired"
    assert names(backend, room) == ["Joel"]


def test_an_invitation_is_forgotten(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A month after it is over."""
    assert invitations.REMEMBERED_MS == 30 * 86_400_000
    # A month of crons would tell nothing more about an invitation.
    monkeypatch.setattr(invitations, "REMEMBERED_MS", 3_600_000.0)
    room = open_room(backend)
    token = invite(backend, room, valid_for="1h")
    backend.clock.advance("119m")
    assert backend.query(invitations.look, token=token).state == "expired"
    backend.clock.advance("1m")

    assert backend.query(invitations.look, token=token).state == "unknown"
    assert owner(backend).query(invitations.of_room, room=room) == []


def test_an_invitation_is_revoked(backend: Backend) -> None:
    """An open page of it is told at once, and no longer told where it led."""
    room = open_room(backend)
    token = invite(backend, room)
    page = backend.subscribe(invitations.look, token=token)
    [listed] = owner(backend).query(invitations.of_room, room=room)

    owner(backend).mutation(invitations.revoke, id=listed.id)

    assert (page.value.state, page.value.room_title, page.value.invited_by) == ("revoked", None, None)
    assert refusal(guest(backend), token) == "revoked"


def test_a_closed_room_lets_nobody_in(backend: Backend) -> None:
    """Its invitations are good again when it goes on."""
    room = open_room(backend)
    token = invite(backend, room)
    owner(backend).mutation(chat.close_room, room=room)
    assert refusal(guest(backend), token) == "room_closed"

    owner(backend).mutation(chat.close_room, room=room, closed=False)
    assert guest(backend).mutation(invitations.accept, token=token) == room


def test_who_was_put_out_needs_a_new_invitation(backend: Backend) -> None:
    """The link that they came in with does not work for them again; for others it does."""
    room = open_room(backend)
    token = invite(backend, room, uses=10)
    gus = guest(backend)
    gus.mutation(invitations.accept, token=token)
    backend.clock.advance("1m")
    owner(backend).mutation(chat.remove_member, room=room, user=id_of(gus))

    assert refusal(gus, token) == "put_out"
    reader(backend, "Ann").mutation(invitations.accept, token=token)
    backend.clock.advance("1m")
    assert gus.mutation(invitations.accept, token=invite(backend, room, "again")) == room
    assert names(backend, room) == ["Joel", "Gus", "Ann"]


def test_who_left_may_come_back(backend: Backend) -> None:
    """With the same link: nobody put them out."""
    room = open_room(backend)
    token = invite(backend, room, uses=2)
    gus = guest(backend)
    gus.mutation(invitations.accept, token=token)
    gus.mutation(chat.leave, room=room)

    assert gus.mutation(invitations.accept, token=token) == room


@pytest.mark.parametrize("token", ["", "short", "x" * 65, "ä" * 32, "a b" * 12])
def test_a_token_is_random_enough(backend: Backend, token: str) -> None:
    """What could be guessed, or does not fit into a link, makes no invitation; as one it is unknown."""
    room = open_room(backend)
    with pytest.raises(CallFailed):
        owner(backend).mutation(invitations.create, room=room, token=token)

    assert owner(backend).query(invitations.of_room, room=room) == []
    assert backend.query(invitations.look, token=token).state == "unknown"
    assert refusal(guest(backend), token) == "unknown"


def test_the_same_token_makes_one_invitation(backend: Backend) -> None:
    """Who asks again because the answer was lost gets the one that there is."""
    room = open_room(backend)
    invite(backend, room, "same", uses=3)
    invite(backend, room, "same", uses=3)

    [only] = owner(backend).query(invitations.of_room, room=room)
    assert (only.uses_left, only.state) == (3, "good")


def test_no_token_is_kept(backend: Backend) -> None:
    """What is stored of an invitation does not contain the token, so a copy of the database lets nobody in."""
    room = open_room(backend)
    token = invite(backend, room)

    [listed] = owner(backend).query(invitations.of_room, room=room)
    [stored] = backend.internal.query("invitations:ofRoom", room=room)
    assert token not in repr(listed)
    assert token not in repr(stored)


def test_only_the_owner_invites(backend: Backend) -> None:
    """Members neither invite, nor see who is invited, nor take it back."""
    ann = reader(backend, "Ann")
    room = open_room(backend, members=(ann,))
    [listed] = owner(backend).query(invitations.of_room, room=room)
    with pytest.raises(CallRefused):
        ann.mutation(invitations.create, room=room, token="x" * 32)
    with pytest.raises(CallRefused):
        ann.query(invitations.of_room, room=room)
    with pytest.raises(CallRefused):
        ann.mutation(invitations.revoke, id=listed.id)


def test_a_room_has_its_bounds(backend: Backend) -> None:
    """A hundred members, and nobody more."""
    room = open_room(backend)
    token = invite(backend, room, uses=100)
    for number in range(99):
        guest(backend, f"Guest {number}").mutation(invitations.accept, token=token)

    assert refusal(guest(backend, "Late"), token) == "room_full"
    assert owner(backend).query(invitations.of_room, room=room)[0].uses_left == 1
