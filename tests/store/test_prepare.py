"""`prepare`: how a database comes to fit a schema, and what it refuses."""

from typing import NoReturn

import msgspec
import pytest

from joelclaw.errors import IndexNotUnique, LayoutChanged, TableNumberTaken
from joelclaw.schema.layout import IndexKey, Layout, TableLayout
from joelclaw.schema.specs import IndexSpec, TableSpec
from joelclaw.store.protocol import Store
from tests.store.backends import Backend
from tests.store.users import (
    BY_GITHUB,
    BY_NAME,
    PLAIN,
    Users,
    add,
    commit,
    encoded,
    examine,
    id_of,
    keys_of,
    table_spec,
    user,
)


class Refused(Exception):
    """What the schema check of these tests raises."""


def refuse(_table: TableLayout, documents: list[bytes]) -> NoReturn:
    raise Refused(msgspec.json.decode(documents[0])["_id"])


class Watching:
    """Welcomes every document and remembers whose it looked at."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def __call__(self, table: TableLayout, documents: list[bytes]) -> list[list[IndexKey]]:
        self.seen.append((table.name, len(documents)))
        return examine(table, documents)


def numbers_of(layout: Layout) -> dict[str, int]:
    return {table.name: table.number for table in layout.tables}


def index_numbers(layout: Layout) -> set[int]:
    return {index.number for table in layout.tables for index in (table.by_id, table.by_creation_time, *table.indexes)}


# -- layouts


def test_tables_get_the_numbers_that_ids_are_made_of(store: Store) -> None:
    """Tables of the app count from 10001, those of the system from 1; every index has a number of its own."""
    layout = store.prepare([table_spec(BY_NAME), table_spec(name="_jobs"), table_spec(name="rooms")], examine)
    assert numbers_of(layout) == {"users": 10_001, "_jobs": 1, "rooms": 10_002}
    assert len(index_numbers(layout)) == 7
    assert store.layout() == layout


def test_preparing_again_changes_nothing(file: Backend) -> None:
    """The same schema finds the same numbers after a restart, looks at no document and locks nobody out (VAL-19)."""
    store = file.open()
    users = Users.prepare(store, PLAIN)
    add(store, users, user(1))
    before = store.layout()
    other, watching = file.open(), Watching()
    assert other.prepare([PLAIN], watching) == before
    assert watching.seen == []
    add(store, users, user(2))


def test_a_new_index_covers_documents_that_existed_before(store: Store) -> None:
    """It is filled before anybody can use it, in order, also when there are more than are examined at once (IDX-17)."""
    users = Users.prepare(store, table_spec())
    names = [f"name {(number * 7_919) % 600:03}" for number in range(600)]
    add(store, users, *(user(number, name) for number, name in enumerate(names)))
    users = Users.prepare(store, table_spec(BY_NAME))
    with store.read() as snapshot:
        assert [document["name"] for document in users.all(snapshot, users.by_name)] == sorted(names)


def test_an_index_that_is_filled_is_kept_up(store: Store) -> None:
    """Documents from before the index can be replaced and deleted like others."""
    users = Users.prepare(store, table_spec())
    add(store, users, user(1, "ada"), user(2, "bob"))
    users = Users.prepare(store, table_spec(BY_NAME))
    with store.write() as txn:
        users.replace(txn, user(1, "ada"), user(1, "cy"))
        users.delete(txn, user(2, "bob"))
        commit(store, txn)
    with store.read() as snapshot:
        assert users.all(snapshot, users.by_name) == [user(1, "cy")]


def test_an_index_that_leaves_the_schema_is_dropped(store: Store) -> None:
    """It is not in the layout any more, and whoever still asks for it is told that the schema has changed."""
    users = Users.prepare(store, PLAIN)
    add(store, users, user(1))
    slim = Users.prepare(store, table_spec(BY_GITHUB))
    assert set(slim.own) == {"byGithub"}
    with store.read() as snapshot, pytest.raises(LayoutChanged):
        users.all(snapshot, users.by_name)
    with store.read() as snapshot:
        assert slim.all(snapshot) == [user(1)]


def test_another_definition_is_another_index(store: Store) -> None:
    """Other fields, other defaults or uniqueness make a new number and a new filling, under the same name."""
    users = Users.prepare(store, table_spec(BY_NAME))
    add(store, users, user(1, "b", github=1), user(2, "a", github=2))
    numbers = {users.by_name.number}
    for spec, order in (
        (IndexSpec(name="byName", python_name="by_name", fields=("github",)), [1, 2]),
        (IndexSpec(name="byName", python_name="by_name", fields=("name",), defaults="x"), [2, 1]),
        (IndexSpec(name="byName", python_name="by_name", fields=("name",), defaults="x", unique=True), [2, 1]),
        (BY_NAME, [2, 1]),
    ):
        users = Users.prepare(store, table_spec(spec))
        assert users.by_name.number not in numbers
        numbers.add(users.by_name.number)
        with store.read() as snapshot:
            assert [document["github"] for document in users.all(snapshot, users.by_name)] == order


def test_a_table_that_leaves_the_schema_keeps_its_documents(store: Store) -> None:
    """It is retired: readable by creation time, and complete again, under its number, when the schema has it back."""
    users = Users.prepare(store, PLAIN)
    add(store, users, user(1, "b"), user(2, "a"))
    layout = store.prepare([table_spec(name="rooms")], examine)
    assert numbers_of(layout) == {"rooms": 10_002}
    [retired] = layout.retired
    assert (retired.number, retired.indexes) == (10_001, ())
    with store.read() as snapshot:
        assert Users(retired).all(snapshot) == [user(1, "b"), user(2, "a")]
    users = Users.prepare(store, PLAIN)
    assert users.layout.number == 10_001
    assert [table.name for table in store.layout().retired] == ["rooms"]
    with store.read() as snapshot:
        assert users.all(snapshot, users.by_name) == [user(2, "a"), user(1, "b")]


# -- the check of existing documents


def test_only_tables_that_changed_are_examined(store: Store) -> None:
    """Another definition or a new index has a table's documents looked at, all of them; nothing else does."""
    specs = [table_spec(), table_spec(name="rooms"), table_spec(name="empty")]
    layout = store.prepare(specs, examine)
    for table, count in zip(layout.tables, (300, 2, 0), strict=True):
        add(store, Users(table), *(user(number) for number in range(count)))

    def examined(*specs: TableSpec) -> dict[str, int]:
        watching = Watching()
        store.prepare(specs, watching)
        names = {name for name, _ in watching.seen}
        return {name: sum(count for table, count in watching.seen if table == name) for name in names}

    assert examined(*specs) == {}
    wider = ("name", "github", "bio")
    assert examined(table_spec(fields=wider), *specs[1:]) == {"users": 300}
    assert examined(table_spec(fields=wider), table_spec(BY_NAME, name="rooms"), specs[2]) == {"rooms": 2}
    assert examined(table_spec(fields=wider), table_spec(name="rooms"), specs[2]) == {}


