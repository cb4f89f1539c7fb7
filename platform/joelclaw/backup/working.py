"""
Where work on backups is done, one piece at a time, and how others see that it is.

The folder is beside the database, and its locks are the system's: they end with their process,
however that ends. What a killed one has left there, the next one removes.

`copying` is held while a backup is made. Bytes of stored files are removed only when the file's
document is gone, and then only while nobody copies: a snapshot that is taken after whoever removes them has
looked does not refer to them, and one that was taken before keeps them until it is copied.
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


@contextmanager
def copying(database: Path) -> Iterator[None]:
    """
    Keep the bytes of stored files from being removed. Inside `working`, before the snapshot is taken.

    Raises:
        BackupFailed: The folder cannot be written.
    """
    path = _copying(database)
    try:
        lock = path.open("a")
    except OSError as error:
        raise BackupFailed(f"{path} cannot be written: {error.strerror}") from error
    with lock:
        # Shared, and waited for: whoever asks `is_copying` has it for a moment.
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def is_copying(database: Path) -> bool:
    """
    Whether bytes of stored files have to stay.

    Look after it is settled which bytes no document refers to.
    """
    try:
        lock = _copying(database).open()
    except OSError:
        return False  # No backup was made yet, or by somebody whose folder is closed to us: it tells what is missing.
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _copying(database: Path) -> Path:
    return work_folder(database) / "copying"
