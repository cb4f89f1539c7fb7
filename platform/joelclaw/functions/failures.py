"""
Failures: what an exception looks like to clients and in the log.

The message is the exception's class and text, behind `Uncaught`, as clients know it. What was
refused before or after the app's code ran (arguments, results, unknown functions) has words
of its own. The frames are those of the user's files, innermost first: ours say nothing to
whoever reads them.
"""

import os
import sys
from collections.abc import Iterator
from types import CodeType, TracebackType
from typing import Any, Final

import msgspec

from joelclaw.errors import AppError, BadValue, CallFailed, Interrupted, InvalidCursor, PlatformError
from joelclaw.functions.calls import Failure
from joelclaw.functions.nested import levels_of
from joelclaw.limits import setting
from joelclaw.values.int64 import Int64
from joelclaw.values.wire import Value, from_json, to_json

MESSAGE_LENGTH_MAX: Final = 65_536
FRAMES_MAX: Final = 50
"""Of an endless recursion the innermost are enough."""

_OURS: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_INSTALLED: Final = tuple({os.path.abspath(prefix) + os.sep for prefix in (sys.prefix, sys.base_prefix)})


class Told:
    """A failure that an action got from a function it called; kept on the exception that it became."""

    ATTRIBUTE: Final = "_joelclaw_told"

    def __init__(self, message: str, frames: str) -> None:
        self.message = message
        self.frames = frames

    @classmethod
    def of(cls, error: BaseException) -> "Told | None":
        # Not getattr: an app's exception may answer to any name.
        told: Told | None = vars(error).get(cls.ATTRIBUTE)
        return told

    def attach(self, error: BaseException) -> None:
        setattr(error, self.ATTRIBUTE, self)


def failure_of(error: BaseException, root: str, *, in_app: bool) -> Failure:
    """What is told of an exception. `in_app`: it came out of the app's code, not from what surrounds it."""
    try:
        return _failure_of(error, root, in_app)
    except BaseException as problem:  # Whoever looks at an app's exception runs the app's code.
        return Failure(message=f"Uncaught exception that cannot be shown: {type(problem).__name__}")


def _failure_of(error: BaseException, root: str, in_app: bool) -> Failure:
    told = Told.of(error)
    frames = _frames(error.__traceback__, root)
    if told is not None and told.frames:
        frames = f"{told.frames}\n{frames}" if frames else told.frames
    if isinstance(error, AppError):
        return _failure_of_app_error(error, told, frames)
    message = _text(error)
    if in_app and not isinstance(error, (Interrupted, InvalidCursor)):
        message = f"Uncaught {message}" if _names_itself(error) else f"Uncaught {type(error).__name__}: {message}"
    # An attribute that is ours on our errors may be anything on an app's.
    public = isinstance(error, PlatformError) and error.public
    if isinstance(error, CallFailed):
        public = error.failure_public
    return Failure(
        message=_cut(message),
        frames=frames,
        data=msgspec.json.encode(error.data) if isinstance(error, InvalidCursor) else None,
        code=error.code if isinstance(error, (PlatformError, Interrupted)) else "internal",
        public=public,
    )


def _failure_of_app_error(error: AppError, told: Told | None, frames: str) -> Failure:
    # Clients know the class by its name there; a subclass is known by its own.
    name = "ConvexError" if type(error) is AppError else type(error).__name__
    try:
        data = to_json(error.data)
    except BadValue as problem:
        return Failure(message=_cut(f"Uncaught {name}: its data is no wire value: {problem}"), frames=frames)
    text = _data_text(from_json(data)) if told is None else told.message
    message = f"Uncaught {name}: " * (levels_of(error) + 1) + text
    return Failure(message=_cut(message), frames=frames, data=msgspec.json.encode(data), code="app_error", public=True)


def _names_itself(error: BaseException) -> bool:
    return isinstance(error, PlatformError) and error.code in ("arguments_refused", "result_refused")


def _text(error: BaseException) -> str:
    if type(error) is MemoryError and not error.args:  # As the interpreter raises it: without a word.
        return f"the process may hold no more; work on less at a time, or {setting('isolate_memory_mb')}"
    try:
        return str(error)
    except BaseException:  # An app's `__str__` is app code as well.
        return "(its text cannot be shown)"


def _cut(text: str) -> str:
    """No longer than allowed, and text that UTF-8 can write: a file's name may hold half a surrogate pair."""
    return text[:MESSAGE_LENGTH_MAX].encode("utf-8", "backslashreplace").decode()[:MESSAGE_LENGTH_MAX]


def _data_text(data: Value) -> str:
    return data if isinstance(data, str) else msgspec.json.encode(_shown(data)).decode()


def _shown(data: Value) -> Any:
    """Data as JavaScript's JSON.stringify would print it, with `5n` for an int64."""
    if isinstance(data, Int64):
        return f"{data}n"
    if isinstance(data, float) and data.is_integer() and abs(data) < 2**53:
        return int(data)
    if isinstance(data, list):
        return [_shown(item) for item in data]
    if isinstance(data, dict):
        return {name: _shown(item) for name, item in data.items()}
    return data


def _frames(traceback: TracebackType | None, root: str) -> str:
    frames = list(_user_frames(traceback, root))[-FRAMES_MAX:]
    return _cut("\n".join(reversed(frames)))


def _user_frames(traceback: TracebackType | None, root: str) -> Iterator[str]:
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if is_users(code, root):
            file = os.path.relpath(code.co_filename, root).replace(os.sep, "/")
            yield f"    at {code.co_qualname} ({file}:{traceback.tb_lineno})"
        traceback = traceback.tb_next


def is_users(code: CodeType, root: str) -> bool:
    """The code stands in a file of the user's, not in one of ours or of an installed library."""
    file = code.co_filename
    return (
        file.startswith(root + os.sep)
        and not file.startswith(_OURS)
        and not file.startswith(_INSTALLED)
        and f"{os.sep}site-packages{os.sep}" not in file
    )
