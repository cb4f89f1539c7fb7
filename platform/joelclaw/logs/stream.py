"""
The log as clients see it: entries in the form that the official command line and dashboard read.

Two forms. The stream of functions' logs tells an action's lines while it runs and leaves them out
when it is over; the stream of executions tells each run once, whole. Timestamps of runs are in
seconds, those of lines in milliseconds: that is the clients' form.

A cursor is an entry's id in milliseconds, a number that clients hand back as they got it.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from joelclaw.logs.entries import Entry, split

_KINDS: Final = {"query": "Query", "mutation": "Mutation", "action": "Action", "http_action": "HttpAction"}

_encode = msgspec.json.Encoder().encode


def cursor_of(id: int) -> float:
    return id / 1_000


def id_of(cursor: float) -> int:
    return round(cursor * 1_000)


def function_logs(entries: Sequence[Entry], new_cursor: float) -> bytes:
    """The answer of `stream_function_logs`."""
    return _encode({"entries": [_log_entry(entry) for entry in entries], "newCursor": new_cursor})


def executions(entries: Sequence[Entry], new_cursor: float) -> bytes:
    """The answer of `stream_udf_execution`."""
    described = [_completion(entry, entry.lines) for entry in entries if entry.over]
    return _encode({"entries": described, "newCursor": new_cursor})


def _log_entry(entry: Entry) -> dict[str, Any]:
    lines = [_line(line, at_ms) for line, at_ms in _timed(entry)][entry.told :]
    if entry.over:
        return _completion(entry, lines)
    return {"kind": "Progress", **_common(entry), "logLines": lines}


def _common(entry: Entry) -> dict[str, Any]:
    return {
        "udfType": _KINDS[entry.kind],
        "componentPath": None,
        "identifier": entry.function,
        "timestamp": entry.at_ms / 1_000,
        "requestId": entry.request_id,
        "executionId": entry.execution_id or f"{entry.id:016x}",
    }


def _completion(entry: Entry, lines: Sequence[Any]) -> dict[str, Any]:
    status = None if entry.status is None else {"status": str(entry.status)}
    return {
        "kind": "Completion",
        **_common(entry),
        "executionTime": entry.took_ms / 1_000,
        "success": status,
        "error": _error_of(entry),
        "cachedResult": False,
        "caller": entry.caller,
        "usageStats": {},
        "logLines": lines,
    }


def _error_of(entry: Entry) -> str | None:
    if entry.code is None:
        return None
    return f"{entry.error}\n{entry.frames}" if entry.frames else entry.error


def _timed(entry: Entry) -> list[tuple[str, float]]:
    times = entry.times or [entry.at_ms] * len(entry.lines)
    return list(zip(entry.lines, times, strict=True))


def _line(line: str, at_ms: float) -> dict[str, Any]:
    level, text = split(line)
    return {"messages": [text], "level": level, "timestamp": int(at_ms), "isTruncated": False}
