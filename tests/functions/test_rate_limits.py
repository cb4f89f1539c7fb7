"""Rate limits: what a bucket gives, checked against one that is kept in fractions, and what keeps its rows few."""

import itertools
import math
import pickle
from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joelclaw.errors import BadDuration, Misuse, RateLimited
from joelclaw.functions.rate_limits import KEY_LENGTH_MAX, RateLimit
from joelclaw.system.rate_limits import LINGER_MS, SLACK_MS
from joelclaw.values import wire
from tests.functions.deployment import CallError, Deployment

Deploy = Callable[..., Deployment]

APP = {
    "schema.py": """
        from joelclaw import Table

        class Note(Table):
            __table__ = "notes"
            text: str
    """,
    "notes.py": """
        from joelclaw import *
        from schema import Note

        adding = RateLimit("adding", rate=10, per="1h", burst=3)
        slowly = RateLimit("slowly", rate=1, per="1h")
        quickly = RateLimit("quickly", rate=100, per="1s")
        buckets = {"adding": adding, "slowly": slowly, "quickly": quickly}

        @mutation
        def add(ctx: MutationCtx, who: str = "", n: int = 1, fail: bool = False) -> None:
            ctx.db.insert(Note(text=who))
            adding.take(ctx, who, n)
            if fail:
                raise AppError("no")

        @mutation
        def try_to_add(ctx: MutationCtx, who: str, limit: str = "adding") -> Allowance:
            return buckets[limit].try_take(ctx, who)

        @mutation
        def add_inside(ctx: MutationCtx, who: str) -> None:
            try:
                ctx.run_mutation(add, who, fail=True)
            except AppError:
                pass

        @mutation
        def forgive(ctx: MutationCtx, who: str) -> None:
            adding.reset(ctx, who)

        @query
        def standing(ctx: QueryCtx, who: str, n: int = 1) -> Allowance:
            return adding.check(ctx, who, n)

        @query
        def taken_in_a_query(ctx: QueryCtx) -> None:
            adding.take(ctx, "ann")  # type: ignore[arg-type]

        @query
        def notes(ctx: QueryCtx) -> int:
            return ctx.db.query(Note).count()
    """,
}


@pytest.fixture
def app(deployment: Deploy) -> Deployment:
    return deployment(APP)


def rows(app: Deployment) -> list[bytes]:
    """The buckets, as they are kept."""
    table = next(table for table in app.layout.tables if table.name == "_rate_limits")
    with app.store.read() as snapshot:
        return [raw for _, raw in snapshot.scan(table, table.by_creation_time, b"", None, limit=10_000)]


def test_a_bucket_is_empty_after_its_burst_and_fills_up(app: Deployment) -> None:
    """Three at once, then one every six minutes; the refusal says when, as data for the client."""
    for _ in range(3):
        app.mutate("notes:add", who="ann")
    app.hooks.time.advance(timedelta(minutes=2))
    with pytest.raises(CallError) as refused:
        app.mutate("notes:add", who="ann")
    assert refused.value.failure.public
    assert b'"code":"RATE_LIMITED"' in (refused.value.failure.data or b"")
    assert b'"retryAfterS":240.0' in (refused.value.failure.data or b"")
    assert app.query("notes:notes") == 3

    app.hooks.time.advance(timedelta(minutes=4))
    app.mutate("notes:add", who="ann")
    with pytest.raises(CallError):
        app.mutate("notes:add", who="ann")


def test_keys_and_limits_have_buckets_of_their_own(app: Deployment) -> None:
    """What one key has used up is there for another, and for another limit; no key is one more key."""
    for who in ("ann", "bob", ""):
        app.mutate("notes:add", who=who, n=3)
    assert app.mutate("notes:tryToAdd", who="ann", limit="slowly")["ok"]
    assert not app.mutate("notes:tryToAdd", who="ann")["ok"]
    assert not app.mutate("notes:tryToAdd", who="")["ok"]


def test_what_is_undone_has_taken_nothing(app: Deployment) -> None:
    """A mutation that fails keeps its token, and so does one that fails inside another."""
    for _ in range(5):
        with pytest.raises(CallError):
            app.mutate("notes:add", who="ann", fail=True)
        app.mutate("notes:addInside", who="ann")
    assert app.query("notes:standing", who="ann") == {"ok": True, "left": 3.0, "retryAt": None}


