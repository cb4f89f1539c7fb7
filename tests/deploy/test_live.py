"""Deploys as clients live through them: real sockets and requests to a served project that is being edited."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect

from joelclaw.config import load_config
from joelclaw.engine import isolate_process
from joelclaw.errors import AppRefused, CommandFailed
from joelclaw.server import serve
from tests.deploy.workshop import PATIENCE_S, SCHEMA, Live, Notebook, Refused, lay_out, save, word
from tests.engine.engines import until_there, within_patience

DECLARED = "[server]\napi_port = 0\n[limits]\nreaders = 1\n"
SESSION_ID = "086d8492-021b-42b0-89ec-e79559a6e57{}"


class Host(Notebook):
    """A notebook that also hears where the project is served."""

    def __init__(self) -> None:
        super().__init__()
        self.url: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def serving(self, url: str, *, site_url: str, development: bool) -> None:  # noqa: ARG002
        self.url.set_result(url)

    def admin_key_made(self, key: str) -> None:
        pass

    def stopping(self) -> None:
        pass

    async def next_live(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            told = await self.told.get()
        assert isinstance(told, Live), told

    async def next_refused(self) -> str:
        async with asyncio.timeout(PATIENCE_S):
            told = await self.told.get()
        assert isinstance(told, Refused), told
        return told.text


@asynccontextmanager
async def served(root: Path) -> AsyncIterator[Host]:
    host, stop = Host(), asyncio.Event()
    serving = asyncio.create_task(serve(load_config(root, {}), development=True, host=host, stop=stop))
    try:
        await host.next_live()
        yield host
    finally:
        stop.set()
        await serving


class Subscriber:
    """A client on one socket, subscribed to queries; it keeps what it is shown."""

    def __init__(self, peer: ClientConnection) -> None:
        self.peer = peer
        self.view: dict[int, Any] = {}
        self.views: list[dict[int, Any]] = []
        self._version: Any = None
        self._requests = 0
        self._answers: dict[int, Any] = {}

    @classmethod
    async def join(cls, url: str, number: int, *queries: str) -> "Subscriber":
        peer = await connect(f"{url.replace('http', 'ws')}/api/1.48.0/sync", max_size=None, compression=None)
        client = cls(peer)
        await client.say(type="Connect", sessionId=SESSION_ID.format(number), connectionCount=0, lastCloseReason=None)
        adds = [{"type": "Add", "queryId": i, "udfPath": path, "args": [{}]} for i, path in enumerate(queries)]
        await client.say(type="ModifyQuerySet", baseVersion=0, newVersion=1, modifications=adds)
        return client

    async def say(self, **message: Any) -> None:
        await self.peer.send(msgspec.json.encode(message).decode())

    async def hear(self) -> None:
        """Take the next message; transitions have to fit end to start."""
        async with asyncio.timeout(PATIENCE_S):
            message = msgspec.json.decode(await self.peer.recv())
        if message["type"] == "MutationResponse":
            self._answers[message["requestId"]] = message
        elif message["type"] == "Transition":
            assert self._version in (None, message["startVersion"])
            self._version = message["endVersion"]
            for change in message["modifications"]:
                assert change["type"] == "QueryUpdated", change
                self.view = self.view | {change["queryId"]: change["value"]}
            self.views.append(self.view)
        else:
            assert message["type"] == "Ping", message

    async def until_shown(self, query_id: int, value: Any) -> None:
        while self.view.get(query_id) != value:
            await self.hear()

    async def mutate(self, path: str, **args: Any) -> Any:
        """Run a mutation, and wait until its success is told."""
        request, self._requests = self._requests, self._requests + 1
        await self.say(type="Mutation", requestId=request, udfPath=path, args=[args])
        while request not in self._answers:
            await self.hear()
        answer = self._answers.pop(request)
        assert answer["success"], answer
        return answer["result"]


COUNTERS_SCHEMA = """
from joelclaw import Table, index

class Counter(Table):
    __table__ = "counters"
    name: str
    count: int
    by_name = index("name", unique=True)
"""

COUNTERS = """
from joelclaw import MutationCtx, QueryCtx, anyone, mutation, query
from schema import Counter

@mutation(allow=anyone)
def bump(ctx: MutationCtx, name: str) -> int:
    counter = ctx.db.find(Counter.by_name, name=name)
    if counter is None:
        ctx.db.insert(Counter(name=name, count=1))
        return 1
    counter.count += 1
    ctx.db.save(counter)
    return counter.count

@query(allow=anyone)
def counts(ctx: QueryCtx) -> dict[str, int]:
    return {counter.name: counter.count for counter in ctx.db.query(Counter)}
