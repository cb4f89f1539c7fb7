"""
A Next.js app with the shipped middleware, built once and served as its own process.

A build takes about 20 seconds of processor time, so one is kept beside the tests' packages for as long as neither
these nor the app's files change; several test processes make it once.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from tests.conformance.deadline import PATIENCE_S

APP = Path(__file__).parent / "next"
TESTS = Path(__file__).parents[2]


def build(node_modules: Path) -> Path:
    """The folder of a built app."""
    built = TESTS / ".next-builds" / _fingerprint()
    built.parent.mkdir(exist_ok=True)
    with (built.parent / "lock").open("w") as only_one_of_us_builds:
        fcntl.flock(only_one_of_us_builds, fcntl.LOCK_EX)
        if not (built / "complete").exists():
            shutil.rmtree(built, ignore_errors=True)
            shutil.copytree(APP, built, ignore=shutil.ignore_patterns(".next", "node_modules"))
            (built / "node_modules").symlink_to(node_modules)
            done = subprocess.run(
                [node_modules / ".bin" / "next", "build"],
                cwd=built,
                env=_environment(),
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                pytest.fail(f"Next.js cannot build its app:\n{done.stdout}\n{done.stderr}")
            (built / "complete").touch()
    return built


class NextServer:
    """A built app that is served on a port, until it is stopped."""

    def __init__(self, built: Path, port: int, deployment: str) -> None:
        self.origin = f"http://localhost:{port}"
        """Not the address that it listens on: Next.js redirects to this name, and cookies are a host's."""

        command = [built / "node_modules" / ".bin" / "next", "start", "-H", "127.0.0.1", "-p", str(port)]
        self._process = subprocess.Popen(
            command,
            cwd=built,
            env=_environment(CONVEX_URL=deployment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._told: list[str] = []
        self._is_ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._is_ready.wait(PATIENCE_S)
        if not any(re.search("Ready in", line) for line in self._told):
            self.stop()
            pytest.fail("Next.js did not begin to serve:\n" + "".join(self._told))

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_S)
        finally:
            self._process.kill()
        self._reader.join(PATIENCE_S)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._told.append(line)
            if "Ready in" in line:
                self._is_ready.set()
        self._is_ready.set()


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "NEXT_TELEMETRY_DISABLED": "1", "NODE_ENV": "production", **more}


def _fingerprint() -> str:
    digest = hashlib.sha256((TESTS / "package-lock.json").read_bytes())
    for file in sorted(path for path in APP.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(APP)}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:16]
