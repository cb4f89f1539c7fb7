"""
The lifeline: an isolate ends when its gateway does, whatever it is doing.

An orphan in an endless loop would keep the write lock, and the next gateway could not start.
So the end of the socket must be noticed while user code runs, not only between messages:

- A thread waits in `poll` for the other end to close, and ends the process. It works wherever
  the interpreter switches threads: loops, sleeps, statements of the database.
- C code that keeps the interpreter lock stops that thread, too. On Linux the kernel then ends
  us with our parent (`PR_SET_PDEATHSIG`). It follows the *thread* that started us, which is
  why a gateway starts isolates from its main thread.
- Elsewhere `timer.py`'s dead man's switch ends such a process soon after.

SQLite undoes what a process left uncommitted, so none of this needs care for the data.
"""

import _thread
import os
import select
import signal
import sys
import time
from typing import Final

from joelclaw.isolate.framing import Link

CLOSING_GRACE_S: Final = 1.0
"""An idle isolate sees the end of its link by itself, and has this long to close its database in good order."""

LOOKS: Final = 10
LOOK_S: Final = 0.005
"""So often, and so far apart, it is asked whether it is idle; then it is busy, and does not wait for a gateway."""

THREAD_STACK_BYTES: Final = 128 * 1024
PR_SET_PDEATHSIG: Final = 1


def end_with_gateway(link: Link) -> None:
    """From now on this process ends when the other end of the link closes."""
    if sys.platform == "linux":
        _end_with_parent()
    _thread.stack_size(THREAD_STACK_BYTES)
    _thread.start_new_thread(_watch, (link,))
    _thread.stack_size(0)


def _watch(link: Link) -> None:
    # Ticks of the timer are for the main thread: only there do they interrupt a blocking call.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    hangup = select.poll()
    hangup.register(link.fd, 0)
    hangup.poll()
    for _ in range(LOOKS):
        if link.idle:
            time.sleep(CLOSING_GRACE_S)
            break
        time.sleep(LOOK_S)  # It may be about to wait: between two messages, say.
    os._exit(0)


def _end_with_parent() -> None:
    import ctypes

    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # It ended before the kernel knew that we care.
        os._exit(0)
