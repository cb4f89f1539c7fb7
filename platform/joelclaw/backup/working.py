"""
Where work on backups is done, one piece at a time.

The folder is beside the database, and its lock is the system's: it ends with its process, however
that ends. What a killed one has left there, the next one removes.
"""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from joelclaw.errors import BackupBusy, BackupFailed


def work_folder(database: Path) -> Path:
    """The folder for work on backups of a database."""
    return database.with_name(f"{database.name}-backup-work")


@contextmanager
def working(database: Path) -> Iterator[Path]:
    """
    A folder for one piece of work, gone afterwards.

    Raises:
        BackupBusy: Another is at work.
        BackupFailed: The folder cannot be written.
    """
    folder = work_folder(database)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("a")
    except OSError as error:
        raise BackupFailed(f"{folder} cannot be written: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupBusy(str(folder)) from None
        for left in folder.iterdir():
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
        try:
            work = Path(tempfile.mkdtemp(dir=folder))
        except OSError as error:
            raise BackupFailed(f"{folder} cannot be written: {error.strerror}") from error
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
