"""
Reading what Redis has below our prefix: queues, registered sessions, and loops of agents.

    <prefix>queue:<name>      a list or a stream
    <prefix>session:<name>    a hash, a JSON object, or a text that is its title
    <prefix>loop:<name>       a hash, or a JSON object

What somebody else writes may be anything. What cannot be understood is shown as far as it can be, with a sentence that
says what is wrong; nothing that is stored there ends a listener.

Elsewhere: `_redis_listener.py` says when to read; docs/bridges.md lists the fields.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, get_args

from app_functions._loglines import TIMES, cut, instant
from schema import LoopState, QueueState, RegistrationState

if TYPE_CHECKING:
    from redis.asyncio import Redis

State: TypeAlias = QueueState | RegistrationState | LoopState
Kind: TypeAlias = Literal["queue", "session", "loop"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
KEYS_MAX: Final = 500
"""Of each kind: what a page can show."""

KEYS_AT_ONCE: Final = 500
SCANNED_AT_ONCE: Final = 1_000
NAME_CHARACTERS: Final = 200
LABEL_CHARACTERS: Final = 200
SENTENCE_CHARACTERS: Final = 400
ITERATIONS_MAX: Final = 1_000_000_000

TITLE: Final = ("title", "name", "goal")
HOST: Final = ("host",)
STATE: Final = ("state", "status")
ITERATION: Final = ("iteration",)
DETAIL: Final = ("detail", "step")
STARTED: Final = ("started_at", "startedAt", *TIMES)
UPDATED: Final = ("updated_at", "updatedAt")
FIELDS: Final = (*TITLE, *HOST, *STATE, *ITERATION, *DETAIL, *STARTED, *UPDATED)
"""What is asked of a hash, which may have many more. Of several names for the same the first counts."""

LOOP_STATES: Final[dict[str, Literal["running", "waiting", "done", "failed"]]] = {
    "running": "running",
    "active": "running",
    "waiting": "waiting",
    "paused": "waiting",
    "idle": "waiting",
    "done": "done",
    "completed": "done",
    "success": "done",
    "failed": "failed",
    "error": "failed",
}


class TooMany(Exception):
    """There are more keys of a kind than a page can show."""


class _Key(NamedTuple):
    raw: bytes
    kind: Kind
    name: str

    @property
    def label(self) -> str:
        return f"{self.kind}:{self.name}"


class Reader:
    """Reads what there is, or a few keys of it; the answers are by `kind:name`."""

    def __init__(self, client: "Redis", prefix: str, now: Callable[[], float]) -> None:
        """`now` tells the time in milliseconds."""
        self._client = client
        self._prefix = prefix.encode()
        self._now = now

    async def everything(self) -> dict[str, State]:
        """
        What is there during the whole time is found; what comes meanwhile may be, or not.

        Raises:
            TooMany: More than a page can show.
            RedisError: Redis cannot be asked.
        """
        keys: dict[str, _Key] = {}
        counts = dict.fromkeys(KINDS, 0)
        async for raw in self._client.scan_iter(_literally(self._prefix) + b"*", count=SCANNED_AT_ONCE):
            key = self._key(raw)
            if key is None or key.label in keys:
                continue
            keys[key.label] = key
            counts[key.kind] += 1
            if counts[key.kind] > KEYS_MAX:
                raise TooMany(
                    f"Redis has more than {KEYS_MAX} keys {self._prefix.decode()}{key.kind}:*, too many to show."
                )
        return await self._read(keys)

    async def some(self, labels: Iterable[bytes]) -> tuple[dict[str, State], set[str]]:
        """What is below these keys, with or without our prefix before them, and which of them are not there."""
        found = [self._key(self._prefix + label.removeprefix(self._prefix)) for label in labels]
        keys = {key.label: key for key in found if key is not None}
        states = await self._read(keys)
        return states, keys.keys() - states.keys()

    def _key(self, raw: bytes) -> _Key | None:
        kind, _, name = raw.removeprefix(self._prefix).partition(b":")
        for known in KINDS:
            if kind == known.encode() and name:
                return _Key(raw, known, cut(name.decode("utf-8", "replace"), NAME_CHARACTERS))
        return None

    async def _read(self, keys: Mapping[str, _Key]) -> dict[str, State]:
        wanted = list(keys.values())
        states: dict[str, State] = {}
        for start in range(0, len(wanted), KEYS_AT_ONCE):
            states |= await self._read_few(wanted[start : start + KEYS_AT_ONCE])
        return states

    async def _read_few(self, keys: list[_Key]) -> dict[str, State]:
        about = self._client.pipeline(transaction=False)
        for key in keys:
            about.type(key.raw)
            about.pttl(key.raw)
        answers: Iterator[Any] = iter(await about.execute())
        known = [(key, next(answers).decode(), next(answers)) for key in keys]
        content = self._client.pipeline(transaction=False)
        for key, kept_as, _ in known:
            _ask(content, key, kept_as)
        # A key may become something else in between: that is an answer of its own.
        answers = iter(await content.execute(raise_on_error=False) if len(content) else [])
        now = self._now()
        states: dict[str, State] = {}
        for key, kept_as, ttl_ms in known:
            state = _understood(key, kept_as, answers, now + ttl_ms if ttl_ms >= 0 else None)
            if state is not None:
                states[key.label] = state
        return states


def _literally(prefix: bytes) -> bytes:
    """A pattern that fits only this (Redis, KEYS: glob-style patterns)."""
    return b"".join(b"\\" + bytes([byte]) if byte in b"*?[]\\^" else bytes([byte]) for byte in prefix)


def _ask(content: Any, key: _Key, kept_as: str) -> None:
    """As many commands as `_understood` takes answers."""
    if key.kind == "queue" and kept_as == "list":
        content.llen(key.raw)
        content.lindex(key.raw, 0)
        content.lindex(key.raw, -1)
    elif key.kind == "queue" and kept_as == "stream":
        content.xlen(key.raw)
        content.xrange(key.raw, count=1)
    elif key.kind != "queue" and kept_as == "hash":
        content.hmget(key.raw, FIELDS)
    elif key.kind != "queue" and kept_as == "string":
        content.get(key.raw)


def _understood(key: _Key, kept_as: str, answers: Iterator[Any], until: float | None) -> State | None:
    """What a key says; None if there is none any more."""
    if kept_as == "none":
        return None
    if key.kind == "queue":
        return _queue(key.name, kept_as, answers)
    fields, problem = _fields(kept_as, answers)
    if fields is None:
        return None
    if key.kind == "session":
        return _registration(key.name, fields, until, problem)
    return _loop(key.name, fields, until, problem)


# -- queues


def _queue(name: str, kept_as: str, answers: Iterator[Any]) -> QueueState | None:
    if kept_as not in ("list", "stream"):
        return QueueState(name=name, problem=f"It is a {kept_as}, neither a list nor a stream.")
    depth = next(answers)
    ends = [next(answers), next(answers)] if kept_as == "list" else [next(answers)]
    if not isinstance(depth, int) or any(isinstance(end, Exception) for end in ends):
        return QueueState(name=name, problem="It changed into something else while it was read.")
    if kept_as == "list":
        # Which end is the older one is the affair of those who write; the older one has the older time.
        times = [at for end in ends if (at := _put_in_at(end)) is not None]
    else:
        times = [float(id.partition(b"-")[0]) for id, _ in ends[0]]
    return QueueState(name=name, depth=depth, oldest_at=min(times, default=None))


def _put_in_at(element: bytes | None) -> float | None:
    item = _json(element or b"")
    if not isinstance(item, dict):
        return None
    said = next((item[name] for name in TIMES if item.get(name) is not None), None)
    return _instant(said)


# -- sessions and loops


def _fields(kept_as: str, answers: Iterator[Any]) -> tuple[dict[str, Any] | None, str]:
    """What is said, by name, and what is wrong with it; None if it is gone."""
    if kept_as not in ("hash", "string"):
        return {}, f"It is a {kept_as}, neither a hash nor a text."
    answer = next(answers)
    if isinstance(answer, Exception):
        return {}, "It changed into something else while it was read."
    if kept_as == "hash":
        return {name: value for name, value in zip(FIELDS, answer, strict=True) if value is not None}, ""
    if answer is None:
        return None, ""
    said = _json(answer)
    return (said if isinstance(said, dict) else {TITLE[0]: answer}), ""


def _registration(name: str, fields: dict[str, Any], until: float | None, problem: str) -> RegistrationState:
    problems = [problem]
    started_at = _time(fields, STARTED, problems)
    return RegistrationState(
        name=name,
        title=_label(fields, TITLE, LABEL_CHARACTERS),
        host=_label(fields, HOST, LABEL_CHARACTERS),
        state=_label(fields, STATE, LABEL_CHARACTERS),
        started_at=started_at,
        until=until,
        problem=_sentence(problems),
    )


def _loop(name: str, fields: dict[str, Any], until: float | None, problem: str) -> LoopState:
    problems = [problem]
    said = _label(fields, STATE, LABEL_CHARACTERS)
    state = LOOP_STATES.get(said.lower())
    if state is None and not problem:
        problems.append(f"Its state {said!r:.60} is none that we know." if said else "It has no state.")
    return LoopState(
        name=name,
        title=_label(fields, TITLE, LABEL_CHARACTERS),
        state=state or "unknown",
        iteration=_iteration(fields, problems),
        detail=_label(fields, DETAIL, SENTENCE_CHARACTERS),
        started_at=_time(fields, STARTED, problems),
        updated_at=_time(fields, UPDATED, problems),
        until=until,
        problem=_sentence(problems),
    )


def _said(fields: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def _label(fields: dict[str, Any], names: tuple[str, ...], characters: int) -> str:
    said = _said(fields, names)
    return "" if said is None else cut(_text(said), characters)


def _iteration(fields: dict[str, Any], problems: list[str]) -> int | None:
    said = _said(fields, ITERATION)
    if said is None:
        return None
    try:
        count = int(_text(said))
    except ValueError:
        count = -1
    if 0 <= count <= ITERATIONS_MAX:
        return count
    problems.append(f"Its iteration {_text(said)!r:.60} is no count.")
    return None


def _time(fields: dict[str, Any], names: tuple[str, ...], problems: list[str]) -> float | None:
    said = _said(fields, names)
    at = _instant(said)
    if said is not None and at is None:
        name = next(name for name in names if fields.get(name) is not None)
        problems.append(f"Its {name} {_text(said)!r:.60} is no time.")
    return at


def _instant(said: Any) -> float | None:
    if isinstance(said, bytes | str):
        said = _text(said)
        with suppress(ValueError):
            said = float(said)
    return instant(said, 0.0) or None


def _sentence(problems: list[str]) -> str | None:
    return cut(" ".join(filter(None, problems)), SENTENCE_CHARACTERS) or None


def _text(said: Any) -> str:
    if isinstance(said, bytes):
        return said.decode("utf-8", "replace")
    return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None
