"""Stored files on a real server: the shipped client's way, large ones in little memory, and a server that is killed."""

import os
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conformance.conftest import Open, Start
from tests.conformance.deadline import PATIENCE_S
from tests.conformance.deployment import Deployment, Server

MIB = 2**20
LARGE_BYTES = 256 * MIB
GROWTH_BYTES = 32 * MIB
"""What the gateway may grow by while a large file passes through it: pieces, buffers of sockets, Python's own."""

TWO_HOURS_S = 7_200


def test_the_three_steps_of_an_upload(deployment: Deployment, node: Start) -> None:
    """A mutation gives a URL, `fetch` posts a Blob to it, and the query that shows it gets another to fetch from."""
    client = node(deployment.url)
    upload_url = client.mutation("files:generateUploadUrl")
    assert upload_url.startswith(f"{deployment.url}/api/storage/upload?token=")
    id = client.do("upload", url=upload_url, text="hello", type="text/plain")["storageId"]
    client.subscribe("url", "files:url", file=id)
    url = client.wait_for("url", lambda _: True)
    assert url.startswith(f"{deployment.url}/api/storage/")
    assert client.do("fetch", url=url) == {"status": 200, "type": "text/plain", "text": "hello"}
    client.mutation("files:delete", file=id)
    assert client.wait_for("url", lambda value: value is None) is None
    assert client.do("fetch", url=url)["status"] == 404


def test_a_page_uploads_and_shows_a_picture(deployment: Deployment, scene: Open, room: str) -> None:
    """From another origin, in Chromium: posted, shown as an image, fetched, and gone when it is deleted."""
    page = scene("Picture", deployment.url, room)
    size = page.act("upload", 30, 20)["value"]
    page.until_showing("it.size !== null && it.size[0] === 30 && it.size[1] === 20")
    assert page.act("fetch", page.shown[-1]["url"]) == {"value": size}
    assert page.act("remove") == {"value": None}
    page.until_showing("it.url === null")


def test_a_large_file_passes_in_little_memory(own_deployment: Deployment) -> None:
    """256 MiB up and down: the gateway grows by a few MiB, not by the file."""
    send(own_deployment, b"warm" * MIB)
    before = peak_bytes(own_deployment.server)
    id = send(own_deployment, bytes(MIB), LARGE_BYTES // MIB)
    received = 0
    with urllib.request.urlopen(own_deployment.query("files:url", file=id), timeout=PATIENCE_S) as response:
        while piece := response.read(MIB):
            received += len(piece)
    grown = peak_bytes(own_deployment.server) - before
    print(f"the gateway grew by {grown / MIB:.1f} MiB")
    assert received == LARGE_BYTES
    assert grown < GROWTH_BYTES


def test_a_server_that_is_killed_in_the_middle_of_an_upload(own_deployment: Deployment) -> None:
    """What was stored is served after the restart; what was being stored never is, and is swept when it is old."""
    kept = send(own_deployment, b"kept")
    folder = own_deployment.project / "data" / "files"
    url = urlsplit(own_deployment.mutation("files:generateUploadUrl"))
    with socket.create_connection((url.hostname or "", url.port or 0)) as half_way:
        head = f"POST {url.path}?{url.query} HTTP/1.1\r\nHost: x\r\nContent-Length: {9 * MIB}\r\n\r\n"
        half_way.sendall(head.encode())
        half_way.sendall(bytes(3 * MIB))
        [part] = until("a part", lambda: list(folder.glob("*/*/.*.part")))
        own_deployment.restart(Server.kill)
    # As after a crash between the bytes and their record.
    unknown = folder / "12" / "34" / "12345678-1234-4234-8234-123456789012"
    unknown.parent.mkdir(parents=True, exist_ok=True)
    unknown.write_bytes(b"never recorded")
    for path in (part, unknown):
        os.utime(path, (time.time() - TWO_HOURS_S,) * 2)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{own_deployment.url}/api/storage/{unknown.name}", timeout=PATIENCE_S)

    own_deployment.restart(Server.kill)

    until("both are swept", lambda: not part.exists() and not unknown.exists())
    with urllib.request.urlopen(own_deployment.query("files:url", file=kept), timeout=PATIENCE_S) as response:
        assert response.read() == b"kept"


def send(deployment: Deployment, block: bytes, times: int = 1) -> str:
    """Upload a block so many times over, as one file; its id."""
    url = urlsplit(deployment.mutation("files:generateUploadUrl"))
    with socket.create_connection((url.hostname or "", url.port or 0), PATIENCE_S) as peer:
        head = f"POST {url.path}?{url.query} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(block) * times}\r\n\r\n"
        peer.sendall(head.encode())
        for _ in range(times):
            peer.sendall(block)
        answer = peer.recv(65_536).decode()
        while '"}' not in answer:
            answer += peer.recv(65_536).decode()
    found = re.search(r'"storageId":"([^"]+)"', answer)
    assert found is not None, answer
    return found[1]


def peak_bytes(server: Server) -> int:
    """The most memory that the server has ever used."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def until(what: str, found: Callable[[], object]) -> list[Path]:
    """Wait until there is something."""
    deadline = time.monotonic() + PATIENCE_S
    while not (result := found()):
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.005)
    return result if isinstance(result, list) else []
