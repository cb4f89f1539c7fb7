"""
Exchanges: one HTTP action's request and response, between a client's socket and an actor.

The socket's side awaits (`upload`, `started`, `pieces`), the lane's side never does. Bodies move by
credit, as `isolate/http_streams.py` says: nothing is read from the socket that the action has
no room for, and the action is told of room when the socket has taken what it was sent.

When the client is gone, the run goes on; only its output is dropped.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from joelclaw.errors import TokenRefused
from joelclaw.functions.calls import Call, Outcome
from joelclaw.isolate.messages import (
    WINDOW_BYTES,
    BodyEnd,
    ClientLeft,
    HttpRequest,
    RequestCredit,
    RequestPiece,
    ResponseCredit,
    ResponsePiece,
    ResponseStart,
    RunHttp,
    ToIsolate,
)

Send = Callable[[ToIsolate], None]


class Exchange:
    """One request and its response."""

    def __init__(self, request: HttpRequest, token_refused: TokenRefused | None = None) -> None:
        self.request = request
        self.token_refused = token_refused
        self.outcome: Outcome | None = None
        """What the run left; None while it goes on."""

        self._run = 0
        self._send: Send | None = None
        self._credit = 0
        self._left = False
        self._start: ResponseStart | None = None
        self._pieces: deque[bytes] = deque()
        self._news = asyncio.Event()

    # -- the socket's side

    async def upload(self, data: bytes) -> None:
        """Hand on a piece of the request's body, as soon as the action has room for it."""
        while data:
            while self._credit <= 0 and not self._closed:
                await self._change()
            if self._closed:
                return
            piece, data = data[: self._credit], data[self._credit :]
            self._credit -= len(piece)
            self._tell(RequestPiece(run=self._run, data=piece))

    async def end_upload(self, end: BodyEnd) -> None:
        """The request's body is over."""
        while self._send is None and not self._closed:
            await self._change()
        self._tell(RequestPiece(run=self._run, end=end))

    def leave(self) -> None:
        """The client is gone."""
        if not self._left:
            self._left = True
            self._pieces.clear()
            self._tell(ClientLeft(run=self._run))
            self._news.set()

    async def started(self) -> ResponseStart | None:
        """The response's head; None if the run ended without one, or nobody is there any more."""
        while self._start is None and not self._closed:
            await self._change()
        return None if self._left else self._start

    async def pieces(self) -> AsyncIterator[bytes]:
        """The response's body, until the run has ended or the client is gone."""
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                yield piece
                # Asked for the next one: the socket has taken this one.
                self._tell(ResponseCredit(run=self._run, size=len(piece)))
            if self._closed:
                return
            await self._change()

    @property
    def _closed(self) -> bool:
        return self._left or self.outcome is not None

    async def _change(self) -> None:
        # Several wait here at once; who is woken looks again.
        self._news.clear()
        await self._news.wait()

    # -- the actor's side

    def begin(self, run: int, call: Call, send: Send) -> None:
        """An actor has taken the run."""
        self._run, self._send, self._credit = run, send, WINDOW_BYTES
        refused = self.token_refused
        token_refused = None if refused is None else (refused.reason_code, refused.reason)
        self._tell(RunHttp(run=run, call=call, request=self.request, token_refused=token_refused))
        if self._left:
            self._tell(ClientLeft(run=run))
        self._news.set()

    def hear(self, message: ResponseStart | ResponsePiece | RequestCredit) -> None:
        match message:
            case ResponseStart():
                self._start = message
            case ResponsePiece(data=data):
                if not self._left:
                    self._pieces.append(data)
            case RequestCredit(size=size):
                self._credit += size
        self._news.set()

    def end(self, outcome: Outcome) -> None:
        """The run is over; what has come of the response is still to be sent."""
        self.outcome, self._send = outcome, None
        self._news.set()

    def _tell(self, message: ToIsolate) -> None:
        if self._send is not None:
            self._send(message)
