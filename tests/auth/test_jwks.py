"""`joelclaw.auth.jwks`: where keys come from, how long they count, and what happens while they cannot be had."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from joelclaw.auth import jwks
from joelclaw.auth.issuers import Issuer
from joelclaw.auth.jwks import KeySets, fresh_s, read_key_set
from joelclaw.auth.outbound import Outbound
from joelclaw.auth.tokens import IssuerTokens
from joelclaw.clock import MovableClock
from joelclaw.engine.asker import Asker
from joelclaw.errors import ProviderFailed, TokenRefused
from tests.auth.fake_issuer import DISCOVERY, JWKS, FakeIssuer, fake_issuer, signing_key, token

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def serving() -> Iterator[FakeIssuer]:
    with fake_issuer() as issuer:
        yield issuer


@pytest.fixture
def fake(serving: FakeIssuer) -> FakeIssuer:
    serving.reset()
    serving.clock = MovableClock()
    return serving


class Bench:
    """A verifier of one issuer, in an event loop of its own. Times are the issuer's."""

    def __init__(self, fake: FakeIssuer, *, private: bool = True, development: bool = True, **settings: Any) -> None:
        assert isinstance(fake.clock, MovableClock)
        self.fake = fake
        self.clock = fake.clock
        usual: dict[str, Any] = {
            "kind": "oidc",
            "name": fake.name,
            "application_id": "app",
            "algorithms": ("RS256", "EdDSA"),
            "jwks": None,
            "private_network": private,
        }
        self.issuer = Issuer(**usual | settings)
        self._loop = asyncio.new_event_loop()
        self.outbound = Outbound(development=development, total_s=90.0)
        self.key_sets = KeySets(self.outbound, self.clock)
        self.tokens = IssuerTokens(lambda: (self.issuer,), self.clock, lambda: self.key_sets)

    def verify(self, presented: str | None = None) -> Asker:
        return self._loop.run_until_complete(self.tokens.verify(presented or self.fake.token()))

    def together(self, *presented: str) -> list[Asker | BaseException]:
        async def all_of_them() -> list[Asker | BaseException]:
            return await asyncio.gather(*map(self.tokens.verify, presented), return_exceptions=True)

        return self._loop.run_until_complete(all_of_them())

    def run(self, coroutine: Any) -> Any:
        return self._loop.run_until_complete(coroutine)

    def failure(self) -> str:
        with pytest.raises(ProviderFailed) as caught:
            self.verify()
        return str(caught.value)

    def asked(self, path: str = JWKS) -> int:
        return len(self.fake.journal.at(path))

    def close(self) -> None:
        self._loop.run_until_complete(self.outbound.close())
        self._loop.close()


@pytest.fixture
def bench(fake: FakeIssuer) -> Iterator[Bench]:
    bench = Bench(fake)
    yield bench
    bench.close()


# -- found


def test_keys_are_where_discovery_says(bench: Bench) -> None:
    """And are fetched once, for however many tokens."""
    for subject in ("ann", "bob", "cy"):
        assert bench.verify(bench.fake.token(subject)).identity is not None

    assert (bench.asked(DISCOVERY), bench.asked()) == (1, 1)


def test_a_custom_issuer_is_not_discovered(fake: FakeIssuer) -> None:
    """Its keys are where the declaration says."""
    bench = Bench(fake, kind="custom_jwt", algorithms=("RS256",), jwks=f"{fake.name}{JWKS}")
    try:
        assert bench.verify().identity is not None
        assert (bench.asked(DISCOVERY), bench.asked()) == (0, 1)
    finally:
        bench.close()


def test_an_issuer_whose_name_ends_in_a_slash_is_found(bench: Bench) -> None:
    """Auth0: the discovery address has one slash, its document and the tokens name it with one at the end."""
    bench.fake.switch(metadata={"issuer": f"{bench.fake.name}/"})

    assert bench.verify(bench.fake.token(iss=f"{bench.fake.name}/")).identity is not None
    assert bench.asked(DISCOVERY) == 1


