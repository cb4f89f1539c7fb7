"""`joelclaw.auth.tokens`: which tokens of other issuers are good, and what functions see of them."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from joelclaw.auth.issuers import Issuer
from joelclaw.auth.jwks import KeySets
from joelclaw.auth.outbound import Outbound
from joelclaw.auth.tokens import IssuerTokens
from joelclaw.clock import MovableClock
from joelclaw.engine.asker import Asker
from joelclaw.errors import TokenRefused
from tests.auth.fake_issuer import (
    SigningKey,
    base64url,
    data_url,
    encoded,
    key_set,
    signed_with_secret,
    signing_key,
    token,
    unsigned,
)

ISSUER = "https://issuer.example.com"
NOW_S = 1_700_000_000
DEEP = b'{"a":' + b"[" * 1_500 + b"]" * 1_500 + b"}"
DEEP_WITHOUT_END = b'{"a":[' * 2_000


def custom(**settings: Any) -> Issuer:
    """An issuer whose keys are declared."""
    usual: dict[str, Any] = {
        "kind": "custom_jwt",
        "name": ISSUER,
        "application_id": "app",
        "algorithms": ("RS256",),
        "jwks": data_url(key_set(signing_key())),
    }
    return Issuer(**usual | settings)


def openid(**settings: Any) -> Issuer:
    """An OpenID issuer. Its keys are where discovery says, usually; here they are at hand."""
    return custom(kind="oidc", algorithms=("RS256", "EdDSA"), **settings)


def claims(**more: Any) -> dict[str, Any]:
    usual = {"iss": ISSUER, "sub": "ann", "aud": "app", "iat": NOW_S, "exp": NOW_S + 60} | more
    return {name: value for name, value in usual.items() if value is not msgspec.UNSET}


class Bench:
    """A verifier of some issuers, and a clock."""

    def __init__(self, *issuers: Issuer) -> None:
        self.issuers = issuers or (custom(),)
        self.clock = MovableClock(NOW_S * 1000.0)
        # Nobody is asked: all keys are declared.
        open_key_sets: Callable[[], KeySets] = lambda: KeySets(Outbound(development=False), self.clock)  # noqa: E731
        self.tokens = IssuerTokens(lambda: self.issuers, self.clock, open_key_sets)

    def verify(self, presented: str) -> Asker:
        return asyncio.run(self.tokens.verify(presented))

    def shown(self, **more: Any) -> dict[str, Any]:
        """The claims of an identity."""
        identity = self.verify(token(signing_key(), claims(**more))).identity
        assert identity is not None
        return identity.claims

    def refusal(self, presented: str) -> TokenRefused:
        with pytest.raises(TokenRefused) as caught:
            self.verify(presented)
        return caught.value


# -- identity


def test_an_identity_is_issuer_and_subject() -> None:
    """AUTH-1: `tokenIdentifier` is issuer, bar, subject, and claims are under their names."""
    asker = Bench().verify(token(signing_key(), claims(favourite="tea")))

    assert asker.identity is not None
    assert (asker.identity.issuer, asker.identity.subject) == (ISSUER, "ann")
    assert asker.identity.token_identifier == f"{ISSUER}|ann"
    assert asker.identity.claims == {"favourite": "tea"}
    assert not asker.admin


def test_openid_claims_have_the_names_that_clients_know() -> None:
    """Standard claims are renamed, the moment of an update becomes a text, of an address its text is left."""
    shown = Bench(openid()).shown(
        given_name="Ann",
        family_name="Lee",
        preferred_username="annl",
        profile="https://a/profile",
        picture="https://a/picture",
        website="https://a",
        email="ann@example.com",
        email_verified=True,
        birthdate="2000-01-01",
        zoneinfo="Europe/Oslo",
        locale="nb",
        phone_number="+47",
        phone_number_verified=False,
        updated_at=1_600_000_000,
        address={"formatted": "Street 1", "country": "NO"},
        name="Ann Lee",
        nickname=None,
        org_id="org_1",
    )

    assert shown == {
        "givenName": "Ann",
        "familyName": "Lee",
        "preferredUsername": "annl",
        "profileUrl": "https://a/profile",
        "pictureUrl": "https://a/picture",
        "websiteUrl": "https://a",
        "email": "ann@example.com",
        "emailVerified": True,
        "birthday": "2000-01-01",
        "timezone": "Europe/Oslo",
        "language": "nb",
        "phoneNumber": "+47",
        "phoneNumberVerified": False,
        "updatedAt": "2020-09-13T12:26:40Z",
        "address": "Street 1",
        "name": "Ann Lee",
        "org_id": "org_1",
    }


def test_a_claim_of_ones_own_does_not_stand_for_a_standard_one() -> None:
    """Whoever may add claims to a token cannot say of an address that it is verified."""
    shown = Bench(openid()).shown(email_verified=False, emailVerified=True)

    assert shown["emailVerified"] is False


def test_claims_of_custom_tokens_keep_their_names_and_are_flat() -> None:
    """Nothing is renamed; objects become keys with dots; lists stay."""
    shown = Bench().shown(email_verified=True, properties={"id": 7, "deep": {"er": "x"}}, roles=["a", {"b": 1}])

    assert shown == {
        "email_verified": True,
        "properties.id": 7,
        "properties.deep.er": "x",
        "roles": ["a", {"b": 1}],
    }


@pytest.mark.parametrize("issuer", [custom(), openid()], ids=["custom", "openid"])
def test_a_renewed_token_makes_an_equal_identity(issuer: Issuer) -> None:
    """T2: what changes with every renewal is not shown: `jti`, `iat`, `nbf`, `exp`, Clerk's `fva`."""
    bench = Bench(issuer)
    first = bench.verify(token(signing_key(), claims(jti="1", nbf=NOW_S, fva=[1, -1], sid="s")))
    bench.clock.advance(timedelta(seconds=50))
    second = bench.verify(
        token(signing_key(), claims(jti="2", nbf=NOW_S + 50, iat=NOW_S + 50, exp=NOW_S + 110, fva=[2, -1], sid="s"))
    )

    assert first.key == second.key
    assert first.identity is not None
    assert first.identity.claims == {"sid": "s"}
    assert second.expires_at - first.expires_at == 50_000


