"""A small table for the store's tests: its specs, its documents, and the keys they have."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import msgspec

from joelclaw.clock import Clock, MovableClock
from joelclaw.schema.layout import IndexKey, IndexLayout, TableLayout
from joelclaw.schema.problems import Place
from joelclaw.schema.specs import IndexSpec, TableSpec
from joelclaw.schema.validators import AnyType, FieldSpec, ObjectType
from joelclaw.store.protocol import Commit, Snapshot, Store, Transaction
from joelclaw.values.ids import encode_id
from joelclaw.values.keys import end_of, key_of, number_key
from joelclaw.values.timestamps import CommitTs

Document = dict[str, Any]

BY_NAME = IndexSpec(name="byName", python_name="by_name", fields=("name",))
BY_GITHUB = IndexSpec(name="byGithub", python_name="by_github", fields=("github",), unique=True)


def table_spec(*indexes: IndexSpec, name: str = "users", fields: Sequence[str] = ("name", "github")) -> TableSpec:
    document = ObjectType(fields=tuple(FieldSpec(name=n, python_name=n, validator=AnyType()) for n in fields))
    return TableSpec(
        name=name, python_name=name, document=document, indexes=indexes, place=Place(file="schema.py", line=1)
    )


PLAIN = table_spec(BY_NAME, BY_GITHUB)


def id_of(number: int, table: int = 10_001) -> str:
    """The id of document number so-and-so; ids sort as the numbers do."""
    return encode_id(table, number.to_bytes(16, "big"))


def user(number: int, name: str = "ada", github: int | None = None) -> Document:
    """A document created at `number` milliseconds, whose id sorts by it; without `github` unless one is given."""
    document: Document = {"_id": id_of(number), "_creationTime": float(number), "name": name}
    if github is not None:
        document["github"] = github
    return document


def encoded(document: Document) -> bytes:
    return msgspec.json.encode(document)


class Users:
    """The table as the store keeps it, with what the layer above the store would compute."""

    def __init__(self, layout: TableLayout) -> None:
        self.layout = layout
        self.by_id = layout.by_id
        self.by_creation_time = layout.by_creation_time
        self.own = {index.name: index for index in layout.indexes}

    @classmethod
    def prepare(cls, store: Store, *specs: TableSpec, numbers: Mapping[str, int] = {}) -> Self:
        """Make the store fit the specs; the first of them, ready to use."""
        layout = store.prepare(specs, examine, numbers)
        return cls(next(table for table in layout.tables if table.name == specs[0].name))

    @property
    def by_name(self) -> IndexLayout:
        return self.own["byName"]

    @property
    def by_github(self) -> IndexLayout:
        return self.own["byGithub"]

    def insert(self, txn: Transaction, *documents: Document) -> None:
        for document in documents:
            txn.insert(self.layout, document["_id"], encoded(document), keys_of(self.layout, document))

    def replace(self, txn: Transaction, old: Document, new: Document) -> None:
        assert old["_id"] == new["_id"]
        txn.replace(self.layout, new["_id"], encoded(new), keys_of(self.layout, old), keys_of(self.layout, new))

    def delete(self, txn: Transaction, document: Document) -> None:
        txn.delete(self.layout, document["_id"], keys_of(self.layout, document))

    def all(self, snapshot: Snapshot, index: IndexLayout | None = None, **options: Any) -> list[Document]:
        """The documents in the order of an index, creation time if none is named."""
        rows = snapshot.scan(self.layout, index or self.by_creation_time, b"", None, **options)
        return [msgspec.json.decode(document) for _, document in rows]

    def named(self, snapshot: Snapshot, name: str, **options: Any) -> list[Document]:
        """The documents that `byName` has under a name."""
        prefix = key_of(name)
        rows = snapshot.scan(self.layout, self.by_name, prefix, end_of(prefix), **options)
        return [msgspec.json.decode(document) for _, document in rows]


def keys_of(table: TableLayout, document: Document) -> list[IndexKey]:
    """Where a document stands in each index; a unique index leaves it out when it lacks the field."""
    id = document["_id"].encode()
    time = number_key(document["_creationTime"])
    keys = [
        IndexKey(table.by_id.number, id, (0, len(id))),
        IndexKey(table.by_creation_time.number, time + id, (0, len(time), len(time) + len(id))),
    ]
    for index in table.indexes:
        [field], _ = msgspec.json.decode(index.definition)
        if index.unique and field not in document:
            continue
        value = key_of(document.get(field, msgspec.UNSET))
        key = value + time + id
        keys.append(IndexKey(index.number, key, (0, len(value), len(value) + len(time), len(key))))
    return keys


def examine(table: TableLayout, documents: list[bytes]) -> list[list[IndexKey]]:
    """What `prepare` is given: every document is welcome."""
    return [keys_of(table, msgspec.json.decode(document)) for document in documents]


def commit(store: Store, txn: Transaction, clock: Clock | None = None, reply: bytes = b"") -> Commit:
    return txn.commit(reply, store.next_timestamp(clock or MovableClock()))


def add(store: Store, users: Users, *documents: Document) -> CommitTs:
    """Insert and commit."""
    with store.write() as txn:
        users.insert(txn, *documents)
        return commit(store, txn).ts
