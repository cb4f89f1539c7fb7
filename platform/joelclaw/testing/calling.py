"""
From a function and its arguments to a call, and from what it left to a result or an exception.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from joelclaw.engine.asker import Asker
from joelclaw.errors import AppError, CallFailed, CallRefused, PlatformError
from joelclaw.functions.app import LoadedApp
from joelclaw.functions.calls import Failure
from joelclaw.functions.decorators import Function
from joelclaw.functions.manifest import FunctionKind
from joelclaw.values import wire
from joelclaw.values.paths import normalise


class Addressed(NamedTuple):
    """A call that is ready to be made."""

    path: str
    args: bytes
    asker: Asker
    decode: Callable[[bytes], Any]
    """The result, as the function returned it; of a path, as wire values."""


def address(
    app: LoadedApp,
    fn: "Function | str",
    kind: FunctionKind,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    asker: Asker,
) -> Addressed:
    """
    Raises:
        CallFailed: The arguments do not fit the function.
        Misuse: It is no function of the app.
    """
    if isinstance(fn, str):
        if args:
            raise TypeError("a function that is called by its path takes keywords, with their names on the wire")
        return Addressed(normalise(fn), wire.encode(dict(kwargs)), asker, wire.decode)
    loaded = app.function_of(fn, kind)
    try:
        encoded = loaded.encode_arguments(args, kwargs)
    except PlatformError as error:
        raise CallFailed(str(error), error.code, error.public) from None
    return Addressed(loaded.path, encoded, asker, loaded.decode_result)


def failed(failure: Failure) -> Exception:
    """What a call failed with, as an exception; where in the app that was, is noted on it."""
    error: Exception
    if failure.data is not None and failure.code == "app_error":
        error = AppError(wire.decode(failure.data))
    elif failure.code == "function_not_found":
        error = CallRefused(failure.message, failure.code, failure.public)
    else:
        error = CallFailed(failure.message, failure.code, failure.public)
    if failure.frames:
        error.add_note(failure.frames)
    return error
