"""
Real isolates for tests: a process, the gateway's end of its link, and deadlines that tell what went wrong.
"""

import contextlib
import os
import select
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from joelclaw.functions.calls import Call, Outcome
from joelclaw.isolate.framing import Unframer, framed
from joelclaw.isolate.messages import (
    ActionLogged,
    Adopt,
    Batch,
    BatchDone,
    FromIsolate,
    Load,
    Loaded,
    LoopHeld,
    Prepare,
    Prepared,
    Role,
    ToIsolate,
)
from joelclaw.limits import Limits

APP = Path(__file__).parent / "app"
PATIENCE_S = 60.0
"""Only a broken isolate takes that long; nothing here waits for time to pass."""

LIMITS = Limits(transaction_time_s=10.0, transaction_wall_s=60.0, isolate_memory_mb=400)
"""Of time only what is broken takes as much; a test of these limits has its own."""

decode = msgspec.msgpack.Decoder(FromIsolate).decode
M = TypeVar("M")


class Isolate:
    """An isolate's process and the gateway's end of its link."""

    def __init__(self, role: Role, root: Path, database: Path, limits: Limits) -> None:
        self.load = Load(
            role=role,
            root=str(root),
            functions="app_functions",
            schema="schema.py",
            wire_names="camel",
            store_url=f"sqlite:///{database}",
            durability="normal",
            env={"TOWN": "Zürich"},
            limits=limits,
            development=True,
        )
        self.socket, theirs = socket.socketpair()
        errors, their_errors = os.pipe()
        command = [sys.executable, "-m", "joelclaw.isolate", str(theirs.fileno())]
        self.process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stderr=their_errors, cwd=database.parent
        )
        theirs.close()
        os.close(their_errors)
        os.set_blocking(errors, False)
        self._errors = errors
        self._complaints = b""
        self._unframer = Unframer()
        self._received: list[FromIsolate] = []
        self._batches = 0
        self.published_ts = 0
        self.send(self.load)

    def send(self, *messages: ToIsolate) -> None:
        """Send messages; several of them in one piece, which arrive together."""
        self.socket.sendall(b"".join(map(framed, messages)))

    def receive(self, kind: type[M]) -> M:
        """The next message, which has to be of this kind and come soon. What actions log or hold up is passed over."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._received:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self.socket.recv(1 << 20)
            except TimeoutError:
                pytest.fail(f"no {kind.__name__} within {PATIENCE_S:.0f} s; {self.stderr()}")
            except ConnectionResetError:
                data = b""
            if not data:
                pytest.fail(f"the isolate ended ({self.wait()}) before {kind.__name__}; {self.stderr()}")
            self._received += map(decode, self._unframer.feed(data))
        message = self._received.pop(0)
        if isinstance(message, ActionLogged | LoopHeld) and not isinstance(message, kind):
            return self.receive(kind)
        assert isinstance(message, kind), f"{message} instead of {kind.__name__}; {self.stderr()}"
        return message

    def run(self, *calls: Call) -> list[Outcome]:
        """Outcomes of these calls, sent again as long as the budget leaves some undone."""
        outcomes: list[Outcome] = []
        while len(outcomes) < len(calls):
            outcomes += self.batch(*calls[len(outcomes) :]).outcomes
        return outcomes

    def batch(self, *calls: Call) -> BatchDone:
        self.start_batch(*calls)
        return self.receive(BatchDone)

    def start_batch(self, *calls: Call) -> None:
        self._batches += 1
        self.send(Batch(batch=self._batches, calls=list(calls), published_ts=self.published_ts))

    def wait(self) -> int:
        """Its exit code; it has to end soon."""
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the isolate did not end within {PATIENCE_S:.0f} s; {self.stderr()}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stderr(self) -> str:
        """What it has said on its standard error so far."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._errors, 1 << 16):
                self._complaints += data
        return f"stderr: {self._complaints.decode() or 'empty'}"

    def wait_for_stderr(self, text: str) -> None:
        """Until it has said this."""
        while text not in self.stderr():
            ready, _, _ = select.select([self._errors], [], [], PATIENCE_S)
            assert ready, f"it did not say {text!r} within {PATIENCE_S:.0f} s; {self.stderr()}"

    def close(self) -> None:
        """End it; it is no error if it has been closed before."""
        self.socket.close()
        self.kill()
        if self._errors >= 0:
            os.close(self._errors)
            self._errors = -1


class Deployment:
    """An app's folder, a database, and the isolates that a test starts on them."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "app"
        if not self.root.exists():
            shutil.copytree(APP, self.root, ignore=shutil.ignore_patterns("__pycache__"))
        self.database = folder / "data.db"
        self.isolates: list[Isolate] = []
        self.prepared: Prepared | None = None

    def start(self, role: Role, **limits: Any) -> Isolate:
        """An isolate that was told to load the app."""
        isolate = Isolate(role, self.root, self.database, msgspec.structs.replace(LIMITS, **limits))
        self.isolates.append(isolate)
        return isolate

    def writer(self, **limits: Any) -> Isolate:
        """A writer with a prepared database; what it said of that is in `prepared`."""
        isolate = self.start("writer", **limits)
        isolate.receive(Loaded)
        isolate.send(Prepare())
        self.prepared = isolate.receive(Prepared)
        return isolate

    def reader(self, **limits: Any) -> Isolate:
        return self._follower("reader", **limits)

    def actor(self, **limits: Any) -> Isolate:
        return self._follower("actor", **limits)

    def _follower(self, role: Role, **limits: Any) -> Isolate:
        if self.prepared is None:  # Somebody has to make the database.
            self.writer().close()
        assert self.prepared is not None
        isolate = self.start(role, **limits)
        isolate.receive(Loaded)
        isolate.send(Adopt(layout=self.prepared.layout))
        return isolate

    def close(self) -> None:
        for isolate in self.isolates:
            isolate.close()


def call(path: str, *, call_id: str = "", **args: Any) -> Call:
    return Call(path=path, args=msgspec.json.encode(args), call_id=call_id, privileged=True)


def value(outcome: Outcome) -> Any:
    """The result of a run that has to have succeeded."""
    assert outcome.failure is None, outcome.failure
    return msgspec.json.decode(outcome.value)


def texts(isolate: Isolate) -> list[str]:
    """All notes, sorted."""
    [outcome] = isolate.run(call("notes:texts"))
    result: list[str] = value(outcome)
    return result
