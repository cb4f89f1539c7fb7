"""Signing in with a password: each flow, and what attacks on it leave unchanged."""

import asyncio
import hashlib
import json
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from joelclaw.auth.hashing import Hasher
from joelclaw.functions.sign_in import SignIn
from tests.auth.journey import SITE
from tests.auth.mailing import CHEAP, People, Refused, code_in
from tests.functions.deployment import CallError, deploy

Open = Callable[..., People]

ANN = "ann@example.com"
RIGHT = "correct horse"
WRONG = "wrong horse!"

APP = {
    "schema.py": """
        from joelclaw import Table, UNSET, UnsetType, index

        class User(Table):
            __table__ = "users"
            name: str | UnsetType = UNSET
            email: str | UnsetType = UNSET
            email_verification_time: float | UnsetType = UNSET
            role: str | UnsetType = UNSET

        class Note(Table):
            __table__ = "notes"
    """,
    "people.py": """
        from joelclaw import *
        from schema import Note, User

        @mutation
        def write(ctx: MutationCtx) -> Id[Note]:
            return ctx.db.insert(Note())

        @mutation
        def arrive(ctx: MutationCtx, name: str) -> Id[User]:
            return ctx.db.insert(User(name=name))

        @mutation
        def rename(ctx: MutationCtx, id: Id[User], name: str) -> None:
            ctx.db.patch(id, name=name)

        @mutation
        def remove(ctx: MutationCtx, id: Id[User]) -> None:
            ctx.db.delete(id)
    """,
}


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Open]:
    """Opens a deployment with these settings."""
    made: list[People] = []

    def make(*, files: dict[str, str] = APP, hook: str | None = None, **settings: Any) -> People:
        app = deploy(tmp_path, files, sign_in=SignIn(issuer=SITE, hook=hook))
        made.append(People(app, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()
        one.app.close()


def sign_up(here: People, email: str = ANN, password: str = RIGHT, **more: Any) -> Any:
    return here.call("password", flow="signUp", email=email, password=password, **more)


def sign_in(here: People, email: str = ANN, password: str = RIGHT, **more: Any) -> Any:
    return here.call("password", flow="signIn", email=email, password=password, **more)


def refusal(call: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[str, str | None]:
    """Text and code of what a client is refused with."""
    with pytest.raises(Refused) as refused:
        call(*args, **kwargs)
    assert refused.value.public
    return refused.value.text, refused.value.code


# -- the flows


def test_sign_up_and_sign_in_without_verification(people: Open) -> None:
    """Both answer with tokens and nothing else; the user is the same, whatever the address's capitals."""
    here = people()
    first = sign_up(here)
    assert set(first) == {"tokens"}
    assert set(first["tokens"]) == {"token", "refreshToken"}
    second = sign_in(here, email="Ann@Example.com")
    assert here.user_of(second) == here.user_of(first)
    assert here.mails == []
    [user] = here.table("users")
    assert user["email"] == ANN
    assert "emailVerificationTime" not in user


def test_with_verification_a_code_comes_first(people: Open) -> None:
    """Sign-up answers that nobody is signed in yet; the code from the mail makes user, account and session."""
    here = people(verify=True)
    assert sign_up(here) == {"tokens": None}
    [mail] = here.mails
    assert mail.to == ANN
    assert here.table("users") == here.table("_auth_accounts") == here.table("_auth_passwords") == []
    tokens = here.call("password", flow="email-verification", email=ANN, code=code_in(mail))
    assert tokens["tokens"]["token"]
    assert here.table("users")[0]["emailVerificationTime"] == here.app.hooks.time.now_ms()
    assert here.user_of(sign_in(here)) == here.user_of(tokens)
    assert here.table("_auth_codes") == []


def test_an_address_that_was_never_verified_is_asked_for_at_sign_in(people: Open, tmp_path: Path) -> None:
    """With the right password a code is mailed and nobody is signed in; the account stays the one it was."""
    here = people()
    user = here.user_of(sign_up(here))
    strict = People(here.app, verify=True)
    try:
        assert sign_in(strict) == {"tokens": None}
        assert refusal(sign_in, strict, password=WRONG) == ("InvalidSecret", "INVALID_CREDENTIALS")
        [mail] = strict.mails
        tokens = strict.call("password", flow="email-verification", email=ANN, code=code_in(mail))
        assert strict.user_of(tokens) == user
        assert strict.user_of(sign_in(strict)) == user
    finally:
        strict.close()


def test_a_forgotten_password_is_replaced(people: Open) -> None:
    """Asking answers that nobody is signed in; the code and a new password sign in, and only the new one does then."""
    here = people()
    user = here.user_of(sign_up(here))
    assert here.call("password", flow="reset", email=ANN) == {"tokens": None}
    here.settle()
    [mail] = here.mails
    reset = {"flow": "reset-verification", "email": ANN, "newPassword": "another horse"}
    tokens = here.call("password", **reset, code=code_in(mail))
    assert here.user_of(tokens) == user
    assert here.user_of(sign_in(here, password="another horse")) == user
    assert refusal(sign_in, here) == ("InvalidSecret", "INVALID_CREDENTIALS")


@pytest.mark.parametrize("flow", [None, "", "signup", 7])
def test_an_unknown_flow_is_told_the_five(people: Open, flow: Any) -> None:
    """The sentence lists what there is."""
    text, code = refusal(people().call, "password", flow=flow, email=ANN)
    assert code == "BAD_ARGUMENTS"
    for known in ("signUp", "signIn", "email-verification", "reset", "reset-verification"):
        assert f'"{known}"' in text


def test_flows_that_are_not_declared_say_so(people: Open) -> None:
    """Neither resets nor verifies, and writes nothing."""
    here = people(reset=False)
    before = here.rows()
    assert refusal(here.call, "password", flow="reset", email=ANN) == (
        "Password reset is not enabled for password",
        "PROVIDER_NOT_CONFIGURED",
    )
    reset = {"flow": "reset-verification", "email": ANN, "code": "1", "newPassword": RIGHT}
    assert refusal(here.call, "password", **reset)[1] == "PROVIDER_NOT_CONFIGURED"
    verification = {"flow": "email-verification", "email": ANN, "code": "1"}
    assert refusal(here.call, "password", **verification)[1] == "PROVIDER_NOT_CONFIGURED"
    assert here.rows() == before


def test_a_code_alone_is_never_a_password_methods(people: Open) -> None:
    """Nobody is signed in by a verification code without its address."""
    here = people(verify=True)
    sign_up(here)
    before = here.rows()
    assert here.call(None, code=code_in(here.mails[0])) == {"tokens": None}
    assert here.rows() == before


def account_of_elsewhere(here: People) -> dict[str, Any]:
    """What is brought in of somebody who has signed up at Convex Auth's."""
    salt = "00112233445566778899aabbccddeeff"
    key = hashlib.scrypt(RIGHT.encode(), salt=salt.encode(), n=2**14, r=16, p=1, dklen=64, maxmem=2**26)
    user = here.app.mutate("people:arrive", name="Ann")
    return {"email": "Ann@example.com", "hash": f"{salt}:{key.hex()}", "user": user, "verified": True}


def test_two_devices_renew_a_hash_at_once(people: Open) -> None:
    """Both know the password and are let in, though the first replaces the hash that the second was right by."""
    here = people()
    account = account_of_elsewhere(here)
    here.app.mutate("_system/auth/passwords:adopt", **account)

    async def both() -> list[Any]:
        return await asyncio.gather(
            *(here.calling("password", flow="signIn", email=ANN, password=RIGHT) for _ in range(2))
        )

    entries = here.run(both())

    assert [here.user_of(entry) for entry in entries] == [account["user"]] * 2
    assert len(here.table("_auth_sessions")) == 2


def test_a_password_that_is_replaced_meanwhile_is_wrong(people: Open) -> None:
    """S5: who was right by the old one a moment ago, while it was reset, gets no session of it."""
    hasher = Interrupted(CHEAP)
    here = people(hasher=hasher)
    sign_up(here)
    here.call("password", flow="reset", email=ANN)
    here.settle()
    code = code_in(here.mails[-1])
    kept: list[Any] = []

    async def reset() -> None:
        kept.append(
            await here.calling("password", flow="reset-verification", email=ANN, code=code, newPassword="another one")
        )

    hasher.meanwhile = reset

    assert refusal(sign_in, here) == ("InvalidSecret", "INVALID_CREDENTIALS")
    [session] = here.table("_auth_sessions")
    assert session["_id"] == here.asker(kept[0]["tokens"]["token"]).session


def test_accounts_come_from_elsewhere_with_their_hashes(people: Open) -> None:
    """An administrator brings in a user's address and hash, of Convex Auth's kind; the first sign-in renews it."""
    here = people(verify=True)
    account = account_of_elsewhere(here)
    user = account["user"]
    assert here.app.mutate("_system/auth/passwords:adopt", **account) is True
    assert here.app.mutate("_system/auth/passwords:adopt", **account) is False
    assert refusal(sign_in, here, password=WRONG)[1] == "INVALID_CREDENTIALS"
    assert here.user_of(sign_in(here)) == user
    assert here.table("_auth_passwords")[0]["hash"].startswith("$argon2id$")
    assert here.user_of(sign_in(here)) == user
    [document] = here.table("users")
    assert document["name"] == "Ann"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"user": "nobody"}, "is not a document id"),
        ({"user": "a note"}, "is no document of users"),
        ({"hash": "plain text"}, "is no hash"),
        ({"email": " "}, "is no address"),
    ],
)
def test_what_cannot_be_brought_in_is_refused(people: Open, changed: dict[str, Any], said: str) -> None:
    """With what it should be; nothing is written, and no hash is repeated."""
    here = people()
    user = here.app.mutate("people:arrive", name="Ann")
    account = {"email": ANN, "hash": "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA", "user": user, "verified": True}
    if changed.get("user") == "a note":
        changed = {"user": here.app.mutate("people:write")}
    before = here.rows()
    with pytest.raises(CallError, match=said) as refused:
        here.app.mutate("_system/auth/passwords:adopt", **account | changed)
    assert "c2FsdHNhbHQ" not in str(refused.value)
    assert here.rows() == before


