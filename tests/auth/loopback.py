"""
A server of somebody else's on loopback, for as long as a test needs it: what the fake providers run on.

It serves in a thread of its own, so that the test may block, and keeps a journal of what it was asked.
"""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
import uvicorn
from litestar import Request
from litestar.datastructures import MultiDict

from tests.auth.certificates import Certificate

STARTED_WITHIN_S = 120.0
"""Only there to fail: starting is awaited as an event."""


class Entry(msgspec.Struct, frozen=True):
    """One request, as it came."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    """By name in small letters."""

    body: str

    @property
    def url(self) -> str:
        return f"{self.path}?{self.query}"


class Journal:
    """All requests since the beginning, or since it was cleared."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    async def note(self, request: Request[Any, Any, Any]) -> None:
        query = request.scope["query_string"].decode("latin-1")
        body = (await request.body()).decode("latin-1")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}
        self.entries.append(Entry(request.method, request.scope["path"], query, headers, body))

    def at(self, path: str) -> list[Entry]:
        """The requests of one path."""
        return [entry for entry in self.entries if entry.path == path]

    def clear(self) -> None:
        self.entries.clear()


def repeated(parameters: MultiDict[Any]) -> bool:
    """Whether a parameter is given twice, which RFC 6749 forbids (section 3.1)."""
    return any(len(parameters.getall(name)) > 1 for name in set(parameters.keys()))


def changed(switches: Any, changes: Mapping[str, Any]) -> Any:
    """The switches with some of them set, as a test or a control request wants them."""
    return msgspec.structs.replace(switches, **msgspec.convert(changes, dict[str, Any]))


class _Server(uvicorn.Server):
    """Uvicorn that tells when it has started, and leaves signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.has_started = threading.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.has_started.set()


@contextmanager
def listening(port: int = 0, scheme: str = "http") -> Iterator[tuple[socket.socket, str]]:
    """A listening socket on loopback, and the origin that it is: known before the app is made."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        yield listener, f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def serving(app: Any, listener: socket.socket, certificate: Certificate | None = None) -> Iterator[None]:
    """Serve an app on a listening socket, in a thread, until the block ends; over TLS with a certificate."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
        ssl_certfile=None if certificate is None else certificate.public,
        ssl_keyfile=None if certificate is None else certificate.key,
    )
    server = _Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    assert server.has_started.wait(STARTED_WITHIN_S), "the fake provider did not start"
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(STARTED_WITHIN_S)


def serve_for_ever(app: Any, listener: socket.socket) -> None:
    """Serve in this thread, until the process is told to end."""
    uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)).run(sockets=[listener])
