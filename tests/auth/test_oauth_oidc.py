"""`joelclaw.auth.oauth`: OpenID providers, what they sign, and what is not believed of it."""

from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import parse_qs

import pytest

from joelclaw.auth import outbound
from joelclaw.auth.oauth.id_tokens import TOKEN_BYTES, TokenWrong, verified_claims
from joelclaw.auth.oauth.profiles import text
from joelclaw.auth.oauth.steps import Onward
from tests.auth.conftest import Start
from tests.auth.fake_oidc import PERSON, FakeOidc
from tests.auth.journey import APP, SITE, Journey, oidc_settings


@pytest.fixture
def journey(start: Start, oidc: FakeOidc) -> Journey:
    return start({"acme": oidc_settings(oidc)})


def assert_failed(journey: Journey) -> None:
    """The browser is back in the app with an error, and nothing is left of the flow."""
    landed, _ = journey.go()
    assert landed.status == 302
    assert landed.location == f"{APP}?convexAuthError=oauth_error"
    assert journey.is_untouched


def account(journey: Journey) -> dict[str, Any]:
    [row] = journey.table("_auth_accounts")
    return row


# -- as it should be


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_what_the_provider_signs_is_who_somebody_is(journey: Journey, oidc: FakeOidc, algorithm: str) -> None:
    """Discovery, exchange, signature, nonce and at_hash: the subject, name, address and picture of the id_token."""
    oidc.switch(algorithm=algorithm)

    journey.sign_in()

    found = account(journey)
    assert (found["provider"], found["accountId"]) == ("acme", PERSON["sub"])
    assert (found["name"], found["email"], found["emailVerified"]) == ("Jane Doe", "Jane.Doe@example.com", True)
    assert found["linkingAddress"] == "jane.doe@example.com"
    assert found["image"] == PERSON["picture"]
    assert oidc.journal.at("/userinfo") == []  # Nothing was missing.


def test_state_challenge_and_nonce_go_along(journey: Journey, oidc: FakeOidc) -> None:
    """O10, O12: every OpenID provider gets state, S256 and a nonce, and each open has others."""
    redirect = journey.begin()

    first, second = (journey.open(redirect.url).parameters for _ in range(2))

    assert first["scope"] == ["openid profile email"]
    assert first["code_challenge_method"] == ["S256"]
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name][0]) >= 43
        assert first[name] != second[name]


def test_without_pkce_the_nonce_remains(journey: Journey, oidc: FakeOidc) -> None:
    """O10: a provider that says nothing about PKCE gets a challenge all the same, and may ignore it."""
    oidc.switch(pkce=False)

    away = journey.open(journey.begin().url)
    assert away.parameters["code_challenge_method"] == ["S256"]
    assert "nonce" in away.parameters

    journey.sign_in()


def test_plain_is_never_sent(journey: Journey, oidc: FakeOidc) -> None:
    """O10: a provider that declares other challenge methods only gets none, and no verifier in the clear."""
    oidc.metadata["code_challenge_methods_supported"] = ["plain"]

    away = journey.open(journey.begin().url)
    assert "code_challenge" not in away.parameters
    assert "code_challenge_method" not in away.parameters

    journey.sign_in()
    [exchange] = oidc.journal.at("/token")
    assert "code_verifier" not in parse_qs(exchange.body)


def test_the_secret_is_presented_as_the_provider_wants(journey: Journey, oidc: FakeOidc) -> None:
    """By header, which is the standard's default; in the form, where discovery offers it."""
    journey.sign_in()
    assert oidc.journal.at("/token")[0].headers["authorization"].startswith("Basic ")

    oidc.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    journey.pass_time(hours=2)  # Discovery is kept for a while.
    journey.sign_in()

    again = oidc.journal.at("/token")[1]
    assert "authorization" not in again.headers
    assert parse_qs(again.body)["client_secret"] == [oidc.client_secret]


def test_keys_are_asked_for_when_they_are_needed(journey: Journey, oidc: FakeOidc) -> None:
    """A provider that has replaced its keys signs people in at once, and its old keys nobody."""
    journey.sign_in()

    oidc.rotate()
    journey.sign_in()

    oidc.switch(id_token="withdrawn_key")
    assert journey.go()[0].error == "oauth_error"


