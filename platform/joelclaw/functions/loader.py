"""
Loading an app: from the user's files to functions and tables that are ready to run.

Everything that is wrong is found in one go: files that cannot be read or imported, tables,
hints, names that meet on the wire, misspelt keywords. One broken file does not hide what is
wrong in the others. A load gives an app, or raises with every problem; nothing in between.

Files become paths: `app_functions/ops/stats.py` holds `ops/stats:...`. A file or folder whose
name begins with `_` is a helper: it can be imported, and nothing in it can be called.
"""

import ast
import importlib
import os
import traceback
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, Final, Literal

from msgspec.structs import replace

from joelclaw.errors import AppRefused
from joelclaw.functions import importing
from joelclaw.functions.app import LoadedApp, LoadedFunction
from joelclaw.functions.arrivals import TAKEN, ArrivalReader
from joelclaw.functions.calls import SYSTEM_PREFIX
from joelclaw.functions.crons import CronDeclaration, CronReader
from joelclaw.functions.decorators import Function
from joelclaw.functions.http_actions import Handler, HttpAction
from joelclaw.functions.keywords import KeywordCheck
from joelclaw.functions.manifest import Manifest, Place, Problem
from joelclaw.functions.routes import RouteReader
from joelclaw.functions.sign_in import SignIn
from joelclaw.functions.signatures import SignatureReader, Source
from joelclaw.limits import DEFAULT_LIMITS, MIB, Limits
from joelclaw.schema.checks import check_classes
from joelclaw.schema.hints import Scope
from joelclaw.schema.naming import choose_wire_names, naming_of
from joelclaw.schema.structs import declaration_of, recording
from joelclaw.schema.tables import Table, TableInfo, table_info
from joelclaw.values.names import identifier_problem

__all__ = ["SYSTEM_MODULES", "LoadedApp", "load_app"]

_SYSTEM: Final = "joelclaw.system."

SYSTEM_DOCUMENT_BYTES: Final = 16 * MIB
"""How large the platform's own documents may be: a job has the arguments of a call in it."""

SYSTEM_MODULES: Final = (
    "admin_keys",
    "auth.accounts",
    "auth.anonymous",
    "auth.codes",
    "auth.flows",
    "auth.forgetting",
    "auth.keys",
    "auth.passwords",
    "auth.sessions",
    "auth.users",
    "backups",
    "cli.convex_url",
    "cli.exports",
    "cli.modules",
    "cli.query_environment_variables",
    "cli.query_import",
    "cli.query_table",
    "cli.table_data",
    "cli.table_size",
    "cli.tables",
    "crons",
    "deploy_keys",
    "deployments",
    "env",
    "expiry",
    "exports",
    "files",
    "frontend.components",
    "imports",
    "jobs",
    "rate_limits",
    "rules",
    "search",
    "tables",
    "users",
)
"""Modules of `joelclaw.system`. By name: they are written with what is below them, and this is, too."""

CLIENT_MODULES: Final = {"auth.client": "auth"}
"""Modules of `joelclaw.system` that clients know under these names, if people can sign in."""


def load_app(
    root: str | os.PathLike[str],
    functions: str = "app_functions",
    schema: str = "schema.py",
    wire_names: Literal["camel", "as_written"] = "camel",
    limits: Limits = DEFAULT_LIMITS,
    crons: Sequence[CronDeclaration] = (),
    sign_in: SignIn | None = None,
) -> LoadedApp:
    """
    Load the app at `root`; `functions` and `schema` are paths in it, `crons` and `sign_in` what joelclaw.toml says.

    Once per process: what an earlier load imported is forgotten, not unloaded.

    Raises:
        AppRefused: Something is wrong with it; `problems` is all of it.
    """
    return _Loader(os.path.abspath(root), functions, schema, wire_names, limits, crons, sign_in).load()


class _File:
    """One of the user's files."""

    def __init__(self, path: str, module: str, names: Sequence[str], tree: ast.Module) -> None:
        self.path = path
        """From the root."""

        self.module = module
        self.names = tuple(names)
        """Folders and file, from the folder of functions; empty for the schema."""

        self.tree = tree

    @property
    def is_helper(self) -> bool:
        return not self.names or any(name.startswith("_") for name in self.names)


