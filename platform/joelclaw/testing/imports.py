"""
The first import of an app: the moment at which the platform's own loader loads it.

Pytest imports test files one after another, and the first that says `from app_functions import
comments` must get the module that the loader makes. A finder that stands before all others
waits for that. It costs nothing until then, and nothing at all where the app is not tested.
"""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from joelclaw.config import Config, load_config
from joelclaw.functions.importing import module_name


def top_names(config: Config) -> set[str]:
    """The modules and packages that are the app's."""
    return {module_name(path).partition(".")[0] for path in (config.app.functions, config.app.schema)}


def load_on_import(root: Path) -> None:
    """
    Load the project in this folder as soon as something imports a module of its app. Nothing happens before.

    Raises:
        ConfigRefused: Its `joelclaw.toml` cannot be used.
    """
    sys.meta_path.insert(0, _OnFirstImport(root, top_names(load_config(root, None))))


class _OnFirstImport(MetaPathFinder):
    """Stands before all other finders until the app is wanted."""

    def __init__(self, root: Path, names: set[str]) -> None:
        self._root = root
        self._names = names

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in self._names:
            return None
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        from joelclaw.testing.projects import load_project

        load_project(self._root)
        module = sys.modules.get(fullname)
        if module is None:
            return sys.meta_path[0].find_spec(fullname, path, target)  # The app's own finder.
        return ModuleSpec(fullname, _Imported(module))


class _Imported(Loader):
    """Gives a module that was imported meanwhile, for the import that was under way."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:  # noqa: ARG002 (the protocol's)
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec
