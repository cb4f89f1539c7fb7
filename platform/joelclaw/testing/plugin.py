"""
The plugin of pytest: the fixture `backend`, for the project in which pytest is started.

pytest finds it by itself where joelclaw is installed. In a folder without `joelclaw.toml`, and
in tests that do not ask for `backend` or import the app, it does nothing and costs nothing.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from joelclaw.testing.backend import Backend


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("joelclaw_project", "the folder of joelclaw.toml, from the root folder", default="")
    parser.addoption(
        "--joelclaw-seed",
        type=int,
        default=0,
        help="draw other random numbers and ids in tests with a backend; every number gives the same ones again",
    )


def pytest_configure(config: pytest.Config) -> None:
    if not (_project(config) / "joelclaw.toml").is_file():
        return
    from joelclaw.errors import ConfigRefused
    from joelclaw.testing.imports import load_on_import

    try:
        load_on_import(_project(config))
    except ConfigRefused as error:
        raise pytest.UsageError(str(error)) from None


def _project(config: pytest.Config) -> Path:
    declared: str = config.getini("joelclaw_project")
    if declared:
        return config.rootpath / declared
    # The root folder alone may be above the project, where pytest is configured, or below, where the tests are.
    here = config.invocation_params.dir
    around = (here, *here.parents) if here.is_relative_to(config.rootpath) else ()
    return next((folder for folder in around if (folder / "joelclaw.toml").is_file()), config.rootpath)


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> "Iterator[Backend]":
    """A backend of the project's app: an empty database, a clock that stands still, nobody signed in."""
    from joelclaw.testing.backend import Backend

    # Its own for each test, whatever runs before it.
    seed = zlib.crc32(request.node.nodeid.encode(), request.config.getoption("--joelclaw-seed"))
    with Backend(_project(request.config), seed=seed) as backend:
        yield backend


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Show what functions logged beside what the test printed, if it fails."""
    try:
        return (yield)
    finally:
        backend = getattr(item, "funcargs", {}).get("backend")
        lines = getattr(backend, "logs", None)
        if lines:
            item.add_report_section("call", "functions", "\n".join(map(str, lines)))