class _Loader:
    """One load."""

    def __init__(
        self,
        root: str,
        functions: str,
        schema: str,
        wire_names: Literal["camel", "as_written"],
        limits: Limits,
        crons: Sequence[CronDeclaration],
        sign_in: SignIn | None,
    ) -> None:
        self._root = root
        self._functions_folder = functions.strip("/")
        self._schema_file = schema
        self._wire_names = wire_names
        self._limits = limits
        self._problems: list[Problem] = []
        self._numbers: dict[str, int] = {}
        self._functions: dict[Function, LoadedFunction] = {}
        self._places: dict[str, tuple[str, Place]] = {}
        self._routes = RouteReader()
        self._crons = CronReader(crons)
        self._sign_in = sign_in
        self._handlers: dict[str, Handler] = {}

    def load(self) -> LoadedApp:
        choose_wire_names(self._wire_names)
        finder = importing.install(self._root, self._functions_folder, self._schema_file)
        with recording() as classes:
            files = [file for file in self._files(finder.package) if file is not None]
            modules = [(file, self._import(file)) for file in files]
        tables = self._tables(classes)
        for file, module in modules:
            if module is not None:
                self._read_module(file, module, tables)
        self._problems += self._routes.problems
        system_tables = self._load_system()
        crons = self._crons.read(self._functions, complete=not self._problems)
        self._problems += self._crons.problems
        hook = self._read_sign_in(tables)
        if self._problems:
            raise AppRefused(sorted(dict.fromkeys(map(self._relative, self._problems))))
        infos = sorted([*tables.values(), *system_tables], key=lambda info: info.name)
        specs = sorted((function.spec for function in self._functions.values()), key=lambda spec: spec.path)
        for info in infos:
            info.spec = replace(info.spec, place=self._relative_place(info.spec.place))
        manifest = Manifest(
            tables=tuple(info.spec for info in infos),
            functions=tuple(specs),
            crons=tuple(replace(cron, place=self._relative_place(cron.place)) for cron in crons),
            routes=tuple(self._routes.sorted()),
            wire_names=self._wire_names,
        )
        app = LoadedApp(
            self._root, manifest, self._functions, infos, self._numbers, self._limits, handlers=self._handlers
        )
        app.sign_in, app.sign_in_hook = self._sign_in, hook
        return app

    # -- files

    def _files(self, package: str) -> Iterator[_File | None]:
        """The schema, then all files of functions in order of path."""
        if os.path.isfile(os.path.join(self._root, self._schema_file)):
            yield self._parsed(self._schema_file, importing.module_name(self._schema_file), ())
        folder = os.path.join(self._root, self._functions_folder)
        if not os.path.isdir(folder):
            self._report(
                Place(self._functions_folder, 1),
                self._functions_folder,
                "there is no such folder",
                "make it, or name another one in joelclaw.toml: [app] functions",
            )
        for current, folders, names in os.walk(folder):
            folders[:] = sorted(name for name in folders if name != "__pycache__" and not name.startswith("."))
            for name in sorted(names):
                stem, extension = os.path.splitext(name)
                if extension == ".py" and not name.startswith("."):
                    steps = [*os.path.relpath(current, folder).split(os.sep), stem]
                    yield self._file(package, [step for step in steps if step != "."])

    def _file(self, package: str, steps: list[str]) -> _File | None:
        path = f"{self._functions_folder}/{'/'.join(steps)}.py"
        for step in steps:
            problem = None if step.isidentifier() and step.isascii() else "is no name that Python can import"
            problem = problem or identifier_problem(step)
            if problem is not None and step != "__init__":
                self._report(Place(path, 1), step, problem, "name it with letters, digits and '_'")
                return None
        names = steps[:-1] if steps[-1] == "__init__" else steps
        helper = ["__init__"] if steps[-1] == "__init__" else []
        return self._parsed(path, ".".join([package, *names]), [*names, *helper])

    def _parsed(self, path: str, module: str, names: Sequence[str]) -> _File | None:
        file = os.path.join(self._root, path)
        try:
            with open(file, "rb") as source:
                tree = ast.parse(source.read(), file)
        except SyntaxError as error:
            self._report_syntax_error(error)
        except (OSError, ValueError) as error:
            self._report(Place(path, 1), module, f"cannot be read: {error}", "save it as UTF-8 text")
        else:
            return _File(path, module, names, tree)
        return None

    # -- imports

    def _import(self, file: _File) -> ModuleType | None:
        try:
            return importlib.import_module(file.module)
        except SyntaxError as error:
            self._report_syntax_error(error)
        except (Exception, SystemExit) as error:
            self._report_import_error(file, error)
        return None

    def _report_syntax_error(self, error: SyntaxError) -> None:
        file = error.filename or ""
        module = importing.module_name(os.path.relpath(file, self._root)) if file else "?"
        self._report(Place(file, error.lineno or 1), module, f"is no Python: {error.msg}", "")

    def _report_import_error(self, file: _File, error: BaseException) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        users = [frame for frame in frames if importing.is_users(frame.filename, self._root)]
        place = Place(users[-1].filename, users[-1].lineno or 1) if users else Place(file.path, 1)
        module = importing.module_name(os.path.relpath(os.path.join(self._root, place.file), self._root))
        self._report(place, module, f"cannot be imported: {type(error).__name__}: {error}", self._import_advice(error))

    def _import_advice(self, error: BaseException) -> str:
        package = importing.module_name(self._functions_folder)
        if isinstance(error, (ImportError, AttributeError)) and "circular import" in str(error):
            return f"files that need each other import modules, not names: from {package} import chat"
        if not isinstance(error, ModuleNotFoundError) or error.name is None:
            return ""
        if error.name == importing.module_name(self._schema_file):
            return f"make {self._schema_file}, or name another file in joelclaw.toml: [app] schema"
        if os.path.exists(os.path.join(self._root, self._functions_folder, f"{error.name}.py")):
            return f"files of functions are one package: from {package} import {error.name}"
        return "install it where the platform runs, or mend the name"

    # -- tables

    def _tables(self, classes: list[Any]) -> dict[type, TableInfo[Any]]:
        tables, problems = check_classes(classes, self._limits)
        self._problems += problems
        return {
            cls: table_info(cls, self._numbers, self._limits.document_bytes)
            for cls in tables
            if not declaration_of(cls).problems
        }

    # -- functions

    def _read_module(self, file: _File, module: ModuleType, tables: dict[type, TableInfo[Any]]) -> None:
        scope = Scope(module.__name__, vars(module))
        self._problems += KeywordCheck(file.path, file.tree, scope, tables).problems()
        self._crons.look_through(module, is_helper=file.is_helper)
        if file.is_helper:
            return
        naming = naming_of(module.__name__)
        wire_module = "/".join(naming(name) for name in file.names)
        python_module, source = ".".join(file.names), Source(file.path, file.tree)
        self._read_functions(module, wire_module, python_module, source)
        self._read_routes(module, python_module, source)

    def _read_routes(self, module: ModuleType, python_module: str, source: Source) -> None:
        for name, action in _http_actions_of(module):
            for route in self._routes.read(action, f"{python_module}.{name}", source.place_of(action.fn)):
                self._handlers[route.name] = action.fn

    def _read_functions(self, module: ModuleType, wire_module: str, python_module: str, source: Source) -> None:
        naming = naming_of(module.__name__)
        for name, function in _functions_of(module):
            wire_name = naming(name) if function.wire_name is None else function.wire_name
            place = source.place_of(function.fn)
            python_path = f"{python_module}.{name}"
            path = f"{wire_module}:{wire_name}"
            problem = identifier_problem(wire_name)
            if problem is not None:
                self._report(
                    place, python_path, f"is {wire_name!r} on the wire, which {problem}", "choose another name"
                )
                continue
            if self._is_taken(path) and not module.__name__.startswith(_SYSTEM):
                self._report(
                    place,
                    python_path,
                    f"is {path!r} on the wire, which is the platform's own when people can sign in",
                    f"rename it, or name it with @{function.kind}(name=...)",
                )
                continue
            other, other_place = self._places.setdefault(path, (python_path, place))
            if other != python_path:
                self._report(
                    place,
                    python_path,
                    f"is {path!r} on the wire, and so is {other} ({other_place})",
                    f"rename one of them, or name it with @{function.kind}(name=...)",
                )
                continue
            reader = SignatureReader(
                function,
                path=path,
                python_path=python_path,
                scope=Scope(module.__name__, vars(module)),
                source=source,
                naming=naming,
                numbers=self._numbers,
                limits=DEFAULT_LIMITS if wire_module.startswith(SYSTEM_PREFIX) else self._limits,
            )
            loaded = reader.read()
            self._problems += reader.problems
            if loaded is not None:
                self._functions[function] = loaded

    # -- sign-in

    def _read_sign_in(self, tables: dict[type, TableInfo[Any]]) -> LoadedFunction | None:
        """The mutation that makes users, if the app has one; what is wrong with it or its table is reported."""
        if self._sign_in is None:
            return None
        reader = ArrivalReader(self._sign_in)
        by_name = {table.name: table for table in tables.values()}
        hook = reader.read(self._functions.values(), by_name, complete=not self._problems)
        self._problems += reader.problems
        return hook

    def _is_taken(self, path: str) -> bool:
        """Clients mean the platform's own by this."""
        return self._sign_in is not None and path in TAKEN

    # -- the platform's own

    def _load_system(self) -> list[TableInfo[Any]]:
        """The system's functions, read like the app's; its tables are given back."""
        tables = []
        client_modules = () if self._sign_in is None else CLIENT_MODULES
        for name in (*SYSTEM_MODULES, *client_modules):
            module = importlib.import_module(f"joelclaw.system.{name}")
            # Not parsed, which every isolate would pay for: a decorator's line is found as well as that of its `def`.
            source = Source(f"joelclaw/system/{name.replace('.', '/')}.py", ast.Module([], []))
            naming = naming_of(module.__name__)
            wire_module = SYSTEM_PREFIX + "/".join(naming(step) for step in name.split("."))
            wire_module = CLIENT_MODULES.get(name, wire_module)
            self._read_functions(module, wire_module, module.__name__, source)
            own = [cls for cls in vars(module).values() if _is_table_of(cls, module)]
            tables += [table_info(cls, self._numbers, SYSTEM_DOCUMENT_BYTES) for cls in own]
        return tables

    # -- problems

    def _report(self, place: Place, name: str, reason: str, advice: str) -> None:
        self._problems.append(Problem(place=place, name=name, reason=reason, advice=advice))

    def _relative(self, problem: Problem) -> Problem:
        reason = problem.reason.replace(self._root + os.sep, "")
        return replace(problem, place=self._relative_place(problem.place), reason=reason)

    def _relative_place(self, place: Place) -> Place:
        file = place.file
        if os.path.isabs(file) and importing.is_users(file, self._root):
            file = os.path.relpath(file, self._root).replace(os.sep, "/")
        elif os.path.isabs(file):
            file = os.path.join("joelclaw", os.path.relpath(file, os.path.dirname(os.path.dirname(__file__))))
        return Place(file, place.line)


def _functions_of(module: ModuleType) -> list[tuple[str, Function]]:
    """The functions that a module defines, once each, under the name of their `def` if they have several."""
    found: dict[int, tuple[str, Function]] = {}
    for name, value in vars(module).items():
        if isinstance(value, Function) and getattr(value.fn, "__module__", None) == module.__name__:
            known = found.get(id(value))
            if known is None or name == getattr(value.fn, "__name__", ""):
                found[id(value)] = (name, value)
    return list(found.values())


def _http_actions_of(module: ModuleType) -> list[tuple[str, HttpAction]]:
    found = {
        id(value): (name, value)
        for name, value in vars(module).items()
        if isinstance(value, HttpAction) and getattr(value.fn, "__module__", None) == module.__name__
    }
    return list(found.values())


def _is_table_of(value: object, module: ModuleType) -> bool:
    return isinstance(value, type) and issubclass(value, Table) and value.__module__ == module.__name__
