"""
How soon open pages hear that their login session has ended: `python -m bench.revocation`.

Somebody is signed in on a few sockets, among others who are signed in as well. An administrator ends the session over
HTTP; the time is taken from before that request is sent until it is answered and the last of its sockets has been told.
Then an old token is presented, which has to be refused.
"""

import asyncio
import base64
import json
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final
from uuid import uuid4

import httpx
from websockets.asyncio.client import ClientConnection, connect

from bench.load import WrongAnswer
from bench.servers import APP, Served, ours

TIMES: Final = 20
PAGES: Final = 3
"""Of whoever is signed out."""

OTHERS: Final = 200
PATIENCE_S: Final = 60.0
SETTINGS: Final = """
[auth]
providers = ["anonymous"]
"""


class Deployment:
    """Calls to a server that runs."""

    def __init__(self, served: Served) -> None:
        self._port = served.port
        # Told once, when a server starts for the first time.
        found = re.search(r"bench\|[A-Za-z0-9_-]{16,}", (served.folder / "server.log").read_text())
        assert found is not None
        self._key = found[0]
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.port}", timeout=PATIENCE_S)

    async def call(self, kind: str, path: str, args: dict[str, Any], authorization: str = "") -> httpx.Response:
        headers = {"Authorization": authorization} if authorization else {}
        body = {"path": path, "args": args, "format": "convex_encoded_json"}
        return await self._http.post(f"/api/{kind}", json=body, headers=headers)

    async def sign_in(self) -> str:
        """A token of somebody new."""
        answer = await self.call("action", "auth:signIn", {"provider": "anonymous", "params": {}})
        token: str = answer.json()["value"]["tokens"]["token"]
        return token

    async def page(self, token: str) -> ClientConnection:
        """An open socket that is signed in."""
        socket = await connect(f"ws://127.0.0.1:{self._port}/api/1.0/sync")
        await socket.send(json.dumps({"type": "Connect", "sessionId": str(uuid4()), "connectionCount": 0}))
        said = {"type": "Authenticate", "baseVersion": 0, "tokenType": "User", "value": token}
        await socket.send(json.dumps(said))
        while (await hear(socket, "Transition"))["endVersion"]["identity"] == 0:
            pass
        return socket

    async def end(self, token: str) -> None:
        session = subject(token).partition("|")[2]
        answer = await self.call("mutation", "_system/auth/sessions:end", {"session": session}, f"Convex {self._key}")
        if answer.json().get("value") is not True:
            raise WrongAnswer(answer.text)


async def hear(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of a kind."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            message: dict[str, Any] = json.loads(await socket.recv())
            if message["type"] == kind:
                return message


def subject(token: str) -> str:
    """Whose a token is, and of which session."""
    payload = token.split(".")[1]
    claims: dict[str, str] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims["sub"]


async def once(deployment: Deployment) -> float:
    """Milliseconds from the request to the last page."""
    token = await deployment.sign_in()
    pages = [await deployment.page(token) for _ in range(PAGES)]
    told = [asyncio.ensure_future(hear(page, "AuthError")) for page in pages]
    began = time.perf_counter()
    await asyncio.gather(deployment.end(token), *told)
    took_ms = (time.perf_counter() - began) * 1_000
    if (await deployment.call("query", "auth:isAuthenticated", {}, f"Bearer {token}")).status_code != 401:
        raise WrongAnswer("a token of a session that has ended was taken")
    return took_ms


async def measure(served: Served) -> Sequence[float]:
    deployment = Deployment(served)
    others = [await deployment.page(await deployment.sign_in()) for _ in range(OTHERS)]
    took = [await once(deployment) for _ in range(TIMES)]
    for other in others:
        await other.close()
    return took


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        app = Path(name) / "app"
        shutil.copytree(APP, app, ignore=shutil.ignore_patterns("data", "__pycache__"))
        (app / "joelclaw.toml").write_text((app / "joelclaw.toml").read_text() + SETTINGS)
        with ours(app=app) as served:
            took = asyncio.run(measure(served))
    print(f"{len(took)} times: median {median(took):.1f} ms, slowest {max(took):.1f} ms, fastest {min(took):.1f} ms")


if __name__ == "__main__":
    main()
