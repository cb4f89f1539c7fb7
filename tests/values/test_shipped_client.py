"""
Values against the shipped client: `convex/values` from npm, in Node.

One process reads all pairs at once and answers how it orders them and how it would write
them back. What it answers is law: the client sorts optimistic rows with it.
"""

import math
import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from joelclaw.errors import BadValue
from joelclaw.values.int64 import INT64_MAX, INT64_MIN, Int64
from joelclaw.values.keys import key_of
from joelclaw.values.wire import canonical, decode, encode
from tests.values.strategies import NEGATIVE_NAN

SEED = 148
PAIRS = 25_000
SCRIPT = Path(__file__).with_name("client_values.mjs")

# Few and close: two random values have to be equal, or nearly so, often enough to test something.
FLOATS = [0.0, -0.0, 1.0, -1.0, 1.5, 34.0, 5e-324, 2.0**53, 1e21, 1e300, math.inf, -math.inf, math.nan, NEGATIVE_NAN]
INT64S = [0, 1, -1, 34, 127, 128, -128, -129, 2**15, -(2**15) - 1, 2**31, -(2**31) - 1, 2**53 + 1, INT64_MAX, INT64_MIN]
LETTERS = "ab\0\x01\x7f\xff\u0800\ue000\uffff\U00010000\U0001f600"
NAME_LETTERS = "ab_Z~ 1"


@dataclass
class Pair:
    """Two values, and what the client answered."""

    a: object
    b: object
    answer: dict[str, Any]

    @property
    def order(self) -> int:
        """Only the sign counts: strings answer with the distance of two bytes."""
        distance: int = self.answer["order"]
        return (distance > 0) - (distance < 0)


def random_scalar(rng: random.Random) -> object:
    kinds: list[Callable[[], object]] = [
        lambda: None,
        lambda: rng.random() < 0.5,
        lambda: rng.choice(FLOATS),
        lambda: rng.gauss(0, 1) * 10.0 ** rng.randint(-5, 25),
        lambda: Int64(rng.choice(INT64S)),
        lambda: Int64(rng.getrandbits(64) - 2**63 >> rng.randrange(64)),
        lambda: "".join(rng.choices(LETTERS, k=rng.randrange(5))),
        lambda: bytes(rng.choices([0, 1, 97, 254, 255], k=rng.randrange(5))),
    ]
    return rng.choice(kinds)()


def random_value(rng: random.Random, depth: int = 3) -> object:
    kind = rng.random()
    if depth == 0 or kind < 0.5:
        return random_scalar(rng)
    if kind < 0.75:
        return [random_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {random_name(rng): random_value(rng, depth - 1) for _ in range(rng.randrange(4))}


def random_name(rng: random.Random) -> str:
    return "".join(rng.choices(NAME_LETTERS, k=rng.randrange(4)))


def neighbour(rng: random.Random, value: object) -> object:
    """A value that differs in one place, or in none."""
    if isinstance(value, list) and value:
        at = rng.randrange(len(value))
        return rng.choice([value[:at], [*value, None], [*value[:at], neighbour(rng, value[at]), *value[at + 1 :]]])
    if isinstance(value, dict) and value:
        name = rng.choice(list(value))
        return {**value, name: neighbour(rng, value[name])} | rng.choice([{}, {random_name(rng): None}])
    if isinstance(value, str):
        return value + rng.choice(["", "\0", "a", "\U0001f600"])
    if isinstance(value, bytes):
        return value + rng.choice([b"", b"\0", b"\xff"])
    return rng.choice([value, random_scalar(rng)])


def random_pair(rng: random.Random) -> tuple[object, object]:
    a = random_value(rng)
    b = neighbour(rng, a) if rng.random() < 0.6 else random_value(rng)
    return rng.choice([(a, b), (a, b), (a, b), (b, a), (a, UNSET) if rng.random() < 0.1 else (b, a)])


def ask_client(node_modules: Path, lines: list[bytes]) -> list[dict[str, Any]]:
    """Put one `{a, b}` a line to the shipped client; its answers, in order."""
    assert node_modules.is_dir()
    reply = subprocess.run(["node", SCRIPT], input=b"\n".join(lines), stdout=subprocess.PIPE, check=True).stdout
    answers = [msgspec.json.decode(line, type=dict[str, Any]) for line in reply.splitlines()]
    assert len(answers) == len(lines)
    return answers


@pytest.fixture(scope="module")
def pairs(node_modules: Path) -> list[Pair]:
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    made = [random_pair(rng) for _ in range(PAIRS)]
    answers = ask_client(node_modules, [encode({"a": a, "b": b}) for a, b in made])
    return [Pair(a, b, answer) for (a, b), answer in zip(made, answers, strict=True)]


def test_the_client_reads_all_we_write(pairs: list[Pair]) -> None:
    """No text of ours is refused, and the pairs are worth asking about: all three orders are common."""
    assert [pair for pair in pairs if "error" in pair.answer] == []
    orders = [pair.order for pair in pairs]
    assert min(orders.count(order) for order in (-1, 0, 1)) > PAIRS // 10


def test_key_order_is_the_clients_order(pairs: list[Pair]) -> None:
    """Keys compare as the client's `compareValues` does, for every pair (VAL-1)."""
    for pair in pairs:
        key_a, key_b = key_of(pair.a), key_of(pair.b)
        assert (key_a > key_b) - (key_a < key_b) == pair.order, pair


def test_values_survive_the_way_through_the_client(pairs: list[Pair]) -> None:
    """What the client reads from us and writes back is the same value, and the same canonical text."""
    for pair in pairs:
        for ours, theirs in ((pair.a, pair.answer.get("a", UNSET)), (pair.b, pair.answer.get("b", UNSET))):
            if ours is UNSET:
                assert theirs is UNSET
                continue
            text = msgspec.json.encode(theirs)
            assert key_of(decode(text)) == key_of(ours)
            assert canonical(text) == canonical(encode(ours))


REFUSED_BY_BOTH = [
    '{"$integer":"AQAAAAAAAA=="}',
    '{"$integer":1}',
    '{"$float":"AAAAAAAA8D8="}',
    '{"$float":"AAAA"}',
    '{"$bytes":"aGk"}',
    '{"$bytes":1}',
    '{"$set":[]}',
    '{"$map":[]}',
    '{"$other":1}',
    '{"a":1,"$b":2}',
    '{"na\u00efve":1}',
    '{"a\\u007f":1}',
    '{"' + "a" * 1025 + '":1}',
]


def test_both_refuse_the_same(node_modules: Path) -> None:
    """What the client refuses to read, we refuse to read."""
    answers = ask_client(node_modules, [f'{{"a":{text},"b":null}}'.encode() for text in REFUSED_BY_BOTH])
    for text, answer in zip(REFUSED_BY_BOTH, answers, strict=True):
        assert "error" in answer, text
        with pytest.raises(BadValue):
            decode(text)
