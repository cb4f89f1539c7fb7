"""Fixtures that every part's tests share."""

import fcntl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.redis_server import RedisServer, redis_server

TESTS = Path(__file__).parent

# The same examples on every run: a red build has to mean that somebody changed something.
settings.register_profile("deterministic", derandomize=True, deadline=None)
settings.load_profile("deterministic")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits long comes first, so that nobody waits for it alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The installed packages of `tests/package.json`: the clients as they are shipped."""
    installed = TESTS / "node_modules"
    with (TESTS / "package.json").open() as only_one_of_us_installs:
        fcntl.flock(only_one_of_us_installs, fcntl.LOCK_EX)
        if not installed.exists():
            subprocess.run(["npm", "ci"], cwd=TESTS, check=True)
    return installed


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis, for this test alone."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server
