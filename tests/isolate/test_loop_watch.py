"""The loop watch's time; what it tells and interrupts is shown with real actors in `test_actor.py`."""

import os
import time
from pathlib import Path

from joelclaw.isolate.loop_watch import GivenTime


def test_waiting_for_a_processor_does_not_count(tmp_path: Path) -> None:
    """What the system says that the thread waited is taken off, each time anew."""
    schedstat = tmp_path / "schedstat"
    given = None
    for waited_ns in (0, 1_500_000_000, 2_250_000_000):
        schedstat.write_text(f"123456 {waited_ns} 7\n")
        given = given or GivenTime(str(schedstat))
        before = time.monotonic()
        now = given.now_s() + waited_ns / 1e9
        assert before - 1e-6 <= now <= time.monotonic() + 1e-6


def test_without_such_a_file_it_is_the_clocks_time(tmp_path: Path) -> None:
    """On other systems, and where the file is hidden."""
    before = time.monotonic()
    assert before <= GivenTime(os.fspath(tmp_path / "none")).now_s() <= time.monotonic()
