"""Login sessions: how they are renewed, how they end, and what a thief gets."""

import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from joelclaw.auth.keyring import Keyring
from joelclaw.auth.own_tokens import OwnTokens
from joelclaw.functions.calls import Identity
from joelclaw.functions.sign_in import SignIn
from joelclaw.values import wire
from tests.functions.deployment import CallError, Deployment, deploy

MINUTE_MS = 60_000.0
DAY_MS = 86_400_000.0
SIGN_IN = SignIn(issuer="https://site.test", session_total_ms=30 * DAY_MS, session_idle_ms=10 * DAY_MS)

SCHEMA = """
    from joelclaw import Table

    class User(Table):
        __table__ = "users"
        name: str
        is_anonymous: bool = False
"""

FUNCTIONS = """
    from joelclaw import Id, LoginSession, MutationCtx, QueryCtx, mutation, query
    from schema import User

    @query
    def me(ctx: QueryCtx) -> User:
        return ctx.auth.require_user(User)

    @query
    def devices(ctx: QueryCtx, of: str | None = None) -> list[LoginSession]:
        return ctx.auth.sessions(of)

    @query
    def this_device(ctx: QueryCtx) -> str | None:
        return ctx.auth.session

    @mutation
    def leave(ctx: MutationCtx, session: str, of: str | None = None) -> bool:
        return ctx.auth.end_session(session, of=of)

    @mutation
    def leave_others(ctx: MutationCtx, of: str | None = None) -> int:
        return ctx.auth.end_sessions(of)

    @mutation
    def delete(ctx: MutationCtx, user: Id[User]) -> None:
        ctx.db.delete(user)
"""


class House:
    """A deployment whose people come anonymously; ids of refresh tokens are counted."""

    def __init__(self, app: Deployment) -> None:
        self.app = app
        self.time = app.hooks.time
        self._numbers = iter(range(1_000_000))

    def advance(self, duration_ms: float) -> None:
        self.time.advance(timedelta(milliseconds=duration_ms))

    def new_id(self) -> str:
        return f"token-{next(self._numbers)}"

    def sign_in(self, replacing: str | None = None) -> Any:
        """A grant."""
        return self.enter(replacing)["grant"]

    def enter(self, replacing: str | None = None, network: str = "192.0.2.1") -> Any:
        """What comes of an anonymous sign-in."""
        return self.app.mutate(
            "_system/auth/anonymous:signIn",
            provider="anonymous",
            accountId=self.new_id(),
            replacing=replacing,
            refresh=self.new_id(),
            network=network,
        )

    def renew(self, grant: Any, token: str | None = None) -> Any:
        """What comes of one of its refresh tokens; the newest, if none is named."""
        return self.app.mutate(
            "_system/auth/sessions:refresh",
            token=token or grant["refresh"],
            session=grant["session"],
            child=self.new_id(),
        )

    def ended(self) -> list[str]:
        return [row["session"] for row in self.app.query("_system/auth/sessions:ended")]

    def due(self) -> list[Any]:
        """Tables of sign-in with documents whose time is over."""
        return [due for due in self.app.query("_system/expiry:due") if due["table"].startswith("_auth")]

    def rows(self) -> dict[str, list[str]]:
        """Everything that sign-in keeps."""
        tables = [table for table in self.app.app.by_number.values() if table.name.startswith("_auth")]
        with self.app.store.read() as snapshot:
            found = {}
            for table in tables:
                rows = snapshot.scan(table.layout, table.layout.by_id, b"", None)
                found[table.name] = sorted(raw.decode() for _, raw in rows)
            return found

    def rows_of(self, session: str) -> list[str]:
        """What is kept of a session that goes on."""
        rows = self.rows()
        return [row for name in ("_auth_sessions", "_auth_refresh_tokens") for row in rows[name] if session in row]

    def person(self, grant: Any) -> Any:
        """The identity of who holds a grant."""
        user, session = grant["user"], grant["session"]
        return Identity(SIGN_IN.issuer, f"{user}|{session}", f"{SIGN_IN.issuer}|{user}", grant["claims"])

    def ask(self, path: str, grant: Any, **arguments: Any) -> Any:
        run = self.app.run_mutation if path in ("users:leave", "users:leaveOthers") else self.app.run_query
        outcome = run(path, arguments, identity=self.person(grant))
        assert outcome.failure is None, outcome.failure
        return wire.decode(outcome.value)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    app = deploy(tmp_path, {"schema.py": SCHEMA, "users.py": FUNCTIONS}, sign_in=SIGN_IN)
    yield House(app)
    app.close()


