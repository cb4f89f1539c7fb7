"""
Sources: which files of a project are its app.

The schema and everything in the folder of functions; and what they import from beside them: a
file or package at the project's root, with what that imports from there in turn. It is found by
reading, not by running: `import` statements of files that parse, wherever they stand. A
package is taken whole, with the templates that may lie in it. What is imported by a computed
name is not seen.

What is installed is no part of the app, even where the project has a folder of the same name:
isolates look there first. What editors leave beside a file is not either.
"""

import ast
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from joelclaw.config import FILE_NAME, Config
from joelclaw.functions.importing import is_users, module_name

_LEFTOVERS = ("~", ".swp", ".swx", ".tmp", "___jb_tmp___", "___jb_old___")
_FOREIGN_FOLDERS = ("__pycache__", "node_modules")


class Sources(NamedTuple):
    """The app's files as they were found."""

    files: dict[Path, bytes]
    """By path from the project's root."""

    folders: frozenset[Path]
    """Those that hold them or could, absolute: a change in any of them may be one of the app."""

    imported: frozenset[str]
    """First names of what the files import, there or not: what appears under one of them may be the app's."""

    unreadable: OSError | None
    """A file is there and could not be read; without it there is no app."""


def read_sources(config: Config) -> Sources:
    """Read the app as it is now."""
    return _Reading(config).all()


def concerns(config: Config, imported: frozenset[str], path: Path) -> bool:
    """A change of this path may change the app, or how it is served."""
    if not path.is_relative_to(config.root) or _is_ours(config, path):
        return False
    name = path.relative_to(config.root)
    if not name.parts or any(_is_foreign(part) for part in name.parts):
        return False
    declared = (Path(FILE_NAME), Path(config.app.schema), Path(config.app.functions))
    return (
        # A folder above a declared file may come and go with it.
        any(file.is_relative_to(name) for file in declared)
        or name.is_relative_to(config.app.functions)
        or name.parts[0].removesuffix(".py") in imported
    )


class _Reading:
    """One look at a project."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._root = config.root
        self._files: dict[Path, bytes] = {}
        self._folders: set[Path] = set()
        self._imported: set[str] = set()
        self._unreadable: OSError | None = None

    def all(self) -> Sources:
        app = self._config.app
        for declared in (app.schema, app.functions):
            above = (self._root / declared).parents
            self._folders.update(folder for folder in above if folder.is_relative_to(self._root))
        self._take(self._root / app.schema)
        self._take(self._root / app.functions)
        self._follow_imports({module_name(app.schema), module_name(app.functions)})
        # The folder of one that is not there yet is not there either.
        folders = frozenset(folder for folder in self._folders if folder.is_dir())
        return Sources(self._files, folders, frozenset(self._imported), self._unreadable)

    def _follow_imports(self, taken: set[str]) -> None:
        unread = list(self._files)
        while unread:
            path = unread.pop()
            if path.suffix != ".py":
                continue
            for name in _imports(self._files[path]) - self._imported:
                self._imported.add(name)
                if name not in taken and self._is_beside(name):
                    unread += [*self._take(self._root / name), *self._take(self._root / f"{name}.py")]

    def _is_beside(self, name: str) -> bool:
        """The app would find it at the project's root, and nowhere before that."""
        if not (self._root / name).is_dir() and not (self._root / f"{name}.py").is_file():
            return False
        if name in sys.stdlib_module_names or name == "joelclaw":
            return False
        try:
            spec = find_spec(name)
        except ValueError:  # A module without a spec, such as this process's `__main__`.
            return False
        if spec is None:
            return True
        places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
        return all(is_users(os.path.abspath(place), str(self._root)) for place in places)

    def _take(self, path: Path) -> list[Path]:
        """Read a file, or a folder with all below it; the files that were new."""
        if path.is_dir():
            return [name for file in self._walk(path) for name in self._take(file)]
        name = path.relative_to(self._root)
        if name in self._files or not path.is_file():
            return []
        try:
            self._files[name] = path.read_bytes()
        except FileNotFoundError:  # Gone since: it is seen as a change of its own.
            return []
        except OSError as error:
            self._unreadable = error
            return []
        return [name]

    def _walk(self, top: Path) -> Iterator[Path]:
        for current, folders, names in os.walk(top):
            folder = Path(current)
            if "pyvenv.cfg" in names:
                folders.clear()
                continue
            self._folders.add(folder)
            folders[:] = sorted(
                name for name in folders if not _is_foreign(name) and not _is_ours(self._config, folder / name)
            )
            for name in sorted(names):
                if not _is_foreign(name) and not _is_ours(self._config, folder / name):
                    yield folder / name


def _imports(source: bytes) -> set[str]:
    """First names of the modules that a file imports; none while it does not parse."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names


def _is_foreign(name: str) -> bool:
    return name in _FOREIGN_FOLDERS or name.startswith((".", "#")) or name.endswith(_LEFTOVERS) or name == "4913"


def _is_ours(config: Config, path: Path) -> bool:
    """The database and what is kept beside it under its name, wherever in the project that is."""
    database = config.database
    return any(
        place.parent == database.parent and place.name.startswith(database.name) for place in (path, *path.parents)
    )
