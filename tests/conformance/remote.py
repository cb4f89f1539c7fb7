"""
Clients in processes of their own, told what to do in lines of JSON.

A request is `{"id", "do", ...}` and gets `{"id", "value"}` or `{"id", "error"}`. In between a
client tells events, `{"event", ...}`: results of what it subscribes to, for one. Values are
wire JSON as the client's own encoder writes them, so that a test sees what the application
saw: a bigint comes as `$integer`, a number as a number.

The programs are in `clients/`: the npm package in Node, the same in Chromium, the Python package.
"""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.deadline import PATIENCE_S

CLIENTS = Path(__file__).parent / "clients"


class Refused(Exception):
    """What the client threw. `data` is there if it was an application's error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.name: str = error["name"]
        self.message: str = error["message"]
        self.has_data = "data" in error
        self.data: Any = error.get("data")


class Remote:
    """A client's process."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._changed = threading.Condition()
        self._pending: dict[int, Future[Any]] = {}
        self._events: list[dict[str, Any]] = []
        self._ended = False
        self._last_id = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def start(self, do: str, **request: Any) -> "Future[Any]":
        """Tell it to do something; what comes of it comes later."""
        answer: Future[Any] = Future()
        with self._changed:
            self._last_id += 1
            self._pending[self._last_id] = answer
            line = json.dumps({"id": self._last_id, "do": do, **request})
            assert self._process.stdin is not None
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        return answer

    def do(self, do: str, **request: Any) -> Any:
        """Tell it to do something, and wait."""
        return self.start(do, **request).result(PATIENCE_S)

    def query(self, path: str, /, **args: Any) -> Any:
        return self.do("query", path=path, args=args)

    def mutation(self, path: str, /, **args: Any) -> Any:
        return self.do("mutation", path=path, args=args)

    def action(self, path: str, /, **args: Any) -> Any:
        return self.do("action", path=path, args=args)

    def subscribe(self, name: str, path: str, /, **args: Any) -> None:
        """Keep a query current; its results are events of this name."""
        self.do("subscribe", name=name, path=path, args=args)

    def events(self, name: str) -> list[dict[str, Any]]:
        """All events of a name so far."""
        with self._changed:
            return [event for event in self._events if event["event"] == name]

    def wait_for(self, name: str, holds: Callable[[Any], bool], *, after: int = 0) -> Any:
        """Wait for an event whose value is so, unless there was one after the first few; that value."""

        def found() -> dict[str, Any] | None:
            events = [event for event in self._events if event["event"] == name][after:]
            return next((event for event in events if "value" in event and holds(event["value"])), None)

        return self._wait(name, found)["value"]

    def wait_for_error(self, name: str) -> Refused:
        """Wait for an event that is an error, unless there was one."""

        def found() -> dict[str, Any] | None:
            return next((e for e in self._events if e["event"] == name and "error" in e), None)

        return Refused(self._wait(name, found)["error"])

    def _wait(self, name: str, found: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
        with self._changed:
            self._changed.wait_for(lambda: found() is not None or self._ended, PATIENCE_S)
            event = found()
        if event is None:
            seen = [str(event)[:300] for event in self.events(name)[-5:]]
            pytest.fail(f"no such event {name!r}; the last ones were:\n" + "\n".join(seen))
        return event

    def sleep(self) -> None:
        """Stop the process as a phone in a pocket is stopped: it does not even read."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def wake(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def close(self) -> None:
        """End the process; it is told by the end of its input."""
        assert self._process.stdin is not None
        self.wake()
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(PATIENCE_S)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            with self._changed:
                if "event" in message:
                    self._events.append(message)
                    self._changed.notify_all()
                    continue
                answer = self._pending.pop(message["id"])
            if "error" in message:
                answer.set_exception(Refused(message["error"]))
            else:
                answer.set_result(message.get("value"))
        with self._changed:
            self._ended = True
            self._changed.notify_all()
            pending = list(self._pending.values())
        for answer in pending:
            answer.set_exception(EOFError("the client's process has ended"))
