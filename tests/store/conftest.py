"""Every test that takes a `store` runs on every backend."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from joelclaw.store.protocol import Store
from tests.store.backends import BACKENDS, Backend, file_backend
from tests.store.users import PLAIN, Users


@pytest.fixture(params=sorted(BACKENDS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty database, opened for writing."""
    backend = BACKENDS[request.param](tmp_path)
    yield backend.open()
    backend.close()


@pytest.fixture
def users(store: Store) -> Users:
    """The table of the tests, prepared in `store`."""
    return Users.prepare(store, PLAIN)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Backend]:
    """A database file that can be opened several times; nothing is in it yet."""
    backend = file_backend(tmp_path)
    yield backend
    backend.close()
