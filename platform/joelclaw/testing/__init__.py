"""
Tests of an app, on the real engine.

    def test_a_guest_writes(backend: Backend) -> None:
        backend.mutation(comments.add, article="a", anchor=ANCHOR, body="hello", name="Ann")
        [comment] = backend.query(comments.for_article, article="a")
        assert comment.author_name == "Ann"

The engine is the one that serves: its reactor and lanes, the code of writer, readers and actor,
SQLite. What differs is where it stands: in the test's own process, on a database that ends with
the test, under a clock that stands still until it is moved. So nothing is timed, and two runs
of a test give the same.

Calls come from outside, as a client's do: `allow` holds. When one returns, everything that it
caused has happened: subscriptions show it, jobs that are due have run.

Elsewhere: `plugin.py` is what pytest loads, `backend.py` the calls, `projects.py` the app's
files, `isolates.py` what stands for processes.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joelclaw.errors import CallFailed, CallRefused
    from joelclaw.testing.backend import Backend
    from joelclaw.testing.callers import Caller
    from joelclaw.testing.isolates import LogLine
    from joelclaw.testing.live import Live
    from joelclaw.testing.projects import Project, load_project
    from joelclaw.testing.time import TestClock

__all__ = ["Backend", "CallFailed", "CallRefused", "Caller", "Live", "LogLine", "Project", "TestClock", "load_project"]

_HOMES = {
    "Backend": "joelclaw.testing.backend",
    "CallFailed": "joelclaw.errors",
    "CallRefused": "joelclaw.errors",
    "Caller": "joelclaw.testing.callers",
    "Live": "joelclaw.testing.live",
    "LogLine": "joelclaw.testing.isolates",
    "Project": "joelclaw.testing.projects",
    "TestClock": "joelclaw.testing.time",
    "load_project": "joelclaw.testing.projects",
}


def __getattr__(name: str) -> Any:
    """Import late: pytest loads the plugin, and with it this package, also where nothing of it is used."""
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
