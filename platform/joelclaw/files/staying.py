"""
Bytes that have to stay: while somebody needs stored files that no document refers to now.

A backup copies the files of its snapshot, of which some may be deleted by then; an import keeps bytes
long before their documents are committed. Whoever does so holds a lock beside the database, any number
at once; whoever removes bytes asks first. The lock is the system's: it ends with its process, however
that ends.

Ask before and after it is settled which bytes no document refers to. Before: then an import whose bytes
are old by now is over, and its documents are known or will never be. After: then a snapshot that is
taken later does not refer to them.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from joelclaw.errors import FileStoreFailed


@contextmanager
def staying(database: Path) -> Iterator[None]:
    """
    Keep the bytes of stored files from being removed.

    Raises:
        FileStoreFailed: The folder of the database cannot be written.
    """
    path = _lock(database)
    try:
        # Only read: it may be another user's who was the first.
        lock = os.fdopen(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
    except OSError as error:
        raise FileStoreFailed(str(path), os.strerror(error.errno or 0)) from error
    with lock:
        # Shared, and waited for: whoever asks has it for a moment.
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def must_stay(database: Path) -> bool:
    """Whether somebody keeps them."""
    try:
        lock = _lock(database).open()
    except OSError:
        return False  # Nobody ever has; or it is closed to us, and a backup tells what it misses.
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _lock(database: Path) -> Path:
    return database.with_name(f"{database.name}-files-stay")
