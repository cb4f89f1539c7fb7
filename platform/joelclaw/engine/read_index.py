"""
The read index: which live results does a written key disturb?

Read sets are filed under their equality prefix. A written key arrives with its field
borders, so the prefixes that can contain it are known: one dictionary lookup for each border
finds them, and the cost of a commit follows the number of matches, not of live results.

Most reads are a whole prefix ("all comments of this article", one document by its id) and
need nothing else. The others (a page, the first fifty) are half-open ranges of keys, kept in
blocks sorted by start; each block knows its greatest end, so that blocks which end before
the key are passed over. Against an interval tree: no rebalancing, and a walk of sorted lists
is what Python does fastest.

Pure: no store, no clock, no awaiting. Holders are any hashable objects.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeVar

from joelclaw.functions.calls import Range
from joelclaw.store.protocol import IndexKey

BLOCK_RANGES_MAX = 256
"""A block that grows beyond this is cut in two."""

Holder = TypeVar("Holder", bound=Hashable)

_AFTER_EVERY_KEY = b"\xff" * 64
"""Sorts behind every key: no encoded value begins with this byte."""


class _Blocks(Generic[Holder]):
    """Half-open key ranges under one prefix, in blocks sorted by (start, end, holder's address)."""

    __slots__ = ("blocks", "ends", "firsts")

    def __init__(self) -> None:
        self.blocks: list[list[tuple[bytes, bytes, int, Holder]]] = []
        self.ends: list[bytes] = []
        """The greatest end of each block."""
        self.firsts: list[tuple[bytes, bytes, int]] = []
        """Where each block begins."""

    def add(self, start: bytes, end: bytes, holder: Holder) -> None:
        entry = (start, end, id(holder), holder)
        if not self.blocks:
            self.blocks, self.ends, self.firsts = [[entry]], [end], [entry[:3]]
            return
        at = max(0, bisect_right(self.firsts, entry[:3]) - 1)
        block = self.blocks[at]
        insort(block, entry)
        self.firsts[at] = block[0][:3]
        self.ends[at] = max(self.ends[at], end)
        if len(block) > BLOCK_RANGES_MAX:
            self._cut(at)

    def _cut(self, at: int) -> None:
        block = self.blocks[at]
        middle = len(block) // 2
        halves = block[:middle], block[middle:]
        self.blocks[at : at + 1] = halves
        self.firsts[at : at + 1] = [half[0][:3] for half in halves]
        self.ends[at : at + 1] = [max(entry[1] for entry in half) for half in halves]

    def remove(self, start: bytes, end: bytes, holder: Holder) -> None:
        entry = (start, end, id(holder), holder)
        at = max(0, bisect_right(self.firsts, entry[:3]) - 1)
        block = self.blocks[at]
        del block[bisect_left(block, entry)]
        if not block:
            del self.blocks[at], self.ends[at], self.firsts[at]
            return
        self.firsts[at] = block[0][:3]
        if end == self.ends[at]:
            self.ends[at] = max(other[1] for other in block)

    def stab(self, key: bytes, found: set[Holder]) -> None:
        # Whatever begins at the key or before it; a tuple that begins with the key alone would pass by some.
        reach = bisect_left(self.firsts, (key + b"\0",))
        for at in range(reach):
            if self.ends[at] > key:
                found.update(holder for start, end, _, holder in self.blocks[at] if start <= key < end)


class _OneIndex(Generic[Holder]):
    """The read sets on one index of one table."""

    __slots__ = ("partial", "whole")

    def __init__(self) -> None:
        self.whole: dict[bytes, set[Holder]] = {}
        self.partial: dict[bytes, _Blocks[Holder]] = {}

    def add(self, read: Range, holder: Holder) -> None:
        if read.start is None and read.end is None:
            self.whole.setdefault(read.prefix, set()).add(holder)
        else:
            self.partial.setdefault(read.prefix, _Blocks()).add(*bounds(read), holder)

    def remove(self, read: Range, holder: Holder) -> None:
        if read.start is None and read.end is None:
            holders = self.whole[read.prefix]
            holders.discard(holder)
            if not holders:
                del self.whole[read.prefix]
        else:
            blocks = self.partial[read.prefix]
            blocks.remove(*bounds(read), holder)
            if not blocks.blocks:
                del self.partial[read.prefix]

    def stab(self, key: IndexKey, found: set[Holder]) -> None:
        for border in key.borders:
            prefix = key.key[:border]
            if (holders := self.whole.get(prefix)) is not None:
                found |= holders
            if (blocks := self.partial.get(prefix)) is not None:
                blocks.stab(key.key, found)


class ReadIndex(Generic[Holder]):
    """All read sets of live results; `stab` finds those that a written key disturbs."""

    def __init__(self) -> None:
        self._indexes: dict[int, _OneIndex[Holder]] = {}

    def add(self, reads: Iterable[Range], holder: Holder) -> None:
        """File these ranges under a holder; each range once (see `distinct`)."""
        for read in reads:
            index = self._indexes.get(read.index)
            if index is None:
                index = self._indexes[read.index] = _OneIndex()
            index.add(read, holder)

    def remove(self, reads: Iterable[Range], holder: Holder) -> None:
        """Take out what `add` filed, given the same ranges."""
        for read in reads:
            index = self._indexes[read.index]
            index.remove(read, holder)
            if not (index.whole or index.partial):
                del self._indexes[read.index]

    def stab(self, keys: Iterable[IndexKey]) -> set[Holder]:
        """The holders of all ranges that contain one of these keys."""
        found: set[Holder] = set()
        for key in keys:
            index = self._indexes.get(key.index)
            if index is not None:
                index.stab(key, found)
        return found

    def __bool__(self) -> bool:
        return bool(self._indexes)


class WrittenKeys:
    """
    The keys of one commit, for asking it later what it disturbed.

    Sorted on the first question, by index, then by each prefix they stand under: most commits are never asked.
    """

    __slots__ = ("_indexes", "_keys")

    def __init__(self, keys: Sequence[IndexKey]) -> None:
        self._keys = keys
        self._indexes: dict[int, dict[bytes, list[bytes]]] = {}

    def _sort(self) -> None:
        for index, key, borders in self._keys:
            prefixes = self._indexes.setdefault(index, {})
            for border in borders:
                prefixes.setdefault(key[:border], []).append(key)
        self._keys = ()

    def disturb(self, reads: Iterable[Range]) -> bool:
        """Is one of the keys in one of these ranges?"""
        if self._keys:
            self._sort()
        for read in reads:
            keys = self._indexes.get(read.index, _NO_KEYS).get(read.prefix)
            if keys is None:
                continue
            if read.start is None and read.end is None:
                return True
            start, end = bounds(read)
            if any(start <= key < end for key in keys):
                return True
        return False


_NO_KEYS: dict[bytes, list[bytes]] = {}


def bounds(read: Range) -> tuple[bytes, bytes]:
    """A range's start and end as key bytes, where one of them was left open at the prefix's border."""
    return (
        read.prefix if read.start is None else read.start,
        read.prefix + _AFTER_EVERY_KEY if read.end is None else read.end,
    )


def distinct(reads: Iterable[Range]) -> tuple[Range, ...]:
    """The same ranges, each once, in order."""
    return tuple(dict.fromkeys(reads))


def disturbs(key: IndexKey, read: Range) -> bool:
    """Would a write at this key change what was read there? The plain meaning that `stab` speeds up."""
    # A border, because the key of "a" begins that of "a\0": they share bytes, not a value.
    if key.index != read.index or len(read.prefix) not in key.borders or not key.key.startswith(read.prefix):
        return False
    start, end = bounds(read)
    return start <= key.key < end
