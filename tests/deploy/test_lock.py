"""One gateway for a database."""

import subprocess
import sys
from pathlib import Path

import pytest

from joelclaw.deploy.lock import locked
from joelclaw.errors import CommandFailed

HOLD = """
import sys
from pathlib import Path
from joelclaw.deploy.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_gateway_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    """It is told who has the database; the lock ends with its holder, also when that is killed."""
    database = tmp_path / "data" / "joelclaw.db"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(CommandFailed) as caught, locked(database):
        pytest.fail("two have it")
    assert str(caught.value) == (
        f"{database} is served already, by process {holder.pid}; stop that, or name another file in [store] url"
    )
    holder.kill()
    holder.communicate()
    with locked(database), locked(database.with_name("other.db")):
        pass


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    """It says which file and where the path comes from."""
    (tmp_path / "data").write_text("not a folder")
    with (
        pytest.raises(CommandFailed, match=r"data/joelclaw\.db-lock cannot be written: .*\[store\] url"),
        locked(tmp_path / "data" / "joelclaw.db"),
    ):
        pytest.fail("it has a lock")