def unchanged(house: House, act: Callable[[], Any]) -> Any:
    """The result of what must leave every row as it was."""
    before = house.rows()
    result = act()
    assert house.rows() == before
    return result


DEAD: dict[str, Any] = {"kind": "dead", "grant": None, "ended": []}


class TestRenewal:
    def test_an_unused_token_becomes_its_child(self, house: House) -> None:
        """The first renewal by a token gives a new one of the same session; the session lives on from then."""
        grant = house.sign_in()
        house.advance(DAY_MS)

        renewal = house.renew(grant)

        assert renewal["kind"] == "granted"
        assert renewal["grant"]["session"] == grant["session"]
        assert renewal["grant"]["refresh"] != grant["refresh"]
        assert renewal["grant"]["expiresAt"] == house.time.now_ms() + SIGN_IN.session_idle_ms

    def test_all_who_come_within_the_window_get_one_child(self, house: House) -> None:
        """F1: twenty renewals by one token within 10 s get one and the same child, and there is one row of it."""
        grant = house.sign_in()
        first = house.renew(grant)

        again = [unchanged(house, lambda: house.renew(grant)) for _ in range(19)]

        assert {renewal["kind"] for renewal in again} == {"shared"}
        assert {renewal["grant"]["refresh"] for renewal in again} == {first["grant"]["refresh"]}
        assert len(house.rows()["_auth_refresh_tokens"]) == 2

    def test_who_comes_last_within_the_window_gets_the_newest(self, house: House) -> None:
        """If the child has been used already, the one that presents its parent gets what it has become."""
        grant = house.sign_in()
        child = house.renew(grant)["grant"]
        grandchild = house.renew(child)["grant"]

        late = unchanged(house, lambda: house.renew(grant))

        assert late["grant"]["refresh"] == grandchild["refresh"]

    def test_a_lost_answer_is_made_up_for(self, house: House) -> None:
        """F2: used before the window, its child unused: it works once more, and the old child is dead."""
        grant = house.sign_in()
        lost = house.renew(grant)["grant"]
        house.advance(MINUTE_MS)

        renewal = house.renew(grant)

        assert renewal["kind"] == "lost_answer"
        assert renewal["grant"]["refresh"] not in (grant["refresh"], lost["refresh"])
        assert house.renew(renewal["grant"])["kind"] == "granted"

    def test_parallel_tabs_share_what_makes_up_for_a_lost_answer(self, house: House) -> None:
        """Two that present the parent after a lost answer get one child: neither's is withdrawn by the other."""
        grant = house.sign_in()
        house.renew(grant)
        house.advance(MINUTE_MS)

        first, second = house.renew(grant), house.renew(grant)

        assert (first["kind"], second["kind"]) == ("lost_answer", "shared")
        assert first["grant"]["refresh"] == second["grant"]["refresh"]

    def test_a_used_token_whose_child_is_used_ends_the_session(self, house: House) -> None:
        """F3: it was copied. The session ends with all its tokens, and is known to have; no other does."""
        other = house.sign_in()
        grant = house.sign_in()
        child = house.renew(grant)["grant"]
        house.renew(child)
        house.advance(MINUTE_MS)

        renewal = house.renew(grant)

        assert (renewal["kind"], renewal["grant"], renewal["ended"]) == ("theft", None, [grant["session"]])
        assert house.ended() == [grant["session"]]
        assert unchanged(house, lambda: house.renew(child)) == DEAD
        assert house.renew(other)["kind"] == "granted"

    @pytest.mark.parametrize("thief_first", [True, False])
    def test_a_thief_and_the_owner_cannot_alternate(self, house: House, thief_first: bool) -> None:
        """F4: whoever of the two comes second gets the session ended, at the latest at the next use after that."""
        grant = house.sign_in()
        first, second = ("thief", "owner") if thief_first else ("owner", "thief")
        held = {first: house.renew(grant)["grant"], second: grant}
        kinds = []
        for _ in range(2):
            for who in (second, first):
                house.advance(MINUTE_MS)
                renewal = house.renew(held[who])
                kinds.append(renewal["kind"])
                held[who] = renewal["grant"] or held[who]

        assert kinds == ["lost_answer", "theft", "dead", "dead"]
        assert house.ended() == [grant["session"]]

    def test_a_copy_is_found_at_any_schedule(self, house: House) -> None:
        """F3, F4: whoever renews how often, the session ends as soon as both have come after the other."""
        seed = random.randrange(2**32)
        print("seed", seed)
        chance = random.Random(seed)
        for _ in range(20):
            grant, bystander = house.sign_in(), house.sign_in()
            held = dict.fromkeys(("thief", "owner"), grant)
            turns, before = 0, ""
            while True:
                house.advance(chance.choice([MINUTE_MS, 60 * MINUTE_MS]))
                who = chance.choice(["thief", "owner"])
                turns += before not in ("", who)
                renewal = house.renew(held[who])
                before = who
                if renewal["grant"] is None:
                    break
                held[who] = renewal["grant"]
                assert turns < 2, "each has renewed after the other"
            assert renewal["kind"] == "theft"
            assert renewal["ended"] == [grant["session"]]
            assert house.renew(bystander)["kind"] == "granted"
            house.advance(DAY_MS)

    def test_what_happens_on_one_device_concerns_no_other(self, house: House) -> None:
        """F1, F2, F8, S4: renewing, replaying, losing answers and leaving, in any order: the dead stay dead, alone."""
        seed = random.randrange(2**32)
        print("seed", seed)
        chance = random.Random(seed)
        for _ in range(10):
            phone, desk = house.sign_in(), house.sign_in()
            known = {each["session"]: [each["refresh"]] for each in (phone, desk)}
            over: set[str] = set()
            for _ in range(20):
                house.advance(chance.choice([0.0, 1_000.0, MINUTE_MS]))
                grant, other = chance.choice([(phone, desk), (desk, phone)])
                session, untouched = grant["session"], house.rows_of(other["session"])
                if chance.random() < 0.1:
                    house.app.mutate("_system/auth/sessions:signOut", session=session)
                    over.add(session)
                else:
                    renewal = house.renew(grant, chance.choice(known[session]))
                    assert (renewal["grant"] is None) == (renewal["kind"] in ("dead", "theft"))
                    assert session not in over or renewal == DEAD
                    if renewal["kind"] == "theft":
                        over.add(session)
                    if renewal["grant"] is not None:
                        known[session].append(renewal["grant"]["refresh"])
                assert house.rows_of(other["session"]) == untouched
                assert (house.rows_of(session) == []) == (session in over)

    def test_what_is_not_there_changes_nothing(self, house: House) -> None:
        """F5, F6: an unknown token, or one of another session, is dead, and both sessions are unharmed."""
        ann, bob = house.sign_in(), house.sign_in()

        assert unchanged(house, lambda: house.renew(ann, "no-such-token")) == DEAD
        assert unchanged(house, lambda: house.renew(ann, bob["refresh"])) == DEAD
        assert unchanged(house, lambda: house.renew({**ann, "session": "no session"})) == DEAD
        assert house.renew(ann)["kind"] == house.renew(bob)["kind"] == "granted"

    def test_a_session_without_visits_is_over(self, house: House) -> None:
        """F8: after the idle time a token is dead; a visit before would have put that off."""
        quiet, visited = house.sign_in(), house.sign_in()
        house.advance(9 * DAY_MS)
        visited = house.renew(visited)["grant"]
        house.advance(2 * DAY_MS)

        assert unchanged(house, lambda: house.renew(quiet)) == DEAD
        assert house.renew(visited)["kind"] == "granted"

    def test_no_visit_prolongs_a_session_beyond_its_total(self, house: House) -> None:
        """F9: renewed every day, it is over after 30 days, and no grant says that it lasts longer."""
        grant = house.sign_in()
        end = house.time.now_ms() + SIGN_IN.session_total_ms
        days = 0
        while (renewal := house.renew(grant))["grant"] is not None:
            grant = renewal["grant"]
            assert grant["expiresAt"] <= end
            house.advance(DAY_MS)
            days += 1

        assert days == 30
        assert renewal == DEAD

    def test_a_deleted_user_is_signed_out(self, house: House) -> None:
        """F8, J10: deleting somebody's document ends their sessions in the same transaction, and no others."""
        ann, bob = house.sign_in(), house.sign_in()

        house.app.mutate("users:delete", user=ann["user"])

        assert house.ended() == [ann["session"]]
        assert unchanged(house, lambda: house.renew(ann)) == DEAD
        assert house.renew(bob)["kind"] == "granted"
        assert not any(ann["user"] in row for row in house.rows()["_auth_accounts"])

    def test_renewals_hold_together_whatever_comes(self, house: House) -> None:
        """At any schedule of renewals and pauses, a session has at most one token that is unused and not withdrawn."""
        seed = random.randrange(2**32)
        print("seed", seed)
        chance = random.Random(seed)
        for _ in range(10):
            grant = house.sign_in()
            known = [grant["refresh"]]
            for _ in range(15):
                house.advance(chance.choice([0.0, 1_000.0, MINUTE_MS]))
                renewal = house.renew(grant, chance.choice(known))
                if renewal["grant"] is None:
                    assert grant["session"] in house.ended()
                    break
                known.append(renewal["grant"]["refresh"])
                rows = house.rows()["_auth_refresh_tokens"]
                fresh = [row for row in rows if grant["session"] in row and '"usedAt"' not in row]
                assert len([row for row in fresh if '"withdrawn":true' not in row]) == 1


