"""The log over HTTP: long polls, cursors, and who may read it."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from joelclaw.auth.admin_keys import AdminKeys
from joelclaw.auth.authenticator import Authenticator
from joelclaw.clock import MovableClock
from joelclaw.errors import AdminKeyRefused, RequestRefused
from joelclaw.http import logs
from joelclaw.http.logs import LogRoutes
from joelclaw.http.requests import Request
from joelclaw.logs.entries import Entry
from joelclaw.logs.recorder import RunLog
from tests.engine.engines import within_patience
from tests.logs.entries import failed, said

ADMIN_KEY = "joelclaw|0123456789abcdef"
T0_MS = 1_700_000_000_000.0


class Client:
    """Asks the routes, and hangs up when told to."""

    def __init__(self, folder: Path) -> None:
        self.clock = MovableClock(T0_MS)
        self.log = RunLog(folder / "app.db-logs", clock=self.clock)
        self.stop = asyncio.Event()
        self.hung_up = asyncio.Event()
        self.routes = LogRoutes(self.log, Authenticator(AdminKeys(_no_key, ADMIN_KEY)), self.stop)

    async def ask(self, query: str, *, authorization: str = f"Convex {ADMIN_KEY}", whole: bool = False) -> Any:
        async def receive() -> dict[str, Any]:
            await self.hung_up.wait()
            return {"type": "http.disconnect"}

        scope = {
            "method": "GET",
            "path": "/api/stream_function_logs",
            "query_string": query.encode(),
            "headers": [(b"authorization", authorization.encode())],
        }
        handler = self.routes.executions if whole else self.routes.function_logs
        answer = await within_patience("an answer", handler(Request(scope, receive)))
        return msgspec.json.decode(answer.body)

    async def waiting(self, query: str) -> "asyncio.Task[Any]":
        """A request that has found nothing and waits."""
        request = asyncio.create_task(self.ask(query))

        async def follow() -> None:
            while not self.log.followers:
                await asyncio.sleep(0)

        await within_patience("a follower", follow())
        return request

    def ran(self, function: str, *, request_id: str = "r") -> None:
        self.clock.advance(timedelta(milliseconds=1))
        self.log.ran("mutation", function, request_id, "HttpApi", said("[WARN] 'hi'"))


async def _no_key(_: str) -> None:
    return None


def play(scene: Callable[[Client], Coroutine[Any, Any, None]], folder: Path) -> None:
    async def run() -> None:
        client = Client(folder)
        async with client.log:
            await scene(client)

    asyncio.run(run())


def test_an_entry_as_the_official_command_line_reads_it(tmp_path: Path) -> None:
    """Moments of runs in seconds, those of lines in whole milliseconds, lines split into level and messages."""

    async def scene(client: Client) -> None:
        client.clock.advance(timedelta(milliseconds=1))
        client.log.ran("query", "notes:list", "r1", "SyncWorker", failed("Uncaught ValueError: boom", "[WARN] 'hi'"))
        answer = await client.ask("cursor=0")
        [entry] = answer["entries"]
        execution = entry.pop("executionId")
        assert execution
        assert entry == {
            "kind": "Completion",
            "udfType": "Query",
            "componentPath": None,
            "identifier": "notes:list",
            "timestamp": (T0_MS + 1) / 1_000,
            "executionTime": 0.0015,
            "success": None,
            "error": "Uncaught ValueError: boom\n    at f (app_functions/f.py:1)",
            "cachedResult": False,
            "caller": "SyncWorker",
            "requestId": "r1",
            "usageStats": {},
            "logLines": [{"messages": ["'hi'"], "level": "WARN", "timestamp": round(T0_MS) + 1, "isTruncated": False}],
        }
        assert answer["newCursor"] == T0_MS + 1

    play(scene, tmp_path)


def test_an_http_action_has_its_status(tmp_path: Path) -> None:
    """Its identifier is the route, its success the status that it answered."""

    async def scene(client: Client) -> None:
        ongoing = client.log.begin("http_action", "POST /webhook", "r1", "HttpEndpoint")
        ongoing.answered(201)
        ongoing.ended(said())
        [entry] = (await client.ask("cursor=0"))["entries"]
        assert (entry["udfType"], entry["identifier"]) == ("HttpAction", "POST /webhook")
        assert entry["success"] == {"status": "201"}

    play(scene, tmp_path)


def test_the_first_answer_is_the_past_and_the_next_what_follows(tmp_path: Path) -> None:
    """Cursor 0 answers at once; each newCursor goes on where the last answer ended, without gaps or repetition."""

    async def scene(client: Client) -> None:
        empty = await client.ask("cursor=0")
        assert empty["entries"] == []
        assert empty["newCursor"] > 0
        client.ran("notes:a")
        client.ran("notes:b")
        first = await client.ask(f"cursor={empty['newCursor']}")
        assert [entry["identifier"] for entry in first["entries"]] == ["notes:a", "notes:b"]
        client.ran("notes:c")
        second = await client.ask(f"cursor={first['newCursor']}")
        assert [entry["identifier"] for entry in second["entries"]] == ["notes:c"]

    play(scene, tmp_path)


def test_a_request_waits_for_the_next_entry(tmp_path: Path) -> None:
    """With nothing after the cursor the answer comes with the next run."""

    async def scene(client: Client) -> None:
        cursor = (await client.ask("cursor=0"))["newCursor"]
        request = await client.waiting(f"cursor={cursor}")
        client.ran("notes:a")
        answer = await request
        assert [entry["identifier"] for entry in answer["entries"]] == ["notes:a"]
        assert client.log.followers == 0

    play(scene, tmp_path)


def test_an_entry_that_comes_while_a_request_looks_is_not_missed(tmp_path: Path) -> None:
    """A run that ends in the very step in which a request begins to wait answers it."""

    async def scene(client: Client) -> None:
        cursor = (await client.ask("cursor=0"))["newCursor"]
        look = client.log.after

        async def look_and_run(id: int) -> list[Entry]:
            entries = await look(id)
            if not entries:
                asyncio.get_running_loop().call_soon(client.ran, "notes:a")
            return entries

        client.log.after = look_and_run  # type: ignore[method-assign]
        answer = await client.ask(f"cursor={cursor}")
        assert [entry["identifier"] for entry in answer["entries"]] == ["notes:a"]

    play(scene, tmp_path)


def test_after_a_while_the_answer_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quiet deployment answers with no entries and the same cursor."""
    monkeypatch.setattr(logs, "WAIT_S", 0.0)

    async def scene(client: Client) -> None:
        cursor = (await client.ask("cursor=0"))["newCursor"]
        assert await client.ask(f"cursor={cursor}") == {"entries": [], "newCursor": cursor}

    play(scene, tmp_path)


