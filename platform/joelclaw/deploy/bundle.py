"""
Bundles: the app's files as they were at one moment.

Isolates load from a bundle, never from the project's folder, so that all processes of a
release run the same code however long it serves and whatever is saved meanwhile. A bundle is
named by the digest of its files: the same files are the same bundle.

What lies outside the functions folder and the schema (a package of the developer's beside
them) is not bundled; isolates find it because the project's folder is their working folder.
"""

import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from joelclaw.config import Config

BUNDLES_KEPT = 3
"""The one that serves, the one that is being tried, and one that still finishes its calls."""


class Bundle(NamedTuple):
    """A copy of the app's files, and what names it."""

    root: Path
    digest: str


class Bundles:
    """A folder of bundles; the oldest are removed when there are too many."""

    def __init__(self, folder: Path) -> None:
        """Take this folder; what an earlier life left in it goes."""
        self._folder = folder
        self._taken: list[str] = []
        shutil.rmtree(folder, ignore_errors=True)

    def take(self, config: Config) -> Bundle:
        """
        Copy the app's files as they are now.

        Raises:
            OSError: A file cannot be read, or the folder cannot be written.
        """
        files = {path.relative_to(config.root): path.read_bytes() for path in _app_files(config)}
        digest = _digest(files)
        root = self._folder / digest
        if not root.exists():
            self._write(root, files, config)
        if digest in self._taken:
            self._taken.remove(digest)
        self._taken.append(digest)
        self._prune()
        return Bundle(root, digest)

    def _write(self, root: Path, files: dict[Path, bytes], config: Config) -> None:
        # Complete or not there: a bundle is given its name when all of it is written.
        draft = root.with_name(f"{root.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        (draft / config.app.functions).mkdir(parents=True)
        for name, content in files.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_bytes(content)
        draft.rename(root)

    def _prune(self) -> None:
        for digest in self._taken[:-BUNDLES_KEPT]:
            shutil.rmtree(self._folder / digest, ignore_errors=True)
        self._taken = self._taken[-BUNDLES_KEPT:]


def _app_files(config: Config) -> Iterator[Path]:
    schema = config.root / config.app.schema
    if schema.is_file():
        yield schema
    for path in sorted((config.root / config.app.functions).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _digest(files: dict[Path, bytes]) -> str:
    state = sha256()
    for name, content in sorted(files.items()):
        state.update(f"{name.as_posix()}\0{len(content)}\0".encode())
        state.update(content)
    return state.hexdigest()[:16]
