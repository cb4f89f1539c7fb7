"""The wheel: complete, and enough to make a project and look at it, away from the repository."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, cwd: Path) -> str:
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} exited with {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """Every module of the platform is in the wheel, with py.typed, the licence, and nothing else of the repository."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        metadata = {name.split(".dist-info/")[1] for name in archive.namelist() if ".dist-info/" in name}

    package = ROOT / "platform"
    assert names >= {str(path.relative_to(package)) for path in (package / "joelclaw").rglob("*.py")}
    assert "joelclaw/py.typed" in names
    assert {name.split("/")[0] for name in names} == {"joelclaw"}
    assert {"entry_points.txt", "licenses/LICENSE"} <= metadata


def test_a_project_is_made_and_read_outside_the_repository(wheel: Path, tmp_path: Path) -> None:
    """In an empty environment with only the locked packages, `joelclaw new` makes an app that loads."""
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=tmp_path)
    python = venv / "bin" / "python"
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    run(*pip, "--no-compile", "--require-hashes", "-r", ROOT / "requirements" / "runtime.txt", cwd=tmp_path)
    run(*pip, "--no-deps", wheel, cwd=tmp_path)
    # The lock holds all that the wheel asks for.
    run(sys.executable, "-m", "pip", "--python", python, "check", cwd=tmp_path)

    joelclaw = venv / "bin" / "joelclaw"
    run(joelclaw, "new", "garden", cwd=tmp_path)
    functions = json.loads(run(joelclaw, "functions", "--json", cwd=tmp_path / "garden"))

    assert {(function["path"], function["kind"], function["allow"]) for function in functions} == {
        ("messages:recent", "query", "anyone"),
        ("messages:send", "mutation", "anyone"),
    }
