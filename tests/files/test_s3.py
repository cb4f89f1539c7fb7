"""The bucket: what happens when its server is away, refuses us, or has no such bucket."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from joelclaw.errors import FileStoreFailed
from joelclaw.files.opening import open_files
from joelclaw.files.receiving import receive
from joelclaw.files.s3 import PART_BYTES
from tests.files.s3_server import CREDENTIALS, S3Server
from tests.files.test_stores import NOWHERE, content, keep, names, pieces, read


@pytest.fixture
def own_server(node_modules: Path, tmp_path: Path) -> Iterator[S3Server]:
    """A server for a test that ends it."""
    server = S3Server(node_modules, tmp_path / "buckets")
    yield server
    server.close()


def test_a_server_that_goes_away(own_server: S3Server) -> None:
    """In the middle of an upload, and for everything afterwards: an error of ours, and nobody waits for ever."""
    files = open_files(own_server.url("gone"), CREDENTIALS)

    async def scene() -> None:
        upload = files.begin()
        await upload.write(content(PART_BYTES + 1))
        own_server.close()
        with pytest.raises(FileStoreFailed):
            await receive(files, pieces(content(3 * PART_BYTES)))
        await upload.abort()
        for failing in (keep(files, b"small"), files.read(NOWHERE, 0, 1), files.remove(NOWHERE), files.claim("ann")):
            with pytest.raises(FileStoreFailed, match=r"s3://files/gone.*look at \[files\]"):
                await failing
        with pytest.raises(FileStoreFailed):
            await names(files)

    asyncio.run(scene())


def test_keys_that_open_nothing(s3_server: S3Server) -> None:
    """A key that the server does not know is refused by it, and the message does not tell its secret."""
    files = open_files(s3_server.url("closed"), {"access_key_id": "NOBODY", "secret_access_key": "mistaken"})

    with pytest.raises(FileStoreFailed, match="403") as caught:
        asyncio.run(keep(files, b"bytes"))

    assert "mistaken" not in str(caught.value)


def test_keys_of_the_environment(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Are taken where none are declared."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", CREDENTIALS["access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CREDENTIALS["secret_access_key"])
    files = open_files(s3_server.url("environment"), {})

    async def scene() -> None:
        received = await keep(files, b"bytes")
        assert await read(files, received.key, 0, 5) == b"bytes"

    asyncio.run(scene())


def test_a_bucket_that_does_not_exist(s3_server: S3Server) -> None:
    """Is an error when something is stored."""
    files = open_files(s3_server.url("x").replace("s3://files/", "s3://missing/"), CREDENTIALS)

    with pytest.raises(FileStoreFailed, match="s3://missing"):
        asyncio.run(keep(files, b"bytes"))