class TestSignIn:
    def test_each_sign_in_opens_a_session_of_its_own(self, house: House) -> None:
        """S1: no two sign-ins share a session, and none takes an id that somebody has brought along."""
        first, second = house.sign_in("brought-along"), house.sign_in()

        assert len({first["session"], second["session"], "brought-along"}) == 3
        assert first["ended"] == second["ended"] == []

    def test_a_sign_in_ends_the_session_it_was_begun_with(self, house: House) -> None:
        """S2, S3: who signs in while signed in leaves the earlier session, and it alone."""
        other, first = house.sign_in(), house.sign_in()

        second = house.sign_in(replacing=first["session"])

        assert second["ended"] == [first["session"]]
        assert second["user"] != first["user"]
        assert unchanged(house, lambda: house.renew(first)) == DEAD
        assert house.renew(other)["kind"] == "granted"

    def test_signing_out_ends_one_session(self, house: House) -> None:
        """S4: other devices stay signed in; twice is no error."""
        phone, desk = house.sign_in(), house.sign_in()

        assert house.app.mutate("_system/auth/sessions:signOut", session=phone["session"]) == [phone["session"]]
        assert (
            unchanged(house, lambda: house.app.mutate("_system/auth/sessions:signOut", session=phone["session"])) == []
        )
        assert house.renew(desk)["kind"] == "granted"

    def test_an_ended_session_is_remembered_as_long_as_its_tokens(self, house: House) -> None:
        """What has ended is in the table until the last token of it is over, and is swept then."""
        grant = house.sign_in()
        house.app.mutate("_system/auth/sessions:signOut", session=grant["session"])

        house.advance(SIGN_IN.jwt_ttl_ms)
        assert house.due() == []
        house.advance(3 * MINUTE_MS)
        [due] = house.due()
        house.app.mutate("_system/expiry:sweep", table=due["table"], at=due["at"])

        assert due["table"] == "_auth_ended_sessions"
        assert house.ended() == []

    def test_what_is_over_is_swept(self, house: House) -> None:
        """Sessions and tokens whose time is over leave no rows behind."""
        house.renew(house.sign_in())
        house.advance(40 * DAY_MS)

        for due in house.due():
            house.app.mutate("_system/expiry:sweep", table=due["table"], at=due["at"])

        rows = house.rows()
        assert rows["_auth_sessions"] == rows["_auth_refresh_tokens"] == []

    def test_one_network_brings_no_crowd(self, house: House) -> None:
        """Anonymous users of one network are limited, and nothing is left of one too many; others come as ever."""
        path, key = "_system/rateLimits:take", {"key": "192.0.2.1", "n": 1_000}
        burst = {"intervalMs": 3_600.0, "burst": 1_000}
        assert house.app.mutate(path, name="_sign-in arrivals", **key, **burst)["ok"]

        refused = unchanged(house, house.enter)

        assert refused["grant"] is None
        assert refused["retryAfterS"] > 0
        assert house.enter(network="198.51.100.1")["grant"] is not None


