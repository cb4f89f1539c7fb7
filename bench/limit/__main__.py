"""
The limit: litestar on uvicorn, `sqlite3` in the process, one table, one index, group commit,
a plain broadcast. No functions, no isolation, no read sets.

    python -m bench.limit DATABASE PORT

    POST /read     {"channel": "..."}                -> the 50 documents of a channel, read from SQLite
    POST /insert   {"channel": "...", "body": "..."} -> durable when answered; one commit for all that wait
    GET  /count                                      -> how many documents there are
    POST /bare                                       -> the bytes that were last put there
    PUT  /bare
    WS   /watch                                      -> every inserted body, broadcast

`/bare` is a bare ASGI handler: what uvicorn can do, without the framework, without looking at
the request.
"""

import asyncio
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import uvicorn
from litestar import Litestar, asgi

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

DOCUMENTS = 50


class Read(msgspec.Struct):
    channel: str


class Insert(msgspec.Struct):
    channel: str
    body: str


class Limit:
    """One table, one index, and the sockets that watch."""

    def __init__(self, path: str) -> None:
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            "CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, channel TEXT, doc TEXT);"
            "CREATE INDEX IF NOT EXISTS by_channel ON messages (channel, id);"
        )
        self.decode_read = msgspec.json.Decoder(Read).decode
        self.decode_insert = msgspec.json.Decoder(Insert).decode
        self.waiting: list[tuple[Insert, asyncio.Future[None]]] = []
        self.watchers: set[Send] = set()
        self.bare = b""

    def seed(self) -> None:
        """Fifty documents in each of a hundred channels."""
        if self.database.execute("SELECT count(*) FROM messages").fetchone()[0] == 0:
            self.database.execute("BEGIN")
            for number in range(100 * DOCUMENTS):
                self.put(f"channel-{number % 100}", f"message number {number} of the seed, with some words in it")
            self.database.execute("COMMIT")

    def put(self, channel: str, body: str) -> None:
        doc = msgspec.json.encode(
            {"_creationTime": time.time() * 1000, "channel": channel, "body": body, "author": "ann"}
        )
        self.database.execute("INSERT INTO messages (channel, doc) VALUES (?, ?)", (channel, doc.decode()))

    def read(self, channel: str) -> bytes:
        rows = self.database.execute(
            "SELECT doc FROM messages WHERE channel = ? ORDER BY id LIMIT ?", (channel, DOCUMENTS)
        ).fetchall()
        return ("[" + ",".join(row[0] for row in rows) + "]").encode()

    async def insert(self, insert: Insert) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append((insert, future))
        if len(self.waiting) == 1:
            asyncio.get_running_loop().call_soon(self.commit)
        await future

    def commit(self) -> None:
        waiting, self.waiting = self.waiting, []
        self.database.execute("BEGIN IMMEDIATE")
        for insert, _ in waiting:
            self.put(insert.channel, insert.body)
        self.database.execute("COMMIT")
        for insert, future in waiting:
            future.set_result(None)
            if self.watchers:
                self.broadcast(insert.body)

    def broadcast(self, body: str) -> None:
        message = {"type": "websocket.send", "text": msgspec.json.encode({"value": body}).decode()}
        for send in self.watchers:
            asyncio.ensure_future(send(message))  # noqa: RUF006 - a plain broadcast


async def body_of(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if not message.get("more_body"):
            return body


async def answer(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def build(limit: Limit) -> App:
    @asgi("/read", is_mount=True, copy_scope=False)
    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, limit.read(limit.decode_read(await body_of(receive)).channel))

    @asgi("/insert", is_mount=True, copy_scope=False)
    async def insert(scope: Scope, receive: Receive, send: Send) -> None:
        await limit.insert(limit.decode_insert(await body_of(receive)))
        await answer(send, b"null")

    @asgi("/count", is_mount=True, copy_scope=False)
    async def count(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, str(limit.database.execute("SELECT count(*) FROM messages").fetchone()[0]).encode())

    @asgi("/watch", is_mount=True, copy_scope=False)
    async def watch(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        limit.watchers.add(send)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        limit.watchers.discard(send)

    framework = Litestar([read, insert, count, watch], openapi_config=None, logging_config=None)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/bare":
            await framework(scope, receive, send)  # type: ignore[arg-type]
            return
        if scope["method"] == "PUT":
            limit.bare = await body_of(receive)
        await answer(send, limit.bare)

    return app


def main() -> None:
    path, port = sys.argv[1], int(sys.argv[2])
    limit = Limit(path)
    limit.seed()
    uvicorn.run(
        build(limit),
        port=port,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="off",
        log_level="error",
        access_log=False,
    )


if __name__ == "__main__":
    main()