def test_what_binds_a_token_to_its_request_is_not_shown() -> None:
    """Auth0's client renews with another `nonce` each time."""
    bench = Bench(openid())
    first, second = (
        bench.verify(token(signing_key(), claims(nonce=nonce, at_hash=nonce, c_hash=nonce, azp="client")))
        for nonce in ("one", "two")
    )

    assert first.key == second.key


# -- whose token it is


def test_a_token_of_nobody_names_both_sides() -> None:
    """AUTH-6: the token's issuer and audience, and the providers that there are."""
    bench = Bench(custom(), openid(name="https://clerk.example.com", application_id="convex"))
    refusal = bench.refusal(token(signing_key(), claims(iss="https://other.example.com")))

    assert refusal.reason_code == "NoAuthProvider"
    assert str(refusal) == (
        "No auth provider found matching the given token (issuer='https://other.example.com', audience='app'); "
        "configured providers: CustomJWT(issuer=https://issuer.example.com, app_id=app), "
        "OIDC(domain=https://clerk.example.com, app_id=convex)"
    )


@pytest.mark.parametrize("iss", [msgspec.UNSET, None, 7, ["https://issuer.example.com"]])
def test_a_token_without_an_issuer_is_refused(iss: Any) -> None:
    """AUTH-7: the sentence names the claim."""
    refusal = Bench().refusal(token(signing_key(), claims(iss=iss)))

    assert refusal.reason_code == "InvalidAuthHeader"
    assert "no issuer" in str(refusal)


@pytest.mark.parametrize(
    "audience", [msgspec.UNSET, None, "other", ["other"], [], "", {"app": 1}, "appp", ["x", "apps"]]
)
def test_a_token_for_another_application_is_refused(audience: Any) -> None:
    """AUTH-8 (J4): missing or wrong, the answer is that nobody provides for it."""
    assert Bench().refusal(token(signing_key(), claims(aud=audience))).reason_code == "NoAuthProvider"


@pytest.mark.parametrize("audience", ["app", ["app"], ["other", "app"]])
def test_a_token_for_several_applications_is_for_each(audience: Any) -> None:
    """J4: an array counts if ours is in it."""
    assert Bench().verify(token(signing_key(), claims(aud=audience))).identity is not None


@pytest.mark.parametrize("audience", [msgspec.UNSET, "any", ["any", "other"]])
def test_an_issuer_without_an_application_takes_any(audience: Any) -> None:
    """AUTH-8: or none."""
    bench = Bench(custom(application_id=None))

    assert bench.verify(token(signing_key(), claims(aud=audience))).identity is not None


