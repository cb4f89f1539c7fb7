"""
One isolate, seen from the gateway: a child process and the messages to and from it.

The process is joined by a socket pair, not by pipes: one descriptor, both directions, and its
end is the sign for either side that the other is gone. What a process says on its standard
error (a traceback of the interpreter, a library's complaint) is logged; only of one that dies
while it imports the app the last words are read, for the place where it was.
"""

import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import msgspec
import structlog

from joelclaw.engine.last_words import DUMP, last_place, split_dump
from joelclaw.errors import AppRefused, IsolateDied
from joelclaw.functions.importing import module_name
from joelclaw.functions.manifest import Manifest, Problem
from joelclaw.isolate.messages import FromIsolate, Load, Loaded, LoadFailed, Role, ToIsolate

LOG_CHUNK_BYTES: Final = 64 * 1024
LOAD_TIMEOUT_S: Final = 60.0
"""Importing an app may import half of PyPI; beyond this something hangs."""

CLOSING_TIMEOUT_S: Final = 2.0
LAST_WORDS_TIMEOUT_S: Final = 5.0
"""Why a process has died is worth waiting for; it comes at once, unless the machine is very busy."""

CLOSING_WORDS_TIMEOUT_S: Final = 0.5
WORDS_BYTES_MAX: Final = 1024 * 1024

log = structlog.get_logger("joelclaw.isolate")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(FromIsolate).decode


class _Link(asyncio.Protocol):
    """Cuts the byte stream into messages."""

    def __init__(self, on_message: Callable[[FromIsolate], None], on_end: Callable[[], None]) -> None:
        self._on_message = on_message
        self._on_end = on_end
        self._buffer = bytearray()

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= 4:
            size = int.from_bytes(buffer[at : at + 4], "big")
            if len(buffer) - at - 4 < size:
                break
            message = bytes(buffer[at + 4 : at + 4 + size])
            at += 4 + size
            self._on_message(_decode(message))
        if at:
            del buffer[:at]

    def connection_lost(self, _exc: Exception | None) -> None:
        self._on_end()


class IsolateProcess:
    """A running isolate. Its owner, a lane, sets `on_message` and `on_death`."""

    def __init__(self, role: Role) -> None:
        self.role: Role = role
        self.manifest: Manifest | None = None
        self.on_message: Callable[[FromIsolate], None] = self._hear_early
        self.on_death: Callable[[], None] = lambda: None
        self.alive = False
        self._closing = False
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._loaded: asyncio.Future[FromIsolate] | None = None
        self._words = bytearray()
        """What it said on standard error while it loaded the app."""

        self._reading: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @classmethod
    async def spawn(cls, role: Role) -> "IsolateProcess":
        """Start the process; it waits for `load`."""
        isolate = cls(role)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            isolate._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "joelclaw.isolate",
                str(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
            isolate._transport, _ = await loop.create_connection(lambda: _Link(isolate._hear, isolate._end), sock=ours)
        except BaseException:
            ours.close()  # Which ends the process, if there is one already.
            raise
        finally:
            theirs.close()
        isolate.alive = True
        isolate._reading = loop.create_task(isolate._log_errors())
        return isolate

    async def load(self, load: Load) -> Manifest:
        """
        Load the app in the process.

        Raises:
            AppRefused: Its files are wrong; every problem is listed.
            IsolateDied: The process ended while it imported them, and could not say where.
        """
        self._loaded = asyncio.get_running_loop().create_future()
        self.send(load)
        try:
            async with asyncio.timeout(LOAD_TIMEOUT_S):
                answer = await self._loaded
        except TimeoutError:
            self.kill(signal.SIGABRT)  # Its last words are where it hangs.
            raise await self._death(load.root, f"was not imported within {LOAD_TIMEOUT_S:.0f} s") from None
        except IsolateDied:
            raise await self._death(load.root, "ended the process that imported it") from None
        finally:
            self._loaded = None
        self._log_words()
        if isinstance(answer, LoadFailed):
            raise AppRefused(answer.problems)
        assert isinstance(answer, Loaded)
        self.manifest = answer.manifest
        return answer.manifest

    async def _death(self, root: str, what: str) -> AppRefused | IsolateDied:
        """Why it died on import: where it was, if it could say so."""
        code = await self._end_of_process(LAST_WORDS_TIMEOUT_S, LAST_WORDS_TIMEOUT_S)
        said, dump = split_dump(self._words.decode("utf-8", "replace"))
        place = last_place(dump, root)
        if place is not None:
            self._words[:] = said.encode()
        self._log_words()
        if place is None:
            return IsolateDied("new", f"ended with exit code {code} while it imported the app")
        fault = dump.removeprefix(DUMP).partition("\n")[0]
        if fault != "Aborted":
            what = f"{what}: {fault}"
        return AppRefused([Problem(place=place, name=module_name(place.file), reason=what)])

    def send(self, *messages: ToIsolate) -> None:
        """Hand messages over, in order. To a dead process nothing is sent: its owner hears of the death."""
        if not self.alive or self._transport is None:
            return
        parts = []
        for message in messages:
            body = _encode(message)
            parts += [len(body).to_bytes(4, "big"), body]
        self._transport.write(b"".join(parts))

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it now, whatever it does; `on_death` follows."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def close(self) -> None:
        """End it in good order: it sees the end of the socket and leaves."""
        self._closing = True
        self.on_death = lambda: None
        if self._transport is not None:
            self._transport.close()
        await self._end_of_process(CLOSING_TIMEOUT_S, CLOSING_WORDS_TIMEOUT_S)

    async def _end_of_process(self, timeout_s: float, words_timeout_s: float) -> int:
        """Wait until it has ended, not for ever, and until what it said has been read; its exit code."""
        assert self._process is not None
        try:
            async with asyncio.timeout(timeout_s):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
        if self._reading is not None:
            # What it has started may outlive it, and hold the other end of the pipe.
            await asyncio.wait([self._reading], timeout=words_timeout_s)
            self._reading.cancel()
        return self._process.returncode or 0

    def _hear(self, message: FromIsolate) -> None:
        self.on_message(message)

    def _hear_early(self, message: FromIsolate) -> None:
        if self._loaded is not None and not self._loaded.done():
            self._loaded.set_result(message)

    def _end(self) -> None:
        self.alive = False
        if self._loaded is not None and not self._loaded.done():
            # Not killed yet: its exit code is told.
            self._loaded.set_exception(IsolateDied(self.role, "ended while it loaded the app"))
        elif not self._closing:
            self.kill()
        self.on_death()

    async def _log_errors(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        # Not line by line: a line without end would stop the reading, and then the process that writes it.
        rest = b""
        while data := await self._process.stderr.read(LOG_CHUNK_BYTES):
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > LOG_CHUNK_BYTES:
                lines, rest = [*lines, rest], b""
            self._log_lines(lines)
        self._log_lines([rest] if rest else [])

    def _log_words(self) -> None:
        words, self._words = self._words, bytearray()
        for line in bytes(words).splitlines():
            self._log_line(line)

    def _log_lines(self, lines: Iterable[bytes]) -> None:
        if self._loaded is not None and len(self._words) < WORDS_BYTES_MAX:
            self._words += b"".join(line + b"\n" for line in lines)
            return
        for line in lines:
            self._log_line(line)

    def _log_line(self, line: bytes) -> None:
        log.warning(line.decode("utf-8", "replace"), role=self.role, pid=self.pid)
