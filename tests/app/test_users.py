"""The app's users: who is asking, how they came, and what they are called."""

import pytest

from app_functions import users
from joelclaw import AppError, Id
from joelclaw.testing import Backend, Caller, CallRefused
from schema import User
from tests.app.people import guest, owner, reader


def me(caller: Caller) -> users.Me:
    shown = caller.query(users.me)
    assert shown is not None
    return shown


def test_a_stranger_is_nobody(backend: Backend) -> None:
    """Who is not signed in is shown nobody, and can be called nothing."""
    assert backend.query(users.me) is None
    with pytest.raises(CallRefused):
        backend.mutation(users.rename, name="Ann")


def test_who_came_from_github_is_a_reader(backend: Backend) -> None:
    """With name and picture of there."""
    ann = backend.sign_in(
        "7", provider="github", name="Ann", image="https://example.com/ann.png", claims={"login": "ann"}
    )

    shown = me(ann)
    assert (shown.name, shown.image, shown.standing) == ("Ann", "https://example.com/ann.png", "reader")


def test_the_owner_is_told_by_login(backend: Backend) -> None:
    """Whom `[auth.roles]` names is the owner, and only if they come from GitHub."""
    impostor = backend.sign_in("x", provider="anonymous", kind="anonymous", name="joelhooks")

    assert me(owner(backend)).standing == "owner"
    assert me(impostor).standing == "guest"


def test_a_guest_is_called_what_they_say(backend: Backend) -> None:
    """Without more than one space in a row; who says nothing is a guest."""
    silent = backend.sign_in("x", provider="anonymous", kind="anonymous")

    assert (me(guest(backend, "  Gus \n Grissom ")).name, me(silent).name) == ("Gus Grissom", users.NAMELESS)
    assert me(silent).standing == "guest"


def test_a_name_from_github_fits(backend: Backend) -> None:
    """One that is too long is cut, and who has none is called by their login: nobody is kept from signing in."""
    long = backend.sign_in("1", provider="github", name="x" * 200, claims={"login": "long"})
    none = backend.sign_in("2", provider="github", name=None, claims={"login": "none"})

    assert me(long).name == "x" * 80
    assert me(none).name == "none"


def test_a_guest_who_comes_back_from_github_is_the_same_user(backend: Backend) -> None:
    """What they wrote stays theirs; their name is that of GitHub, and they are a reader."""
    before = me(guest(backend, "Gus"))

    came = backend.internal.mutation(
        users.arrived,
        provider="github",
        account_id="7",
        name="Gus Grissom",
        image=None,
        claims={"login": "gus"},
        initiating_user=before.id,
    )

    assert came == before.id
    after = me(guest(backend, "Gus"))
    assert (after.id, after.name, after.standing) == (before.id, "Gus Grissom", "reader")


def test_a_reader_who_signs_in_as_somebody_else_is_somebody_else(backend: Backend) -> None:
    """Only a guest becomes another; two accounts at GitHub are two users."""
    ann = me(reader(backend, "Ann"))

    came = backend.internal.mutation(
        users.arrived, provider="github", account_id="8", name="Bob", image=None, claims={}, initiating_user=ann.id
    )

    assert came != ann.id
    assert me(reader(backend, "Ann")).name == "Ann"


def test_whom_github_knows_is_known(backend: Backend) -> None:
    """A document that says by `github_id` whose it is, is theirs, whoever they were as a guest."""

    def arrive(guest: Id[User] | None) -> Id[User]:
        return backend.internal.mutation(
            users.arrived, provider="github", account_id="8", name="Bob", image=None, claims={}, initiating_user=guest
        )

    bob = arrive(None)
    gus = me(guest(backend, "Gus"))

    assert arrive(gus.id) == bob
    assert me(guest(backend, "Gus")).standing == "guest"


def test_guests_are_told_apart(backend: Backend) -> None:
    """Two guests of one name are two users."""
    first = backend.sign_in("x", provider="anonymous", kind="anonymous", name="Gus")
    second = backend.sign_in("y", provider="anonymous", kind="anonymous", name="Gus")

    assert me(first).id != me(second).id


def test_a_user_is_renamed(backend: Backend) -> None:
    """A page that shows who one is follows; nobody else's does."""
    ann, bob = reader(backend, "Ann"), reader(backend, "Bob")
    page, other = ann.subscribe(users.me), bob.subscribe(users.me)

    ann.mutation(users.rename, name=" Anna ")

    assert page.changed()
    assert page.value is not None
    assert page.value.name == "Anna"
    assert not other.changed()


@pytest.mark.parametrize(("name", "code"), [("", "name_needed"), (" \n", "name_needed"), ("x" * 81, "name_too_long")])
def test_a_name_has_its_bounds(backend: Backend, name: str, code: str) -> None:
    """An empty name and one that is too long are refused, and change nothing; nobody signs in under one."""
    ann = reader(backend, "Ann")
    with pytest.raises(AppError) as caught:
        ann.mutation(users.rename, name=name)
    assert caught.value.data["code"] == code
    assert me(ann).name == "Ann"

    with pytest.raises(AppError) as caught:
        guest(backend, name)
    assert caught.value.data["code"] == code


def test_nobody_changes_their_name_all_day(backend: Backend) -> None:
    """Ten times an hour is enough; somebody else's count is their own."""
    ann = reader(backend, "Ann")
    for number in range(10):
        ann.mutation(users.rename, name=f"Ann {number}")

    with pytest.raises(AppError) as caught:
        ann.mutation(users.rename, name="Anna")
    assert caught.value.data["code"] == "RATE_LIMITED"
    reader(backend, "Bob").mutation(users.rename, name="Bobby")

    backend.clock.advance("6m")
    ann.mutation(users.rename, name="Anna")


def test_nobody_outside_makes_users(backend: Backend) -> None:
    """`arrived` believes what it is told: it is the platform's alone."""
    for caller in (backend, guest(backend), reader(backend), owner(backend)):
        with pytest.raises(CallRefused):
            caller.mutation(users.arrived, provider="github", account_id="1", name="x", image=None, claims={})
