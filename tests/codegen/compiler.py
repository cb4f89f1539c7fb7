"""The TypeScript compiler, and what it says of a project."""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parent.parent
NODE_MODULES = TESTS / "node_modules"

_DIAGNOSTIC = re.compile(r"(?:(?P<file>[^\s(][^(]*)\((?P<line>\d+),\d+\): )?error TS\d+: .*")


class Diagnostic(NamedTuple):
    file: str
    """Relative to the project; empty if it is about the project itself."""

    line: int
    text: str


def diagnostics(project: Path, *options: str) -> list[Diagnostic]:
    """All errors in a project, which is a folder with a `tsconfig.json`."""
    command: list[str | Path] = [NODE_MODULES / ".bin" / "tsc", "--project", project, "--pretty", "false", *options]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=300)
    found = [
        Diagnostic(match["file"] or "", int(match["line"] or 0), match[0])
        for match in map(_DIAGNOSTIC.fullmatch, done.stdout.splitlines())
        if match
    ]
    assert bool(found) == bool(done.returncode), done.stdout + done.stderr
    return found
