"""
Listening to Redis: what is there, and then what changes.

Whoever changes a key publishes its name on `<prefix>changes`. A listener subscribes, waits until Redis has said that it
is subscribed, and only then reads everything: what changes after that is told, so nothing is missed. Messages are taken
together, and become one change with nothing in it that is known already.

Publishers may forget to publish, keys end by themselves, and somebody may flush the database: so everything is read
again every few seconds. Whatever goes wrong is told, and begun anew after a pause: subscribe, then read everything.

Elsewhere: `_redis_state.py` reads; `bridge.py` keeps what is handed to it, and says who may.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from app_functions._redis_state import Reader, State, TooMany
from joelclaw import Object
from schema import LoopState, QueueState, RegistrationState

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

ANSWER_TIMEOUT_S: Final = 5.0
READ_EVERY_S: Final = 10.0
"""What nobody has published is seen after so long."""

TOGETHER_S: Final = 0.1
"""What changes within so long is one change: ten transactions a second, however busy Redis is."""

MESSAGES_MAX: Final = 500
"""Beyond, everything is read."""

PAUSE_S: Final = 0.5
PAUSE_S_MAX: Final = 10.0
UNTIL_TOLERANCE_MS: Final = 1_500.0
"""An end is computed from the time that is left; by less than this it has not changed."""


class Change(Object):
    """What is otherwise in Redis. `whole`: there is nothing else, so that what is not named is gone."""

    whole: bool
    queues: list[QueueState]
    registrations: list[RegistrationState]
    loops: list[LoopState]
    gone: list[str]
    """`kind:name` of each."""


class Replaced(Exception):
    """Somebody else listens now, and writes."""


class Listener:
    """
    Hands on what Redis has, until its time is over or somebody else does so.

    `keep` takes a change, and `tell` a problem, or None when all is well, every few seconds. Both answer whether we
    are still the one who may write.
    """

    def __init__(
        self,
        url: str,
        prefix: str,
        *,
        keep: Callable[[Change], Awaitable[bool]],
        tell: Callable[[str | None], Awaitable[bool]],
        now: Callable[[], float],
        read_every_s: float = READ_EVERY_S,
    ) -> None:
        self._url = url
        self._prefix = prefix
        self._keep = keep
        self._tell = tell
        self._now = now
        self._read_every_s = read_every_s
        self._known: dict[str, State] | None = None
        """What was kept last. None: not known, so that everything is to be kept."""

        self._pause_s = PAUSE_S

    async def listen(self, for_s: float) -> bool:
        """For so long, and once at least; False if somebody else listens now."""
        end = _time() + for_s
        try:
            while True:
                problem = await self._connected(end)
                if problem is not None:
                    await self._say(problem)
                if _time() >= end:
                    return True
                await asyncio.sleep(min(self._pause_s, end - _time()))
                self._pause_s = min(self._pause_s * 2, PAUSE_S_MAX)
        except Replaced:
            return False

    async def _connected(self, end: float) -> str | None:
        """Listen until the end, or until there is a problem: which."""
        try:
            # Late: processes that run no action do without it.
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
            from redis.exceptions import RedisError
        except ImportError:
            return "The package redis is not installed where the server runs."
        try:
            # A client that connects anew by itself would not tell that messages were lost.
            client = Redis.from_url(
                self._url,
                socket_timeout=ANSWER_TIMEOUT_S,
                socket_connect_timeout=ANSWER_TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError:
            # Not with its words, which may have a part of a password in them.
            return "REDIS_URL is no address of a Redis; write redis://host:6379/0, or rediss:// for TLS."
        try:
            async with client, client.pubsub() as subscription:
                await self._follow(client, subscription, end)
        except TooMany as error:
            return str(error)
        except TimeoutError:
            return "Redis does not answer in time."
        except (RedisError, OSError) as error:
            return f"Redis cannot be asked: {error or type(error).__name__}"
        return None

    async def _follow(self, client: "Redis", subscription: "PubSub", end: float) -> None:
        reader = Reader(client, self._prefix, self._now)
        await subscription.subscribe(f"{self._prefix}changes")
        # Sent is not subscribed: the reading below goes over another connection, and may overtake it.
        if await subscription.get_message(timeout=ANSWER_TIMEOUT_S) is None:
            raise TimeoutError
        while True:
            await self._take_everything(await reader.everything())
            await self._say(None)
            self._pause_s = PAUSE_S
            read_again = min(end, _time() + self._read_every_s)
            while (keys := await _changed(subscription, read_again)) is not None:
                states, gone = await reader.some(keys)
                await self._take(states, gone)
            if _time() >= end:
                return

    async def _take_everything(self, states: dict[str, State]) -> None:
        known = self._known
        if known is not None:
            await self._take(states, known.keys() - states.keys())
            return
        await self._hand_on(states, set(), whole=True)
        self._known = states

    async def _take(self, states: dict[str, State], gone: set[str]) -> None:
        assert self._known is not None, "everything was read before"
        changed = {label: one for label, one in states.items() if not is_same(self._known.get(label), one)}
        gone = gone & self._known.keys()
        if changed or gone:
            await self._hand_on(changed, gone, whole=False)
        self._known = {label: one for label, one in (self._known | changed).items() if label not in gone}

    async def _hand_on(self, states: dict[str, State], gone: set[str], *, whole: bool) -> None:
        change = Change(
            whole=whole,
            queues=[one for one in states.values() if isinstance(one, QueueState)],
            registrations=[one for one in states.values() if isinstance(one, RegistrationState)],
            loops=[one for one in states.values() if isinstance(one, LoopState)],
            gone=sorted(gone),
        )
        if not await self._keep(change):
            raise Replaced

    async def _say(self, problem: str | None) -> None:
        if not await self._tell(problem):
            raise Replaced


def is_same(known: State | None, state: State) -> bool:
    """Whether there is nothing new; the same end is computed a little differently each time."""
    if known is None or isinstance(known, QueueState) or isinstance(state, QueueState):
        return known == state
    if known.until is None or state.until is None or abs(known.until - state.until) > UNTIL_TOLERANCE_MS:
        return known == state
    until, state.until = state.until, known.until
    try:
        return known == state
    finally:
        state.until = until


async def _changed(subscription: "PubSub", until: float) -> set[bytes] | None:
    """Keys that have changed; None when everything is to be read: it is time, or nobody can say which keys."""
    first = await _message(subscription, until - _time())
    if first is None:
        return None
    messages = [first]
    together = _time() + TOGETHER_S
    while (left := together - _time()) > 0:
        message = await _message(subscription, left)
        if message is None:
            break
        messages.append(message)
        if len(messages) > MESSAGES_MAX:
            return None
    keys = {message["data"] for message in messages if message["type"] == "message"}
    # Any other message is a subscription: the connection was another in between.
    return keys if len(keys) > 0 and b"" not in keys and all(it["type"] == "message" for it in messages) else None


async def _message(subscription: "PubSub", wait_s: float) -> dict[str, Any] | None:
    """The next one, if one comes within so long."""
    end = _time() + wait_s
    while (left := end - _time()) > 0:
        # It may answer with nothing before its time is over.
        message: dict[str, Any] | None = await subscription.get_message(timeout=left)
        if message is not None:
            return message
    return None


def _time() -> float:
    return asyncio.get_running_loop().time()
