"""
A run: one call against one snapshot, with all functions nested in it.

Here is everything that they share: what was read (the read set, and how much), what was
written, what the result depends on (time, identity), and the limits, which count over the
whole transaction. What a single function sees is `contexts.py` and `db.py`.

Reads are recorded for queries only: a mutation's are the database's business, and on a serial
writer nobody's.
"""

import logging
from random import Random
from typing import TYPE_CHECKING, Final, NoReturn

from joelclaw.errors import LimitExceeded, Misuse
from joelclaw.functions.calls import INFINITY, Call, Range
from joelclaw.functions.hooks import Hooks
from joelclaw.schema.shapes import Stored
from joelclaw.store.protocol import Snapshot, Transaction

if TYPE_CHECKING:
    from joelclaw.functions.app import LoadedApp

DOCUMENTS_READ_MAX: Final = 32_000
BYTES_READ_MAX: Final = 16 * 2**20
RANGES_READ_MAX: Final = 4_096
DOCUMENTS_WRITTEN_MAX: Final = 16_000
BYTES_WRITTEN_MAX: Final = 16 * 2**20
DEPTH_MAX: Final = 8

WARNING_SHARE: Final = 0.75
"""Of a limit; who has used more of it is warned in the log."""

SEED_BYTES: Final = 16

_INDEX_ADVICE = "Consider using smaller limits in your queries, paginating your queries, or using indexed queries."
_SPLIT_ADVICE = "Consider splitting the work into several calls, each with a part of it."
_RANGE_ADVICE = "Consider reading ranges of an index instead of single documents."

_log = logging.getLogger("joelclaw.functions")


class Run:
    """What one transaction has seen, done and promised so far."""

    __slots__ = (
        "app",
        "bytes_read",
        "bytes_written",
        "call",
        "depth",
        "documents_read",
        "documents_written",
        "expires",
        "fatal",
        "fetched",
        "hooks",
        "journal_in",
        "journal_out",
        "now_ms",
        "personal",
        "random",
        "ranges_read",
        "reads",
        "snapshot",
        "timed",
        "txn",
    )

    def __init__(self, app: "LoadedApp", snapshot: Snapshot, txn: Transaction | None, call: Call, hooks: Hooks) -> None:
        self.app = app
        self.snapshot = snapshot
        self.txn = txn
        self.call = call
        self.hooks = hooks
        self.now_ms = call.now or hooks.clock()
        self.reads: list[Range | None] | None = [] if txn is None else None
        """Ranges looked at; None: nothing of it was. A range that is still being walked stands here whole."""

        self.documents_read = self.bytes_read = self.ranges_read = 0
        self.documents_written = self.bytes_written = 0
        self.expires = INFINITY
        self.timed = False
        self.personal = False
        self.depth = call.depth
        self.random: Random | None = None
        self.fatal: LimitExceeded | None = None
        """The limit that was hit: the run fails even if the app has caught it."""

        self.fetched: Stored | None = None
        """What was last read in one go. Many a query returns just that."""

        self.journal_in: list[str] = call.journal.split(".") if call.journal else []
        self.journal_out: list[str] = []
        """Where each page of this run ends, in the order of the calls."""

    def end(self) -> None:
        """
        The call is over. Whoever has kept its context finds nothing there.

        Its snapshot may have gone on to the next call, whose read set would not know what is
        read through here; nor would its result know whose identity it holds.
        """
        for name in self.__slots__:
            delattr(self, name)

    if not TYPE_CHECKING:  # A checker would take any name for an attribute.

        def __getattr__(self, name):
            raise Misuse(
                f"this belongs to a call that has ended ({name!r} is asked for); "
                f"use the context that the running function was handed, and keep none"
            )

    # -- reading

    def note_range(self, read: Range) -> int:
        """Count a range that is about to be read, and record it; its place in the record, -1 if nobody records."""
        self.ranges_read += 1
        if self.ranges_read > RANGES_READ_MAX:
            self.exceed(f"Too many reads in a single function execution (limit: {RANGES_READ_MAX}). {_RANGE_ADVICE}")
        if self.reads is None:
            return -1
        self.reads.append(read)
        return len(self.reads) - 1

    def count_read(self, documents: int, size_bytes: int) -> None:
        self.documents_read += documents
        self.bytes_read += size_bytes
        if self.documents_read > DOCUMENTS_READ_MAX:
            self.exceed(
                f"Too many documents read in a single function execution (limit: {DOCUMENTS_READ_MAX}). {_INDEX_ADVICE}"
            )
        if self.bytes_read > BYTES_READ_MAX:
            self.exceed(
                f"Too many bytes read in a single function execution (limit: {BYTES_READ_MAX} bytes). {_INDEX_ADVICE}"
            )

    def read_set(self) -> list[Range]:
        """The ranges that were looked at, each once."""
        return [] if self.reads is None else [read for read in dict.fromkeys(self.reads) if read is not None]

    # -- writing

    def count_write(self, size_bytes: int) -> None:
        """Count a write that is about to be made."""
        self.documents_written += 1
        self.bytes_written += size_bytes
        if self.documents_written > DOCUMENTS_WRITTEN_MAX:
            self.exceed(
                f"Too many writes in a single function execution (limit: {DOCUMENTS_WRITTEN_MAX}). {_SPLIT_ADVICE}"
            )
        if self.bytes_written > BYTES_WRITTEN_MAX:
            self.exceed(
                f"Too many bytes written in a single function execution "
                f"(limit: {BYTES_WRITTEN_MAX} bytes). {_SPLIT_ADVICE}"
            )

    # -- time

    def look_at_clock(self) -> float:
        self.timed = True
        return self.now_ms

    def passes(self, at_ms: float) -> bool:
        """Is now at or after an instant? If not, the answer changes then, and the result expires."""
        self.timed = True
        if self.now_ms < at_ms < self.expires:
            self.expires = at_ms
        return self.now_ms >= at_ms

    # -- limits

    def exceed(self, sentence: str) -> NoReturn:
        """Fail the run, whatever the app does with the exception."""
        self.fatal = LimitExceeded(sentence)
        raise self.fatal

    def warn_near_limits(self) -> None:
        """A log line for each limit that this run came close to."""
        # One comparison each in the usual case; a percentage would need a division.
        if self.documents_read > DOCUMENTS_READ_MAX * WARNING_SHARE:
            _warn("Many documents read", self.documents_read, DOCUMENTS_READ_MAX, _INDEX_ADVICE)
        if self.bytes_read > BYTES_READ_MAX * WARNING_SHARE:
            _warn("Many bytes read", self.bytes_read, BYTES_READ_MAX, _INDEX_ADVICE)
        if self.ranges_read > RANGES_READ_MAX * WARNING_SHARE:
            _warn("Many reads", self.ranges_read, RANGES_READ_MAX, _RANGE_ADVICE)
        if self.documents_written > DOCUMENTS_WRITTEN_MAX * WARNING_SHARE:
            _warn("Many writes", self.documents_written, DOCUMENTS_WRITTEN_MAX, _SPLIT_ADVICE)
        if self.bytes_written > BYTES_WRITTEN_MAX * WARNING_SHARE:
            _warn("Many bytes written", self.bytes_written, BYTES_WRITTEN_MAX, _SPLIT_ADVICE)


def _warn(what: str, actual: int, limit: int, advice: str) -> None:
    _log.warning("%s in a single function execution (actual: %d, limit: %d). %s", what, actual, limit, advice)
