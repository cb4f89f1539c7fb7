"""Preparing: a writer makes the database fit the schema, or says which document stands in the way."""

from joelclaw.isolate.messages import Loaded, LoadFailed, Prepare
from tests.isolate.isolates import Deployment, call, texts, value

SCHEMA = '''
from joelclaw import Id, Table, index


class Note(Table):
    __table__ = "notes"
    text: {text}
    stars: int{stars}
    by_text = index("text"{unique})
    by_stars = index("stars")
    again: Id["Note"] | None = None


class Book(Table):
    """New, so that no document can know its ids."""

    __table__ = "books"
    note: Id[Note]
'''


def refusal(deployment: Deployment) -> LoadFailed:
    writer = deployment.start("writer")
    writer.receive(Loaded)
    writer.send(Prepare())
    return writer.receive(LoadFailed)


def with_notes(deployment: Deployment, *notes: str) -> list[str]:
    """A deployment that was used with its first schema; the ids of its notes."""
    writer = deployment.writer()
    ids = [value(outcome) for outcome in writer.run(*[call("notes:add", text=text) for text in notes])]
    writer.close()
    return ids


def write_schema(deployment: Deployment, *, text: str = "str", stars: str = "", unique: str = "") -> None:
    (deployment.root / "schema.py").write_text(SCHEMA.format(text=text, stars=stars, unique=unique))


def test_a_schema_that_documents_violate_is_refused(deployment: Deployment) -> None:
    """
    The refusal names document, table and field, and where the table is declared; the old schema goes on working
    (SCM-6).
    """
    [note] = with_notes(deployment, "one")
    old_schema = (deployment.root / "schema.py").read_text()
    write_schema(deployment)
    [problem] = refusal(deployment).problems
    assert str(problem.place) == "schema.py:5"
    assert problem.name == "Note"
    assert note in problem.reason
    assert "notes" in problem.reason
    assert "stars" in problem.reason

    (deployment.root / "schema.py").write_text(old_schema)
    assert value(*deployment.writer().run(call("notes:add", text="two")))
    assert texts(deployment.reader()) == ["one", "two"]


def test_a_field_of_another_type_is_refused(deployment: Deployment) -> None:
    """A document whose field has another type now is named with the field's path; some of many are."""
    with_notes(deployment, *map(str, range(10)))
    write_schema(deployment, text="int", stars=" = 0")
    problems = refusal(deployment).problems
    assert 1 < len(problems) < 10
    assert all('Field text: "' in problem.reason for problem in problems)


def test_a_new_index_is_filled(deployment: Deployment) -> None:
    """
    Documents that exist are in an index that did not, under its fields' defaults, before any function runs
    (IDX-17, SCM-7).
    """
    with_notes(deployment, "one", "two")
    write_schema(deployment, stars=" = 3")
    with (deployment.root / "app_functions" / "notes.py").open("a") as notes:
        notes.write(
            "\n\n@query\ndef with_stars(ctx: QueryCtx, stars: int) -> list[str]:\n"
            "    return [note.text for note in ctx.db.query(Note.by_stars, stars=stars)]\n"
        )
    deployment.writer()
    reader = deployment.reader()
    assert value(*reader.run(call("notes:withStars", stars=3))) == ["one", "two"]
    assert value(*reader.run(call("notes:withStars", stars=4))) == []


def test_a_unique_index_that_cannot_be_is_refused(deployment: Deployment) -> None:
    """Two documents with one key are both named."""
    ids = with_notes(deployment, "same", "same")
    write_schema(deployment, stars=" = 0", unique=", unique=True")
    [problem] = refusal(deployment).problems
    assert str(problem.place) == "schema.py:5"
    assert all(id in problem.reason for id in ids)


def test_a_database_that_cannot_be_opened_is_told(deployment: Deployment) -> None:
    """A file that is no database of ours is a refusal with its reason, not a dead process."""
    deployment.database.write_text("something else entirely, and not short either " * 30)
    [problem] = refusal(deployment).problems
    assert "data.db" in problem.reason
