"""
A Redis of a test's own: the real server, on a port of its own, which can be killed and started again.

It keeps nothing on disk unless it is asked to, so that a restart forgets everything.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis

from tests.ports import free_port

ATTEMPTS_MAX = 10
READY = "Ready to accept connections"


class RedisServer:
    """`redis-server` in a folder; `client` talks to it."""

    def __init__(self, folder: Path, *, keeps: bool = False) -> None:
        """`keeps`: what was written is there again after a restart."""
        self._folder = folder
        self._keeps = keeps
        self._process: subprocess.Popen[str] | None = None
        self._port = 0
        for _ in range(ATTEMPTS_MAX):
            # Between a look at a port and the server's start somebody else may take it.
            self._port = free_port()
            if self._starts():
                break
        else:
            raise AssertionError("redis-server does not start")
        self.client: Redis = Redis(port=self._port, decode_responses=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Where it was before."""
        assert self._starts(), "redis-server does not come back"

    def kill(self) -> None:
        """As a crash does. Its client connects anew by itself."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def close(self) -> None:
        self.client.close()
        self.kill()

    def _starts(self) -> bool:
        command = ["redis-server", "--port", str(self._port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        command += ["--save", "", "--appendonly", "yes" if self._keeps else "no", "--appendfsync", "always"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self._process.stdout is not None
        if any(READY in line for line in self._process.stdout):
            return True
        self.kill()
        return False


@contextmanager
def redis_server(folder: Path, *, keeps: bool = False) -> Iterator[RedisServer]:
    """A server that ends with the block."""
    server = RedisServer(folder, keeps=keeps)
    try:
        yield server
    finally:
        server.close()
