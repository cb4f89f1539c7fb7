"""
An Inngest that holds still: events and runs as its REST API v1 lists them, and what can go wrong on the way.

It has `GET /v1/events` (limit, cursor, name, received_after; newest first) and `GET /v1/events/{id}/runs`, both for its
signing key alone. Lists are in an envelope, `{"data": [...], "metadata": {"fetched_at": ..., "cached_until": ...}}`;
errors are `{"error": "...", "status": 401}`. Ids are ULIDs, whose order is that of time; a cursor that is none is
refused. Keys of its answers are those of the Go server's structs.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import NAMESPACE_URL, uuid5

SIGNING_KEY = "signkey-test-0123456789abcdef"
LIMIT_DEFAULT, LIMIT_MAX = 20, 50
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID = re.compile(f"[0-7][{ALPHABET}]{{25}}")
ENVIRONMENT = str(uuid5(NAMESPACE_URL, "environment"))

Fault = Callable[[BaseHTTPRequestHandler], None]


class FakeInngest:
    """What Inngest knows. `asked` has the paths that were asked for; `fault` answers instead of it, if there is one."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.fault: Fault | None = None
        self.events: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, list[dict[str, Any]]] = {}
        self._count = 0

    def receive(self, name: str, at: float, data: dict[str, Any] | None = None) -> str:
        """An event arrives; its id."""
        event_id = self._ulid(at)
        self.events[event_id] = {
            "internal_id": event_id,
            "account_id": ENVIRONMENT,
            "environment_id": ENVIRONMENT,
            "source": "my-app",
            "source_id": None,
            "received_at": iso(at),
            "id": event_id,
            "name": name,
            "data": data or {},
            "ts": int(at),
        }
        return event_id

    def start(self, event_id: str, function: str, at: float) -> str:
        """An event starts a function; the run's id."""
        run_id = self._ulid(at)
        run = {
            "run_id": run_id,
            "run_started_at": iso(at),
            "function_id": function_id(function),
            "function_version": 3,
            "environment_id": ENVIRONMENT,
            "event_id": event_id,
            "batch_id": "00000000000000000000000000",
            "original_run_id": "00000000000000000000000000",
            "status": "Running",
            "ended_at": None,
            "output": None,
        }
        self.runs.setdefault(event_id, []).append(run)
        return run_id

    def end(self, run_id: str, at: float, status: str = "Completed", output: Any = None) -> None:
        """A run ends."""
        [run] = [run for runs in self.runs.values() for run in runs if run["run_id"] == run_id]
        run.update(status=status, ended_at=iso(at), output=output)

    def report(self, run_id: str, function: str, at: float) -> str:
        """Inngest's own event about a run that has ended; its id."""
        about: dict[str, Any] = {"function_id": function, "run_id": run_id, "event": {}, "result": None}
        return self.receive("inngest/function.finished", at, about)

    def forget(self, event_id: str) -> None:
        """As after the retention of the account."""
        del self.events[event_id]
        self.runs.pop(event_id, None)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """What is asked for, or why not."""
        url = urlsplit(handler.path)
        if handler.headers.get("Authorization") != f"Bearer {SIGNING_KEY}":
            send(handler, 401, {"error": "No auth found", "status": 401})
        elif url.path == "/v1/events":
            self._list_events(handler, {name: values[0] for name, values in parse_qs(url.query).items()})
        elif (found := re.fullmatch(r"/v1/events/([^/]+)/runs", url.path)) is None:
            send(handler, 404, {"error": "Not found", "status": 404})
        elif not ULID.fullmatch(found[1]):
            send(handler, 400, {"error": f"Invalid event ID: {found[1]}", "status": 400})
        else:
            send(handler, 200, envelope(self.runs.get(found[1], [])))

    def _list_events(self, handler: BaseHTTPRequestHandler, asked: dict[str, str]) -> None:
        limit = min(max(int(asked.get("limit", LIMIT_DEFAULT)), 1), LIMIT_MAX)
        cursor, after = asked.get("cursor"), asked.get("received_after")
        if cursor is not None and not ULID.fullmatch(cursor):
            return send(handler, 400, {"error": "Invalid cursor query parameter", "status": 400})
        found = [
            event
            for event_id, event in sorted(self.events.items(), reverse=True)
            if (cursor is None or event_id < cursor)
            and (after is None or datetime.fromisoformat(event["received_at"]) >= datetime.fromisoformat(after))
            and asked.get("name", event["name"]) == event["name"]
        ]
        return send(handler, 200, envelope(found[:limit]))

    def _ulid(self, at: float) -> str:
        self._count += 1
        number = (int(at) << 80) | self._count
        return "".join(ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


@contextmanager
def fake_inngest() -> Iterator[FakeInngest]:
    """One that serves until the block ends."""
    inngest = FakeInngest()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            inngest.asked.append(self.path)
            (inngest.fault or inngest.answer)(self)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    inngest.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield inngest
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# -- what can go wrong


def refuses(status: int, retry_after: str | None = None) -> Fault:
    """It answers with an error, and perhaps says when to come back."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        send(handler, status, {"error": "no", "status": status}, headers)

    return fault


def says(body: bytes) -> Fault:
    """It answers something else."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        send_bytes(handler, 200, body, {})

    return fault


def cuts_off(handler: BaseHTTPRequestHandler) -> None:
    """It announces more than comes."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"data": [')
    handler.close_connection = True


def hangs(until: threading.Event) -> Fault:
    """It begins an answer, and says nothing more until the event."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"data": [')
        handler.wfile.flush()
        until.wait()
        handler.close_connection = True

    return fault


# -- forms


def function_id(slug: str) -> str:
    """Runs name functions by ids that tell nothing."""
    return str(uuid5(NAMESPACE_URL, slug))


def iso(at: float) -> str:
    """As Go writes a time, with nanoseconds."""
    text = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "000Z")


def envelope(data: list[Any]) -> dict[str, Any]:
    return {"data": data, "metadata": {"fetched_at": "2026-11-24T04:00:00Z", "cached_until": "2026-11-24T04:00:05Z"}}


def send(
    handler: BaseHTTPRequestHandler, status: int, body: dict[str, Any], headers: dict[str, str] | None = None
) -> None:
    send_bytes(handler, status, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})


def send_bytes(handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
