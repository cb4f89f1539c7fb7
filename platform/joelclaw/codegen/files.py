"""
Generated files on disk, changed only where they differ.

A site's bundler and type checker watch these files and read them at any moment. So each is
replaced in one step, whole, and one that is equal already is left alone with its mtime:
a reload that changes no type wakes nobody.
"""

import os
from collections.abc import Mapping
from pathlib import Path


def write(files: Mapping[str, str], folder: Path) -> list[Path]:
    """
    Make the folder hold these files, in the order given; other files in it stay.

    Returns:
        The paths that were written; empty when all was up to date.

    Raises:
        OSError: The folder or a file in it cannot be written. Files before it are done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [path for name, text in files.items() if _replace(path := folder / name, text.encode())]


def _replace(path: Path, content: bytes) -> bool:
    if _read(path) == content:
        return False
    # Beside its target, as a rename is one step only within a file system. Not synced to disk:
    # what a power cut takes, the next start writes again.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return True


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
