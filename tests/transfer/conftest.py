"""Databases that tests export from and import into."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.transfer.places import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A deployment's database, empty."""
    return Place(tmp_path / "place")


@pytest.fixture
def another(tmp_path: Path) -> Place:
    """Another one."""
    return Place(tmp_path / "another")


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Writes a file."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