@pytest.mark.parametrize("event", ["hung_up", "stop"])
def test_nobody_waits_for_a_client_that_left_or_for_a_server_that_stops(tmp_path: Path, event: str) -> None:
    """A follower that hangs up is forgotten; when the server stops, waiting requests are answered."""

    async def scene(client: Client) -> None:
        cursor = (await client.ask("cursor=0"))["newCursor"]
        request = await client.waiting(f"cursor={cursor}")
        getattr(client, event).set()
        assert await request == {"entries": [], "newCursor": cursor}
        assert client.log.followers == 0

    play(scene, tmp_path)


def test_lines_of_a_running_action_are_told_once(tmp_path: Path) -> None:
    """While it runs as progress, at its end only those that are new; the stream of executions has them all, once."""

    async def scene(client: Client) -> None:
        cursor = client.log.newest_id / 1_000
        ongoing = client.log.begin("action", "feeds:fetch", "r1", "HttpApi")
        ongoing.logged(["[LOG] one"])
        ongoing.ended(said("[LOG] one", "[LOG] two"))
        answer = await client.ask(f"cursor={cursor}")
        assert [(e["kind"], [line["messages"] for line in e["logLines"]]) for e in answer["entries"]] == [
            ("Progress", [["one"]]),
            ("Completion", [["two"]]),
        ]
        assert len({entry["executionId"] for entry in answer["entries"]}) == 1
        executions = await client.ask(f"cursor={cursor}", whole=True)
        assert [[line["messages"] for line in e["logLines"]] for e in executions["entries"]] == [[["one"], ["two"]]]

    play(scene, tmp_path)


def test_one_request_can_be_asked_for(tmp_path: Path) -> None:
    """`sessionId` and `clientRequestCounter` together leave the runs of that request only."""

    async def scene(client: Client) -> None:
        client.ran("notes:mine", request_id=sha256(b"session|7").hexdigest()[:16])
        client.ran("notes:other")
        answer = await client.ask("cursor=0&sessionId=session&clientRequestCounter=7")
        assert [entry["identifier"] for entry in answer["entries"]] == ["notes:mine"]
        for half in ("sessionId=session", "clientRequestCounter=7", "sessionId=s&clientRequestCounter=x"):
            with pytest.raises(RequestRefused):
                await client.ask(f"cursor=0&{half}")

    play(scene, tmp_path)


@pytest.mark.parametrize("cursor", ["x", "-1", "nan", "inf", "1e300", ""])
def test_a_cursor_that_is_none_is_refused(tmp_path: Path, cursor: str) -> None:
    """With 400, so that no client tries it again and again."""

    async def scene(client: Client) -> None:
        if cursor:
            with pytest.raises(RequestRefused) as caught:
                await client.ask(f"cursor={cursor}")
            assert caught.value.status == 400
        else:
            assert (await client.ask(""))["entries"] == []  # Not given: the beginning.

    play(scene, tmp_path)


def test_only_administrators_read_it(tmp_path: Path) -> None:
    """Without an admin key, or with a wrong one, nothing of the log is told."""

    async def scene(client: Client) -> None:
        client.ran("notes:secret")
        with pytest.raises(AdminKeyRefused):
            await client.ask("cursor=0", authorization="Convex joelclaw|wrong-wrong-wrong-wrong")
        request = Request({"method": "GET", "path": "/x", "query_string": b"cursor=0", "headers": []}, _never)
        with pytest.raises(RequestRefused) as caught:
            await client.routes.function_logs(request)
        assert (caught.value.status, caught.value.reason_code) == (403, "BadDeployKey")

    play(scene, tmp_path)


async def _never() -> Any:
    await asyncio.Event().wait()
