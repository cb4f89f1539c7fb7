"""
Changes: what a mutation writes while it walks an index.

A loop over a query may write to the very index that it walks. What it visits must then not
depend on how many rows were fetched ahead. The rule: a walk visits what was there when it
began and still is when its turn comes, each document once, in the order they had at the
beginning, as each is by then. What the loop itself puts there or moves ahead is not visited:
a loop that adds a day to each date ends, and one that deletes each document misses none.

`Changes` belongs to a run and keeps its writes while a walk is under way; nobody keeps them
otherwise. `Detours` are those writes as one walk sees them: which rows it will meet that were
not there, and which were there that it will not meet.

Elsewhere: `rows.py` walks; `db.py` tells what is written; `nested.py` undoes.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import NamedTuple

from joelclaw.schema.bounds import Bounds
from joelclaw.schema.layout import DocumentKey, IndexKey


class Change(NamedTuple):
    """One write: where a document stood, and where it stands now. Empty: nowhere."""

    id: str
    old: Sequence[DocumentKey]
    new: Sequence[DocumentKey]


class Changes:
    """The writes of one run since the first of the walks that are under way."""

    __slots__ = ("_walks", "entries", "undone")

    def __init__(self) -> None:
        self.entries: list[Change] = []
        self._walks = 0
        self.undone = 0
        """How often some of them were taken back."""

    def begin_walk(self) -> None:
        self._walks += 1

    def end_walk(self) -> None:
        self._walks -= 1
        if not self._walks:
            self.entries.clear()

    def add(self, id: str, old: Sequence[DocumentKey], new: Sequence[DocumentKey]) -> None:
        if self._walks:
            self.entries.append(Change(id, old, new))

    def undo_to(self, mark: int) -> None:
        """The writes after the first `mark` were undone."""
        if len(self.entries) > mark:
            del self.entries[mark:]
            self.undone += 1


class Detours:
    """Where the order of an index differs from what it was when a walk of it began."""

    __slots__ = (
        "_ahead",
        "_bounds",
        "_came",
        "_changes",
        "_index",
        "_known",
        "_now",
        "_reverse",
        "_there",
        "_undone",
        "place",
        "since",
    )

    def __init__(self, changes: Changes, bounds: Bounds, reverse: bool) -> None:
        self._changes = changes
        self._bounds = bounds
        self._index = bounds.index.number
        self._reverse = reverse
        self.since = len(changes.entries)
        """How many writes there were before; they are part of the beginning."""

        self.place: bytes | None = None
        """The key that the walk has come to."""

        self._forget()

    def _forget(self) -> None:
        self._known = self.since
        self._undone = self._changes.undone
        self._there: dict[bytes, str] = {}
        """Changed documents, by the key they had at the beginning."""

        self._now: dict[str, bytes | None] = {}
        """The key that each of them has now; None: none."""

        self._came: set[bytes] = set()
        """Keys that were not there. They stay when they are gone: the walk may have fetched them in between."""

        self._ahead: list[bytes] = []
        """Keys of the beginning, in ascending order, that the walk has still before it."""

    def learn(self) -> None:
        """Take in what was written since the last time."""
        changes = self._changes
        if changes.undone != self._undone:
            self._forget()
        if len(changes.entries) > self._known:
            for change in changes.entries[self._known :]:
                self._learn(change.id, _key_in(self._index, change.old), _key_in(self._index, change.new))
            self._known = len(changes.entries)

    def _learn(self, id: str, old: bytes | None, new: bytes | None) -> None:
        if id not in self._now:
            if old is not None and self._is_ahead(old):
                self._there[old] = id
                insort(self._ahead, old)
            elif old == new:
                return  # It was visited, and stays where it was.
        self._now[id] = new
        if new is not None and self._there.get(new) != id:
            self._came.add(new)

    def _is_ahead(self, key: bytes) -> bool:
        if not self._covers(key):
            return False
        return self.place is None or (key < self.place if self._reverse else key > self.place)

    def _covers(self, key: bytes) -> bool:
        end = self._bounds.end
        return key >= self._bounds.start and (end is None or key < end)

    def came(self, key: bytes) -> bool:
        """Was no document there when the walk began?"""
        return key in self._came

    def changed(self, key: bytes) -> str | None:
        """The document that was there, if it was written since."""
        return self._there.get(key)

    def stays(self, id: str) -> bool:
        """Is a document that was written since still in the range?"""
        key = self._now[id]
        return key is not None and self._covers(key)

    def pass_by(self, key: bytes) -> None:
        """The walk has come to this place."""
        self.place = key
        ahead = self._ahead
        if ahead:
            if self._reverse:
                del ahead[bisect_left(ahead, key) :]
            else:
                at = bisect_left(ahead, key)
                del ahead[: at + (ahead[at : at + 1] == [key])]

    def next_before(self, key: bytes | None) -> tuple[bytes, str] | None:
        """Come to the next place with a changed document, if it lies before `key` (None: anywhere); both of them."""
        if not self._ahead:
            return None
        left = self._ahead[-1 if self._reverse else 0]
        if key is not None and not (left > key if self._reverse else left < key):
            return None
        self.pass_by(left)
        return left, self._there[left]


def _key_in(index: int, keys: Sequence[DocumentKey]) -> bytes | None:
    return next((key.key for key in keys if key.index == index and isinstance(key, IndexKey)), None)
