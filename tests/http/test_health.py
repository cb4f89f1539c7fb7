"""`/health/live`, `/health/ready` and `/metrics`, of a served app: on the port of clients, and on one of their own."""

import asyncio
import os
import signal
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import CapturingLogger

from joelclaw.auth.admin_keys import AdminKeys
from joelclaw.auth.authenticator import Authenticator
from joelclaw.clock import MovableClock
from joelclaw.engine.engine import Engine
from joelclaw.engine.results import Result
from joelclaw.engine.tally import LaneState, Vitals
from joelclaw.functions.calls import Failure, Outcome
from joelclaw.http import health as health_module
from joelclaw.http.health import BACKUPS, HealthRoutes
from joelclaw.http.requests import Request
from joelclaw.metrics.collector import Metrics
from tests.http.site_server import PATIENCE_S, SiteServer, served

KEY = "health|0123456789abcdef0123456789abcdef"
ADMIN = {"Authorization": f"Convex {KEY}"}

APP = {
    "schema.py": "from joelclaw import Table\n\nclass Note(Table):\n    __table__ = 'notes'\n    text: str\n",
    "app_functions/__init__.py": "",
    "app_functions/notes.py": """
from joelclaw import AppError, MutationCtx, QueryCtx, action, ActionCtx, anyone, mutation, query
from schema import Note

@query(allow=anyone)
def count(ctx: QueryCtx) -> int:
    return ctx.db.query(Note).count()

@mutation(allow=anyone)
def add(ctx: MutationCtx, text: str) -> None:
    if not text:
        raise AppError("empty")
    ctx.db.insert(Note(text=text))

@action(allow=anyone)
async def fail(ctx: ActionCtx) -> None:
    raise ConnectionError
""",
}


def lay_out(folder: Path) -> Path:
    for name, text in APP.items():
        file = folder / "app" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def call(site: SiteServer, kind: str, path: str, **args: Any) -> Any:
    return site.client.post(f"{site.api_url}/api/{kind}", json={"path": path, "args": args}).json()


