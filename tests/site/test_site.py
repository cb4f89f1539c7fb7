"""The repository's own site: its types are those of its app, its code agrees with them, and its own tests pass."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.codegen.compiler import NODE_MODULES, diagnostics
from tests.site.building import copy_sources

ROOT = Path(__file__).parents[2]
SITE = ROOT / "site"
GENERATED = SITE / "convex" / "_generated"


def test_the_generated_files_are_up_to_date(tmp_path: Path) -> None:
    """`joelclaw codegen` would change nothing in what is committed."""
    command = [sys.executable, "-m", "joelclaw.cli", "codegen", "--project", str(ROOT), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    assert contents(GENERATED) == contents(tmp_path), "run `joelclaw codegen` and commit what it writes"


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.fixture
def copied(site_modules: Path, tmp_path: Path) -> Path:
    """The site, as a clone has it after its packages are installed."""
    site = copy_sources(tmp_path / "site")
    (site / "node_modules").symlink_to(site_modules)
    return site


def test_the_site_compiles(copied: Path, node_modules: Path) -> None:
    """The site passes `tsc --strict`."""
    assert diagnostics(copied) == []


def test_the_example_of_the_documentation_compiles(copied: Path, node_modules: Path) -> None:
    """The component of docs/site.md is one of this site."""
    [code] = re.findall(r"```tsx\n(.*?)```", (ROOT / "docs" / "site.md").read_text("utf-8"), re.DOTALL)
    (copied / "components" / "example.tsx").write_text(f"{code}\nexport default Calls;\n")
    assert diagnostics(copied) == []


def test_what_the_site_computes_is_tested(copied: Path) -> None:
    """Its own tests, of what needs no browser, pass."""
    command = ["node_modules/.bin/vitest", "run"]
    done = subprocess.run(command, cwd=copied, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_sites_clients_are_those_that_are_tested() -> None:
    """The site talks to the backend by the packages that all other tests do, at the same versions."""
    site = json.loads((SITE / "package.json").read_text())["dependencies"]
    tests = json.loads((NODE_MODULES.parent / "package.json").read_text())["dependencies"]
    for name in ("@auth/core", "@convex-dev/auth", "convex", "react", "react-dom"):
        assert site[name] == tests[name], name


def test_no_version_is_a_range() -> None:
    """What is installed is what was tried."""
    for package in (SITE / "package.json", NODE_MODULES.parent / "package.json"):
        declared = json.loads(package.read_text())
        versions = declared["dependencies"] | declared.get("devDependencies", {})
        assert [name for name, version in versions.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []


def test_locks_name_no_registry() -> None:
    """Where packages come from is the machine's own affair."""
    for lock in (SITE / "package-lock.json", NODE_MODULES.parent / "package-lock.json"):
        packages = json.loads(lock.read_text())["packages"]
        assert [name for name, package in packages.items() if "resolved" in package] == []
