"""The bridge from Redis: what the owner sees of a real one, and who may write it."""

import json
import random
from collections.abc import Mapping
from typing import Any

import pytest

from app_functions import _redis_listener, bridge, gateway, health, loops
from app_functions._redis_listener import Change, Listener
from joelclaw.testing import Backend, CallRefused
from schema import LoopState, QueueState, RegistrationState
from tests.app.people import guest, owner, reader
from tests.redis_server import RedisServer

NOW_S = 1_700_000_000
"""When every test's backend begins."""


@pytest.fixture
def source(backend: Backend, redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    """A Redis that the backend knows, and has patience with."""
    monkeypatch.setattr(_redis_listener, "ANSWER_TIMEOUT_S", 25.0)
    backend.env["REDIS_URL"] = redis.url
    return redis


def look(backend: Backend) -> None:
    """Have one listener keep what is there now."""
    backend.internal.action(bridge.look)


def queues(backend: Backend) -> dict[str, int]:
    return {one.name: one.depth for one in owner(backend).query(gateway.queues)}


def titles(backend: Backend) -> dict[str, str]:
    return {one.name: one.title for one in owner(backend).query(gateway.registrations)}


def states(backend: Backend) -> dict[str, str]:
    return {one.name: one.state for one in owner(backend).query(loops.current)}


def seen(backend: Backend) -> health.SourceSeen:
    [found] = [one for one in owner(backend).query(health.sources) if one.name == "redis"]
    return found


def test_only_the_owner_sees_what_redis_has(backend: Backend, source: RedisServer) -> None:
    """Nobody else does, and nobody at all writes it from outside."""
    for caller in (backend, guest(backend), reader(backend)):
        for query in (gateway.queues, gateway.registrations, loops.current):
            with pytest.raises(CallRefused):
                caller.query(query)
    for call in (bridge.take, bridge.tend):
        with pytest.raises(CallRefused):
            owner(backend).mutation(call)
    with pytest.raises(CallRefused):
        owner(backend).mutation(bridge.keep, number=1, change=change())
    with pytest.raises(CallRefused):
        owner(backend).action(bridge.listen)


def test_what_redis_has_is_shown(backend: Backend, source: RedisServer) -> None:
    """Queues with their depth and the time of what waits longest, sessions, loops; nothing else that is there."""
    redis = source.client
    for second in (3, 2, 1):
        redis.rpush("joelclaw:queue:mail", json.dumps({"at": NOW_S - second, "to": "joel"}))
    redis.xadd("joelclaw:queue:events", {"a": "1"}, id=f"{NOW_S}000-0")
    redis.xadd("joelclaw:queue:events", {"a": "2"}, id=f"{NOW_S}500-0")
    redis.rpush("joelclaw:queue:plain", "no object")
    redis.hset("joelclaw:session:s1", mapping={"title": "Voice", "host": "panda", "startedAt": NOW_S * 1000})
    redis.set("joelclaw:session:s2", "Terminal", ex=60)
    redis.set("joelclaw:session:s3", json.dumps({"title": "Web", "state": "idle"}))
    redis.hset(
        "joelclaw:loop:l1",
        mapping={"title": "Write tests", "state": "running", "iteration": 3, "updated_at": "2023-11-14T22:13:20Z"},
    )
    redis.hset("joelclaw:loop:l2", mapping={"goal": "Deploy", "status": "completed"})
    redis.set("joelclaw:other:thing", "1")
    redis.set("elsewhere:queue:mail", "1")
    look(backend)

    assert owner(backend).query(gateway.queues) == [
        QueueState(name="events", depth=2, oldest_at=NOW_S * 1000.0),
        QueueState(name="mail", depth=3, oldest_at=(NOW_S - 3) * 1000.0),
        QueueState(name="plain", depth=1),
    ]
    first, second, third = owner(backend).query(gateway.registrations)
    assert first == RegistrationState(name="s1", title="Voice", host="panda", started_at=NOW_S * 1000.0)
    assert second.title == "Terminal"
    assert second.until == pytest.approx(backend.clock.now() + 60_000, abs=60_000)
    assert (third.title, third.state, third.until) == ("Web", "idle", None)
    assert owner(backend).query(loops.current) == [
        LoopState(name="l1", title="Write tests", state="running", iteration=3, updated_at=NOW_S * 1000.0),
        LoopState(name="l2", title="Deploy", state="done"),
    ]
    assert seen(backend).state == "up"


def test_a_prefix_is_meant_literally(backend: Backend, source: RedisServer) -> None:
    """`REDIS_PREFIX` says which keys are ours; what a pattern would be is none."""
    backend.env["REDIS_PREFIX"] = "a*[b]?:"
    source.client.rpush("a*[b]?:queue:mine", "x")
    source.client.rpush("axxb?:queue:other", "x")
    look(backend)

    assert queues(backend) == {"mine": 1}


def test_what_changes_is_written_and_nothing_else(backend: Backend, source: RedisServer) -> None:
    """What came, changed or vanished does so on an open page at once; without a change nobody is told."""
    redis = source.client
    redis.rpush("joelclaw:queue:a", "x")
    redis.rpush("joelclaw:queue:b", "x")
    look(backend)
    page = owner(backend).subscribe(gateway.queues)
    look(backend)
    look(backend)
    assert len(page.history) == 1

    redis.rpush("joelclaw:queue:b", "y")
    redis.delete("joelclaw:queue:a")
    redis.rpush("joelclaw:queue:c", "x")
    look(backend)

    assert [(one.name, one.depth) for one in page.value] == [("b", 2), ("c", 1)]
    assert len(page.history) == 2


def test_a_session_goes_when_its_key_ends(backend: Backend, source: RedisServer) -> None:
    """At that moment, without anybody who looks."""
    source.client.set("joelclaw:session:s", "Voice", ex=3_600)
    source.client.set("joelclaw:session:t", "Web")
    look(backend)
    del backend.env["REDIS_URL"]

    assert titles(backend) == {"s": "Voice", "t": "Web"}
    backend.clock.advance("3601s")
    assert titles(backend) == {"t": "Web"}


def test_a_redis_that_is_down_blanks_nothing(backend: Backend, source: RedisServer) -> None:
    """The source is down since then, with the reason; when it is back and empty, so is the page."""
    source.client.rpush("joelclaw:queue:mail", "x")
    look(backend)
    source.kill()
    look(backend)
    down_at = backend.clock.now()
    backend.clock.advance("10s")
    look(backend)

    assert (seen(backend).state, seen(backend).down_since) == ("down", down_at)
    assert (seen(backend).problem or "").startswith("Redis cannot be asked: ")
    assert queues(backend) == {"mail": 1}

    source.start()
    look(backend)
    assert seen(backend).state == "up"
    assert queues(backend) == {}


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("localhost:6379", "REDIS_URL is no address of a Redis; write redis://host:6379/0, or rediss:// for TLS."),
        (
            "redis://u:se/cret@h:x",
            "REDIS_URL is no address of a Redis; write redis://host:6379/0, or rediss:// for TLS.",
        ),
    ],
)
def test_an_address_that_is_none_is_told(backend: Backend, url: str, problem: str) -> None:
    """Without a part of it: it may hold a password."""
    backend.env["REDIS_URL"] = url
    look(backend)
    assert seen(backend).problem == problem