def samples(text: str) -> dict[tuple[str, str], float]:
    """Name and labels, the latter as `a=b,c=d`."""
    return {
        (sample.name, ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_server_that_serves_is_alive_and_ready(tmp_path: Path) -> None:
    """Both answer 200 to anybody, each part well."""
    with served(lay_out(tmp_path)) as site:
        live = site.client.get(f"{site.api_url}/health/live")
        ready = site.client.get(f"{site.api_url}/health/ready")
    assert (live.status_code, live.json()) == (200, {"live": True})
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    assert {"accepting", "writer", "database", "deploy"} <= ready.json()["parts"].keys()
    assert ready.json()["parts"]["database"] == {"ok": True}


def test_metrics_tell_of_calls_by_function_and_outcome(tmp_path: Path) -> None:
    """To an administrator: runs, batches, cache, jobs and memory are there, and names that nobody declared are not."""
    with served(lay_out(tmp_path), server=f'admin_key = "{KEY}"') as site:
        call(site, "mutation", "notes:add", text="a")
        call(site, "mutation", "notes:add", text="")
        call(site, "action", "notes:fail")
        for _ in range(3):
            assert call(site, "query", "notes:count")["value"] == 1
        for number in range(3):
            call(site, "query", f"made:up{number}")
            site.client.get(f"{site.api_url}/api/made/up{number}")
        text = site.client.get(f"{site.api_url}/metrics", headers=ADMIN).text
    told = samples(text)
    runs = "joelclaw_function_runs_total"
    assert told[runs, "function=notes:add,kind=mutation,outcome=success"] == 1
    assert told[runs, "function=notes:add,kind=mutation,outcome=app_error"] == 1
    assert told[runs, "function=notes:fail,kind=action,outcome=error"] == 1
    assert told[runs, "function=notes:count,kind=query,outcome=success"] == 1
    assert told["joelclaw_cache_hits_total", ""] >= 2
    assert told["joelclaw_function_run_seconds_count", "kind=mutation"] >= 2
    assert told["joelclaw_writer_batch_calls_count", ""] >= 2
    assert told["joelclaw_isolate_restarts_total", "lane=reader"] == 0
    assert told["joelclaw_jobs_outstanding", ""] == 0
    assert told["joelclaw_resident_memory_bytes", "process=writer-1"] > 1_000_000
    assert told["joelclaw_resident_memory_bytes", "process=gateway"] > 1_000_000
    assert "made" not in text


def test_metrics_are_for_administrators(tmp_path: Path) -> None:
    """On the port of clients a request without a key is refused, and one with a wrong key, from this machine too."""
    with served(lay_out(tmp_path), server=f'admin_key = "{KEY}"') as site:
        assert site.client.get(f"{site.api_url}/metrics").status_code == 403
        wrong = {"Authorization": f"Convex {KEY[:-1]}!"}
        assert site.client.get(f"{site.api_url}/metrics", headers=wrong).status_code == 403
        # A probe is answered whatever it sends along.
        assert site.client.get(f"{site.api_url}/health/ready", headers=wrong).status_code == 200


def test_the_port_of_metrics_needs_no_key_and_has_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Health and metrics are there for anybody; functions are not. The log's first line says where."""
    heard = CapturingLogger()
    monkeypatch.setattr("joelclaw.server.serving.log", heard)
    with served(lay_out(tmp_path), server="metrics_port = 0") as site:
        [serving] = [line.kwargs for line in heard.calls if line.args == ("serving",)]
        base = f"http://127.0.0.1:{serving['metrics_port']}"
        assert "joelclaw_connections 0.0" in site.client.get(f"{base}/metrics").text
        assert site.client.get(f"{base}/health/ready").json()["ready"] is True
        assert site.client.get(f"{base}/health/live").status_code == 200
        refused = site.client.post(f"{base}/api/query", json={"path": "notes:count", "args": {}})
        assert (refused.status_code, refused.json()["code"]) == (404, "NotFound")
        assert site.client.post(f"{base}/metrics").status_code == 404


def test_processes_that_die_are_counted_and_replaced(tmp_path: Path) -> None:
    """Each lane tells of its restart; ready is said again when all stand."""
    with served(lay_out(tmp_path), server=f'admin_key = "{KEY}"') as site:
        for children in Path("/proc/self/task").glob("*/children"):
            for pid in children.read_text().split():
                if b"joelclaw.isolate" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(int(pid), signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE_S
        lanes = ("writer", "reader", "actor")
        while True:
            told = samples(site.client.get(f"{site.api_url}/metrics", headers=ADMIN).text)
            restarts = [told["joelclaw_isolate_restarts_total", f"lane={lane}"] for lane in lanes]
            isolates = [told["joelclaw_isolates", f"lane={lane}"] for lane in lanes]
            if (restarts, isolates) == ([1, 1, 1], [1, 1, 1]):
                break
            assert time.monotonic() < deadline, (restarts, isolates)
        call(site, "mutation", "notes:add", text="after")
        assert site.client.get(f"{site.api_url}/health/ready").json()["parts"]["writer"] == {"ok": True}


# -- what is not well


class SickEngine:
    """An engine that is as the test says."""

    def __init__(self) -> None:
        self.clock = MovableClock(0.0)
        self.writers = 1
        self.answers: dict[str, Outcome | None] = {}
        """None: never."""

        self.probes = 0

    @property
    def vitals(self) -> Vitals:
        isolates: Any = [object()] * self.writers
        lanes: Any = {"writer": LaneState(isolates, 0, 0, 0)}
        return Vitals(lanes, 0, 0, 0, 0, 0, 1)

    def find(self, path: str) -> object | None:
        return path if path in self.answers else None

    async def probe(self, path: str) -> Result:
        self.probes += 1
        answer = self.answers.get(path, Outcome(value=b'{"outstanding":0,"nextAt":null}'))
        if answer is None:
            await asyncio.Event().wait()
        assert answer is not None
        return Result(answer)


class Sick:
    """The routes over such an engine."""

    def __init__(self) -> None:
        self.engine = SickEngine()
        self.stopping = False
        self.deploy_problem = ""

        async def known(_: str) -> None:
            return None

        self.routes = HealthRoutes(
            self.engine,
            Metrics(Engine(), version="1", deployed=lambda: None, connections=lambda: 0, subscriptions=lambda: 0),
            Authenticator(AdminKeys(known, KEY)),
            stopping=lambda: self.stopping,
            deployed=lambda: None,
            deploy_problem=lambda: self.deploy_problem,
        )

    def ready(self, *, admin: bool = False) -> tuple[int, dict[str, Any]]:
        async def ask() -> tuple[int, dict[str, Any]]:
            headers = [(b"authorization", ADMIN["Authorization"].encode())] if admin else []
            scope = {"method": "GET", "path": "/health/ready", "query_string": b"", "headers": headers}

            async def receive() -> Any:
                raise AssertionError("nobody reads a body")

            answer = await self.routes.ready(Request(scope, receive))
            return answer.status, msgspec.json.decode(answer.body)["parts"]

        return asyncio.run(ask())


def test_without_a_writer_it_is_not_ready() -> None:
    """503 with the reason at the part that is not well, until there is one."""
    sick = Sick()
    sick.engine.writers = 0
    status, parts = sick.ready()
    assert (status, parts["writer"]["ok"], parts["database"]["ok"]) == (503, False, True)
    assert "no process runs mutations" in parts["writer"]["reason"]
    sick.engine.writers = 1
    assert sick.ready()[0] == 200


def test_while_it_stops_it_is_not_ready() -> None:
    """Whoever balances load sends nothing more."""
    sick = Sick()
    sick.stopping = True
    status, parts = sick.ready()
    assert (status, parts["accepting"]) == (503, {"ok": False, "reason": "the server is shutting down"})


def test_a_database_that_fails_or_does_not_answer_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its words are for administrators: they may name files."""
    sick = Sick()
    failure = Failure(message="disk I/O error in /srv/secret", code="store_failed")
    sick.engine.answers["_system/jobs:backlog"] = Outcome(failure=failure)
    status, parts = sick.ready()
    assert (status, parts["database"]) == (503, {"ok": False, "reason": "a query of the database fails"})
    sick.engine.clock.advance(timedelta(seconds=1))
    assert "/srv/secret" in sick.ready(admin=True)[1]["database"]["reason"]
    sick.engine.clock.advance(timedelta(seconds=1))
    monkeypatch.setattr(health_module, "PROBE_TIMEOUT_S", 0.0)
    sick.engine.answers["_system/jobs:backlog"] = None
    status, parts = sick.ready()
    assert (status, parts["database"]["ok"]) == (503, False)


def test_the_database_is_asked_once_a_second() -> None:
    """However many ask for health: it is open to anybody."""
    sick = Sick()
    for _ in range(10):
        sick.ready()
    assert sick.engine.probes == 1
    sick.engine.clock.advance(timedelta(seconds=1))
    sick.ready()
    assert sick.engine.probes == 2


def test_a_refused_deploy_and_a_late_backup_are_told_and_leave_it_ready() -> None:
    """A restart would mend neither. The whole reason is for administrators."""
    sick = Sick()
    sick.deploy_problem = "notes.py:5: no such thing"
    sick.engine.answers[BACKUPS] = Outcome(value=b'{"ok":false,"problem":"none since Monday to file:///srv/b"}')
    status, parts = sick.ready()
    assert status == 200
    assert parts["backups"] == {"ok": False, "reason": "backups fail or are overdue"}
    assert parts["deploy"] == {"ok": False, "reason": "the newest code was refused; what served before, serves"}
    _, parts = sick.ready(admin=True)
    assert parts["backups"]["reason"] == "none since Monday to file:///srv/b"
    sick.engine.answers[BACKUPS] = Outcome(value=b"null")
    assert "backups" not in sick.ready()[1]  # None is declared.
    assert "notes.py:5" in parts["deploy"]["reason"]