# -- attacks


def test_a_wrong_password_and_no_account_read_alike(people: Open) -> None:
    """P1: the same text and code, and nothing has changed."""
    here = people()
    sign_up(here)
    before = here.rows()
    wrong = refusal(sign_in, here, password=WRONG)
    assert refusal(sign_in, here, email="nobody@example.com") == wrong == ("InvalidSecret", "INVALID_CREDENTIALS")
    assert here.rows() == before


def test_both_do_the_same_work(people: Open) -> None:
    """P2: for an account that does not exist a hash of the same parameters is computed, and the same calls are made."""
    hasher = Counting(CHEAP)
    here = people(hasher=hasher)
    sign_up(here)
    hasher.work.clear()
    calls: list[str] = []
    tell = here.system.tell

    async def noting(path: str, **arguments: Any) -> Any:
        calls.append(path)
        return await tell(path, **arguments)

    here.system.tell = noting  # type: ignore[method-assign]
    for email in (ANN, "nobody@example.com"):
        refusal(sign_in, here, email=email, password=WRONG)
    # The first comparison of all makes the hash that nobody has, whoever comes.
    assert hasher.work == ["hash", "verify", "verify"]
    assert calls == ["_system/auth/passwords:beginCheck", "_system/auth/passwords:wasWrong"] * 2
    [row] = here.table("_auth_passwords")
    parameters = [each.split("$")[1:4] for each in (row["hash"], *hasher.compared)]
    assert parameters == [parameters[0]] * 3


