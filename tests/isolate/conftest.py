"""The fixture that all tests of isolates share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.isolate.isolates import Deployment


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path)
    yield deployment
    deployment.close()
