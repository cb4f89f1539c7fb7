"""A past for the counters, as if machines had been at work for a month, and machines for the map."""

import json
import math
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.conformance.deadline import PATIENCE_S
from tests.site.deployments import SiteDeployment

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
RATES = {"functions": 22, "tokens": 5_400, "transcription": 130}
"""About how many ticks there are in a minute."""

SEED = 7

PODS = (
    "joelclaw/convex-0",
    "joelclaw/site-6c4f9d8b7-x2v9q",
    "joelclaw/caddy-5d8f7c9b4-k7w2m",
    "inngest/inngest-0",
    "redis/redis-0",
    "search/typesense-0",
    "voice/livekit-server-7b9d6c5f8-p4n8z",
    "voice/recorder-59f8d7c6b-h3j5t",
    "voice/transcriber-84c7b9d5f-q9r2s",
    "kube-system/coredns-668d6bf9bc-4xk2p",
    "kube-system/metrics-server-7bf7d58749-v6m8c",
    "files/minio-0",
)


def bring_a_past(deployment: SiteDeployment, folder: Path) -> None:
    """Sixty minutes and thirty days of each counter, with days and nights. It is imported, as time cannot be moved."""
    chance = random.Random(SEED)
    now = int(time.time() * 1000)
    minutes, hours, totals = [], [], []
    for name, rate in RATES.items():
        for ago in range(61):
            at = now // MINUTE_MS * MINUTE_MS - ago * MINUTE_MS
            minutes.append(_counted(name, at, rate * _wave(ago, 37) * chance.uniform(0.5, 1.3)))
        for ago in range(31 * 24):
            at = now // HOUR_MS * HOUR_MS - ago * HOUR_MS
            hours.append(_counted(name, at, 60 * rate * _wave(ago, 24) * chance.uniform(0.6, 1.2)))
        totals.append({"name": name, "ticks": sum(hour["ticks"] for hour in hours if hour["name"] == name)})
    for table, documents in {"counted_minutes": minutes, "counted_hours": hours, "counters": totals}.items():
        file = folder / f"{table}.jsonl"
        file.write_text("".join(json.dumps(document) + "\n" for document in documents))
        command = [sys.executable, "-m", "joelclaw.cli", "import", str(file), "--table", table, "--mode", "append"]
        done = subprocess.run(
            [*command, "--yes"], cwd=deployment.project, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert done.returncode == 0, done.stderr


def bring_machines(deployment: SiteDeployment) -> None:
    """A cluster of two nodes and twelve pods, and three daemons, one of which is not heard of."""
    nodes = [{"key": f"node/{name}", "kind": "node", "name": name, "detail": "v1.33.4"} for name in ("panda", "koala")]
    pods: list[dict[str, Any]] = [
        {"key": f"pod/{name}", "kind": "pod", "name": name, "runsOn": f"node/{('panda', 'koala')[number % 2]}"}
        for number, name in enumerate(PODS)
    ]
    pods[3] |= {"state": "waiting", "detail": "ContainerCreating"}
    pods[8] |= {"state": "failed", "detail": "CrashLoopBackOff"}
    daemons = [{"key": f"daemon/{name}", "kind": "daemon", "name": name} for name in ("gateway", "voice", "backup")]
    deployment.tell("network:heartbeat", keys=["daemon/gateway", "daemon/voice"])
    deployment.tell("network:replace", collector="cluster", items=[*nodes, *pods])
    deployment.tell("network:replace", collector="daemons", items=daemons)


def _wave(ago: int, period: int) -> float:
    return 0.55 + 0.45 * math.sin(2 * math.pi * ago / period)


def _counted(name: str, at: int, ticks: float) -> dict[str, Any]:
    return {"name": name, "beganAt": at, "ticks": max(1, round(ticks)), "forgetAt": at + 40 * 24 * HOUR_MS}
