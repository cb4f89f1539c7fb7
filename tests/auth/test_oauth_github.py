"""`joelclaw.auth.oauth`: signing in with GitHub, and everything that must not sign anybody in."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from joelclaw.auth.oauth import flow
from joelclaw.auth.oauth.steps import with_parameter
from joelclaw.auth.sign_in import Granted, Pending
from joelclaw.errors import SignInRefused
from tests.auth.conftest import Start
from tests.auth.fake_github import NOREPLY, FakeGithub, Persona, address, person
from tests.auth.journey import APP, SITE, Journey, github_settings, oauth2_settings


@pytest.fixture
def journey(start: Start, github: FakeGithub) -> Journey:
    return start({"github": github_settings(github)})


def exchanges(github: FakeGithub) -> int:
    return len(github.journal.at("/login/oauth/access_token"))


def only(rows: list[dict[str, Any]]) -> dict[str, Any]:
    [row] = rows
    return row


# -- as it should be


def test_who_comes_back_with_code_and_verifier_is_signed_in(journey: Journey, github: FakeGithub) -> None:
    """GitHub's id, name, primary verified address and login become an account, a user and a session."""
    granted = journey.sign_in()

    account = only(journey.table("_auth_accounts"))
    assert (account["provider"], account["accountId"], account["name"]) == ("github", "1001", "Mona Lisa")
    assert (account["email"], account["emailVerified"]) == ("mona@example.com", True)
    assert only(journey.table("_auth_sessions"))["user"] == granted.grant.user
    assert granted.grant.claims["login"] == "mona"
    assert granted.grant.claims["githubId"] == "1001"
    assert only(journey.table("_auth_users"))["_id"] == granted.grant.user


def test_state_challenge_and_callback_go_with_the_browser(journey: Journey, github: FakeGithub) -> None:
    """O10: always a state, always S256; the exchange presents a verifier that the provider really checks."""
    away = journey.open(journey.begin().url)

    asked = away.parameters
    assert asked["redirect_uri"] == [f"{SITE}/api/auth/callback/github"]
    assert asked["scope"] == ["read:user user:email"]
    assert asked["response_type"] == ["code"]
    assert (asked["code_challenge_method"], len(asked["code_challenge"][0])) == (["S256"], 43)
    assert len(asked["state"][0]) >= 43

    journey.open(journey.visit(away.location))

    form = parse_qs(only_entry(github, "/login/oauth/access_token").body)
    assert len(form["code_verifier"][0]) == 43
    assert form["redirect_uri"] == asked["redirect_uri"]


def only_entry(github: FakeGithub, path: str) -> Any:
    [entry] = github.journal.at(path)
    return entry


def test_github_is_asked_as_it_wants_to_be(journey: Journey, github: FakeGithub) -> None:
    """The API gets a User-Agent, a version and a bearer token; JSON is asked for at the token endpoint."""
    journey.sign_in()

    user = only_entry(github, "/api/v3/user").headers
    assert user["user-agent"] == "joelclaw"
    assert user["accept"] == "application/vnd.github+json"
    assert user["x-github-api-version"] == "2022-11-28"
    assert user["authorization"].startswith("Bearer gho_")
    assert only_entry(github, "/login/oauth/access_token").headers["accept"] == "application/json"
    assert only_entry(github, "/api/v3/user/emails").query == "per_page=100"


def test_no_secret_is_in_an_address(journey: Journey, github: FakeGithub) -> None:
    """O5, H6: neither verifier nor client secret nor token is in any URL, here or at the provider."""
    redirect = journey.begin()
    away = journey.open(redirect.url)
    back = journey.visit(away.location)
    landed = journey.open(back)
    journey.redeem(landed.code, redirect.verifier)

    token = next(iter(github.tokens))
    urls = [redirect.url, away.location, back, landed.location, *(entry.url for entry in github.journal.entries)]
    for secret in (redirect.verifier, github.client_secret, token):
        assert not any(secret in url for url in urls)


def test_a_flow_ends_where_it_was_to_end(journey: Journey) -> None:
    """R4: the first flow with a destination, the second without: each lands on its own."""
    first, _ = journey.go(redirect_to="/one?tab=2")
    second, _ = journey.go()

    assert first.location.startswith(f"{APP}/one?tab=2&code=")
    assert second.location.startswith(f"{APP}?code=")