@pytest.mark.parametrize(
    "content_type", ["application/jwk-set+json", "application/json; charset=utf-8", "APPLICATION/JSON"]
)
def test_a_key_set_may_say_that_it_is_one(bench: Bench, content_type: str) -> None:
    """WorkOS serves `application/jwk-set+json`."""
    bench.fake.switch(content_type=content_type)

    assert bench.verify().identity is not None


@pytest.mark.parametrize(
    ("switches", "said"),
    [
        ({"discovery": "500"}, "openid-configuration answered with status 500"),
        ({"keys": "500"}, "/keys answered with status 500"),
        ({"discovery": "redirect"}, "openid-configuration answered with status 302"),
        ({"keys": "redirect"}, "/keys answered with status 302"),
        ({"discovery": "huge"}, "answers with more than 1,048,576 bytes"),
        ({"keys": "huge"}, "answers with more than 1,048,576 bytes"),
        ({"discovery": "broken"}, "what is no JSON"),
        ({"keys": "broken"}, "Invalid JWKS response body: it is not valid JSON"),
        ({"keys": "html"}, "'text/html', which is no content type of a key set"),
        ({"content_type": "text/plain"}, "'text/plain', which is no content type of a key set"),
        ({"metadata": {"issuer": "https://other.example.com"}}, "is the discovery document of another issuer"),
        ({"metadata": {"issuer": None}}, "is the discovery document of another issuer"),
        ({"metadata": {"jwks_uri": None}}, "does not say where its keys are"),
        ({"metadata": {"jwks_uri": "data:application/json,{}"}}, "does not say where its keys are"),
        ({"metadata": {"jwks_uri": "file:///etc/passwd"}}, "is no address of a web server"),
    ],
)
def test_an_issuer_that_does_not_answer_refuses_nobody(bench: Bench, switches: dict[str, Any], said: str) -> None:
    """AUTH-11: what cannot be had or believed means "try later", never that a token is bad (O14, O19)."""
    bench.fake.switch(**switches)

    assert said in bench.failure()
    assert all("redirected" not in entry.query for entry in bench.fake.journal.entries)


def test_a_port_where_nobody_listens(bench: Bench) -> None:
    """A server that is down is no more than that."""
    bench.fake.switch(metadata={"jwks_uri": "http://127.0.0.1:1/keys"})

    assert "cannot be reached" in bench.failure()


def test_an_issuer_may_not_lead_inwards(fake: FakeIssuer) -> None:
    """O19: a private address is asked only if the entry says so; also one that discovery names."""
    bench = Bench(fake, private=False)
    try:
        assert "private_network = true" in bench.failure()
    finally:
        bench.close()

    assert fake.journal.entries == []


def test_plain_http_is_for_development(fake: FakeIssuer) -> None:
    """O19: also where discovery says so."""
    bench = Bench(fake, development=False)
    try:
        assert "is not https" in bench.failure()
    finally:
        bench.close()

    assert fake.journal.entries == []


# -- kept


def test_keys_are_fresh_as_long_as_they_say(bench: Bench) -> None:
    """`max-age`: not a request before it is over, one after it."""
    bench.fake.switch(headers={"cache-control": "public, max-age=300"})
    bench.verify()

    bench.clock.advance(timedelta(seconds=299))
    bench.verify()
    assert bench.asked() == 1
    bench.clock.advance(timedelta(seconds=1))
    bench.verify()
    assert bench.asked() == 2


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 600),
        ({"cache-control": "max-age=300"}, 300),
        ({"cache-control": 'public,MAX-AGE="300", must-revalidate'}, 300),
        ({"cache-control": "max-age=300", "age": "100"}, 200),
        ({"cache-control": "max-age=300", "age": "nonsense"}, 300),
        ({"cache-control": "max-age=15"}, 60),
        ({"cache-control": "max-age=0"}, 60),
        ({"cache-control": "no-store"}, 60),
        ({"cache-control": "no-cache, max-age=300"}, 60),
        ({"cache-control": "max-age=nonsense"}, 60),
        ({"cache-control": "max-age=-5"}, 60),
        ({"cache-control": "max-age=31536000"}, 86_400),
        ({"cache-control": "max-age=" + "9" * 400}, 60),
        ({"cache-control": "public", "expires": "Tue, 14 Nov 2023 22:18:20 GMT"}, 300),
        ({"expires": "0"}, 60),
        ({"expires": "Tue, 14 Nov 2000 22:18:20 GMT"}, 60),
        ({"cache-control": "max-age=300", "expires": "0"}, 300),
    ],
)
def test_how_long_an_answer_is_fresh(headers: dict[str, str], seconds: float) -> None:
    """By its headers (RFC 9111), at least a minute, at most a day."""
    assert fresh_s(headers, 1_700_000_000_000.0) == seconds


