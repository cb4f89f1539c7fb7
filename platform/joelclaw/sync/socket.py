"""
Sockets: the tasks and timers around sessions.

Each has a task that reads. What there is to send is written when the step that made it is over,
all sockets in one go, as far as their peers take it: a broadcast wakes no thousand tasks. Only
where a peer does not read, a task waits with what is left. A frame counts as unsent until the
server has taken it; so a sleeping phone stops its transitions after two, and its session is
considered again when it drains.

WebSocket pings, which find dead peers, are the server's own (`server/`). The `Ping` from here
is a message: browsers hide the others from clients that wait for a sign of life.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any, Protocol

import structlog
from msgspec.structs import replace

from joelclaw.auth.authenticator import Authenticator
from joelclaw.engine.asker import Asker
from joelclaw.engine.built_ins import NOWHERE, Origin
from joelclaw.engine.runs import Caller
from joelclaw.engine.subscribers import Subscriber
from joelclaw.errors import AdminKeyRefused, ProviderFailed, TokenRefused
from joelclaw.functions.calls import Outcome
from joelclaw.limits import DEFAULT_LIMITS, WARNING_SHARE, setting
from joelclaw.sync.messages import Authenticate
from joelclaw.sync.session import (
    INTERNAL,
    RESTARTING,
    Act,
    Effect,
    Mutate,
    Session,
    SessionEngine,
    Verify,
)
from joelclaw.sync.wording import Wording

PING_AFTER_S = 15.0
"""Half of what the most impatient client allows."""

DRAIN_TIMEOUT_S = 10.0
"""At shutdown, for mutations that were received to be answered."""

FLUSH_TIMEOUT_S = 2.0
"""At shutdown, for what is said to be sent."""

OWN_DOING_S = 0.5
"""A socket that has ended its own login session is told later: its client has to keep its new tokens first."""

SESSION_ENDED = "The login session has ended"
KEY_REVOKED = "The admin key was revoked"
ISSUER_CHANGED = "The issuer of this token is not declared any more, or differently"

OUTLET = "joelclaw.outlet"
"""Under which name a server offers its `Outlet` among the extensions of an ASGI scope."""

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

log = structlog.get_logger("joelclaw.sync")


class SocketEngine(SessionEngine, Protocol):
    """What sockets need of the engine."""

    def mutate_for(
        self,
        subscriber: Subscriber,
        path: str,
        args: bytes,
        asker: Asker,
        *,
        request_id: str,
        call_id: str,
        respond: Callable[[Outcome], object],
    ) -> None: ...

    async def act(
        self,
        path: str,
        args: bytes,
        asker: Asker,
        *,
        request_id: str = "",
        caller: Caller = "HttpApi",
        origin: Origin = NOWHERE,
    ) -> Outcome: ...


class Outlet(Protocol):
    """What a server can do beyond ASGI: write a frame without waiting. `send` is for the rest."""

    def takes_frames(self) -> bool:
        """Would `send` not wait?"""
        ...

    def write_text(self, text: str) -> None: ...


class Signal:
    """
    An event that one task waits for, and that is over once it was noticed.

    Not `asyncio.Event`, whose queue of waiters is most of what an idle connection would weigh.
    """

    __slots__ = ("_loop", "_raised", "_waiter")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._raised = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        self._raised = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Return when it was set since the last time."""
        if not self._raised:
            self._waiter = self._loop.create_future()
            await self._waiter
            self._waiter = None
        self._raised = False


