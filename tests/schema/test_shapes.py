"""`joelclaw.schema.shapes`: the C path means what the kinds say."""

from collections.abc import Callable
from typing import Annotated, Any, Generic, Literal, Optional, TypeVar, Union

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Meta, UnsetType

from joelclaw.errors import ValueRefused
from joelclaw.schema.hints import Scope
from joelclaw.schema.marks import Id
from joelclaw.schema.shapes import Shape, Stored, shape_of
from joelclaw.schema.structs import Object
from joelclaw.values import wire
from joelclaw.values.int64 import Int64
from tests.schema.strategies import SCALARS, STRANGERS, TABLES, Room, Typed, User, id_of, spoilt, types

T = TypeVar("T")


class TextPart(Object):
    kind: Literal["text"]
    body: str


class ImagePart(Object):
    kind: Literal["image"]
    width: int


class Circle(Object, tag_field="tag", tag="circle"):
    radius: float


class Square(Object, tag_field="tag", tag="square"):
    side: int | UnsetType = UNSET


MORE_HINTS: list[Any] = [
    *(int | float, int | str | bool | None, str | Id[User], Literal["me"] | Id[User]),
    *(Int64 | int, Int64 | float | None, bytes | str, float | dict[str, int], list[int] | str | dict[str, float]),
    *(list[int] | list[str], list[Id[User]] | list[Id[Room]], dict[Id[User], int], dict[str, Id[User]] | Id[Room]),
    *(TextPart, TextPart | ImagePart, TextPart | str | None, TextPart | dict[str, int], Circle, Circle | Square | None),
    *(Literal["abcde"] | Annotated[str, Meta(max_length=4)], Id[User] | Annotated[str, Meta(max_length=4)]),
    *(Literal[0] | Annotated[int, Meta(ge=5)], Literal["b"] | Id[User] | Annotated[str, Meta(pattern="^a")]),
    *(Circle | TextPart, User, User | Room, User | None, Literal[True], Literal[False] | int, Literal[0, "0"]),
]

SCOPE = Scope(__name__, globals())


def shape(hint: Any, tables: dict[str, int] | None = TABLES) -> Shape:
    return shape_of(hint, SCOPE, tables)


class Slowly:
    """The same type without its C path."""

    def __init__(self, shape: Shape) -> None:
        self.kind = shape.kind
        self.tables = shape.tables

    def decode(self, raw: bytes) -> Any:
        return self.kind.decode(msgspec.json.decode(raw), "", self.tables)

    def encode(self, value: Any) -> bytes:
        return msgspec.json.encode(self.kind.encode(value, "", self.tables))


def outcome(call: Callable[[Any], Any], argument: Any) -> str:
    """What came of a call, as text: a value with the types of everything in it, or the refusal."""
    try:
        return repr(call(argument))
    except ValueRefused as error:
        return f"refused: {error}"


def assert_decodes_alike(shape: Shape, raw: bytes) -> None:
    assert outcome(shape.decode, raw) == outcome(Slowly(shape).decode, raw)


def assert_encodes_alike(shape: Shape, value: Any) -> None:
    """The same JSON, but for the spelling of whole numbers; or the same refusal."""
    expected = outcome(Slowly(shape).encode, value)
    if expected.startswith("refused"):
        assert outcome(shape.encode, value) == expected
        return
    raw = Slowly(shape).encode(value)
    assert wire.canonical(shape.encode(value)) == wire.canonical(raw)
    assert repr(shape.decode(shape.encode(value))) == repr(shape.decode(raw))


# -- every type against everything


class Holder(Object, Generic[T]):
    plain: T
    two_words: T | None = None


HINTS = [*(typed.hint for typed in SCALARS), *MORE_HINTS]

