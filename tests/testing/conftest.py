"""The lab: an app that does a little of everything, loaded when the first test wants it."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import structlog

from joelclaw.testing import Backend, Project, load_project

APP = Path(__file__).parent / "app"


@pytest.fixture(scope="session")
def project() -> Project:
    return load_project(APP)


@pytest.fixture(scope="session")
def notes(project: Project) -> ModuleType:
    """The module of functions that a test calls."""
    return importlib.import_module("lab_functions.notes")


@pytest.fixture
def lab(project: Project) -> Iterator[Backend]:
    structlog.reset_defaults()  # A server that another test ran in this process has led it to its own log.
    with Backend(project) as backend:
        yield backend