def test_a_thin_token_is_completed_by_userinfo(journey: Journey, oidc: FakeOidc) -> None:
    """What the id_token does not say, userinfo does."""
    oidc.switch(thin=True)

    journey.sign_in()

    assert (account(journey)["name"], account(journey)["emailVerified"]) == ("Jane Doe", True)
    [asked] = oidc.journal.at("/userinfo")
    assert asked.headers["authorization"].startswith("Bearer ")


def test_a_provider_without_userinfo_says_what_it_says(journey: Journey, oidc: FakeOidc) -> None:
    """A thin id_token and nobody to ask: an account by its subject alone."""
    oidc.switch(thin=True, userinfo="absent")

    journey.sign_in()

    assert (account(journey)["accountId"], account(journey)["email"]) == (PERSON["sub"], None)


@pytest.mark.parametrize(
    ("said", "verified"), [(True, True), ("true", True), (False, False), (None, False), (1, False)]
)
def test_an_address_is_verified_where_the_provider_says_so(
    journey: Journey, oidc: FakeOidc, said: Any, verified: bool
) -> None:
    """P13: anything but a plain yes is no; an address that is not verified links nothing."""
    oidc.switch(claims={"email_verified": said})

    journey.sign_in()

    assert account(journey)["emailVerified"] is verified
    assert ("linkingAddress" in account(journey)) is verified


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded;charset=UTF-8"]
)
def test_a_provider_may_answer_with_a_form(start: Start, oidc: FakeOidc, content_type: str) -> None:
    """O18, H1: form_post works with and without a charset, from another site, without a cookie; and becomes a GET."""
    journey = start({"acme": oidc_settings(oidc, form_post=True)})
    redirect = journey.begin()
    away = journey.open(redirect.url)
    assert away.parameters["response_mode"] == ["form_post"]
    assert "set-cookie" not in away.headers
    action, body = journey.visit_form(away.location)

    landed = journey.request("POST", action, headers={"Content-Type": content_type, "Origin": oidc.issuer}, body=body)

    assert landed.status == 303
    assert journey.redeem(landed.code, redirect.verifier) is not None


def test_a_promised_issuer_must_come(journey: Journey, oidc: FakeOidc) -> None:
    """O11: where discovery promises `iss`, its absence is a failed flow; where it does not, it is none."""
    oidc.switch(iss="absent")
    assert_failed(journey)
    assert oidc.journal.at("/token") == []

    oidc.switch(promises_iss=False)
    journey.pass_time(hours=2)
    journey.sign_in()


# -- what is refused


def test_another_issuer_is_refused(journey: Journey, oidc: FakeOidc) -> None:
    """O11: mix-up: the code of another provider is never sent anywhere."""
    oidc.switch(iss="wrong")

    assert_failed(journey)
    assert oidc.journal.at("/token") == []


@pytest.mark.parametrize(
    "fault",
    [
        "missing",
        "garbage",
        "alg_none",
        "hs256_with_secret",
        "foreign_key",
        "unknown_kid",
        "wrong_aud",
        "extra_aud",
        "foreign_azp",
        "wrong_iss",
        "expired",
        "from_the_future",
        "nonce_missing",
        "nonce_different",
        "at_hash_wrong",
        "at_hash_number",
        "sub_missing",
        "sub_empty",
        "exp_text",
    ],
)
@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_an_id_token_with_a_fault_signs_nobody_in(journey: Journey, oidc: FakeOidc, fault: str, algorithm: str) -> None:
    """O12: signature, algorithm, audience, issuer, times, nonce, at_hash: one wrong, and it is no sign-in."""
    oidc.switch(id_token=fault, algorithm=algorithm)

    assert_failed(journey)
    assert len(oidc.journal.at("/token")) == 1


def test_more_audiences_need_an_authorized_party(journey: Journey, oidc: FakeOidc) -> None:
    """O12: with `azp` naming us, another audience does no harm."""
    oidc.switch(id_token="extra_aud_with_azp")

    journey.sign_in()


def test_at_hash_is_checked_where_it_is(journey: Journey, oidc: FakeOidc) -> None:
    """O12: the code flow may leave it out."""
    oidc.switch(at_hash=False)

    journey.sign_in()