TEXTS = [
    *(b"null", b"true", b"false", b"0", b"-0", b"-0.0", b"1", b"1.0", b"1.5", b"5", b"10", b"9007199254740993"),
    *(b"1e2", b"1e400", b"1" + b"0" * 400, b"9007199254740992", b"-9007199254740993.0", b"NaN", b"Infinity"),
    *(b'""', b'"a"', b'"b"', b'"abc"', b'"1"', b'"-0.0"', b'"x\\u0000y"', b'"\\ud800"', b'"aGk="', b'"\xff"'),
    *(b'{"$integer":"BQAAAAAAAAA="}', b'{"$integer":"BQ=="}', b'{"$float":"AAAAAAAA+H8="}'),
    *(b'{"$float":"AAAAAAAAAIA="}', b'{"$float":"AAAAAAAA8D8="}', b'{"$bytes":"aGk="}', b'{"$bytes":"?"}'),
    *(b'{"$set":[]}', b'{"$integer":"BQAAAAAAAAA=","a":1}', b"[", b"", b"[]x", b"[" * 3000),
    *(b"[]", b"[1]", b"[null]", b'["a"]', b"[[]]", b"[" + b"1," * 8192 + b"1]"),
    *(b"{}", b'{"a":1}', b'{"a":1,"a":"b"}', b'{"":1}', b'{"_x":1}', '{"na\u00efve":1}'.encode()),
    *(b'{"plain":1}', b'{"plain":"a"}', b'{"kind":"text","body":"x"}', b'{"kind":"image","width":3.0}'),
    *(b'{"tag":"circle","radius":1}', b'{"tag":"square","side":1}', b'{"radius":1}', b'{"tag":"x"}'),
    *(f'"{id_of(table)}"'.encode() for table in TABLES),
    f'"{id_of("users")[:-1]}0"'.encode(),
]


def around(hint: Any) -> list[Any]:
    """A hint by itself, and where it is inside of something."""
    nullable: Any = Optional[hint]  # noqa: UP045 (`None | None` is no type)
    mixed: Any = Union[hint, int, list[str]]  # noqa: UP007 (nor is `None | int`)
    return [hint, nullable, list[hint], dict[str, hint], Holder[hint], list[Holder[nullable]], mixed]


@pytest.mark.parametrize("hint", HINTS, ids=str)
def test_every_type_decodes_every_text_as_the_kinds_do(hint: Any) -> None:
    """Right, nearly right and broken JSON, bare and nested: the C path never makes anything else of it."""
    wrap = [b"%s", b"%s", b"[%s]", b'{"k":%s}', b'{"plain":%s}', b'[{"plain":%s,"twoWords":null}]', b"%s"]
    for outer, form in zip(around(hint), wrap, strict=True):
        tested = shape(outer)
        for text in TEXTS:
            raw = form.replace(b"%s", text)
            try:
                msgspec.json.decode(raw)
            except (ValueError, RecursionError):
                with pytest.raises(ValueRefused, match="not JSON"):
                    tested.decode(raw)
            else:
                assert_decodes_alike(tested, raw)


@pytest.mark.parametrize("hint", HINTS, ids=str)
def test_every_type_encodes_everything_as_the_kinds_do(hint: Any) -> None:
    """Whatever object an app hands in, bare and nested: the C path writes what the kinds write, or refuses it."""
    wraps: list[Callable[[Any], Any]] = [
        lambda value: value,
        lambda value: value,
        lambda value: [value],
        lambda value: {"k": value},
        lambda value: Holder(plain=value),
        lambda value: [Holder(plain=None, two_words=value)],
        lambda value: value,
    ]
    for outer, wrap in zip(around(hint), wraps, strict=True):
        tested = shape(outer)
        for stranger in STRANGERS:
            assert_encodes_alike(tested, wrap(stranger))


# -- any type, any value