def test_a_set_that_has_not_changed_is_not_sent_again(bench: Bench) -> None:
    """Its tag is sent along; what was verified with it counts on."""
    bench.fake.switch(headers={"etag": '"one"'})
    presented = bench.fake.token(exp=int(bench.clock.now_ms() / 1000) + 7_200)
    first = bench.verify(presented)

    bench.clock.advance(timedelta(hours=1))

    assert bench.verify(presented) is first
    assert bench.fake.journal.at(JWKS)[-1].headers["if-none-match"] == '"one"'
    assert bench.asked() == 2


def test_an_equal_set_is_the_same_one(bench: Bench) -> None:
    """Without tags, too."""
    presented = bench.fake.token(exp=int(bench.clock.now_ms() / 1000) + 7_200)
    first = bench.verify(presented)

    bench.clock.advance(timedelta(hours=1))

    assert bench.verify(presented) is first
    assert bench.asked() == 2


def test_a_stale_set_counts_while_there_is_no_other(bench: Bench) -> None:
    """An issuer that is down signs nobody out. It is asked twice a minute, and believed again at once."""
    bench.verify()
    bench.clock.advance(timedelta(hours=1))
    bench.fake.switch(keys="500", discovery="500")

    for _ in range(3):
        assert bench.verify().identity is not None
    assert (bench.asked(DISCOVERY), bench.asked()) == (2, 2)
    bench.clock.advance(timedelta(seconds=30))
    bench.verify()
    assert (bench.asked(DISCOVERY), bench.asked()) == (3, 3)

    bench.fake.keys = [signing_key("RS256", 2)]
    bench.fake.switch(keys="right", discovery="right")
    bench.clock.advance(timedelta(seconds=30))
    assert bench.verify().identity is not None


def test_a_stale_set_does_not_count_for_ever(bench: Bench) -> None:
    """Whoever can keep us from asking cannot keep a key alive that was taken back."""
    bench.verify()
    bench.fake.switch(keys="500")
    bench.clock.advance(DAY + timedelta(minutes=9))
    assert bench.verify().identity is not None

    bench.clock.advance(timedelta(minutes=1))

    assert "status 500" in bench.failure()


def test_a_failure_is_told_to_all_for_a_moment(bench: Bench) -> None:
    """A thousand clients that come back do not ask a thousand times."""
    bench.fake.switch(discovery="500")

    for _ in range(5):
        bench.failure()
    assert bench.asked(DISCOVERY) == 1

    bench.fake.switch(discovery="right")
    bench.clock.advance(timedelta(seconds=2))
    assert bench.verify().identity is not None


def test_a_clock_that_is_set_back_makes_nothing_fresh(bench: Bench) -> None:
    """What was fresh until a day in the future is asked for again."""
    bench.fake.switch(headers={"cache-control": "max-age=86400"})
    bench.clock.advance(DAY)
    bench.verify()

    bench.clock.advance(-DAY)
    bench.verify()

    assert bench.asked() == 2


# -- rotated


def test_a_new_key_is_found_at_once(bench: Bench) -> None:
    """J7: an unknown key is asked for, although the set is fresh; the old one counts as long as it is published."""
    old, new = signing_key(), signing_key("RS256", 2)
    bench.verify()
    bench.clock.advance(timedelta(seconds=60))
    bench.fake.keys = [old, new]

    assert bench.verify(token(new, bench.fake.claims())).identity is not None
    assert bench.verify(token(old, bench.fake.claims())).identity is not None
    assert bench.asked() == 2


