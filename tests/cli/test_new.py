"""`joelclaw new`: makes a project, and never overwrites one."""

import subprocess
import sys
from pathlib import Path

from joelclaw.config import load_config
from tests.cli.conftest import Run


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_project_is_made(joelclaw: Run, project: Path) -> None:
    """The folder holds a declaration that is accepted, tables, functions, a test, and what git should ignore."""
    result = joelclaw("new", "garden")

    assert result.code == 0
    assert "cd garden" in result.err
    assert sorted(contents(project / "garden")) == [
        ".gitignore",
        "README.md",
        "app_functions/__init__.py",
        "app_functions/messages.py",
        "joelclaw.toml",
        "schema.py",
        "tests/test_messages.py",
    ]
    assert load_config(project / "garden", {}).app.name == "garden"
    assert not any("NAME" in text for text in contents(project / "garden").values())


def test_the_current_folder_can_become_the_project(joelclaw: Run, project: Path) -> None:
    """`joelclaw new .` fills an empty folder."""
    assert joelclaw("new", ".").code == 0
    assert (project / "schema.py").is_file()


def test_nothing_is_overwritten(joelclaw: Run, project: Path) -> None:
    """A folder that holds anything is refused and stays as it was."""
    (project / "garden").mkdir()
    (project / "garden" / "notes.txt").write_text("mine")
    result = joelclaw("new", "garden")

    assert result.code == 1
    assert result.err == "error: garden is there already and not empty; choose another name, nothing was changed\n"
    assert contents(project / "garden") == {"notes.txt": "mine"}


def test_a_file_in_the_way_is_refused(joelclaw: Run, project: Path) -> None:
    """A file of that name is named in the refusal, and stays."""
    (project / "garden").write_text("mine")
    result = joelclaw("new", "garden")

    assert (result.code, result.out) == (1, "")
    assert "garden" in result.err
    assert (project / "garden").read_text() == "mine"


def test_a_name_that_cannot_be_declared_is_refused(joelclaw: Run, project: Path) -> None:
    """A name that joelclaw.toml would not accept makes no folder."""
    result = joelclaw("new", "my garden")

    assert result.code == 2
    assert "'my garden' cannot name a project" in result.err
    assert contents(project) == {}


def test_the_project_is_typed(joelclaw: Run, project: Path) -> None:
    """What a new project starts with passes mypy --strict."""
    joelclaw("new", "garden")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(project / "cache"), "."],
        cwd=project / "garden",
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