@pytest.mark.parametrize("iss", [ISSUER, f"{ISSUER}/", "issuer.example.com", "issuer.example.com/"])
def test_an_issuer_is_known_with_and_without_a_slash(iss: str) -> None:
    """J4: Auth0's ends in one, its settings do not; identities keep the issuer's own spelling."""
    asker = Bench().verify(token(signing_key(), claims(iss=iss)))

    assert asker.identity is not None
    assert asker.identity.token_identifier == f"{iss}|ann"


@pytest.mark.parametrize(
    "iss", ["https://issuer.example.com.evil.com", "http://issuer.example.com", "https://ISSUER.example.com"]
)
def test_an_issuer_that_looks_like_one_is_none(iss: str) -> None:
    """J4: scheme, host and path are compared as they are."""
    assert Bench().refusal(token(signing_key(), claims(iss=iss))).reason_code == "NoAuthProvider"


def test_the_first_entry_that_fits_decides() -> None:
    """One issuer may have several applications, with keys of their own."""
    another = signing_key("RS256", 2)
    bench = Bench(
        custom(application_id="one", jwks=data_url(key_set(another))),
        custom(application_id="two"),
        custom(application_id=None, jwks=data_url(key_set(another))),
    )

    assert bench.verify(token(signing_key(), claims(aud=["two", "one"][:1]))).identity is not None
    assert bench.verify(token(another, claims(aud="three"))).identity is not None
    bench.refusal(token(signing_key(), claims(aud=["two", "one"])))


# -- signatures


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "nOnE"])
def test_a_token_has_to_be_signed(algorithm: str) -> None:
    """J1: whatever it says of itself."""
    assert Bench().refusal(unsigned(claims(), algorithm)).reason_code == "InvalidAuthHeader"


def test_an_empty_signature_is_none() -> None:
    """J1: under the right algorithm, too."""
    Bench().refusal(token(signing_key(), claims()).rpartition(".")[0] + ".")


@pytest.mark.parametrize("form", ["pem", "pem_pkcs1", "der", "jwk", "n"])
def test_a_public_key_is_no_secret(form: str) -> None:
    """J2: HS256 with our public key in any form: the algorithm is the declared one."""
    public = signing_key().pair.public_key
    secret = {
        "pem": lambda: public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "pem_pkcs1": lambda: public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "der": lambda: public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "jwk": lambda: msgspec.json.encode(signing_key().public()),
        "n": lambda: str(signing_key().public()["n"]).encode(),
    }[form]()

    refusal = Bench().refusal(signed_with_secret(secret, claims()))

    assert "are signed with RS256" in str(refusal)


def test_a_symmetric_key_in_a_set_is_no_key() -> None:
    """J2: not even if the issuer publishes it."""
    secret = b"published by mistake, 32 bytes at"
    published = {"keys": [{"kty": "oct", "k": base64url(secret), "kid": signing_key().kid, "alg": "HS256"}]}

    Bench(custom(jwks=data_url(published))).refusal(signed_with_secret(secret, claims()))


@pytest.mark.parametrize(
    "kid", ["nobody-knows-me", "../../etc/passwd", "' OR 1=1 --", "k" * 10_000, "\x00", "😀", "rs256-1/", "RS256-1"]
)
def test_an_unknown_key_is_refused_by_name(kid: str) -> None:
    """AUTH-9 (J3): a name that is no key's is none, whatever it looks like; a long one is cut."""
    refusal = Bench().refusal(token(signing_key(), claims(), header={"kid": kid}))

    assert str(refusal).startswith("Could not decode token: ")
    assert repr(kid[:80]) in str(refusal)
    assert len(str(refusal)) < 500


@pytest.mark.parametrize("kid", [7, ["rs256-1"], {"a": 1}, True])
def test_a_name_of_a_key_is_text(kid: Any) -> None:
    """J3."""
    Bench().refusal(token(signing_key(), claims(), header={"kid": kid}))


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
def test_keys_in_the_token_are_not_looked_at(name: str) -> None:
    """J3: a token that brings its own key is refused, and one that is good needs none."""
    thief = signing_key("RS256", 2)
    header = {name: thief.public() if name == "jwk" else "https://evil.example.com/keys"}
    bench = Bench()

    assert bench.refusal(token(thief, claims(), header=header | {"kid": signing_key().kid})).reason_code
    assert bench.refusal(token(thief, claims(), header=header | {"kid": None})).reason_code
    assert bench.verify(token(signing_key(), claims(), header=header)).identity is not None


def test_what_has_to_be_understood_is_not() -> None:
    """J3 (RFC 7515, section 4.1.11): we understand no extension."""
    Bench().refusal(token(signing_key(), claims(), header={"crit": ["b64"], "b64": False}))


