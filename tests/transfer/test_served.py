"""Exports and imports of a server at work, by our command line."""

import hashlib
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from joelclaw.cli.client import Client
from tests.conformance.deadline import PATIENCE_S
from tests.conformance.deployment import Deployment
from tests.transfer.served import ADMIN_KEY, Refused, joelclaw, started


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    server = started(tmp_path_factory.mktemp("served") / "app")
    yield server
    server.server.stop()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Deployment]:
    server = started(tmp_path / "other")
    yield server
    server.server.stop()


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as response:
        body: bytes = response.read()
    return body


def until_gone(data: Path) -> None:
    """Wait until no file of an import is left: an import is told to be over a moment before it clears up."""
    last = time.monotonic() + PATIENCE_S
    while left := list(data.glob("*-transfers/*")):
        assert time.monotonic() < last, f"{left} stay"
        time.sleep(0.01)


def test_documents_and_files_move_to_another_deployment(
    deployment: Deployment, other: Deployment, tmp_path: Path
) -> None:
    """Exported with files and imported elsewhere: equal documents, files and ids, and search finds them. ENV-6."""
    deployment.mutation("notes:add", body="a needle in the hay")
    kept = deployment.call("action", "notes:keep", {"text": "the bytes of a file"})
    path = tmp_path / "all.zip"

    told = joelclaw(deployment, "export", "--path", str(path), "--include-storage")
    assert str(path) in told
    assert "documents were imported" in joelclaw(other, "import", str(path))

    assert other.query("notes:bodies") == deployment.query("notes:bodies")
    assert other.query("notes:found", words="needle") == ["a needle in the hay"]
    url = other.query("notes:url", id=kept)
    assert hashlib.sha256(fetched(url)).digest() == hashlib.sha256(b"the bytes of a file").digest()
    until_gone(other.project / "data")
    with pytest.raises(Refused, match="has 1 documents already"):
        joelclaw(other, "import", str(path))


def test_subscribers_are_told(other: Deployment, tmp_path: Path) -> None:
    """A query that somebody watches is told anew when an import has come in."""
    file = tmp_path / "notes.jsonl"
    file.write_text('{"body": "imported"}\n')
    watching = Client(other.url, ADMIN_KEY).watch("notes:bodies", {})
    assert json.loads(bytes(next(watching).value)) == []

    joelclaw(other, "import", str(file), "--table", "notes")

    assert json.loads(bytes(next(watching).value)) == ["imported"]
    watching.close()
    assert other.mutation("notes:add", body="afterwards")


def test_nothing_is_deleted_without_consent(other: Deployment, tmp_path: Path) -> None:
    """Who would delete documents is asked, and a no changes nothing. ENV-3."""
    other.mutation("notes:add", body="stays")
    file = tmp_path / "notes.jsonl"
    file.write_text('{"body": "comes"}\n')
    command = ("import", str(file), "--table", "notes", "--mode", "replace")

    with pytest.raises(Refused, match=r"notes: 1 documents come, 1 are deleted(.|\n)*cancelled"):
        joelclaw(other, *command, typed="n\n")
    assert other.query("notes:bodies") == ["stays"]

    joelclaw(other, *command, "--yes")
    assert other.query("notes:bodies") == ["comes"]
