"""
The pod's own command, started here as its manifest says, and asked what Kubernetes asks.

There is no kubelet: mounts become temporary folders, declared ports become free ones, and root
becomes the manifest's user. What that user may write is then what the pod may write, because
the app's folder and everything else belongs to somebody else. Of root's rights it keeps the one
to read, without which a Python in root's home could not be started.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.k8s.manifests import BASE, K8S, ROOT, Manifest, container_of, instructions, pod_of, ports_of, read, server
from tests.ports import free_port

KEY = "joelclaw|0123456789abcdef0123456789abcdef"
SECRETS = {"admin-key": KEY, "github-id": "Iv1.0123456789abcdef", "github-secret": "0123456789abcdef"}
PATIENCE_S = 60.0
"""Only a broken server takes that long; nothing here waits for time to pass."""

LIVE = {"path": "calls:live", "args": {}, "format": "json"}
SUBSCRIBE: list[dict[str, Any]] = [
    {
        "type": "Connect",
        "sessionId": "6a0bd5a4-4c5e-4c39-9a59-6dd8d6a0f6f0",
        "connectionCount": 0,
        "lastCloseReason": None,
    },
    {
        "type": "ModifyQuerySet",
        "baseVersion": 0,
        "newVersion": 1,
        "modifications": [{"type": "Add", "queryId": 0, "udfPath": "calls:live", "args": [{}]}],
    },
]
"""How a client begins."""


class Pod:
    """A place where commands of pods run: volumes as folders, ports as free ports, one user."""

    def __init__(self, folder: Path) -> None:
        self.container = container_of(server())
        self.app = folder / "app"
        self.volumes = {path: folder / path[1:] for path in ("/data", "/backups", "/tmp")}
        self.ports = dict(zip(ports_of(self.container).values(), (free_port() for _ in range(3)), strict=True))
        self._lay_out()

    def _lay_out(self) -> None:
        """The image's app with the ConfigMap's file in it, for nobody to write; volumes for the user alone."""
        shutil.copytree(
            ROOT / "app_functions", self.app / "app_functions", ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copy(ROOT / "schema.py", self.app)
        text = (BASE / "joelclaw.toml").read_text("utf-8").replace('"0.0.0.0"', '"127.0.0.1"')
        for declared, port in self.ports.items():
            text = re.sub(rf"(?<== ){declared}\b", str(port), text)
        for folder in self.volumes.values():
            folder.mkdir()
            folder.chmod(0o700)
            if os.geteuid() == 0:
                security = server()["securityContext"]
                os.chown(folder, security["runAsUser"], security["fsGroup"])
        # At once: the folders themselves begin with /tmp.
        text = re.sub(rf"(?<=///)({'|'.join(self.volumes)})\b", lambda found: str(self.volumes[found[1]]), text)
        (self.app / "joelclaw.toml").write_text(text, "utf-8")
        for path in (self.app, *self.app.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)

    def start(self, container: Manifest) -> subprocess.Popen[bytes]:
        """Run a container's command with the environment that manifest and image give it, and with no other."""
        environ = {
            name: value
            for word, rest in instructions()
            if word == "ENV"
            for name, _, value in (part.partition("=") for part in rest.split())
            if name.startswith("PYTHON")
        }
        environ |= {one["name"]: SECRETS.get(one["valueFrom"]["secretKeyRef"]["key"], "") for one in container["env"]}
        environ |= {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "TMPDIR": str(self.volumes["/tmp"])}
        return subprocess.Popen(
            [*_become(server()), *container["command"], *container.get("args", [])],
            cwd=self.app,
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def probe(self, name: str) -> httpx.Response:
        """Ask as the kubelet would: the manifest's path, at the port that it names."""
        asked = self.container[f"{name}Probe"]["httpGet"]
        return self.ask("GET", ports_of(self.container)[asked["port"]], asked["path"])

    def until_ready(self) -> dict[str, Any]:
        """Ask until it is ready, as the kubelet does: a busy machine may answer too late for one probe."""
        deadline = time.monotonic() + PATIENCE_S
        while (answer := self.probe("readiness")).status_code != 200:
            assert time.monotonic() < deadline, answer.text
        health: dict[str, Any] = answer.json()
        return health

    def ask(self, method: str, declared_port: int, path: str, **more: Any) -> httpx.Response:
        url = f"http://127.0.0.1:{self.ports[declared_port]}{path}"
        return httpx.request(method, url, timeout=PATIENCE_S, **more)

    def written(self) -> set[str]:
        """What is in the app's folder."""
        return {str(path.relative_to(self.app)) for path in self.app.rglob("*")}


def _become(pod: Manifest) -> list[str]:
    """What to put before a command so that it runs as the pod's user; nothing if these tests are not root's anyway."""
    if os.geteuid() != 0:
        return []
    security = pod["securityContext"]
    return [
        "setpriv",
        f"--reuid={security['runAsUser']}",
        f"--regid={security['runAsGroup']}",
        "--clear-groups",
        "--no-new-privs",
        "--bounding-set=-all,+dac_read_search",
        "--inh-caps=-all,+dac_read_search",
        "--ambient-caps=-all,+dac_read_search",
    ]


@pytest.fixture
def pod() -> Iterator[Pod]:
    # Not pytest's folder: it is closed to other users.
    with tempfile.TemporaryDirectory(prefix="pod-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield Pod(folder)


def wait_until_serving(process: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
    """The lines of the log up to the one that tells of serving."""
    lines: list[dict[str, Any]] = []
    text = b""
    for line in said(process):
        text += line
        if line.startswith(b"{"):
            lines.append(json.loads(line))
            if lines[-1]["event"] == "serving":
                return lines
    pytest.fail(f"it exited with {process.wait(PATIENCE_S)}:\n{text.decode()}")


def said(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """Lines of its log, for as long as anything broken is waited for; then it is killed, and they end."""
    assert process.stderr is not None
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    try:
        while line := process.stderr.readline():
            yield line
    finally:
        watchdog.cancel()


def stop(process: subprocess.Popen[bytes]) -> int:
    """Stop as Kubernetes does; the exit code."""
    process.send_signal(signal.SIGTERM)
    _, _ = process.communicate(timeout=PATIENCE_S)
    return process.returncode


def test_the_pod_serves_is_probed_and_stops(pod: Pod) -> None:
    """The manifest's command, as its user with its environment, serves, is live and ready, and stops clean."""
    before = pod.written()
    process = pod.start(pod.container)
    try:
        (*_, serving) = wait_until_serving(process)
        status = Path(f"/proc/{process.pid}/status")
        if os.geteuid() == 0 and status.exists():
            uids = re.search(r"^Uid:\s+(.*)$", status.read_text(), re.MULTILINE)
            assert uids is not None
            assert set(uids[1].split()) == {"10001"}

        assert [pod.probe(name).status_code for name in ("startup", "liveness")] == [200, 200]
        assert pod.until_ready()["ready"] is True
        asked = pod.ask("POST", 3210, "/api/query", json=LIVE)
        assert asked.json()["value"] == []
        assert pod.ask("GET", 3211, "/nothing").status_code == 404
        assert "joelclaw_info" in pod.ask("GET", 9464, "/metrics").text
        assert pod.ask("GET", 3210, "/metrics").status_code in (401, 403)
        assert serving["database"] == str(pod.volumes["/data"] / "joelclaw.db")
    finally:
        code = stop(process)

    assert code == 0
    assert pod.written() == before
    assert (pod.volumes["/data"] / "joelclaw.db").exists()
    assert list(pod.volumes["/tmp"].iterdir()) == []


def test_a_backup_is_made_in_the_pod_and_restored(pod: Pod) -> None:
    """Beside the server, the pod's commands make a backup and drill it; restore.yaml's brings it back."""
    process = pod.start(pod.container)
    try:
        wait_until_serving(process)

        for command in (["joelclaw", "backup", "now"], ["joelclaw", "backup", "drill"]):
            beside = pod.start({**pod.container, "command": command})
            _, told = beside.communicate(timeout=PATIENCE_S)
            assert beside.returncode == 0, told.decode()

        assert pod.until_ready()["parts"]["backups"]["ok"] is True
    finally:
        stop(process)

    (backup,) = pod.volumes["/backups"].glob("*.tar.gz")
    (job,) = read(K8S / "restore.yaml")
    container = container_of(pod_of(job))
    restoring = pod.start(
        {**container, "command": [backup.name if one == "NAME" else one for one in container["command"]]}
    )
    _, told = restoring.communicate(timeout=PATIENCE_S)

    assert restoring.returncode == 0, told.decode()
    assert list(pod.volumes["/data"].glob("joelclaw.db-before-*"))


def test_caddy_leads_clients_to_the_pod(pod: Pod, tmp_path: Path) -> None:
    """With the Caddyfile before it, a pod answers calls, HTTP actions' port and sockets, all through the proxy."""
    api, site = free_port(), free_port()
    text = (ROOT / "deploy" / "Caddyfile").read_text("utf-8")
    # Names that lead here, no certificates, and no port for Caddy's own administration.
    text = text.replace("\tservers {", "\tadmin off\n\tservers {", 1)
    text = text.replace("convex.joelclaw.com {", f"http://127.0.0.1:{api} {{")
    text = text.replace("convex-site.joelclaw.com {", f"http://127.0.0.1:{site} {{")
    (tmp_path / "Caddyfile").write_text(text, "utf-8")
    process = pod.start(pod.container)
    caddy = None
    try:
        wait_until_serving(process)
        caddy = subprocess.Popen(
            [Path(sys.executable).parent / "caddy", "run", "--config", tmp_path / "Caddyfile"],
            env={
                "HOME": str(tmp_path),
                "CONVEX_API": f"127.0.0.1:{pod.ports[3210]}",
                "CONVEX_SITE": f"127.0.0.1:{pod.ports[3211]}",
            },
            stderr=subprocess.PIPE,
        )
        assert any(b"serving initial configuration" in line for line in said(caddy))

        asked = httpx.post(f"http://127.0.0.1:{api}/api/query", json=LIVE, timeout=PATIENCE_S)
        assert asked.json()["value"] == []
        assert httpx.get(f"http://127.0.0.1:{site}/nothing", timeout=PATIENCE_S).status_code == 404
        with connect(f"ws://127.0.0.1:{api}/api/1.48.0/sync") as client:
            for message in SUBSCRIBE:
                client.send(json.dumps(message))
            transition = json.loads(client.recv(PATIENCE_S))
        assert transition["type"] == "Transition"
        assert transition["modifications"][0]["value"] == []
    finally:
        if caddy is not None:
            stop(caddy)
        stop(process)


def test_without_its_secret_the_pod_says_what_is_missing(pod: Pod) -> None:
    """A pod whose Secret lacks the key does not start, and its log names the variable."""
    container = {**pod.container, "env": []}

    process = pod.start(container)
    _, told = process.communicate(timeout=PATIENCE_S)

    assert process.returncode != 0
    assert b"JOELCLAW_ADMIN_KEY" in told
    assert list(pod.volumes["/data"].iterdir()) == []