def test_the_same_person_is_the_same_user(journey: Journey, github: FakeGithub) -> None:
    """A login that was renamed is still the same account, by its id; what it says is brought up to date."""
    first = journey.sign_in()
    github.switch(persona="renamed")

    second = journey.sign_in()

    assert second.grant.user == first.grant.user
    assert only(journey.table("_auth_accounts"))["claims"] == {"login": "mona-lisa"}


@pytest.mark.parametrize("persona", ["huge_id", "nameless"])
def test_ids_are_kept_digit_by_digit_and_names_may_be_missing(
    journey: Journey, github: FakeGithub, persona: str
) -> None:
    """An id beyond what a float holds keeps all its digits; without a name the login is one."""
    github.switch(persona=persona)

    journey.sign_in()

    account = only(journey.table("_auth_accounts"))
    assert account["accountId"] == {"huge_id": "9007199254740993", "nameless": "1005"}[persona]
    assert account["name"] == {"huge_id": "Mona Lisa", "nameless": "nameless"}[persona]


def test_what_would_make_a_token_too_large_is_left_out(journey: Journey, github: FakeGithub) -> None:
    """A name or picture beyond 512 bytes is none; the login stands in for the name."""
    long = person(1001, "mona", name="\u4f60" * 171) | {"avatar_url": "https://a.example/" + "x" * 500}
    github.personas["public"] = Persona(long, [address("mona@example.com", primary=True)])

    journey.sign_in()

    account = only(journey.table("_auth_accounts"))
    assert (account["name"], account["image"]) == ("mona", None)


def test_react_native_names_the_provider(journey: Journey) -> None:
    """O8: code and verifier with the provider's name sign in as well; a wrong verifier is pending, not an error."""
    landed, verifier = journey.go()

    assert journey.redeem_at("github", landed.code, "wrong") == Pending()
    assert isinstance(journey.redeem_at("github", landed.code, verifier), Granted)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.b", "https://a.b?code=c"),
        ("https://a.b/x?code=old&y=1%202&code=older#top", "https://a.b/x?y=1%202&code=c#top"),
        ("https://a.b/x?c%6Fde=old", "https://a.b/x?code=c"),
        ("myapp://auth", "myapp://auth?code=c"),
        ("myapp:///path", "myapp:///path?code=c"),
        ("myapp://?x=1", "myapp://?x=1&code=c"),
        ("exp://127.0.0.1:19000/--/", "exp://127.0.0.1:19000/--/?code=c"),
    ],
)
def test_a_code_is_added_to_any_address(url: str, expected: str) -> None:
    """R7: exactly one `code`, in place of any before it, also where there is no authority; the rest stays as it is."""
    assert with_parameter(url, "code", "c") == expected


def test_endpoints_can_be_declared_without_discovery(start: Start, github: FakeGithub) -> None:
    """A plain OAuth 2.0 server signs in by the fields that were named; its address links nothing by itself."""
    github.callback = f"{SITE}/api/auth/callback/acme"
    try:
        journey = start({"acme": oauth2_settings(github, id_field="id", token_auth="basic")})
        journey.sign_in("acme")
    finally:
        github.callback = f"{SITE}/api/auth/callback/github"

    account = only(journey.table("_auth_accounts"))
    assert (account["accountId"], account["emailVerified"]) == ("1001", False)
    assert "linkingAddress" not in account


# -- addresses


@pytest.mark.parametrize(
    ("persona", "email", "verified", "links"),
    [
        ("public", "mona@example.com", True, True),
        ("private", "hubot@example.com", True, True),
        ("unverified", "newbie@example.com", False, False),
        ("no_addresses", None, False, False),
        ("noreply", NOREPLY, False, False),
    ],
)
def test_only_a_primary_and_verified_address_links(
    journey: Journey, github: FakeGithub, persona: str, email: str | None, verified: bool, links: bool
) -> None:
    """P13: an address that GitHub has not verified, or made up, says nothing about who somebody is."""
    github.switch(persona=persona)

    journey.sign_in()

    account = only(journey.table("_auth_accounts"))
    assert account["email"] == email
    assert account["emailVerified"] is verified
    assert ("linkingAddress" in account) is links


def test_addresses_that_cannot_be_read_are_no_sign_in(journey: Journey, github: FakeGithub) -> None:
    """A failure of the address endpoint is a failed sign-in, not somebody without an address."""
    github.switch(persona="no_emails_endpoint")

    assert_failed(journey, journey.go()[0])


