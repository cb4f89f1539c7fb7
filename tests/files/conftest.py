"""Places for bytes: a folder, and a bucket of a real server."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from joelclaw.files.opening import open_files
from joelclaw.files.protocol import FileStore
from tests.files.s3_server import CREDENTIALS, S3Server

_prefixes = count(1)


@pytest.fixture(scope="session")
def s3_server(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server that tests share; each has a prefix of its own."""
    server = S3Server(node_modules, tmp_path_factory.mktemp("s3") / "buckets")
    yield server
    server.close()


@pytest.fixture
def bucket(s3_server: S3Server) -> FileStore:
    return open_files(s3_server.url(f"test/{next(_prefixes)}"), CREDENTIALS)


@pytest.fixture(params=["disk", "s3"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    """Each kind of place, empty."""
    if request.param == "s3":
        bucket: FileStore = request.getfixturevalue("bucket")
        return bucket
    return open_files(f"file://{tmp_path / 'files'}", {})
