"""
Memory: how much an isolate holds, and a limit on how much more it may take.

The limit is the kernel's (`RLIMIT_DATA`: memory that is ours alone, without mapped files and
code), counted from what the loaded app needs. An allocation beyond it is a `MemoryError` in
the function that asked, so one greedy call fails and its neighbours do not notice. It exists
on Linux only; elsewhere the gateway replaces an isolate that has grown too large.
"""

import os
import resource
import sys
from typing import Final

PAGE_BYTES: Final = resource.getpagesize()


def limit_growth(megabytes: float) -> None:
    """Refuse allocations beyond what is held now and `megabytes` more; 0 sets no limit."""
    if sys.platform != "linux" or not megabytes:
        return
    with open("/proc/self/statm", "rb") as statm:
        data_bytes = int(statm.read().split()[5]) * PAGE_BYTES
    limit = data_bytes + int(megabytes * 1_000_000)
    # The soft limit alone, so that a program which an action starts may raise its own.
    resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))


class MemoryGauge:
    """Reads the resident size of this process, cheaply enough for once a batch."""

    def __init__(self) -> None:
        self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC) if sys.platform == "linux" else -1

    def resident_bytes(self) -> int:
        """What is held now; the peak, where the system does not tell."""
        if self._statm >= 0:
            return int(os.pread(self._statm, 256, 0).split()[1]) * PAGE_BYTES
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def close(self) -> None:
        if self._statm >= 0:
            os.close(self._statm)
            self._statm = -1
