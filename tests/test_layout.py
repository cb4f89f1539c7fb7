"""The shape of the repository: which way imports point, what isolates carry, what files must not say."""

import ast
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "platform" / "joelclaw"

# From the top down. A module imports from its own layer and from those below; names on one line
# share a layer. "author API" is the package itself: what `from joelclaw import ...` offers.
LAYERS = (
    ("cli", "testing"),
    ("server",),
    ("http",),
    ("sync",),
    ("deploy",),
    ("codegen",),
    ("scheduler",),
    ("auth",),
    ("logs", "metrics"),
    ("backup", "transfer"),
    ("engine",),
    ("isolate",),
    ("author API",),
    ("system",),
    ("functions",),
    ("files", "store"),
    ("schema",),
    ("values",),
    ("clock", "config", "config_auth", "errors", "limits"),
)
HEIGHT = {name: -depth for depth, names in enumerate(LAYERS) for name in names}


def layer_of(module: str) -> str:
    """The layer of a module of ours: `joelclaw.engine.reactor` is `engine`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "author API"


def imports(tree: ast.Module, module: str) -> Iterator[tuple[int, str]]:
    """Modules of ours that a file imports, wherever in it, with the line; those for checkers only left out."""
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: imports are absolute here"
            # `from joelclaw import server` names a module, `from joelclaw import query` does not.
            found = [
                f"{node.module}.{alias.name}" if is_module(f"{node.module}.{alias.name}") else str(node.module)
                for alias in node.names
            ]
        else:
            continue
        yield from ((node.lineno, name) for name in found if name.split(".")[0] == "joelclaw")


def is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def upward_imports(source: str, module: str) -> list[str]:
    """Imports of a module that point up, as `engine.lanes:12 imports http.sync`."""
    here = layer_of(module)
    return [
        f"{module}:{line} imports {imported}"
        for line, imported in imports(ast.parse(source), module)
        if HEIGHT[layer_of(imported)] > HEIGHT[here]
    ]


def test_the_standard_platform_module_is_the_real_one() -> None:
    """From the repository's root, `import platform` still gives the standard library's module."""
    found = subprocess.run(
        [sys.executable, "-c", "import platform; print(platform.__file__, platform.system())"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    file, system = found.stdout.split()
    assert file == platform.__file__
    assert ROOT not in Path(file).parents
    assert system == os.uname().sysname
    assert not (ROOT / "platform" / "__init__.py").exists()


def test_imports_point_down() -> None:
    """No module of the package imports from a layer above its own."""
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE.parent).with_suffix("")
        module = ".".join(part for part in relative.parts if part != "__init__")
        wrong += upward_imports(path.read_text("utf-8"), module)

    assert wrong == []


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("from joelclaw.http import routes", "joelclaw.engine.reactor"),
        ("import joelclaw.engine", "joelclaw.store.sqlite"),
        ("def late():\n    from joelclaw import server", "joelclaw.sync.session"),
        ("from joelclaw import query", "joelclaw.schema.tables"),
    ],
)
def test_an_import_that_points_up_is_found(source: str, module: str) -> None:
    """The check above sees plain, partial and late imports, and those of the author API."""
    assert len(upward_imports(source, module)) == 1


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("from joelclaw.engine.reactor import Reactor", "joelclaw.server"),
        ("from joelclaw.schema.problems import Problem", "joelclaw.schema.tables"),
        ("from joelclaw import query", "joelclaw.isolate.writer"),
        ("if TYPE_CHECKING:\n    from joelclaw.functions.manifest import Problem", "joelclaw.errors"),
        ("import msgspec", "joelclaw.values.wire"),
    ],
)
def test_an_import_that_points_down_is_fine(source: str, module: str) -> None:
    """Lower layers, the own one, other packages, and what only checkers read are allowed."""
    assert upward_imports(source, module) == []


def test_isolates_of_transactions_carry_no_event_loop() -> None:
    """What readers and writers import, the author API included: no event loop, server, terminal, or arrays."""
    program = "import sys, joelclaw.isolate.__main__; from joelclaw import *; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = set(done.stdout.split())
    assert {"joelclaw.isolate.reader", "joelclaw.isolate.writer", "sqlite3"} <= loaded
    assert loaded & {"asyncio", "litestar", "numpy", "rich", "uvicorn", "watchfiles", "websockets"} == set()


def test_every_part_of_the_package_has_its_layer() -> None:
    """A new package or module is given its place among the layers."""
    parts = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}

    assert parts - set(HEIGHT) - {"__init__"} == set()


def test_no_file_names_a_machine_or_a_registry() -> None:
    """Nothing that is committed depends on somebody's folders, or on where packages are fetched from."""
    # Composed, so that this file does not find itself.
    hosts = [r"py" + r"pi\.org", r"python" + r"hosted\.org", r"registry\.npm" + r"js\.org", r"registry\.yarn" + "pkg"]
    folders = [r"(?<![\w.~])/" + name + "/" for name in ("work", "root", r"home/\w+", r"Users/\w+")]
    forbidden = re.compile("|".join(hosts + folders))
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)

    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file():
            text = path.read_bytes().decode("utf-8", "replace")
            found += [f"{name}: {match[0]}" for match in forbidden.finditer(text)]

    assert found == []
