"""
Full-text search, as functions see it: the rows of `ctx.db.search`.

They are rows like those of a query, in an order of their own: best first, and of two that are equally
good the newer. What matches is asked of the store when rows are taken, ranks only; documents are
fetched one by one, as far as anybody takes them.

What was looked at are the terms, not the places: a commit with one of them may move everything.
A document that is handed out was read by its id besides, so a change to another of its fields is
heard, and one to a document that nobody has taken is not.

Elsewhere: `schema/finding.py` says what is read and told, the store ranks.
"""

import struct
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, Self, TypeVar

from joelclaw.errors import Misuse
from joelclaw.functions.calls import Range
from joelclaw.functions.rows import Rows, both
from joelclaw.functions.run import Run
from joelclaw.limits import setting
from joelclaw.schema.finding import Conditions, Reading, SearchFinder, readings_of_search
from joelclaw.schema.layout import IndexLayout
from joelclaw.schema.pagination import Page, PageOptions
from joelclaw.schema.search import SearchIndex
from joelclaw.schema.shapes import Stored
from joelclaw.schema.tables import Table
from joelclaw.store.protocol import Rank
from joelclaw.values.terms import Question, read_question

if TYPE_CHECKING:
    from joelclaw.functions.app import OpenTable
    from joelclaw.functions.db import Reader

D = TypeVar("D", bound=Table)

_RANK: Final = struct.Struct(">qdq")


class Search(NamedTuple):
    """What is searched for, and where."""

    layout: IndexLayout
    question: Question
    conditions: Conditions


def search_rows(db: "Reader", index: SearchIndex[D], text: object, equal: dict[str, object]) -> "Found[D]":
    """
    The rows of `ctx.db.search`.

    Raises:
        Misuse: The text is none, or a filter is not one of the index.
    """
    run = db.run
    table, finder = run.app.open_finder(index, SearchFinder)
    if not isinstance(text, str):
        raise Misuse(
            f"Search query against {finder.subject} does not contain any search filters. "
            f'You must include a search filter like ctx.db.search({finder.subject}, "some words"), not {text!r:.80}'
        )
    conditions = finder.conditions(equal, None, run.limits.search_filters)
    question = read_question(text, run.limits.search_terms)
    is_empty = not question.words and question.prefix is None
    if is_empty or not db.sees(table):
        return Found(db, table, None)
    layout = table.info.finder_layout(index.name, table.layout)
    return Found(db, table, Search(layout, question, conditions))


class Found(Rows[D]):
    """Documents that a search finds, best first, not read yet."""

    __slots__ = ("_search",)

    def __init__(
        self, db: "Reader", table: "OpenTable", search: Search | None, keep: Callable[[Any], object] | None = None
    ) -> None:
        super().__init__(db, table, None, keep)
        self._search = search
        """None: there is nothing to find, and nothing is read."""

    def filter(self, keep: Callable[[D], object], /) -> Self:
        return type(self)(self._db, self._table, self._search, both(self._keep, keep))

    def order(self, direction: str, /) -> NoReturn:  # noqa: ARG002 (whichever it is)
        """
        Raises:
            Misuse: Always.
        """
        raise Misuse("Search queries must always be in relevance order. Can not set order manually.")

    def count(self) -> int:
        if self._search is None:
            return 0
        if self._keep is not None:
            return sum(1 for _ in self)
        note_readings(self._db.run, self._search.layout, readings_of_search(*self._search[1:]))
        return self._db.run.snapshot.count_matches(*self._search)

    def paginate(self, options: PageOptions, /) -> Page[D]:
        from joelclaw.functions.pages import paginate

        course = RankedCourse(self._db.run, self._table, self._search)
        return paginate(self._db, course, self._table.decode, self._keep, options)

    def __iter__(self) -> Iterator[D]:
        decode, keep = self._table.decode, self._keep
        for _, raw in self._walk(None).each():
            document: D = decode(raw)
            if keep is None or keep(document):
                yield document

    def _taken(self, n: int | None) -> list[D]:
        if n == 0:
            return []
        if self._keep is not None:
            return list(islice(self, n))
        raws = [raw for _, raw in self._walk(n).each()]
        self._db.run.fetched = Stored(self._table.info.cls, raws)
        return self._table.decode_many(raws)

    def _walk(self, wanted: int | None) -> "RankedWalk":
        return RankedWalk(self._db.run, self._table, self._search, wanted=wanted)


class RankedWalk:
    """One pass over what a search finds, or over the part of it between two places."""

    def __init__(
        self,
        run: Run,
        table: "OpenTable",
        search: Search | None,
        after: Rank | None = None,
        up_to: Rank | None = None,
        wanted: int | None = None,
    ) -> None:
        self._run = run
        self._table = table
        self._search = search
        self._after = after
        self._up_to = up_to
        self._wanted = wanted

    def each(self, limit: int = 0) -> Iterator[tuple[bytes, bytes]]:  # noqa: ARG002 (ranks come all at once)
        """
        Places and documents, each of which counts as read when it is handed out.

        Raises:
            Misuse: Somebody asks for more than a search looks at.
        """
        if self._search is None:
            return
        run, table = self._run, self._table
        maximum = run.limits.search_results
        note_readings(run, self._search.layout, readings_of_search(*self._search[1:]))
        asked_for = maximum + 1 if self._wanted is None else min(self._wanted, maximum + 1)
        matches = run.snapshot.search(*self._search, after=self._after, up_to=self._up_to, limit=asked_for)
        for number, match in enumerate(matches):
            if number == maximum:
                raise Misuse(
                    f"Search query scanned too many documents (fetched {maximum}). Use a smaller limit, paginate the "
                    f"query, use a filter field to narrow it down, or {setting('search_results')}."
                )
            raw = run.snapshot.get(table.layout, match.id)
            if raw is None:
                continue  # Removed by this very run, since the search was asked.
            if run.reads is not None:
                run.reads.append(Range(table.by_id, match.id.encode()))
            run.count_read(1, len(raw))
            yield _RANK.pack(*match.rank), raw

    def stop_at(self, place: bytes | None) -> None:
        """Whoever stops early has read the same terms."""


class RankedCourse:
    """
    A search, as `pages.py` walks it. Its places are ranks.

    A rank is a number, and of two one is always the higher: pages meet in every snapshot, whatever
    has been written since. Documents may change places, and then perhaps pages.
    """

    def __init__(self, run: Run, table: "OpenTable", search: Search | None) -> None:
        self.rows_max = run.limits.search_results
        self._run = run
        self._table = table
        self._search = search

    def identity(self) -> tuple[bytes, ...]:
        if self._search is None:
            return (b"search", b"")
        layout, question, conditions = self._search
        words = (*question.words, "*", question.prefix or "")
        groups = repr(conditions.groups).encode()
        return (b"search", b"%d" % layout.number, " ".join(words).encode(), groups)

    def walk(self, start: bytes | None, end: bytes | None) -> RankedWalk:
        after, up_to = (None if place is None else Rank(*_RANK.unpack(place)) for place in (start, end))
        return RankedWalk(self._run, self._table, self._search, after, up_to)


def note_readings(run: Run, index: IndexLayout, readings: list[Reading]) -> None:
    """Record what a search has looked at. It counts as one read."""
    for number, reading in enumerate(readings):
        read = Range(index.number, *reading)
        if number == 0:
            run.note_range(read)
        elif run.reads is not None:
            run.reads.append(read)
