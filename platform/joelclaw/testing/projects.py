"""
Projects: the app under test, loaded once in this process.

The app's modules are imported by the platform's own loader, which checks them, and the test's
`from app_functions import comments` has to give the very same modules: what a test hands to
`backend.query` is looked up by identity, and a document equals only one of the same class. So
the loader comes first. `imports.py` sees to that for pytest; who goes without the plugin
calls `load_project` before the first import of the app.
"""

import sys
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Final

from joelclaw.auth.declaring import sign_in_of
from joelclaw.clock import MovableClock
from joelclaw.config import Config, load_config
from joelclaw.errors import Misuse
from joelclaw.functions import environment
from joelclaw.functions.crons import cron_declarations
from joelclaw.functions.importing import FreshLoader
from joelclaw.functions.loader import LoadedApp, load_app
from joelclaw.isolate.hooks import ProcessHooks
from joelclaw.isolate.messages import FromIsolate, Load, LoadFailed, Prepare
from joelclaw.isolate.writer import Writer
from joelclaw.testing.imports import top_names
from joelclaw.testing.isolates import NoTimer, guard
from joelclaw.testing.web import API_ORIGIN, SITE_ORIGIN

DATABASE: Final = "test.db"


class Project:
    """A folder with `joelclaw.toml`, and the app in it."""

    def __init__(self, config: Config, app: LoadedApp) -> None:
        self.config = config
        self.app = app

    def load(self, folder: Path) -> Load:
        """What isolates are told; database and files are in `folder`."""
        config = self.config
        return Load(
            role="writer",
            root=str(config.root),
            functions=config.app.functions,
            schema=config.app.schema,
            wire_names=config.app.wire_names,
            store_url=f"sqlite:///{folder}/{DATABASE}",
            durability="none",
            env={**config.env, environment.API_ORIGIN: API_ORIGIN, environment.SITE_ORIGIN: SITE_ORIGIN},
            limits=config.limits,
            development=True,
            roles={role: list(members) for role, members in config.auth.roles.items()},
            sign_in=sign_in_of(config, SITE_ORIGIN),
            api_origin=API_ORIGIN,
            site_origin=SITE_ORIGIN,
            files_url=f"file://{folder}/files",
        )

    @cached_property
    def database(self) -> bytes:
        """An empty database that fits the schema: copying a file is faster than making one."""
        with tempfile.TemporaryDirectory(prefix="joelclaw-") as name:
            folder = Path(name)
            load = self.load(folder)
            answers: list[FromIsolate] = []
            hooks = ProcessHooks(load, guard=guard(), timer=NoTimer(), wall_clock=MovableClock())
            writer = Writer(load, self.app, hooks, answers.append)
            writer.take(Prepare())
            writer.close()
            assert not isinstance(answers[0], LoadFailed), answers[0].problems
            return (folder / DATABASE).read_bytes()


_projects: dict[Path, Project] = {}


def load_project(root: str | Path = ".") -> Project:
    """
    The app of the project in this folder; loaded at the first call, found again at all others.

    Raises:
        AppRefused: It does not load; every problem is listed.
        ConfigRefused: Its `joelclaw.toml` cannot be used.
        Misuse: Something has imported modules of the app already.
    """
    root = Path(root).resolve()
    if root not in _projects:
        # Without the process environment: tests need no secrets, and must not depend on any.
        config = load_config(root, None)
        _check_imports(config)
        app = load_app(
            root,
            config.app.functions,
            config.app.schema,
            config.app.wire_names,
            config.limits,
            cron_declarations(config),
            sign_in_of(config, SITE_ORIGIN),
        )
        _projects[root] = Project(config, app)
    return _projects[root]


def _check_imports(config: Config) -> None:
    names = top_names(config)
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if name.partition(".")[0] not in names or spec is None or not spec.has_location:
            continue  # A folder without `__init__.py` holds nothing that could be there twice.
        if not isinstance(spec.loader, FreshLoader):
            raise Misuse(
                f"{name} was imported before the app was loaded, and would be there twice; "
                f"let pytest's plugin load the app, or call joelclaw.testing.load_project() before the first import"
            )
