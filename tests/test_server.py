"""`joelclaw.server`: the port, real sockets under uvicorn, and leaving without losing anything."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from joelclaw.auth.admin_keys import AdminKeys
from joelclaw.auth.authenticator import Authenticator
from joelclaw.config import load_config
from joelclaw.errors import CommandFailed
from joelclaw.functions.calls import Outcome, Range
from joelclaw.http.api import Api
from joelclaw.http.app import App
from joelclaw.http.requests import Cors
from joelclaw.server.ports import listen, ports_taken
from joelclaw.server.uvicorn_server import ApiServer, uvicorn_config
from joelclaw.sync.socket import Sockets
from joelclaw.sync.wording import Wording
from tests.sync.client import SESSION_ID
from tests.sync.stand_in import StandInEngine, parsed, value


class World:
    """A server on a free port, over a scripted engine."""

    def __init__(self, config_root: Path) -> None:
        self.engine = StandInEngine()
        self.engine.declare("mutation", "m:send")
        authenticator = Authenticator(AdminKeys(_no_key))
        wording = Wording(development=True, report=lambda *_: None)
        self.sockets = Sockets(self.engine, authenticator, wording)
        api = Api(self.engine, authenticator, wording, self.sockets, name="trial", version="1", cors=Cors())
        (config_root / "joelclaw.toml").write_text("[server]\napi_port = 0\n")
        self.listener = listen(load_config(config_root, {}), "api_port", 0)
        self.port: int = self.listener.getsockname()[1]
        self.server = ApiServer(uvicorn_config(App(api)), self.sockets)

    async def connect(self) -> ClientConnection:
        peer = await connect(f"ws://127.0.0.1:{self.port}/api/1.48.0/sync", max_size=None, compression=None)
        await say(peer, type="Connect", sessionId=SESSION_ID)
        return peer

    async def until(self, fact: Callable[[], bool]) -> None:
        """Let sockets and tasks go on until something is so."""
        async with asyncio.timeout(60):
            while not fact():
                await asyncio.sleep(0.001)


async def _no_key(_: str) -> None:
    return None


async def say(peer: ClientConnection, **message: Any) -> None:
    await peer.send(msgspec.json.encode(message).decode())


async def hear(peer: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(60):
        return parsed(str(await peer.recv()))


async def subscribe(peer: ClientConnection, path: str, args: Any) -> None:
    add = {"type": "Add", "queryId": 0, "udfPath": path, "args": [args]}
    await say(peer, type="ModifyQuerySet", baseVersion=0, newVersion=1, modifications=[add])


def play(scene: Callable[[World], Awaitable[None]], root: Path) -> None:
    async def run() -> None:
        world = World(root)
        serving = asyncio.create_task(world.server.serve(sockets=[world.listener]))
        try:
            await scene(world)
        finally:
            world.server.should_exit = True
            await serving

    asyncio.run(run())


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    """With the line to change; nothing was started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (tmp_path / "joelclaw.toml").write_text(f"[server]\napi_port = {port}\n")
        with pytest.raises(CommandFailed) as caught:
            listen(load_config(tmp_path, {}), "api_port", port)
        config = load_config(write(tmp_path, f"[server]\nsite_port = {port}\napi_port = 0\n"), {})
        with pytest.raises(CommandFailed) as caught_for_site, ports_taken(config):
            pass
    sentence = str(caught.value)
    assert sentence.startswith(f"joelclaw.toml:2: port {port} of 127.0.0.1 is in use; ")
    assert "\n" not in sentence
    assert str(caught_for_site.value) == (
        f"joelclaw.toml:2: port {port} of 127.0.0.1 is in use; stop what uses it, or choose another server.site_port"
    )


def write(root: Path, declaration: str) -> Path:
    (root / "joelclaw.toml").write_text(declaration)
    return root


def test_pitfall_30_large_frames_pass(tmp_path: Path) -> None:
    """Arguments of 10 MiB and a result of 20 MiB, each in one frame."""
    seen: list[int] = []

    def large(call: Any) -> Outcome:
        seen.append(len(call.args))
        return Outcome(value=b'"' + b"y" * (20 * 2**20) + b'"')

    async def scene(world: World) -> None:
        world.engine.answer("q:large", large)
        peer = await world.connect()
        await subscribe(peer, "q:large", {"text": "x" * (10 * 2**20)})
        await world.until(lambda: bool(world.engine.reactor.waiting))
        world.engine.read()
        transition = await hear(peer)
        assert len(transition["modifications"][0]["value"]) == 20 * 2**20
        await peer.close()

    play(scene, tmp_path)
    assert seen[0] > 10 * 2**20