def test_a_scope_that_was_not_granted_is_no_sign_in(journey: Journey, github: FakeGithub) -> None:
    """GitHub may give less than was asked for; without the addresses nobody is signed in."""
    github.switch(scope="read:user")

    assert_failed(journey, journey.go()[0])


def test_verified_addresses_link_accounts_of_two_providers(start: Start, github: FakeGithub) -> None:
    """Two providers that have verified the same address have the same user; an untrusted entry has another."""
    github.callback = f"{SITE}/api/auth/callback"
    try:
        journey = start(
            {
                "github": github_settings(github),
                "work": github_settings(github),
                "untrusted": github_settings(github, trust_email=False),
            }
        )
        first, second, third = (journey.sign_in(id).grant.user for id in ("github", "work", "untrusted"))
    finally:
        github.callback = f"{SITE}/api/auth/callback/github"

    assert first == second != third


# -- what is refused


def assert_failed(journey: Journey, landed: Any, error: str = "oauth_error") -> None:
    """The browser is back in the app, which is told; and nothing is left of the flow."""
    assert landed.status == 302
    assert landed.location.startswith(f"{APP}?")
    assert (landed.error, "code" in landed.parameters) == (error, False)
    assert journey.is_untouched


@pytest.mark.parametrize("redirect_to", ["https://evil.example.com/", "//evil.example.com", "javascript:alert(1)", 7])
def test_a_foreign_destination_is_refused_before_anything_exists(journey: Journey, redirect_to: Any) -> None:
    """R1: refused when the flow begins, with a code for programs, and no row."""
    with pytest.raises(SignInRefused) as caught:
        journey.begin(redirect_to=redirect_to)

    assert caught.value.reason_code == "INVALID_REDIRECT"
    assert journey.table("_auth_flows") == []


def test_a_foreign_page_is_no_destination(journey: Journey) -> None:
    """H9: a page that may not end a sign-in can begin one; it ends in the app all the same, and a path of it, too."""
    for asked, landing in ((None, f"{APP}?code="), ("/mine", f"{APP}/mine?code=")):
        redirect = journey.begin(page="https://evil.example.com", redirect_to=asked)

        landed = journey.open(journey.visit(journey.open(redirect.url).location))

        assert landed.location.startswith(landing)


def test_what_is_added_to_the_address_changes_nothing(journey: Journey) -> None:
    """R3: the stored destination is used, whatever stands in the address that the browser opens."""
    redirect = journey.begin(redirect_to="/mine")

    away = journey.open(f"{redirect.url}&redirectTo=https%3A%2F%2Fevil.example.com&scope=repo&state=mine")
    landed = journey.open(journey.visit(away.location))

    assert away.parameters["scope"] == ["read:user user:email"]
    assert landed.location.startswith(f"{APP}/mine?code=")


@pytest.mark.parametrize("state", ["", "unknown", "x" * 4096])
def test_an_unknown_state_is_a_dead_end(journey: Journey, github: FakeGithub, state: str) -> None:
    """O1: a page of 400, no exchange, no rows."""
    before = journey.rows()

    seen = journey.open(f"{SITE}/api/auth/callback/github?code=abc&state={state}")

    assert seen.status == 400
    assert "not known here" in seen.body
    assert (exchanges(github), journey.rows()) == (0, before)


def test_a_callback_without_state_is_a_dead_end(journey: Journey, github: FakeGithub) -> None:
    """O1: what a provider sends without a state, or with one that is not ours, is nobody's."""
    for switched in ("no_state", "wrong_state"):
        github.switch(authorize=switched)
        away = journey.open(journey.begin().url)

        assert journey.open(journey.visit(away.location)).status == 400

    assert exchanges(github) == 0
    assert journey.table("_auth_users") == []


def test_a_late_callback_leads_back_to_the_app(journey: Journey, github: FakeGithub) -> None:
    """O1: a state that has expired is known for a while: the browser goes home, the code to nobody."""
    back = journey.visit(journey.open(journey.begin(redirect_to="/late").url).location)
    journey.pass_time(minutes=15)

    landed = journey.open(back)

    assert landed.location == f"{APP}/late?convexAuthError=expired"
    assert journey.open(back).status == 400
    assert exchanges(github) == 0


