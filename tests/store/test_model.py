"""The store against a dictionary: any sequence of operations gives what the obvious program gives."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from joelclaw.clock import MovableClock
from joelclaw.errors import DuplicateId, DuplicateKey
from joelclaw.schema.layout import IndexKey, IndexLayout
from joelclaw.store.protocol import Snapshot, Transaction
from tests.store.backends import BACKENDS, Backend
from tests.store.users import PLAIN, Document, Users, encoded, id_of, keys_of, user

Documents = dict[str, Document]

numbers = st.integers(0, 11)
# Few values, so that keys meet; some whose keys begin alike.
names = st.sampled_from(["", "a", "a\x00", "a\x00b", "ab", "b", "\u00ff", "\U0001f600"])
githubs = st.one_of(st.none(), st.integers(-1, 2))


class Model(RuleBasedStateMachine):
    """Operations on a store, and on a dictionary of documents beside it."""

    backend: Backend
    folder: str

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="joelclaw-model-")
        self.backend = self.make_backend(Path(self.folder))
        self.store = self.backend.open()
        self.users = Users.prepare(self.store, PLAIN)
        self.clock = MovableClock()
        self.committed: Documents = {}
        self.last_ts = 0
        self.txn: Transaction | None = None
        self.documents: Documents = {}
        self.written: list[IndexKey] = []
        self.savepoints: list[tuple[int, Documents, int]] = []
        self.snapshots: list[tuple[Snapshot, Documents, int]] = []

    @staticmethod
    def make_backend(folder: Path) -> Backend:
        raise NotImplementedError

    def teardown(self) -> None:
        if hasattr(self, "backend"):
            self.backend.close()
            shutil.rmtree(self.folder)

    # -- transactions

    @precondition(lambda self: self.txn is None)
    @rule()
    def begin(self) -> None:
        self.txn = self.store.write()
        assert self.txn.timestamp == self.last_ts
        self.documents, self.written, self.savepoints = dict(self.committed), [], []

    @precondition(lambda self: self.txn is not None)
    @rule(ms=st.integers(-5, 5))
    def commit(self, ms: int) -> None:
        assert self.txn is not None
        self.clock.set_ms(self.clock.now_ms() + ms)
        while self.savepoints:
            self.txn.release(self.savepoints.pop()[0])
        assert self.txn.changed == bool(self.written)
        ts = self.store.next_timestamp(self.clock)
        assert ts >= self.clock.now_ns()
        told = self.txn.commit(b"", ts)
        assert told.ts == ts > self.last_ts
        assert len(told.keys) == len(set(told.keys))
        assert set(told.keys) == set(self.written)
        self.txn, self.committed, self.last_ts = None, self.documents, ts

    @precondition(lambda self: self.txn is not None)
    @rule()
    def rollback(self) -> None:
        assert self.txn is not None
        self.txn.rollback()
        self.txn = None

    @precondition(lambda self: self.txn is not None)
    @rule()
    def savepoint(self) -> None:
        assert self.txn is not None
        self.savepoints.append((self.txn.savepoint(), dict(self.documents), len(self.written)))

    @precondition(lambda self: self.txn is not None and self.savepoints)
    @rule(data=st.data(), undo=st.booleans())
    def end_savepoint(self, data: st.DataObject, undo: bool) -> None:
        """Any of the open ones, with all that were opened after it."""
        assert self.txn is not None
        position = data.draw(st.integers(0, len(self.savepoints) - 1))
        savepoint, documents, written = self.savepoints[position]
        del self.savepoints[position:]
        if undo:
            self.txn.rollback_to(savepoint)
            self.documents = documents
            del self.written[written:]
        else:
            self.txn.release(savepoint)

    # -- writes

    @precondition(lambda self: self.txn is not None)
    @rule(number=numbers, name=names, github=githubs)
    def insert(self, number: int, name: str, github: int | None) -> None:
        assert self.txn is not None
        document = user(number, name, github)
        keys = keys_of(self.users.layout, document)
        holder, taken = self.holder(document), document["_id"] in self.documents
        if holder is None and not taken:
            self.txn.insert(self.users.layout, document["_id"], encoded(document), keys)
            self.documents[document["_id"]] = document
            self.written += keys
            return
        with pytest.raises((DuplicateKey, DuplicateId)) as caught:
            self.txn.insert(self.users.layout, document["_id"], encoded(document), keys)
        if isinstance(caught.value, DuplicateKey):
            assert caught.value.holder == holder
        else:
            assert taken

    @precondition(lambda self: self.txn is not None and self.documents)
    @rule(data=st.data(), name=names, github=githubs)
    def replace(self, data: st.DataObject, name: str, github: int | None) -> None:
        assert self.txn is not None
        old = self.documents[data.draw(st.sampled_from(sorted(self.documents)))]
        new = user(round(old["_creationTime"]), name, github)
        change = (self.users.layout, new["_id"], encoded(new), keys_of(self.users.layout, old))
        holder, keys = self.holder(new), keys_of(self.users.layout, new)
        if holder in (None, new["_id"]):
            self.txn.replace(*change, keys)
            self.documents[new["_id"]] = new
            self.written += [*change[-1], *keys]
            return
        with pytest.raises(DuplicateKey) as caught:
            self.txn.replace(*change, keys)
        assert caught.value.holder == holder

    @precondition(lambda self: self.txn is not None and self.documents)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        assert self.txn is not None
        document = self.documents.pop(data.draw(st.sampled_from(sorted(self.documents))))
        keys = keys_of(self.users.layout, document)
        self.txn.delete(self.users.layout, document["_id"], keys)
        self.written += keys

    def holder(self, document: Document) -> str | None:
        """Who has this document's unique key, if it has one."""
        github = document.get("github")
        if github is None:
            return None
        return next((id for id, other in self.documents.items() if other.get("github") == github), None)

    # -- reads

    @precondition(lambda self: len(self.snapshots) < 3)
    @rule()
    def open_snapshot(self) -> None:
        self.snapshots.append((self.store.read(), self.committed, self.last_ts))

    @precondition(lambda self: self.snapshots)
    @rule(data=st.data())
    def close_snapshot(self, data: st.DataObject) -> None:
        snapshot, *_ = self.snapshots.pop(data.draw(st.integers(0, len(self.snapshots) - 1)))
        snapshot.close()

    @rule(data=st.data(), reverse=st.booleans(), limit=st.none() | st.integers(0, 4))
    def look(self, data: st.DataObject, reverse: bool, limit: int | None) -> None:
        """A range of an index, in every view that is open."""
        index = data.draw(st.sampled_from([self.users.by_id, self.users.by_creation_time, *self.users.layout.indexes]))
        everything = self.expected(index, self.committed) + self.expected(index, self.documents)
        borders = sorted({key.key[:length] for key, _ in everything for length in key.borders} | {b"", b"\xff"})
        start, end = data.draw(st.sampled_from(borders)), data.draw(st.none() | st.sampled_from(borders))
        for view, documents in self.views():
            wanted = [
                (key.key, encoded(document))
                for key, document in self.expected(index, documents)
                if start <= key.key and (end is None or key.key < end)
            ]
            assert view.count(self.users.layout, index, start, end) == len(wanted)
            wanted = (wanted[::-1] if reverse else wanted)[:limit]
            assert view.scan(self.users.layout, index, start, end, reverse=reverse, limit=limit) == wanted

    @invariant()
    def documents_are_as_they_were_written(self) -> None:
        for view, documents in self.views():
            for number in range(12):
                document = documents.get(id_of(number))
                assert view.get(self.users.layout, id_of(number)) == (document and encoded(document))

    def views(self) -> list[tuple[Snapshot, Documents]]:
        for snapshot, _, ts in self.snapshots:
            assert snapshot.timestamp == ts
        views: list[tuple[Snapshot, Documents]] = [(snapshot, documents) for snapshot, documents, _ in self.snapshots]
        return [*views, (self.txn, self.documents)] if self.txn is not None else views

    def expected(self, index: IndexLayout, documents: Documents) -> list[tuple[IndexKey, Document]]:
        """The documents that the index has, in its order."""
        return sorted(
            (
                (key, document)
                for document in documents.values()
                for key in keys_of(self.users.layout, document)
                if key.index == index.number
            ),
            key=lambda pair: pair[0].key,
        )

    # -- the database

    @precondition(lambda self: self.txn is None)
    @rule()
    def checkpoint(self) -> None:
        self.store.checkpoint()


class ReopenedModel(Model):
    """Of a database that outlives the store that it is opened with."""

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = self.backend.open()
        self.txn, self.snapshots = None, []
        assert Users.prepare(self.store, PLAIN).layout == self.users.layout


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_a_store_is_a_dictionary_with_order_and_time(name: str) -> None:
    """Every view has exactly the documents of its moment, in the order of keys, and commits tell what they wrote."""
    base: Any = ReopenedModel if name == "sqlite-file" else Model
    machine = type("Machine", (base,), {"make_backend": staticmethod(BACKENDS[name])})
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=40))
