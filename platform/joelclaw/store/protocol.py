"""
The store: committed documents of one deployment, read and changed in transactions.

Documents are opaque JSON text here, and index keys opaque bytes whose order is the order of
values; the layer above computes both. A store knows tables, ids, ranges of keys and
timestamps, nothing else, so that SQLite and Postgres differ in one file each.

Beside documents it keeps what makes calls happen exactly once: outcomes under their call's
id, and each commit's reply until it is known to have arrived. Both become durable in the
same step as the writes that they tell of.

An implementation is right when it passes the suite in `tests/store/`; where that and this
text disagree, believe the suite.
"""

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Protocol, Self, TypeAlias

import msgspec

from joelclaw.clock import Clock
from joelclaw.schema.finding import Conditions
from joelclaw.schema.layout import DocumentKey, IndexKey, IndexLayout, Layout, TableLayout
from joelclaw.schema.specs import TableSpec
from joelclaw.values.terms import Question
from joelclaw.values.timestamps import CommitTs

__all__ = [
    "CALLS_KEPT_MS",
    "Commit",
    "DocumentKey",
    "Examine",
    "Finish",
    "IndexKey",
    "IndexLayout",
    "Layout",
    "Match",
    "Rank",
    "Snapshot",
    "Store",
    "TableLayout",
    "Transaction",
]

CALLS_KEPT_MS = 14 * 86_400_000.0
"""How long a client that went away may come back and ask for the outcome of its call."""

Examine: TypeAlias = Callable[[TableLayout, list[bytes]], Sequence[Sequence[DocumentKey]]]
"""
Looks at documents that exist: gives the keys of each, in order, or raises to refuse the schema.

Keys of indexes that exist already may be among them; they are passed over.
"""

Finish: TypeAlias = Callable[[Layout, "Transaction"], None]
"""Ends the transaction that has made the database fit a schema; see `Store.prepare`."""


class Rank(NamedTuple):
    """A place in the order of what a search finds: by score, then newest first. No two documents have the same."""

    score: int
    created_at: float
    number: int
    """The store's own of the document: imported ones may have one moment of creation."""