class Sockets:
    """All connections of the sync protocol."""

    def __init__(
        self,
        engine: SocketEngine,
        authenticator: Authenticator,
        wording: Wording,
        *,
        connections_max: Callable[[], int] = lambda: DEFAULT_LIMITS.connections,
    ) -> None:
        """`connections_max` is asked at each connection: deploys change it."""
        self.engine = engine
        self.authenticator = authenticator
        self.wording = wording
        self._open: set[Socket] = set()
        self._woken: list[Socket] = []
        """Those that have something to send, or to end."""
        self._connections_max = connections_max
        self._crowded = False
        self._draining = False
        self._empty = asyncio.Event()
        self._by_login: dict[str, set[Socket]] = {}
        self._actions: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def subscriptions(self) -> int:
        """Queries that the open ones ask for, each counted as often as it is asked for."""
        return sum(len(socket.session.subscriber.queries) for socket in self._open)

    async def serve(
        self, receive: Receive, send: Send, outlet: Outlet | None = None, page: str | None = None, address: str = ""
    ) -> None:
        """Serve one connection, from the handshake to its end: of this page, if it is a browser's, at this address."""
        await receive()
        if self._draining:
            await _refuse(send, "shutting down")
            return
        limit = self._connections_max()
        self._tell_of_crowds(limit)
        if len(self._open) >= limit:
            # Clients try again, with growing pauses.
            await _refuse(send, f"Too many connections (limit: {limit}); {setting('connections')}")
            return
        await send({"type": "websocket.accept"})
        socket = Socket(self, receive, send, outlet, Origin(page=page, address=address))
        self._open.add(socket)
        try:
            await socket.run()
        finally:
            self._open.discard(socket)
            self.carry(socket, "")
            if not self._open:
                self._empty.set()

    # -- login sessions

    def carry(self, socket: "Socket", login: str) -> None:
        """From here on the socket hangs on this (`Asker.tether`); empty: on nothing."""
        if socket.login == login:
            return
        carrying = self._by_login.get(socket.login)
        if carrying is not None:
            carrying.discard(socket)
            if not carrying:
                del self._by_login[socket.login]
        socket.login = login
        if login:
            self._by_login.setdefault(login, set()).add(socket)

    def end_logins(self, logins: Collection[str], by: object = None) -> None:
        """These login sessions have ended, by the doing of one of the sockets perhaps: tell those that carry them."""
        for login in logins:
            for socket in list(self._by_login.get(login, ())):
                if socket is by:
                    asyncio.get_running_loop().call_later(OWN_DOING_S, socket.session.end_login, login, SESSION_ENDED)
                else:
                    socket.session.end_login(login, SESSION_ENDED)

    def end_admin_keys(self, hashes: Collection[str]) -> None:
        """These admin keys open nothing any more."""
        for hashed in hashes:
            for socket in list(self._by_login.get(hashed, ())):
                socket.session.end_login(hashed, KEY_REVOKED)

    def end_issuers(self, entries: Collection[str]) -> None:
        """What was declared of these issuers does not hold any more."""
        for entry in entries:
            for socket in list(self._by_login.get(entry, ())):
                socket.session.end_login(entry, ISSUER_CHANGED)

    def end_all_logins(self, reason: str) -> None:
        """No token of ours that was good is any more: have all who carry one find a new one."""
        for login, sockets in list(self._by_login.items()):
            for socket in list(sockets):
                if socket.session.asker.session:
                    socket.session.end_login(login, reason)

    def _tell_of_crowds(self, limit: int) -> None:
        """Warn when the next connection is beyond three quarters of the limit: once, until it is quieter again."""
        crowded = len(self._open) + 1 > limit * WARNING_SHARE
        if crowded and not self._crowded:
            log.warning("many connections", open=len(self._open) + 1, limit=limit, advice=setting("connections"))
        self._crowded = crowded

    def wake(self, socket: "Socket") -> None:
        """Have it write when this step is over: the reactor, which may be in the middle of one, hears what was sent."""
        if not self._woken:
            asyncio.get_running_loop().call_soon(self._write)
        self._woken.append(socket)

    def _write(self) -> None:
        woken, self._woken = self._woken, []
        for socket in woken:
            socket.write()

    def start_action(self, run: Coroutine[Any, Any, None]) -> None:
        """Actions outlive the socket that asked for them."""
        task = asyncio.get_running_loop().create_task(run)
        self._actions.add(task)
        task.add_done_callback(self._actions.discard)

    async def drain(self) -> None:
        """Answer what was received, then close every connection; accept none any more."""
        self._draining = True
        for socket in list(self._open):
            socket.session.leave()
        if await self._all_closed(DRAIN_TIMEOUT_S):
            return
        for socket in list(self._open):
            socket.session.close(RESTARTING)
        await self._all_closed(FLUSH_TIMEOUT_S)

    async def _all_closed(self, timeout_s: float) -> bool:
        if not self._open:
            return True
        self._empty.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True


