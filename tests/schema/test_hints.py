"""`joelclaw.schema.hints`: what type hints mean, and which are refused."""

import dataclasses
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import (
    Annotated,
    Any,
    ForwardRef,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    TypedDict,
    TypeVar,
)

import msgspec
import pytest
from msgspec import Meta, UnsetType

from joelclaw.errors import HintRefused
from joelclaw.schema.hints import Scope, kind_of
from joelclaw.schema.marks import Id
from joelclaw.schema.structs import Object
from joelclaw.schema.text import validator_text
from joelclaw.values.int64 import Int64
from tests.schema.strategies import Room, User

T = TypeVar("T")
Slug = NewType("Slug", str)


class Point(Object):
    x_axis: float
    label: str | UnsetType = msgspec.UNSET
    shade: int = 0


class Box(Object, Generic[T]):
    content: T


class Boxes(Box[list[T]], Generic[T]):
    more: T | None = None


class Colour(Enum):
    RED = 1


@dataclasses.dataclass
class Record:
    x: int


class Pair(NamedTuple):
    a: int
    b: int


class Loose(TypedDict):
    a: int


class Plain(msgspec.Struct):
    a: int


SCOPE = Scope(__name__, globals())


def text_of(hint: Any) -> str:
    return validator_text(kind_of(SCOPE.evaluate(hint), SCOPE).validator)


POINT = "v.object({xAxis: v.float64(), label: v.optional(v.string()), shade: v.optional(v.float64())})"


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (None, "v.null()"),
        (bool, "v.boolean()"),
        (int, "v.float64()"),
        (float, "v.float64()"),
        (Int64, "v.int64()"),
        (str, "v.string()"),
        (bytes, "v.bytes()"),
        (Any, "v.any()"),
        (Slug, "v.string()"),
        (list[int], "v.array(v.float64())"),
        (dict[str, bytes], "v.record(v.string(), v.bytes())"),
        (dict[Id[User], int], 'v.record(v.id("users"), v.float64())'),
        (Id[User], 'v.id("users")'),
        (Id["Room"], 'v.id("rooms")'),
        ("Id[Room]", 'v.id("rooms")'),
        (Id[User | Room], 'v.union(v.id("users"), v.id("rooms"))'),
        (Id["User | Room"], 'v.union(v.id("users"), v.id("rooms"))'),
        (Id[User] | Id[Room] | None, 'v.union(v.id("users"), v.id("rooms"), v.null())'),
        ((Literal["a", 1, True] | None), 'v.union(v.literal("a"), v.literal(1.0), v.literal(true), v.null())'),
        (Literal["a"], 'v.literal("a")'),
        (Optional["str"], "v.union(v.string(), v.null())"),
        (str | int | None, "v.union(v.string(), v.float64(), v.null())"),
        (int | float, "v.float64()"),
        (str | Any, "v.any()"),
        (Annotated[str, Meta(max_length=3), "whatever"], "v.string()"),
        (Annotated[int | None, Meta(ge=0)], "v.union(v.float64(), v.null())"),
        (list["Point"], f"v.array({POINT})"),
        (ForwardRef("Point"), POINT),
        (Box[int], "v.object({content: v.float64()})"),
        (Box["Point"], f"v.object({{content: {POINT}}})"),
        (
            Boxes[str],
            "v.object({content: v.array(v.string()), more: v.optional(v.union(v.string(), v.null()))})",
        ),
        (User, 'v.object({_id: v.id("users"), _creationTime: v.float64(), name: v.string()})'),
    ],
    ids=str,
)
def test_hints_have_one_meaning(hint: Any, expected: str) -> None:
    """Each hint, written in any of Python's ways, is the validator that a Convex developer would expect."""
    assert text_of(hint) == expected


@pytest.mark.parametrize(
    ("hint", "reason", "advice"),
    [
        (set[str], "set[str] has no wire form", "list[X]"),
        (frozenset[str], "no wire form", "list[X]"),
        (tuple[int, str], "no wire form", "Object"),
        (Sequence[int], "no wire form", "list[X]"),
        (Iterable[int], "no wire form", "list[X]"),
        (Mapping[str, int], "no wire form", "dict[str, X]"),
        (list, "no wire form", "list[Any]"),
        (dict, "no wire form", "dict[str, Any]"),
        (dict[int, str], "keys", "dict[str, X]"),
        (dict[Any, str], "keys", "dict[str, X]"),
        (datetime, "datetime has no wire form", "milliseconds"),
        (date | None, "date has no wire form", "str"),
        (timedelta, "no wire form", "milliseconds"),
        (Decimal, "no wire form", "str"),
        (uuid.UUID, "UUID has no wire form", "str"),
        (bytearray, "no wire form", "bytes"),
        (complex, "no wire form", "Object"),
        (object, "no wire form", "Any"),
        (Callable[[], int], "no wire form", "an Object"),
        (Colour, "Enum", "Literal"),
        (Record, "Record has no wire form", "joelclaw.Object"),
        (Pair, "no wire form", "joelclaw.Object"),
        (Loose, "no wire form", "joelclaw.Object"),
        (Plain, "no wire form", "joelclaw.Object"),
        (Literal[b"x"], "Literal[b'x']", "text"),
        (list[str | UnsetType], "absent", "None"),
        (Id, "Id has no wire form", "Id[X]"),
        (Id[int], "int is no table", "Table"),  # type: ignore[type-var]
        (Id["Nobody"], "Nobody is not defined", "import"),  # type: ignore[name-defined]
        ("Nothing", "Nothing is not defined", "import"),
        ("list[", "cannot be read", ""),
        (list[set[int]], "set[int] has no wire form", "list[X]"),
        (Box, "Box needs type arguments", "Box[X]"),
        (Box[T], "type variable", "the type itself"),  # type: ignore[valid-type]
        (Annotated[bool, Meta(ge=1)], "Meta(ge) means nothing", ""),
        (Annotated[str, Meta(ge=1)], "Meta(ge) means nothing", ""),
        (Annotated[Id[User], Meta(min_length=1)], "means nothing", ""),
        (Annotated[Point, Meta(min_length=1)], "means nothing", ""),
    ],
    ids=str,
)
def test_what_has_no_wire_form_is_refused(hint: Any, reason: str, advice: str) -> None:
    """It is said which part of a hint cannot travel, and what to write instead."""
    with pytest.raises(HintRefused) as caught:
        text_of(hint)

    assert reason in caught.value.reason
    assert advice in caught.value.advice


def test_limits_add_up() -> None:
    """Limits from several `Meta` hold together; of the same limit the outer one counts."""
    kind: Any = kind_of(Annotated[Annotated[str, Meta(min_length=1, max_length=9)], Meta(max_length=3)], SCOPE)

    assert (kind.limits.min_length, kind.limits.max_length) == (1, 3)


def test_an_object_cannot_contain_itself() -> None:
    """A class that holds itself is refused where it does, whatever stands between."""

    class Node(Object):
        children: "list[Node]"

    class Branch(Object):
        node: Node | None

    from joelclaw.schema.structs import declaration_of

    assert text_of(Branch) == "v.object({node: v.union(v.object({}), v.null())})"
    [problem] = declaration_of(Node).problems
    assert problem.name == "Node.children"
    assert "contains itself" in problem.reason
    assert "by Id" in problem.advice
