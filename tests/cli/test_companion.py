"""`joelclaw dev --start COMMAND`: two that end together."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from joelclaw.cli import companion
from joelclaw.cli.companion import Companion
from joelclaw.errors import CommandFailed
from tests.cli.test_dev import Start, start

__all__ = ["start"]

SITE = """\
import os, signal, sys, threading
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
print("site for", os.environ["NEXT_PUBLIC_CONVEX_URL"], file=sys.stderr, flush=True)
ended.wait()
print("site ended", file=sys.stderr, flush=True)
"""
"""A site's server, as far as it matters here."""


@pytest.fixture
def site(tmp_path: Path) -> str:
    """The command that starts it."""
    file = tmp_path / "site.py"
    file.write_text(SITE)
    return f"{sys.executable} {file}"


def test_both_run_and_end_together(start: Start, site: str) -> None:
    """The site is started when clients are answered, knows where, and ends with the platform at one Ctrl-C."""
    dev = start("dev", "--start", site)
    url = dev.tells("  clients: ")
    assert dev.tells("site for ") == url

    # It is waited for until nobody holds its standard error any more, which both have.
    assert dev.end(signal.SIGINT) == 0
    assert "site ended" in dev.said


def test_the_platform_ends_with_its_site(start: Start) -> None:
    """A site's server that ends, for whatever reason, is told, with its command and how it ended."""
    dev = start("dev", "--start", "echo cannot listen; exit 3")

    assert dev.wait() == 1
    assert any("'echo cannot listen; exit 3' has ended with exit code 3" in line for line in dev.said)


def test_without_a_platform_there_is_no_site(start: Start, project: Path, site: str) -> None:
    """What cannot serve starts nothing beside it."""
    (project / "garden" / "joelclaw.toml").write_text("[serve]\n")
    dev = start("dev", "--start", site)

    assert dev.wait() == 1
    assert not any("site for" in line for line in dev.said)


@pytest.fixture
def stops() -> Iterator[threading.Event]:
    """Set when this process is told to stop."""
    told = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: told.set())
    yield told
    signal.signal(signal.SIGTERM, before)


def test_what_does_not_end_is_ended(stops: threading.Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that ignores being told, and whatever it started, is killed after a while; that is no failure."""
    monkeypatch.setattr(companion, "END_S", 0.1)
    held = tmp_path / "held"
    os.mkfifo(held)
    stubborn = Companion(f"trap '' TERM; exec > {held}; sleep 1000 & echo ready; wait; sleep 1000")
    stubborn.start("http://127.0.0.1:1")
    with held.open() as reading:
        assert reading.readline() == "ready\n"

        stubborn.end()

        assert reading.read() == "", "nobody who has it open is left"
    assert not stops.is_set()


def test_what_is_set_stays(stops: threading.Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever says in the environment where the site finds its backend is believed; its end is told by SIGTERM."""
    monkeypatch.setenv("VITE_CONVEX_URL", "https://elsewhere.test")
    found = tmp_path / "found"
    brief = Companion(f"echo $VITE_CONVEX_URL $JOELCLAW_URL > {found}")
    brief.start("http://127.0.0.1:1")

    assert stops.wait(60)
    with pytest.raises(CommandFailed, match="exit code 0"):
        brief.end()
    assert found.read_text() == "https://elsewhere.test http://127.0.0.1:1\n"
