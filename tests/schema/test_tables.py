"""`joelclaw.schema.tables`: documents, and where they stand in indexes."""

from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Meta, UnsetType

from joelclaw.errors import DocumentRefused, Misuse, ValueRefused
from joelclaw.schema.bounds import Bound, between, gt, gte, lt, lte
from joelclaw.schema.indexes import index
from joelclaw.schema.layout import IndexLayout, TableLayout
from joelclaw.schema.marks import Id
from joelclaw.schema.structs import Object
from joelclaw.schema.tables import Table, TableInfo, table_info
from joelclaw.values.ids import encode_id
from joelclaw.values.int64 import INT64_MIN, Int64
from joelclaw.values.keys import compare, end_of
from tests.schema.strategies import TABLES, User, any_values, id_of

NUMBERS = {**TABLES, "notes": 10_003}


class Anchor(Object):
    title: str
    quote: str | None = None


class Point(Object):
    title: int


class Note(Table):
    """A bit of everything that can be indexed."""

    __table__ = "notes"
    article: str = ""
    likes: int = 0
    weight: float | None = None
    big: Int64 | str | None = None
    done: bool | UnsetType = UNSET
    data: bytes = b""
    anchor: Anchor | UnsetType | None = UNSET
    spot: Anchor | Point | str = ""
    anything: Any = None
    author: Id[User] | UnsetType = UNSET
    title: Annotated[str, Meta(min_length=1, max_length=10)] = "untitled"

    by_article = index("article", "likes")
    by_weight = index("weight", "done")
    by_big = index("big")
    by_data = index("data", "article")
    by_anchor = index("anchor.title", "anchor.quote")
    by_spot = index("spot.title")
    by_anything = index("anything")
    by_author = index("author", unique=True)


def layout_of(info: TableInfo[Any], number: int = 10_003) -> TableLayout:
    """A database's layout for one table: by_id is 1, by_creation_time 2, the others follow."""
    return TableLayout(
        number=number,
        name=info.name,
        by_id=IndexLayout(number=1, name="by_id"),
        by_creation_time=IndexLayout(number=2, name="by_creation_time"),
        indexes=tuple(
            IndexLayout(number=number, name=spec.name, unique=spec.unique)
            for number, spec in enumerate(info.spec.indexes, 3)
        ),
    )


class Shelf(Table):
    __table__ = "shelves"
    title: Annotated[str, Meta(min_length=1)]
    kind: Literal["open", "closed"] = "open"
    by_title = index("title")
    by_kind = index("kind")


INFO: TableInfo[Note] = table_info(Note, NUMBERS)
LAYOUT = layout_of(INFO)


def note(number: int = 0, **fields: Any) -> Note:
    """The note that was inserted as the `number`th."""
    made: Any = Note(**fields)
    made.id = encode_id(10_003, number.to_bytes(16, "big"))
    made.creation_time = 1_795_343_618_221.25 + number
    return made  # type: ignore[no-any-return]


# -- documents


def test_a_document_is_stored_as_wire_json_system_fields_first() -> None:
    """What is stored is what clients get: camelCase, special forms, absent fields left out."""
    document = note(anchor=Anchor(title="p"), weight=float("inf"), big=Int64(5), data=b"hi")

    raw = INFO.encode(document)

    assert raw.startswith(b'{"_id":"%s","_creationTime":1795343618221.25,"article":"",' % document.id.encode())
    assert b'"weight":{"$float":"AAAAAAAA8H8="},"big":{"$integer":"BQAAAAAAAAA="},"data":{"$bytes":"aGk="}' in raw
    assert b"done" not in raw
    assert INFO.decode(raw) == document
    assert INFO.decode_many([raw, raw]) == [document, document]


def test_a_document_without_system_fields_can_be_encoded() -> None:
    """Before it is inserted a document has neither id nor creation time."""
    assert INFO.decode(INFO.encode(Note())) == Note()


def test_a_field_that_a_stored_document_lacks_has_its_default() -> None:
    """A document from before a field was added reads as if it had been written with the default."""
    old = INFO.decode(b'{"_id":"x","_creationTime":1.0}')
    assert (old.likes, old.done, old.title) == (0, UNSET, "untitled")


