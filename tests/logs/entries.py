"""Builders: entries of the log, and outcomes of runs that leave some."""

from typing import Any

from joelclaw.functions.calls import Failure, Outcome
from joelclaw.logs.entries import Entry

DAY_US = 86_400_000_000


def entry(id: int, function: str = "notes:add", **fields: Any) -> Entry:
    defaults: dict[str, Any] = {"kind": "mutation", "caller": "HttpApi", "request_id": f"{id:016x}"}
    return Entry(id=id, function=function, **(defaults | fields))


def said(*lines: str) -> Outcome:
    """Of a run that succeeded."""
    return Outcome(log_lines=list(lines), ran_for_ms=1.5)


def failed(message: str = "Uncaught ValueError: boom", *lines: str) -> Outcome:
    return Outcome(
        failure=Failure(message=message, frames="    at f (app_functions/f.py:1)"),
        log_lines=list(lines),
        ran_for_ms=1.5,
    )