def test_an_id_token_that_is_huge_is_not_looked_at() -> None:
    """O12: beyond 16 KiB it is refused unread."""
    with pytest.raises(TokenWrong, match="larger than"):
        verified_claims("a" * (TOKEN_BYTES + 1), [], issuer="i", client_id="c", nonce="n", access_token="t", now_s=0.0)


@pytest.mark.parametrize(
    "header", ["[" * 10_000, '"text"', "{}", '{"alg":7}', '{"alg":["RS256"]}', '{"alg":"RS256","kid":{}}']
)
def test_a_header_that_is_none_is_refused(header: str) -> None:
    """O12: whatever stands in place of an id_token's header, however deep."""
    token = f"{urlsafe_b64encode(header.encode()).decode().rstrip('=')}.e30.e30"
    keys = [{"kty": "RSA", "n": 7, "e": None}, "no key", {"kty": "RSA", "kid": "x"}]

    with pytest.raises(TokenWrong):
        verified_claims(token, keys, issuer="i", client_id="c", nonce="n", access_token="t", now_s=0.0)


def test_a_key_that_cannot_be_read_hides_no_other(
    journey: Journey, oidc: FakeOidc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside keys of other forms, and ones that are broken, the right one still verifies."""
    published = oidc.jwks()["keys"]
    broken = [7, {}, {"kty": "RSA", "n": 7, "e": None}, {"kty": "RSA"}, {"kty": "oct", "k": "AAAA"}]
    monkeypatch.setattr(oidc, "jwks", lambda: {"keys": [*broken, *published]})

    journey.sign_in()


def test_text_that_nothing_can_store_is_none() -> None:
    """Half a surrogate pair in a name, as JSON can spell it, is a missing name, and no crash."""
    said = {"name": "\ud800", "nickname": " jane ", "picture": 7, "email": "  "}

    assert text(said, "name", "nickname") == "jane"
    assert text(said, "picture", "email", "absent") is None


@pytest.mark.parametrize("userinfo", ["another_sub", "no_sub", "500"])
def test_userinfo_of_somebody_else_is_refused(journey: Journey, oidc: FakeOidc, userinfo: str) -> None:
    """O13: the subject of userinfo is that of the id_token, or nobody's."""
    oidc.switch(thin=True, userinfo=userinfo)

    assert_failed(journey)


@pytest.mark.parametrize("sub", [0, 7.5, {"a": 1}, ["x"], "undefined", " ", "x" * 256, "a\nb"])
def test_a_subject_that_is_none_is_nobody(journey: Journey, oidc: FakeOidc, sub: Any) -> None:
    """O15: no id that two people could have."""
    oidc.switch(claims={"sub": sub})

    assert_failed(journey)


@pytest.mark.parametrize("discovery", ["wrong_issuer", "redirect", "html", "500"])
def test_discovery_that_cannot_be_believed_sends_nobody_away(journey: Journey, oidc: FakeOidc, discovery: str) -> None:
    """O14, O19: the browser is back in the app with an error before it ever left."""
    oidc.switch(discovery=discovery)

    landed = journey.open(journey.begin().url)

    assert landed.location == f"{APP}?convexAuthError=oauth_error"
    assert oidc.journal.at("/elsewhere") == []


@pytest.mark.parametrize("jwks", ["500", "redirect"])
def test_keys_that_cannot_be_had_verify_nothing(journey: Journey, oidc: FakeOidc, jwks: str) -> None:
    """O14, O19: without the provider's own keys no signature is believed, and no redirect to others followed."""
    oidc.switch(jwks=jwks)

    assert_failed(journey)
    assert oidc.journal.at("/elsewhere") == []


@pytest.mark.parametrize("endpoint", ["token_endpoint", "jwks_uri", "userinfo_endpoint"])
@pytest.mark.parametrize("inwards", ["http://169.254.169.254/latest/", "http://[::1]:1/x", "http://10.0.0.1/"])
def test_endpoints_that_point_inwards_are_not_asked(
    start: Start, oidc: FakeOidc, monkeypatch: pytest.MonkeyPatch, endpoint: str, inwards: str
) -> None:
    """O19: a public provider whose discovery names an address inside is refused; only the fake's passes for public."""
    monkeypatch.setattr(outbound, "is_public", lambda address: address == "127.0.0.1")
    journey = start({"acme": oidc_settings(oidc, private_network=False)})
    oidc.switch(thin=True)
    oidc.metadata[endpoint] = inwards

    assert_failed(journey)


def test_discovery_on_a_private_network_is_refused(start: Start, oidc: FakeOidc) -> None:
    """O19: an issuer inside is asked only if its table says that it is meant to be there."""
    journey = start({"acme": oidc_settings(oidc, private_network=False)})

    landed = journey.open(journey.begin().url)

    assert landed.error == "oauth_error"
    assert oidc.journal.entries == []


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", 7, None])
def test_an_authorization_endpoint_that_is_none_leads_nowhere(journey: Journey, oidc: FakeOidc, url: Any) -> None:
    """H5, O19: a browser is sent to web servers only."""
    oidc.metadata["authorization_endpoint"] = url

    landed = journey.open(journey.begin().url)

    assert landed.location == f"{APP}?convexAuthError=oauth_error"


def test_outside_development_everything_is_https(start: Start, oidc: FakeOidc) -> None:
    """O19: a provider on plain http is never asked in production."""
    journey = start({"acme": oidc_settings(oidc)}, development=False)

    assert journey.open(journey.begin().url).error == "oauth_error"
    assert oidc.journal.entries == []


# -- HTTP


def test_every_answer_keeps_to_itself(journey: Journey, oidc: FakeOidc) -> None:
    """R8, H1, H2, H3: no store, no referrer, no sniffing, no cookie, no CORS; pages cannot be framed."""
    redirect = journey.begin()
    away = journey.open(redirect.url)
    landed = journey.open(journey.visit(away.location))
    page = journey.open(f"{SITE}/api/auth/callback/acme?state=x")
    unknown = journey.open(f"{SITE}/api/auth/signin/nobody?code=x")

    for seen in (away, landed, page, unknown):
        assert seen.headers["cache-control"] == "no-store"
        assert seen.headers["referrer-policy"] == "no-referrer"
        assert seen.headers["x-content-type-options"] == "nosniff"
        assert not any(name.startswith("access-control-") or name == "set-cookie" for name in seen.headers)
    for seen in (page, unknown):
        assert seen.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert seen.headers["content-type"] == "text/html; charset=utf-8"


def test_the_host_of_a_request_counts_for_nothing(journey: Journey) -> None:
    """R6: the callback is where the deployment says that it is, whatever the request says of its host."""
    evil = {"Host": "evil.example.com", "X-Forwarded-Host": "evil.example.com", "Forwarded": "host=evil.example.com"}

    away = journey.request("GET", journey.begin().url, headers=evil)

    assert away.parameters["redirect_uri"] == [f"{SITE}/api/auth/callback/acme"]
    assert "evil" not in away.location


@pytest.mark.parametrize(
    "id", ["nobody", "../acme", "..%2Facme", "acme%2F..", "acme/x", "", "ACME", "acme%00", "acme.json", "%61cme"]
)
def test_a_provider_is_looked_up_and_nothing_else(journey: Journey, id: str) -> None:
    """R9: whatever stands in the path that is no provider's id gets the same page of 404."""
    pages = [journey.open(f"{SITE}/api/auth/{way}/{id}?code=x&state=y") for way in ("signin", "callback")]

    assert {page.status for page in pages} == {404}
    assert len({page.body for page in pages}) == 1
    assert journey.is_untouched


def test_a_slash_at_the_end_is_forgiven(journey: Journey) -> None:
    """The one thing that proxies add."""
    redirect = journey.begin()

    away = journey.open(redirect.url.replace("/acme?", "/acme/?"))
    back = journey.visit(away.location).replace("/acme?", "/acme/?")

    assert journey.redeem(journey.open(back).code, redirect.verifier) is not None


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_only_a_get_opens_a_flow(journey: Journey, method: str) -> None:
    """H4: other methods, HEAD above all, are 405 and change no row."""
    redirect = journey.begin()
    before = journey.rows()

    seen = journey.request(method, redirect.url)

    assert (seen.status, seen.headers["allow"]) == (405, "GET")
    assert journey.rows() == before


@pytest.mark.parametrize("method", ["HEAD", "PUT", "OPTIONS"])
def test_a_callback_is_a_get_or_a_form(journey: Journey, oidc: FakeOidc, method: str) -> None:
    """H4: anything else is 405, claims nothing, and the browser's own request still counts."""
    redirect = journey.begin()
    back = journey.visit(journey.open(redirect.url).location)

    seen = journey.request(method, back)

    assert (seen.status, seen.headers["allow"]) == (405, "GET, POST")
    assert oidc.journal.at("/token") == []
    assert journey.open(back).code


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b'{"state":"x"}', 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("", b"state=x", 415),
        ("application/x-www-form-urlencoded", b"state=" + b"x" * 2**20, 413),
        ("application/x-www-form-urlencoded", b"state=x&state=y", 400),
        ("application/x-www-form-urlencoded", b"state=%ff", 400),
        ("application/x-www-form-urlencoded", "state=\u00e9".encode(), 400),
        ("application/x-www-form-urlencoded", b"&".join(b"p%d=1" % number for number in range(100)), 400),
        ("application/x-www-form-urlencoded", b"", 400),
    ],
)
def test_a_form_is_read_with_care(
    journey: Journey, oidc: FakeOidc, content_type: str, body: bytes, status: int
) -> None:
    """O17, O18: another type 415, too much of it 413, parameters twice or unreadable 400; nothing is exchanged."""
    before = journey.rows()

    seen = journey.request("POST", f"{SITE}/api/auth/callback/acme", headers={"Content-Type": content_type}, body=body)

    assert seen.status == status
    assert (oidc.journal.entries, journey.rows()) == ([], before)


