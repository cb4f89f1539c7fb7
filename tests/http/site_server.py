"""
A served app with HTTP actions, for tests on real sockets: the server in a thread of its own, isolates and all.
"""

import asyncio
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from joelclaw.auth.authenticator import UserVerifier
from joelclaw.config import load_config
from joelclaw.engine.asker import Asker, asker_of, identity_of
from joelclaw.errors import TokenRefused
from joelclaw.http import health
from joelclaw.server import serve

APP = Path(__file__).parent / "site_app"
PATIENCE_S = 60.0
"""Only a broken server takes that long; nothing here waits for time to pass."""

DECLARED = """
[server]
api_port = 0
{server}
[limits]
readers = 1
{limits}
[store]
durability = "normal"
[env]
{env}
"""


class OneUser:
    """Knows the token `ann`."""

    async def verify(self, token: str) -> Asker:
        if token != "ann":
            raise TokenRefused("InvalidAuthHeader", "nobody's")
        return asker_of(identity_of({"issuer": "https://a.test", "subject": "ann"}))


ONE_USER = OneUser()


class SiteServer:
    """Where it is served; see `joelclaw.server.Host`."""

    def __init__(self) -> None:
        self.api_url = ""
        self.url = ""
        self.admin_key = ""
        self.serving_now = threading.Event()
        self.live_again = threading.Event()
        """A save has been taken over."""

        self.loop: asyncio.AbstractEventLoop
        self.stop: asyncio.Event
        self.client = httpx.Client(timeout=PATIENCE_S)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.client.get(self.url + path, **options)

    def post(self, path: str, body: Any = b"", **options: Any) -> httpx.Response:
        return self.client.post(self.url + path, content=body, **options)

    def connect(self) -> socket.socket:
        """A raw connection to the site."""
        host, port = self.url.removeprefix("http://").split(":")
        return socket.create_connection((host, int(port)), timeout=PATIENCE_S)

    def say(self, raw: bytes) -> bytes:
        """What comes back for these very bytes, until the server closes."""
        with self.connect() as peer:
            peer.sendall(raw)
            return read_to_end(peer)

    # -- the host

    def serving(self, url: str, *, site_url: str, development: bool) -> None:  # noqa: ARG002
        self.api_url, self.url = url, site_url
        self.serving_now.set()

    def deployed(self, *_: Any, first: bool, **__: Any) -> None:
        if not first:
            self.live_again.set()

    def refused(self, error: Exception) -> None:
        raise error

    def slow(self, seconds: float) -> None: ...

    def types_not_written(self, reason: str) -> None: ...

    def restart_needed(self, settings: Any) -> None: ...

    def admin_key_made(self, key: str) -> None:
        self.admin_key = key

    def stopping(self) -> None: ...


def read_to_end(peer: socket.socket) -> bytes:
    parts = []
    while data := peer.recv(1 << 16):
        parts.append(data)
    return b"".join(parts)


@contextmanager
def served(
    folder: Path,
    *,
    server: str = "",
    limits: str = "",
    env: str = "",
    development: bool = False,
    users: UserVerifier | None = ONE_USER,
) -> Iterator[SiteServer]:
    """
    The app of this folder, or a copy of the one beside this file, until the end of the block.

    `users` None: tokens are those of the issuers that it declares.
    """
    root = folder / "app"
    if not root.exists():
        shutil.copytree(APP, root, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "joelclaw.toml").write_text(DECLARED.format(server=server, limits=limits, env=env))
    host = SiteServer()
    ended: list[BaseException | None] = []

    async def run() -> None:
        host.loop, host.stop = asyncio.get_running_loop(), asyncio.Event()
        config = load_config(root, {})
        await serve(config, development=development, host=host, users=users, stop=host.stop)

    def run_in_thread() -> None:
        try:
            asyncio.run(run())
            ended.append(None)
        except BaseException as error:
            ended.append(error)
            host.serving_now.set()

    thread = threading.Thread(target=run_in_thread)
    patience = pytest.MonkeyPatch()
    # A machine that is busy is no reason not to be ready.
    patience.setattr(health, "PROBE_TIMEOUT_S", PATIENCE_S)
    thread.start()
    try:
        assert host.serving_now.wait(PATIENCE_S), "the server does not serve"
        assert not ended, ended
        yield host
    finally:
        if not ended:
            host.loop.call_soon_threadsafe(host.stop.set)
        thread.join(PATIENCE_S)
        patience.undo()
        host.client.close()
    assert ended == [None], ended
