"""
Uvicorn, set up for us: our own protocols, and our order of leaving.
"""

import socket as sockets_of_the_system
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn

from joelclaw.http.app import App, Doors
from joelclaw.http.protocol import HttpProtocol
from joelclaw.limits import DEFAULT_LIMITS
from joelclaw.sync.socket import Sockets
from joelclaw.sync.websocket import WebSocketProtocol

FRAME_ARGUMENTS: Final = 2
"""Arguments as large as allowed may come in one frame, and their text may be larger than they count. Refusing it would
make the client send it again, for ever."""

WEBSOCKET_PING_S: Final = 30.0
WEBSOCKET_PONG_S: Final = 90.0
"""A peer that answered no ping for so long is dead; a slow one may need a while to take what is before the ping."""

KEEP_ALIVE_S: Final = 75
SHUTDOWN_TIMEOUT_S: Final = 10


class ApiServer(uvicorn.Server):
    """Uvicorn, with our order of leaving, and signals left to us."""

    def __init__(
        self, config: uvicorn.Config, sockets: Sockets, drain_actions: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        super().__init__(config)
        self._sockets = sockets
        self._drain_actions = drain_actions

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[sockets_of_the_system.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        # First: uvicorn would hang up on them, whatever they are owed.
        await self._sockets.drain()
        if self._drain_actions is not None:
            await self._drain_actions()  # So that whoever waits for one is answered, however it ended.
        await super().shutdown(sockets)


def uvicorn_config(app: App | Doors, arguments_bytes: int = DEFAULT_LIMITS.arguments_bytes) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        interface="asgi3",  # It would tell by whether the app is a coroutine function, and ours returns one.
        http=HttpProtocol,
        ws=WebSocketProtocol,
        ws_max_size=FRAME_ARGUMENTS * max(arguments_bytes, DEFAULT_LIMITS.arguments_bytes),
        ws_ping_interval=WEBSOCKET_PING_S,
        ws_ping_timeout=WEBSOCKET_PONG_S,
        ws_per_message_deflate=False,
        lifespan="off",
        proxy_headers=False,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
    )
