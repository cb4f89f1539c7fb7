"""
The site, built as it is deployed.

A build takes some fifteen seconds of processor time, so one is kept for as long as no file of the site changes;
several test processes make it once.
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
    return built


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
