"""
A run: one call against one snapshot, with all functions nested in it.

Here is everything that they share: what was read (the read set, and how much), what was
written, what the result depends on (time, identity), and the limits, which count over the
whole transaction. What a single function sees is `contexts.py` and `db.py`.

Reads are recorded for queries only: a mutation's are the database's business, and on a serial
writer nobody's.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from joelclaw.errors import LimitExceeded, Misuse
from joelclaw.functions.calls import INFINITY, SYSTEM_PREFIX, Call, Range
from joelclaw.functions.changes import Changes
from joelclaw.functions.hooks import Hooks
from joelclaw.limits import DEFAULT_LIMITS, WARNING_SHARE, setting
from joelclaw.schema.shapes import Stored
from joelclaw.store.protocol import Snapshot, Transaction

if TYPE_CHECKING:
    from joelclaw.functions.app import LoadedApp

SEED_BYTES: Final = 16

_INDEX_ADVICE: Final = (
    "Consider using smaller limits in your queries, paginating your queries, or using indexed queries"
)
_SPLIT_ADVICE: Final = "Consider splitting the work into several calls, each with a part of it"
_SCHEDULE_ADVICE: Final = "Consider scheduling one function that goes through the work and schedules itself again"
_RANGE_ADVICE: Final = "Consider reading ranges of an index instead of single documents"

_log = logging.getLogger("joelclaw.functions")


class Measure(NamedTuple):
    """Something that is counted over a run, and limited."""

    noun: str
    setting: str
    """The limit, by its name in `Limits`."""

    advice: str
    unit: str = ""

    def excess(self, limit: int) -> str:
        """The sentence about a run that went beyond."""
        return (
            f"Too many {self.noun} in a single function execution (limit: {limit}{self.unit}). "
            f"{self.advice}, or {setting(self.setting)}."
        )

    def warn(self, actual: int, limit: int) -> None:
        _log.warning(
            "Many %s in a single function execution (actual: %d%s, limit: %d%s). %s.",
            self.noun,
            actual,
            self.unit,
            limit,
            self.unit,
            self.advice,
        )


DOCUMENTS_READ: Final = Measure("documents read", "documents_read", _INDEX_ADVICE)
BYTES_READ: Final = Measure("bytes read", "bytes_read", _INDEX_ADVICE, " bytes")
RANGES_READ: Final = Measure("reads", "ranges_read", _RANGE_ADVICE)
DOCUMENTS_WRITTEN: Final = Measure("writes", "documents_written", _SPLIT_ADVICE)
BYTES_WRITTEN: Final = Measure("bytes written", "bytes_written", _SPLIT_ADVICE, " bytes")
SCHEDULED: Final = Measure("functions scheduled", "scheduled_per_mutation", _SCHEDULE_ADVICE)
SCHEDULED_BYTES: Final = Measure(
    "bytes of arguments of scheduled functions", "scheduled_args_bytes", _SCHEDULE_ADVICE, " bytes"
)


def too_deep(kind: str, limit: int) -> str:
    """The sentence about calls that are nested too deep."""
    return (
        f"{kind.capitalize()} call depth limit exceeded (limit: {limit}). Do you have an infinite loop in your app? "
        f"If not, {setting('call_depth')}."
    )


class Run:
    """What one transaction has seen, done and promised so far."""

    __slots__ = (
        "app",
        "bytes_read",
        "bytes_written",
        "call",
        "changes",
        "depth",
        "documents_read",
        "documents_written",
        "expires",
        "fatal",
        "fetched",
        "hooks",
        "journal_in",
        "journal_out",
        "limits",
        "now_ms",
        "personal",
        "random",
        "ranges_read",
        "reads",
        "scheduled",
        "scheduled_bytes",
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
        # The platform's own functions do the same work whatever an app is allowed.
        self.limits = DEFAULT_LIMITS if call.path.startswith(SYSTEM_PREFIX) else app.limits
        self.now_ms = call.now or hooks.clock()
        self.reads: list[Range | None] | None = [] if txn is None else None
        """Ranges looked at; None: nothing of it was. A range that is still being walked stands here whole."""

        self.changes = None if txn is None else Changes()
        """What is written while an index is walked."""

        self.documents_read = self.bytes_read = self.ranges_read = 0
        self.documents_written = self.bytes_written = 0
        self.scheduled = self.scheduled_bytes = 0
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
        if self.ranges_read > self.limits.ranges_read:
            self.exceed(RANGES_READ.excess(self.limits.ranges_read))
        if self.reads is None:
            return -1
        self.reads.append(read)
        return len(self.reads) - 1

    def count_read(self, documents: int, size_bytes: int) -> None:
        self.documents_read += documents
        self.bytes_read += size_bytes
        limits = self.limits
        if self.documents_read > limits.documents_read:
            self.exceed(DOCUMENTS_READ.excess(limits.documents_read))
        if self.bytes_read > limits.bytes_read:
            self.exceed(BYTES_READ.excess(limits.bytes_read))

    def read_set(self) -> list[Range]:
        """The ranges that were looked at, each once."""
        return [] if self.reads is None else [read for read in dict.fromkeys(self.reads) if read is not None]

    # -- writing

    def count_write(self, size_bytes: int) -> None:
        """Count a write that is about to be made."""
        self.documents_written += 1
        self.bytes_written += size_bytes
        limits = self.limits
        if self.documents_written > limits.documents_written:
            self.exceed(DOCUMENTS_WRITTEN.excess(limits.documents_written))
        if self.bytes_written > limits.bytes_written:
            self.exceed(BYTES_WRITTEN.excess(limits.bytes_written))

    def count_scheduled(self, args_bytes: int) -> None:
        """Count a function that is about to be scheduled with arguments of this size."""
        self.scheduled += 1
        self.scheduled_bytes += args_bytes
        limits = self.limits
        if self.scheduled > limits.scheduled_per_mutation:
            self.exceed(
                f"Too many functions scheduled by this mutation (limit: {limits.scheduled_per_mutation}). "
                f"{_SCHEDULE_ADVICE}, or {setting('scheduled_per_mutation')}."
            )
        if self.scheduled_bytes > limits.scheduled_args_bytes:
            self.exceed(
                f"Too large total size of the arguments of scheduled functions from this mutation "
                f"(actual: {self.scheduled_bytes} bytes, limit: {limits.scheduled_args_bytes} bytes). "
                f"{_SCHEDULE_ADVICE}, or {setting('scheduled_args_bytes')}."
            )

    @contextmanager
    def for_platform(self) -> Iterator[None]:
        """What the platform reads and writes inside, on behalf of a function, is not that function's to answer for."""
        kept = self.limits, self.documents_read, self.bytes_read, self.ranges_read
        written = self.documents_written, self.bytes_written
        self.limits = DEFAULT_LIMITS
        self.documents_read = self.bytes_read = self.ranges_read = 0
        self.documents_written = self.bytes_written = 0
        try:
            yield
        finally:
            self.limits, self.documents_read, self.bytes_read, self.ranges_read = kept
            self.documents_written, self.bytes_written = written

    # -- time

    def look_at_clock(self) -> float:
        self.timed = True
        return self.now_ms

    def passes(self, at_ms: float) -> bool:
        """Is now at or after an instant? If not, the answer changes then, and the result expires."""
        if at_ms != at_ms:
            raise Misuse("NaN is no instant: nothing is before or after it; look where it was computed")
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
        limits = self.limits
        # One comparison each in the usual case; a percentage would need a division.
        if self.documents_read > limits.documents_read * WARNING_SHARE:
            DOCUMENTS_READ.warn(self.documents_read, limits.documents_read)
        if self.bytes_read > limits.bytes_read * WARNING_SHARE:
            BYTES_READ.warn(self.bytes_read, limits.bytes_read)
        if self.ranges_read > limits.ranges_read * WARNING_SHARE:
            RANGES_READ.warn(self.ranges_read, limits.ranges_read)
        if self.documents_written > limits.documents_written * WARNING_SHARE:
            DOCUMENTS_WRITTEN.warn(self.documents_written, limits.documents_written)
        if self.bytes_written > limits.bytes_written * WARNING_SHARE:
            BYTES_WRITTEN.warn(self.bytes_written, limits.bytes_written)
        if self.scheduled > limits.scheduled_per_mutation * WARNING_SHARE:
            SCHEDULED.warn(self.scheduled, limits.scheduled_per_mutation)
        if self.scheduled_bytes > limits.scheduled_args_bytes * WARNING_SHARE:
            SCHEDULED_BYTES.warn(self.scheduled_bytes, limits.scheduled_args_bytes)
