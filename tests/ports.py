"""
Ports for servers that have to come back where they were, or whose port is written down before they start.

Any other asks for port 0. A port that was free a moment ago may be somebody's in the next: the system gives
the upper ones to whoever connects somewhere. So these are lower ones, and each process of tests begins
to look at a place of its own.
"""

import os
import socket
from itertools import count

_FIRST = 10_000
_LAST = 30_000
"""Below what systems give away (RFC 6335 begins at 49152, Linux at 32768)."""

_EACH = 40
_next = count(os.getpid() % ((_LAST - _FIRST) // _EACH) * _EACH)


def free_port() -> int:
    """A port of this machine that nobody has, and that this process has not been given before."""
    while True:
        port = _FIRST + next(_next) % (_LAST - _FIRST)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
