"""
The log over HTTP, for administrators: the command line's and the dashboard's long polls.

An answer comes at once when there are entries after the cursor, otherwise with the next entry, or
empty after a minute. Nothing is polled inside: a request that waits is a follower of the log.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from joelclaw.auth.authenticator import Authenticator
from joelclaw.errors import RequestRefused
from joelclaw.http.requests import Answer, Request, require_admin
from joelclaw.logs import stream
from joelclaw.logs.entries import Entry
from joelclaw.logs.recorder import RunLog
from joelclaw.sync.wording import request_id_of

WAIT_S: Final = 60.0


class LogRoutes:
    """The routes. `stop` ends waiting requests: a server that leaves does not wait for the next entry."""

    def __init__(self, log: RunLog, authenticator: Authenticator, stop: asyncio.Event) -> None:
        self._log = log
        self._authenticator = authenticator
        self._stop = stop

    async def function_logs(self, request: Request) -> Answer:
        """`/api/stream_function_logs`: runs, and lines of actions while they run."""
        return await self._stream(request, stream.function_logs)

    async def executions(self, request: Request) -> Answer:
        """`/api/stream_udf_execution`: runs, each whole."""
        return await self._stream(request, stream.executions)

    async def _stream(self, request: Request, write: Callable[[Sequence[Entry], int], stream.Batch]) -> Answer:
        await require_admin(self._authenticator, request, read_only=True)
        parameters = _parameters(request)
        cursor = _cursor(parameters)
        request_id = _request_id(parameters)
        if cursor == 0:
            newest = self._log.newest_id
            entries = await self._log.recent()
        else:
            newest = stream.id_of(cursor)
            entries = await self._next(newest, request)
        if entries:
            newest = entries[-1].id
        if request_id is not None:
            entries = [entry for entry in entries if entry.request_id == request_id]
        return Answer(msgspec.json.encode(write(entries, newest)))

    async def _next(self, id: int, request: Request) -> list[Entry]:
        """Entries after this one, as soon as there are some; none after a while, or if nobody waits any more."""
        news = self._log.news()
        waits: list[asyncio.Future[Any]] = [news]
        try:
            entries = await self._log.after(id)
            if entries:
                return entries
            waits += [asyncio.ensure_future(wait) for wait in (request.left(), self._stop.wait())]
            await asyncio.wait(waits, timeout=WAIT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return await self._log.after(id)


def _parameters(request: Request) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(request.query_string.decode("latin-1")).items()}


def _cursor(parameters: dict[str, str]) -> float:
    text = parameters.get("cursor", "0")
    try:
        cursor = float(text)
    except ValueError:
        cursor = -1.0
    if not 0 <= cursor < 2**53:
        raise RequestRefused(
            400, "BadCursor", f"cursor is {text[:40]!r}, and begins as 0; then it is the last newCursor"
        )
    return cursor


def _request_id(parameters: dict[str, str]) -> str | None:
    """Of the one request whose runs are wanted, if it is only one."""
    session, counter = parameters.get("sessionId"), parameters.get("clientRequestCounter")
    if session is None and counter is None:
        return None
    if session is None or counter is None or not counter.isdecimal():
        raise RequestRefused(
            400, "BadRequest", "sessionId and clientRequestCounter go together; the latter is a whole number"
        )
    return request_id_of(session, int(counter))
