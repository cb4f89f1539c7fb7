"""Importing files into a database: what comes in, what is refused, and that a refusal changes nothing."""

import base64
import json
import random
import struct
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from joelclaw.errors import ExportRefused, ImportRefused, OutcomeUnknown, StoreFailed, StoreFull
from joelclaw.files.staying import must_stay
from joelclaw.store.sqlite import SqliteTransaction
from tests.files.test_disk import room_for
from tests.transfer.places import Place, archive, id_of

Write = Callable[[str, str | bytes], Path]


def lines(*documents: dict[str, Any]) -> str:
    return "".join(json.dumps(document) + "\n" for document in documents)


def with_a_file(folder: Path, id: str) -> Path:
    """An export of one stored file."""
    digest = base64.b64encode(sha256(b"bytes").digest()).decode()
    document = lines({"_id": id, "_creationTime": 1.5, "sha256": digest, "size": 5.0, "internalId": "x"})
    return archive(folder / "file.zip", {"_storage/documents.jsonl": document, f"_storage/{id}": b"bytes"})


# -- whole exports


def everything(chance: random.Random) -> dict[str, Any]:
    """A note with a random value of every type, as JSON of clients."""

    def number() -> Any:
        bits = chance.choice(
            [0x8000000000000000, 0x7FF8000000000000, 0x7FF0000000000000, 0xFFF0000000000000, 0x7FF8000000000001]
        )
        import base64

        special = {"$float": base64.b64encode(struct.pack("<Q", bits)).decode()}
        return chance.choice([special, chance.uniform(-1e9, 1e9), float(chance.randrange(10**6)), 1e300, 5e-324])

    def int64() -> Any:
        import base64

        value = chance.choice([0, 1, -1, 2**63 - 1, -(2**63), chance.randrange(-(2**62), 2**62)])
        return {"$integer": base64.b64encode(struct.pack("<q", value)).decode()}

    def data() -> Any:
        import base64

        return {"$bytes": base64.b64encode(chance.randbytes(chance.randrange(20))).decode()}

    def anything(depth: int) -> Any:
        kinds = [number, int64, data, lambda: None, lambda: True, lambda: '日本 \\ " \n\u2028']
        if depth:
            kinds.append(lambda: [anything(depth - 1) for _ in range(chance.randrange(4))])
            kinds.append(lambda: {f"k{i}": anything(depth - 1) for i in range(chance.randrange(4))})
        return chance.choice(kinds)()

    note: dict[str, Any] = {
        "body": f"note {chance.randrange(1000)} 🐍",
        "stars": number(),
        "views": int64(),
        "data": data(),
        "done": chance.random() < 0.5,
        "labels": {"a b": number()},
        "anything": anything(4),
    }
    if chance.random() < 0.5:
        note["place"] = {"paragraph": "p", "offsets": [int64(), int64()]}
    return note


def texts(documents: list[dict[str, Any]]) -> list[str]:
    return [json.dumps(document, sort_keys=True) for document in documents]


