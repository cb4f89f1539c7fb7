"""Which app a backup's documents are looked at with: the code that is in it, if it is ours; then another, or none."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from joelclaw.backup.working import working
from joelclaw.config import load_config
from joelclaw.deploy.parcel import Parcel, Settings
from tests.backup.test_backups import APP, House, left_over
from tests.backup.test_backups import house as house
from tests.cli.conftest import Result, Run
from tests.cli.conftest import joelclaw as joelclaw

NOW = datetime(2026, 11, 24, 4, tzinfo=UTC)
OTHER_SCHEMA = APP["schema.py"].replace("text: str", "text: str\n    stars: int")


def deployed(house: House, number: int, **files: str) -> None:
    """The house's database gets a version with these files, as a deploy leaves it."""
    app = {"app_functions/__init__.py": "", **{name.replace("__", "/"): text for name, text in files.items()}}
    parcel = Parcel(
        files={name: text.encode() for name, text in {**APP, **app}.items()},
        folders=("app_functions",),
        settings=Settings(functions="app_functions", schema="schema.py", wire_names="camel"),
    )
    written: dict[str, Any] = {
        "kind": "deploy",
        "author": "ada",
        "message": "",
        "key": "",
        "found": "",
        "contents": {},
        "changes": [],
    }
    house.app.mutate("_system/deployments:keepPart", digest=parcel.digest, part=0.0, data=parcel.pack())
    house.app.mutate("_system/deployments:record", number=float(number), digest=parcel.digest, **written)
    house.settle()


def project(house: House, files: dict[str, str]) -> None:
    """The files beside the declaration."""
    for name, text in files.items():
        path = house.root / PurePosixPath(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def make(house: House) -> None:
    house.backups().make(NOW)


@pytest.fixture
def prove(house: House, joelclaw: Run) -> Callable[[str], Result]:
    """`joelclaw backup drill` or `verify`."""
    return lambda command: joelclaw("backup", command, "--project", str(house.root))


@pytest.mark.parametrize("command", ["drill", "verify"])
def test_documents_are_looked_at_with_the_code_of_the_backup(
    house: House, prove: Callable[[str], Result], command: str
) -> None:
    """The version that was deployed last is taken, whatever the project's files say by now."""
    deployed(house, 7)
    project(house, {"schema.py": OTHER_SCHEMA})
    make(house)

    done = prove(command)

    assert done.code == 0, done.err
    assert "Its documents and indexes fit version 7." in done.err


def test_documents_that_do_not_fit_the_code_of_the_backup_are_told(
    house: House, prove: Callable[[str], Result]
) -> None:
    """A document that the deployed schema refuses fails the drill; the newest version counts."""
    deployed(house, 7)
    deployed(house, 8, **{"schema.py": OTHER_SCHEMA})
    make(house)

    done = prove("drill")

    assert done.code == 1
    assert "is not sound" in done.err
    assert "text" in done.err


def test_foreign_code_is_not_run(house: House, prove: Callable[[str], Result], tmp_path: Path) -> None:
    """Code whose digest the deployment's own database does not know is not loaded: a bucket may be anybody's."""
    ran = tmp_path / "ran"
    project(house, APP)
    before = house.root / "before.db"
    before.write_bytes(house.config.database.read_bytes())
    deployed(house, 7, **{"schema.py": f"{APP['schema.py']}\nopen({str(ran)!r}, 'w').close()\n"})
    make(house)
    house.config.database.write_bytes(before.read_bytes())
    ran.unlink(missing_ok=True)

    done = prove("drill")

    assert done.code == 0, done.err
    assert "the project's files" in done.err
    assert not ran.exists()


def test_the_projects_files_are_looked_at_where_nothing_was_deployed(
    house: House, prove: Callable[[str], Result]
) -> None:
    """Of `joelclaw dev` no code is kept; then the files of the project say what documents should be."""
    project(house, {**APP, "schema.py": OTHER_SCHEMA})
    make(house)

    done = prove("verify")

    assert done.code == 1
    assert "is not sound" in done.err


def test_without_any_app_that_is_said(house: House, prove: Callable[[str], Result]) -> None:
    """A folder with nothing but the declaration proves what can be proven, and does not say more."""
    make(house)

    done = prove("verify")

    assert done.code == 0, done.err
    assert "No app was there" in done.err


def test_what_an_app_prints_is_no_answer(house: House, prove: Callable[[str], Result]) -> None:
    """An app that prints while it is loaded, and leaves on the way, is told as what it is."""
    project(house, {**APP, "schema.py": APP["schema.py"] + "\nprint('hello')\n"})
    make(house)
    assert prove("verify").code == 0

    project(house, {"schema.py": "import os\nos._exit(3)\n"})
    done = prove("verify")
    assert done.code == 1
    assert "exit code 3" in done.err


def test_one_piece_of_work_at_a_time(house: House, prove: Callable[[str], Result]) -> None:
    """While another is at work nothing is attempted, and nothing is in the history."""
    make(house)
    with working(load_config(house.root, {}).database):
        done = prove("drill")

    assert (done.code, "another backup, drill or restore is at work" in done.err) == (1, True)
    assert left_over(house) == []


def test_the_history_says_which(house: House, prove: Callable[[str], Result]) -> None:
    """A drill leaves word of the version that it looked with."""
    deployed(house, 7)
    make(house)
    prove("drill")

    [note] = left_over(house)
    assert '"checked_with":"version 7"' in (house.root / "data" / "joelclaw.db-backup-work" / note).read_text()