def test_a_sign_up_for_an_address_that_is_taken_tells_only_its_owner(people: Open) -> None:
    """P3: with verification it answers as for a new one, the owner gets a mail, and the password stays as it was."""
    here = people(verify=True)
    sign_up(here)
    here.call("password", flow="email-verification", email=ANN, code=code_in(here.mails[0]))
    here.app.hooks.time.advance(timedelta(minutes=2))
    before = here.rows()
    assert sign_up(here, password=WRONG) == sign_up(here, email="new@example.com")
    assert [mail.to for mail in here.mails[1:]] == [ANN, "new@example.com"]
    assert "has an account" in here.mails[1].text
    assert re.search(r"\d{8}", here.mails[1].text + here.mails[1].subject) is None
    [pending] = here.table("_auth_codes")
    assert pending["email"] == "new@example.com"
    after = here.rows()
    assert {name: rows for name, rows in after.items() if name != "_auth_codes"} == {
        name: rows for name, rows in before.items() if name != "_auth_codes"
    }
    assert refusal(sign_in, here, password=WRONG)[1] == "INVALID_CREDENTIALS"


def test_without_verification_a_taken_address_is_told(people: Open) -> None:
    """P3: it cannot be avoided; nothing changes, not even with the right password, and no network for ever."""
    here = people()
    sign_up(here)
    before = here.rows()
    told = (f"Account {ANN} already exists", "ACCOUNT_EXISTS")
    assert refusal(sign_up, here) == refusal(sign_up, here, password=WRONG) == told
    assert here.rows() == before
    for _ in range(998):
        here.app.mutate("_system/auth/passwords:wasWrong", network="192.0.2.1")
    assert refusal(sign_up, here)[1] == "RATE_LIMITED"
    assert refusal(sign_up, here, network="192.0.2.2") == told


def test_asking_to_reset_tells_nothing(people: Open) -> None:
    """P4: known and unknown are answered alike, before any mail is out; a mail goes to who has an account, only."""
    here = people()
    sign_up(here)
    here.mailbox.is_down = True
    assert here.call("password", flow="reset", email=ANN) == {"tokens": None}
    here.settle()
    here.mailbox.is_down = False
    before = here.rows()
    assert here.call("password", flow="reset", email="nobody@example.com") == {"tokens": None}
    here.settle()
    assert here.mails == []
    assert here.rows() == before

    here.app.hooks.time.advance(timedelta(minutes=1))
    assert here.call("password", flow="reset", email=ANN) == {"tokens": None}
    here.settle()
    assert [mail.to for mail in here.mails] == [ANN]


