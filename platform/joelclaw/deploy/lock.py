"""
The lock: one gateway for a database.

A second one would not hear of the first one's commits and show its clients old results, and it
would remove the code that the first one's isolates are started from. The lock is the system's,
on a file beside the database: it ends with the process, however that ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from joelclaw.errors import CommandFailed


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """
    Keep other gateways from this database.

    Raises:
        CommandFailed: One serves it already, or the folder cannot be written.
    """
    path = database.with_name(f"{database.name}-lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="ascii")
    except OSError as error:
        raise CommandFailed(
            f"{path} cannot be written: {error.strerror}; [store] url says where the database is"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            reason = (
                f"{database} is served already, by process {holder}; stop that, or name another file in [store] url"
            )
            raise CommandFailed(reason) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