def test_a_callback_counts_once(journey: Journey, github: FakeGithub) -> None:
    """O2: twice, and at the same time: one exchange, one code; the others get a page."""
    back = journey.visit(journey.open(journey.begin().url).location)

    seen = journey.open_together(back, back, back)

    assert sorted(answer.status for answer in seen) == [302, 400, 400]
    assert exchanges(github) == 1
    assert journey.open(back).status == 400
    assert exchanges(github) == 1


def test_a_code_without_its_verifier_is_worth_nothing(journey: Journey) -> None:
    """O3, O6: somebody else's link signs nobody in and touches no session; the right client still gets in."""
    victim = journey.sign_in().grant.session
    landed, verifier = journey.go()
    sessions = journey.table("_auth_sessions")

    for wrong in (None, "", "wrong", verifier[:-1]):
        assert journey.redeem(landed.code, wrong, session=victim) is None
    assert journey.table("_auth_sessions") == sessions

    assert journey.redeem(landed.code, verifier) is not None


def test_a_callback_in_another_browser_makes_nobody_a_user(journey: Journey) -> None:
    """O4: whoever's browser brings it back, only the client that began redeems; before that there is no user."""
    landed, verifier = journey.go()

    assert journey.table("_auth_users") == []
    assert journey.table("_auth_accounts") == []
    assert journey.redeem(landed.code, "the victim's") is None
    assert journey.table("_auth_users") == []
    assert journey.redeem(landed.code, verifier) is not None


def test_guessing_ends_the_flow(journey: Journey) -> None:
    """O5: ten tries with the flow's verifier and a wrong code, and the right code is worth nothing any more."""
    landed, verifier = journey.go()
    assert len(landed.code) >= 43  # 256 bits

    for number in range(9):
        assert journey.redeem(f"guess {number}", verifier) is None
    assert len(journey.table("_auth_flows")) == 1
    journey.redeem("guess 10", verifier)

    assert journey.redeem(landed.code, verifier) is None
    assert journey.is_untouched


def test_stealing_ends_the_flow(journey: Journey) -> None:
    """O5: ten tries with the right code and a wrong verifier end it as well."""
    landed, verifier = journey.go()

    for number in range(10):
        assert journey.redeem(landed.code, f"guess {number}") is None

    assert journey.redeem(landed.code, verifier) is None


def test_nine_wrong_tries_are_forgiven(journey: Journey) -> None:
    """O6: within the budget the right client still gets in."""
    landed, verifier = journey.go()

    for number in range(9):
        journey.redeem(landed.code, f"guess {number}")

    assert journey.redeem(landed.code, verifier) is not None


def test_a_code_is_redeemed_once(journey: Journey, monkeypatch: pytest.MonkeyPatch) -> None:
    """O7: the second time is null, opens no session, and is in the log."""
    warned: list[str] = []
    monkeypatch.setattr(flow.log, "warning", lambda event, **_: warned.append(event), raising=False)
    landed, verifier = journey.go()
    journey.redeem(landed.code, verifier)
    sessions = journey.table("_auth_sessions")

    assert journey.redeem(landed.code, verifier) is None

    assert journey.table("_auth_sessions") == sessions
    assert only(journey.table("_auth_flows"))["spent"] is True
    assert warned == ["a code was redeemed twice"]


def test_a_code_holds_two_minutes(journey: Journey) -> None:
    """O5: after that it is worth nothing, and nobody was made a user."""
    landed, verifier = journey.go()
    journey.pass_time(minutes=2)

    assert journey.redeem(landed.code, verifier) is None
    assert journey.table("_auth_users") == []


def test_a_code_is_its_providers(start: Start, github: FakeGithub) -> None:
    """O8: redeemed at another provider it is null, and survives; nor does a state of one come back at another."""
    github.callback = f"{SITE}/api/auth/callback"
    try:
        journey = start({"github": github_settings(github), "other": github_settings(github)})
        landed, verifier = journey.go("github")
        assert journey.redeem_at("other", landed.code, verifier) == Pending()
        assert isinstance(journey.redeem_at("github", landed.code, verifier), Granted)

        back = journey.visit(journey.open(journey.begin("github").url).location)
        assert journey.open(back.replace("/callback/github", "/callback/other")).status == 400
        assert journey.open(back).status == 302
    finally:
        github.callback = f"{SITE}/api/auth/callback/github"


@pytest.mark.parametrize("iss", ["right", "absent"])
def test_github_may_say_who_it_is_or_not(journey: Journey, github: FakeGithub, iss: str) -> None:
    """O11: GitHub has begun, stopped and begun again to send `iss`; both sign in."""
    github.switch(iss=iss)

    journey.sign_in()


