"""
Every error that we raise on purpose.

    PlatformError
    ├── BadValue              data that has no place on the wire, or broke a rule of it
    │   └── Int64Overflow     an Int64 outside 64 bits (an OverflowError, too)
    ├── BadId                 text that is no document id
    ├── BadPath               text that is no function path
    ├── BadTimestamp          text that is no commit timestamp
    └── BadDuration           a duration without unit, negative, or misspelt

    PlatformError, in functions
    ├── AppRefused            an app cannot be loaded; every problem there is
    ├── FunctionNotFound      no such function, or none that the caller may know of
    ├── WrongKind             a query called as a mutation, and so on
    ├── ArgumentsRefused      arguments do not fit a function's types
    ├── ResultRefused         a result does not fit its function's annotation
    ├── Misuse                app code used an API in a way it does not have
    ├── DocumentNotFound      `require`, `patch`, ... of a document that does not exist
    ├── NotSignedIn           a user is needed and nobody is signed in
    ├── UserNotFound          somebody is signed in, but has no document yet
    ├── InvalidCursor         a cursor of another query; clients begin again
    ├── LimitExceeded         a function read, wrote or called too much
    └── CallFailed            in actions: a function that was called has failed

    PlatformError, around a deployment
    ├── ConfigRefused         joelclaw.toml cannot be read, or says what it may not
    └── CommandFailed         a command of the command line cannot do what it was asked

    AppError                  an app's own refusal, with data for its client
    Interrupted               a BaseException: the isolate stops a run; nobody may swallow it
    ├── FunctionTimedOut      a query or mutation ran longer than one may
    └── EffectRefused         a query or mutation did what only an action may: network, files, threads, ...

An error holds facts; its sentence is made of them and ends with what to do. Facts are also
the constructor's arguments, so that errors survive pickling.

`AppError` stands apart on purpose: it is the app's word, not ours, and `except PlatformError`
must not swallow it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from joelclaw.functions.manifest import Problem


class PlatformError(Exception):
    """Everything we raise on purpose. Catch this to catch all of it."""

    code: ClassVar[str] = "internal"  # Clients branch on it: a rename is a breaking change.
    public: ClassVar[bool] = False  # May `str(error)` leave the server?


class BadValue(PlatformError):
    """A value cannot travel, or what arrived is none. `path` tells where in it: `.rooms[3].name`."""

    code = "bad_value"
    public = True

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason

    def inside(self, step: str) -> "BadValue":
        """The same problem, seen from the container around it: `step` is `.name` or `[3]`."""
        return BadValue(step + self.path, self.reason)


class Int64Overflow(BadValue, OverflowError):
    """A number that an `Int64` cannot hold. Nothing was made of it."""

    code = "int64_overflow"

    def __init__(self, value: int) -> None:
        super().__init__("", f"{_shortened(value)} does not fit into a signed 64-bit integer")
        self.args = (value,)
        self.value = value


class BadId(PlatformError):
    """Text that is no document id: wrong length, letter or checksum."""

    code = "bad_id"
    public = True

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"Unable to decode ID: {_quoted(self.text)} is not a document id; pass one as the server gave it"


class BadPath(PlatformError):
    """Text that names no function."""

    code = "bad_path"
    public = True

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{_quoted(self.path)} is not a function path: {self.reason}; write it as 'folder/module:function'"


class BadTimestamp(PlatformError):
    """Text that is no commit timestamp in the form clients send it."""

    code = "bad_timestamp"
    public = True

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"{_quoted(self.text)} is not a timestamp: expected the base64 of 8 little-endian bytes"


class BadDuration(PlatformError):
    """A duration that says no unit, is negative, or cannot be read."""

    code = "bad_duration"
    public = True

    def __init__(self, duration: object, reason: str) -> None:
        super().__init__(duration, reason)
        self.duration = duration
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.duration!r} is not a duration: {self.reason}; write '30s', '15m', '1h30m', or a timedelta"


class AppRefused(PlatformError):
    """The user's files cannot be loaded as an app. `problems` holds everything that is wrong, in order of place."""

    code = "app_refused"

    def __init__(self, problems: "Sequence[Problem]") -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class FunctionNotFound(PlatformError):
    """
    There is no such function, or none that this caller may know of: both read alike.

    `path` is the canonical path, so that the two cannot be told apart by their spelling either.
    """

    code = "function_not_found"
    public = True

    def __init__(self, path: str, administrator: bool = False) -> None:
        super().__init__(path, administrator)
        self.path = path
        self.administrator = administrator

    def __str__(self) -> str:
        public = "" if self.administrator else "public "
        return f"Could not find {public}function for '{self.path}'. Did you forget to run `joelclaw dev`?"


