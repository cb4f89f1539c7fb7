"""A server of files, as any host has one: of a built site, whose address of the backend can be changed."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.ports import free_port


class ServedSite:
    """A built site on an origin of its own."""

    def __init__(self, files: Path, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self.files = files
        self.deployment_js = b""
        self.point_to(f"http://127.0.0.1:{free_port()}")  # Where nobody is.

    def point_to(self, url: str) -> None:
        """Have pages that are opened from now on talk to this deployment."""
        self.deployment_js = f"globalThis.deployment = {json.dumps({'url': url})};\n".encode()


class _Server(ThreadingHTTPServer):
    def __init__(self, files: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.site = ServedSite(files, self.server_port)


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, request: Any, address: Any, server: _Server) -> None:
        self._site = server.site
        super().__init__(request, address, server, directory=str(server.site.files))

    def do_GET(self) -> None:
        if self.path == "/deployment.js":
            self._answer(HTTPStatus.OK, "text/javascript", self._site.deployment_js)
        else:
            super().do_GET()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        if code == HTTPStatus.NOT_FOUND:
            self._answer(HTTPStatus.NOT_FOUND, "text/html; charset=utf-8", (self._site.files / "404.html").read_bytes())
        else:
            super().send_error(code, message, explain)

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        # Browsers hang up on what they do not need any more.
        with suppress(ConnectionError):
            super().handle()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def served_site(files: Path) -> Iterator[ServedSite]:
    """Serve it until the block ends."""
    with _Server(files) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.site
        server.shutdown()