def test_the_eleventh_guess_is_too_many_on_every_path(people: Open) -> None:
    """P6: ten wrong ones an hour, then not even the right one; a sign-up is no way to guess; it recovers with time."""
    here = people()
    sign_up(here)
    before = here.rows()
    for number in range(10):
        # From anywhere: it is the account that is counted.
        wrong = refusal(sign_in, here, password=WRONG, network=f"192.0.2.{number}")
        assert wrong == ("InvalidSecret", "INVALID_CREDENTIALS")
    for email in (ANN, "ANN@example.com"):
        assert refusal(sign_in, here, email=email) == ("TooManyFailedAttempts", "RATE_LIMITED")
    assert refusal(sign_up, here)[1] == "ACCOUNT_EXISTS"
    assert here.rows() == before

    here.app.hooks.time.advance(timedelta(minutes=6))
    assert sign_in(here)["tokens"]
    # Being right gives back what was lost before.
    for _ in range(10):
        refusal(sign_in, here, password=WRONG)
    assert refusal(sign_in, here)[1] == "RATE_LIMITED"


def test_guesses_for_no_account_are_limited_alike(people: Open) -> None:
    """P6: whether there is an account does not show in how often one may guess."""
    here = people()
    for _ in range(10):
        assert refusal(sign_in, here)[1] == "INVALID_CREDENTIALS"
    assert refusal(sign_in, here)[1] == "RATE_LIMITED"


def test_guesses_at_once_are_no_more(people: Open) -> None:
    """P6: a guess is paid for before it is checked, so of fifty at once ten are checked."""
    here = people()
    sign_up(here)

    async def guess() -> str:
        try:
            await here.calling("password", flow="signIn", email=ANN, password=WRONG)
        except Refused as refused:
            return str(refused.code)
        raise AssertionError

    async def guesses() -> list[str]:
        return await asyncio.gather(*(guess() for _ in range(50)))

    codes = here.run(guesses())
    assert sorted(codes) == ["INVALID_CREDENTIALS"] * 10 + ["RATE_LIMITED"] * 40


def test_reset_codes_are_guessed_no_more_often(people: Open) -> None:
    """P6: five wrong guesses end a code, ten those of an address, and the password is as it was."""
    here = people()
    sign_up(here)
    here.call("password", flow="reset", email=ANN)
    here.settle()
    code = code_in(here.mails[0])
    reset = {"flow": "reset-verification", "email": ANN, "newPassword": "another horse"}
    for _ in range(5):
        assert refusal(here.call, "password", **reset, code="00000000") == ("Could not verify code", "INVALID_CODE")
    for _ in range(5):
        assert refusal(here.call, "password", **reset, code=code) == ("Could not verify code", "INVALID_CODE")
    assert refusal(here.call, "password", **reset, code=code) == ("TooManyFailedAttempts", "RATE_LIMITED")
    assert sign_in(here)["tokens"]


def test_who_is_kept_from_guessing_keeps_nobody_out(people: Open) -> None:
    """P7: while an account's password may not be tried, its owner refreshes a session and signs in by mail."""
    here = people()
    tokens = sign_up(here)["tokens"]
    for _ in range(11):
        refusal(sign_in, here, password=WRONG)
    assert refusal(sign_in, here)[1] == "RATE_LIMITED"
    assert here.refresh(tokens)["tokens"]
    assert here.call("email-otp", email=ANN) == {"started": True}
    assert here.call("email-otp", email=ANN, code=code_in(here.mails[-1]))["tokens"]


def test_one_network_gets_so_many_wrong(people: Open) -> None:
    """P8: many accounts at once from one network, with one guess each, end; others go on."""
    here = people()
    sign_up(here)
    for _ in range(1_000):
        here.app.mutate("_system/auth/passwords:wasWrong", network="2001:db8:1:2::/64")
    assert refusal(sign_in, here, network="2001:db8:1:2::7")[1] == "RATE_LIMITED"
    assert sign_in(here, network="2001:db8:1:3::7")["tokens"]