class Socket:
    """One connection."""

    __slots__ = (
        "_awake",
        "_last_sent_at",
        "_loop",
        "_origin",
        "_outlet",
        "_over",
        "_receive",
        "_room",
        "_send",
        "_sockets",
        "_timer",
        "_writer",
        "login",
        "session",
    )

    def __init__(
        self, sockets: Sockets, receive: Receive, send: Send, outlet: Outlet | None, origin: Origin = NOWHERE
    ) -> None:
        self._sockets = sockets
        self._receive = receive
        self._send = send
        self._outlet = outlet
        self._origin = origin
        self.login = ""
        """What it hangs on, see `Asker.tether`; `Sockets.carry` changes it."""
        self._loop = asyncio.get_running_loop()
        self._awake = False
        """It is among those that write next."""
        self._writer: asyncio.Task[None] | None = None
        """Sends what could not be written at once, and the end."""
        self._over = False
        self._room = Signal(self._loop)
        """A frame was sent, or none will be any more."""
        self._timer: asyncio.TimerHandle
        self._last_sent_at = self._loop.time()
        self.session = Session(sockets.engine, sockets.wording, wake=self._wake)

    async def run(self) -> None:
        """Read until the peer hangs up, or has been told to."""
        self._timer = self._loop.call_later(PING_AFTER_S, self._ping)
        try:
            await self._read()
        except Exception:
            log.exception("a message could not be handled")
            self.session.close(INTERNAL)
            self.write()
            if self._writer is not None:
                await self._writer
        finally:
            self._over = True
            self._timer.cancel()
            self.session.lost()
            if self._writer is not None:
                self._writer.cancel()

    def _wake(self) -> None:
        if not self._awake:
            self._awake = True
            self._sockets.wake(self)

    def _ping(self) -> None:
        """Checked when it would be due, instead of being put off with every frame."""
        due_in_s = self._last_sent_at + PING_AFTER_S - self._loop.time()
        if due_in_s <= 0:
            self.session.ping()
            due_in_s = PING_AFTER_S
        self._timer = self._loop.call_later(due_in_s, self._ping)

    async def _read(self) -> None:
        while True:
            while self.session.congested and self.session.closing is None:
                await self._room.wait()
            message = await self._receive()
            if message["type"] != "websocket.receive":
                return
            for effect in self.session.receive(message.get("text") or message.get("bytes") or b""):
                await self._perform(effect)
            if self.login and not self.session.asker.tether:
                self._sockets.carry(self, "")

    async def _perform(self, effect: Effect) -> None:
        engine = self._sockets.engine
        match effect:
            case Verify(message):
                await self._verify(message)
            case Mutate(path, args, asker, request_id, call_id, respond):
                engine.mutate_for(
                    self.session.subscriber, path, args, asker, request_id=request_id, call_id=call_id, respond=respond
                )
            case Act():
                self._sockets.start_action(self._act(effect))

    async def _verify(self, message: Authenticate) -> None:
        authenticator = self._sockets.authenticator
        try:
            if message.token_type == "Admin":
                asker = await authenticator.admin(message.value, message.attributes)
            else:
                asker = await authenticator.user(message.value)
        except (TokenRefused, AdminKeyRefused) as error:
            self.session.refused(str(error))
        except ProviderFailed:
            self.session.postponed()
        else:
            self.session.verified(asker)
            self._sockets.carry(self, asker.tether)

    async def _act(self, act: Act) -> None:
        try:
            outcome = await self._sockets.engine.act(
                act.path,
                act.args,
                act.asker,
                request_id=act.request_id,
                caller="SyncWorker",
                origin=replace(self._origin, socket=self),
            )
        except Exception:
            log.exception("an action could not be run", path=act.path, request_id=act.request_id)
            self.session.close(INTERNAL)
        else:
            act.respond(outcome)

    def write(self) -> None:
        """Write what the peer takes now; leave the rest to a task."""
        self._awake = False
        if self._over or self._writer is not None:
            return
        try:
            if self._outlet is not None:
                self._write_at_once(self._outlet)
        except Exception:
            self._give_up()
        if self.session.outbox or self.session.closing is not None:
            self._writer = self._loop.create_task(self._send_rest())

    def _write_at_once(self, outlet: Outlet) -> None:
        session = self.session
        while session.outbox and outlet.takes_frames():
            frame = session.outbox.pop(0)
            self._last_sent_at = self._loop.time()
            outlet.write_text(session.text_of(frame))
            session.sent(frame)
            self._room.set()

    async def _send_rest(self) -> None:
        session = self.session
        try:
            await self._send_frames()
        except OSError:  # The peer is gone; the reader hears of it, too.
            session.lost()
            return
        except Exception:
            self._give_up()
        finally:
            self._room.set()
        how = session.closing
        if how is None:
            self._writer = None
            return
        with suppress(OSError):
            await self._send({"type": "websocket.close", "code": how.code, "reason": how.reason})

    async def _send_frames(self) -> None:
        session = self.session
        while session.outbox:
            frame = session.outbox.pop(0)
            self._last_sent_at = self._loop.time()
            await self._send({"type": "websocket.send", "text": session.text_of(frame)})
            session.sent(frame)
            self._room.set()

    def _give_up(self) -> None:
        """The client's view and ours may differ from here on, and only a new connection cures that."""
        log.exception("a frame could not be written")
        self.session.close(INTERNAL)
        self.session.lost()


async def _refuse(send: Send, reason: str) -> None:
    """Answer a handshake with HTTP: there is no connection."""
    await send({"type": "websocket.http.response.start", "status": 503, "headers": []})
    await send({"type": "websocket.http.response.body", "body": reason.encode()})
