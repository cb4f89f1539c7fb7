"""A deployment for each worker, and clients that end with the test that asked for them."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conformance.deployment import Deployment, copy_app
from tests.conformance.proxy import Proxy
from tests.conformance.remote import CLIENTS, Remote

Start = Callable[..., Remote]


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A server that tests share; each writes in rooms of its own."""
    shared = Deployment(copy_app(tmp_path_factory.mktemp("shared") / "project"))
    shared.start()
    yield shared
    shared.server.stop()


@pytest.fixture
def own_deployment(tmp_path: Path) -> Iterator[Deployment]:
    """A server for a test that restarts or measures it."""
    own = Deployment(copy_app(tmp_path / "project"))
    own.start()
    yield own
    own.server.stop()


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    """A name that no other test uses."""
    return str(request.node.name)


@pytest.fixture
def through() -> Iterator[Callable[[Deployment], Proxy]]:
    """Puts a network before a deployment."""
    proxies: list[Proxy] = []

    def make(target: Deployment) -> Proxy:
        proxies.append(Proxy(target.url))
        return proxies[-1]

    yield make
    for proxy in proxies:
        proxy.close()


@pytest.fixture
def node(node_modules: Path) -> Iterator[Start]:
    """Starts npm clients in Node: `node(url)`."""
    running: list[Remote] = []

    def start(url: str, options: str = "{}") -> Remote:
        running.append(Remote(["node", str(CLIENTS / "node.mjs"), url, options]))
        return running[-1]

    yield start
    for client in running:
        client.close()


@pytest.fixture
def python() -> Iterator[Start]:
    """Starts Python clients: `python(url)`."""
    running: list[Remote] = []

    def start(url: str) -> Remote:
        running.append(Remote([sys.executable, str(CLIENTS / "python.py"), url]))
        return running[-1]

    yield start
    for client in running:
        client.close()
