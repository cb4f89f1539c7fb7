"""Signing in by mail, with a code to type in or a link to follow, and what attacks on it leave unchanged."""

import asyncio
import collections
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from joelclaw.auth import codes
from joelclaw.auth.codes import CodeMaker, CodeSettings
from joelclaw.functions.sign_in import SignIn
from tests.auth.journey import APP, SITE
from tests.auth.mailing import People, Refused, code_in, link_in, log_of
from tests.functions.deployment import deploy

Open = Callable[..., People]

ANN = "ann@example.com"
INVALID = ("Could not verify code", "INVALID_CODE")
PERSONAL = ("_auth_users", "_auth_accounts", "_auth_sessions", "_auth_refresh_tokens", "_auth_passwords")


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Open]:
    """Opens a deployment without an app's own table of users."""
    made: list[People] = []

    def make(**settings: Any) -> People:
        made.append(People(deploy(tmp_path, {"nothing.py": ""}, sign_in=SignIn(issuer=SITE)), **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()
        one.app.close()


@pytest.fixture
def here(people: Open) -> People:
    return people()


def refusal(call: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[str, str | None]:
    """Text and code of what a client is refused with."""
    with pytest.raises(Refused) as refused:
        call(*args, **kwargs)
    assert refused.value.public
    return refused.value.text, refused.value.code


def asked(here: People, email: str = ANN, **more: Any) -> str:
    """Ask for a code, and read it in the mail."""
    assert here.call("email-otp", email=email, **more) == {"started": True}
    return code_in(here.mails[-1])


def linked(here: People, email: str = ANN, **more: Any) -> str:
    """Ask for a link, and read its code in the mail."""
    assert here.call("magic-link", email=email, **more) == {"started": True}
    [code] = parse_qs(urlsplit(link_in(here.mails[-1])).query)["code"]
    return code


def forget_mails(here: People) -> None:
    """Let the limits of mails be over."""
    here.app.hooks.time.advance(timedelta(minutes=15))


# -- codes


def test_a_code_signs_in_and_makes_a_user_then(here: People) -> None:
    """Nothing of a person is there before the code comes back; the second time it is the same user."""
    code = asked(here)
    assert here.mails[0].to == ANN
    assert here.rows(*PERSONAL) == {name: [] for name in PERSONAL}
    tokens = here.call("email-otp", email=ANN, code=code)
    assert set(tokens) == {"tokens"}
    forget_mails(here)
    assert here.user_of(here.call("email-otp", email="Ann@example.com", code=asked(here))) == here.user_of(tokens)
    assert len(here.table("_auth_users")) == 1


def test_a_code_may_be_typed_with_spaces(here: People) -> None:
    """As it is read aloud."""
    code = asked(here)
    assert here.call("email-otp", email=ANN, code=f" {code[:4]} {code[4:]} ")["tokens"]


def test_code_and_link_of_one_address_are_one_user(here: People) -> None:
    """Both have shown who reads its mail."""
    by_code = here.call("email-otp", email=ANN, code=asked(here))
    forget_mails(here)
    by_link = here.call(None, code=linked(here))
    assert here.user_of(by_code) == here.user_of(by_link)
    assert len(here.table("_auth_accounts")) == 2


def test_who_is_signed_in_is_somebody_else_then(here: People) -> None:
    """The session that asks ends, in the same transaction."""
    ann = here.call("email-otp", email=ANN, code=asked(here))["tokens"]
    bob = here.call("email-otp", email="bob@example.com", code=asked(here, "bob@example.com"), as_token=ann["token"])[
        "tokens"
    ]
    assert here.refresh(ann) == {"tokens": None}
    assert here.refresh(bob)["tokens"]
    assert len(here.ended) == 1


def test_known_and_unknown_addresses_are_answered_alike(here: People) -> None:
    """P5: the same answer, the same mail, and no row that tells them apart."""
    here.call("email-otp", email=ANN, code=asked(here))
    forget_mails(here)
    before = here.rows(*PERSONAL)
    known = (here.call("email-otp", email=ANN), here.mails[-1].text)
    unknown = (here.call("email-otp", email="bob@example.com"), here.mails[-1].text)
    assert known[0] == unknown[0]
    assert len(known[1]) == len(unknown[1])
    assert here.rows(*PERSONAL) == before
    rows = [{name: row[name] for name in row if name not in ("_id", "hash")} for row in here.table("_auth_codes")]
    assert [row | {"address": "", "email": "", "_creationTime": 0} for row in rows] == [
        rows[0] | {"address": "", "email": "", "_creationTime": 0}
    ] * 2


def test_a_short_code_without_its_address_is_nothing(here: People) -> None:
    """P8: no code that is typed is good by itself, whichever method is named."""
    code = asked(here)
    before = here.rows()
    assert here.call(None, code=code) == {"tokens": None}
    assert refusal(here.call, "email-otp", code=code)[1] == "BAD_ARGUMENTS"
    assert refusal(here.call, "magic-link", code=code) == INVALID
    assert here.rows() == before
    assert here.call("email-otp", email=ANN, code=code)["tokens"]


def test_a_code_is_good_with_its_own_address_only(here: People) -> None:
    """P8, P11: with another address it is a wrong guess there, and survives."""
    code = asked(here)
    asked(here, "bob@example.com")
    assert refusal(here.call, "email-otp", email="bob@example.com", code=code) == INVALID
    assert here.rows(*PERSONAL) == {name: [] for name in PERSONAL}
    assert here.call("email-otp", email=ANN, code=code)["tokens"]


def test_five_wrong_guesses_end_a_code(here: People) -> None:
    """P8: four leave it good, the fifth does not, and nobody is signed in."""
    for wrong_ones, result in ((4, True), (5, False)):
        code = asked(here)
        wrong = "00000000" if code != "00000000" else "11111111"
        for _ in range(wrong_ones):
            assert refusal(here.call, "email-otp", email=ANN, code=wrong) == INVALID
        if result:
            assert here.call("email-otp", email=ANN, code=code)["tokens"]
            forget_mails(here)
        else:
            assert refusal(here.call, "email-otp", email=ANN, code=code) == INVALID


def test_a_new_code_brings_no_new_guesses(here: People) -> None:
    """P9: ten wrong ones an hour for an address, however many codes are asked for, from wherever."""
    code = ""
    for number in range(10):
        if number % 3 == 0:
            here.app.hooks.time.advance(timedelta(minutes=1))
            code = asked(here)
        wrong = "00000000" if code != "00000000" else "11111111"
        assert refusal(here.call, "email-otp", email=ANN, code=wrong, network=f"192.0.2.{number}") == INVALID
    here.app.hooks.time.advance(timedelta(minutes=1))
    code = asked(here)
    with pytest.raises(Refused) as refused:
        here.call("email-otp", email=ANN, code=code)
    assert (refused.value.text, refused.value.code) == ("TooManyFailedAttempts", "RATE_LIMITED")
    assert refused.value.retry_after_s is not None
    assert 0 < refused.value.retry_after_s <= 360
    here.app.hooks.time.advance(timedelta(seconds=refused.value.retry_after_s))
    assert here.call("email-otp", email=ANN, code=code)["tokens"]


def test_guesses_at_many_addresses_are_limited_by_network(here: People) -> None:
    """P8: a thousand wrong ones an hour from one network; another one is not concerned."""
    code = asked(here)
    for number in range(1_000):
        refusal(here.call, "email-otp", email=f"p{number}@example.com", code="00000000", network="2001:db8::1")
    told = refusal(here.call, "email-otp", email=ANN, code=code, network="2001:db8::2")
    assert told == ("TooManyFailedAttempts", "RATE_LIMITED")
    assert here.call("email-otp", email=ANN, code=code, network="2001:db8:0:1::1")["tokens"]


@pytest.mark.parametrize("method", ["email-otp", "magic-link"])
def test_mails_are_limited_by_address(here: People, method: str) -> None:
    """P10: one a minute and five an hour, whichever method sends them; the caller is answered alike."""
    for minute in range(10):
        for _ in range(3):
            assert here.call(method, email=ANN) == {"started": True}
        assert len(here.mails) == min(minute + 1, 5)
        here.app.hooks.time.advance(timedelta(minutes=1))
    before = here.rows()
    # A token comes back every twelve minutes: ten have passed.
    assert here.call("email-otp", email="ANN@example.com") == {"started": True}
    assert len(here.mails) == 5
    assert here.rows() == before
    assert here.call("email-otp", email="bob@example.com") == {"started": True}
    assert len(here.mails) == 6


def test_a_limited_mail_leaves_the_code_before_it(here: People) -> None:
    """P10: who asks twice in a minute has one mail, whose code is good."""
    code = asked(here)
    assert here.call("email-otp", email=ANN) == {"started": True}
    assert len(here.mails) == 1
    assert here.call("email-otp", email=ANN, code=code)["tokens"]


def test_all_mails_together_have_a_ceiling(people: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """P10: many addresses are mailed no more than `auth.mail.per_hour` allows; nobody is told, but the log."""
    here = people(mails_per_hour=7)
    lines = log_of(codes, monkeypatch)
    for number in range(20):
        asking = {"email": f"p{number}@example.com", "network": f"192.0.2.{number}"}
        assert here.call("email-otp", **asking) == {"started": True}
    assert len(here.mails) == 7
    assert len(here.table("_auth_codes")) == 7
    assert [line["log_level"] for line in lines] == ["error"] * 13
    assert "raise auth.mail.per_hour" in lines[0]["event"]


def test_one_network_takes_no_more_than_half_of_the_mails(people: Open) -> None:
    """P10: so it does not keep everybody else from signing in by mail; whichever method it asks by."""
    here = people(mails_per_hour=7, verify=True)
    for number in range(10):
        for method in ("email-otp", "magic-link"):
            assert here.call(method, email=f"{method}{number}@example.com") == {"started": True}
        asking = {"flow": "signUp", "email": f"p{number}@example.com", "password": "correct horse"}
        assert here.call("password", **asking) == {"tokens": None}
    assert len(here.mails) == 3
    assert here.call("email-otp", email=ANN, network="192.0.2.2") == {"started": True}
    assert here.mails[-1].to == ANN


def test_codes_are_uniform_and_not_repeated(here: People) -> None:
    """P21: every digit in every place is about as frequent, zeros in front included."""
    maker = CodeMaker("email-otp", CodeSettings(digits=8), here.tokens)
    drawn = [maker.draw() for _ in range(20_000)]
    assert all(len(code) == 8 and code.isdigit() for code in drawn)
    assert len(set(drawn)) > 19_950
    for place in range(8):
        counts = collections.Counter(code[place] for code in drawn)
        # 2,000 each; beyond seven standard deviations it is no chance.
        assert all(abs(counts[digit] - 2_000) < 300 for digit in "0123456789")


def test_a_code_is_good_once_and_for_its_time(here: People) -> None:
    """P21: used, it signs nobody in; nor does it after fifteen minutes."""
    code = asked(here)
    assert here.call("email-otp", email=ANN, code=code)["tokens"]
    before = here.rows()
    assert refusal(here.call, "email-otp", email=ANN, code=code) == INVALID
    assert here.rows() == before

    here.app.hooks.time.advance(timedelta(minutes=2))
    code = asked(here)
    here.app.hooks.time.advance(timedelta(minutes=15))
    before = here.rows(*PERSONAL)
    assert refusal(here.call, "email-otp", email=ANN, code=code) == INVALID
    assert here.rows(*PERSONAL) == before
    assert here.table("_auth_codes") == []


def test_codes_that_nobody_redeems_are_swept(here: People) -> None:
    """A row goes by itself when its code is good no more."""
    asked(here)
    here.app.hooks.time.advance(timedelta(minutes=15))
    assert "_auth_codes" in [due["table"] for due in here.app.query("_system/expiry:due")]
    here.app.mutate("_system/expiry:sweep", table="_auth_codes", at=here.app.hooks.time.now_ms())
    assert here.table("_auth_codes") == []


@pytest.mark.parametrize("code", [7, "", "x" * 1_000_000, None, ["1"], {"a": "1"}, True])
def test_what_is_no_code_is_a_wrong_one(here: People, code: Any) -> None:
    """Whatever a form sends, it is refused; without a code one is sent."""
    asked(here)
    before = here.rows(*PERSONAL)
    if code is None:
        assert here.call("email-otp", email=ANN, code=code) == {"started": True}
    else:
        assert refusal(here.call, "email-otp", email=ANN, code=code)[1] in ("INVALID_CODE", "BAD_ARGUMENTS")
    assert here.rows(*PERSONAL) == before


def test_comparing_takes_as_long_for_wrong_codes(here: People) -> None:
    """P22: what is compared are MACs, which nobody approaches digit by digit; a row holds nothing else of the code."""
    code = asked(here)
    [row] = here.table("_auth_codes")
    near = f"{code[:-1]}{(int(code[-1]) + 1) % 10}"
    maker = CodeMaker("email-otp", CodeSettings(), here.tokens)
    macs = [maker.mac("sign_in", ANN, text) for text in (code, near)]
    assert row["hash"] == macs[0]
    common = next(place for place, (a, b) in enumerate(zip(*macs, strict=True)) if a != b)
    assert common < 8


def test_a_dump_has_no_code_and_no_link(here: People) -> None:
    """F10: neither stands in a row, in any form that could be sent back."""
    secrets = [asked(here), linked(here, "bob@example.com")]
    dump = json.dumps([here.rows(), here.table("_rate_limits")])
    assert not any(secret in dump for secret in secrets)
    for row in here.table("_auth_codes"):
        assert here.call(None, code=row["hash"]) == {"tokens": None}
        assert refusal(here.call, "email-otp", email=row["email"], code=row["hash"]) == INVALID


# -- links


def test_a_link_signs_in_where_it_leads(here: People) -> None:
    """The page that it opens redeems its code, alone; the destination is what was asked for."""
    here.call("magic-link", email=ANN, redirectTo="/after?x=1")
    link = link_in(here.mails[0])
    assert link.startswith(f"{APP}/after?x=1&code=")
    [code] = parse_qs(urlsplit(link).query)["code"]
    assert here.rows(*PERSONAL) == {name: [] for name in PERSONAL}
    assert set(here.call(None, code=code)) == {"tokens"}
    assert here.table("_auth_users")[0]["email"] == ANN


def test_a_foreign_destination_is_refused_before_anything(here: People) -> None:
    """R1: no row, no mail, and no mail less for who asks rightly."""
    before = here.rows()
    assert refusal(here.call, "magic-link", email=ANN, redirectTo="https://evil.example/")[1] == "INVALID_REDIRECT"
    assert here.rows() == before
    assert here.table("_rate_limits") == []
    assert here.mails == []


def test_a_link_may_be_redeemed_by_its_method(here: People) -> None:
    """As React Native does; a wrong code is an error there."""
    code = linked(here)
    assert refusal(here.call, "magic-link", code="x" * 43) == INVALID
    assert here.call("magic-link", code=code)["tokens"]


def test_whoever_looks_at_a_mail_redeems_nothing(here: People) -> None:
    """P19: a link leads to the app, and nothing of ours answers to it: only `auth:signIn` redeems."""
    code = linked(here)
    link = link_in(here.mails[0])
    assert urlsplit(link).netloc == urlsplit(APP).netloc
    assert SITE not in here.mails[0].text
    assert here.call(None, code=code)["tokens"]


def test_a_link_has_no_power_after_use_or_a_day(here: People) -> None:
    """P20: used or late, it signs nobody in, and says nothing."""
    code = linked(here)
    assert here.call(None, code=code)["tokens"]
    before = here.rows()
    assert here.call(None, code=code) == {"tokens": None}
    assert here.rows() == before
    forget_mails(here)
    code = linked(here)
    here.app.hooks.time.advance(timedelta(hours=24))
    before = here.rows(*PERSONAL)
    assert here.call(None, code=code) == {"tokens": None}
    assert here.rows(*PERSONAL) == before


def test_a_newer_link_replaces_the_older(here: People) -> None:
    """P21: one is outstanding for an address."""
    first = linked(here)
    forget_mails(here)
    second = linked(here)
    assert first != second
    assert here.call(None, code=first) == {"tokens": None}
    assert here.call(None, code=second)["tokens"]


def test_a_stale_verifier_harms_no_link(here: People) -> None:
    """O9: what an earlier sign-in left in the client's storage is ignored."""
    assert here.call(None, code=linked(here), verifier="of something else")["tokens"]


@pytest.mark.parametrize("code", ["", "x" * 43, "x" * 42, "x" * 1_000_000, "' OR 1=1 --", "12345678", "\0"])
def test_an_unknown_code_is_nothing_and_changes_nothing(here: People, code: str) -> None:
    """P8: no error, for a page that opens with one, and no row."""
    linked(here)
    before = here.rows(), here.table("_rate_limits")
    assert here.call(None, code=code) == {"tokens": None}
    assert (here.rows(), here.table("_rate_limits")) == before


def test_a_links_code_is_good_for_its_method_only(here: People) -> None:
    """O8: with an address and another method it is a wrong guess, and survives."""
    code = linked(here)
    assert refusal(here.call, "email-otp", email=ANN, code=code) == INVALID
    assert here.call(None, code=code)["tokens"]


def test_a_link_that_two_follow_at_once_signs_one_in(here: People) -> None:
    """P21: of twenty redemptions in parallel one gets tokens, and one session is opened."""
    code = linked(here)

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(here.calling(None, code=code) for _ in range(20)))

    results = here.run(all_at_once())
    assert sum(result["tokens"] is not None for result in results) == 1
    assert len(here.table("_auth_sessions")) == 1


def test_mails_are_told_to_have_failed(here: People) -> None:
    """The caller learns it, in a form that programs know."""
    here.mailbox.is_down = True
    for method in ("email-otp", "magic-link"):
        assert refusal(here.call, method, email=f"{method}@example.com") == (
            "The mail could not be sent; try again later",
            "MAIL_FAILED",
        )
