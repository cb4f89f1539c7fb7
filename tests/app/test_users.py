"""The app's users: who is asking, and their document."""

import pytest

from app_functions import users
from joelclaw.testing import Backend, CallFailed, CallRefused


def test_nobody_is_nobody(backend: Backend) -> None:
    """Without signing in, neither function answers."""
    with pytest.raises(CallRefused):
        backend.query(users.me)
    with pytest.raises(CallRefused):
        backend.mutation(users.arrive, name="Ann")


def test_who_signs_in_first_has_no_document_yet(backend: Backend) -> None:
    """`me` is null before `arrive`."""
    assert backend.as_user("ann").query(users.me) is None


def test_arriving_makes_a_document(backend: Backend) -> None:
    """After `arrive`, `me` is the document with that name and the identity's token."""
    ann = backend.as_user("ann")
    id = ann.mutation(users.arrive, name="Ann")

    me = ann.query(users.me)
    assert me is not None
    assert (me.id, me.name, me.token_identifier) == (id, "Ann", ann.token_identifier)


def test_arriving_again_keeps_the_document(backend: Backend) -> None:
    """The second time gives the same document; a new name replaces the old one."""
    ann = backend.as_user("ann")
    id = ann.mutation(users.arrive, name="Ann")

    assert ann.mutation(users.arrive, name="Ann") == id
    assert ann.mutation(users.arrive, name="Anna") == id
    me = ann.query(users.me)
    assert me is not None
    assert me.name == "Anna"


def test_users_are_told_apart_by_issuer(backend: Backend) -> None:
    """The same subject of another issuer is somebody else."""
    here, there = backend.as_user("ann"), backend.as_user("ann", issuer="https://other.test")
    here.mutation(users.arrive, name="Ann")

    assert there.query(users.me) is None


@pytest.mark.parametrize("name", ["", "x" * 81])
def test_a_name_has_its_bounds(backend: Backend, name: str) -> None:
    """An empty name and one that is too long make no user."""
    ann = backend.as_user("ann")
    with pytest.raises(CallFailed):
        ann.mutation(users.arrive, name=name)

    assert ann.query(users.me) is None


def test_a_page_shows_who_one_is_as_soon_as_one_is(backend: Backend) -> None:
    """Somebody's subscription to `me` follows their arrival and no one else's."""
    ann, bob = backend.as_user("ann"), backend.as_user("bob")
    page = ann.subscribe(users.me)
    bob.mutation(users.arrive, name="Bob")
    assert not page.changed()

    ann.mutation(users.arrive, name="Ann")
    assert page.changed()
    assert page.value is not None
    assert page.value.name == "Ann"