@settings(max_examples=300)
@given(types, st.data())
def test_values_survive_the_wire(typed: Typed, data: st.DataObject) -> None:
    """What fits a type is wire JSON of it; what it decodes to stays what it is, types included."""
    tested = shape(typed.hint)

    raw = tested.encode(data.draw(typed.values))

    wire.decode(raw)
    assert_decodes_alike(tested, raw)
    # Not the value itself: `{}` may be an object with defaults or an empty dict, and the first that takes it has it.
    value = tested.decode(raw)
    assert repr(tested.decode(tested.encode(value))) == repr(value)


@settings(max_examples=300)
@given(types, types, st.data())
def test_decoding_in_c_is_decoding_slowly(typed: Typed, other: Typed, data: st.DataObject) -> None:
    """JSON of this type, of another or of none decodes to the same value, or is refused in the same words."""
    value = data.draw(st.one_of(typed.values, spoilt(typed.values), other.values))
    try:
        raw = shape(Any).encode(value)
    except ValueRefused:
        return
    assert_decodes_alike(shape(typed.hint), raw)


@settings(max_examples=300)
@given(types, st.data())
def test_encoding_in_c_is_encoding_slowly(typed: Typed, data: st.DataObject) -> None:
    """A value that something was changed in is written as the same JSON, or refused in the same words."""
    assert_encodes_alike(shape(typed.hint), data.draw(typed.values | spoilt(typed.values)))


# -- what properties reach too seldom


class Tolerant(Object):
    note: str

    def __eq__(self, other: object) -> bool:
        return True


def test_a_class_with_its_own_equality_is_checked_all_the_same() -> None:
    """Reading back proves nothing when everything is equal, so the kinds look at each field."""
    with pytest.raises(ValueRefused, match="does not match"):
        shape(Tolerant).encode(Tolerant(note=b"bytes"))  # type: ignore[arg-type]


class Even(Object):
    n: int

    def __post_init__(self) -> None:
        if self.n % 2:
            raise ValueError("it is odd")


def test_what_a_class_checks_when_it_is_made_holds_when_it_is_written() -> None:
    """An instance that was changed since is refused: what was stored of it could never be read again."""
    even = Even(n=2)
    assert shape(Even).decode(shape(Even).encode(even)) == even
    even.n = 3
    with pytest.raises(ValueRefused, match="it is odd"):
        shape(Even).encode(even)
    with pytest.raises(ValueRefused, match="it is odd"):
        shape(list[Even]).encode([even])


def test_an_id_of_a_table_that_is_not_there_is_refused() -> None:
    """No text is an id of a table that the database does not have, least of all text that is no id."""
    nobody = shape(Id[User], {"rooms": 10_002})

    for text in (id_of("users"), "junk"):
        with pytest.raises(ValueRefused):
            nobody.decode(msgspec.json.encode(text))
        with pytest.raises(ValueRefused):
            nobody.encode(text)


def test_tables_may_be_numbered_later() -> None:
    """A shape holds on to the mapping it was given: numbers that are filled in afterwards count."""
    tables: dict[str, int] = {}
    tested = shape(Id[User], tables)
    with pytest.raises(ValueRefused):
        tested.encode(id_of("users"))

    tables.update(TABLES)

    assert tested.decode(tested.encode(id_of("users"))) == id_of("users")


def test_a_document_that_was_never_inserted_is_no_result() -> None:
    """Clients are promised an id and a creation time, so a result without them is refused."""
    user: Any = User(name="Ada")
    with pytest.raises(ValueRefused, match="`_id`"):
        shape(User).encode(user)
    user.id = id_of("users")
    with pytest.raises(ValueRefused, match="`_creationTime`"):
        shape(User).encode(user)
    user.creation_time = 5.0

    assert shape(User).encode(user) == b'{"_id":"%s","_creationTime":5.0,"name":"Ada"}' % id_of("users").encode()


class Reading(Object):
    celsius: float | None
    station: str = ""


class Station(Object):
    name: str
    height: float = 0.0


def as_stored(values: list[Any]) -> Stored:
    kind = shape(type(values[0]))
    return Stored(type(values[0]), [kind.encode(value) for value in values])


