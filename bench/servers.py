"""
The two servers that are measured, started on folders of their own, and what the system says of them.

Memory and processor time of other processes are read from Linux; elsewhere they are None.
"""

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

START_TIMEOUT_S = 30.0
APP = Path(__file__).parent / "app"
ON_LINUX = sys.platform == "linux"


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

    def cpu_ms(self) -> float | None:
        """What all of them have computed so far."""
        return sum(_cpu_s(pid) for pid in self.processes()) * 1000 if ON_LINUX else None

    def gateway_cpu_ms(self) -> float | None:
        """What the process that owns the sockets has computed so far."""
        return _cpu_s(self.pid) * 1000 if ON_LINUX else None

    def memory_bytes(self) -> int | None:
        """What all of them hold, shared pages divided among those who share them."""
        return sum(_pss(pid) for pid in self.processes()) if ON_LINUX else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def ours(*, development: bool = False, app: Path = APP) -> Iterator[Served]:
    """joelclaw on a copy of the benchmarks' app."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name) / "app"
        shutil.copytree(app, folder, ignore=shutil.ignore_patterns("data", "__pycache__"))
        port = free_port()
        toml = folder / "joelclaw.toml"
        toml.write_text(f"{toml.read_text()}\n[server]\napi_port = {port}\n")
        command = [sys.executable, "-m", "joelclaw.cli", "dev" if development else "serve", "--project", str(folder)]
        with _process(command, port, folder) as served:
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
    with (folder / "server.log").open("wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            while not _answers(port):
                if process.poll() is not None or time.perf_counter() - started > START_TIMEOUT_S:
                    raise RuntimeError(f"{' '.join(command)}\n{(folder / 'server.log').read_text()}")
                time.sleep(0.005)
            yield Served(port, process.pid, folder, time.perf_counter() - started)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=START_TIMEOUT_S) as connection:
            connection.sendall(b"GET /version HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            return connection.recv(1_024).startswith(b"HTTP/1.1 ")
    except OSError:
        return False


def _children(pid: int) -> list[int]:
    try:
        names = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [child for name in names for child in (int(name), *_children(int(name)))]


def _cpu_s(pid: int) -> float:
    # The clock of another process, as clock_getcpuclockid(3) makes its number: nanoseconds, not ticks.
    return time.clock_gettime((~pid << 3) | 2)


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/{pid}/smaps_rollup has no Pss")


def raise_descriptor_limit() -> None:
    """Thousands of sockets, here and in the servers, which inherit it."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 20_000 if hard == resource.RLIM_INFINITY else min(20_000, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def cores() -> int:
    return len(os.sched_getaffinity(0)) if ON_LINUX else os.cpu_count() or 1
