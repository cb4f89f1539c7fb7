"""
Pages: a query's documents in pieces, each of which stays current by itself.

A cursor is a place between keys, never an offset: what stands before it may come and go. It
is bound to its query (function, index, bounds, direction; or what is searched for) and sealed: clients can neither
read the key in it, which may hold fields that a function does not show, nor make one up.

A page that was shown ends where it ended. Its journal, which the client keeps, says where; a
later run reads up to there, however many documents that are by now. So pages always meet,
and nothing is lost or doubled between them.

A page that has grown too large says so and offers a cursor in its middle: clients then ask
for the two halves.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterator
from hashlib import blake2b, shake_256
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

from msgspec import UnsetType

from joelclaw.errors import InvalidCursor, Misuse
from joelclaw.functions.rows import SLICE_FIRST, SLICE_WANTED, Walk
from joelclaw.functions.run import Run
from joelclaw.limits import WARNING_SHARE
from joelclaw.schema.bounds import Bounds
from joelclaw.schema.pagination import Page, PageOptions

if TYPE_CHECKING:
    from joelclaw.functions.app import OpenTable
    from joelclaw.functions.db import Reader

PAGE_DOCUMENTS_MAX: Final = 8_192

_TAG_BYTES: Final = 16
_AT_KEY: Final = b"k"
_AT_END: Final = b"e"


class Place(NamedTuple):
    """Between two keys: right behind `key` in the direction of the walk; None is behind everything."""

    key: bytes | None


class Budget(NamedTuple):
    """How much one page may read."""

    rows: int
    size_bytes: int


END: Final = Place(None)


class AnyWalk(Protocol):
    """One pass over rows, each with the key of its place; see `Walk`."""

    def each(self, limit: int, /) -> Iterator[tuple[bytes, bytes]]: ...

    def stop_at(self, key: bytes | None, /) -> None: ...


class Course(Protocol):
    """Rows in an order of which a page is a part."""

    @property
    def rows_max(self) -> int | None:
        """How many rows one page may look at, if that is fewer than any other."""
        ...

    def identity(self) -> tuple[bytes, ...]:
        """What tells it from others: its cursors open no other course."""
        ...

    def walk(self, start: bytes | None, end: bytes | None, /) -> AnyWalk | None:
        """What is behind one key, up to and with another; None is the beginning, or the end."""
        ...


class IndexCourse:
    """A part of an index, in one direction."""

    rows_max = None

    def __init__(self, run: Run, table: "OpenTable", bounds: Bounds | None, reverse: bool) -> None:
        self._run = run
        self._table = table
        self._bounds = bounds
        self._reverse = reverse

    def identity(self) -> tuple[bytes, ...]:
        return (b"" if self._bounds is None else _bytes_of(self._bounds), b"desc" if self._reverse else b"asc")

    def walk(self, start: bytes | None, end: bytes | None) -> Walk | None:
        if self._bounds is None:
            return None
        walked = _between(self._bounds, start, end, self._reverse)
        if walked.end is not None and walked.start >= walked.end:
            return None
        return Walk(self._run, self._table, walked, self._reverse)


def paginate(
    db: "Reader",
    course: Course,
    decode: Callable[[bytes], Any],
    keep: Callable[[Any], object] | None,
    options: PageOptions,
) -> Page[Any]:
    """One page; see `Rows.paginate`."""
    db.begin_page()
    run = db.run
    _check(options, run.limits.documents_read)
    seal = Seal(run.app.secret, db.path, course.identity())
    start = None if options.cursor is None else seal.open(options.cursor)
    end_cursor, end = _find_end(run, seal, options)
    page = _Page(_budget(run, options, course.rows_max))
    stopped = END
    if start != END:
        walk = course.walk(_key_of(start), _key_of(end))
        if walk is not None:
            stopped = page.fill(walk, decode, keep, options.num_items if end is None else None)
    if end is None:
        end, end_cursor = stopped, seal.make(stopped)
    run.journal_out.append(end_cursor)
    return Page(
        page=page.documents,
        is_done=end == END and not page.cut,
        continue_cursor=end_cursor,
        split_cursor=None if len(page.documents) <= 2 else seal.make(page.middle()),
        page_status=page.status(),
    )


class _Page:
    """The documents of one page while it is read."""

    def __init__(self, budget: Budget) -> None:
        self.documents: list[Any] = []
        self.cut = False
        """The budget ended the page before it was complete."""

        self._budget = budget
        self._keys: list[bytes] = []
        self._rows = self._bytes = 0

    def fill(
        self, walk: AnyWalk, decode: Callable[[bytes], Any], keep: Callable[[Any], object] | None, wanted: int | None
    ) -> Place:
        """Read until so many documents are found (None: to the end of the walk); the place where it stopped."""
        last: bytes | None = None
        for key, raw in walk.each(SLICE_FIRST if wanted is None or keep is not None else min(wanted, SLICE_WANTED)):
            # Where the end is known, one row more tells whether the budget kept us from it.
            if wanted is None and self._is_spent():
                self.cut = True
                break
            last = key
            self._rows += 1
            self._bytes += len(raw)
            document = decode(raw)
            if keep is None or keep(document):
                self.documents.append(document)
                self._keys.append(key)
            if wanted is not None and (len(self.documents) == wanted or self._is_spent()):
                self.cut = len(self.documents) < wanted
                break
        else:
            return END
        walk.stop_at(last)
        return Place(last)

    def middle(self) -> Place:
        return Place(self._keys[len(self._keys) // 2 - 1])

    def status(self) -> Literal["SplitRecommended", "SplitRequired"] | None:
        if self.cut:
            return "SplitRequired"
        is_large = (
            self._rows > WARNING_SHARE * self._budget.rows
            or self._bytes > WARNING_SHARE * self._budget.size_bytes
            or len(self.documents) > WARNING_SHARE * PAGE_DOCUMENTS_MAX
        )
        return "SplitRecommended" if is_large else None

    def _is_spent(self) -> bool:
        return (
            self._rows >= self._budget.rows
            or self._bytes >= self._budget.size_bytes
            or len(self.documents) >= PAGE_DOCUMENTS_MAX
        )


def _check(options: PageOptions, documents_max: int) -> None:
    if options.num_items == 0:
        raise Misuse("Must request at least 1 document while paginating")
    if options.num_items < 0:
        raise Misuse(f"`options.numItems` must be a positive number. Received `{options.num_items}`.")
    if options.num_items > documents_max:
        raise Misuse(f"Requested too many items: {options.num_items}")
    for name, limit in (
        ("maximumRowsRead", options.maximum_rows_read),
        ("maximumBytesRead", options.maximum_bytes_read),
    ):
        if not isinstance(limit, UnsetType) and limit <= 0:
            raise Misuse(f"`options.{name}` must be greater than 0")


def _budget(run: Run, options: PageOptions, rows_max: int | None) -> Budget:
    """What is left of the run's limits, kept clear of them by the row that looks beyond, and the page's own."""
    rows = max(1, run.limits.documents_read - run.documents_read - 1)
    size_bytes = max(1, run.limits.bytes_read - run.bytes_read - 2 * run.limits.document_bytes)
    if rows_max is not None:
        rows = min(rows, rows_max)
    if not isinstance(options.maximum_rows_read, UnsetType):
        rows = min(rows, options.maximum_rows_read)
    if not isinstance(options.maximum_bytes_read, UnsetType):
        size_bytes = min(size_bytes, options.maximum_bytes_read)
    return Budget(rows, size_bytes)


def _find_end(run: Run, seal: "Seal", options: PageOptions) -> tuple[str, Place | None]:
    """Where the page has to end: as the client says, or where it ended last time; None: where it is full."""
    remembered = run.journal_in.pop(0) if run.journal_in else None
    if isinstance(options.end_cursor, str):
        return options.end_cursor, seal.open(options.end_cursor)
    if remembered is not None:
        try:
            return remembered, seal.open(remembered)
        except InvalidCursor:
            pass  # The code has changed since: the page begins a new life.
    return "", None


def _key_of(place: Place | None) -> bytes | None:
    return None if place is None else place.key


def _between(bounds: Bounds, start: bytes | None, end: bytes | None, reverse: bool) -> Bounds:
    """The part of the bounds behind one key, up to another one."""
    low, high = bounds.start, bounds.end
    first, last = (end, start) if reverse else (start, end)
    # Upwards "behind a key" is its smallest successor; downwards it is the key itself, as an end that is left out.
    step = b"" if reverse else b"\0"
    if first is not None:
        low = max(low, first + step)
    if last is not None:
        high = last + step if high is None else min(high, last + step)
    return Bounds(bounds.index, bounds.prefix, low, high)


class Seal:
    """
    Makes cursors of one query, and opens no others.

    Deterministic authenticated encryption in the manner of SIV (RFC 5297): the tag over query
    and place is also the nonce of the cipher. One place has one cursor, so an unchanged result
    is the same text again.
    """

    def __init__(self, secret: bytes, path: str, query: tuple[bytes, ...]) -> None:
        self._secret = secret
        self._query = b"".join(len(part).to_bytes(4, "big") + part for part in (path.encode(), *query))

    def make(self, place: Place) -> str:
        text = _AT_END if place.key is None else _AT_KEY + place.key
        tag = self._tag(text)
        return urlsafe_b64encode(tag + self._cipher(tag, text)).rstrip(b"=").decode()

    def open(self, cursor: str) -> Place:
        """
        Raises:
            InvalidCursor: This query has made no such cursor.
        """
        try:
            sealed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except (Base64Error, ValueError):
            sealed = b""
        tag = sealed[:_TAG_BYTES]
        text = self._cipher(tag, sealed[_TAG_BYTES:])
        if not compare_digest(tag, self._tag(text)):
            raise InvalidCursor("it is a cursor of another query, or none at all")
        return END if text == _AT_END else Place(text[len(_AT_KEY) :])

    def _tag(self, text: bytes) -> bytes:
        return blake2b(self._query + text, digest_size=_TAG_BYTES, key=self._secret, person=b"cursor").digest()

    def _cipher(self, tag: bytes, text: bytes) -> bytes:
        stream = shake_256(self._secret + tag).digest(len(text))
        return (int.from_bytes(text, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(text), "big")


def _bytes_of(bounds: Bounds) -> bytes:
    # The number and not the name: it changes with the index's definition, and with it the keys.
    end = b"-" if bounds.end is None else b"+" + bounds.end
    return b"%d:%d:%b%b" % (bounds.index.number, len(bounds.start), bounds.start, end)
