"""
Importing: the user's files as Python modules.

`app_functions/ops/stats.py` is the module `app_functions.ops.stats`, and `schema.py` is
`schema`, whatever else the machine has installed under these names. So a file called
`queue.py` shadows nothing, and type checkers, which read the same folders, agree with us.
Other files beside them can be imported too, after everything that is installed.

Bytecode caches are keyed by whole seconds, and two saves within one would both be the first:
the user's files are compiled from source, always.
"""

import os
import sys
from collections.abc import Sequence
from functools import cache
from importlib import invalidate_caches
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder, ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import ModuleType
from typing import Any, Final

_OURS: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_INSTALLED: Final = {os.path.abspath(sys.prefix), os.path.abspath(sys.base_prefix)}


def is_users(file: str, root: str) -> bool:
    """The file belongs to the app at `root`: it is neither ours nor an installed library's."""
    return (
        _is_within(file, root)
        and not _is_within(file, _OURS)
        and not any(_is_within(file, prefix) for prefix in _INSTALLED if _is_within(prefix, root) and prefix != root)
        and f"{os.sep}site-packages{os.sep}" not in file
    )


def _is_within(file: str, folder: str) -> bool:
    return file == folder or file.startswith(folder.rstrip(os.sep) + os.sep)


class FreshLoader(SourceFileLoader):
    """Compiles a file each time it is imported, and leaves no bytecode behind."""

    def path_stats(self, path: str) -> Any:
        raise OSError(f"{path}: no cache is trusted")


class AppFinder(MetaPathFinder):
    """Finds the package of functions and the schema before anything else is looked for."""

    def __init__(self, root: str, functions: str, schema: str) -> None:
        self.root = root
        self.package = module_name(functions)
        self._files = {module_name(schema): os.path.join(root, schema)}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 (the protocol's)
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        file = self._files.get(fullname)
        if file is not None:
            # Never somebody else's module of this name instead.
            if not os.path.isfile(file):
                raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
            return _spec(fullname, file)
        if fullname != self.package and not fullname.startswith(f"{self.package}."):
            return None
        base = os.path.join(self.root, *fullname.split("."))
        folder = base if os.path.isdir(base) else None
        for file in (os.path.join(base, "__init__.py"), f"{base}.py"):
            if os.path.isfile(file):
                return _spec(fullname, file, folder)
        if folder is None:
            return None
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = [folder]
        return spec


def _spec(name: str, file: str, folder: str | None = None) -> ModuleSpec | None:
    locations = None if folder is None else [folder]
    return spec_from_file_location(name, file, loader=FreshLoader(name, file), submodule_search_locations=locations)


def module_name(path: str) -> str:
    """The dotted name of a file or folder, by its path from the root."""
    return path.removesuffix(".py").strip("/").replace("/", ".")


def install(root: str, functions: str, schema: str) -> AppFinder:
    """Let the app's files be imported from now on; those of an app that was loaded before are forgotten."""
    forget()
    finder = AppFinder(root, functions, schema)
    sys.meta_path.insert(0, finder)
    sys.path_hooks.insert(0, _FreshHook(root))
    sys.path.append(root)
    sys.path_importer_cache.pop(root, None)
    invalidate_caches()
    return finder


@cache
def _packages_before() -> frozenset[str]:
    """Folders of the packages that the process had when it loaded its first app."""
    modules = list(sys.modules.values())
    folders = [folder for module in modules for folder in getattr(module, "__path__", ())]
    return frozenset(os.path.abspath(folder) for folder in folders if isinstance(folder, str))


class _FreshHook:
    """
    Also what the user's files import from beside them is compiled from source.

    Not what is below packages that the process had before its first app: a project's tests, say, whose process loads
    one app after another, and whose own modules are not to be forgotten with them.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._others = {folder for folder in _packages_before() if folder != root and is_users(folder, root)}

    def __call__(self, path: str) -> FileFinder:
        if not is_users(path, self.root) or any(_is_within(path, folder) for folder in self._others):
            raise ImportError(f"{path} is not the app's")
        return FileFinder(path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (FreshLoader, [".py"]))


def forget() -> None:
    """Forget the app that was loaded last: its modules, and where they were found."""
    for finder in [finder for finder in sys.meta_path if isinstance(finder, AppFinder)]:
        # First: a folder of modules is looked up anew, by its parent, whenever its path is asked for.
        names = [name for name, module in list(sys.modules.items()) if _is_apps(name, module, finder)]
        for name in names:
            del sys.modules[name]
        sys.meta_path.remove(finder)
        if finder.root in sys.path:
            sys.path.remove(finder.root)
    sys.path_hooks[:] = [hook for hook in sys.path_hooks if not isinstance(hook, _FreshHook)]


def _is_apps(name: str, module: ModuleType, finder: AppFinder) -> bool:
    spec = getattr(module, "__spec__", None)
    if isinstance(getattr(spec, "loader", None), FreshLoader):
        return True
    if name == finder.package or name.startswith(f"{finder.package}."):
        return True
    # A folder without an `__init__.py` has no file, and so no loader of ours.
    if spec is None or spec.origin is not None or spec.submodule_search_locations is None:
        return False
    folders = set(map(os.path.abspath, module.__path__)) - _packages_before()
    return bool(folders) and all(is_users(folder, finder.root) for folder in folders)
