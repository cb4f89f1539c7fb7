"""`joelclaw.testing.plugin`: what pytest offers in a project."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from joelclaw.cli import main

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "testing.md"


def run_pytest(project: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project that docs/testing.md shows."""
    (tmp_path / "joelclaw.toml").touch()
    for name, text in re.findall(r"```python\n# (\S+\.py)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "app_functions" / "__init__.py").touch()
    return tmp_path


def test_the_tests_of_the_page_pass(project: Path) -> None:
    """What docs/testing.md shows is true, and typed."""
    done = run_pytest(project)
    assert "4 passed" in done.stdout, done.stdout

    command = [sys.executable, "-m", "mypy", "--strict", "--explicit-package-bases", "--cache-dir", "cache"]
    typed = subprocess.run([*command, "."], cwd=project, capture_output=True, text=True, check=False)
    assert typed.returncode == 0, typed.stdout


def test_a_new_project_begins_with_a_test_that_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`joelclaw new` writes it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["joelclaw", "new", "garden"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code

    done = run_pytest(tmp_path / "garden")
    assert re.search(r"[1-9] passed", done.stdout), done.stdout


def test_a_project_in_a_larger_one_is_found(project: Path) -> None:
    """pytest's root folder may be above the project, or below: the project is where pytest is started, or around it."""
    folder = project / "garden"
    folder.mkdir()
    for name in ("joelclaw.toml", "schema.py", "app_functions", "tests"):
        (project / name).rename(folder / name)
    alone = run_pytest(folder / "tests", "test_reminders.py")
    assert "4 passed" in alone.stdout, alone.stdout
    (project / "pytest.ini").write_text("[pytest]\n")
    for here in (folder, folder / "tests"):
        done = run_pytest(here)
        assert "4 passed" in done.stdout, done.stdout
    (project / "pytest.ini").write_text("[pytest]\njoelclaw_project = garden\n")
    from_above = run_pytest(project, "garden")
    assert "4 passed" in from_above.stdout, from_above.stdout


def test_two_runs_give_the_same(project: Path) -> None:
    """Ids are the test's own, whatever else runs; another seed gives others."""
    (project / "tests" / "test_ids.py").write_text(
        "from app_functions import reminders\n"
        "def test_id(backend):\n"
        "    print(backend.as_user('ann').mutation(reminders.add, text='tea', after='1h'))\n"
    )

    def id_of(*options: str) -> str:
        return run_pytest(project, "-s", "tests/test_ids.py", *options).stdout.split()[0]

    alone = id_of()
    assert alone == run_pytest(project, "-s", "-k", "id or nobody").stdout.split()[0]
    assert alone != id_of("--joelclaw-seed", "7")


def test_what_functions_logged_is_shown_with_a_failure(project: Path) -> None:
    """Below what the test itself printed."""
    (project / "tests" / "test_fails.py").write_text(
        "from app_functions import reminders\n"
        "def test_it(backend):\n"
        "    backend.as_user('ann').mutation(reminders.add, text='tea', after='0s')\n"
        "    assert False\n"
    )

    assert "reminders:ring [LOG] ringing" in run_pytest(project).stdout


def test_an_app_that_does_not_load_says_why(project: Path) -> None:
    """The file that imports it is the one that fails, with every problem of the app."""
    (project / "app_functions" / "reminders.py").write_text("from joelclaw import query\n@query\ndef f(ctx, x): ...\n")

    done = run_pytest(project)
    assert done.returncode == 2
    assert "app_functions/reminders.py:3" in done.stdout


def test_a_declaration_that_cannot_be_used_says_why(project: Path) -> None:
    """Before anything is collected."""
    (project / "joelclaw.toml").write_text("[sever]\n")

    done = run_pytest(project)
    assert done.returncode == 4
    assert "joelclaw.toml:1" in done.stderr


def test_modules_that_were_imported_too_early_are_refused(project: Path) -> None:
    """Without the plugin, the app has to be loaded first: otherwise its classes would be there twice."""
    program = (
        "import sys; sys.path.insert(0, '.'); import schema; from joelclaw.testing import Backend; Backend('.').close()"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=project, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "schema was imported before the app was loaded" in done.stderr


def test_the_plugin_costs_nothing_where_it_is_not_used(tmp_path: Path) -> None:
    """No part of the engine is imported for other tests."""
    (tmp_path / "test_other.py").write_text(
        "import sys\ndef test_other():\n    assert 'joelclaw.engine.engine' not in sys.modules\n"
    )

    assert "1 passed" in run_pytest(tmp_path).stdout