def test_a_token_without_a_key_is_tried_with_each() -> None:
    """AUTH-9: of those of its algorithm; one that none fits is missing a 'kid'."""
    bench = Bench(custom(jwks=data_url(key_set(signing_key("ES256"), signing_key("RS256", 2), signing_key()))))
    thief = signing_key("RS256", 3)

    assert bench.verify(token(signing_key(), claims(), header={"kid": None})).identity is not None
    refusal = bench.refusal(token(thief, claims(), header={"kid": None}))
    assert "missing a 'kid'" in str(refusal)


def test_a_key_of_the_right_name_has_to_have_signed() -> None:
    """J9: a token of somebody who gives keys the same names."""
    thief = signing_key("RS256", 2)

    Bench().refusal(token(thief, claims(), header={"kid": signing_key().kid}))


@pytest.mark.parametrize("is_known", [False, True])
def test_an_issuer_that_goes_while_it_is_asked_is_gone(is_known: bool) -> None:
    """Whoever comes in with its token then is refused: those who carry one were told before, and nobody tells again."""
    bench = Bench()
    presented = token(signing_key(), claims())
    if is_known:
        bench.verify(presented)

    class Asked(KeySets):
        async def get(self, issuer: Issuer, *, again: bool = False) -> Any:
            keys = await super().get(issuer, again=again)
            bench.issuers = ()
            return keys

    bench.tokens._key_sets = Asked(Outbound(development=False), bench.clock)  # noqa: SLF001

    with pytest.raises(TokenRefused, match="No auth provider found"):
        bench.verify(presented)


def test_a_token_of_another_deployment_is_refused() -> None:
    """J9: by its issuer, or by its key."""
    bench = Bench()
    elsewhere = signing_key("RS256", 2)

    assert bench.refusal(token(elsewhere, claims(iss="https://b.example.com"))).reason_code == "NoAuthProvider"
    assert bench.refusal(token(elsewhere, claims())).reason_code == "InvalidAuthHeader"


@pytest.mark.parametrize(
    ("issuer", "good"),
    [
        (custom(jwks=data_url(key_set(signing_key("ES256"))), algorithms=("ES256",)), "ES256"),
        (openid(jwks=data_url(key_set(signing_key("EdDSA")))), "EdDSA"),
        (openid(), "RS256"),
    ],
    ids=["custom-es256", "openid-eddsa", "openid-rs256"],
)
def test_each_kind_of_issuer_has_its_algorithms(issuer: Issuer, good: Any) -> None:
    """RS256 or ES256 as a custom one says, RS256 and EdDSA for OpenID; each signature is checked."""
    bench = Bench(issuer)
    good_one = token(signing_key(good), claims())

    assert bench.verify(good_one).identity is not None
    changed = good_one[:-8] + ("A" * 8 if good_one[-8:] != "A" * 8 else "B" * 8)
    bench.refusal(changed)
    bench.refusal(good_one.rpartition(".")[0] + ".AAAA")


def test_a_key_is_used_for_its_own_algorithm_only() -> None:
    """J2: an OpenID issuer's RSA key verifies no EdDSA, and an ES256 key of its set nothing at all."""
    bench = Bench(openid(jwks=data_url(key_set(signing_key(), signing_key("ES256")))))
    rsa, curve = signing_key(), signing_key("ES256")

    bench.refusal(token(rsa, claims(), header={"alg": "EdDSA"}))
    bench.refusal(token(curve, claims()))
    bench.refusal(token(curve, claims(), header={"alg": "RS256"}))


@pytest.mark.parametrize(
    "changes", [{"use": "enc"}, {"alg": "RS512"}, {"n": "AQAB"}, {"n": 7}, {"kty": "rsa"}, {"kid": 5}]
)
def test_a_key_that_is_not_for_this_is_left_out(changes: dict[str, Any]) -> None:
    """Encryption keys, keys of other algorithms, short ones and broken ones; the others of the set count."""
    published = {"keys": [signing_key().public() | changes, {"x": 1}, signing_key("RS256", 2).public()]}
    bench = Bench(custom(jwks=data_url(published)))

    bench.refusal(token(signing_key(), claims()))
    assert bench.verify(token(signing_key("RS256", 2), claims())).identity is not None


