"""
What a process holds, as the system tells it.
"""

import resource
from typing import Final

PAGE_BYTES: Final = resource.getpagesize()


def resident_bytes(pid: int) -> int | None:
    """Memory of a process of ours; None where the system does not tell (it has ended, or this is not Linux)."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as statm:
            return int(statm.read().split()[1]) * PAGE_BYTES
    except OSError:
        return None