def test_a_reset_code_is_good_for_its_own_address_only(people: Open) -> None:
    """P11: who has asked for a code with their own address resets nobody else's password with it."""
    here = people()
    sign_up(here)
    sign_up(here, email="eve@example.com", password="eve's password")
    here.call("password", flow="reset", email="eve@example.com")
    here.settle()
    code, before = code_in(here.mails[0]), here.rows("users", "_auth_passwords", "_auth_sessions", "_auth_accounts")
    reset = {"flow": "reset-verification", "newPassword": "another horse", "code": code}
    assert refusal(here.call, "password", **reset, email=ANN) == ("Could not verify code", "INVALID_CODE")
    assert here.rows("users", "_auth_passwords", "_auth_sessions", "_auth_accounts") == before
    assert here.call("password", **reset, email="eve@example.com")["tokens"]


def test_who_registers_somebody_elses_address_gets_nothing_of_them(people: Open) -> None:
    """P12: an unverified account is never merged with its address's owner, who comes by mail."""
    here = people()
    attacker = sign_up(here, password="attacker's one")
    here.call("email-otp", email=ANN)
    owner = here.call("email-otp", email=ANN, code=code_in(here.mails[-1]))
    assert here.user_of(owner) != here.user_of(attacker)
    assert here.user_of(sign_in(here, password="attacker's one")) == here.user_of(attacker)


def test_an_owner_who_verifies_later_discards_what_was_registered_before(people: Open) -> None:
    """P12: the attacker's password, session and user are none of theirs; the owner's user by mail is."""
    here = people()
    attacker = sign_up(here, password="attacker's one")
    here.call("email-otp", email=ANN)
    owner = here.call("email-otp", email=ANN, code=code_in(here.mails[-1]))
    strict = People(here.app, verify=True)
    try:
        here.app.hooks.time.advance(timedelta(minutes=2))
        assert sign_up(strict, password=RIGHT) == {"tokens": None}
        verified = strict.call("password", flow="email-verification", email=ANN, code=code_in(strict.mails[-1]))
        assert strict.user_of(verified) == here.user_of(owner)
        assert here.refresh(attacker["tokens"]) == {"tokens": None}
        assert refusal(sign_in, strict, password="attacker's one")[1] == "INVALID_CREDENTIALS"
        assert strict.user_of(sign_in(strict)) == here.user_of(owner)
    finally:
        strict.close()


@pytest.mark.parametrize("attacker_first", [True, False])
def test_of_two_passwords_that_wait_for_an_address_neither_counts(people: Open, attacker_first: bool) -> None:
    """
    P12: whoever signed up first, or slipped in before the code came back: the owner is signed in, the attacker's
    password opens nothing, and the owner chooses one by a reset. The earlier code is dead.
    """
    here = people(verify=True, reset=True)
    theirs, attackers = RIGHT, "attacker's one"
    for password in (attackers, theirs) if attacker_first else (theirs, attackers):
        sign_up(here, password=password)
        here.app.hooks.time.advance(timedelta(minutes=2))
    verification = {"flow": "email-verification", "email": ANN}
    assert refusal(here.call, "password", **verification, code=code_in(here.mails[0]))[1] == "INVALID_CODE"
    owner = here.user_of(here.call("password", **verification, code=code_in(here.mails[1])))
    for password in (attackers, theirs):
        assert refusal(sign_in, here, password=password)[1] == "INVALID_CREDENTIALS"
    here.app.hooks.time.advance(timedelta(minutes=2))
    here.call("password", flow="reset", email=ANN)
    here.call("password", flow="reset-verification", email=ANN, code=code_in(here.mails[-1]), newPassword="a third one")
    assert here.user_of(sign_in(here, password="a third one")) == owner


def test_who_signs_up_again_with_the_same_password_keeps_it(people: Open) -> None:
    """A form that is sent twice, because the first mail was lost, is one sign-up."""
    here = people(verify=True)
    for _ in range(2):
        sign_up(here)
        here.app.hooks.time.advance(timedelta(minutes=2))
    here.call("password", flow="email-verification", email=ANN, code=code_in(here.mails[-1]))
    assert sign_in(here)["tokens"]


def test_an_owner_without_a_password_is_not_taken_over_when_addresses_are_not_verified_any_more(people: Open) -> None:
    """P12: an account that is there is nobody else's to sign up for, with a password of its own or without."""
    here = people(verify=True)
    for password in ("attacker's one", RIGHT):
        sign_up(here, password=password)
        here.app.hooks.time.advance(timedelta(minutes=2))
    here.call("password", flow="email-verification", email=ANN, code=code_in(here.mails[-1]))
    lax = People(here.app)
    try:
        assert refusal(sign_up, lax, password="attacker's two")[1] == "ACCOUNT_EXISTS"
    finally:
        lax.close()