def test_another_issuer_is_refused_before_the_exchange(journey: Journey, github: FakeGithub) -> None:
    """O11: an answer that says it is another provider's is a failed flow, and the code goes to nobody."""
    github.switch(iss="wrong")

    assert_failed(journey, journey.go()[0])
    assert exchanges(github) == 0


@pytest.mark.parametrize("token", ["500", "html", "redirect", "no_access_token", "huge", "bad_code"])
def test_a_broken_exchange_is_no_sign_in(journey: Journey, github: FakeGithub, token: str) -> None:
    """O14: an error with status 200, a page, a redirect, a flood, no token: back to the app, with an error."""
    github.switch(token=token)

    assert_failed(journey, journey.go()[0])
    assert exchanges(github) == 1
    assert github.journal.at("/elsewhere") == []
    assert github.journal.at("/api/v3/user") == []


def test_a_slow_exchange_is_given_up(start: Start, github: FakeGithub) -> None:
    """O14: a provider that takes its time signs nobody in, and the browser is not left waiting."""
    journey = start({"github": github_settings(github)}, total_s=0.5)
    github.switch(token="slow")

    assert_failed(journey, journey.go()[0])


@pytest.mark.parametrize("persona", ["id_missing", "id_zero", "id_object", "id_undefined", "id_null", "id_true"])
def test_an_id_that_is_none_is_nobody(journey: Journey, github: FakeGithub, persona: str) -> None:
    """O15: never two people on one account: no id, zero, a word for nothing are a failed sign-in."""
    github.switch(persona=persona)

    assert_failed(journey, journey.go()[0])


@pytest.mark.parametrize(("authorize", "error"), [("deny", "access_denied"), ("suspended", "oauth_error")])
def test_who_changes_their_mind_stays_who_they_were(
    journey: Journey, github: FakeGithub, authorize: str, error: str
) -> None:
    """O16: back in the app with an error parameter, signed in as before."""
    journey.sign_in()
    before = journey.rows()
    github.switch(authorize=authorize)

    landed, _ = journey.go(session=before["_auth_sessions"][0]["_id"])

    assert (landed.error, "code" in landed.parameters) == (error, False)
    assert journey.rows() == before


def test_parameters_given_twice_are_refused(journey: Journey, github: FakeGithub) -> None:
    """O17: two codes or two states are a page of 400; nothing is exchanged, and the flow is still there."""
    github.switch(authorize="duplicate")
    back = journey.visit(journey.open(journey.begin().url).location)

    assert journey.open(back).status == 400
    assert exchanges(github) == 0

    once = f"{back.partition('?')[0]}?{'&'.join(dict.fromkeys(urlsplit(back).query.split('&')))}"
    assert journey.open(once).status == 302


def test_who_signs_in_while_signed_in_replaces_the_session(journey: Journey, github: FakeGithub) -> None:
    """S3: the session that began the flow ends, though the code was redeemed on a page that knew nobody yet."""
    first = journey.sign_in().grant
    github.switch(persona="private")
    landed, verifier = journey.go(session=first.session)

    second = journey.redeem(landed.code, verifier)

    assert second is not None
    assert second.grant.ended == [first.session]
    assert second.grant.user != first.user
    assert only(journey.table("_auth_sessions"))["_id"] == second.grant.session


HOOK = """
    from typing import Any
    from joelclaw import AppError, MutationCtx, mutation
    from schema import User

    @mutation
    def arrived(ctx: MutationCtx, provider: str, initiating_user: str | None, name: str | None) -> str:
        if name == "nobody":
            raise AppError("we are full")
        return ctx.db.insert(User(name=name or "?", came_as=initiating_user))
"""
SCHEMA = """
    from joelclaw import Table

    class User(Table):
        __table__ = "users"
        name: str
        came_as: str | None
"""


@pytest.fixture
def hooked(start: Start, github: FakeGithub) -> Journey:
    """An app with a mutation of its own for whoever arrives."""
    files = {"schema.py": SCHEMA, "people.py": HOOK}
    return start({"github": github_settings(github)}, files=files, hook="people.arrived")


def test_the_app_is_told_who_began(hooked: Journey, github: FakeGithub) -> None:
    """O20: while the session goes on, the app's mutation hears whose it was, and may link."""
    first = hooked.sign_in().grant
    github.switch(persona="private")

    hooked.sign_in(session=first.session)

    assert [user["cameAs"] for user in hooked.table("users")] == [None, first.user]


