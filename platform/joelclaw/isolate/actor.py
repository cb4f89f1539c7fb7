"""
The actor: actions, many at once, on one event loop.

An action waits for networks and for us: what it calls (queries, mutations, other actions) goes
to the gateway as an `Ask` and comes back as an `Answer`. There is no transaction, so no guard
either, and its time limit is the clock's: an action that is over it is cancelled and answered
for, also when it does not heed the cancellation. One that never awaits is `loop_watch.py`'s.

An `Actor` takes messages and is handed where its own go; `serve` joins it to the gateway's link.

`loop_watch.py` and `http_streams.py` belong to it: these three alone, of all in an isolate, import asyncio.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import NoReturn, Protocol

import msgspec

from joelclaw.clock import Clock, SystemClock
from joelclaw.errors import TokenRefused
from joelclaw.functions.actions import CANCELLED, AskKind, run_action, run_http_action
from joelclaw.functions.actions import Ask as AskGateway
from joelclaw.functions.calls import Call, Failure, Outcome
from joelclaw.functions.environment import overlaid
from joelclaw.functions.failures import failure_of
from joelclaw.functions.http import Headers, Request
from joelclaw.functions.loader import LoadedApp
from joelclaw.isolate.framing import Link, Unframer, decode_message, framed
from joelclaw.isolate.http_streams import RequestBody, ResponseStream
from joelclaw.isolate.logs import CallLog, log_of_call
from joelclaw.isolate.loop_watch import Held, LoopWatch
from joelclaw.isolate.messages import (
    ActionDone,
    ActionLogged,
    Adopt,
    Answer,
    Ask,
    CancelRuns,
    ClientLeft,
    FromIsolate,
    Load,
    LoopHeld,
    RequestPiece,
    ResponseCredit,
    RunAction,
    RunHttp,
    SetVariables,
    ToIsolate,
)
from joelclaw.limits import Limits, setting

Work = Callable[[AskGateway], Awaitable[Outcome]]
"""What a run consists of, given how it asks the gateway."""


def serve(link: Link, load: Load, app: LoadedApp) -> NoReturn:
    """Run actions until the gateway is gone."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    joined = _ActorLink()
    limits = load.limits
    watch = LoopWatch(loop, limit_s=limits.action_blocks_s, told_s=limits.action_blocks_told_s, root=app.root)
    actor = Actor(load, app, joined.send, loop=loop, watch=watch)
    watch.tell = actor.tell_held
    joined.actor = actor
    loop.run_until_complete(loop.create_connection(lambda: joined, sock=socket.socket(fileno=link.fd)))
    while True:
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt):
            # A task of an app called `sys.exit()`. It has ended; the other actions have done nothing wrong.
            continue


class _ActorLink(asyncio.Protocol):
    """The actor's end of the socket pair."""

    actor: "Actor"

    def __init__(self) -> None:
        self._unframer = Unframer()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for body in self._unframer.feed(data):
            self.actor.take(decode_message(body))

    def pause_writing(self) -> None:
        self.actor.writable.clear()

    def resume_writing(self) -> None:
        self.actor.writable.set()

    def connection_lost(self, _exc: Exception | None) -> None:
        # Nobody waits for these actions any more; a library's thread must not keep the process.
        os._exit(0)

    def send(self, message: FromIsolate) -> None:
        assert self._transport is not None
        self._transport.write(framed(message))


class _LiveLog(CallLog):
    """The lines of an action, told while it runs: those of one turn of the loop together. Its threads log, too."""

    __slots__ = ("_told", "_waiting", "on_line", "path")

    def __init__(self, limits: Limits, path: str) -> None:
        super().__init__(limits)
        self.path = path
        self.on_line: Callable[[], object] = lambda: None
        self._told = 0
        self._waiting = False

    def append(self, line: str) -> None:
        super().append(line)
        if not self._waiting:
            self._waiting = True
            self.on_line()

    def take_untold(self) -> list[str]:
        """Lines that were not told yet."""
        self._waiting = False
        lines = self.lines[self._told :]
        self._told += len(lines)
        return lines