def test_a_refused_schema_changes_nothing(store: Store) -> None:
    """Whatever had been done before the refusal is undone: tables, indexes, numbers and who may write."""
    users = Users.prepare(store, PLAIN)
    add(store, users, user(1))
    before = store.layout()
    wanted = [table_spec(name="rooms"), table_spec(BY_GITHUB, fields=("name", "github", "bio"))]
    with pytest.raises(Refused, match=id_of(1)):
        store.prepare(wanted, refuse)
    assert store.layout() == before
    add(store, users, user(2))
    with store.read() as snapshot:
        assert users.all(snapshot, users.by_name) == [user(1), user(2)]
    assert numbers_of(store.prepare([PLAIN, table_spec(name="halls")], examine))["halls"] == 10_002


def test_a_unique_index_over_equal_keys_is_refused(store: Store) -> None:
    """Both documents are named, and the layout stays as it is."""
    users = Users.prepare(store, table_spec(BY_NAME))
    add(store, users, user(1, github=7), user(2), user(3, github=8), user(4, github=7))
    before = store.layout()
    with pytest.raises(IndexNotUnique) as caught:
        store.prepare([table_spec(BY_NAME, BY_GITHUB)], examine)
    assert (caught.value.first, caught.value.second) == (id_of(1), id_of(4))
    assert store.layout() == before
    with store.write() as txn:
        users.delete(txn, user(4, github=7))
        commit(store, txn)
    users = Users.prepare(store, table_spec(BY_NAME, BY_GITHUB))
    with store.read() as snapshot:
        assert users.all(snapshot, users.by_github) == [user(1, github=7), user(3, github=8)]


# -- numbers


def test_a_table_can_ask_for_its_number(store: Store) -> None:
    """Imported documents keep their ids: their table gets the number that is in them, and others go on behind it."""
    layout = store.prepare([table_spec(), table_spec(name="_jobs")], examine, {"users": 10_007, "_jobs": 4})
    assert numbers_of(layout) == {"users": 10_007, "_jobs": 4}
    layout = store.prepare([table_spec(name="rooms"), table_spec(name="_files")], examine)
    assert numbers_of(layout) == {"rooms": 10_008, "_files": 5}


