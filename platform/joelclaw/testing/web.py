"""
The backend's doors, without a socket: requests go straight into the applications that serve.

What an app's HTTP actions answer is below the site's origin, the client API and stored files
are below the API's. Signatures, streams and limits are those of the server.
"""

import asyncio
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from joelclaw.auth.admin_keys import AdminKeys
from joelclaw.auth.authenticator import Authenticator
from joelclaw.config import Config
from joelclaw.engine.asker import Asker
from joelclaw.engine.engine import Engine
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import TokenRefused
from joelclaw.files.protocol import FileStore
from joelclaw.http.api import Api
from joelclaw.http.forwarding import Proxies
from joelclaw.http.requests import Cors
from joelclaw.http.site import Site
from joelclaw.http.storage import StorageRoutes
from joelclaw.sync.socket import Sockets
from joelclaw.sync.wording import Wording

API_ORIGIN: Final = "http://backend.test:3210"
SITE_ORIGIN: Final = "http://backend.test:3211"

PIECE_BYTES: Final = 64 * 1024


class Answered:
    """What came back."""

    def __init__(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.status = status
        self.headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
        """By name in small letters."""

        self.body = b""

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def __repr__(self) -> str:
        return f"<{self.status} {self.headers.get('content-type', '')} {self.body[:200]!r}>"


class Doors:
    """The site, the client API, and stored files of one engine."""

    def __init__(self, engine: Engine, config: Config, files: FileStore) -> None:
        self._tokens: dict[str, Asker] = {}
        authenticator = Authenticator(AdminKeys(self._admin_key), self)
        wording = Wording(development=True, report=lambda *_: None)
        storage = StorageRoutes(
            SystemCalls(engine),
            files,
            engine.clock,
            secret=lambda: engine.secret,
            bytes_max=lambda: config.limits.upload_bytes,
        )
        self._api = Api(
            engine,
            authenticator,
            wording,
            Sockets(engine, authenticator, wording),
            name=config.app.name,
            version=version("joelclaw"),
            cors=Cors(config.server.allowed_origins),
            storage=storage,
        )
        self._site = Site(
            engine,
            authenticator,
            wording,
            proxies=Proxies(),
            body_bytes_max=lambda: config.limits.http_body_bytes,
        )

    def token(self, asker: Asker) -> str:
        """A token that says who asks."""
        token = f"token-{len(self._tokens)}"
        self._tokens[token] = asker
        return token

    async def verify(self, token: str) -> Asker:
        """Whose token it is."""
        if token not in self._tokens:
            raise TokenRefused("InvalidAuthHeader", "This token was made by nobody that the test knows")
        return self._tokens[token]

    @staticmethod
    async def _admin_key(_: str) -> None:
        return None

    async def fetch(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
        """Send a request and read all of the answer. A URL without origin is the site's."""
        parts = urlsplit(url if "://" in url else f"{SITE_ORIGIN}{url}")
        origin = f"{parts.scheme}://{parts.netloc}"
        doors: dict[str, Any] = {API_ORIGIN: self._api, SITE_ORIGIN: self._site}
        if origin not in doors:
            raise ValueError(f"{origin} is not this backend, which is at {SITE_ORIGIN} and {API_ORIGIN}")
        sent = {"host": parts.netloc, **{name.lower(): value for name, value in headers.items()}}
        if body:
            sent.setdefault("content-length", str(len(body)))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method.upper(),
            "scheme": parts.scheme,
            "path": unquote(parts.path or "/"),
            "raw_path": (parts.path or "/").encode("latin-1"),
            "query_string": parts.query.encode("latin-1"),
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()],
            "server": (parts.hostname, parts.port),
            "client": ("127.0.0.1", 50_000),
            "extensions": {},
        }
        exchange = _Exchange(body)
        await doors[origin](scope, exchange.receive, exchange.send)
        assert exchange.answer is not None, "every request is answered"
        return exchange.answer


class _Exchange:
    """One request and its answer, as ASGI passes them."""

    def __init__(self, body: bytes) -> None:
        self._pieces = [body[at : at + PIECE_BYTES] for at in range(0, len(body), PIECE_BYTES)] or [b""]
        self._over = asyncio.Event()
        self.answer: Answered | None = None

    async def receive(self) -> dict[str, Any]:
        if self._pieces:
            piece = self._pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self._pieces)}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.answer = Answered(message["status"], message.get("headers", ()))
        elif message["type"] == "http.response.body":
            assert self.answer is not None, "the head comes first"
            self.answer.body += message.get("body", b"")
            if not message.get("more_body", False):
                self._over.set()