def test_an_address_without_a_flow_is_a_dead_end(journey: Journey) -> None:
    """R3: no flow, an unknown one, one given twice: a page, and no row."""
    redirect = journey.begin()
    before = journey.rows()

    for query in ("", "?code=", "?code=unknown", f"?{redirect.url.partition('?')[2]}&code=two", f"?code={'x' * 9000}"):
        assert journey.open(f"{SITE}/api/auth/signin/acme{query}").status == 400

    assert journey.rows() == before


def test_a_page_repeats_nothing_of_the_request(journey: Journey) -> None:
    """H5: text of the request is in no page, header or status, also where it is an error of the provider."""
    evil = "%3Cscript%3Ealert(1)%3C/script%3E"

    seen = journey.open(f"{SITE}/api/auth/callback/acme?state={evil}&error={evil}&error_description={evil}%0d%0aX:y")

    assert "script" not in seen.body
    assert "script" not in str(seen.headers)


def test_an_error_of_the_provider_is_not_repeated_to_the_app(journey: Journey, oidc: FakeOidc) -> None:
    """H5: the app hears one of our words, whatever the provider's answer says."""
    away = journey.open(journey.begin().url)
    state = away.parameters["state"][0]

    landed = journey.open(f"{SITE}/api/auth/callback/acme?state={state}&iss={oidc.issuer}&error=evil%0d%0aX:y")

    assert landed.location == f"{APP}?convexAuthError=oauth_error"


