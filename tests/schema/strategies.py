"""
Types and values at random: every hint that the platform takes, nested, with values of it.

A `Typed` is a hint with a strategy for values that fit it, as Python has them. `spoilt` puts
something into a value that an app might put there by mistake.
"""

import math
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, Union

from hypothesis import strategies as st
from msgspec import UNSET, Meta, Struct, UnsetType

from joelclaw.schema.marks import Id
from joelclaw.schema.structs import DeclaredMeta, Object
from joelclaw.schema.tables import Table
from joelclaw.values.ids import encode_id
from joelclaw.values.int64 import INT64_MAX, INT64_MIN, Int64

TABLES = {"users": 10_001, "rooms": 10_002}


class User(Table):
    __table__ = "users"
    name: str


class Room(Table):
    __table__ = "rooms"
    owner: Id[User]


def id_of(table: str, internal: bytes = bytes(16)) -> str:
    """An id of one of `TABLES`."""
    return encode_id(TABLES[table], internal)


class Typed(NamedTuple):
    """A hint, and values that fit it."""

    hint: Any
    values: st.SearchStrategy[Any]


ids = st.builds(id_of, st.sampled_from(sorted(TABLES)), st.binary(min_size=16, max_size=16))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
names = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=4).filter(lambda name: name[:1] != "$")
wholes = st.integers(-(2**53), 2**53)
int64s = st.integers(INT64_MIN, INT64_MAX).map(Int64)
any_values = st.recursive(
    st.none() | st.booleans() | st.floats() | texts | st.binary(max_size=3) | int64s,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)

SCALARS = [
    Typed(None, st.none()),
    Typed(bool, st.booleans()),
    Typed(int, wholes),
    Typed(float, st.floats()),
    Typed(str, texts),
    Typed(bytes, st.binary(max_size=5)),
    Typed(Int64, int64s),
    Typed(Any, any_values),
    Typed(Id[User], st.builds(id_of, st.just("users"), st.binary(min_size=16, max_size=16))),
    Typed(Id[User | Room], ids),
    Typed(Literal["a", "b"], st.sampled_from(["a", "b"])),
    Typed(Literal[1, True, "1"] | None, st.sampled_from([1, True, "1", None])),
    Typed(Annotated[int, Meta(ge=0, lt=10)], st.integers(0, 9)),
    Typed(Annotated[float, Meta(gt=-1.5, multiple_of=0.5)], st.integers(-2, 9).map(lambda half: half / 2)),
    Typed(Annotated[str, Meta(min_length=1, max_length=4)], texts.filter(lambda text: 1 <= len(text) <= 4)),
    Typed(Annotated[str, Meta(pattern="^[a-c]+$")], st.text("abc", min_size=1, max_size=3)),
]

_FIELD_NAMES = ("plain", "two_words", "third")


def _lists(inner: Typed) -> st.SearchStrategy[Typed]:
    return st.just(Typed(list[inner.hint], st.lists(inner.values, max_size=3)))  # type: ignore[name-defined]


def _records(inner: Typed) -> st.SearchStrategy[Typed]:
    return st.just(Typed(dict[str, inner.hint], st.dictionaries(names, inner.values, max_size=3)))  # type: ignore[name-defined]


def _nullables(inner: Typed) -> st.SearchStrategy[Typed]:
    return st.just(Typed(_either([inner.hint, None]), st.none() | inner.values))


def _either(hints: list[Any]) -> Any:
    return Union[tuple(hints)]  # noqa: UP007 (made of what is known only now)


def _unions(members: list[Typed]) -> Typed:
    return Typed(_either([member.hint for member in members]), st.one_of([member.values for member in members]))


def _objects(fields: list[tuple[Typed, str]]) -> Typed:
    """An Object with these fields: required, with a default, or absent at times."""
    annotations: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    strategies: dict[str, st.SearchStrategy[Any]] = {}
    for name, (typed, sort) in zip(_FIELD_NAMES, fields, strict=False):
        annotations[name], strategies[name] = typed
        if sort == "absent":
            annotations[name] = _either([typed.hint, UnsetType])
            defaults[name] = UNSET
            strategies[name] = st.just(UNSET) | typed.values
        elif sort == "nullable":
            annotations[name] = _either([typed.hint, None])
            defaults[name] = None
    body = {"__annotations__": annotations, "__module__": __name__, "__qualname__": "Made", **defaults}
    cls: Any = DeclaredMeta("Made", (Object,), body)
    return Typed(cls, st.fixed_dictionaries(strategies).map(lambda values: cls(**values)))


def _extended(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    sorts = st.sampled_from(["required", "nullable", "absent"])
    return st.one_of(
        inner.flatmap(_lists),
        inner.flatmap(_records),
        inner.flatmap(_nullables),
        st.lists(inner, min_size=2, max_size=3).map(_unions),
        st.lists(st.tuples(inner, sorts), min_size=1, max_size=3).map(_objects),
    )


types = st.recursive(st.sampled_from(SCALARS), _extended, max_leaves=5)


# -- values that do not fit


class Stranger(Object):
    plain: Any = 0


STRANGERS: list[Any] = [
    *(None, True, False, 0, 1, 5, -1, 10, 2**53, 2**53 + 1, -(2**53) - 1, 2**60, 2**63, -(2**70), 10**400),
    *(0.0, -0.0, 1.0, 1.5, 3.0, 2.0**53, 2.0**60, -1.0, 1e300, math.nan, math.inf, -math.inf),
    *("", "a", "b", "c", "1", "-0.0", "NaN", "x" * 5000, "\u00e9", "\ud800", "aGk="),
    *(id_of("users"), id_of("rooms"), id_of("users")[:-1] + "0", id_of("users").upper()),
    *(b"", b"hi", b"abc", bytearray(b"hi"), Int64(0), Int64(1), Int64(5), Int64(2**60), Int64(-(2**63))),
    *(datetime(2026, 1, 1, tzinfo=UTC), Decimal("1.5"), UNSET, (), ("a",), (1,), {1, 2}, frozenset({"a"})),
    *([], ["a"], [1], [None], [math.nan], [-0.0], [[]], ["a"] * 8193),
    *({}, {"a": 1}, {"": "x"}, {"$a": 1}, {"_x": 1}, {"na\u00efve": 1}, {1: "a"}, {"plain": 1}, {"twoWords": "x"}),
    *({"$integer": "BQAAAAAAAAA="}, {"$float": "AAAAAAAA+H8="}, {"$bytes": "aGk="}, {str(n): n for n in range(1025)}),
    *(Stranger(), Stranger(plain="x"), User(name="x"), User, object()),
]
"""What an app might hand in by mistake, and what is nearly right."""

strangers = st.sampled_from(STRANGERS).map(deepcopy) | any_values


@st.composite
def spoilt(draw: Callable[..., Any], values: st.SearchStrategy[Any]) -> Any:
    """A value with something else in one place of it, or in place of all of it."""
    return _spoil(draw, draw(values))


def _spoil(draw: Callable[..., Any], value: Any) -> Any:
    inner = _places(value)
    if not inner or draw(st.integers(0, 3)) == 0:
        return draw(strangers)
    place = draw(st.sampled_from(inner))
    if isinstance(value, Struct):
        setattr(value, place, _spoil(draw, getattr(value, place)))
    else:
        value[place] = _spoil(draw, value[place])
    return value


def _places(value: Any) -> list[Any]:
    if isinstance(value, Struct):
        return list(value.__struct_fields__)
    if isinstance(value, list):
        return list(range(len(value)))
    return list(value) if isinstance(value, dict) else []