def test_a_key_that_can_be_broken_is_none() -> None:
    """RFC 7518, section 3.3: RSA has 2,048 bits or more; a good signature of a shorter key counts for nothing."""
    short = SigningKey("RS256", "short", bits=1_024)
    bench = Bench(custom(jwks=data_url(key_set(short, signing_key()))))

    assert "no key with kid" in str(bench.refusal(token(short, claims())))
    assert bench.verify(token(signing_key(), claims())).identity is not None


# -- form


@pytest.mark.parametrize(
    "presented",
    [
        "",
        "x",
        "a.b",
        "a.b.c.d",
        "....",
        "e30.ä.sig",
        "e30.e30.si g",
        "e30.e30.e30=",
        f"{encoded({})}.{base64url(b'[]')}.e30",
        f"{encoded({})}.{base64url(b'{')}.e30",
        f"{encoded({})}.{base64url(b'{}{}')}.e30",
        f"{encoded({})}.{base64url(bytes([255, 254]))}.e30",
        f"{encoded({})}.e3.e30",
        f"{encoded({})}.{base64url(DEEP_WITHOUT_END)}.e30",
        f"{encoded({})}.{base64url(DEEP)}.e30",
    ],
)
def test_what_is_no_token_is_refused(presented: str) -> None:
    """AUTH-10: by its form."""
    assert Bench().refusal(presented).reason_code == "InvalidAuthHeader"


def test_three_parts_are_asked_for() -> None:
    """AUTH-10: in the words that clients know."""
    assert "three base64-encoded parts" in str(Bench().refusal("a.b"))


def test_a_token_has_a_size() -> None:
    """16 KiB; beyond, it is not even read."""
    assert "16,384" in str(Bench().refusal(token(signing_key(), claims(x="x" * 16_384))))


def test_keys_may_be_declared() -> None:
    """AUTH-14: a `data:` URL, encoded either way."""
    text = msgspec.json.encode(key_set(signing_key())).decode()
    for url in (
        f"data:application/json,{text.replace(chr(34), '%22')}",
        data_url(key_set(signing_key())),
        data_url(key_set(signing_key())).replace("application/json", "text/plain;charset=utf-8"),
    ):
        assert Bench(custom(jwks=url)).verify(token(signing_key(), claims())).identity is not None


# -- times


@pytest.mark.parametrize(
    "exp", [msgspec.UNSET, None, "tomorrow", str(NOW_S + 60), True, [], -1, 0, 1e300, 1e12, NOW_S * 1000]
)
def test_a_token_has_to_say_until_when(exp: Any) -> None:
    """J5: missing, no number, long past, or so large that it must be milliseconds."""
    Bench().refusal(token(signing_key(), claims(exp=exp)))


def test_a_time_may_have_a_fraction() -> None:
    """J5 (RFC 7519, section 2)."""
    asker = Bench().verify(token(signing_key(), claims(exp=NOW_S + 60.5, iat=NOW_S - 0.5)))

    assert asker.expires_at == (NOW_S + 65.5) * 1000


@pytest.mark.parametrize("sub", [msgspec.UNSET, None, "", 7, ["ann"]])
def test_a_token_has_to_say_whose_it_is(sub: Any) -> None:
    """The subject is text, and some."""
    assert "'sub'" in str(Bench().refusal(token(signing_key(), claims(sub=sub))))


@pytest.mark.parametrize(("name", "value"), [("nbf", "now"), ("iat", "now"), ("nbf", True), ("iat", [1])])
def test_times_are_numbers(name: str, value: Any) -> None:
    """J5."""
    assert f"'{name}'" in str(Bench().refusal(token(signing_key(), claims(**{name: value}))))


@pytest.mark.parametrize(
    ("apart_s", "good"), [(0, True), (4, True), (4.999, True), (5, False), (6, False), (3_600, False)]
)
def test_clocks_may_differ_at_the_end(apart_s: float, good: bool) -> None:
    """AUTH-12 (J6): a token that ended less than five seconds ago is taken, and says when it ended if it is not."""
    bench = Bench()
    bench.clock.advance(timedelta(seconds=60 + apart_s))
    presented = token(signing_key(), claims())

    if good:
        asker = bench.verify(presented)
        assert asker.expires_at > bench.clock.now_ms(), "let in, and sent away in the same moment"
    else:
        refusal = bench.refusal(presented)
        assert refusal.reason_code == "TokenExpired"
        assert str(refusal) == f"Token expired {apart_s:.0f} seconds ago"