class Watch(Protocol):
    """What watches that actions await: `loop_watch.LoopWatch`, where a process has nothing else to do."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def settle(self) -> None:
        """A run ends: what is to be told of it is told now."""
        ...


class Actor:
    """The actions that run, and what they wait for."""

    def __init__(
        self,
        load: Load,
        app: LoadedApp,
        send: Callable[[FromIsolate], None],
        *,
        loop: asyncio.AbstractEventLoop,
        watch: Watch,
        wall_clock: Clock | None = None,
    ) -> None:
        self.env: Mapping[str, str] = load.env
        """What an action that starts now sees."""

        self._declared_env = load.env
        self.roles: Mapping[str, Sequence[str]] = load.roles
        self._loop = loop
        self._app = app
        self._limits = load.limits
        self._watch = watch
        self._clock = wall_clock or SystemClock()
        self._send = send
        self.writable = asyncio.Event()
        """Whoever carries our messages can take more."""

        self.writable.set()
        self._runs: dict[int, asyncio.Task[None]] = {}
        self._bodies: dict[int, tuple[RequestBody, ResponseStream]] = {}
        """Of the runs that are HTTP actions."""

        self._stopping = False
        self._asks = count(1)
        self._answers: dict[int, asyncio.Future[Outcome]] = {}

    # -- what actions are given (the hooks)

    def clock(self) -> float:
        """Milliseconds since the epoch."""
        return self._clock.now_ms()

    def random_bytes(self, count: int) -> bytes:
        return os.urandom(count)

    def arm(self) -> None:
        """Actions may do everything."""

    def disarm(self) -> None:
        """As `arm`."""

    def violation(self) -> None:
        """Nothing is raised into an action."""

    # -- messages

    def take(self, message: ToIsolate) -> None:
        """Do what a message asks for, or begin to."""
        match message:
            case RunAction(run=number, call=call):
                self._begin(number, call, lambda ask: run_action(self._app, call, self, ask))
            case RunHttp():
                self._begin_http(message)
            case RequestPiece() | ResponseCredit() | ClientLeft():
                self._move(message)
            case CancelRuns():
                self._stopping = True
                for task in self._runs.values():
                    # Not at once: one that has not taken its first step yet would end without a word.
                    self._loop.call_soon(task.cancel)
            case Answer(ask=number, outcome=outcome):
                answer = self._answers.pop(number, None)
                if answer is not None and not answer.done():
                    answer.set_result(outcome)
            case SetVariables(values=values):
                self.env = overlaid(self._declared_env, values)
            case Adopt(layout=layout):
                self._app.adopt(layout)
            case _:
                raise TypeError(f"an actor was sent {type(message).__name__}")

    # -- one action

    def _begin(self, number: int, call: Call, work: Work) -> None:
        if not self._runs:
            self._watch.start()
        self._runs[number] = self._loop.create_task(self._run(number, call, work))

    def _begin_http(self, message: RunHttp) -> None:
        sent, number, bytes_max = message.request, message.run, self._limits.http_body_bytes
        body = RequestBody(number, self._send, bytes_max, has_body=sent.has_body)
        stream = ResponseStream(number, self._send, bytes_max, head_only=sent.method == "HEAD")
        self._bodies[number] = body, stream
        request = Request(sent.method, sent.url, Headers(sent.headers), body, client=sent.client)
        refused = None if message.token_refused is None else TokenRefused(*message.token_refused)

        def work(ask: AskGateway) -> Awaitable[Outcome]:
            return run_http_action(
                self._app, message.call, self, ask, request=request, reply=stream.send, token_refused=refused
            )

        self._begin(number, message.call, work)

    def _move(self, message: RequestPiece | ResponseCredit | ClientLeft) -> None:
        """Something about the bodies of an HTTP action, which may have ended meanwhile."""
        bodies = self._bodies.get(message.run)
        if bodies is None:
            return
        request, response = bodies
        match message:
            case RequestPiece(data=data, end=end):
                request.add(data, end)
            case ResponseCredit(size=size):
                response.add_credit(size)
            case ClientLeft():
                response.drop()

    async def _run(self, number: int, call: Call, work: Work) -> None:
        log = _LiveLog(self._limits, call.path)
        log.on_line = partial(self._loop.call_soon_threadsafe, self._tell_lines, number, log)
        log_of_call.set(log)
        timeout = self._loop.call_later(self._limits.action_time_s, self._time_out, number, call, log)

        async def ask(kind: AskKind, call: Call) -> Outcome:
            outcome = await self._ask(number, kind, call)
            for line in outcome.log_lines:
                log.append(line)
            return outcome

        try:
            outcome = await work(ask)
        except BaseException as error:
            # Cancelled, by our limit (and answered for), by a stop, or by the app itself; or a `LoopBlocked`.
            stopped = self._stopping and isinstance(error, asyncio.CancelledError)
            outcome = Outcome(failure=CANCELLED if stopped else failure_of(error, self._app.root, in_app=True))
        finally:
            timeout.cancel()
        await self.writable.wait()
        self._end(number, log, outcome)

    def _time_out(self, number: int, call: Call, log: CallLog) -> None:
        task = self._runs.get(number)
        message = (
            f"Action `{call.path}` execution timed out (maximum duration {self._limits.action_time_s:g}s). "
            f"Consider doing less at a time, or {setting('action_time_s')}."
        )
        self._end(number, log, Outcome(failure=Failure(message=message, code="action_timed_out")))
        if task is not None:
            task.cancel()

    def tell_held(self, held: Held) -> None:
        """A run kept the others waiting: say so where it is seen, in its own lines and in the log."""
        if held.log is not None:
            held.log.add(
                "WARN",
                f"{held.place} kept all other actions waiting for {held.seconds:.2f} s; "
                f"move such work to asyncio.to_thread(), or use a library that awaits",
            )
        path = held.log.path if isinstance(held.log, _LiveLog) else ""
        self._send(LoopHeld(path=path, place=held.place, seconds=held.seconds))

    def _tell_lines(self, number: int, log: "_LiveLog") -> None:
        lines = log.take_untold()
        if lines and number in self._runs:
            self._send(ActionLogged(run=number, lines=lines))

    def _end(self, number: int, log: CallLog, outcome: Outcome) -> None:
        """Answer for a run, unless it was answered for already."""
        self._bodies.pop(number, None)
        self._watch.settle()
        if self._runs.pop(number, None) is not None:
            outcome = msgspec.structs.replace(outcome, log_lines=log.finish())
            self._send(ActionDone(run=number, outcome=outcome))
        if not self._runs:
            self._watch.stop()

    async def _ask(self, run: int, kind: AskKind, call: Call) -> Outcome:
        number = next(self._asks)
        answer: asyncio.Future[Outcome] = self._loop.create_future()
        self._answers[number] = answer
        await self.writable.wait()
        self._send(Ask(ask=number, run=run, kind=kind, call=call))
        try:
            return await answer
        finally:
            self._answers.pop(number, None)