def test_a_sign_up_cannot_slip_in_between_the_owners_and_its_code(people: Open) -> None:
    """P12: within a minute of a sign-up another one sends no mail and replaces no password."""
    here = people(verify=True)
    sign_up(here)
    assert sign_up(here, password="attacker's one") == {"tokens": None}
    [mail] = here.mails
    here.call("password", flow="email-verification", email=ANN, code=code_in(mail))
    assert sign_in(here)["tokens"]
    assert refusal(sign_in, here, password="attacker's one")[1] == "INVALID_CREDENTIALS"


@pytest.mark.parametrize("verify", [False, True])
def test_an_unverified_sign_up_changes_no_user(people: Open, verify: bool) -> None:
    """P14: the user who has shown that the address is theirs stays as they are, until a code comes back, and after."""
    here = people(verify=verify)
    here.call("email-otp", email=ANN)
    owner = here.user_of(here.call("email-otp", email=ANN, code=code_in(here.mails[-1])))
    here.app.mutate("people:rename", id=owner, name="Ann")
    here.app.hooks.time.advance(timedelta(minutes=2))

    def owners() -> Any:
        return next(user for user in here.table("users") if user["_id"] == owner)

    before = owners()
    sign_up(here, email="ANN@example.com", name="Eve")
    assert owners() == before
    if verify:
        tokens = here.call("password", flow="email-verification", email=ANN, code=code_in(here.mails[-1]))
        assert here.user_of(tokens) == owner
        assert owners() == before


def test_a_password_goes_with_its_user(people: Open) -> None:
    """When a user's document is deleted, the password opens nothing, and the address is free for a new account."""
    here = people()
    here.app.mutate("people:remove", id=here.user_of(sign_up(here)))
    assert refusal(sign_in, here)[1] == "INVALID_CREDENTIALS"
    assert here.table("_auth_passwords") == []
    assert sign_up(here, password="another one")["tokens"]


def test_extra_params_reach_no_user(people: Open) -> None:
    """P15: only the address is written, whatever a form sends along."""
    here = people()
    extra: dict[str, Any] = {
        "name": "Eve",
        "role": "owner",
        "emailVerificationTime": 1.0,
        "code": "1",
        "redirectTo": "/",
    }
    sign_up(here, **extra)
    [user] = here.table("users")
    assert {name for name in user if not name.startswith("_")} == {"email"}
    stored = json.dumps(here.rows())
    assert RIGHT not in stored
    assert "owner" not in stored


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ann",
        "@example.com",
        "ann@",
        "ann@@example.com",
        "ann@exa mple.com",
        "ann @example.com",
        "ann@example.com\r\nBcc: all@example.com",
        "ann@example.com\nSubject: x",
        "Ann <ann@example.com>",
        '"ann"@example.com',
        "ann@example.com,bob@example.com",
        "ann@[127.0.0.1]",
        "ann\0@example.com",
        "ånn@example.com",
        "\u212aen@example.com",  # The Kelvin sign, which NFKC makes a K of.
        "ann@example..com",
        "x" * 65 + "@example.com",
        "ann@" + "x" * 250 + ".com",
        "ann@" + "x" * 10_000,
        7,
        None,
    ],
)
def test_what_is_no_address_is_refused(people: Open, email: Any) -> None:
    """P16: before anything is written, hashed or sent."""
    here = people(verify=True)
    before = here.rows()
    for flow in ("signUp", "signIn", "reset"):
        assert refusal(here.call, "password", flow=flow, email=email, password=RIGHT)[1] == "BAD_ARGUMENTS"
    assert refusal(here.call, "email-otp", email=email)[1] == "BAD_ARGUMENTS"
    assert refusal(here.call, "magic-link", email=email)[1] == "BAD_ARGUMENTS"
    assert here.rows() == before
    assert here.mails == []


def test_a_domain_in_another_script_is_one_domain(people: Open) -> None:
    """P16: mails go to what is compared, in whichever form it is written."""
    here = people()
    user = here.user_of(sign_up(here, email="ann@BÜCHER.example"))
    assert here.user_of(sign_in(here, email=" ann@xn--bcher-kva.example ")) == user
    here.call("password", flow="reset", email="ann@bücher.example")
    here.settle()
    assert here.mails[0].to == "ann@xn--bcher-kva.example"


@pytest.mark.parametrize("password", ["", "1234567", 7, None, "x" * 4_097, "\ufdfa" * 400, "x" * 2**20])
def test_passwords_that_are_refused(people: Open, password: Any) -> None:
    """P17: shorter than eight characters, longer than 4 KiB (in normal form), or no text; none is hashed."""
    hasher = Counting(CHEAP)
    here = people(hasher=hasher)
    before = here.rows()
    text, code = refusal(sign_up, here, password=password)
    assert text.startswith("Invalid password")
    assert code == "PASSWORD_TOO_WEAK"
    reset = {"flow": "reset-verification", "email": ANN, "code": "1", "newPassword": password}
    assert refusal(here.call, "password", **reset)[1] == "PASSWORD_TOO_WEAK"
    assert hasher.work == []
    assert here.rows() == before