def test_a_refusal_takes_nothing(app: Deployment) -> None:
    """However often somebody tries in vain, it does not take longer."""
    app.mutate("notes:add", who="ann", n=3)
    first = app.mutate("notes:tryToAdd", who="ann")
    for _ in range(20):
        assert app.mutate("notes:tryToAdd", who="ann") == first


def test_reset_fills_one_bucket(app: Deployment) -> None:
    """And no other."""
    for who in ("ann", "bob"):
        app.mutate("notes:add", who=who, n=3)
    app.mutate("notes:forgive", who="ann")
    app.mutate("notes:forgive", who="nobody yet")
    assert app.query("notes:standing", who="ann")["left"] == 3.0
    assert app.query("notes:standing", who="bob")["left"] == 0.0


def test_a_query_that_looks_is_run_again_when_the_answer_changes(app: Deployment) -> None:
    """At the instant of the next token; a full bucket changes only by a write."""
    assert app.run_query("notes:standing", {"who": "ann"}).expires == float("inf")
    app.mutate("notes:add", who="ann", n=3)
    outcome = app.run_query("notes:standing", {"who": "ann", "n": 2})
    app.hooks.time.set_ms(outcome.expires - 1)
    assert not app.query("notes:standing", who="ann")["ok"]
    app.hooks.time.set_ms(outcome.expires)
    assert app.query("notes:standing", who="ann") == {"ok": True, "left": 1.0, "retryAt": None}
    assert not app.query("notes:standing", who="ann", n=2)["ok"]


def test_a_hot_key_has_one_row_and_rows_of_full_buckets_are_swept(app: Deployment) -> None:
    """A thousand takes write one row, which goes some time after its bucket is full."""
    for _ in range(1_000):
        app.mutate("notes:tryToAdd", who="ann")
        app.hooks.time.advance(timedelta(minutes=1))
    assert len(rows(app)) == 1
    bucket: Any = wire.decode(rows(app)[0])
    assert bucket["fullAt"] <= bucket["forgetAt"] <= bucket["fullAt"] + LINGER_MS
    app.hooks.time.set_ms(bucket["forgetAt"])
    assert [due["table"] for due in app.query("_system/expiry:due")] == ["_rate_limits"]
    app.mutate("_system/expiry:sweep", table="_rate_limits", at=app.hooks.time.now_ms())
    assert rows(app) == []


def test_a_hot_key_wakes_the_sweeper_once_a_minute(app: Deployment) -> None:
    """Between two takes its document is to be swept at the same instant; the instant moves before it comes."""
    instants = []
    for _ in range(1_200):
        assert app.mutate("notes:tryToAdd", who="ann", limit="quickly")["ok"]
        bucket: Any = wire.decode(rows(app)[0])
        assert bucket["forgetAt"] >= bucket["fullAt"]
        instants.append(bucket["forgetAt"])
        app.hooks.time.advance(timedelta(milliseconds=100))
    assert 2 <= len(set(instants)) <= 3


def test_a_clock_that_goes_back_keeps_nobody_waiting_until_it_has_caught_up(app: Deployment) -> None:
    """By seconds, and what was taken stays taken; by a day, and it is forgotten."""
    app.mutate("notes:add", who="ann", n=3)
    app.hooks.time.advance(timedelta(seconds=-30))
    assert not app.mutate("notes:tryToAdd", who="ann")["ok"]
    app.hooks.time.advance(timedelta(days=-1))
    assert app.query("notes:standing", who="ann")["left"] == 3.0
    app.mutate("notes:add", who="ann", n=3)
    assert not app.mutate("notes:tryToAdd", who="ann")["ok"]


def test_long_keys_are_kept_short_and_apart(app: Deployment) -> None:
    """A key of a megabyte makes no large row, and none can be written that meets another's digest."""
    long = "x" * 300_000
    app.mutate("notes:add", who=long, n=3)
    app.mutate("notes:add", who=long[:-1], n=3)
    kept = rows(app)
    assert len(kept) == 2
    assert all(len(raw) < KEY_LENGTH_MAX + 200 for raw in kept)
    digest = kept[0].decode().split('"sha256:')[1][:64]
    assert app.mutate("notes:tryToAdd", who=f"sha256:{digest}")["ok"]


def test_queries_take_nothing(app: Deployment) -> None:
    """The sentence says what a query has instead."""
    with pytest.raises(CallError, match=r"only a mutation takes; a query looks, with check\(ctx, key\)"):
        app.query("notes:takenInAQuery")