@pytest.mark.parametrize(
    ("field", "value", "path", "reason"),
    [
        ("title", "", ".title", "The text must have at least 1 characters; it has 0."),
        ("likes", 1.5, ".likes", "The number is not whole"),
        ("likes", UNSET, "", "Object is missing the required field `likes`"),
        ("author", id_of("rooms"), ".author", "Found ID"),
        ("anchor", Anchor(title=5), ".anchor.title", "Value does not match validator."),  # type: ignore[arg-type]
        ("anything", {"$x": 1}, ".anything", "field name '$x' starts with '$'"),
        ("anything", [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]], "", "Document is too nested"),
        ("article", "x" * 2**20, "", "Value is too large"),
        ("anything", ["x"] * 8193, ".anything", "Array length is too long"),
    ],
)
def test_a_document_is_checked_when_it_is_written(field: str, value: Any, path: str, reason: str) -> None:
    """
    Types, limits and sizes hold at every write, whatever happened to the document since it was made (SCM-2,
    SCM-4).
    """
    document = note()
    setattr(document, field, value)

    with pytest.raises(DocumentRefused) as caught:
        INFO.encode(document)

    assert caught.value.reason.startswith(reason)
    assert caught.value.path.startswith(path)
    assert str(caught.value).startswith(
        'Failed to insert or update a document in table "notes" because it does not match the schema: ' + reason
    )


def test_a_document_of_another_table_is_refused() -> None:
    """A user is no note, even if all its fields were."""
    with pytest.raises(DocumentRefused):
        INFO.encode(User(name="x"))  # type: ignore[arg-type]


def test_a_document_of_an_older_schema_is_refused_with_its_field() -> None:
    """What no longer fits says which field, so that a deploy can be refused with a reason."""
    raw = INFO.encode(note()).replace(b'"likes":0', b'"likes":"many"')

    with pytest.raises(ValueRefused) as caught:
        INFO.decode(raw)
    assert caught.value.path == ".likes"
    with pytest.raises(ValueRefused):
        INFO.decode_many([INFO.encode(note()), raw])


def test_foreign_documents_are_checked_to_the_ids() -> None:
    """An import is trusted in nothing: ids of other tables, and documents without system fields, are refused."""
    raw = INFO.encode(note(author=id_of("users")))
    assert INFO.check(raw) == note(author=id_of("users"))

    for wrong in (
        raw.replace(id_of("users").encode(), id_of("rooms").encode()),
        raw.replace(note().id.encode(), id_of("users").encode()),
        INFO.encode(Note()),
    ):
        with pytest.raises(DocumentRefused):
            INFO.check(wrong)


# -- keys

article = st.sampled_from(["", "a", "a\0", "a\0b", "b", "é", "\U0001f600"])
notes = st.builds(
    note,
    st.integers(0, 2**32),
    article=article,
    likes=st.integers(-3, 3) | st.just(2**53),
    weight=st.none() | st.floats(),
    big=st.none() | st.integers(INT64_MIN, 2**63 - 1).map(Int64) | st.just(5) | article,
    done=st.booleans() | st.just(UNSET),
    data=st.binary(max_size=2) | st.sampled_from([b"\0", b"\0\0", b"\0\xff"]),
    anchor=st.none() | st.just(UNSET) | st.builds(Anchor, title=article, quote=st.none() | article),
    spot=article | st.builds(Anchor, title=article) | st.builds(Point, title=st.integers(-2, 2)),
    anything=any_values,
    author=st.just(UNSET) | st.builds(id_of, st.just("users"), st.binary(min_size=16, max_size=16)),
)


def values_of(document: Note, name: str) -> list[Any]:
    """What an index holds of a stored document, found the plain way."""
    found = []
    for path in getattr(Note, name).declared.fields:
        value: Any = document
        for step in path.split("."):
            value = getattr(value, step, UNSET) if isinstance(value, msgspec.Struct) else UNSET
        found.append(value)
    return [*found, document.creation_time, document.id]


def compare_rows(a: list[Any], b: list[Any]) -> int:
    return next((order for x, y in zip(a, b, strict=True) if (order := compare(x, y))), 0)


@settings(max_examples=300)
@given(notes, notes)
def test_keys_sort_as_values_do(a: Note, b: Note) -> None:
    """In every index the bytes of two documents' keys compare as the fields do, then creation time, then id."""
    stored = [INFO.decode(INFO.encode(document)) for document in (a, b)]
    keys = [{key.index: key.key for key in INFO.keys(document, LAYOUT)} for document in (a, b)]

    for number, info in enumerate(INFO.indexes.values(), 3):
        if number in keys[0] and number in keys[1]:
            first, second = keys[0][number], keys[1][number]
            rows = [values_of(document, info.python_name) for document in stored]
            assert (first > second) - (first < second) == compare_rows(*rows)


@given(notes)
def test_keys_are_those_of_what_is_stored(document: Note) -> None:
    """A document has the same keys before it is written and after it is read."""
    assert INFO.keys(document, LAYOUT) == INFO.keys(INFO.decode(INFO.encode(document)), LAYOUT)