def test_a_session_that_has_ended_links_nothing(hooked: Journey, github: FakeGithub) -> None:
    """O20: it ended before the browser was back: a plain sign-in, of somebody new."""
    first = hooked.sign_in().grant
    github.switch(persona="private")
    landed, verifier = hooked.go(session=first.session)
    hooked.app.mutate("_system/auth/sessions:signOut", session=first.session)

    second = hooked.redeem(landed.code, verifier)

    assert second is not None
    assert [user["cameAs"] for user in hooked.table("users")] == [None, None]


def test_an_app_that_refuses_undoes_everything(hooked: Journey, github: FakeGithub) -> None:
    """The app's refusal reaches who named the provider, a page gets null; no row is made."""
    github.personas["public"] = Persona(
        person(7, "nobody", name="nobody"), [address("nobody@example.com", primary=True)]
    )
    landed, verifier = hooked.go()
    before = hooked.rows()

    assert hooked.redeem(landed.code, verifier) is None
    with pytest.raises(Exception, match="we are full"):
        hooked.redeem_at("github", landed.code, verifier)

    assert hooked.rows() == before
    assert hooked.table("users") == []


# -- rows


def test_rows_of_a_flow_hold_nothing_to_sign_in_with(journey: Journey, github: FakeGithub) -> None:
    """F10: no id, verifier, state, PKCE verifier, nonce, code or address of somebody is in a row, at any step."""
    redirect = journey.begin()
    secrets = [redirect.verifier, parse_qs(urlsplit(redirect.url).query)["code"][0]]
    dumps = [str(journey.rows())]
    away = journey.open(redirect.url)
    secrets.append(away.parameters["state"][0])
    dumps.append(str(journey.rows()))
    landed = journey.open(journey.visit(away.location))
    form = parse_qs(only_entry(github, "/login/oauth/access_token").body)
    secrets += [landed.code, form["code_verifier"][0], "mona@example.com", *github.tokens]
    dumps.append(str(journey.rows()))

    assert not any(secret in dump for secret in secrets for dump in dumps)


def test_starts_have_a_budget(journey: Journey) -> None:
    """O21: of a thousand flows that one network begins at once most are refused, with a time, and have no row."""
    refused = []
    for _ in range(1_000):
        try:
            journey.begin()
        except SignInRefused as refusal:
            refused.append(refusal)

    assert len(journey.table("_auth_flows")) == 1_000 - len(refused) == 300
    assert refused[0].reason_code == "RATE_LIMITED"
    assert refused[0].retry_after_s == pytest.approx(0.75)

    journey.pass_time(seconds=1)
    journey.begin()


def test_flows_that_nobody_finishes_go_by_themselves(journey: Journey) -> None:
    """O21: they are swept some time after they have ended, and nothing else was made of them."""
    for _ in range(20):
        journey.begin()
    assert journey.app.query("_system/expiry:due") == []
    journey.pass_time(minutes=31)

    for due in journey.app.query("_system/expiry:due"):
        journey.app.mutate("_system/expiry:sweep", **due)

    assert journey.is_untouched


def test_a_flow_can_be_opened_again_but_not_for_ever(journey: Journey, github: FakeGithub) -> None:
    """H4: a browser that fetches ahead harms nothing: only the newest state counts. After ten times it is over."""
    redirect = journey.begin()
    first, second = journey.open(redirect.url), journey.open(redirect.url)

    assert first.parameters["state"] != second.parameters["state"]
    assert journey.open(journey.visit(first.location)).status == 400
    for _ in range(8):
        last = journey.open(redirect.url)
        assert last.status == 302
    assert journey.open(redirect.url).status == 400
    landed = journey.open(journey.visit(last.location))
    assert journey.redeem(landed.code, redirect.verifier) is not None


def test_a_late_start_leads_back_to_the_app(journey: Journey) -> None:
    """An address that has expired is a page with a link to where somebody came from; so is one that was used."""
    late = journey.begin(redirect_to="/here")
    journey.pass_time(minutes=15)
    used = journey.begin(redirect_to="/there")
    journey.open(journey.visit(journey.open(used.url).location))

    seen = journey.open(late.url)
    assert (seen.status, f'href="{APP}/here"' in seen.body) == (400, True)
    seen = journey.open(used.url)
    assert (seen.status, f'href="{APP}/there"' in seen.body) == (400, True)
