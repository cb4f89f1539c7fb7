"""
Logs: what a function prints and logs becomes the log lines of its call.

`print`, `logging`, `structlog` and `warnings` end here, each line as `[LEVEL] text`, the form
that clients show. The call that runs is a context variable, so that actions running side by
side keep their lines apart, and their tasks and `to_thread` workers find the right one.
What is said outside of calls, while modules are imported for instance, goes to the process's
standard error.
"""

import io
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, Literal, TextIO, TypeAlias

from joelclaw.limits import DEFAULT_LIMITS, Limits

Level: TypeAlias = Literal["DEBUG", "INFO", "LOG", "WARN", "ERROR"]


class CallLog:
    """The lines of one call, in order, those of calls nested in it included."""

    __slots__ = ("_line_bytes_max", "_lines_max", "_unfinished", "lines")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._lines_max = limits.log_lines
        self._line_bytes_max = limits.log_line_bytes
        self.lines: list[str] = []
        self._unfinished: dict[Level, io.StringIO] = {}

    def add(self, level: Level, text: str) -> None:
        """One line; it may hold line breaks."""
        self.append(_cut(f"[{level}] {text}", self._line_bytes_max))

    def append(self, line: str) -> None:
        """A line that has its level, as those of a call that this one made."""
        if len(self.lines) < self._lines_max:
            self.lines.append(line)
        elif len(self.lines) == self._lines_max:
            self.lines.append(f"[ERROR] Log overflow (maximum {self._lines_max}). Remaining log lines omitted.")

    def write(self, level: Level, text: str) -> None:
        """A piece of a line, as `print` writes them: the line ends with the piece that ends with a line break."""
        line = self._unfinished.setdefault(level, io.StringIO())
        # What will be cut off anyway is not collected: a line that never ends must not fill the memory.
        if line.tell() <= self._line_bytes_max:
            line.write(text)
        if text.endswith("\n"):
            self._end_line(level)

    def finish(self) -> list[str]:
        """All lines. A last one without line break counts."""
        for level in list(self._unfinished):
            self._end_line(level)
        return self.lines

    def _end_line(self, level: Level) -> None:
        self.add(level, self._unfinished.pop(level).getvalue().removesuffix("\n"))


log_of_call: ContextVar[CallLog | None] = ContextVar("log_of_call", default=None)


def capture() -> None:
    """Lead everything that is printed and logged in this process to the calls that say it."""
    sys.stdout = _Stream("LOG")
    sys.stderr = _Stream("ERROR")
    # Before the app is imported: its `logging.basicConfig()` then leaves our handler alone.
    logging.root.addHandler(_Handler())
    logging.root.setLevel(logging.INFO)
    warnings.showwarning = _show_warning


@contextmanager
def captured() -> Iterator[None]:
    """As `capture`, but only in the block, and what is said outside of calls goes where it went before."""
    stdout, stderr, show_warning, level = sys.stdout, sys.stderr, warnings.showwarning, logging.root.level
    handler = _Handler()
    handler.addFilter(lambda _: log_of_call.get() is not None)
    sys.stdout, sys.stderr = _Stream("LOG", stdout), _Stream("ERROR", stderr)
    logging.root.addHandler(handler)
    logging.root.setLevel(min(level or logging.INFO, logging.INFO))
    warnings.showwarning = lambda *what: (show_warning if log_of_call.get() is None else _show_warning)(*what)
    capture_structlog()
    try:
        yield
    finally:
        sys.stdout, sys.stderr, warnings.showwarning = stdout, stderr, show_warning
        logging.root.removeHandler(handler)
        logging.root.setLevel(level)


def capture_structlog() -> None:
    """If the app has imported structlog and left it as it comes, lead that here, too."""
    structlog = sys.modules.get("structlog")
    if structlog is not None and not structlog.is_configured():
        processors = [structlog.contextvars.merge_contextvars, structlog.processors.format_exc_info, _rendered]
        structlog.configure(processors=processors, logger_factory=lambda *_: _StructlogEnd())


def say(level: Level, text: str) -> None:
    """A line for the call that runs; for standard error, if none does."""
    log = log_of_call.get()
    if log is not None:
        log.add(level, text)
    else:
        _write_outside(f"[{level}] {text}\n")


def _write_outside(text: str) -> None:
    if sys.__stderr__ is not None:
        with suppress(OSError):  # Who listened to us may have gone.
            sys.__stderr__.write(text)


def _cut(line: str, bytes_max: int) -> str:
    if line.isascii() and len(line) <= bytes_max:
        return line
    # Lone surrogates have no place in UTF-8 and must not fail the call.
    return line.encode("utf-8", "backslashreplace")[:bytes_max].decode("utf-8", "ignore")


class _Stream(io.TextIOBase):
    """`sys.stdout` and `sys.stderr`."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, level: Level, outside: TextIO | None = None) -> None:
        self._level: Level = level
        self._outside = outside
        """Takes what belongs to no call; None: the process's standard error."""

    @property
    def buffer(self) -> Any:
        """For who writes bytes: they belong to no call."""
        return sys.__stderr__ and sys.__stderr__.buffer

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        log = log_of_call.get()
        if log is not None:
            log.write(self._level, text)
        elif self._outside is not None:
            self._outside.write(text)
        else:
            _write_outside(text)
        return len(text)


class _Handler(logging.Handler):
    """The root logger's."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:  # A log call with the wrong arguments: tell it, as the standard handlers do.
            self.handleError(record)
            return
        say(_level(record.levelno), text)


def _level(number: int) -> Level:
    if number >= logging.ERROR:
        return "ERROR"
    if number >= logging.WARNING:
        return "WARN"
    return "INFO" if number >= logging.INFO else "DEBUG"


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    say("WARN", f"{category.__name__}: {message} ({filename}:{lineno})")


def _rendered(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    exception = event.pop("exception", None)
    text = str(event.pop("event", ""))
    pairs = "".join(f" {name}={value!r}" for name, value in event.items())
    return f"{text}{pairs}" + (f"\n{exception}" if exception else "")


_STRUCTLOG_LEVELS: Final[dict[str, Level]] = {
    "debug": "DEBUG",
    "warn": "WARN",
    "warning": "WARN",
    "error": "ERROR",
    "exception": "ERROR",
    "critical": "ERROR",
    "fatal": "ERROR",
}


class _StructlogEnd:
    """Where structlog hands over rendered text, by calling the level's method."""

    def __getattr__(self, method: str) -> Callable[[str], None]:
        return partial(say, _STRUCTLOG_LEVELS.get(method, "INFO"))