class Match(NamedTuple):
    """A document that a search has found."""

    id: str
    rank: Rank


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit tells the rest of the platform."""

    ts: CommitTs
    keys: list[IndexKey]
    """
    Old and new keys of every document written, `by_id` included, each once.

    Of entries in search and vector indexes, those keys that tell of them (`schema/finding.py`), if they changed.
    """


class Snapshot(Protocol):
    """All documents as of one timestamp; never changes (but for a transaction's own writes)."""

    @property
    def timestamp(self) -> CommitTs:
        """The newest commit that is in it; 0 when there has been none."""
        ...

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

        Raises:
            LayoutChanged: The database has no such index any more.
            StatementInterrupted: The callback of `interruptible` said so. The transaction goes on.
        """
        ...

    def count(self, table: TableLayout, index: IndexLayout, start: bytes, end: bytes | None) -> int:
        """How many documents are in the range, without reading them. Raises what `scan` does."""
        ...

    def search(
        self,
        index: IndexLayout,
        question: Question,
        conditions: Conditions,
        *,
        after: Rank | None = None,
        up_to: Rank | None = None,
        limit: int,
    ) -> list[Match]:
        """
        Documents of a search index with any of the terms, best first, of all for which the conditions are true.

        Ranked by BM25, where the collection is these documents: nothing else has to do with their
        order. `after` itself is left out, `up_to` is not. Raises what `scan` does.
        """
        ...

    def count_matches(self, index: IndexLayout, question: Question, conditions: Conditions) -> int:
        """How many documents `search` could find. Raises what `scan` does."""
        ...

    def nearest(
        self, index: IndexLayout, vector: bytes, conditions: Conditions, *, limit: int
    ) -> list[tuple[str, float]]:
        """
        Ids and cosines of the documents of a vector index that are nearest to a vector, nearest first.

        The vector is of length 1 and has the index's dimensions, as little-endian 32-bit floats.
        Of two that are equally near, the one inserted later comes first. Raises what `scan` does.
        """
        ...

    def close(self) -> None:
        """Let go; a transaction that was not committed is undone. Leaving a `with` block does it, too."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Transaction(Snapshot, Protocol):
    """
    Sees the newest commit and its own changes; one at a time in a process.

    Any method may raise `StoreFull` or `StoreFailed`. Then all of it is lost, every further
    call raises the same error, and only `rollback` or `close` is left to do.
    """

    @property
    def changed(self) -> bool:
        """Is there anything to commit? A transaction that wrote nothing needs no timestamp: roll it back."""
        ...

    def insert(self, table: TableLayout, id: str, document: bytes, keys: Sequence[DocumentKey]) -> None:
        """
        Raises:
            DuplicateKey: A unique index holds this key already. Nothing was written.
            DuplicateId: The table holds this id already. Nothing was written.
        """
        ...

    def replace(
        self, table: TableLayout, id: str, document: bytes, old: Sequence[DocumentKey], new: Sequence[DocumentKey]
    ) -> None:
        """
        Put `document` in the place of the one that stands under `id` with the keys `old`.

        Raises:
            DuplicateKey: A unique index holds a new key already. Nothing was written.
        """
        ...

    def delete(self, table: TableLayout, id: str, keys: Sequence[DocumentKey]) -> None:
        """Remove the document that stands under `id` with these keys."""
        ...

    def writes(self) -> list[IndexKey]:
        """Old and new keys of every document written so far, each once: what `commit` will tell."""
        ...

    def next_creation_time(self, now_ms: float) -> float:
        """Now, or the next number after the last that was ever given: no two documents share one."""
        ...

    def savepoint(self) -> int:
        """Open a nested unit; undo it with `rollback_to`, keep it with `release`."""
        ...

    def rollback_to(self, savepoint: int) -> None:
        """Undo everything since, write set included, and close the savepoint, with those opened after it."""
        ...

    def release(self, savepoint: int) -> None: ...

    def find_call(self, call_id: str) -> bytes | None:
        """The recorded outcome of a call, if it has run."""
        ...

    def record_call(self, call_id: str, outcome: bytes, at_ms: float) -> None:
        """Remember a call's outcome as part of this transaction."""
        ...

    def forget_calls(self, before_ms: float) -> int:
        """Drop call records older than that, a bounded number at a time; how many it were. Cheap when none is."""
        ...

    def forget_replies(self, published_ts: int) -> None:
        """Drop replies of commits up to and with this one."""
        ...

    def commit(self, reply: bytes, ts: CommitTs) -> Commit:
        """
        Apply all changes in one durable step, together with the reply that tells of them.

        `ts` comes from `next_timestamp`. The reply stays until `forget_replies`.

        Raises:
            OutcomeUnknown: The link broke mid-commit. Look up the replies before a retry.
            StoreFull: Nothing was written.
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
            LayoutChanged: Another process has prepared the database for another schema since this one did.
        """
        ...

    def next_timestamp(self, clock: Clock) -> CommitTs:
        """What to commit the open transaction with: the time in nanoseconds, or the last timestamp and one."""
        ...

    def prepare(
        self,
        tables: Sequence[TableSpec],
        examine: Examine,
        numbers: Mapping[str, int] = {},
        finish: "Finish | None" = None,
    ) -> Layout:
        """
        Make the database fit a schema, in one transaction, or raise and leave it as it is.

        Documents of tables whose definition is another than last time, or that get an index, go
        through `examine`. New tables get the next number, or theirs of `numbers`, so that imported
        documents keep their ids; an empty table may change its number, too. A table that left the
        schema keeps its number and documents. From now on other processes' `write` is refused
        until they have prepared for this schema as well.

        `finish` may write documents in the same transaction, and ends it: by a commit, or by a rollback, then
        nothing has changed.

        Raises:
            IndexNotUnique: Two documents share a key of an index that is unique from now on.
            TableNumberTaken: A table cannot have the number that was asked for.
            StoreBusy: Another process holds the write lock.
            StoreUnreadable: The schema has a search index, and the database cannot have one.
        """
        ...

    def layout(self) -> Layout:
        """The layout that `prepare` left last."""
        ...

    def replies_after(self, ts: int) -> list[tuple[CommitTs, bytes]]:
        """Replies of commits newer than `ts`, oldest first."""
        ...

    def interruptible(self, expired: Callable[[], bool]) -> None:
        """Ask this from time to time during long reading statements; True ends them with `StatementInterrupted`."""
        ...

    def checkpoint(self) -> int:
        """Empty the database's log as far as open snapshots allow, without waiting; the bytes that are left."""
        ...

    def log_bytes(self) -> int:
        """Size of the database's log now."""
        ...

    def close(self) -> None: ...
