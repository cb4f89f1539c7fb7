"""Search and vector indexes as the store keeps them: what is written, undone, filled, dropped and refused."""

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from joelclaw.clock import MovableClock
from joelclaw.errors import StatementInterrupted, StoreFull, StoreUnreadable
from joelclaw.schema.finding import Conditions, unit_vector
from joelclaw.schema.layout import DocumentKey, IndexKey, IndexLayout, SearchEntry, TableLayout, VectorEntry
from joelclaw.schema.specs import SearchIndexSpec, TableSpec, VectorIndexSpec
from joelclaw.store.protocol import Snapshot, Store, Transaction
from joelclaw.store.sqlite_driver import Driver
from joelclaw.values.keys import number_key, string_key
from joelclaw.values.terms import count_terms, read_question
from tests.store.backends import Backend
from tests.store.users import encoded, table_spec, user

SEARCH = SearchIndexSpec(name="searchName", python_name="search_name", search_field="name", filter_fields=("city",))
EVERYTHING = Conditions()
VECTORS = VectorIndexSpec(name="byPlace", python_name="by_place", vector_field="place", dimensions=2)
BOTH = replace(table_spec(), search_indexes=(SEARCH,), vector_indexes=(VECTORS,))


class People:
    """A table with both kinds of index, and what the layer above would compute."""

    def __init__(self, store: Store, spec: TableSpec = BOTH) -> None:
        self.store = store
        self.prepare(spec)

    def prepare(self, *specs: TableSpec) -> None:
        layout = self.store.prepare(specs, self.examine)
        self.layout = next((table for table in layout.tables if table.name == "users"), None)

    def examine(self, layout: TableLayout, raws: list[bytes]) -> list[list[DocumentKey]]:
        return [self.keys(msgspec.json.decode(raw), layout) for raw in raws]

    def keys(self, document: Any, layout: TableLayout | None = None) -> list[DocumentKey]:
        layout = layout or self.table
        id = document["_id"].encode()
        created = number_key(document["_creationTime"]) + id
        found: list[DocumentKey] = [
            IndexKey(layout.by_id.number, id, (0, len(id))),
            IndexKey(layout.by_creation_time.number, created, (0, 9, len(created))),
        ]
        for index in layout.finders:
            if index.name == "searchName":
                terms = tuple(count_terms(document["name"]).items())
                city = string_key(document.get("city", "rome"))
                found.append(SearchEntry(index.number, document["_creationTime"], terms, (city,)))
            elif "place" in document:
                found.append(VectorEntry(index.number, unit_vector(document["place"]), ()))
        return found

    @property
    def table(self) -> TableLayout:
        assert self.layout is not None
        return self.layout

    def index(self, name: str) -> IndexLayout:
        return next(index for index in self.table.finders if index.name == name)

    def insert(self, txn: Transaction, number: int, **fields: Any) -> Any:
        document = {**user(number), **fields}
        txn.insert(self.table, document["_id"], encoded(document), self.keys(document))
        return document

    def commit(self, txn: Transaction) -> Sequence[IndexKey]:
        return txn.commit(b"", self.store.next_timestamp(MovableClock())).keys

    def add(self, number: int, **fields: Any) -> Any:
        with self.store.write() as txn:
            document = self.insert(txn, number, **fields)
            self.commit(txn)
        return document

    def found(self, text: str, view: Snapshot | None = None, conditions: Conditions = EVERYTHING) -> list[float]:
        """Creation times of what a search finds, which are the numbers of the documents."""
        if view is None:
            with self.store.read() as snapshot:
                return self.found(text, snapshot, conditions)
        question = read_question(text, 16)
        matches = view.search(self.index("searchName"), question, conditions, limit=1_000)
        assert view.count_matches(self.index("searchName"), question, conditions) == len(matches)
        return [match.rank.created_at for match in matches]

    def near(self, *vector: float, limit: int = 10) -> list[str]:
        with self.store.read() as snapshot:
            found = snapshot.nearest(self.index("byPlace"), unit_vector(vector), Conditions(), limit=limit)
        return [id for id, _ in found]


def no_keys(_layout: TableLayout, _raws: list[bytes]) -> list[list[DocumentKey]]:
    """For a table without documents."""
    return []


@pytest.fixture
def people(store: Store) -> People:
    return People(store)


