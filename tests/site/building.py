"""
The site, built as it is deployed.

A build takes some fifteen seconds of processor time, so one is kept for as long as no file of the site changes;
several test processes make it once. Old ones go, unless somebody still has them open.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SITE = ROOT / "site"
BUILDS = ROOT / "tests" / ".site-builds"

KEPT = 2
"""Builds: this one, and the one before it, to which a change that is taken back leads."""

MADE = frozenset({"node_modules", ".next", "out", "next-env.d.ts"})
"""In the site's folder, and no part of it."""


def copy_sources(folder: Path) -> Path:
    """The site as a clone has it."""
    return shutil.copytree(SITE, folder, ignore=lambda path, _: MADE if Path(path) == SITE else ())


def copy_site(folder: Path) -> Path:
    """With its packages, too. These are linked file by file: Next.js follows no other link."""
    copy_sources(folder)
    shutil.copytree(SITE / "node_modules", folder / "node_modules", symlinks=True, copy_function=os.link)
    return folder


def install() -> None:
    """Its packages, as the lock has them."""
    with _one_at_a_time():
        subprocess.run([ROOT / "scripts" / "setup", "site"], check=True)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    BUILDS.mkdir(exist_ok=True)
    with (BUILDS / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def build() -> Path:
    """The files of the built site. Nobody may change them: others have the same."""
    install()
    with _one_at_a_time():
        built = BUILDS / _fingerprint()
        if not built.exists():
            with tempfile.TemporaryDirectory(dir=BUILDS) as scratch:
                site = copy_site(Path(scratch) / "site")
                _run(site)
                (site / "out").rename(built)
        hold(built)
        forget_old(BUILDS)
    return built


def hold(built: Path) -> int:
    """Keep a build from being deleted as long as this process lives, or until what is returned is closed."""
    held = os.open(built, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_SH)
    os.utime(held)
    return held


def forget_old(builds: Path) -> None:
    """
    Delete builds but those that were used last, and what a build left that was killed. What somebody holds stays.

    Only for who has the lock: nobody builds meanwhile.
    """
    folders = sorted((path for path in builds.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    scratches = [path for path in folders if path.name.startswith(tempfile.gettempprefix())]
    finished = [path for path in folders if path not in scratches]
    for path in [*scratches, *finished[:-KEPT]]:
        if not _is_held(path):
            shutil.rmtree(path)


def _is_held(built: Path) -> bool:
    folder = os.open(built, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(folder)
    return False


def _run(site: Path) -> None:
    """Build it with nothing set, as whoever clones it does."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("NEXT_", "VITE_", "CONVEX_"))}
    done = subprocess.run(
        ["npm", "run", "build"],
        cwd=site,
        env={**environ, "NEXT_TELEMETRY_DISABLED": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"the site cannot be built:\n{done.stdout}\n{done.stderr}")


def _fingerprint() -> str:
    """Of everything that the build is made from."""
    digest = hashlib.sha256()
    for file in sorted(_files(SITE)):
        digest.update(f"{file.relative_to(SITE)}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _files(folder: Path) -> list[Path]:
    return [
        file
        for entry in folder.iterdir()
        if entry.name not in MADE
        for file in ([entry] if entry.is_file() else entry.rglob("*"))
        if file.is_file()
    ]
