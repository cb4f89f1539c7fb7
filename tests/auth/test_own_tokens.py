"""The deployment's own tokens, and the keys that they are signed with."""

import asyncio
import hmac
import json
import os
import stat
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws

from joelclaw.auth.keyring import Keyring, Seal, Sealed, SigningKey, file_key, new_server_key, secret_key
from joelclaw.auth.own_tokens import AUDIENCE, LEEWAY_S, ClaimsRefused, OwnTokens
from joelclaw.auth.rotation import OVERLAP_MS, PUBLISHED_BEFORE_MS, Rotation
from joelclaw.clock import MovableClock
from joelclaw.errors import CommandFailed, TokenRefused
from joelclaw.functions.sign_in import SignIn
from tests.functions.deployment import Deployment, deploy

SITE = "https://site.test"
HOUR_MS = 3_600_000.0
FAR = 1e15


@cache
def key(number: int) -> SigningKey:
    """Keys are slow to make, and no test changes one."""
    return SigningKey.generate()


def tokens_with(*keys: SigningKey, clock: MovableClock | None = None, **fields: Any) -> OwnTokens:
    clock = clock or MovableClock()
    return OwnTokens(Keyring(b"k" * 32, keys or [key(1)], clock), clock, issuer=SITE, ttl_ms=HOUR_MS, **fields)


def forged(claims: dict[str, Any], header: dict[str, Any] | None = None, signer: SigningKey | None = None) -> str:
    """A token with any claims, signed by a key of ours."""
    signer = signer or key(1)
    return jws.serialize_compact({"alg": "RS256", "kid": signer.kid, **(header or {})}, json.dumps(claims), signer.pair)


def good_claims(clock: MovableClock, **changed: Any) -> dict[str, Any]:
    now = int(clock.now_ms() / 1000)
    claims = {"sub": "user|session", "iss": SITE, "aud": AUDIENCE, "iat": now, "exp": now + 60, **changed}
    return {name: value for name, value in claims.items() if value is not None}


def payload(token: str, part: int = 1) -> dict[str, Any]:
    raw = token.split(".")[part]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(raw + "=" * (-len(raw) % 4)))
    return found