@pytest.mark.parametrize("n", [0, -1, 4])
def test_what_a_bucket_can_never_hold_is_a_mistake(app: Deployment, n: int) -> None:
    """Nobody waits for more tokens than there will ever be."""
    with pytest.raises(CallError, match="from 1 to 3"):
        app.mutate("notes:add", who="ann", n=n)
    assert rows(app) == []


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("", {}, "a name begins with a letter"),
        ("_auth", {}, "a name begins with a letter"),
        ("a", {"rate": 0}, "rate=0"),
        ("a", {"rate": 1.5}, "rate=1.5"),
        ("a", {"rate": True}, "rate=True"),
        ("a", {"burst": 0}, "burst=0"),
        ("a", {"per": "0s"}, "more than can be counted"),
        ("a", {"rate": 1_000_000}, "more than can be counted"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused_where_it_is_made(name: str, settings: Any, said: str) -> None:
    """So the load of the app tells its file and line."""
    with pytest.raises(Misuse, match=said):
        RateLimit(name, **{"rate": 1, "per": "1s", **settings})


def test_a_time_without_unit_is_refused() -> None:
    """As everywhere."""
    with pytest.raises(BadDuration):
        RateLimit("a", rate=1, per="60")


def test_a_refusal_survives_pickling() -> None:
    """Isolates raise it, others answer it."""
    error = pickle.loads(pickle.dumps(RateLimited("a", 0.0123456)))
    assert error.data == {"code": "RATE_LIMITED", "name": "a", "retryAfterS": 0.013}
    assert error.retry_after_s == 0.013


class Model:
    """A bucket that is filled up, in exact numbers."""

    def __init__(self, rate: int, per_ms: int, burst: int) -> None:
        self.per_token, self.burst = Fraction(per_ms, rate), burst
        self.tokens = Fraction(burst)

    def pass_time(self, ms: int) -> None:
        self.tokens = min(Fraction(self.burst), self.tokens + ms / self.per_token)


LIMITS = {
    "schema.py": "",
    "limits.py": """
        from joelclaw import *

        @mutation
        def take(ctx: MutationCtx, key: str, rate: int, per: str, burst: int, n: int) -> Allowance:
            return RateLimit("any", rate=rate, per=per, burst=burst).try_take(ctx, key, n)

        @query
        def check(ctx: QueryCtx, key: str, rate: int, per: str, burst: int, n: int) -> Allowance:
            return RateLimit("any", rate=rate, per=per, burst=burst).check(ctx, key, n)
    """,
}


def test_a_bucket_gives_what_one_in_fractions_gives(deployment: Deploy) -> None:
    """
    Every take and look answers as the model does, whatever was taken when. Rounding may give a token a few
    thousandths of a millisecond early; it never makes anybody wait beyond `retry_at`.
    """
    app = deployment(LIMITS)
    start = round(app.hooks.time.now_ms())
    keys = itertools.count()

    @settings(max_examples=80)
    @given(
        rate=st.integers(1, 50),
        per_ms=st.sampled_from([1_000, 7_001, 60_000, 3_600_000]),
        burst=st.integers(1, 20),
        steps=st.lists(
            st.tuples(st.integers(0, 5_000), st.sampled_from(["take", "check", "wait"]), st.integers(1, 20)),
            max_size=30,
        ),
    )
    def check(rate: int, per_ms: int, burst: int, steps: list[tuple[int, str, int]]) -> None:
        model, now = Model(rate, per_ms, burst), start
        slack = Fraction(SLACK_MS) * 3 / model.per_token
        settings_ = {"key": f"k{next(keys)}", "rate": rate, "per": f"{per_ms}ms", "burst": burst}

        def go_to(instant: int) -> None:
            nonlocal now
            model.pass_time(instant - now)
            now = instant
            app.hooks.time.set_ms(instant)

        for pause, what, wanted in steps:
            n = min(wanted, burst)
            go_to(now + pause)
            if what == "wait":
                retry_at = app.query("limits:check", **settings_, n=n)["retryAt"]
                if retry_at is not None:
                    go_to(math.ceil(retry_at))
                assert app.query("limits:check", **settings_, n=n)["ok"]
                continue
            before = model.tokens
            answer = (app.mutate if what == "take" else app.query)(f"limits:{what}", **settings_, n=n)
            assert answer["ok"] == (before >= n) or abs(before - n) <= slack
            if what == "take" and answer["ok"]:
                model.tokens -= n
            assert answer["left"] == model.tokens // 1 or abs(model.tokens - round(model.tokens)) <= slack
            assert (answer["retryAt"] is None) == answer["ok"]

    check()
