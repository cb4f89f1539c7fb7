"""
Wording: what clients are told when a run fails, and what they are not.

    [Request ID: 0123456789abcdef] Server Error
    Uncaught ValueError: no such room
        at send (app_functions/chat.py:12)

A production deployment keeps everything below the first line to itself, and log lines too,
but not from administrators, and not what was meant for the caller in the first place: the
data of an `AppError`, refused arguments, functions that do not exist.

Each failure that is worded is also reported under its request id, so that what a user quotes
can be found in the log.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from random import Random

import msgspec

from joelclaw.engine.asker import Asker
from joelclaw.engine.results import REQUEST_ID_LENGTH
from joelclaw.functions.calls import Failure

Report = Callable[[str, str, Failure], None]
"""Told of each failure that reaches a client: request id, function path, the failure itself."""

_write = msgspec.json.Encoder().encode


def json_text(value: object) -> str:
    """A string, or a list of strings, as JSON text. Half surrogate pairs, which are no characters, become '?'."""
    try:
        return _write(value).decode()
    except UnicodeEncodeError:
        return _write(_whole_characters(value)).decode()


def _whole_characters(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    assert isinstance(value, list)
    return [_whole_characters(item) for item in value]


_numbers = Random()
"""Not of the system's: an id in a log is no secret, and one is made for each request."""


def random_request_id() -> str:
    """For calls that carry no number of their own."""
    return f"{_numbers.getrandbits(4 * REQUEST_ID_LENGTH):0{REQUEST_ID_LENGTH}x}"


def request_id_of(session_id: str, request: int) -> str:
    """The same for a call that is sent again: it is one call, and one id in the log."""
    return sha256(f"{session_id}|{request}".encode()).hexdigest()[:REQUEST_ID_LENGTH]


class Wording:
    """How one deployment words failures."""

    def __init__(self, *, development: bool, report: Report) -> None:
        self.development = development
        self._report = report

    def tells_all(self, asker: Asker) -> bool:
        """Whether this asker may see messages, tracebacks and log lines."""
        return self.development or asker.admin

    def message(self, failure: Failure, path: str, request_id: str, *, tell_all: bool) -> str:
        """The error message of a failed call, which is reported by this."""
        self._report(request_id, path, failure)
        lines = [f"[Request ID: {request_id}] Server Error"]
        if tell_all or failure.public:
            lines.append(failure.message)
        if tell_all and failure.frames:
            lines.append(failure.frames)
        return "\n".join(lines)


def failure_fields(failure: Failure) -> str:
    """`,"errorData":...` for the application's own errors, nothing for others: there it would mean data of null."""
    return "" if failure.data is None else f',"errorData":{failure.data.decode()}'


def log_lines_text(lines: Sequence[str], *, tell_all: bool) -> str:
    """The value of `logLines`, which no message may lack."""
    return json_text(list(lines)) if lines and tell_all else "[]"
