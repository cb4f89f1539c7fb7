"""Declarations of search and vector indexes: what they say as data, and what is wrong with one."""

import sys
from pathlib import Path

import pytest

from joelclaw.schema.specs import SearchIndexSpec, VectorIndexSpec
from joelclaw.schema.tables import table_info
from tests.schema.test_checks import Schema

GOOD = """
    from joelclaw import search_index, vector_index

    class Place(Object):
        room_name: str

    class Note(Table):
        __table__ = "notes"
        full_text: str | UnsetType = UNSET
        topic: str = "none"
        place: Place | None = None
        embedding: list[float] | None = None
        search_full_text = search_index("full_text", filter=["topic", "place.room_name"])
        by_embedding = vector_index("embedding", dimensions=384, filter=["topic"])
"""


@pytest.fixture
def schema(tmp_path: Path) -> Schema:
    return Schema(tmp_path / "schema.py")


def test_declarations_become_specs(schema: Schema) -> None:
    """Names and paths are the wire's; defaults of the fields are part of what an index is."""
    tables, problems = schema.load(GOOD)
    assert problems == []
    spec = table_info(tables[0]).spec
    assert spec.search_indexes == (
        SearchIndexSpec(
            name="searchFullText",
            python_name="search_full_text",
            search_field="fullText",
            filter_fields=("topic", "place.roomName"),
            defaults='{"topic":"none","place":null}',
        ),
    )
    assert spec.vector_indexes == (
        VectorIndexSpec(
            name="byEmbedding",
            python_name="by_embedding",
            vector_field="embedding",
            dimensions=384,
            filter_fields=("topic",),
            defaults='{"embedding":null,"topic":"none"}',
        ),
    )


def test_an_index_is_an_attribute_of_the_table(schema: Schema) -> None:
    """Of the class, whose name it shows; a document does not have it."""
    schema.load(GOOD)
    note = sys.modules["schema_under_test"].Note
    assert repr(note.search_full_text) == "Note.search_full_text"
    assert note.by_embedding is note.by_embedding
    with pytest.raises(AttributeError, match=r"write Note\.search_full_text"):
        note().search_full_text  # noqa: B018 (reading is what is refused)


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        ('search_index("txt")', "there is no field 'txt'; did you mean 'text'?"),
        ("search_index(7)", "7 is no field; name the field as text"),
        ('search_index("n")', "'n' holds v.float64(), and text is searched; name a field that is str, or str | None"),
        ('search_index("text", filter=["topik"])', "there is no field 'topik'; did you mean 'topic'?"),
        ('search_index("text", filter="topic")', "filter='topic' is text; write a list: filter=[\"topic\"]"),
        ('search_index("text", filter=["topic", "topic"])', "has the field 'topic' twice; leave one out"),
        ('search_index("text", filter=["topic"] * 17)', "has 17 fields, and an index has at most 16"),
        ('vector_index("text", dimensions=3)', "and vectors are compared; name a field that is list[float]"),
        ('vector_index("numbers", dimensions=3)', "'numbers' holds v.array(v.float64()), and vectors are compared"),
        ('vector_index("vec", dimensions=1)', "has 1 dimensions; a vector index has from 2 to 4,096"),
        ('vector_index("vec", dimensions=4097)', "has 4,097 dimensions; a vector index has from 2 to 4,096"),
        ('vector_index("vec", dimensions="3")', "dimensions='3' is no whole number; write dimensions=384"),
        ('vector_index("vec", dimensions=3, filter=["limit"])', "filters by 'limit', which says how many are found"),
    ],
)
def test_a_wrong_declaration_is_told(schema: Schema, declaration: str, expected: str) -> None:
    """With the line of the index, what is wrong, and what to write instead."""
    told = schema.problems(f"""
        from joelclaw import search_index, vector_index

        class Note(Table):
            __table__ = "notes"
            text: str
            topic: str
            limit: str
            n: float
            vec: list[float]
            numbers: list[int]
            found = {declaration}
    """)
    assert told[0].startswith("11: Note.found: ")
    assert expected in told[0]


def test_four_of_a_kind_are_enough(schema: Schema) -> None:
    """A fifth search index is one too many, and so is a fifth vector index."""
    lines = [f's{number} = search_index("text")' for number in range(5)]
    lines += [f'v{number} = vector_index("vec", dimensions=3)' for number in range(5)]
    body = """
        from joelclaw import search_index, vector_index

        class Note(Table):
            __table__ = "notes"
            text: str
            vec: list[float]
            """ + "\n            ".join(lines)
    told = "\n".join(schema.problems(body))
    assert "Note: has 5 search indexes, and a table has at most 4; leave some out, or raise limits" in told
    assert "Note: has 5 vector indexes, and a table has at most 4" in told


def test_indexes_of_all_kinds_share_their_names(schema: Schema) -> None:
    """Two that meet on the wire are told, and one that is a field, or in an object."""
    told = schema.problems("""
        from joelclaw import search_index

        class Part(Object):
            text: str
            found = search_index("text")

        class Note(Table):
            __table__ = "notes"
            text: str
            by_text = index("text")
            byText = search_index("text")
            topic: str = search_index("text")
    """)
    assert any("Part.found: is an index, and only tables have some" in one for one in told)
    assert any("Note.byText: is 'byText' on the wire, and so is 'by_text'" in one for one in told)
    assert any("Note.topic: is a field and an index" in one for one in told)