@pytest.mark.parametrize("kind", ["zip", "jsonl", "json"])
def test_what_is_exported_comes_back_as_it_was(place: Place, another: Place, kind: str) -> None:
    """Exported and imported, documents, ids and creation times are equal, for every type of value. ENV-6, VAL-19."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    author = place.put("authors", {"name": "Ann"})
    for _ in range(60):
        place.put("notes", everything(chance) | {"author": chance.choice([None, author])})

    table = None if kind == "zip" else "notes"
    came = another.bring_in(place.export(kind, table=table), table=table)

    assert came == (61 if kind == "zip" else 60)
    assert texts(another.documents("notes")) == texts(place.documents("notes"))
    if kind == "zip":
        assert another.documents("authors") == place.documents("authors")


def test_numbers_of_tables_follow_the_ids_of_a_file(place: Place, tmp_path: Path) -> None:
    """Documents of elsewhere keep ids that say another table number: an empty table takes it. ENV-3."""
    authors, notes = 10_002, 10_077
    author = id_of(authors, 5)
    note = {"_id": id_of(notes, 9), "_creationTime": 123.5, "body": "b", "author": author, "views": 7}
    made = archive(
        tmp_path / "upstream.zip",
        {
            "README.md": "# hello",
            "_tables/documents.jsonl": lines({"name": "authors", "id": authors}, {"name": "notes", "id": notes}),
            "authors/documents.jsonl": lines({"_id": author, "_creationTime": 122.25, "name": "Ann"}),
            "authors/generated_schema.jsonl": '"uniform"\n',
            "notes/documents.jsonl": lines(note),
            "notes/generated_schema.jsonl": '"uniform"\n',
            "gone/documents.jsonl": "",
        },
    )

    assert place.bring_in(made) == 2

    [found] = place.values("notes")
    assert (found["_id"], found["_creationTime"], found["author"], found["views"]) == (note["_id"], 123.5, author, 7)
    assert place.tables["notes"].number == notes
    assert place.put("notes", {"body": "new", "author": author}) == id_of(notes, 2)


def test_an_export_of_an_older_server_is_refused(place: Place, tmp_path: Path) -> None:
    """An archive whose numbers do not tell their types is refused by name, not misread."""
    made = archive(
        tmp_path / "old.zip",
        {"authors/documents.jsonl": lines({"name": "Ann"}), "authors/generated_schema.jsonl": '{"type": "any"}\n'},
    )

    with pytest.raises(ImportRefused, match="older server"):
        place.bring_in(made)


# -- single tables


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", '{"body": "x", "stars": 3, "views": 4}\n\n{"body": "y", "data": "aGk="}\n'),
        ("a.json", '[ {"body": "x", "stars": 3, "views": 4},\n {"body": "y", "data": "aGk="} ]\n'),
        ("a.csv", 'body,stars,views,data\nx,3,4,\n"y",0,0,aGk=\n'),
    ],
)
def test_a_handmade_file_is_read_as_the_schema_says(place: Place, file: Write, name: str, content: str) -> None:
    """Without ids new ones are made, in the file's order; `3` is what its field's type says."""
    assert place.bring_in(file(name, content), table="notes") == 2

    first, second = place.values("notes")
    assert (first["body"], first["stars"], first["views"]) == ("x", 3.0, 4)
    assert (second["body"], second["data"]) == ("y", b"hi")
    assert first["_creationTime"] < second["_creationTime"]


def test_csv_comes_back(place: Place, another: Place) -> None:
    """A table of plain columns survives CSV, quotes and line ends in cells included."""
    place.put("rows", {"number": 1.5, "text": 'a "quoted",\nlong one'})
    place.put("rows", {"number": 2, "text": ""})

    another.bring_in(place.export("csv", table="rows"), table="rows")

    assert another.values("rows") == place.values("rows")


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv"])
def test_a_byte_order_mark_is_told(place: Place, file: Write, name: str) -> None:
    """A file that begins with a byte order mark is refused with a sentence that says so. ENV-5."""
    with pytest.raises(ImportRefused, match=r"line 1: .*byte order mark"):
        place.bring_in(file(name, b"\xef\xbb\xbf[]"), table="notes")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", '{"body": "x"}\n{"body": 3}\n', "notes, line 2: field body: .*3"),
        ("a.jsonl", '{"body": "x"}\n{"body": "y", "bdoy": 1}\n', "notes, line 2: .*bdoy"),
        ("a.jsonl", '{"body": "x"}\n{"body": \n', "notes, line 2: this is no JSON"),
        ("a.jsonl", '{"body": "x"}\n7\n', "notes, line 2: a document is an object"),
        ("a.jsonl", '{"body": "x", "_id": "nonsense"}\n', "notes, line 1: `_id` is 'nonsense', which is no id"),
        ("a.jsonl", '{"body": "\xff"}\n'.encode("latin-1"), "notes, line 1: this is no JSON"),
        ("a.json", '{"body": "x"}', "a JSON array was expected"),
        ("a.json", '[{"body": "x"},\n{"body": "y"}', "line 2: after a document comes"),
        ("a.json", '[{"body": "x"}] x', "more after the end"),
        ("a.json", '[{"body": NaN}]', "JSON has no NaN"),
        ("a.json", '[{"body": "x"},\n{"body": tru', "line 2: this is no JSON"),
        ("a.csv", "body,stars\nx,1\ny\n", "line 3: this row has 1 cells"),
        ("a.csv", "body,stars\nx,many\n", "line 2: field stars"),
        ("a.csv", "body,body\nx,1\n", "line 1: column 'body' is there twice"),
        ("a.csv", 'body\n"x\n', "this is no CSV"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    place: Place, file: Write, name: str, content: str | bytes, told: str
) -> None:
    """A file with a mistake is refused with table, line and reason, and nothing of it comes in. ENV-4."""
    place.put("notes", {"body": "before"})

    with pytest.raises(ImportRefused, match=told):
        place.bring_in(file(name, content), table="notes", mode="replace")

    assert [note["body"] for note in place.values("notes")] == ["before"]
    assert list(place.folder.glob("staging*")) == []


def test_an_unknown_table_is_told(place: Place, file: Write, tmp_path: Path) -> None:
    """A table that the schema does not have is named, in files of one table and in archives."""
    with pytest.raises(ImportRefused, match=r"there is no table 'noets' in the schema.*did you mean 'notes'"):
        place.bring_in(file("a.jsonl", "{}\n"), table="noets")
    with pytest.raises(ImportRefused, match=r"noets/documents\.jsonl: there is no table"):
        place.bring_in(archive(tmp_path / "a.zip", {"noets/documents.jsonl": "{}\n"}))
    with pytest.raises(ImportRefused, match="the platform's own"):
        place.bring_in(file("a.jsonl", "{}\n"), table="_admin_keys")


def test_a_repeated_id_is_told(place: Place, file: Write) -> None:
    """An id that a file has twice is named, with both lines. ENV-3."""
    id = id_of(10_001, 3)
    content = lines({"_id": id, "name": "a"}, {"name": "b"}, {"_id": id, "name": "c"})

    with pytest.raises(ImportRefused, match=f"authors, line 3: duplicate `_id` {id}: line 1 has it, too"):
        place.bring_in(file("a.jsonl", content), table="authors")


def test_a_repeated_key_is_told(place: Place, file: Write) -> None:
    """Two documents of a file that share a key of a unique index are named by their lines."""
    content = lines({"name": "a"}, {"name": "b"}, {"name": "a"})

    with pytest.raises(ImportRefused, match=r"authors, line 3: the unique index byName .* line 1"):
        place.bring_in(file("a.jsonl", content), table="authors")


# -- modes


def test_require_empty_refuses_documents(place: Place, file: Write) -> None:
    """A table with documents is left alone unless one says what becomes of them. ENV-4."""
    place.put("authors", {"name": "Ann"})

    with pytest.raises(ImportRefused, match="has 1 documents already"):
        place.bring_in(file("a.jsonl", lines({"name": "Bob"})), table="authors")


def test_append_keeps_documents(place: Place, file: Write) -> None:
    """Appended documents stand beside those that are there. ENV-4."""
    place.put("authors", {"name": "Ann"})

    assert place.bring_in(file("a.jsonl", lines({"name": "Bob"})), table="authors", mode="append") == 1

    assert [author["name"] for author in place.values("authors")] == ["Ann", "Bob"]


def test_append_refuses_what_is_there(place: Place, file: Write) -> None:
    """An id or a unique key that the table has already refuses the import. ENV-4."""
    id = place.put("authors", {"name": "Ann"})

    with pytest.raises(ImportRefused, match=f"there is a document {id} already"):
        place.bring_in(file("a.jsonl", lines({"_id": id, "name": "Bob"})), table="authors", mode="append")
    with pytest.raises(ImportRefused, match=f"is unique and {id} has this key"):
        place.bring_in(file("a.jsonl", lines({"name": "Ann"})), table="authors", mode="append")

    assert [author["name"] for author in place.values("authors")] == ["Ann"]


def test_replace_empties_the_tables_of_the_file(place: Place, file: Write) -> None:
    """Replaced documents are gone, those of other tables stay. ENV-4."""
    place.put("authors", {"name": "Ann"})
    place.put("rows", {"number": 1, "text": "stays"})

    importer, staged = place.stage(file("a.jsonl", lines({"name": "Ann"})), table="authors", mode="replace")
    importer.close()
    assert staged.needs_consent
    assert "1 are deleted" in staged.message
    place.bring_in(file("a.jsonl", lines({"name": "Ann"})), table="authors", mode="replace")

    assert len(place.values("authors")) == len(place.values("rows")) == 1


def test_replace_all_empties_all_tables(place: Place, another: Place) -> None:
    """With replaceAll a deployment becomes what the archive is. ENV-4."""
    place.put("authors", {"name": "Ann"})
    another.put("rows", {"number": 1, "text": "goes"})

    another.bring_in(place.export(), mode="replaceAll")

    assert another.values("rows") == []
    assert another.values("authors") == place.values("authors")


def test_a_number_that_another_table_needs_is_told(place: Place, file: Write) -> None:
    """Ids whose table number belongs to documents of another table are refused with a way out."""
    place.put("authors", {"name": "Ann"})
    taken = place.tables["authors"].number

    with pytest.raises(ImportRefused, match=f"table number {taken}, which 'authors' has here"):
        place.bring_in(file("a.jsonl", lines({"_id": id_of(taken, 1), "number": 1, "text": ""})), table="rows")


def test_documents_that_came_meanwhile_are_noticed(place: Place, file: Write) -> None:
    """A table that was empty when the file was read, and is not when it is brought in, refuses the import."""
    importer, _ = place.stage(file("a.jsonl", lines({"name": "Bob"})), table="authors")
    place.put("authors", {"name": "Ann"})

    importer.keep_files()
    with pytest.raises(ImportRefused, match="meanwhile"):
        importer.take_in()
    importer.close()

    assert [author["name"] for author in place.values("authors")] == ["Ann"]


def test_a_full_disk_changes_nothing(place: Place, file: Write) -> None:
    """No room while the file is read, or when it is brought in: the reason is told, and it works when there is room."""
    file_of_many = file("a.jsonl", lines(*({"name": f"author {number}" * 300} for number in range(2_000))))
    with pytest.raises((StoreFull, StoreFailed), match=r"staging\.db .* nothing was written"), room_for(256 * 1024):
        place.stage(file_of_many, table="authors")

    importer, _ = place.stage(file_of_many, table="authors")
    importer.keep_files()
    # As a limit of size tells it, a commit that failed may show after a restart: so no word of nothing being written.
    with pytest.raises((StoreFull, StoreFailed, OutcomeUnknown), match=r"data\.db "), room_for(256 * 1024):
        importer.take_in()
    importer.close()
    assert place.documents("authors") == []
    assert not (place.folder / "staging.db").exists()

    assert place.bring_in(file_of_many, table="authors") == 2_000


def test_an_export_without_room_says_so(place: Place, file: Write) -> None:
    """Written half, it would look like all there is; the reason is told instead."""
    authors = ({"name": random.Random(number).randbytes(500).hex()} for number in range(500))
    place.bring_in(file("a.jsonl", lines(*authors)), table="authors")
    for kind in ("zip", "jsonl", "json", "csv"):
        told = rf"export\.{kind} cannot be written: File too large; see to the room and permissions there"
        with pytest.raises(ExportRefused, match=told), room_for(64 * 1024):
            place.export(kind, table="authors")
        assert not list(place.folder.glob("export*"))


def test_bytes_of_an_import_stay_until_it_is_over(place: Place, tmp_path: Path) -> None:
    """However long it copies, nobody sweeps the bytes that it has kept and not recorded yet."""
    id = id_of(place.tables["_storage"].number, 1)
    importer, _ = place.stage(with_a_file(tmp_path, id), mode="append")
    database = place.folder / "data.db"
    assert not must_stay(database)
    importer.keep_files()
    assert must_stay(database)
    importer.take_in()
    importer.close()
    assert not must_stay(database)


def test_bytes_stay_if_nobody_knows_whether_the_import_was_committed(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its documents may show after a restart, and then their files have to be there."""
    id = id_of(place.tables["_storage"].number, 1)
    importer, _ = place.stage(with_a_file(tmp_path, id), mode="append")
    importer.keep_files()

    def fail(*_: Any) -> None:
        raise OutcomeUnknown("data.db", "disk I/O error")

    monkeypatch.setattr(SqliteTransaction, "commit", fail)
    with pytest.raises(OutcomeUnknown):
        importer.take_in()
    importer.close()

    assert [path.read_bytes() for path in (place.folder / "files").glob("*/*/*")] == [b"bytes"]