def encoded(part: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


class TestMinting:
    def test_a_token_says_who_until_when_and_by_which_key(self) -> None:
        """Header and claims are those that clients and other verifiers expect, and it is checked by us."""
        clock = MovableClock()
        tokens = tokens_with(clock=clock)

        token = tokens.mint("user", "session", {"name": "Ann", "picture": "p"}, ends_at=FAR)

        now = int(clock.now_ms() / 1000)
        assert payload(token, 0) == {"alg": "RS256", "kid": key(1).kid, "typ": "JWT"}
        claims = payload(token)
        assert claims.pop("jti")
        assert claims == {
            "sub": "user|session",
            "iss": SITE,
            "aud": "convex",
            "iat": now,
            "exp": now + 3600,
            "name": "Ann",
            "picture": "p",
        }
        asker = tokens.check(token)
        assert asker.identity is not None
        assert (asker.session, asker.identity.token_identifier) == ("session", f"{SITE}|user")
        assert asker.identity.claims == {"name": "Ann", "pictureUrl": "p"}

    def test_no_two_tokens_are_alike_and_all_are_one_asker(self) -> None:
        """J11, T1, T2: minted in one second they differ; what queries see of them does not, so results are shared."""
        tokens = tokens_with()
        first, second = (tokens.mint("user", "session", {}, ends_at=FAR) for _ in range(2))

        assert first != second
        assert tokens.check(first).key == tokens.check(second).key

    def test_a_token_holds_no_longer_than_its_session(self) -> None:
        """F9: the end of a session is the end of its last token."""
        clock = MovableClock()
        token = tokens_with(clock=clock).mint("user", "session", {}, ends_at=clock.now_ms() + 90_000)

        assert payload(token)["exp"] == int(clock.now_ms() / 1000) + 90

    @pytest.mark.parametrize("name", ["sub", "iss", "aud", "iat", "exp", "nbf", "jti"])
    def test_nobody_chooses_what_a_token_says_of_itself(self, name: str) -> None:
        """S7: a claim of a name that is ours is refused, and the sentence names it."""
        with pytest.raises(ClaimsRefused, match=f"'{name}'"):
            tokens_with().mint("user", "session", {name: "x"}, ends_at=FAR)

    def test_a_token_fits_into_a_cookie(self) -> None:
        """S7: claims that make it too large are refused, the largest first."""
        with pytest.raises(ClaimsRefused, match="beginning with story, name"):
            tokens_with().mint("user", "session", {"name": "Ann", "story": "x" * 3_000}, ends_at=FAR)


class TestChecking:
    @pytest.mark.parametrize(
        "changed",
        [
            {"iss": "https://other.test"},
            {"iss": None},
            {"aud": "other"},
            {"aud": None},
            {"aud": ["other"]},
            {"sub": None},
            {"sub": "user"},
            {"sub": "a|b|c"},
            {"exp": None},
            {"exp": "9999999999"},
            {"exp": True},
            {"exp": -1},
            {"iat": None},
            {"iat": 9_999_999_999},
            {"nbf": 9_999_999_999},
        ],
    )
    def test_what_a_token_must_say_it_must_say(self, changed: dict[str, Any]) -> None:
        """J4, J5, J9: signed by us, and of another issuer, for others, without an end, or not yet: refused."""
        clock = MovableClock()
        tokens = tokens_with(clock=clock)

        with pytest.raises(TokenRefused):
            tokens.check(forged(good_claims(clock, **changed)))
        tokens.check(forged(good_claims(clock, iss=f"{SITE}/", aud=["other", AUDIENCE])))

    def test_the_algorithm_is_ours_to_choose(self) -> None:
        """J1, J2, J3: no signature, one made with our public key as a secret, keys that the token brings along."""
        clock = MovableClock()
        tokens = tokens_with(clock=clock)
        claims = good_claims(clock)
        body = encoded(claims)
        signed_part = f"{encoded({'alg': 'HS256', 'kid': key(1).kid})}.{body}"
        mac = hmac.digest(key(1).pair.as_pem(private=False), signed_part.encode(), "sha256")
        stranger = forged(claims, {"kid": key(1).kid, "jku": "https://evil.test"}, key(2))
        signed = forged(claims)
        for token in (
            *(f"{encoded({'alg': alg, 'kid': key(1).kid})}.{body}." for alg in ("none", "None", "RS256")),
            f"{signed_part}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}",
            stranger,
            forged(claims, {"kid": "../../etc/passwd"}),
            forged(claims, {"kid": "' OR 1=1"}),
            signed[:-4] + "AAAA",
            signed + "x" * 20_000,
            "garbage",
            "..",
        ):
            with pytest.raises(TokenRefused):
                tokens.check(token)

        assert tokens.check(signed).session == "session"

    def test_a_token_without_the_name_of_a_key_is_tried_with_all(self) -> None:
        """Tokens of a deployment whose key was brought along count, though they name none."""
        clock = MovableClock()
        header = {"alg": "RS256"}
        token = jws.serialize_compact(header, json.dumps(good_claims(clock)), key(2).pair)

        assert tokens_with(key(1), key(2), clock=clock).check(token).session == "session"

    @pytest.mark.parametrize(("late_s", "counts"), [(0, True), (LEEWAY_S - 1, True), (LEEWAY_S + 1, False)])
    def test_clocks_may_differ_a_little(self, late_s: float, counts: bool) -> None:
        """J6: some seconds after its end a token counts; after that it does not, remembered or not."""
        clock = MovableClock()
        tokens = tokens_with(clock=clock)
        token = tokens.mint("user", "session", {}, ends_at=FAR)
        tokens.check(token)
        clock.advance(timedelta(milliseconds=HOUR_MS, seconds=late_s))

        try:
            tokens.check(token)
        except TokenRefused:
            assert not counts
        else:
            assert counts

    def test_a_token_of_an_ended_session_counts_for_nothing(self) -> None:
        """J10: refused from the moment its session has ended, seen before or not; those of others count on."""
        tokens = tokens_with()
        seen, unseen, other = (tokens.mint("user", session, {}, ends_at=FAR) for session in ("one", "one", "two"))
        tokens.check(seen)

        tokens.ended["one"] = FAR

        for token in (seen, unseen):
            with pytest.raises(TokenRefused) as refused:
                tokens.check(token)
            assert refused.value.reason_code == "SessionEnded"
        assert tokens.check(other).session == "two"

    def test_a_move_to_another_domain_signs_nobody_out(self) -> None:
        """Tokens of the earlier name count, and their identity is that of today."""
        clock = MovableClock()
        before = tokens_with(clock=clock).mint("user", "session", {}, ends_at=FAR)
        keyring = Keyring(b"k" * 32, [key(1)], clock)
        now = OwnTokens(keyring, clock, issuer="https://new.test", earlier_issuers=frozenset({SITE}), ttl_ms=HOUR_MS)

        assert now.issues(before)
        identity = now.check(before).identity
        assert identity is not None
        assert identity.token_identifier == "https://new.test|user"
        assert not now.issues(forged({"iss": "https://other.test"}))


class TestRefreshTokens:
    def test_only_what_we_made_is_read(self) -> None:
        """F5, F6, F7: fabricated, recombined, cut, empty, huge: nothing, without a look into the database."""
        tokens = tokens_with()
        one, two = tokens.refresh_token("a", "first"), tokens.refresh_token("b", "second")
        mac = one.split(".")[2]

        assert tokens.read_refresh_token(one) == ("a", "first")
        for text in (
            "",
            ".",
            "..",
            "x|first",
            "a.first.",
            f"a.first.{mac[:-1]}",
            f"a.second.{mac}",
            f"b.first.{two.split('.')[2]}",
            f"{one}.{one}",
            one.swapcase(),
            "\u00e9.\u00e9.\u00e9",
            "a.first." + "x" * 1_000_000,
        ):
            assert tokens.read_refresh_token(text) is None, text[:60]

    def test_a_token_is_made_of_what_urls_and_cookies_take(self) -> None:
        """Whatever is random in it, it holds letters, digits, and `_.-`."""
        tokens = tokens_with()
        for _ in range(100):
            text = tokens.refresh_token(tokens.new_refresh_id(), "session")
            assert text.replace("_", "").replace(".", "").replace("-", "").isalnum()


class _System:
    def __init__(self, app: Deployment) -> None:
        self._app = app

    async def tell(self, path: str, **arguments: Any) -> Any:
        return self._app.mutate(path, **arguments)


def rotated(app: Deployment, tokens: OwnTokens, told: list[str], *, at_once: bool) -> SigningKey:
    seal = Seal(b"f" * 32)
    rotation = Rotation(
        _System(app),  # type: ignore[arg-type]
        tokens.keyring,
        seal,
        app.hooks.time,
        ttl_ms=HOUR_MS,
        tell_all=told.append,
    )
    return asyncio.run(rotation.rotate(at_once=at_once))


@pytest.fixture
def app(tmp_path: Path) -> Any:
    app = deploy(tmp_path, {"nothing.py": ""}, sign_in=SignIn(issuer=SITE))
    seal = Seal(b"f" * 32)
    for sealed in (key(1).sealed(seal), new_server_key(seal)):
        facts = {"kind": sealed.kind, "kid": sealed.kid, "secret": sealed.secret, "signsFrom": 0.0, "retiresAt": None}
        app.mutate("_system/auth/keys:rotate", key=facts, retiresAt=FAR)
    yield app
    app.close()


class TestRotation:
    def test_a_key_is_published_before_it_signs_and_counts_after(self, app: Deployment) -> None:
        """J7: published, then signing; the old one counts until its last token is over, and not after. T12."""
        clock, told = app.hooks.time, list[str]()
        tokens = tokens_with(clock=clock)
        old = tokens.mint("user", "session", {}, ends_at=FAR)

        new = rotated(app, tokens, told, at_once=False)

        assert {found.kid for found in tokens.keyring.published} == {key(1).kid, new.kid}
        assert payload(tokens.mint("user", "session", {}, ends_at=FAR), 0)["kid"] == key(1).kid
        clock.advance(timedelta(milliseconds=PUBLISHED_BEFORE_MS))
        assert payload(tokens.mint("user", "session", {}, ends_at=FAR), 0)["kid"] == new.kid
        last = forged(good_claims(clock, exp=int(FAR / 1000)))
        tokens.check(last)
        clock.advance(timedelta(milliseconds=HOUR_MS + OVERLAP_MS))
        for token in (old, last):
            with pytest.raises(TokenRefused):
                tokens.check(token)
        assert [found.kid for found in tokens.keyring.published] == [new.kid]
        assert told == []

    def test_a_key_that_others_know_is_dropped_at_once(self, app: Deployment) -> None:
        """J8: its tokens count for nothing, everybody is told, the new key signs; refresh tokens count on."""
        clock, told = app.hooks.time, list[str]()
        tokens = tokens_with(clock=clock)
        old = tokens.mint("user", "session", {}, ends_at=FAR)
        refresh = tokens.refresh_token("a", "session")
        tokens.check(old)

        new = rotated(app, tokens, told, at_once=True)

        with pytest.raises(TokenRefused):
            tokens.check(old)
        assert len(told) == 1
        assert payload(tokens.mint("user", "session", {}, ends_at=FAR), 0)["kid"] == new.kid
        assert tokens.read_refresh_token(refresh) == ("a", "session")
        assert len(app.query("_system/auth/keys:list")) == 2


class TestKeys:
    def test_whoever_starts_second_takes_what_is_there(self, app: Deployment) -> None:
        """H7: the keys of the first are kept, and answered to both."""
        before = app.query("_system/auth/keys:list")
        mine = Seal(b"f" * 32)
        sealed = new_server_key(mine)
        facts = {"kind": "server", "kid": sealed.kid, "secret": sealed.secret, "signsFrom": 0.0, "retiresAt": None}

        assert app.mutate("_system/auth/keys:adopt", keys=[facts]) == before

    def test_what_is_kept_opens_with_its_own_secret_alone(self, app: Deployment) -> None:
        """F10: rows show public halves nowhere and private ones sealed; another secret is told, not believed."""
        rows = [
            Sealed(kind=row["kind"], kid=row["kid"], secret=row["secret"], signs_from=row["signsFrom"])
            for row in app.query("_system/auth/keys:list")
        ]

        opened = Keyring.opened(rows, Seal(b"f" * 32), app.hooks.time)

        assert opened.signer.kid == key(1).kid
        assert opened.mac("x", "a") != Keyring(b"", [], app.hooks.time).mac("x", "a")
        with pytest.raises(ValueError, match="another key"):
            Keyring.opened(rows, Seal(b"g" * 32), app.hooks.time)
        assert "PRIVATE" not in str(rows)

    def test_a_key_set_shows_what_is_public(self) -> None:
        """What others get of a key is its public half, with a name that is its thumbprint."""
        assert set(key(1).public) == {"kty", "use", "alg", "kid", "n", "e"}
        assert SigningKey.from_pem(key(1).pair.as_pem(private=True).decode()).kid == key(1).kid

    def test_a_key_that_is_brought_along_may_have_lost_its_lines(self) -> None:
        """An environment makes spaces of line breaks; what is no key is told."""
        pem = key(1).pair.as_pem(private=True).decode()

        for text in (pem.replace("\n", " "), pem.replace("\n", "\\n"), f"\n{pem}\n"):
            assert SigningKey.from_pem(text).kid == key(1).kid
        with pytest.raises(ValueError, match=r"(?i)key"):
            SigningKey.from_pem("-----BEGIN PRIVATE KEY----- nonsense -----END PRIVATE KEY-----")

    def test_all_who_start_at_once_have_one_file(self, tmp_path: Path) -> None:
        """H7: ten starters, one key; it is nobody else's to read."""
        path = tmp_path / "data" / "auth_key"
        found: list[tuple[bytes, bool]] = []
        gate = threading.Barrier(10)

        def begin() -> None:
            gate.wait()
            found.append(file_key(path))

        threads = [threading.Thread(target=begin) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len({secret for secret, _ in found}) == 1
        assert [is_new for _, is_new in found].count(True) == 1
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert os.listdir(path.parent) == ["auth_key"]

    def test_a_file_that_holds_no_key_is_told(self, tmp_path: Path) -> None:
        """An empty file, or a folder in its place, is a sentence that names it."""
        (tmp_path / "auth_key").write_text("short")
        (tmp_path / "folder").mkdir()

        with pytest.raises(CommandFailed, match="auth_key holds no key"):
            file_key(tmp_path / "auth_key")
        with pytest.raises(CommandFailed, match="folder cannot be used: Is a directory"):
            file_key(tmp_path / "folder")
        assert secret_key("a" * 32) != secret_key("b" * 32)