def test_an_old_key_ends_with_its_publication(bench: Bench) -> None:
    """J7: also for a token that was verified with it before."""
    old, new = signing_key(), signing_key("RS256", 2)
    presented = token(old, bench.fake.claims(exp=int(bench.clock.now_ms() / 1000) + 7_200))
    bench.verify(presented)
    bench.fake.keys = [new]

    bench.clock.advance(timedelta(hours=1))

    with pytest.raises(TokenRefused, match="has no key with kid"):
        bench.verify(presented)


def test_unknown_keys_are_asked_for_once_a_minute(bench: Bench) -> None:
    """J3: whoever makes up names makes nobody ask more, however many they make up."""
    bench.verify()
    bench.clock.advance(timedelta(seconds=60))

    made_up = [token(signing_key("RS256", 3), bench.fake.claims(), header={"kid": f"k{n}"}) for n in range(20)]
    answers = bench.together(*made_up) + [bench.together(one)[0] for one in made_up]

    assert all(isinstance(answer, TokenRefused) for answer in answers)
    assert (bench.asked(DISCOVERY), bench.asked()) == (1, 2)


def test_a_key_set_has_a_size() -> None:
    """A token without a 'kid' is tried with every key."""
    with pytest.raises(ValueError, match="more than 100 keys"):
        read_key_set(b'{"keys":[' + b",".join([b"{}"] * 101) + b"]}")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"keys":{}}', b'{"keys":[1]}', b"\xff", b'{"keys":' + b"[" * 5_000]
)
def test_what_is_no_key_set(body: bytes) -> None:
    """AUTH-11: in the words that clients know."""
    with pytest.raises(ValueError, match="Invalid JWKS response body"):
        read_key_set(body)


# -- together


def test_one_request_serves_all_who_wait(bench: Bench) -> None:
    """One is under way for an address, whoever asks meanwhile."""
    answers = bench.together(*(bench.fake.token(f"user-{number}") for number in range(20)))

    assert all(isinstance(answer, Asker) for answer in answers)
    assert (bench.asked(DISCOVERY), bench.asked()) == (1, 1)


def test_who_gives_up_does_not_take_the_answer_from_others(fake: FakeIssuer) -> None:
    """A socket that closes while its token is verified is one of many that wait for the same keys."""
    gate = Gate()
    bench = Bench(fake)

    async def give_up() -> Asker:
        tokens = IssuerTokens(lambda: (bench.issuer,), bench.clock, lambda: KeySets(gate, bench.clock))
        impatient = asyncio.create_task(tokens.verify(fake.token("impatient")))
        await gate.asked.wait()
        patient = asyncio.create_task(tokens.verify(fake.token("patient")))
        await asyncio.sleep(0)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        gate.open.set()
        return await patient

    try:
        assert bench.run(give_up()).identity is not None
        assert bench.asked(DISCOVERY) == 1
    finally:
        bench.run(gate.close())
        bench.close()


class Gate(Outbound):
    """Asks, and keeps the first answer back until it is opened."""

    def __init__(self) -> None:
        super().__init__(development=True, total_s=90.0)
        self.asked = asyncio.Event()
        self.open = asyncio.Event()

    async def get(self, url: str, headers: Any = None, *, private: bool = False) -> Any:
        self.asked.set()
        await self.open.wait()
        return await super().get(url, headers, private=private)


def test_addresses_that_discovery_names_are_not_kept_for_ever(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An issuer that names another address each time fills no memory."""
    monkeypatch.setattr(jwks, "HELD_MAX", 8)
    for number in range(20):
        bench.fake.switch(metadata={"jwks_uri": f"{bench.fake.name}{JWKS}?{number}"})
        assert bench.verify().identity is not None
        bench.clock.advance(timedelta(hours=1))

    assert len(bench.key_sets) <= 8


def test_an_issuer_that_is_slow_is_not_waited_for(fake: FakeIssuer) -> None:
    """O14: the limit of all requests holds here, too."""
    bench = Bench(fake)
    bench.outbound = Outbound(development=True, total_s=0.05)
    bench.key_sets = KeySets(bench.outbound, bench.clock)
    fake.switch(discovery="slow")
    try:
        assert "did not answer within" in bench.failure()
    finally:
        bench.close()
