"""A listener on a real Redis: what it hands on while things change, break, and come back."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from app_functions import _redis_listener
from app_functions._redis_listener import Change, Listener
from app_functions._redis_state import State
from tests.redis_server import RedisServer

PATIENCE_S = 120.0
"""A bound, for a listener that never does what is waited for."""

NEVER_S = 3_600.0


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has much to do may take its time."""
    monkeypatch.setattr(_redis_listener, "ANSWER_TIMEOUT_S", PATIENCE_S)


class Keeper:
    """Keeps what a listener hands on, as the database would, and says what it was told."""

    def __init__(self) -> None:
        self.kept: dict[str, State] = {}
        self.changes: list[Change] = []
        self.told: list[str | None] = []
        self.is_ours = True
        self._happened = asyncio.Event()

    async def keep(self, change: Change) -> bool:
        if self.is_ours:
            self.changes.append(change)
            named: dict[str, State] = {f"queue:{one.name}": one for one in change.queues}
            named |= {f"session:{one.name}": one for one in change.registrations}
            named |= {f"loop:{one.name}": one for one in change.loops}
            before = {} if change.whole else {name: it for name, it in self.kept.items() if name not in change.gone}
            self.kept = before | named
        self._happened.set()
        return self.is_ours

    async def tell(self, problem: str | None) -> bool:
        self.told.append(problem)
        self._happened.set()
        return self.is_ours

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to be so."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._happened.clear()
                await self._happened.wait()

    def depths(self) -> dict[str, int]:
        return {name: one.depth for name, one in self.kept.items() if hasattr(one, "depth")}


def listening(
    redis: RedisServer, story: Callable[[Keeper], Coroutine[Any, Any, None]], *, read_every_s: float = NEVER_S
) -> Keeper:
    """What is kept while a listener listens and a story happens."""

    async def play() -> Keeper:
        keeper = Keeper()
        listener = Listener(
            redis.url,
            "joelclaw:",
            keep=keeper.keep,
            tell=keeper.tell,
            now=lambda: time.time() * 1e3,
            read_every_s=read_every_s,
        )
        task = asyncio.create_task(listener.listen(NEVER_S))
        try:
            await story(keeper)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        return keeper

    return asyncio.run(play())


def push(redis: RedisServer, name: str, *, told: bool = True) -> None:
    redis.client.rpush(f"joelclaw:queue:{name}", "x")
    if told:
        redis.client.publish("joelclaw:changes", f"queue:{name}")


def test_a_change_that_is_told_is_handed_on(redis: RedisServer) -> None:
    """That key alone, with or without the prefix before its name; what is not ours is no change."""

    async def story(keeper: Keeper) -> None:
        await keeper.until(lambda: keeper.told == [None])
        push(redis, "a")
        await keeper.until(lambda: keeper.depths() == {"queue:a": 1})
        redis.client.publish("joelclaw:changes", "elsewhere:thing")
        redis.client.rpush("joelclaw:queue:b", "x")
        redis.client.publish("joelclaw:changes", "joelclaw:queue:b")
        await keeper.until(lambda: keeper.depths() == {"queue:a": 1, "queue:b": 1})
        redis.client.delete("joelclaw:queue:a")
        redis.client.publish("joelclaw:changes", b"queue:a")
        await keeper.until(lambda: keeper.depths() == {"queue:b": 1})

    keeper = listening(redis, story)
    assert [(change.whole, len(change.queues), change.gone) for change in keeper.changes] == [
        (True, 0, []),
        (False, 1, []),
        (False, 1, []),
        (False, 0, ["queue:a"]),
    ]


