"""The repository's own site: its types are those of its app, and its code agrees with them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.codegen.compiler import NODE_MODULES, diagnostics

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


def test_the_site_compiles(node_modules: Path, tmp_path: Path) -> None:
    """The site passes `tsc --strict`, against the packages that the tests have."""
    site = tmp_path / "site"
    shutil.copytree(SITE, site, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (site / "node_modules").symlink_to(node_modules)
    assert diagnostics(site) == []


def test_the_site_uses_what_is_tested() -> None:
    """Every package of the site is in the tests' lock at the same version, and none is a range."""
    site = json.loads((SITE / "package.json").read_text())
    tests = json.loads((NODE_MODULES.parent / "package.json").read_text())
    assert tests["dependencies"].items() >= (site["dependencies"] | site["devDependencies"]).items()


def test_locks_name_no_registry() -> None:
    """Where packages come from is the machine's own affair."""
    for lock in (SITE / "package-lock.json", NODE_MODULES.parent / "package-lock.json"):
        assert "://" not in lock.read_text().replace('"url": "https://', '"url": "')