@given(notes)
def test_borders_cut_a_key_at_its_fields(document: Note) -> None:
    """Borders begin with 0, end with the key, and each prefix between is one more field's key."""
    for key in INFO.keys(document, LAYOUT):
        assert key.borders[0] == 0
        assert key.borders[-1] == len(key.key)
        assert all(a < b for a, b in pairwise(key.borders))
        if key.index > 2:
            name = list(INFO.indexes)[key.index - 3]
            assert len(key.borders) == len(getattr(Note, name).declared.fields) + 3
            for count, border in enumerate(key.borders[1:-2], 1):
                equal = dict(zip(keywords(name), values_of(document, name), strict=False))
                bounds = INFO.bounds(name, dict(list(equal.items())[:count]), None, LAYOUT)
                assert key.key[:border] == bounds.prefix


def keywords(name: str) -> list[str]:
    return [plan.keyword for plan in INFO.indexes[name].fields]


def test_own_indexes_hold_the_id_and_the_creation_time() -> None:
    """By id the key is the id's text; by creation time, the time and the id."""
    document = note(7)
    by_id, by_creation_time, *_ = INFO.keys(document, LAYOUT)

    assert by_id == (1, document.id.encode(), (0, 32))
    assert by_creation_time.index == 2
    assert by_creation_time.key.endswith(document.id.encode())
    assert by_creation_time.borders == (0, 9, 41)


def test_a_unique_index_leaves_out_documents_without_its_field() -> None:
    """Absent is no value that two documents could share; null is."""
    number = 3 + list(INFO.indexes).index("by_author")

    assert number not in [key.index for key in INFO.keys(note(), LAYOUT)]
    assert number in [key.index for key in INFO.keys(note(author=id_of("users")), LAYOUT)]


def test_an_index_that_the_database_does_not_have_yet_has_no_keys() -> None:
    """Keys are made under the layout at hand, and another layout is another set of numbers."""
    smaller = msgspec.structs.replace(LAYOUT, indexes=LAYOUT.indexes[:1])

    assert [key.index for key in INFO.keys(note(), smaller)] == [1, 2, 3]
    assert len(INFO.keys(note(), LAYOUT)) == 9


# -- ranges

comparable: dict[str, st.SearchStrategy[Any]] = {
    "article": article,
    "likes": st.integers(-3, 3),
    "weight": st.none() | st.floats(),
    "big": st.none() | st.integers(-3, 3).map(Int64) | article,
    "done": st.booleans() | st.just(UNSET),
    "data": st.binary(max_size=2) | st.sampled_from([b"\0", b"\0\0"]),
    "anchor_title": article | st.just(UNSET),
    "anchor_quote": article | st.none() | st.just(UNSET),
    "spot_title": article | st.integers(-2, 2) | st.just(UNSET),
    "anything": any_values,
    "creation_time": st.integers(0, 3).map(lambda number: note(number).creation_time),
}


@st.composite
def queries(draw: Any) -> tuple[str, dict[str, Any], Bound | None]:
    """An index, values for some of its leading fields, and perhaps a bound on the next one."""
    name = draw(st.sampled_from([name for name in INFO.indexes if name != "by_author"]))
    fields = [*keywords(name), "creation_time"]
    count = draw(st.integers(0, len(fields) - 1))
    equal = {field: draw(comparable[field]) for field in fields[:count]}
    value = comparable[fields[count]]
    one = st.sampled_from([gt, gte, lt, lte]).flatmap(lambda make: value.map(make))
    return name, equal, draw(st.none() | one | st.builds(between, value, value))


def selects(bound: Bound, value: Any) -> bool:
    """The bound, read aloud."""
    if bound.has_lower:
        order = compare(value, bound.lower)
        if order < 0 or (order == 0 and not bound.lower_included):
            return False
    if bound.has_upper:
        order = compare(value, bound.upper)
        if order > 0 or (order == 0 and not bound.upper_included):
            return False
    return True


@settings(max_examples=400)
@given(queries(), st.lists(notes, max_size=8))
def test_a_range_holds_exactly_what_was_asked_for(
    query: tuple[str, dict[str, Any], Bound | None], documents: list[Note]
) -> None:
    """Of any documents, those whose keys are in the range are those whose values compare as asked."""
    name, equal, last = query
    bounds = INFO.bounds(name, equal, last, LAYOUT)

    for document in documents:
        [key] = [key.key for key in INFO.keys(document, LAYOUT) if key.index == bounds.index.number]
        values = values_of(INFO.decode(INFO.encode(document)), name)
        matches = all(compare(value, wanted) == 0 for value, wanted in zip(values, equal.values(), strict=False))
        wanted = matches and (last is None or selects(last, values[len(equal)]))
        found = bounds.start <= key and (bounds.end is None or key < bounds.end)
        assert found == wanted
        assert not found or key.startswith(bounds.prefix)


