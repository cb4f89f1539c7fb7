"""HTTP requests to an ASGI app without a server: one call of the app, and what it sent."""

from typing import Any, NamedTuple

import msgspec

from joelclaw.http.requests import Receive, Scope, Send


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class HttpClient:
    """Talks to an app; `pieces` cuts bodies, as networks do."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        pieces: int = 1,
        query: str = "",
        **more_headers: str,
    ) -> Reply:
        headers = {**(headers or {}), **more_headers}
        raw = [(name.replace("_", "-").encode(), text.encode("latin-1")) for name, text in headers.items()]
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(b"host", b"127.0.0.1"), *raw],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "scheme": "http",
            "state": {},
        }
        sent: list[dict[str, Any]] = []
        size = -(-len(body) // pieces) or 1
        chunks = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
        waiting = [
            {"type": "http.request", "body": chunk, "more_body": at < len(chunks) - 1}
            for at, chunk in enumerate(chunks)
        ]

        async def receive() -> dict[str, Any]:
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await _call(self._app, scope, receive, send)
        start, *rest = sent
        return Reply(
            start["status"],
            {name.decode(): value.decode() for name, value in start["headers"]},
            b"".join(message["body"] for message in rest),
        )

    async def post(self, path: str, body: Any = None, **headers: str) -> Reply:
        """Post JSON."""
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await self.request("POST", path, raw, {"content_type": "application/json", **headers})


async def _call(app: Any, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)
