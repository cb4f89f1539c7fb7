"""
Rows: an ordered part of a table, and the ways to take documents from it.

A `Rows` is a description and reads nothing; `take`, `first`, iteration and the others walk
it. A walk reads in slices and remembers the last key that was really taken: the read set
ends there, so a query for the first fifty is not woken by the fifty-first.

Elsewhere: `db.py` makes them, `pages.py` walks a page.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Self, TypeVar

from joelclaw.errors import Misuse, NotUnique
from joelclaw.functions.calls import Range
from joelclaw.functions.changes import Changes, Detours
from joelclaw.functions.run import Run
from joelclaw.schema.bounds import Bounds
from joelclaw.schema.shapes import Stored
from joelclaw.schema.tables import Page, PageOptions, Table
from joelclaw.values.keys import end_of

if TYPE_CHECKING:
    from joelclaw.functions.app import OpenTable
    from joelclaw.functions.db import Reader

D = TypeVar("D", bound=Table)

SLICE_FIRST: Final = 16
"""Documents in the first slice of a walk that may end anywhere; each further one is four times as long."""

SLICE_WANTED: Final = 128
"""In the first slice of a walk that wants so many or more."""

SLICE_MAX: Final = 1024
SLICE_BYTES_MAX: Final = 4 * 2**20
"""What a slice should not exceed, going by the documents so far: a walk over large ones holds few at a time."""


class Walk:
    """One pass over a range of an index, in slices."""

    __slots__ = (
        "_bounds",
        "_bytes",
        "_count",
        "_noted",
        "_reads",
        "_reverse",
        "_run",
        "_table",
        "end",
        "exhausted",
        "start",
    )

    def __init__(self, run: Run, table: "OpenTable", bounds: Bounds, reverse: bool) -> None:
        self._run = run
        self._table = table
        self._bounds = bounds
        self._reverse = reverse
        self.start = bounds.start
        self.end = bounds.end
        self.exhausted = False
        """Everything in the range was fetched."""

        self._count = self._bytes = 0
        # A walk may be closed after its run has ended.
        self._reads = run.reads
        self._noted = run.note_range(range_of(bounds))

    def fetch(self, limit: int) -> list[tuple[bytes, bytes]]:
        """The next keys and documents, `limit` of them or fewer. They are not counted as read yet."""
        if self._count:
            limit = max(1, min(limit, SLICE_BYTES_MAX * self._count // max(1, self._bytes)))
        rows = self._run.snapshot.scan(
            self._table.layout, self._bounds.index, self.start, self.end, reverse=self._reverse, limit=limit
        )
        self.exhausted = len(rows) < limit
        if rows and not self.exhausted:  # Else there is no next slice to prepare for.
            self._count += len(rows)
            self._bytes += sum([len(document) for _, document in rows])
            if self._reverse:
                self.end = rows[-1][0]
            else:
                self.start = rows[-1][0] + b"\0"
        return rows

    def each(self, limit: int = SLICE_FIRST) -> Iterator[tuple[bytes, bytes]]:
        """
        All rows, one after another; each counts as read when it is handed out.

        Where the run writes, these are the rows of the beginning: `changes.py` has the rule.
        """
        if self._run.changes is not None:
            yield from self._each_amid_writes(self._run.changes, limit)
            return
        count_read = self._run.count_read
        while not self.exhausted:
            for row in self.fetch(limit):
                count_read(1, len(row[1]))
                yield row
            limit = min(4 * limit, SLICE_MAX)

    def _each_amid_writes(self, changes: Changes, limit: int) -> Iterator[tuple[bytes, bytes]]:
        detours = Detours(changes, self._bounds, self._reverse)
        entries, before = changes.entries, detours.since
        count_read = self._run.count_read
        changes.begin_walk()
        try:
            while not self.exhausted:
                for key, fetched in self.fetch(limit):
                    if len(entries) == before:  # Most loops write nothing.
                        detours.place = key
                        count_read(1, len(fetched))
                        yield key, fetched
                        continue
                    yield from self._left_before(key, detours)
                    raw = None if detours.came(key) else self._as_it_is(detours.changed(key), fetched, detours)
                    detours.pass_by(key)
                    if raw is not None:
                        count_read(1, len(raw))
                        yield key, raw
                limit = min(4 * limit, SLICE_MAX)
            yield from self._left_before(None, detours)
        finally:
            changes.end_walk()

    def _left_before(self, key: bytes | None, detours: Detours) -> Iterator[tuple[bytes, bytes]]:
        """Rows that stood before a key and were moved; those that the walk has still to visit."""
        detours.learn()
        while (left := detours.next_before(key)) is not None:
            place, id = left
            raw = self._as_it_is(id, None, detours)
            if raw is not None:
                self._run.count_read(1, len(raw))
                yield place, raw
            detours.learn()

    def _as_it_is(self, id: str | None, fetched: bytes | None, detours: Detours) -> bytes | None:
        """The text of a document by now, if it still is in the range. No id: it was not written since."""
        if id is None:
            return fetched
        return self._run.snapshot.get(self._table.layout, id) if detours.stays(id) else None

    def stop_at(self, key: bytes | None) -> None:
        """This was the last key that anybody looked at (None: nobody looked at any)."""
        if self._reads is None:
            return
        if key is None:
            self._reads[self._noted] = None
            return
        bounds = self._bounds
        whole = range_of(bounds)
        self._reads[self._noted] = (
            Range(whole.index, whole.prefix, key, whole.end)
            if self._reverse
            else Range(whole.index, whole.prefix, whole.start, key + b"\0")
        )


def range_of(bounds: Bounds) -> Range:
    """What is read by whoever walks all of it: no end where the prefix itself is the end."""
    start = None if bounds.start == bounds.prefix else bounds.start
    end = None if bounds.end is None or bounds.end == end_of(bounds.prefix) else bounds.end
    return Range(bounds.index.number, bounds.prefix, start, end)


def both(before: Callable[[Any], object] | None, keep: Callable[[Any], object]) -> Callable[[Any], object]:
    """A filter behind another one."""
    return keep if before is None else lambda document: before(document) and keep(document)


class Rows(Generic[D]):
    """Documents in order, not read yet. Every method but `filter` reads; each reads anew."""

    __slots__ = ("_bounds", "_db", "_keep", "_ordered", "_reverse", "_table")

    def __init__(
        self,
        db: "Reader",
        table: "OpenTable",
        bounds: Bounds | None,
        keep: Callable[[Any], object] | None = None,
        reverse: bool | None = None,
    ) -> None:
        self._db = db
        self._table = table
        self._bounds = bounds
        """None: there is nothing to see here, and nothing is read."""

        self._keep = keep
        self._reverse = reverse is True
        self._ordered = reverse is not None

    def filter(self, keep: Callable[[D], object], /) -> Self:
        """Only documents for which `keep` says yes. They are read all the same; an index reads less."""
        reverse = self._reverse if self._ordered else None
        return type(self)(self._db, self._table, self._bounds, both(self._keep, keep), reverse)

    def first(self) -> D | None:
        """The first document, or None."""
        found = self._taken(1)
        return found[0] if found else None

    def unique(self) -> D | None:
        """
        The only document, or None.

        Raises:
            NotUnique: There are several.
        """
        found = self._taken(2)
        if len(found) > 1:
            raise NotUnique(self._table.name, [document.id for document in found])
        return found[0] if found else None

    def take(self, n: int, /) -> list[D]:
        """The first `n` documents, or as many as there are."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:
            raise Misuse(f"take({n!r}): the number of documents is a whole number, 0 or more")
        return self._taken(n)

    def collect(self) -> list[D]:
        """All documents. For what may grow without end, `take` or `paginate`."""
        return self._taken(None)

    def count(self) -> int:
        """How many documents there are; they are not read, unless there is a filter."""
        if self._bounds is None:
            return 0
        if self._keep is not None:
            return sum(1 for _ in self)
        self._db.run.note_range(range_of(self._bounds))
        bounds = self._bounds
        return self._db.run.snapshot.count(self._table.layout, bounds.index, bounds.start, bounds.end)

    def paginate(self, options: PageOptions, /) -> Page[D]:
        """
        One page, and the cursor of the next.

        Raises:
            InvalidCursor: The cursor is of another query; clients know and begin again.
        """
        from joelclaw.functions.pages import IndexCourse, paginate

        course = IndexCourse(self._db.run, self._table, self._bounds, self._reverse)
        return paginate(self._db, course, self._table.decode, self._keep, options)

    def __iter__(self) -> Iterator[D]:
        if self._bounds is None:
            return
        walk = Walk(self._db.run, self._table, self._bounds, self._reverse)
        decode, keep = self._table.decode, self._keep
        last: bytes | None = None
        complete = False
        try:
            for key, raw in walk.each():
                last = key
                document: D = decode(raw)
                if keep is None or keep(document):
                    yield document
            complete = True
        finally:
            if not complete:
                walk.stop_at(last)

    def _taken(self, n: int | None) -> list[D]:
        if self._bounds is None or n == 0:
            return []
        if self._keep is not None:
            found = []
            for document in self:
                found.append(document)
                if len(found) == n:
                    break
            return found
        return self._taken_unfiltered(self._bounds, n)

    def _taken_unfiltered(self, bounds: Bounds, n: int | None) -> list[D]:
        run = self._db.run
        walk = Walk(run, self._table, bounds, self._reverse)
        readable = run.limits.documents_read + 1
        wanted = readable if n is None else n
        found: list[D] = []
        slice_max = SLICE_WANTED
        while not walk.exhausted and len(found) < wanted:
            # One more than may be read: whoever meets the limit is told so.
            room = min(wanted - len(found), readable - run.documents_read)
            rows = walk.fetch(min(room, slice_max))
            slice_max = SLICE_MAX
            if rows:
                raws = [raw for _, raw in rows]
                run.count_read(len(raws), sum(map(len, raws)))
                found += self._table.decode_many(raws)
                run.fetched = Stored(self._table.info.cls, raws)
                last = rows[-1][0]
        if len(found) == n:
            walk.stop_at(last)
        return found


class Scan(Rows[D]):
    """Documents in ascending order, unless `order` says otherwise."""

    __slots__ = ()

    def order(self, direction: Literal["asc", "desc"], /) -> Rows[D]:
        """Walk the index upwards or downwards; descending reverses all of its fields."""
        if self._ordered:
            raise Misuse("Queries may only specify order at most once")
        if direction not in ("asc", "desc"):
            raise Misuse(f'order({direction!r}): the direction is "asc" or "desc"')
        return type(self)(self._db, self._table, self._bounds, self._keep, direction == "desc")
