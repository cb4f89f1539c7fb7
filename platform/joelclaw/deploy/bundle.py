"""
Bundles: the app's files as they were at one moment.

Isolates load from a bundle, never from the project's folder, so that all processes of a
release run the same code however long it serves and whatever is saved meanwhile. A bundle is
named by the digest of its files: the same files are the same bundle.

Elsewhere: `sources.py` says which files are the app's.
"""

import shutil
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from joelclaw.deploy.sources import Sources

SERVED_KEPT = 3
"""The one that serves, and those before it: a long action of theirs may still import from them."""


class Bundle(NamedTuple):
    """A copy of the app's files, and what names it."""

    root: Path
    digest: str


class Bundles:
    """A folder of bundles: the one being tried, and the last that served."""

    def __init__(self, folder: Path) -> None:
        """Take this folder; what an earlier life left in it goes."""
        self._folder = folder
        self._served: list[str] = []
        """Digests, the one that serves last."""

        shutil.rmtree(folder, ignore_errors=True)

    def take(self, sources: Sources, project: Path) -> Bundle:
        """
        Copy the app's files.

        Raises:
            OSError: The folder cannot be written.
        """
        return self.put(sources.files, sorted(folder.relative_to(project) for folder in sources.folders))

    def put(self, files: dict[Path, bytes], folders: list[Path]) -> Bundle:
        """
        Write files that came from elsewhere; those that are here already are not written again.

        Raises:
            OSError: The folder cannot be written.
        """
        digest = digest_of(files, folders)
        self._remove_refused(but=digest)
        root = self._folder / digest
        if not root.exists():
            _write(root, files, folders)
        return Bundle(root, digest)

    def served(self, bundle: Bundle) -> None:
        """It serves from now on."""
        self._served = [*(digest for digest in self._served if digest != bundle.digest), bundle.digest][-SERVED_KEPT:]
        self._remove_refused(but=bundle.digest)

    def _remove_refused(self, *, but: str) -> None:
        kept = {*self._served, but}
        if self._folder.exists():
            for root in self._folder.iterdir():
                if root.name not in kept:
                    shutil.rmtree(root, ignore_errors=True)


def _write(root: Path, files: dict[Path, bytes], folders: list[Path]) -> None:
    # Complete or not there: a bundle is given its name when all of it is written.
    draft = root.with_name(f"{root.name}.draft")
    draft.mkdir(parents=True)
    # Empty ones, too: a folder of functions without functions is no mistake.
    for folder in folders:
        (draft / folder).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (draft / name).parent.mkdir(parents=True, exist_ok=True)
        (draft / name).write_bytes(content)
    draft.rename(root)


def digest_of(files: dict[Path, bytes], folders: list[Path]) -> str:
    """What names these files."""
    state = sha256()
    for folder in folders:
        state.update(f"{folder.as_posix()}/\0".encode())
    for name, content in sorted(files.items()):
        state.update(f"{name.as_posix()}\0{len(content)}\0".encode())
        state.update(content)
    return state.hexdigest()[:16]
