"""Fixtures: a lab, and deployments of files for what a lab cannot show."""

from collections.abc import Callable

import pytest

from tests.behaviours.lab import FUNCTIONS, SCHEMA, Lab
from tests.functions.conftest import deployment
from tests.functions.deployment import Deployment

__all__ = ["deployment", "lab"]


@pytest.fixture
def lab(deployment: Callable[..., Deployment]) -> Lab:
    return Lab(deployment({"schema.py": SCHEMA, "lab.py": FUNCTIONS}))