def test_no_bounds_are_the_whole_index() -> None:
    """Without values a query walks everything, by creation time if no index is named."""
    for name, number in ((None, 2), ("by_article", 3)):
        bounds = INFO.bounds(name, {}, None, LAYOUT)
        assert (bounds.index.number, bounds.prefix, bounds.start, bounds.end) == (number, b"", b"", None)


def test_contradicting_bounds_are_an_empty_range() -> None:
    """Nothing lies below "a" and above "b", and asking for it is no error (IDX-8)."""
    bounds = INFO.bounds("by_article", {}, between("b", "a"), LAYOUT)

    assert bounds.start == bounds.end


def test_a_fixed_text_does_not_reach_into_longer_ones() -> None:
    """ "a" followed by a zero byte continues the bytes of "a", and is another value all the same."""
    bounds = INFO.bounds("by_article", {"article": "a"}, None, LAYOUT)

    assert bounds.end == end_of(bounds.prefix)
    [longer] = [key.key for key in INFO.keys(note(article="a\0b"), LAYOUT) if key.index == 3]
    assert longer.startswith(bounds.prefix)
    assert bounds.end is not None
    assert longer >= bounds.end


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ({}, None)),
        ({"likes": 1, "article": "a"}, ({"article": "a", "likes": 1}, None)),
        ({"article": gt("a")}, ({}, gt("a"))),
        ({"likes": lt(3), "article": "a"}, ({"article": "a"}, lt(3))),
        ({"article": "a", "likes": 1, "creation_time": gte(5.0)}, ({"article": "a", "likes": 1}, gte(5.0))),
    ],
)
def test_keywords_become_values_and_a_bound(given: dict[str, Any], expected: Any) -> None:
    """Keywords may come in any order; leading ones fix a value, the last may bound a range."""
    equal, last = INFO.split_keywords("by_article", given)

    assert (equal, last) == expected
    assert list(equal) == list(expected[0])


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("by_article", {"artcle": "a"}, "Note.by_article has no field 'artcle'; did you mean 'article'?"),
        (
            "by_article",
            {"likes": 1},
            (
                "Tried to query index Note.by_article but the query didn't use the index fields in order: "
                "'likes' comes after 'article'; give 'article' a value, or declare another index"
            ),
        ),
        (
            "by_article",
            {"article": gt("a"), "likes": lt(3)},
            (
                "Upper and lower bounds can only be applied to a single index field, the last one given: "
                "Note.by_article has 'likes' after 'article'; give 'article' one value"
            ),
        ),
        (None, {"likes": 1}, "Note has no field 'likes'"),
    ],
)
def test_keywords_that_are_no_range_are_refused(name: str | None, given: dict[str, Any], sentence: str) -> None:
    """What is not one range of the index is refused in a sentence that says how to ask."""
    with pytest.raises(Misuse) as caught:
        INFO.split_keywords(name, given)

    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("name", "equal", "last"),
    [
        ("by_article", {"article": 5}, None),
        ("by_article", {"article": b"a"}, None),
        ("by_article", {"article": "a"}, gt("x")),
        ("by_article", {"article": "a"}, gt(True)),
        ("by_weight", {"weight": 1.0}, lt(1)),
        (None, {}, gte("2026-01-01")),
    ],
)
def test_a_comparison_across_types_is_refused(name: str | None, equal: dict[str, Any], last: Bound | None) -> None:
    """A value of a type that the field cannot have would find nothing for ever; better to say so."""
    with pytest.raises(Misuse, match="is compared with"):
        INFO.bounds(name, equal, last, LAYOUT)


def test_limits_of_a_field_do_not_bound_comparisons() -> None:
    """`gt("")` is a fair question also where no document may hold ""."""
    shelf = table_info(Shelf, NUMBERS)

    bounds = shelf.bounds("by_title", {}, gt(""), layout_of(shelf))

    [key] = [key.key for key in shelf.keys(shelved("x"), layout_of(shelf)) if key.index == 3]
    assert bounds.start <= key


def shelved(title: str) -> Shelf:
    shelf: Any = Shelf(title=title)
    shelf.id, shelf.creation_time = id_of("users"), 1.0
    return shelf  # type: ignore[no-any-return]


def test_an_index_belongs_to_the_class() -> None:
    """On the class it is an `Index` that knows its table; on a document it is a mistake."""
    assert Shelf.by_title is Shelf.by_title
    assert (Shelf.by_title.table, Shelf.by_title.name, repr(Shelf.by_title)) == (Shelf, "by_title", "Shelf.by_title")
    with pytest.raises(AttributeError, match=r"write Shelf\.by_title"):
        _ = Shelf(title="x").by_title
    assert [spec.name for spec in table_info(Shelf).spec.indexes] == ["byTitle", "byKind"]