def test_an_address_cannot_break_out_of_its_header(journey: Journey, monkeypatch: pytest.MonkeyPatch) -> None:
    """H5: whatever an address has in it, its header has none of it but percent signs."""

    async def leave(flow: str) -> Onward:
        return Onward("https://a.example/caf\u00e9?q=\u4f60 \r\nSet-Cookie: a=b&z=%20#f")

    monkeypatch.setattr(journey.methods["acme"], "leave", leave)

    seen = journey.open(f"{SITE}/api/auth/signin/acme?code=x")

    assert seen.location == "https://a.example/caf%C3%A9?q=%E4%BD%A0%20%0D%0ASet-Cookie:%20a=b&z=%20#f"


def test_a_full_disk_is_a_page_that_says_when_to_come_back(journey: Journey, oidc: FakeOidc) -> None:
    """A flow that cannot be written now is 503, nothing is exchanged, and it goes on afterwards."""
    redirect = journey.begin()
    away = journey.open(redirect.url)
    back = journey.visit(away.location)

    journey.system.fails = True
    for url in (redirect.url, back):
        seen = journey.open(url)
        assert (seen.status, seen.headers["retry-after"]) == (503, "5")
    assert oidc.journal.at("/token") == []

    journey.system.fails = False
    assert journey.redeem(journey.open(back).code, redirect.verifier) is not None