@pytest.mark.parametrize(("ahead_s", "good"), [(4, True), (5, True), (6, False), (3_600, False)])
def test_clocks_may_differ_at_the_beginning(ahead_s: int, good: bool) -> None:
    """J5, J6: `nbf`."""
    bench = Bench()
    presented = token(signing_key(), claims(nbf=NOW_S + ahead_s, exp=NOW_S + 7_200))

    if good:
        assert bench.verify(presented).identity is not None
    else:
        assert str(bench.refusal(presented)).startswith(f"Token will be valid in {ahead_s} seconds")


@pytest.mark.parametrize(("ahead_s", "good"), [(3, True), (60, True), (61, False), (3_600, False)])
def test_a_token_may_seem_to_come_from_the_future(ahead_s: int, good: bool) -> None:
    """AUTH-13 (J5, J6): by a minute, as nothing hangs on it; beyond, the clocks are wrong."""
    bench = Bench()
    presented = token(signing_key(), claims(iat=NOW_S + ahead_s, exp=NOW_S + 7_200))

    if good:
        assert bench.verify(presented).identity is not None
    else:
        assert f"will be valid in {ahead_s} seconds" in str(bench.refusal(presented))


def test_when_a_token_was_issued_need_not_be_said() -> None:
    """AUTH-13: a missing `iat` is accepted."""
    assert Bench().verify(token(signing_key(), claims(iat=msgspec.UNSET))).identity is not None


# -- remembered


def test_a_remembered_token_ends_all_the_same() -> None:
    """What was verified once is not verified again, but it expires."""
    bench = Bench()
    presented = token(signing_key(), claims())
    first = bench.verify(presented)

    assert bench.verify(presented) is first
    bench.clock.advance(timedelta(seconds=65))
    assert bench.refusal(presented).reason_code == "TokenExpired"


@pytest.mark.parametrize(
    "issuers",
    [(), (custom(application_id="another"),), (custom(jwks=data_url(key_set(signing_key("RS256", 2)))),)],
    ids=["none", "another-application", "other-keys"],
)
def test_a_remembered_token_ends_with_its_issuer(issuers: tuple[Issuer, ...]) -> None:
    """A deploy that takes an issuer away, or changes it, takes its tokens away."""
    bench = Bench()
    presented = token(signing_key(), claims())
    bench.verify(presented)

    bench.issuers = issuers

    bench.refusal(presented)


# -- services, as they are declared and as their tokens are


@pytest.mark.parametrize(
    ("issuer", "given", "subject"),
    [
        pytest.param(
            openid(name="https://verb-noun-00.clerk.accounts.dev", application_id="convex"),
            {
                "iss": "https://verb-noun-00.clerk.accounts.dev",
                "aud": "convex",
                "azp": "http://localhost:3000",
                "nbf": NOW_S - 10,
                "jti": "47a7",
                "fva": [0, -1],
                "sid": "sess_1",
                "sub": "user_1",
            },
            "user_1",
            id="clerk",
        ),
        pytest.param(
            openid(name="https://tenant.us.auth0.com", application_id="client-id"),
            {"iss": "https://tenant.us.auth0.com/", "aud": "client-id", "sub": "auth0|5f7c", "nonce": "n", "sid": "s"},
            "auth0|5f7c",
            id="auth0",
        ),
        pytest.param(
            custom(name="https://api.workos.com/user_management/client_123", application_id=None),
            {
                "iss": "https://api.workos.com/user_management/client_123",
                "aud": msgspec.UNSET,
                "sub": "user_01",
                "sid": "session_01",
                "jti": "01H",
            },
            "user_01",
            id="workos",
        ),
        pytest.param(
            custom(name="https://api.workos.com", application_id="client_123"),
            {"iss": "https://api.workos.com/", "aud": "client_123", "sub": "user_01"},
            "user_01",
            id="workos-sso",
        ),
        pytest.param(
            openid(
                name="https://site.example.com", application_id="convex", jwks=data_url(key_set(signing_key("EdDSA")))
            ),
            {"iss": "https://site.example.com", "aud": "convex", "sub": "u1", "sessionId": "s1", "name": "Ann"},
            "u1",
            id="better-auth",
        ),
    ],
)
def test_tokens_of_known_services(issuer: Issuer, given: Mapping[str, Any], subject: str) -> None:
    """Clerk, Auth0, WorkOS and Better Auth, in the forms that their own papers show."""
    algorithm: Any = "EdDSA" if issuer.name == "https://site.example.com" else "RS256"

    asker = Bench(issuer).verify(token(signing_key(algorithm), claims(**given)))

    assert asker.identity is not None
    assert asker.identity.subject == subject