"""


def test_saves_under_load_lose_no_call(tmp_path: Path) -> None:
    """Calls over HTTP and sockets while files are saved, again and again: all answered right, none runs twice."""
    saves = 8
    save(tmp_path, "joelclaw.toml", DECLARED)
    save(tmp_path, "schema.py", COUNTERS_SCHEMA)
    save(tmp_path, "app_functions/counters.py", COUNTERS)
    save(tmp_path, "app_functions/b.py", word("0"))

    async def scene() -> None:
        over = asyncio.Event()
        written: dict[str, int] = {}

        async def edit(host: Host) -> None:
            for number in range(1, saves + 1):
                save(tmp_path, "app_functions/b.py", word(f"{number}"))
                await host.next_live()
                save(tmp_path, "app_functions/c.py", f"broken({number}")
                await host.next_refused()
                (tmp_path / "app_functions" / "c.py").unlink()
                await host.next_live()
            over.set()

        async def ask(http: httpx.AsyncClient, kind: str, path: str, **args: Any) -> Any:
            answer = (await http.post(f"/api/{kind}", json={"path": path, "args": args})).json()
            assert answer["status"] == "success", answer
            return answer["value"]

        async def write(name: str, bump: Callable[..., Awaitable[int]]) -> None:
            while not over.is_set():
                # A call that was lost would be an error, one that ran twice a gap.
                count = await bump(name=name)
                assert count == written.get(name, 0) + 1
                written[name] = count

        async def read(http: httpx.AsyncClient) -> None:
            before = 0
            while not over.is_set():
                number = int(await ask(http, "query", "b:word"))
                assert before <= number
                before = number

        async with served(tmp_path) as host:
            url = await host.url
            clients = [await Subscriber.join(url, number, "b:word", "counters:counts") for number in range(3)]
            async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as http:
                over_http = partial(ask, http, "mutation", "counters:bump")
                writers = [partial(client.mutate, "counters:bump") for client in clients] + [over_http] * 3
                work = [write(f"{number}", bump) for number, bump in enumerate(writers)]
                await asyncio.gather(edit(host), *work, *(read(http) for _ in range(2)))
            for client in clients:
                await client.until_shown(0, f"{saves}")
                await client.until_shown(1, written)
                words = [int(view[0]) for view in client.views]
                assert words == sorted(words)
                totals = [sum(view[1].values()) for view in client.views]
                assert totals == sorted(totals)
                await client.peer.close()
        assert len(written) == 6

    asyncio.run(scene())


def test_a_subscriber_lives_through_everything(tmp_path: Path) -> None:
    """One socket through broken code, code that kills its process, and a new schema, to the new result."""
    lay_out(tmp_path)
    save(tmp_path, "joelclaw.toml", DECLARED)
    save(tmp_path, "app_functions/b.py", word("first"))

    async def scene() -> None:
        async with served(tmp_path) as host:
            client = await Subscriber.join(await host.url, 0, "b:word", "notes:texts")
            await client.until_shown(0, "first")
            for text, broken in (("a", "def ("), ("b", "import os\nos.abort()\n"), ("c", "import os\nos._exit(0)\n")):
                save(tmp_path, "app_functions/c.py", broken)
                await host.next_refused()
                await client.mutate("notes:add", text=text)
            (tmp_path / "app_functions" / "c.py").unlink()
            await host.next_live()
            save(tmp_path, "schema.py", SCHEMA + "    stars: int = 0\n")
            await host.next_live()
            save(tmp_path, "app_functions/b.py", word("second"))
            await host.next_live()
            await client.until_shown(0, "second")
            await client.mutate("notes:add", text="d")
            await client.until_shown(1, ["a", "b", "c", "d"])
            await client.peer.close()

    asyncio.run(scene())


def test_a_stopped_deployment_is_one_file(tmp_path: Path) -> None:
    """Whoever copies the database then has all of it: no write-ahead log is left, of it or of the file of runs."""
    lay_out(tmp_path)
    save(tmp_path, "joelclaw.toml", DECLARED)

    async def scene() -> None:
        async with served(tmp_path) as host:
            client = await Subscriber.join(await host.url, 0, "notes:texts")
            await client.mutate("notes:add", text="all of it")
            await client.peer.close()

    asyncio.run(scene())
    assert sorted(path.name for path in (tmp_path / "data").iterdir() if path.is_file()) == [
        "joelclaw.db",
        "joelclaw.db-lock",
        "joelclaw.db-logs",
    ]


def test_a_second_server_of_a_database_is_refused(tmp_path: Path) -> None:
    """It is told who serves it, and the first goes on."""
    lay_out(tmp_path)
    save(tmp_path, "joelclaw.toml", DECLARED)

    async def scene() -> None:
        async with served(tmp_path) as host:
            with pytest.raises(CommandFailed, match="is served already, by process"):
                await serve(load_config(tmp_path, {}), development=True, host=Host(), stop=asyncio.Event())
            save(tmp_path, "app_functions/b.py", word("still followed"))
            await host.next_live()

    asyncio.run(scene())


@pytest.mark.parametrize("broken", ["def (", "import os\nos.abort()\n"])
def test_production_refuses_a_broken_app(tmp_path: Path, broken: str) -> None:
    """With the place, before anything is served; what had the port and the database lets go of them."""
    lay_out(tmp_path)
    save(tmp_path, "joelclaw.toml", DECLARED)
    save(tmp_path, "app_functions/b.py", broken)

    async def scene() -> None:
        for _ in range(2):
            host = Host()
            with pytest.raises(AppRefused, match=r"app_functions/b\.py:"):
                await serve(load_config(tmp_path, {}), development=False, host=host, stop=asyncio.Event())
            assert not host.url.done()
            assert host.told.empty()

    asyncio.run(scene())


def test_production_can_be_stopped_while_it_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that never ends does not keep the process."""
    monkeypatch.setattr(isolate_process, "LOAD_TIMEOUT_S", 600.0)
    lay_out(tmp_path)
    save(tmp_path, "joelclaw.toml", DECLARED)
    save(tmp_path, "app_functions/b.py", f"open({str(tmp_path / 'began')!r}, 'w')\nwhile True: pass\n")

    async def scene() -> None:
        stop = asyncio.Event()
        serving = asyncio.create_task(serve(load_config(tmp_path, {}), development=False, host=Host(), stop=stop))
        await until_there(tmp_path / "began")
        stop.set()
        await within_patience("the end of the server", serving)

    asyncio.run(scene())