def test_a_wrong_password_is_told(backend: Backend, source: RedisServer) -> None:
    """As Redis says it, without the password."""
    source.client.config_set("requirepass", "right")
    backend.env["REDIS_URL"] = source.url.replace("redis://", "redis://:hunter2@")
    look(backend)

    problem = seen(backend).problem or ""
    assert problem.startswith("Redis cannot be asked: ")
    assert "hunter2" not in problem


def test_more_than_a_page_can_show_is_told(backend: Backend, source: RedisServer) -> None:
    """What was there before stays."""
    source.client.rpush("joelclaw:queue:mail", "x")
    look(backend)
    source.client.mset({f"joelclaw:loop:{number}": "{}" for number in range(501)})
    look(backend)

    assert seen(backend).problem == "Redis has more than 500 keys joelclaw:loop:*, too many to show."
    assert queues(backend) == {"mail": 1}
    assert states(backend) == {}


def test_malformed_values_are_told(backend: Backend, source: RedisServer) -> None:
    """Each where it is, in a sentence; the others are shown, and the source is up."""
    redis = source.client
    redis.set("joelclaw:queue:text", "x")
    redis.rpush("joelclaw:queue:fine", "x")
    redis.rpush("joelclaw:session:list", "x")
    redis.rpush("joelclaw:loop:list", "x")
    redis.hset("joelclaw:loop:odd", mapping={"state": "dancing", "iteration": "many", "updated_at": "soon"})
    redis.hset("joelclaw:loop:bare", mapping={"unknown": "field"})
    redis.set("joelclaw:loop:half", '{"state": "running", "title": "\\ud800", "iteration": -1}')
    redis.hset("joelclaw:session:bytes", mapping={"title": b"\xff\x00" + b"x" * 5_000})
    redis.rpush(b"joelclaw:queue:\xff" + b"n" * 300, "x")
    redis.rpush("joelclaw:queue:", "without a name")
    redis.rpush("joelclaw:queue:deep", "[" * 100_000)
    look(backend)

    assert seen(backend).state == "up"
    told = {one.name: one.problem for one in owner(backend).query(gateway.queues)}
    long = "\ufffd" + "n" * 198 + "…"
    assert told == {"text": "It is a string, neither a list nor a stream.", "fine": None, "deep": None, long: None}
    assert {one.name: one.problem for one in owner(backend).query(loops.current)} == {
        "list": "It is a list, neither a hash nor a text.",
        "odd": "Its state 'dancing' is none that we know. Its iteration 'many' is no count. "
        "Its updated_at 'soon' is no time.",
        "bare": "It has no state.",
        "half": "Its iteration '-1' is no count.",
    }
    by_name = {one.name: one for one in owner(backend).query(gateway.registrations)}
    assert by_name["list"].problem == "It is a list, neither a hash nor a text."
    assert by_name["bytes"].title == "\ufffd\x00" + "x" * 197 + "…"


