"""Fixtures: deployments in temporary folders."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functions.deployment import Deployment, deploy


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Callable[..., Deployment]]:
    """Makes a deployment of these files."""
    made: list[Deployment] = []

    def make(files: dict[str, str], **options: Any) -> Deployment:
        made.append(deploy(tmp_path, files, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
