"""
The guard: queries and mutations stay inside their transaction.

A transaction may be repeated, so a function in it must not reach out: no network, no other
processes, no threads, no changed files, no sleeping. CPython announces all of these to audit
hooks before they happen, and an exception from a hook prevents them. The hook is installed
once, cannot be removed, and looks only while user code runs (`armed`).

It raises `EffectRefused`, a BaseException, and remembers it: the run fails even if the
function swallows the exception.

An import inside a function may do what it would have done at the top of the file, for it runs
once, not once a call: modules of well-known libraries open sockets while they are imported.

It keeps honest code honest. It is no sandbox: what hides in C or digs in our modules gets by.
"""

import _posixsubprocess
import _thread
import os
import signal
import sys
import threading
import time
from functools import wraps
from types import FrameType, ModuleType
from typing import Any, Final

from joelclaw.errors import EffectRefused

_OPENS_FOR_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_NAMESPACES: Final = frozenset({"socket", "subprocess", "shutil", "tempfile", "pty", "ftplib", "smtplib", "webbrowser"})
"""Audit events `socket.connect`, `socket.bind`, ... of modules that have nothing for a transaction."""

_EVENTS: Final = frozenset(
    {
        "_thread.start_joinable_thread",
        "_thread.start_new_thread",
        "_posixsubprocess.fork_exec",
        "http.client.connect",
        "http.client.send",
        "os.chdir",
        "os.chflags",
        "os.chmod",
        "os.chown",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.kill",
        "os.killpg",
        "os.link",
        "os.lockf",
        "os.mkdir",
        "os.mkfifo",
        "os.mknod",
        "os.posix_spawn",
        "os.putenv",
        "os.remove",
        "os.removexattr",
        "os.rename",
        "os.rmdir",
        "os.setxattr",
        "os.spawn",
        "os.startfile",
        "os.symlink",
        "os.system",
        "os.truncate",
        "os.unsetenv",
        "os.utime",
        "resource.prlimit",
        "resource.setrlimit",
        "signal.alarm",
        "signal.pthread_kill",
        "signal.setitimer",
        "signal.signal",
        "sqlite3.connect",
        "time.sleep",
        "urllib.Request",
    }
)

_WORDS: Final = {
    "_posixsubprocess.fork_exec": "other processes",
    "_thread.start_joinable_thread": "threads",
    "_thread.start_new_thread": "threads",
    "http.client.connect": "the network (http.client)",
    "http.client.send": "the network (http.client)",
    "os.putenv": "os.environ for writing",
    "os.unsetenv": "os.environ for writing",
    "socket.__new__": "the network (socket.socket())",
    "urllib.Request": "the network (urllib.request)",
}
"""What an author would call it, where that is not the event's own name."""


class Guard:
    """The process's only one: a hook stays for good."""

    def __init__(self) -> None:
        self.armed = False
        self.violation: EffectRefused | None = None
        self._thread = _thread.get_ident()

    def install(self) -> None:
        if sys.version_info < (3, 12):
            _announce(_thread, "start_new_thread", "_thread.start_new_thread")
            _announce(threading, "_start_new_thread", "_thread.start_new_thread")
        if sys.version_info < (3, 13):
            _announce(time, "sleep", "time.sleep")
        # No Python announces these. Ours is the only timer of the process; `fork_exec` is how `multiprocessing` spawns.
        for name in ("alarm", "setitimer", "signal"):
            _announce(signal, name, f"signal.{name}")
        for name in ("mkfifo", "mknod"):
            _announce(os, name, f"os.{name}")
        _announce(_posixsubprocess, "fork_exec", "_posixsubprocess.fork_exec")
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        if event == "open":
            if not arguments[2] & _OPENS_FOR_WRITING:
                return
            what = "open() for writing"
        elif event in _EVENTS or event.partition(".")[0] in _NAMESPACES:
            what = _words(event)
        else:
            return
        # Other threads are libraries' own, started when they were imported; no function runs there.
        if _thread.get_ident() != self._thread or _importing(sys._getframe()):  # noqa: SLF001
            return
        self.violation = EffectRefused(what)
        raise self.violation


def _announce(module: ModuleType, name: str, event: str) -> None:
    """Have a function raise the audit event that later Pythons raise."""
    function = getattr(module, name)

    @wraps(function)
    def announced(*args: Any, **kwargs: Any) -> Any:
        sys.audit(event)
        return function(*args, **kwargs)

    setattr(module, name, announced)


def _words(event: str) -> str:
    if event in _WORDS:
        return _WORDS[event]
    return f"the network ({event}())" if event.startswith("socket.") else f"{event}()"


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
