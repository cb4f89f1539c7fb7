"""The lock of packages: which file it is, how it is read, and what is told where something else is installed."""

from importlib.metadata import version
from pathlib import Path

import pytest

from joelclaw.config import load_config
from joelclaw.deploy.requirements import Requirement, read_lock, unmet
from joelclaw.errors import CommandFailed
from tests.deploy.workshop import save

MSGSPEC = version("msgspec")

LOCK = """
# What the app was written with.
--no-binary :none:
msgspec==1.0 \\
    --hash=sha256:0123 \\
    --hash=sha256:4567
httpx[http2]>=0.27  # for the poller
-r more/others.txt
-e .
./vendored
colorama==0.4.6 ; sys_platform == "win32"
"""


def lock_of(root: Path) -> list[tuple[str, str, int]]:
    return [(one.text, one.file, one.line) for one in read_lock(load_config(root, None))]


def told(text: str) -> list[str]:
    return [str(problem) for problem in unmet([Requirement(text, "requirements.lock", 7)])]


def test_a_lock_is_read_as_pip_reads_it(tmp_path: Path) -> None:
    """Comments, options, hashes and continued lines are left out, other files are followed, lines keep numbers."""
    save(tmp_path, "requirements.lock", LOCK)
    save(tmp_path, "more/others.txt", "numpy==2.0\n-r others.txt\n")

    assert lock_of(tmp_path) == [
        ("msgspec==1.0", "requirements.lock", 4),
        ("httpx[http2]>=0.27", "requirements.lock", 7),
        ("numpy==2.0", "more/others.txt", 1),
        ('colorama==0.4.6 ; sys_platform == "win32"', "requirements.lock", 11),
    ]


def test_the_lock_is_found_or_declared(tmp_path: Path) -> None:
    """requirements.lock before requirements.txt; [deploy] lock names another, or none; no file is no lock."""
    assert lock_of(tmp_path) == []
    save(tmp_path, "requirements.txt", "a==1")
    assert lock_of(tmp_path) == [("a==1", "requirements.txt", 1)]
    save(tmp_path, "requirements.lock", "b==1")
    assert lock_of(tmp_path) == [("b==1", "requirements.lock", 1)]
    save(tmp_path, "locks/server.txt", "c==1")
    save(tmp_path, "joelclaw.toml", '[deploy]\nlock = "locks/server.txt"\n')
    assert lock_of(tmp_path) == [("c==1", "locks/server.txt", 1)]
    save(tmp_path, "joelclaw.toml", '[deploy]\nlock = ""\n')
    assert lock_of(tmp_path) == []


def test_a_declared_lock_has_to_be_there(tmp_path: Path) -> None:
    """One that is declared and missing is an error, not a lock that asks for nothing."""
    save(tmp_path, "joelclaw.toml", '[deploy]\nlock = "server.lock"\n')
    with pytest.raises(CommandFailed, match=r"the lock server\.lock cannot be read.*\[deploy\] lock says which"):
        lock_of(tmp_path)


def test_what_is_installed_is_in_order() -> None:
    """The same version, a range that holds it, no version at all, and what is for other systems pass."""
    for text in (f"msgspec=={MSGSPEC}", "MsgSpec", "msgspec>=0.1,<99", 'no-such-thing==1 ; sys_platform == "win32"'):
        assert told(text) == []


def test_another_version_is_told() -> None:
    """One sentence names the package, both versions and what to do."""
    [sentence] = told("msgspec==0.0.1")
    assert sentence == (
        f"requirements.lock:7: msgspec: the server has {MSGSPEC}, and the lock asks for ==0.0.1; "
        f"install requirements.lock where the server runs, or lock what is there"
    )


def test_a_missing_package_is_told() -> None:
    """One that the server does not have is named, with the version that was asked for."""
    [sentence] = told("no-such-thing==1.2")
    assert sentence.startswith(
        "requirements.lock:7: no-such-thing: the server does not have it, and the lock asks for ==1.2"
    )


def test_a_line_that_is_no_requirement_is_told() -> None:
    """What cannot be read is not passed over."""
    assert told("what is this") == [
        "requirements.lock:7: what is this: is no requirement as pip reads them; mend the line"
    ]
