"""
The store: committed documents of one deployment, read and changed in transactions.

Documents are opaque JSON text here, and index keys opaque bytes whose order is the order of
values; the layer above computes both. A store knows tables, ids, ranges of keys and
timestamps, nothing else, so that SQLite and Postgres differ in one file each.

An implementation is right when it passes the suite in `tests/store/`; where that and this
text disagree, believe the suite.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from joelclaw.schema.layout import IndexKey, IndexLayout, Layout, TableLayout
from joelclaw.values.timestamps import CommitTs

__all__ = ["Commit", "IndexKey", "IndexLayout", "Layout", "Snapshot", "Store", "TableLayout", "Transaction"]


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit tells the rest of the platform."""

    ts: CommitTs
    keys: list[IndexKey]
    """Old and new keys of every document written, `by_id` included, each once."""


class Snapshot(Protocol):
    """All documents as of one timestamp; never changes (but for a transaction's own writes)."""

    @property
    def timestamp(self) -> CommitTs: ...

    def get(self, table: TableLayout, id: str) -> bytes | None:
        """The document's JSON, or None."""
        ...

    def scan(
        self,
        table: TableLayout,
        index: IndexLayout,
        start: bytes,
        end: bytes | None,
        *,
        reverse: bool = False,
        limit: int | None = None,
    ) -> list[tuple[bytes, bytes]]:
        """
        Keys and documents whose key is in `[start, end)`, in key order; `end` None is the end of the index.

        Callers that do not know how many they want ask in growing slices.
        """
        ...

    def count(self, table: TableLayout, index: IndexLayout, start: bytes, end: bytes | None) -> int:
        """How many documents are in the range, without reading them."""
        ...

    def close(self) -> None: ...


class Transaction(Snapshot, Protocol):
    """Sees the newest commit and its own changes; one at a time."""

    def insert(self, table: TableLayout, id: str, document: bytes, keys: Sequence[IndexKey]) -> None:
        """
        Raises:
            DuplicateKey: A unique index holds this key already. Nothing was written.
            DuplicateId: The table holds this id already.
        """
        ...

    def replace(
        self, table: TableLayout, id: str, document: bytes, old: Sequence[IndexKey], new: Sequence[IndexKey]
    ) -> None: ...

    def delete(self, table: TableLayout, id: str, keys: Sequence[IndexKey]) -> None: ...

    def savepoint(self) -> int:
        """Open a nested unit; undo it with `rollback_to`, keep it with `release`."""
        ...

    def rollback_to(self, savepoint: int) -> None:
        """Undo everything since, write set included, and close the savepoint."""
        ...

    def release(self, savepoint: int) -> None: ...

    def find_call(self, call_id: str) -> bytes | None:
        """The recorded outcome of a call, if it has run."""
        ...

    def record_call(self, call_id: str, outcome: bytes, at_ms: float) -> None:
        """Remember a call's outcome as part of this transaction."""
        ...

    def commit(self, reply: bytes, ts: CommitTs) -> Commit:
        """
        Apply all changes in one durable step, together with the reply that tells of them.

        `ts` comes from `next_timestamp`. The reply stays until `forget_replies`.

        Raises:
            OutcomeUnknown: The link broke mid-commit. Look up the replies before a retry.
        """
        ...

    def rollback(self) -> None: ...


class Store(Protocol):
    """The database of one deployment, opened by one process."""

    def read(self) -> Snapshot:
        """Open a view of the newest commit. Close it soon: it holds back clean-up."""
        ...

    def write(self) -> Transaction:
        """
        Raises:
            StoreBusy: Another process holds the write lock for longer than `lock_timeout_s`.
        """
        ...

    def replies_after(self, ts: CommitTs) -> Iterable[tuple[CommitTs, bytes]]:
        """Replies of commits newer than `ts`, oldest first."""
        ...

    def layout(self) -> Layout: ...

    def close(self) -> None: ...