def test_a_password_that_nobody_can_have_is_wrong_without_work(people: Open) -> None:
    """P17: at sign-in, over 4 KiB is wrong like any other, unhashed, for accounts and none."""
    hasher = Counting(CHEAP)
    here = people(hasher=hasher)
    sign_up(here)
    hasher.work.clear()
    for email in (ANN, "nobody@example.com"):
        wrong = refusal(sign_in, here, email=email, password="x" * 2**20)
        assert wrong == ("InvalidSecret", "INVALID_CREDENTIALS")
    assert hasher.work == []


@pytest.mark.parametrize("password", ["12345678", "x" * 4_096, "nul\0nul\0", "пароль!!", "🐎" * 8])
def test_passwords_that_pass(people: Open, password: str) -> None:
    """P17: eight characters and more, to the last byte; what follows a NUL counts."""
    here = people()
    sign_up(here, password=password)
    assert sign_in(here, password=password)["tokens"]
    assert refusal(sign_in, here, password=password[:-1] + "?")[1] == "INVALID_CREDENTIALS"


def test_composed_and_decomposed_passwords_are_one(people: Open) -> None:
    """P17: NFKC-equal passwords match."""
    here = people()
    sign_up(here, password="caf\u00e9 au lait")
    assert sign_in(here, password="cafe\u0301 au lait")["tokens"]


def test_many_sign_ins_at_once_are_bounded(people: Open) -> None:
    """P18: beyond the threads and those that wait, callers are told to come again; the loop goes on all the while."""
    hasher = Gated(threads=2, waiting_max=3)
    here = people(hasher=hasher)

    async def crowd() -> list[Any]:
        calls = [
            asyncio.ensure_future(
                here.calling("password", flow="signIn", email=f"p{number}@example.com", password=RIGHT)
            )
            for number in range(200)
        ]
        while sum(call.done() for call in calls) < 195:  # The loop is free: others are answered.
            await asyncio.sleep(0)
        hasher.gate.set()
        return await asyncio.gather(*calls, return_exceptions=True)

    codes = [refused.code for refused in here.run(asyncio.wait_for(crowd(), 120))]
    assert codes.count("RATE_LIMITED") == 195
    assert codes.count("INVALID_CREDENTIALS") == 5
    assert hasher.at_once_max == 2
    # Who was sent away has paid nothing: each of the five has a bucket, and their network has one.
    assert len(here.table("_rate_limits")) == 6


def test_a_reset_ends_all_other_sessions(people: Open) -> None:
    """S5: their refresh tokens are dead, and sockets are told of them; the one that it opens stays."""
    here = people()
    others = [sign_up(here)["tokens"], sign_in(here)["tokens"]]
    here.call("password", flow="reset", email=ANN)
    here.settle()
    reset = {"flow": "reset-verification", "email": ANN, "newPassword": "another horse"}
    acting = here.call("password", **reset, code=code_in(here.mails[0]))["tokens"]
    assert [here.refresh(tokens) for tokens in others] == [{"tokens": None}] * 2
    assert here.refresh(acting)["tokens"]
    assert len(set(here.ended)) == 2


def test_a_reset_ends_no_session_of_others(people: Open) -> None:
    """S5: and leaves other people's alone."""
    here = people()
    sign_up(here)
    bob = sign_up(here, email="bob@example.com")["tokens"]
    here.call("password", flow="reset", email=ANN)
    here.settle()
    here.call(
        "password", flow="reset-verification", email=ANN, newPassword="another horse", code=code_in(here.mails[0])
    )
    assert here.refresh(bob)["tokens"]


def test_codes_are_good_for_what_they_were_mailed_for(people: Open) -> None:
    """O8: a sign-in code resets nothing, a reset code signs nobody in, each survives, and then does its own work."""
    here = people()
    sign_up(here)
    here.call("email-otp", email=ANN)
    otp = code_in(here.mails[-1])
    here.app.hooks.time.advance(timedelta(minutes=1))
    here.call("password", flow="reset", email=ANN)
    here.settle()
    reset_code = code_in(here.mails[-1])
    before = here.rows("users", "_auth_passwords", "_auth_sessions", "_auth_accounts")
    reset = {"flow": "reset-verification", "email": ANN, "newPassword": "another horse"}
    invalid = ("Could not verify code", "INVALID_CODE")
    assert refusal(here.call, "password", **reset, code=otp) == invalid
    assert refusal(here.call, "email-otp", email=ANN, code=reset_code) == invalid
    assert here.call(None, code=otp) == here.call(None, code=reset_code) == {"tokens": None}
    assert here.rows("users", "_auth_passwords", "_auth_sessions", "_auth_accounts") == before
    assert here.call("email-otp", email=ANN, code=otp)["tokens"]
    assert here.call("password", **reset, code=reset_code)["tokens"]


