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
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.k8s.manifests import BASE, ROOT, Manifest, base, container_of, instructions, pod_of, ports_of, server, the

KEY = "joelclaw|0123456789abcdef0123456789abcdef"
PATIENCE_S = 60.0
"""Only a broken server takes that long; nothing here waits for time to pass."""


class Pod:
    """A place where commands of pods run: volumes as folders, ports as free ports, one user."""

    def __init__(self, folder: Path) -> None:
        self.container = container_of(server())
        self.app = folder / "app"
        self.volumes = {path: folder / path[1:] for path in ("/data", "/backups", "/tmp")}
        self.ports = dict(zip(ports_of(self.container).values(), _free_ports(), strict=True))
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
        environ |= {
            one["name"]: KEY if one["valueFrom"]["secretKeyRef"]["key"] == "admin-key" else ""
            for one in container["env"]
        }
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

    def ask(self, method: str, declared_port: int, path: str, **more: Any) -> httpx.Response:
        url = f"http://127.0.0.1:{self.ports[declared_port]}{path}"
        return httpx.request(method, url, timeout=PATIENCE_S, **more)

    def written(self) -> set[str]:
        """What is in the app's folder."""
        return {str(path.relative_to(self.app)) for path in self.app.rglob("*")}


def _free_ports() -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


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
    assert process.stderr is not None
    lines: list[dict[str, Any]] = []
    text = b""
    for line in process.stderr:
        text += line
        if line.startswith(b"{"):
            lines.append(json.loads(line))
            if lines[-1]["event"] == "serving":
                return lines
    pytest.fail(f"it exited with {process.wait(PATIENCE_S)}:\n{text.decode()}")


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

        assert [pod.probe(name).status_code for name in ("startup", "liveness", "readiness")] == [200, 200, 200]
        assert pod.probe("readiness").json()["ready"] is True
        asked = pod.ask("POST", 3210, "/api/query", json={"path": "chat:rooms", "args": {}, "format": "json"})
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


def test_the_nightly_backup_runs_beside_the_pod(pod: Pod) -> None:
    """The CronJob's command makes a backup on the volume while the server serves, and its drill proves it."""
    backup = container_of(pod_of(the("CronJob", "convex-backup", base())))
    process = pod.start(pod.container)
    try:
        wait_until_serving(process)
        opened = pod.ask(
            "POST",
            3210,
            "/api/mutation",
            json={"path": "chat:openRoom", "args": {"slug": "a", "title": "A"}, "format": "json"},
        )
        assert opened.json()["status"] == "success"

        job = pod.start(backup)
        _, told = job.communicate(timeout=PATIENCE_S)

        assert job.returncode == 0, told.decode()
        assert len(list(pod.volumes["/backups"].glob("*.tar.gz"))) == 1
        assert pod.probe("readiness").status_code == 200
    finally:
        stop(process)


def test_without_its_secret_the_pod_says_what_is_missing(pod: Pod) -> None:
    """A pod whose Secret lacks the key does not start, and its log names the variable."""
    container = {**pod.container, "env": []}

    process = pod.start(container)
    _, told = process.communicate(timeout=PATIENCE_S)

    assert process.returncode != 0
    assert b"JOELCLAW_ADMIN_KEY" in told
    assert list(pod.volumes["/data"].iterdir()) == []
