"""The two servers that are measured, started on folders of their own, and what the system says of them."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.load import ask, get

START_TIMEOUT_S = 30.0
APP = Path(__file__).parent / "app"


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    port: int
    pid: int
    folder: Path
    start_s: float
    """From its start to its first answer."""

    def processes(self) -> list[int]:
        """The server and all processes that it started."""
        return [self.pid, *_children(self.pid)]

    def cpu_s(self) -> float:
        """What all of them have computed so far."""
        return sum(_cpu_s(pid) for pid in self.processes())

    def memory_bytes(self) -> int:
        """What all of them hold, shared pages divided among those who share them."""
        return sum(_pss(pid) for pid in self.processes())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def ours(*, development: bool = False, app: Path = APP, settings: str = "") -> Iterator[Served]:
    """joelclaw on a copy of the benchmarks' app."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name) / "app"
        shutil.copytree(app, folder, ignore=shutil.ignore_patterns("data", "__pycache__", "node_modules"))
        port = free_port()
        toml = folder / "joelclaw.toml"
        toml.write_text(f"{toml.read_text()}\n[server]\napi_port = {port}\n{settings}")
        command = "dev" if development else "serve"
        with _process([sys.executable, "-m", "joelclaw.cli", command, "--project", str(folder)], port, folder) as served:
            yield served


@contextmanager
def limit() -> Iterator[Served]:
    """The hand-written server."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        port, folder = free_port(), Path(name)
        command = [sys.executable, "-m", "bench.limit", str(folder / "limit.db"), str(port)]
        with _process(command, port, folder) as served:
            yield served


@contextmanager
def _process(command: list[str], port: int, folder: Path) -> Iterator[Served]:
    log = (folder / "server.log").open("wb")
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        while True:
            try:
                asyncio.run(ask(port, get("/version")))
                break
            except (OSError, asyncio.IncompleteReadError):
                if process.poll() is not None or time.perf_counter() - started > START_TIMEOUT_S:
                    raise RuntimeError((folder / "server.log").read_text()) from None
                time.sleep(0.005)
        yield Served(port, process.pid, folder, time.perf_counter() - started)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
        log.close()


def _children(pid: int) -> list[int]:
    try:
        names = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [child for name in names for child in (int(name), *_children(int(name)))]


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
