"""Static types: right code passes both checkers without casts, wrong code is flagged at its line."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from joelclaw.functions.loader import load_app

HERE = Path(__file__).parent
PLATFORM = HERE.parents[1] / "platform"


def check(checker: str, name: str, folder: Path) -> list[str]:
    """What a checker says about an app, copied into an empty folder: `file:line: message` for each error."""
    app = folder / "app"
    shutil.copytree(HERE / name, app, ignore=shutil.ignore_patterns("__pycache__"))
    # Strict has opinions about unused names, too, which the wrong uses are full of.
    return mypy(app) if checker == "mypy" else pyright(app, "strict" if name == "app" else "standard")


def mypy(app: Path) -> list[str]:
    config = app.parent / "mypy.ini"
    config.write_text("[mypy]\nstrict = true\nexplicit_package_bases = true\n")
    options = ["--config-file", str(config), "--cache-dir", str(HERE.parents[1] / ".mypy_cache"), "--no-error-summary"]
    environment = {**os.environ, "MYPYPATH": f"{PLATFORM}:{app}"}
    command = [sys.executable, "-m", "mypy", *options, "."]
    done = subprocess.run(command, cwd=app, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr + done.stdout
    return [line for line in done.stdout.splitlines() if ": error:" in line]


def pyright(app: Path, mode: str) -> list[str]:
    config = {"include": ["app"], "extraPaths": [str(PLATFORM), "app"], "typeCheckingMode": mode}
    (app.parent / "pyrightconfig.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(command, cwd=app.parent, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr + done.stdout
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(list(app.rglob("*.py")))
    return [
        f"{Path(one['file']).relative_to(app)}:{one['range']['start']['line'] + 1}: {one['message']}"
        for one in report["generalDiagnostics"]
        if one["severity"] == "error"
    ]


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_a_right_app_passes_without_casts(checker: str, tmp_path: Path) -> None:
    """Everything that the API offers, in strict mode."""
    sources = "".join(path.read_text() for path in (HERE / "app").rglob("*.py"))
    assert "cast(" not in sources
    assert "type: ignore" not in sources
    assert check(checker, "app", tmp_path) == []


def test_the_right_app_loads() -> None:
    """What passes the checkers passes ours."""
    manifest = load_app(HERE / "app").manifest
    assert manifest.find_function("comments:forArticle") is not None


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_wrong_uses_are_flagged_at_their_lines(checker: str, tmp_path: Path) -> None:
    """Exactly the marked lines, each."""
    file = HERE / "wrong" / "app_functions" / "wrong.py"
    marked = {number for number, line in enumerate(file.read_text().splitlines(), 1) if line.endswith("# wrong")}
    found = check(checker, "wrong", tmp_path)
    flagged = {int(match[1]) for line in found if (match := re.match(r"app_functions/wrong\.py:(\d+)", line))}
    assert not marked - flagged, "not flagged"
    assert not flagged - marked, [line for line in found if int(line.split(":")[1]) in flagged - marked]
    assert all(line.startswith("app_functions/wrong.py:") for line in found)
    assert len(marked) > 60
