"""A deployment and a browser for each worker; clients and pages end with the test that asked for them."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.conformance.browser import Page, chromium
from tests.conformance.deployment import Deployment, copy_app
from tests.conformance.proxy import Proxy
from tests.conformance.remote import CLIENTS, Remote

Start = Callable[..., Remote]
Open = Callable[[str, str, str], Page]

ROOT = Path(__file__).parents[2]
PAGE = Path(__file__).parent / "page"


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
    return str(request.node.nodeid)


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


@pytest.fixture(scope="session")
def token_deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A server that tests share, to which users can sign in."""
    shared = Deployment(copy_app(tmp_path_factory.mktemp("tokens") / "project"), tokens=True)
    shared.start()
    yield shared
    shared.server.stop()


# -- pages


@pytest.fixture(scope="session")
def browser(node_modules: Path) -> Iterator[Remote]:
    """A Chromium. Each of its pages has cookies and storage of its own."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def page_origin(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the test page is served, built: an origin of its own."""
    built = tmp_path_factory.mktemp("page")
    vite = node_modules / ".bin" / "vite"
    subprocess.run([vite, "build", "--outDir", built, "--emptyOutDir"], cwd=PAGE, check=True)
    with static_origin(built) as origin:
        yield origin


@contextmanager
def static_origin(folder: Path) -> Iterator[str]:
    """Serves the files of a folder."""
    handler = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def scene(browser: Remote, page_origin: str, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens a scene of the test page: `scene("Feed", url, room)`."""
    opened: list[Page] = []

    def open_scene(name: str, url: str, room: str) -> Page:
        query = urlencode({"scene": name, "url": url, "room": room})
        opened.append(Page(browser, f"{request.node.name} {len(opened)}", f"{page_origin}/?{query}"))
        return opened[-1]

    yield open_scene
    for page in opened:
        page.close()