def test_what_is_as_stored_is_not_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of objects whose text is the stored one is written without a second look."""
    stations = [Station(name="a"), Station(name="b", height=2.5)]
    tested, stored = shape(list[Station]), as_stored(stations)
    expected = tested.encode(stations)
    monkeypatch.setattr(tested, "_read", None)
    monkeypatch.setattr(tested, "_encode_slowly", None)
    assert tested.encode(stations, stored) == expected


@pytest.mark.parametrize("height", [float("nan"), float("inf"), -0.0, 3, "2.5", None])
def test_what_is_not_as_stored_is_looked_at(height: Any) -> None:
    """A changed object is written, or refused, as if nobody knew what was stored."""
    stations = [Station(name="a", height=2.5)]
    tested, stored = shape(list[Station]), as_stored(stations)
    stations[0].height = height
    assert written(tested, stations, stored) == written(tested, stations, None)


def test_nan_is_not_taken_for_the_null_that_was_stored() -> None:
    """NaN is written as null by C, and where a null was stored the text alone does not tell."""
    readings = [Reading(celsius=None)]
    tested, stored = shape(list[Reading]), as_stored(readings)
    readings[0].celsius = float("nan")
    assert b"$float" in tested.encode(readings, stored)


def test_a_list_that_was_stored_may_be_too_long() -> None:
    """A limit of the list is its own affair: that each object is right says nothing about it."""
    stations = [Station(name="a"), Station(name="b")]
    tested = shape(Annotated[list[Station], Meta(max_length=1)])
    with pytest.raises(ValueRefused):
        tested.encode(stations, as_stored(stations))


def written(tested: Shape, value: Any, stored: Stored | None) -> bytes | None:
    try:
        return tested.encode(value, stored)
    except ValueRefused:
        return None


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def test_any_may_nest_as_deep_as_a_value_may() -> None:
    """What is around an `Any` counts: 64 arrays and objects inside each other, not one more."""
    tested = shape(list[Any])
    assert tested.encode(tested.decode(nested(64))) == nested(64)

    with pytest.raises(ValueRefused, match="too nested"):
        tested.decode(nested(65))
    deep: list[Any] = []
    for _ in range(64):
        deep = [deep]
    with pytest.raises(ValueRefused, match="too nested"):
        tested.encode(deep)


def test_a_list_inside_itself_is_refused() -> None:
    """A value without end is refused like one that is too deep; nothing hangs or crashes."""
    endless: list[Any] = []
    endless.append(endless)
    for hint in (Any, list[Any], list[list[str]]):
        with pytest.raises(ValueRefused):
            shape(hint).encode(endless)


def test_what_cannot_be_compared_is_refused() -> None:
    """An object whose comparison raises is no reason to fail otherwise than with a refusal."""

    class Angry:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError

    with pytest.raises(ValueRefused):
        shape(list[str]).encode([Angry()])


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (list[TextPart], [TextPart(kind="text", body="x")]),
        (dict[str, int | None], {"a": 1, "b": None}),
        (Circle | Square, Square(side=1)),
        (Literal["a", "b"] | None, "a"),
        (list[Id[User | Room]], [id_of("rooms")]),
        (Holder[float], Holder(plain=1.5)),
        (str | int | bool | list[float] | dict[str, str] | None, "x"),
    ],
    ids=str,
)
def test_the_ordinary_never_goes_the_slow_way(hint: Any, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain types decode and encode plain values in C alone."""
    tested = shape(hint)

    def fail(*_: object) -> None:
        raise AssertionError("slow")

    for part in (type(tested.kind), Shape):
        for name in ("decode", "encode", "_decode_slowly", "_encode_slowly"):
            if part is not Shape or name.startswith("_"):
                monkeypatch.setattr(part, name, fail, raising=False)

    assert tested.decode(tested.encode(value)) == value