def test_a_code_that_two_redeem_at_once_is_redeemed_once(people: Open) -> None:
    """P21: of twenty in parallel one is signed in, and one session is opened."""
    here = people(verify=True)
    sign_up(here)
    code = code_in(here.mails[0])

    async def redeem() -> bool:
        try:
            await here.calling("password", flow="email-verification", email=ANN, code=code)
        except Refused:
            return False
        return True

    async def all_at_once() -> list[bool]:
        return await asyncio.gather(*(redeem() for _ in range(20)))

    assert sum(here.run(all_at_once())) == 1
    assert len(here.table("_auth_sessions")) == 1


def test_a_dump_of_the_database_makes_nobody_a_code(people: Open) -> None:
    """F10: no code and no password stands in any row, and a code's hash cannot be tried without the server's key."""
    here = people(verify=True)
    sign_up(here)
    here.call("email-otp", email="bob@example.com")
    codes = [code_in(mail) for mail in here.mails]
    dump = json.dumps([here.rows(), here.table("_rate_limits")])
    assert not any(secret in dump for secret in [*codes, RIGHT])
    other = People(here.app)
    try:
        stranger = other.tokens.keyring.__class__(b"x" * 32, [], here.app.hooks.time)
        kept = {row["hash"] for row in here.table("_auth_codes")}
        assert stranger.mac("code", "password", "verify", ANN, codes[0]) not in kept
        assert here.tokens.keyring.mac("code", "password", "verify", ANN, codes[0]) in kept
    finally:
        other.close()


def test_a_hook_that_refuses_leaves_the_code_as_it_was(people: Open) -> None:
    """One redemption is one transaction: user, account, session and code together, or none of it."""
    hook = """
        from joelclaw import *
        from schema import User

        @mutation
        def arrived(ctx: MutationCtx, email: str | None) -> Id[User]:
            if ctx.env.get("OPEN") != "yes":
                raise AppError("come back later")
            return ctx.db.insert(User(email=email or ""))
    """
    here = people(files={**APP, "hooks.py": hook}, hook="hooks.arrived", verify=True)
    sign_up(here)
    before = here.rows()
    verification = {"flow": "email-verification", "email": ANN, "code": code_in(here.mails[0])}
    with pytest.raises(Refused, match="come back later"):
        here.call("password", **verification)
    assert here.rows() == before
    here.app.hooks.env = {"OPEN": "yes"}
    assert here.call("password", **verification)["tokens"]


def test_a_mail_that_nobody_takes_is_told(people: Open) -> None:
    """Sign-up says that it could not be sent; the code is there, and the next try, a minute later, sends another."""
    here = people(verify=True)
    here.mailbox.is_down = True
    assert refusal(sign_up, here) == ("The mail could not be sent; try again later", "MAIL_FAILED")
    here.mailbox.is_down = False
    here.app.hooks.time.advance(timedelta(minutes=1))
    assert sign_up(here) == {"tokens": None}
    assert here.call("password", flow="email-verification", email=ANN, code=code_in(here.mails[0]))["tokens"]


# -- stand-ins


class Counting(Hasher):
    """Notes what work is done."""

    def __init__(self, strength: Any) -> None:
        super().__init__(strength)
        self.work: list[str] = []
        self.compared: list[str] = []

    def _hash(self, password: bytes) -> str:
        self.work.append("hash")
        return super()._hash(password)

    def _verify(self, stored: str | None, password: bytes) -> Any:
        verdict = super()._verify(stored, password)
        self.work.append("verify")
        self.compared.append(stored or self._nobodys)
        return verdict


class Gated(Hasher):
    """Its threads wait for a gate."""

    def __init__(self, *, threads: int, waiting_max: int) -> None:
        super().__init__(CHEAP, threads=threads, waiting_max=waiting_max)
        self.gate = threading.Event()
        self.at_once_max = 0
        self._at_once = 0
        self._lock = threading.Lock()

    def _verify(self, stored: str | None, password: bytes) -> Any:
        with self._lock:
            self._at_once += 1
            self.at_once_max = max(self.at_once_max, self._at_once)
        assert self.gate.wait(60)
        with self._lock:
            self._at_once -= 1
        return super()._verify(stored, password)


class Interrupted(Hasher):
    """Something else happens while it verifies."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def verify(self, stored: str | None, password: bytes) -> Any:
        verdict = await super().verify(stored, password)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return verdict
