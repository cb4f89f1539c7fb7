"""
The log as clients see it: entries in the form that the official command line and dashboard read.

Two forms. The stream of functions' logs tells an action's lines while it runs and leaves them out
when it is over; the stream of executions tells each run once, whole. Moments of runs are in
seconds, those of lines in milliseconds: that is the clients' form.

A cursor is an entry's id in milliseconds, a number that clients hand back as they got it.
"""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from joelclaw.logs.entries import LEVELS, Entry, level_of

UdfType: TypeAlias = Literal["Query", "Mutation", "Action", "HttpAction"]

_TYPES: Final[dict[str, UdfType]] = {
    "query": "Query",
    "mutation": "Mutation",
    "action": "Action",
    "http_action": "HttpAction",
}


class Line(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One log line."""

    messages: list[str]
    level: str
    timestamp: int
    is_truncated: bool = False


class Status(msgspec.Struct, frozen=True):
    """What an HTTP action answered."""

    status: str


class _Told(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="kind"):
    udf_type: UdfType
    identifier: str
    timestamp: float
    request_id: str
    execution_id: str
    log_lines: list[Line]
    component_path: None = None


class Progress(_Told, frozen=True, kw_only=True, rename="camel", tag="Progress"):
    """Lines of an action that runs."""


class Completion(_Told, frozen=True, kw_only=True, rename="camel", tag="Completion"):
    """A run that is over."""

    execution_time: float
    caller: str
    success: Status | None = None
    error: str | None = None
    cached_result: bool = False
    usage_stats: dict[str, float] = {}


class Batch(msgspec.Struct, frozen=True, rename="camel"):
    """One answer."""

    entries: list[Progress | Completion]
    new_cursor: float


def cursor_of(id: int) -> float:
    return id / 1_000


def id_of(cursor: float) -> int:
    return round(cursor * 1_000)


def function_logs(entries: Sequence[Entry], newest_id: int) -> Batch:
    """What `stream_function_logs` answers."""
    return Batch([told(entry) for entry in entries], cursor_of(newest_id))


def executions(entries: Sequence[Entry], newest_id: int) -> Batch:
    """What `stream_udf_execution` answers."""
    return Batch([told(entry, whole=True) for entry in entries if entry.over], cursor_of(newest_id))


def told(entry: Entry, *, whole: bool = False) -> Progress | Completion:
    """An entry as clients read it; `whole`: with lines that were told while it ran."""
    times = entry.times or [entry.at_ms] * len(entry.lines)
    lines = [_line(line, at_ms) for line, at_ms in zip(entry.lines, times, strict=True)][0 if whole else entry.told :]
    if not entry.over:
        return Progress(
            udf_type=_TYPES[entry.kind],
            identifier=entry.function,
            timestamp=entry.at_ms / 1_000,
            request_id=entry.request_id,
            execution_id=entry.execution_id,
            log_lines=lines,
        )
    return Completion(
        udf_type=_TYPES[entry.kind],
        identifier=entry.function,
        timestamp=entry.at_ms / 1_000,
        request_id=entry.request_id,
        execution_id=entry.execution_id or f"{entry.id:016x}",
        log_lines=lines,
        execution_time=entry.took_ms / 1_000,
        caller=entry.caller,
        success=None if entry.status is None else Status(str(entry.status)),
        error=_error_of(entry),
    )


def _error_of(entry: Entry) -> str | None:
    if entry.code is None:
        return None
    return f"{entry.error}\n{entry.frames}" if entry.frames else entry.error


def _line(line: str, at_ms: float) -> Line:
    level = LEVELS[level_of(line)]
    return Line(messages=[line.removeprefix(f"[{level}] ")], level=level, timestamp=int(at_ms))
