"""Documents and indexes: what a store keeps, in which order it gives it, what it refuses."""

import msgspec
import pytest

from joelclaw.errors import DuplicateId, DuplicateKey
from joelclaw.schema.specs import IndexSpec
from joelclaw.store.protocol import Store
from joelclaw.values.keys import end_of, key_of, number_key
from tests.store.users import BY_NAME, Document, Users, add, commit, encoded, id_of, keys_of, table_spec, user


def documents(rows: list[tuple[bytes, bytes]]) -> list[Document]:
    return [msgspec.json.decode(document) for _, document in rows]


def test_a_document_comes_back_as_it_was_written(store: Store, users: Users) -> None:
    """The JSON text that went in comes out, byte by byte, whatever is in its strings."""
    document = user(1, name='zero \x00, quote ", snowman ☃, beyond 😀')
    add(store, users, document)
    with store.read() as snapshot:
        assert snapshot.get(users.layout, document["_id"]) == encoded(document)
        assert snapshot.get(users.layout, id_of(2)) is None


def test_by_id_walks_in_the_order_of_ids(store: Store, users: Users) -> None:
    """Keys of `by_id` are the ids themselves, and ranges over them are half open."""
    add(store, users, user(3), user(1), user(2))
    with store.read() as snapshot:
        rows = snapshot.scan(users.layout, users.by_id, id_of(1).encode(), id_of(3).encode())
        whole = snapshot.scan(users.layout, users.by_id, b"", b"\xff")
    assert [key for key, _ in rows] == [id_of(1).encode(), id_of(2).encode()]
    assert len(whole) == 3


def test_creation_time_orders_also_what_was_inserted_out_of_order(store: Store, users: Users) -> None:
    """Imported documents keep their creation times, and these decide."""
    add(store, users, user(3), user(1), user(2))
    with store.read() as snapshot:
        assert users.all(snapshot) == [user(1), user(2), user(3)]


def test_equal_fields_come_in_the_order_of_creation(store: Store, users: Users) -> None:
    """Behind its fields an index goes on with creation time; descending turns all of it around (IDX-12, IDX-13)."""
    add(store, users, user(2, "bob"), user(3, "ada"), user(1, "bob"))
    with store.read() as snapshot:
        assert users.all(snapshot, users.by_name) == [user(3, "ada"), user(1, "bob"), user(2, "bob")]
        assert users.all(snapshot, users.by_name, reverse=True) == [user(2, "bob"), user(1, "bob"), user(3, "ada")]


@pytest.mark.parametrize("reverse", [False, True])
def test_a_limit_takes_from_the_side_that_the_walk_begins_at(store: Store, users: Users, reverse: bool) -> None:
    """`limit` counts from the start of the order asked for; zero takes nothing."""
    everybody = [user(n) for n in range(1, 6)]
    add(store, users, *everybody)
    wanted = everybody[::-1] if reverse else everybody
    with store.read() as snapshot:
        for limit in (0, 1, 4, 5, 6, None):
            assert users.all(snapshot, reverse=reverse, limit=limit) == wanted[:limit]


def test_ranges_are_half_open_and_may_be_empty(store: Store, users: Users) -> None:
    """`[start, end)`: the start is in, the end is out, a contradiction is empty, and an open end is the last key."""
    add(store, users, *(user(n) for n in range(1, 6)))
    two, four = number_key(2.0), number_key(4.0)
    with store.read() as snapshot:

        def seen(start: bytes, end: bytes | None, reverse: bool = False) -> list[float]:
            rows = snapshot.scan(users.layout, users.by_creation_time, start, end, reverse=reverse)
            return [document["_creationTime"] for document in documents(rows)]

        assert seen(two, four) == [2, 3]
        assert seen(two, four, reverse=True) == [3, 2]
        assert seen(four, two) == []
        assert seen(two, two) == []
        assert seen(four, None) == [4, 5]
        assert seen(four, None, reverse=True) == [5, 4]


def test_a_prefix_is_a_value_not_a_beginning(store: Store, users: Users) -> None:
    """`ad` finds `ad` only; a text whose key begins with the bytes of `ad`'s is another value."""
    add(store, users, user(1, "ad"), user(2, "ada"), user(3, "ad\x00"))
    with store.read() as snapshot:
        assert users.named(snapshot, "ad") == [user(1, "ad")]


def test_absent_fields_stand_before_all_others(store: Store, users: Users) -> None:
    """A document without the field is in an index that is not unique, in front."""
    nameless = {"_id": id_of(9), "_creationTime": 9.0}
    add(store, users, user(1, "ada"), nameless)
    with store.read() as snapshot:
        assert users.all(snapshot, users.by_name) == [nameless, user(1, "ada")]


def test_counting_agrees_with_walking(store: Store, users: Users) -> None:
    """A range counts what it would give, in the documents' own tree as in an index."""
    add(store, users, user(1, "ada"), user(2, "bob"), user(3, "bob"), user(4, "cy"))
    bob = key_of("bob")
    with store.read() as snapshot:
        assert snapshot.count(users.layout, users.by_name, bob, end_of(bob)) == 2
        assert snapshot.count(users.layout, users.by_name, bob, None) == 3
        assert snapshot.count(users.layout, users.by_id, id_of(2).encode(), id_of(4).encode()) == 2
        assert snapshot.count(users.layout, users.by_id, b"", None) == 4


def test_an_id_is_taken_once(store: Store, users: Users) -> None:
    """A second document under the same id is refused, and the transaction goes on as if it had not been tried."""
    with store.write() as txn:
        users.insert(txn, user(1, "ada"))
        with pytest.raises(DuplicateId) as caught:
            users.insert(txn, user(1, "bob"))
        keys = commit(store, txn).keys
    assert caught.value.id == id_of(1)
    assert keys == keys_of(users.layout, user(1, "ada"))
    with store.read() as snapshot:
        assert users.all(snapshot) == users.all(snapshot, users.by_name) == [user(1, "ada")]