def test_a_document_is_found_while_it_is_there(people: People) -> None:
    """What is inserted is found, what is replaced by its new words, what is deleted not at all."""
    first = people.add(1, name="ada byron", place=[1.0, 0.0])
    people.add(2, name="grace hopper", place=[0.0, 1.0])
    assert people.found("ada") == [1.0]
    assert people.near(1.0, 0.1) == [user(1)["_id"], user(2)["_id"]]
    changed = {**first, "name": "countess lovelace", "place": [0.0, 1.0]}
    with people.store.write() as txn:
        txn.replace(people.table, first["_id"], encoded(changed), people.keys(first), people.keys(changed))
        people.commit(txn)
    assert people.found("ada") == []
    assert people.found("lovelace") == [1.0]
    assert people.near(0.0, 1.0) == [user(2)["_id"], user(1)["_id"]]
    with people.store.write() as txn:
        txn.delete(people.table, first["_id"], people.keys(changed))
        people.commit(txn)
    assert people.found("lovelace") == []
    assert people.near(0.0, 1.0) == [user(2)["_id"]]


def test_a_transaction_finds_its_own_and_undoes_it(people: People) -> None:
    """Inside of a transaction its writes are found at once; after a rollback to a savepoint they are not."""
    people.add(1, name="ada")
    with people.store.write() as txn:
        people.insert(txn, 2, name="ada too")
        savepoint = txn.savepoint()
        people.insert(txn, 3, name="ada three")
        assert sorted(people.found("ada", txn)) == [1.0, 2.0, 3.0]
        txn.rollback_to(savepoint)
        assert sorted(people.found("ada", txn)) == [1.0, 2.0]
        assert len([key for key in txn.writes() if b"three" in key.key]) == 0
        people.commit(txn)
    assert sorted(people.found("ada")) == [1.0, 2.0]


def test_a_snapshot_does_not_change(people: People) -> None:
    """A reader finds what was there when its snapshot was opened, and ranks it by that."""
    people.add(1, name="ada")
    with people.store.read() as snapshot:
        assert people.found("ada", snapshot) == [1.0]
        people.add(2, name="ada ada")
        assert people.found("ada", snapshot) == [1.0]
    assert people.found("ada") == [2.0, 1.0]


def test_places_divide_a_result(people: People) -> None:
    """What is behind a rank, and what is up to it, are the two parts of a result."""
    for number in range(1, 6):
        people.add(number, name="ada " * number)
    index, question = people.index("searchName"), read_question("ada", 16)
    with people.store.read() as snapshot:
        whole = snapshot.search(index, question, Conditions(), limit=9)
        place = whole[2].rank
        assert snapshot.search(index, question, Conditions(), up_to=place, limit=9) == whole[:3]
        assert snapshot.search(index, question, Conditions(), after=place, limit=9) == whole[3:]
        assert snapshot.search(index, question, Conditions(), after=whole[0].rank, up_to=place, limit=1) == whole[1:2]


def test_places_tell_documents_of_one_moment_apart(people: People) -> None:
    """Imported documents may be equally good and equally old: each is behind one place, and the order stands."""
    for number in range(1, 6):
        people.add(number, name="ada", _creationTime=7.0)
    index, question = people.index("searchName"), read_question("ada", 16)
    with people.store.read() as snapshot:
        whole = snapshot.search(index, question, Conditions(), limit=9)
        assert [match.id for match in whole] == [user(number)["_id"] for number in (5, 4, 3, 2, 1)]
        for at, match in enumerate(whole):
            assert snapshot.search(index, question, Conditions(), up_to=match.rank, limit=9) == whole[: at + 1]
            assert snapshot.search(index, question, Conditions(), after=match.rank, limit=9) == whole[at + 1 :]


def test_conditions(people: People) -> None:
    """Groups hold together, one member of a group is enough, and a group without members never holds."""
    people.add(1, name="ada", city="rome")
    people.add(2, name="ada", city="oslo")
    rome, oslo = (0, string_key("rome")), (0, string_key("oslo"))
    assert people.found("ada", conditions=Conditions(((rome,),))) == [1.0]
    assert people.found("ada", conditions=Conditions(((rome, oslo),))) == [2.0, 1.0]
    assert people.found("ada", conditions=Conditions(((rome,), (oslo,)))) == []
    assert people.found("ada", conditions=Conditions(((),))) == []


def test_equally_near_ones_come_newest_first(people: People) -> None:
    """Of vectors in the same direction, the one inserted last comes first, over the borders of slices, too."""
    for number in range(1, 5):
        people.add(number, place=[float(number), 0.0])
    assert people.near(1.0, 0.0, limit=3) == [user(number)["_id"] for number in (4, 3, 2)]


def test_an_entry_that_stays_the_same_is_not_told(people: People) -> None:
    """A change to another field tells of the document's id, and of none of its words."""
    document = people.add(1, name="ada byron", place=[1.0, 0.0])
    changed = {**document, "github": 7}
    with people.store.write() as txn:
        txn.replace(people.table, document["_id"], encoded(changed), people.keys(document), people.keys(changed))
        told = people.commit(txn)
    assert {key.index for key in told} == {people.table.by_id.number, people.table.by_creation_time.number}