class TestFunctions:
    def test_the_token_says_which_document_it_is(self, house: House) -> None:
        """`require_user` finds whom the deployment has signed in by the token alone: no index is needed."""
        grant = house.sign_in()

        assert house.ask("users:me", grant)["_id"] == grant["user"]
        assert house.ask("users:thisDevice", grant) == grant["session"]

    def test_somebody_sees_their_devices_and_leaves_one(self, house: House) -> None:
        """Sessions are listed with how and when they began, and ended one by one; others' are not theirs to end."""
        ann, bob = house.sign_in(), house.sign_in()

        [device] = house.ask("users:devices", ann)
        assert (device["id"], device["user"], device["provider"]) == (ann["session"], ann["user"], "anonymous")
        assert house.ask("users:leave", ann, session=bob["session"]) is False
        assert house.ask("users:leave", ann, session="nonsense") is False
        assert house.renew(bob)["kind"] == "granted"
        assert house.ask("users:leave", ann, session=ann["session"]) is True
        assert house.ask("users:devices", ann) == []

    def test_an_owner_ends_sessions_of_anybody(self, house: House) -> None:
        """With the id of a user, all of theirs end; whoever asks stays."""
        owner, bob = house.sign_in(), house.sign_in()

        assert [device["id"] for device in house.ask("users:devices", owner, of=bob["user"])] == [bob["session"]]
        assert house.ask("users:leaveOthers", owner, of=bob["user"]) == 1
        assert house.ended() == [bob["session"]]
        assert house.ask("users:leaveOthers", owner) == 0
        assert house.renew(owner)["kind"] == "granted"

    def test_whom_nobody_has_signed_in_has_no_devices(self, house: House) -> None:
        """A token of another issuer belongs to no login session; asking for mine is refused."""
        outcome = house.app.run_query("users:devices", {})

        assert outcome.failure is not None
        assert outcome.failure.code == "not_signed_in"


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [({"sub": "owner"}, "'sub' is the platform's to say"), ({"story": "x" * 3_000}, "beginning with story, provider")],
)
def test_claims_that_no_token_can_carry_sign_nobody_in(house: House, claims: dict[str, str], sentence: str) -> None:
    """S7: a sign-in with a reserved claim, or with too many, fails as a whole: no user, no account, no session."""
    profile = {"provider": "github", "accountId": "1", "kind": "oauth", "claims": claims}

    def sign_in() -> None:
        house.app.mutate("_system/auth/sessions:signIn", profile=profile, replacing=None, refresh="r")

    with pytest.raises(CallError, match=sentence):
        unchanged(house, sign_in)
    assert unchanged(house, lambda: house.app.query("_system/auth/sessions:list")) == []


def test_a_copy_of_the_database_makes_nobodys_token(house: House) -> None:
    """F10: rows hold ids; what a client presents has a MAC that no row has."""
    tokens = OwnTokens(Keyring(b"k" * 32, [], house.time), house.time, issuer=SIGN_IN.issuer, ttl_ms=1.0)
    strangers = OwnTokens(Keyring(b"x" * 32, [], house.time), house.time, issuer=SIGN_IN.issuer, ttl_ms=1.0)
    grant = house.sign_in()

    real = tokens.refresh_token(grant["refresh"], grant["session"])

    assert tokens.read_refresh_token(real) == (grant["refresh"], grant["session"])
    assert tokens.read_refresh_token(strangers.refresh_token(grant["refresh"], grant["session"])) is None
    assert real.rpartition(".")[2] not in str(house.rows())
