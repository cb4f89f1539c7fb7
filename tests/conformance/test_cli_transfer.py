"""The official command line exports from us and imports into us."""

import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.deployment import Deployment
from tests.transfer.served import ADMIN_KEY, started

TESTS = Path(__file__).parents[1]
CLI = TESTS / "node_modules" / "convex" / "bin" / "main.js"
PATIENCE_S = 90.0


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    server = started(tmp_path / "app")
    yield server
    server.server.stop()


def convex(deployment: Deployment, folder: Path, *arguments: str) -> str:
    """What a command of the shipped package tells, from a project of its own."""
    project = folder / "client"
    if not project.exists():
        project.mkdir()
        (project / "package.json").write_text(json.dumps({"name": "client", "dependencies": {"convex": "*"}}))
        (project / "node_modules").symlink_to(TESTS / "node_modules")
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")} | {
        "CONVEX_SELF_HOSTED_URL": deployment.url,
        "CONVEX_SELF_HOSTED_ADMIN_KEY": ADMIN_KEY,
        "CI": "1",
    }
    done = subprocess.run(
        ["node", str(CLI), *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_official_command_line_imports_and_exports(deployment: Deployment, tmp_path: Path) -> None:
    """`convex import` brings in JSON lines, `convex export` writes a ZIP, and that comes back by `import`. ENV-6."""
    rows = tmp_path / "notes.jsonl"
    rows.write_text('{"body": "first"}\n{"body": "second"}\n')

    assert "Added 2 documents" in convex(deployment, tmp_path, "import", "--table", "notes", str(rows), "-y")
    assert deployment.query("notes:bodies") == ["first", "second"]

    path = tmp_path / "all.zip"
    convex(deployment, tmp_path, "export", "--include-file-storage", "--path", str(path))
    with zipfile.ZipFile(path) as packed:
        assert len(packed.read("notes/documents.jsonl").splitlines()) == 2

    deployment.mutation("notes:add", body="third")
    assert "Added 2 documents" in convex(deployment, tmp_path, "import", "--replace-all", "-y", str(path))
    assert deployment.query("notes:bodies") == ["first", "second"]