def test_unique_index_refuses_a_second_holder(store: Store, users: Users) -> None:
    """A second document with the same unique key is refused, and nothing of it stays."""
    with store.write() as txn:
        users.insert(txn, user(1, github=7))
        with pytest.raises(DuplicateKey) as caught:
            users.insert(txn, user(2, github=7))
        commit(store, txn)
    assert (caught.value.table, caught.value.index, caught.value.holder) == ("users", "byGithub", id_of(1))
    with store.read() as snapshot:
        assert users.all(snapshot) == users.all(snapshot, users.by_name) == [user(1, github=7)]


def test_unique_index_refuses_a_replacement_that_meets_another(store: Store, users: Users) -> None:
    """A document cannot move onto the unique key of another; both stay as they were."""
    first, second = user(1, github=7), user(2, github=8)
    add(store, users, first, second)
    with store.write() as txn:
        with pytest.raises(DuplicateKey):
            users.replace(txn, second, user(2, "renamed", github=7))
        assert not txn.changed
    with store.read() as snapshot:
        assert users.all(snapshot, users.by_github) == [first, second]
        assert users.named(snapshot, "renamed") == []


def test_a_unique_key_is_free_again(store: Store, users: Users) -> None:
    """Deleting or moving its holder frees a key, in the same transaction; a document may keep its own."""
    with store.write() as txn:
        users.insert(txn, user(1, github=7))
        users.replace(txn, user(1, github=7), user(1, "renamed", github=7))
        users.replace(txn, user(1, "renamed", github=7), user(1, github=8))
        users.insert(txn, user(2, github=7))
        users.delete(txn, user(2, github=7))
        users.insert(txn, user(3, github=7))
        commit(store, txn)
    with store.read() as snapshot:
        assert users.all(snapshot, users.by_github) == [user(3, github=7), user(1, github=8)]


def test_unique_text_keys_that_begin_alike_are_different(store: Store) -> None:
    """`a` and `a` followed by a zero byte share the bytes of a key, and are two values."""
    by_name = IndexSpec(name="byName", python_name="by_name", fields=("name",), unique=True)
    users = Users.prepare(store, table_spec(by_name))
    add(store, users, user(1, "a\x00"), user(2, "a"), user(3, "ab"))
    with store.read() as snapshot:
        assert users.all(snapshot, users.by_name) == [user(2, "a"), user(1, "a\x00"), user(3, "ab")]


def test_unique_index_passes_over_documents_without_the_field(store: Store, users: Users) -> None:
    """Any number of documents may lack a unique key, gain it and lose it."""
    with store.write() as txn:
        users.insert(txn, user(1), user(2), user(3, github=7))
        users.replace(txn, user(1), user(1, github=1))
        users.replace(txn, user(3, github=7), user(3))
        commit(store, txn)
    with store.read() as snapshot:
        assert users.all(snapshot, users.by_github) == [user(1, github=1)]


def test_replacing_moves_a_document_in_the_indexes_that_changed(store: Store, users: Users) -> None:
    """After a replacement each index has the document once, where it belongs now."""
    add(store, users, user(1, "ada"), user(2, "bob"))
    with store.write() as txn:
        users.replace(txn, user(1, "ada"), user(1, "cy"))
        commit(store, txn)
    with store.read() as snapshot:
        assert users.all(snapshot, users.by_name) == [user(2, "bob"), user(1, "cy")]
        assert users.all(snapshot) == [user(1, "cy"), user(2, "bob")]
        assert users.named(snapshot, "ada") == []


def test_deleting_leaves_nothing_in_any_index(store: Store, users: Users) -> None:
    """A deleted document is in no index any more."""
    add(store, users, user(1, github=1), user(2, github=2))
    with store.write() as txn:
        users.delete(txn, user(1, github=1))
        commit(store, txn)
    with store.read() as snapshot:
        for index in (users.by_id, users.by_creation_time, users.by_name, users.by_github):
            assert users.all(snapshot, index) == [user(2, github=2)]
            assert snapshot.count(users.layout, index, b"", None) == 1


def test_tables_whose_names_differ_in_case_only_are_two(store: Store) -> None:
    """Names of tables and indexes are case-sensitive, whatever the database thinks of its own."""
    lower, upper = BY_NAME, IndexSpec(name="BYNAME", python_name="other", fields=("github",))
    specs = [table_spec(lower, upper), table_spec(lower, upper, name="USERS")]
    layout = store.prepare(specs, lambda _table, _documents: [])
    tables = [Users(table) for table in layout.tables]
    assert [table.layout.name for table in tables] == ["users", "USERS"]
    for table, document in zip(tables, [user(1, "a", github=2), user(2, "b", github=1)], strict=True):
        add(store, table, document)
        with store.read() as snapshot:
            assert table.all(snapshot) == table.all(snapshot, table.own["BYNAME"]) == [document]


@pytest.mark.parametrize("name", ["sqlite_things", "documents", "select", "_storage", "joelclaw"])
def test_any_identifier_can_name_a_table_and_an_index(store: Store, name: str) -> None:
    """Words that mean something to a database, or to our own use of it, are names like others."""
    index = IndexSpec(name=name, python_name=name, fields=("name",))
    more = [IndexSpec(name=n, python_name=n, fields=("name",)) for n in ("documents", "meta") if n != name]
    users = Users.prepare(store, table_spec(index, *more, name=name))
    add(store, users, user(1))
    with store.read() as snapshot:
        assert users.all(snapshot, users.own[name]) == [user(1)]