# -- who listens


def change(*, whole: bool = True, gone: list[str] | None = None, **depths: int) -> Change:
    """Queues with these depths."""
    queues = [QueueState(name=name, depth=depth) for name, depth in depths.items()]
    return Change(whole=whole, queues=queues, registrations=[], loops=[], gone=gone or [])


def test_of_two_listeners_the_newer_one_writes(backend: Backend) -> None:
    """The older one is told so, by every write, and has changed nothing; it hands over to nobody."""
    old = backend.internal.mutation(bridge.take)
    assert backend.internal.mutation(bridge.keep, number=old, change=change(a=1))
    new = backend.internal.mutation(bridge.take)

    assert not backend.internal.mutation(bridge.keep, number=old, change=change(b=2))
    assert not backend.internal.mutation(bridge.alive, number=old, problem="gone")
    backend.internal.mutation(bridge.hand_over, number=old)
    assert queues(backend) == {"a": 1}
    assert backend.internal.mutation(bridge.keep, number=new, change=change(c=3))
    assert queues(backend) == {"c": 3}


def test_a_cron_has_somebody_listen(backend: Backend, source: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within five minutes, when nobody does; not while somebody says that they are alive."""

    class Once(Listener):
        """A real one listens for real minutes, and goes on."""

        async def listen(self, for_s: float) -> bool:
            return await super().listen(for_s * 0) and False

    monkeypatch.setattr(bridge, "Listener", Once)
    source.client.rpush("joelclaw:queue:mail", "x")
    number = backend.internal.mutation(bridge.take)
    for _ in range(12):
        backend.clock.advance("50s")
        assert backend.internal.mutation(bridge.alive, number=number)
    assert queues(backend) == {}

    backend.clock.advance("6m")
    assert queues(backend) == {"mail": 1}
    assert not backend.internal.mutation(bridge.alive, number=number)


def test_without_redis_nothing_happens(backend: Backend) -> None:
    """The source is not configured, and nobody listens."""
    backend.clock.advance("10m")
    assert seen(backend).state == "not configured"
    look(backend)
    assert backend.internal.mutation(bridge.take) == 1


def test_a_listener_that_is_silent_is_seen(backend: Backend) -> None:
    """Three minutes after it was alive last, by itself; what it had kept is still there."""
    backend.env["REDIS_URL"] = "redis://127.0.0.1:1/0"
    number = backend.internal.mutation(bridge.take)
    backend.internal.mutation(bridge.keep, number=number, change=change(a=1))
    backend.internal.mutation(bridge.alive, number=number)
    page = owner(backend).subscribe(health.sources)

    # Nobody is there at this address: what the cron has listen does not say that all is well.
    del backend.env["REDIS_URL"]
    backend.clock.advance("3m")
    backend.env["REDIS_URL"] = "redis://127.0.0.1:1/0"

    assert [one.state for one in page.value if one.name == "redis"] == ["silent"]
    assert queues(backend) == {"a": 1}


def test_changes_leave_what_a_model_has(backend: Backend) -> None:
    """Whatever comes, changes and goes, a part of it or all at once: there is what a dictionary would have."""
    seed = 7
    print("seed", seed)
    chance = random.Random(seed)
    number = backend.internal.mutation(bridge.take)
    model: dict[str, dict[str, Any]] = {"queue": {}, "session": {}, "loop": {}}
    for _ in range(150):
        whole = chance.random() < 0.2
        drawn: dict[str, dict[str, Any]] = {
            "queue": {n: QueueState(name=n, depth=chance.randrange(3)) for n in _names(chance)},
            "session": {n: RegistrationState(name=n, title=chance.choice("xy")) for n in _names(chance)},
            "loop": {n: LoopState(name=n, iteration=chance.randrange(3)) for n in _names(chance)},
        }
        gone = {kind: set(_names(chance)) - drawn[kind].keys() for kind in model}
        for kind, states_now in model.items():
            before: Mapping[str, Any] = {} if whole else states_now
            kept = {name: one for name, one in before.items() if name not in gone[kind]}
            model[kind] = kept | drawn[kind]
        backend.internal.mutation(
            bridge.keep,
            number=number,
            change=Change(
                whole=whole,
                queues=list(drawn["queue"].values()),
                registrations=list(drawn["session"].values()),
                loops=list(drawn["loop"].values()),
                gone=[f"{kind}:{name}" for kind in gone for name in sorted(gone[kind])],
            ),
        )
        assert {one.name: one for one in owner(backend).query(gateway.queues)} == model["queue"]
        assert {one.name: one for one in owner(backend).query(gateway.registrations)} == model["session"]
        assert {one.name: one for one in owner(backend).query(loops.current)} == model["loop"]


def _names(chance: random.Random) -> list[str]:
    return chance.sample(["a", "b:c", "d", "e"], chance.randrange(4))