def test_an_empty_table_can_change_its_number(store: Store) -> None:
    """Its indexes stay; the number it had is never given to another table."""
    users = Users.prepare(store, PLAIN)
    moved = Users.prepare(store, PLAIN, numbers={"users": 10_009})
    assert moved.layout.number == 10_009
    assert moved.layout.indexes == users.layout.indexes
    add(store, moved, user(1))
    with store.read() as snapshot:
        assert moved.all(snapshot, moved.by_name) == [user(1)]
    layout = store.prepare([PLAIN, table_spec(name="rooms")], examine)
    assert numbers_of(layout)["rooms"] == 10_010


def test_tables_can_change_places(store: Store) -> None:
    """Another deployment numbered the same tables in another order, and its documents shall come here."""
    specs = [table_spec(name=name) for name in ("users", "rooms", "drafts")]
    store.prepare(specs, examine)
    layout = store.prepare(specs, examine, {"users": 10_002, "rooms": 10_001})
    assert numbers_of(layout) == {"rooms": 10_001, "users": 10_002, "drafts": 10_003}


def test_an_empty_table_makes_room(store: Store) -> None:
    """A number that is asked for is had, if its holder is empty: that one gets the next."""
    store.prepare([PLAIN], examine)
    layout = store.prepare([PLAIN, table_spec(name="rooms")], examine, {"rooms": 10_001})
    assert numbers_of(layout) == {"rooms": 10_001, "users": 10_002}


def test_one_number_is_not_had_twice(store: Store) -> None:
    """Two tables that ask for one number are refused, and nothing changes."""
    specs = [table_spec(name=name) for name in ("users", "rooms")]
    with pytest.raises(TableNumberTaken):
        store.prepare(specs, examine, {"users": 10_005, "rooms": 10_005})
    assert store.layout().tables == ()


@pytest.mark.parametrize(
    ("name", "number", "reason"),
    [
        ("users", 10_003, "empty the table first"),
        ("rooms", 10_001, "users has it, and documents"),
        ("rooms", 9_999, "numbers from 10001"),
        ("_jobs", 10_000, "numbers from 1 to 9999"),
        ("rooms", 2**32, "numbers from 10001"),
    ],
)
def test_a_number_that_cannot_be_had_is_refused(store: Store, name: str, number: int, reason: str) -> None:
    """Of documents that carry another one, of another table, or of another kind of table; nothing changes."""
    users = Users.prepare(store, PLAIN)
    add(store, users, user(1))
    before = store.layout()
    others = [] if name == "users" else [table_spec(name=name)]
    with pytest.raises(TableNumberTaken, match=reason):
        store.prepare([PLAIN, *others], examine, {name: number})
    assert store.layout() == before


def test_numbers_end(store: Store) -> None:
    """A deployment that was asked for the last number says that there is none left."""
    store.prepare([table_spec()], examine, {"users": 2**32 - 1})
    with pytest.raises(TableNumberTaken, match="given out"):
        store.prepare([table_spec(), table_spec(name="rooms")], examine)


# -- processes of an older schema


def test_a_process_of_an_older_schema_cannot_write(file: Backend) -> None:
    """It would leave a new index without keys. After preparing for the new schema it can."""
    old = file.open()
    users = Users.prepare(old, table_spec())
    new = file.open()
    Users.prepare(new, table_spec(BY_NAME))
    with pytest.raises(LayoutChanged):
        old.write()
    users = Users.prepare(old, table_spec(BY_NAME))
    add(old, users, user(1))
    with new.read() as snapshot:
        assert users.all(snapshot, users.by_name) == [user(1)]


def test_a_reader_learns_of_tables_that_came_later(file: Backend) -> None:
    """Readers are handed the new layout and need not be opened anew; one with an open snapshot keeps the old data."""
    writer, reader = file.open(), file.open(read_only=True)
    users = Users.prepare(writer, table_spec(BY_NAME))
    add(writer, users, user(1))
    with reader.read() as before:
        later = Users.prepare(writer, table_spec(BY_GITHUB))
        assert users.all(before, users.by_name) == [user(1)]
    with reader.read() as after:
        assert later.all(after, later.by_github) == []
        assert later.all(after) == [user(1)]


def test_keys_of_other_indexes_are_passed_over(store: Store) -> None:
    """`examine` may tell the keys of every index; those that exist already are not written again."""
    users = Users.prepare(store, table_spec(BY_NAME))
    add(store, users, user(1))
    both = Users.prepare(store, PLAIN)
    with store.write() as txn:
        txn.delete(both.layout, id_of(1), keys_of(both.layout, user(1)))
        txn.insert(both.layout, id_of(1), encoded(user(1)), keys_of(both.layout, user(1)))
        commit(store, txn)
    with store.read() as snapshot:
        assert both.all(snapshot, both.by_name) == [user(1)]