def test_a_schema_that_changed_meanwhile_is_noticed(place: Place, file: Write) -> None:
    """A deploy that changes the tables between reading and bringing in refuses the import. ENV-3."""
    importer, _ = place.stage(file("a.jsonl", lines({"name": "Bob"})), table="authors")
    place.prepare({"rows": 10_500})

    importer.keep_files()
    with pytest.raises(ImportRefused, match="the schema changed"):
        importer.take_in()
    importer.close()

    assert place.values("authors") == []


# -- hostile and broken archives


def test_hostile_archives_are_refused(place: Place, tmp_path: Path) -> None:
    """Names that lead out, doubled, encrypted or exploding entries, and foreign ones are refused by name."""
    path = tmp_path / "bad.zip"
    for name in ("../authors/documents.jsonl", "/etc/passwd", "a\\..\\b", "C:/x", "authors/../../x"):
        with pytest.raises(ImportRefused, match="leads out of the archive"):
            place.bring_in(archive(path, {name: "{}"}))
    with pytest.raises(ImportRefused, match="no part of an export"):
        place.bring_in(archive(path, {"snapshot/authors/documents.jsonl": "{}"}))
    with pytest.raises(ImportRefused, match="would grow from"):
        place.bring_in(archive(path, {"authors/documents.jsonl": b" " * (32 * 2**20)}))
    with zipfile.ZipFile(path, "w") as packed, pytest.warns(UserWarning, match="Duplicate"):  # noqa: PT031
        packed.writestr("authors/documents.jsonl", lines({"name": "a"}))
        packed.writestr("authors/documents.jsonl", lines({"name": "b"}))
    with pytest.raises(ImportRefused, match="twice"):
        place.bring_in(path)
    with pytest.raises(ImportRefused, match="no tables"):
        place.bring_in(archive(path, {"README.md": "nothing else"}))

    assert place.values("authors") == []


def test_damaged_archives_are_refused(place: Place, tmp_path: Path) -> None:
    """An archive that was cut off, or whose bytes changed on the way, is refused; nothing of it comes in."""
    path = archive(tmp_path / "bad.zip", {"authors/documents.jsonl": lines({"name": "a"}, {"name": "b"})})
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(ImportRefused, match="no ZIP archive, or only a part"):
        place.bring_in(path)
    path.write_bytes(b"PK nonsense")
    with pytest.raises(ImportRefused, match="no ZIP archive"):
        place.bring_in(path)

    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        packed.writestr("authors/documents.jsonl", lines({"name": "abcdef"}))
    path.write_bytes(path.read_bytes().replace(b"abcdef", b"abcdeX", 1))
    with pytest.raises(ImportRefused, match=r"documents\.jsonl: this entry is damaged"):
        place.bring_in(path)

    encrypted = bytearray(whole)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[encrypted.index(mark) + offset] |= 1
    path.write_bytes(bytes(encrypted))
    with pytest.raises(ImportRefused, match="encrypted"):
        place.bring_in(path)

    assert place.values("authors") == []