def test_indexes_come_and_go_with_documents_there(people: People) -> None:
    """An index that is added or redefined is filled, one that leaves goes with all of its relations."""
    people.add(1, name="ada", place=[1.0, 0.0])
    before = {index.number for index in people.table.finders}
    people.prepare(table_spec())
    assert people.table.finders == ()
    people.add(2, name="ada again")
    people.prepare(BOTH)
    assert before.isdisjoint(index.number for index in people.table.finders)
    assert people.found("ada") == [1.0, 2.0]
    assert people.near(1.0, 0.0) == [user(1)["_id"]]
    people.prepare(replace(BOTH, search_indexes=(replace(SEARCH, defaults='{"name":""}'),)))
    assert people.found("again") == [2.0]


def test_a_table_that_leaves_the_schema_takes_its_finders_along(people: People) -> None:
    """Its documents stay; when it comes back, they are found again."""
    people.add(1, name="ada", place=[1.0, 0.0])
    people.prepare()
    assert people.layout is None
    people.prepare(BOTH)
    assert people.found("ada") == [1.0]
    assert people.near(1.0, 0.0) == [user(1)["_id"]]


def test_a_refused_schema_leaves_indexes_as_they_were(people: People) -> None:
    """When a document does not fit, neither the old index is dropped nor the new one there."""
    people.add(1, name="ada", place=[1.0, 0.0])

    def refuse(_layout: TableLayout, _raws: list[bytes]) -> list[list[DocumentKey]]:
        raise ValueError("no room")

    with pytest.raises(ValueError, match="no room"):
        people.store.prepare([replace(BOTH, search_indexes=(replace(SEARCH, filter_fields=()),))], refuse)
    assert people.found("ada") == [1.0]


def test_an_unchanged_schema_examines_nothing(people: People) -> None:
    """Opening a database with finders again does not read its documents."""
    people.add(1, name="ada")

    def refuse(_layout: TableLayout, _raws: list[bytes]) -> list[list[DocumentKey]]:
        raise AssertionError("examined")

    people.store.prepare([BOTH], refuse)


def test_people_read_the_file_with_their_own_tools(file: Backend) -> None:
    """The view of a table with finders works, and FTS5 can be asked for itself."""
    people = People(file.open())
    people.add(1, name="ada byron")
    connection = sqlite3.connect(people.store.path)  # type: ignore[attr-defined]
    try:
        assert connection.execute("SELECT name FROM users").fetchall() == [("ada byron",)]
        query = """SELECT rowid FROM "users.searchName.words" WHERE "users.searchName.words" MATCH 'byr*'"""
        assert connection.execute(query).fetchall() == [(1,)]
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()


def test_names_that_look_like_shadow_tables(store: Store) -> None:
    """An index may be called like what FTS5 adds to a name."""
    specs = tuple(replace(SEARCH, name=name, python_name=name) for name in ("s", "s_data", "s_idx"))
    store.prepare([replace(table_spec(), search_indexes=specs)], no_keys)
    store.prepare([table_spec()], no_keys)


def test_sqlite_without_fts5(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A schema with a search index is refused with what to do, and nothing of it is made."""
    rows = Driver.rows
    monkeypatch.setattr(
        Driver, "rows", lambda self, sql, parameters=(): [] if "module_list" in sql else rows(self, sql, parameters)
    )
    with pytest.raises(StoreUnreadable, match=r"needs SQLite with FTS5 .* leave search_index out of the schema"):
        store.prepare([BOTH], no_keys)
    assert store.layout().tables == ()


def test_a_full_disk_leaves_nothing_of_an_entry(file: Backend) -> None:
    """An insert for which there is no room is undone whole; what was found before still is."""
    people = People(file.open(size_max_bytes=200_000))
    people.add(1, name="ada", place=[1.0, 0.0])
    with people.store.write() as txn, pytest.raises(StoreFull):
        people.insert(txn, 2, name=" ".join(f"w{number}" for number in range(60_000)), place=[1.0, 0.0])
    assert people.found("w1") == []
    assert people.near(1.0, 0.0) == [user(1)["_id"]]
    people.add(3, name="ada again")
    assert people.found("ada") == [1.0, 3.0]


def test_a_long_search_can_be_interrupted(people: People) -> None:
    """A search asks whether to go on, as other long statements do; the transaction goes on, with what it wrote."""
    expired = True
    people.store.interruptible(lambda: expired)
    with people.store.write() as txn:
        for number in range(1, 300):
            people.insert(txn, number, name=" ".join(f"a{word}" for word in range(50)))
        with pytest.raises(StatementInterrupted):
            people.found("a", txn)
        expired = False
        assert len(people.found("a0", txn)) == 299
        people.commit(txn)
    with people.store.read() as snapshot:
        expired = True
        with pytest.raises(StatementInterrupted):
            people.found("a", snapshot)
        expired = False
        assert len(people.found("a0", snapshot)) == 299