def test_what_changes_while_everything_is_read_is_not_missed(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was subscribed before: a change right behind the reading is told."""
    read = _redis_listener.Reader.everything

    async def changed_behind(reader: _redis_listener.Reader) -> dict[str, State]:
        states = await read(reader)
        push(redis, "late")
        return states

    monkeypatch.setattr(_redis_listener.Reader, "everything", changed_behind)

    async def story(keeper: Keeper) -> None:
        await keeper.until(lambda: keeper.depths() == {"queue:late": 1})

    listening(redis, story)


def test_what_nobody_told_is_found(redis: RedisServer) -> None:
    """By reading everything again and again; a database that was flushed leaves nothing."""

    async def story(keeper: Keeper) -> None:
        push(redis, "a", told=False)
        push(redis, "b", told=False)
        await keeper.until(lambda: keeper.depths() == {"queue:a": 1, "queue:b": 1})
        redis.client.flushall()
        await keeper.until(lambda: keeper.depths() == {})

    listening(redis, story, read_every_s=0.05)


def test_an_empty_message_has_everything_read(redis: RedisServer) -> None:
    """For whoever changed more than they can name."""

    async def story(keeper: Keeper) -> None:
        await keeper.until(lambda: keeper.told == [None])
        push(redis, "a", told=False)
        redis.client.publish("joelclaw:changes", "")
        await keeper.until(lambda: keeper.depths() == {"queue:a": 1})

    listening(redis, story)


def test_many_changes_are_few_transactions(redis: RedisServer) -> None:
    """What is told together is handed on together, with the newest of each key."""

    async def story(keeper: Keeper) -> None:
        await keeper.until(lambda: keeper.told == [None])
        told = redis.client.pipeline()
        for _ in range(400):
            told.rpush("joelclaw:queue:a", "x")
            told.publish("joelclaw:changes", "queue:a")
        told.execute()
        await keeper.until(lambda: keeper.depths() == {"queue:a": 400})

    keeper = listening(redis, story)
    assert len(keeper.changes) < 200


def test_a_redis_that_was_killed_is_found_again(redis: RedisServer) -> None:
    """Its end is told and nothing is taken away; when it is back, what it has then is all there is."""

    async def story(keeper: Keeper) -> None:
        push(redis, "a", told=False)
        await keeper.until(lambda: keeper.depths() == {"queue:a": 1})
        redis.kill()
        await keeper.until(lambda: keeper.told[-1] is not None)
        assert keeper.depths() == {"queue:a": 1}
        redis.start()
        await keeper.until(lambda: keeper.told[-1] is None)
        assert keeper.depths() == {}
        push(redis, "b")
        await keeper.until(lambda: keeper.depths() == {"queue:b": 1})

    keeper = listening(redis, story)
    problem = next(filter(None, keeper.told))
    assert problem.startswith("Redis cannot be asked: ")


def test_a_subscription_that_was_cut_is_made_anew(redis: RedisServer) -> None:
    """What changed meanwhile is found: everything is read behind the new one."""

    async def story(keeper: Keeper) -> None:
        await keeper.until(lambda: keeper.told == [None])
        push(redis, "a", told=False)
        redis.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await keeper.until(lambda: keeper.depths() == {"queue:a": 1})
        push(redis, "b")
        await keeper.until(lambda: keeper.depths() == {"queue:a": 1, "queue:b": 1})

    listening(redis, story)


def test_a_listener_that_was_replaced_ends(redis: RedisServer) -> None:
    """With the first write that is refused, and it says so."""

    async def replaced() -> bool:
        keeper = Keeper()
        listener = Listener(redis.url, "joelclaw:", keep=keeper.keep, tell=keeper.tell, now=lambda: 0.0)
        task = asyncio.create_task(listener.listen(NEVER_S))
        await keeper.until(lambda: keeper.told == [None])
        keeper.is_ours = False
        push(redis, "a")
        async with asyncio.timeout(PATIENCE_S):
            return await task

    assert asyncio.run(replaced()) is False


def test_whatever_happens_all_of_it_is_kept(redis: RedisServer) -> None:
    """Changes by chance, most of them told, flushes, cut connections, restarts: in the end there is what Redis has."""
    seed = 11
    print("seed", seed)
    chance = random.Random(seed)

    def step() -> None:
        name = chance.choice("abcd")
        key = f"joelclaw:queue:{name}"
        match chance.randrange(40):
            case 0:
                redis.client.flushall()
            case 1:
                redis.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            case 2:
                redis.kill()
                redis.start()
            case it if it < 10:
                redis.client.delete(key)
            case it if it < 20:
                redis.client.lpop(key)
            case _:
                redis.client.rpush(key, "x")
        if chance.random() < 0.7:
            redis.client.publish("joelclaw:changes", f"queue:{name}")

    def there() -> dict[str, int]:
        keys = sorted(redis.client.keys("joelclaw:queue:*"))  # type: ignore[arg-type, type-var]
        return {key.removeprefix("joelclaw:"): redis.client.llen(key) for key in keys}  # type: ignore[misc]

    async def story(keeper: Keeper) -> None:
        for _ in range(15):
            for _ in range(chance.randrange(1, 30)):
                await asyncio.to_thread(step)
            wanted = there()
            await keeper.until(lambda wanted=wanted: keeper.depths() == wanted)

    listening(redis, story, read_every_s=0.2)