class WrongKind(PlatformError):
    """A function was called as something that it is not."""

    code = "wrong_kind"
    public = True

    def __init__(self, path: str, called_as: str, kind: str) -> None:
        super().__init__(path, called_as, kind)
        self.path = path
        self.called_as = called_as
        self.kind = kind

    def __str__(self) -> str:
        return (
            f"Trying to execute {self.path} as {self.called_as.capitalize()}, "
            f"but it is defined as {self.kind.capitalize()}."
        )


class ArgumentsRefused(PlatformError):
    """Arguments do not fit a function's types; it did not start."""

    code = "arguments_refused"
    public = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"ArgumentValidationError: {self.reason}"


class ResultRefused(PlatformError):
    """A result does not fit its function's annotation. A mutation's writes are undone."""

    code = "result_refused"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"ReturnsValidationError: {self.reason} (the result of {self.path})"


class Misuse(PlatformError):
    """App code asked for something that the API does not have. The sentence says what to write instead."""

    code = "misuse"


class DocumentNotFound(PlatformError):
    """A document that has to exist does not. Nothing was written."""

    code = "document_not_found"

    def __init__(self, action: str, id: str) -> None:
        super().__init__(action, id)
        self.action = action
        self.id = id

    def __str__(self) -> str:
        return f"{self.action} nonexistent document ID {self.id}"


class NotSignedIn(PlatformError):
    """The function needs to know who asks, and nobody is signed in."""

    code = "not_signed_in"
    public = True

    def __str__(self) -> str:
        return "Nobody is signed in; sign in and call again"


class UserNotFound(PlatformError):
    """Somebody is signed in, but the app's table has no document for them."""

    code = "user_not_found"
    public = True

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.table = table

    def __str__(self) -> str:
        return f"The table {self.table} has no document for who is signed in; insert one when they first arrive"


class InvalidCursor(PlatformError):
    """A page was asked for with a cursor of another query. Clients know `data` and begin again with the first page."""

    code = "invalid_cursor"
    public = True
    data: ClassVar[dict[str, object]] = {"isConvexSystemError": True, "paginationError": "InvalidCursor"}

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"InvalidCursor: Tried to run a query starting from a cursor, but {self.reason}"


class LimitExceeded(PlatformError):
    """A function read, wrote or called more than one may. The run fails even if the app catches this."""

    code = "limit_exceeded"
    public = True


class CallFailed(PlatformError):
    """A function that an action called has failed, other than with an `AppError`. The message is the failure's own."""

    code = "call_failed"

    def __init__(self, message: str, failure_code: str, public: bool) -> None:
        super().__init__(message, failure_code, public)
        self.failure_code = failure_code
        self.failure_public = public

    def __str__(self) -> str:
        return str(self.args[0])


class ConfigRefused(PlatformError):
    """The declaration of a deployment cannot be used. `line` is None for what concerns the whole file."""

    code = "config_refused"

    def __init__(self, file: str, line: int | None, reason: str) -> None:
        super().__init__(file, line, reason)
        self.file = file
        self.line = line
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.file} {self.reason}" if self.line is None else f"{self.file}:{self.line}: {self.reason}"


class CommandFailed(PlatformError):
    """A command cannot do what it was asked, for a reason outside of it. The sentence says what to do."""

    code = "command_failed"


class Interrupted(BaseException):
    """
    The isolate stops a run: its time is over, or it did what only an action may.

    Not an `Exception`, so that `except Exception` in an app does not swallow it; the run fails
    even where something did.
    """

    code: ClassVar[str] = "interrupted"


class FunctionTimedOut(Interrupted):
    """A query or mutation ran longer than one may. A mutation's writes are undone."""

    code = "function_timed_out"

    def __init__(self, limit_s: float) -> None:
        super().__init__(limit_s)
        self.limit_s = limit_s

    def __str__(self) -> str:
        return f"Function execution timed out (maximum duration: {self.limit_s:g}s)"


class EffectRefused(Interrupted):
    """A query or mutation reached out of its transaction, which may be repeated. Nothing was done."""

    code = "effect_refused"

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"Can't use {self.what} in queries and mutations. Please consider using an action."


class AppError(Exception):
    """
    An app's refusal. Its client receives it as a `ConvexError` with this data; a mutation is undone.

    `data` is any wire value: a sentence, or an object that the client's code looks into.
    """

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        self.data = data


def _quoted(text: str, length_max: int = 80) -> str:
    """Somebody else's text inside our sentence: repr'd, and never a megabyte of it."""
    return repr(text) if len(text) <= length_max else f"{text[:length_max]!r}..."


def _shortened(value: int) -> str:
    # Decimal digits of a huge integer cost quadratic time, and Python refuses beyond 4300 of them.
    return str(value) if value.bit_length() <= 256 else f"an integer of {value.bit_length()} bits"