def test_pitfall_34_a_real_socket_that_does_not_read_stops_its_transitions(tmp_path: Path) -> None:
    """A hundred commits of a megabyte: a few fill the system's buffers, the rest is never even run."""
    number = [0]

    async def scene(world: World) -> None:
        world.engine.answer(
            "q:n", lambda _: Outcome(value=b'"%08d' % number[0] + b"x" * 2**20 + b'"', reads=[Range(1, b"")])
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port, limit=2**16)
        writer.write(
            b"GET /api/sync HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        add = {"type": "Add", "queryId": 0, "udfPath": "q:n", "args": [{}]}
        writer.write(_frame({"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": [add]}))
        await world.until(lambda: bool(world.engine.reactor.waiting))
        for _ in range(100):
            number[0] += 1
            world.engine.commit(touched=1)
            world.engine.read()
            for _ in range(5):
                await asyncio.sleep(0)
        assert len(world.engine.runs) < 30
        writer.transport.abort()
        await world.until(lambda: len(world.sockets) == 0)

    play(scene, tmp_path)


def _frame(message: dict[str, Any]) -> bytes:
    """A masked text frame; the mask is zero."""
    payload = msgspec.json.encode(message)
    return b"\x81\xfe" + len(payload).to_bytes(2, "big") + b"\0\0\0\0" + payload


def test_leaving_answers_what_was_received(tmp_path: Path) -> None:
    """A mutation that is queued at shutdown is committed, answered, and followed by its transition; then 1012."""

    async def scene(world: World) -> None:
        busy, quiet = await world.connect(), await world.connect()
        await say(busy, type="Mutation", requestId=0, udfPath="m:send", args=[{}])
        await world.until(lambda: bool(world.engine.queued))
        world.server.should_exit = True
        with pytest.raises(ConnectionClosed) as gone:
            await quiet.recv()
        assert gone.value.rcvd is not None
        assert gone.value.rcvd.code == 1012
        world.engine.commit(b'"m0"')
        assert (await hear(busy))["result"] == "m0"
        assert (await hear(busy))["type"] == "Transition"
        with pytest.raises(ConnectionClosed) as gone:
            await busy.recv()
        assert gone.value.rcvd is not None
        assert gone.value.rcvd.code == 1012

    play(scene, tmp_path)


def test_http_and_sockets_share_the_port(tmp_path: Path) -> None:
    """One request over a real connection, beside an open socket."""

    async def scene(world: World) -> None:
        world.engine.answer("q:list", value("[1]"))
        peer = await world.connect()
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        body = b'{"path":"q:list","args":{}}'
        writer.write(
            b"POST //api/query HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body
        )
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b'{"status":"success","value":[1],"logLines":[]}')
        writer.close()
        await peer.close()

    play(scene, tmp_path)


def test_a_failure_can_be_read_in_development_and_parsed_in_production() -> None:
    """Its message and frames stand below the line, as they are; or in one line of JSON, like everything."""
    failure = "Failure(message='Uncaught KeyError: 1', frames='    at f (a.py:2)\\n    at g (a.py:5)')"
    people = _log_of(f"report_failure('r1', 'a:g', {failure})", development=True)
    line, *below = people.splitlines()
    assert "call failed" in line
    assert "path=a:g request_id=r1" in line
    assert below == ["Uncaught KeyError: 1", "    at f (a.py:2)", "    at g (a.py:5)"]
    programs = _log_of(f"report_failure('r1', 'a:g', {failure})", development=False)
    told = msgspec.json.decode(programs)
    assert told["message"] == "Uncaught KeyError: 1"
    assert told["frames"] == "    at f (a.py:2)\n    at g (a.py:5)"


def _log_of(statement: str, *, development: bool) -> str:
    """What a process logs; in one of its own, because there the log is set up once."""
    code = (
        "from joelclaw.functions.calls import Failure\n"
        "from joelclaw.server.narration import configure_logging, report_failure\n"
        f"configure_logging(development={development})\n{statement}\n"
    )
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, check=True, text=True).stderr


PROGRAM = """
import logging, structlog
from joelclaw.server.narration import configure_logging
configure_logging(development=False, level={level!r})
log = structlog.get_logger("joelclaw.test")
log.debug("fine")
log.info("call refused", path="notes:add", request_id="1f")
try:
    raise ValueError("broken\\nin two")
except ValueError:
    log.exception("a request could not be answered", path="notes:add")
logging.getLogger("uvicorn.error").warning("Invalid %s", "request")
"""


def logged(level: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(level=level)], capture_output=True, text=True, check=True
    )
    return [msgspec.json.decode(line) for line in done.stderr.splitlines()]


def test_the_log_in_production_is_a_line_of_json_for_each_event() -> None:
    """With `time`, `level` and `event`, what it concerns, and its traceback inside; lines of libraries, too."""
    refused, failed, library = logged("info")
    assert (refused["level"], refused["event"]) == ("info", "call refused")
    assert (refused["path"], refused["request_id"]) == ("notes:add", "1f")
    assert datetime.fromisoformat(refused["time"]).tzinfo is not None
    assert "ValueError: broken\nin two" in failed["exception"]
    assert library.items() >= {"level": "warning", "event": "Invalid request", "logger": "uvicorn.error"}.items()
    assert "time" in library


def test_the_log_level_leaves_out_what_is_less_grave() -> None:
    """And lets in more, where more is asked for."""
    assert [line["level"] for line in logged("error")] == ["error"]
    assert [line["level"] for line in logged("debug")] == ["debug", "info", "error", "warning"]
