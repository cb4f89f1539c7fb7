"""The collector of nodes and pods, on a server that lists them as the Kubernetes API does, with its faults."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app_functions import kubernetes, network
from app_functions.network import Map
from joelclaw.testing import Backend
from tests.app.people import owner
from tests.ports import free_port

TOKEN = "a-service-accounts-token"


class FakeApi:
    """Lists in pages, with a continuation for each but the last. `fault` is what it does instead, so often."""

    def __init__(self) -> None:
        self.objects: dict[str, list[dict[str, Any]]] = {"nodes": [node("panda")], "pods": []}
        self.page = 250
        self.fault: str | int | None = None
        self.faults_left = 1_000
        self.asked: list[str] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        asked = urlsplit(request.path)
        query = parse_qs(asked.query)
        begin = int(query.get("continue", ["0"])[0])
        # 410 is told of continuations only.
        if self.fault is not None and self.faults_left > 0 and (self.fault != 410 or begin > 0):
            self.faults_left -= 1
            self._fail(request)
        elif request.headers["Authorization"] != f"Bearer {TOKEN}":
            self._say(request, 401, status(401, "Unauthorized"))
        else:
            what = asked.path.rpartition("/")[2]
            end = begin + min(self.page, int(query["limit"][0]))
            rest = len(self.objects[what]) > end
            listed = {"kind": "List", "metadata": {"resourceVersion": "7"}, "items": self.objects[what][begin:end]}
            if rest:
                listed["metadata"] |= {"continue": str(end)}  # type: ignore[operator]
            self._say(request, 200, listed)

    def _fail(self, request: BaseHTTPRequestHandler) -> None:
        if isinstance(self.fault, int):
            self._say(request, self.fault, status(self.fault, "no"))
        elif self.fault == "cut":
            request.send_response(200)
            request.send_header("Content-Length", "1000")
            request.end_headers()
            request.wfile.write(b'{"items": [')
        else:
            self._say(request, 200, self.fault)

    def _say(self, request: BaseHTTPRequestHandler, code: int, body: object) -> None:
        content = json.dumps(body).encode()
        request.send_response(code)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def status(code: int, reason: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}


def node(name: str, ready: str = "True") -> dict[str, Any]:
    conditions = [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}]
    return {
        "metadata": {"name": name},
        "status": {"conditions": conditions, "nodeInfo": {"kubeletVersion": "v1.33.4"}},
    }


def pod(name: str, phase: str = "Running", *, ready: bool = True, waiting: str | None = None) -> dict[str, Any]:
    state = {"running": {}} if waiting is None else {"waiting": {"reason": waiting}}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"nodeName": "panda"},
        "status": {"phase": phase, "containerStatuses": [{"name": "c", "ready": ready, "state": state}]},
    }


@pytest.fixture
def api() -> Iterator[FakeApi]:
    fake = FakeApi()
    yield fake
    fake.close()


def collect(backend: Backend, api: FakeApi, token: str = TOKEN) -> Map:
    """Look once; what the owner sees then."""
    backend.env["K8S_API_URL"] = api.url
    backend.env["K8S_TOKEN"] = token
    backend.internal.action(kubernetes.collect)
    return owner(backend).query(network.real_map)


def test_nodes_and_pods_are_on_the_map(backend: Backend, api: FakeApi) -> None:
    """With their states, and pods on their nodes; a job's pod that is done is not there."""
    api.objects["nodes"] += [node("koala", ready="Unknown")]
    api.objects["pods"] = [
        pod("web"),
        pod("slow", "Pending", ready=False, waiting="ContainerCreating"),
        pod("bad", ready=False, waiting="CrashLoopBackOff"),
        pod("evicted", "Failed"),
        pod("migrated", "Succeeded", ready=False),
    ]
    shown = {machine.name: machine for machine in collect(backend, api).machines}
    assert {name: (it.kind, it.state, it.detail) for name, it in shown.items()} == {
        "panda": ("node", "ready", "v1.33.4"),
        "koala": ("node", "failed", "v1.33.4"),
        "default/web": ("pod", "ready", ""),
        "default/slow": ("pod", "waiting", "ContainerCreating"),
        "default/bad": ("pod", "failed", "CrashLoopBackOff"),
        "default/evicted": ("pod", "failed", ""),
    }
    assert shown["default/web"].runs_on == shown["panda"].id


def test_a_long_list_is_read_page_by_page(backend: Backend, api: FakeApi) -> None:
    """Each page says where the next begins."""
    api.page = 3
    api.objects["pods"] = [pod(f"pod-{number}") for number in range(8)]
    assert len(collect(backend, api).machines) == 9
    assert len(api.asked) == 4


def test_a_list_whose_continuation_expired_is_begun_anew(backend: Backend, api: FakeApi) -> None:
    """Once: then the set is whole, with nothing in it twice."""
    api.page, api.fault, api.faults_left = 3, 410, 1
    api.objects["pods"] = [pod(f"pod-{number}") for number in range(8)]
    shown = collect(backend, api)
    assert len(shown.machines) == 9
    assert shown.sources[0].error is None


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (410, "changes faster"),
        (401, "does not know our token"),
        (403, "needs a role"),
        (500, "answers 500"),
        ("cut", "no list of nodes"),
        ("{}", "no list of nodes"),
    ],
)
def test_a_fault_leaves_the_set_before(backend: Backend, api: FakeApi, fault: str | int, words: str) -> None:
    """Whatever the API answers instead of a list, the map stays, and the owner reads why it is not new."""
    api.page = 3
    api.objects["nodes"] = [node(f"node-{number}") for number in range(5)]
    before = collect(backend, api).machines
    api.fault = fault
    shown = collect(backend, api)
    assert shown.machines == before
    assert words in (shown.sources[0].error or "")

    api.fault = None
    assert collect(backend, api).sources[0].error is None


def test_a_wrong_token_is_said(backend: Backend, api: FakeApi) -> None:
    """And stands in no error itself."""
    [source] = collect(backend, api, token="wrong-token").sources
    assert "401" in (source.error or "")
    assert "wrong-token" not in (source.error or "")


def test_nobody_answers(backend: Backend, api: FakeApi) -> None:
    """The API cannot be reached: that is said, and the set before stays."""
    before = collect(backend, api).machines
    backend.env["K8S_API_URL"] = f"http://127.0.0.1:{free_port()}"
    backend.internal.action(kubernetes.collect)
    shown = owner(backend).query(network.real_map)
    assert shown.machines == before
    assert "cannot be reached" in (shown.sources[0].error or "")


def test_too_many_machines_are_no_set(backend: Backend, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the map has room for changes nothing, and is said."""
    monkeypatch.setattr(kubernetes, "MACHINES_MAX", 5)
    api.objects["pods"] = [pod(f"pod-{number}") for number in range(8)]
    shown = collect(backend, api)
    assert shown.machines == []
    assert "at most 5" in (shown.sources[0].error or "")


def test_without_an_api_nothing_happens(backend: Backend) -> None:
    """Where no cluster is, there is no collector that fails."""
    backend.internal.action(kubernetes.collect)
    assert owner(backend).query(network.real_map) == Map(machines=[], sources=[])
