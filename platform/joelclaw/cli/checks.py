"""
What `joelclaw doctor` looks at: one function a question, each answered by findings.

A check changes nothing that stays: it binds a port and lets it go, writes a file and removes it.
It is handed what it judges (a configuration, a clock, an amount of free space), so that tests can show
it the failure; what it finds wrong says what to do.
"""

import asyncio
import errno
import json
import os
import re
import shutil
import socket
import sqlite3
import stat
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from joelclaw.clock import SystemClock
from joelclaw.config import Config, load_config
from joelclaw.errors import BackupFailed, ConfigRefused, PlatformError, StoreUnreadable
from joelclaw.store.file_systems import network_file_system
from joelclaw.store.sqlite_driver import SQLITE_VERSION_MIN

Level: TypeAlias = Literal["ok", "warning", "problem"]

NODE_MIN: Final = 18
CONVEX_MIN: Final = (1, 17)

FREE_BYTES_MIN: Final = 256 * 2**20
FREE_BYTES_LOW: Final = 2 * 2**30
BORN_MS: Final = 1_735_689_600_000.0
"""The beginning of 2025: a clock that shows less was never set."""

CLOCK_SLACK_MS: Final = 60_000.0
REACH_S: Final = 5.0
STORAGE_S: Final = 15.0

DAY_MS: Final = 86_400_000.0
BACK_MAX_MS: Final = 5 * 366 * DAY_MS
"""For so long the last time of a calendar is looked for: a leap day's may be years ago."""

LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})

Live: TypeAlias = Callable[[str], str]
"""Asks a base address whether a server of ours is alive there: empty, or why not."""


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    check: str
    level: Level
    said: str
    advice: str = ""


def live(base: str) -> str:
    """A `Live` over the network."""
    try:
        with urlopen(f"{base}/health/live", timeout=REACH_S) as response:
            return "" if response.read(64) == b'{"live":true}' else "something else answers there"
    except HTTPError as error:
        return f"something else answers there, with status {error.code}"
    except (URLError, OSError, ValueError) as error:
        return str(getattr(error, "reason", error))


def own_url(config: Config) -> str:
    """Where this machine reaches the server of a configuration, if it runs."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.server.host, config.server.host)
    return f"http://[{host}]:{config.server.api_port}" if ":" in host else f"http://{host}:{config.server.api_port}"


# -- all of them


def examine(project: Path) -> Iterator[Finding]:
    """Everything there is to find. Without a declaration that can be read there is nothing to examine further."""
    try:
        config = load_config(project, os.environ)
    except ConfigRefused as error:
        yield Finding("configuration", "problem", str(error), "correct joelclaw.toml, and ask again")
        return
    yield Finding("configuration", "ok", f"{config.source.path} is right")
    yield from _examine(config)


def _examine(config: Config) -> Iterator[Finding]:
    running = config.server.api_port != 0 and not live(own_url(config))
    folder = config.database.parent
    yield from check_ports(config, running=running)
    yield check_file_system(config.database, allowed=config.store.allow_network_file_system)
    yield check_space(folder)
    yield check_folder(folder)
    yield from check_secrecy(config)
    yield from check_sqlite()
    yield check_clock(SystemClock().now_ms(), config.database)
    yield from check_origins(config, running=running)
    yield check_storage(config)
    yield from check_backups(config, SystemClock().now_ms())
    yield from check_site(config)
    if config.auth.providers:
        # Imported late: what knows providers carries cryptography.
        from joelclaw.cli.provider_checks import check_providers
        from joelclaw.cli.sign_in_checks import check_sign_in

        yield from check_sign_in(config)
        yield from check_providers(config, os.environ, SystemClock().now_ms())
    if config.auth.issuers:
        from joelclaw.cli.issuer_checks import check_issuers

        yield from check_issuers(config, SystemClock().now_ms)


# -- ports


def check_ports(config: Config, *, running: bool) -> Iterator[Finding]:
    """Each declared port can be had; while the server runs, it has them."""
    declared = {"api_port": config.server.api_port, "site_port": config.site_port}
    if config.server.metrics_port is not None:
        declared["metrics_port"] = config.server.metrics_port
    by_number: dict[int, str] = {}
    for setting, port in declared.items():
        if port and port in by_number:
            said = f"server.{setting} and server.{by_number[port]} are both {port}"
            yield Finding("ports", "problem", said, f"choose another server.{setting}")
            continue
        by_number[port] = setting
        yield _port(config.server.host, setting, port, running=running)


def _port(host: str, setting: str, port: int, *, running: bool) -> Finding:
    if port == 0:
        return Finding("ports", "ok", f"server.{setting} is any that is free")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        return Finding("ports", "problem", f"{host} is no address of this machine", "correct server.host")
    with closing(socket.socket(family, kind, protocol)) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and running:
                return Finding("ports", "ok", f"server.{setting}: {port} is the running server's")
            if error.errno == errno.EADDRINUSE:
                return Finding(
                    "ports",
                    "problem",
                    f"server.{setting}: port {port} of {host} is in use by another program",
                    f"stop it, or choose another server.{setting}",
                )
            said = f"server.{setting}: port {port} of {host} cannot be had: {os.strerror(error.errno or 0)}"
            return Finding("ports", "problem", said, "choose a port above 1023, and a host that is this machine's")
    return Finding("ports", "ok", f"server.{setting}: {port} is free")


# -- the disk


def check_file_system(database: Path, *, allowed: bool, mounts: Path | None = None) -> Finding:
    """The database is on a disk of this machine."""
    kind = network_file_system(database) if mounts is None else network_file_system(database, mounts)
    if kind is None:
        return Finding("file system", "ok", "the database is on a disk of this machine")
    said = f"{database} is on {kind}, over the network, where SQLite's locks cannot be relied on"
    advice = "put [store] url on a local disk or block volume"
    return Finding("file system", "warning" if allowed else "problem", said, advice)


def check_space(folder: Path, *, free_bytes: int | None = None) -> Finding:
    """There is room for the database to grow."""
    place = _existing(folder)
    free = shutil.disk_usage(place).free if free_bytes is None else free_bytes
    said = f"{free / 2**30:.1f} GiB are free at {place}"
    advice = "make room, or move [store] url to a larger disk; without any, mutations fail and nothing is lost"
    if free < FREE_BYTES_MIN:
        return Finding("disk space", "problem", said, advice)
    if free < FREE_BYTES_LOW:
        return Finding("disk space", "warning", said, advice)
    return Finding("disk space", "ok", said)


def check_folder(folder: Path) -> Finding:
    """The data's folder can be written, or made."""
    place = _existing(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        said = f"{place} cannot be written: {error.strerror}"
        advice = f"let the user {os.geteuid()} that runs joelclaw own it (chown), and mount it for writing"
        return Finding("data folder", "problem", said, advice)
    return Finding("data folder", "ok", f"{place} can be written")


def check_secrecy(config: Config) -> Iterator[Finding]:
    """What holds data and keys is nobody else's to read or write."""
    others = {
        config.database: (stat.S_IWOTH | stat.S_IROTH, "warning"),
        config.database.parent: (stat.S_IWOTH, "problem"),
        config.admin_key_file: (stat.S_IRWXG | stat.S_IRWXO, "problem"),
    }
    found = False
    for path, (bits, level) in others.items():
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue  # It is not there yet; whether it can be made, another check says.
        if mode & bits:
            found = True
            what = "write" if mode & bits & 0o022 else "read"
            worst: Level = "problem" if level == "problem" else "warning"
            yield Finding("permissions", worst, f"other users may {what} {path}", f"chmod {mode & ~bits:o} {path}")
    if not found:
        yield Finding("permissions", "ok", "data and keys are this user's alone")


def _existing(folder: Path) -> Path:
    """The folder, or what is there of the way to it."""
    return next(place for place in [folder, *folder.parents] if place.exists())


# -- what is built in


def check_sqlite(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> Iterator[Finding]:
    """SQLite is new enough and has full-text search."""
    shown = ".".join(map(str, version))
    if version < SQLITE_VERSION_MIN:
        wanted = ".".join(map(str, SQLITE_VERSION_MIN))
        yield Finding("sqlite", "problem", f"SQLite is {shown}", f"use a Python with SQLite {wanted} or newer")
    else:
        yield Finding("sqlite", "ok", f"SQLite is {shown}")
    with closing(sqlite3.connect(":memory:")) as connection:
        options = {row[0] for row in connection.execute("PRAGMA compile_options")}
    yield full_text(options)


def full_text(options: set[str]) -> Finding:
    """By the options that SQLite was compiled with."""
    if "ENABLE_FTS5" in options:
        return Finding("sqlite", "ok", "full-text search (FTS5) is there")
    advice = "use another build of Python, or declare no search_index"
    return Finding("sqlite", "problem", "this SQLite was built without full-text search (FTS5)", advice)


def check_clock(now_ms: float, database: Path) -> Finding:
    """The time of day can be right."""
    advice = "set the clock and keep it by NTP: jobs, crons and tokens go by it"
    if now_ms < BORN_MS:
        return Finding("clock", "problem", "the clock shows a time before this version existed", advice)
    try:
        written_ms = max(path.stat().st_mtime for path in (database, Path(f"{database}-wal")) if path.exists()) * 1e3
    except ValueError:
        return Finding("clock", "ok", "the clock shows a plausible time")
    ahead_s = (written_ms - now_ms) / 1e3
    if written_ms > now_ms + CLOCK_SLACK_MS:
        said = f"the database was written {ahead_s:.0f} s in the future: the clock was set back"
        return Finding("clock", "problem", said, advice)
    return Finding("clock", "ok", "the clock shows a plausible time")


# -- origins


def check_origins(config: Config, *, running: bool, reach: Live = live) -> Iterator[Finding]:
    """What is declared of addresses fits together, and leads here."""
    server = config.server
    if server.api_origin is not None and server.api_origin == server.site_origin:
        said = f"server.api_origin and server.site_origin are both {server.api_origin}"
        yield Finding(
            "origins", "problem", said, "give HTTP actions a host name of their own, or leave site_origin out"
        )
    for setting, origin in (("api_origin", server.api_origin), ("site_origin", server.site_origin)):
        yield _origin(setting, origin, everywhere=server.host in ("0.0.0.0", "::"))
    if not server.allowed_origins:
        advice = "list your pages' origins in server.allowed_origins"
        yield Finding("origins", "warning", "pages of any web site may call this deployment", advice)
    for origin in server.allowed_origins:
        if urlsplit(origin).path or origin != origin.lower():
            said = f"server.allowed_origins has {origin}, which no browser sends"
            yield Finding("origins", "problem", said, "write scheme and host alone, in lower case")
    if running and server.api_origin is not None:
        problem = reach(server.api_origin)
        if problem:
            advice = f"have the proxy pass requests for it to port {server.api_port}, and its name resolve to the proxy"
            yield Finding("origins", "problem", f"{server.api_origin} does not lead here: {problem}", advice)
        else:
            yield Finding("origins", "ok", f"{server.api_origin} is reached from here")


def _origin(setting: str, origin: str | None, *, everywhere: bool) -> Finding:
    if origin is None:
        if everywhere:
            said = f"server.{setting} is not declared, and others reach this machine by another name than it knows"
            return Finding("origins", "warning", said, f"declare server.{setting}, like https://api.example.com")
        return Finding("origins", "ok", f"server.{setting} is what this machine listens on")
    parts = urlsplit(origin)
    if parts.scheme == "http" and parts.hostname not in LOCAL:
        said = f"server.{setting} is {origin}: keys and data travel readable, and pages on https cannot call it"
        return Finding("origins", "warning", said, "put a proxy with TLS in front, and write https://")
    return Finding("origins", "ok", f"server.{setting} is {origin}")


# -- stored files


def check_storage(config: Config) -> Finding:
    """A probe can be written, listed, read and removed where stored files are kept."""
    folder = config.files_url.removeprefix("file://")
    if folder != config.files_url and not os.path.exists(folder):
        return replace(check_folder(Path(folder)), check="stored files")
    return asyncio.run(_probe_storage(config))


async def _probe_storage(config: Config) -> Finding:
    # Imported late: the library for buckets is large, and other commands need none of it.
    from joelclaw.files.opening import open_files

    advice = "correct [files] url and its key; the key needs to list, get, put and delete"
    try:
        files = open_files(config.files_url, config.files_credentials)
        async with asyncio.timeout(STORAGE_S):
            upload = files.begin()
            await upload.write(b"joelclaw doctor")
            await upload.finish()
            await upload.commit()
            try:
                reading = await files.read(upload.key, 0, 15)
                try:
                    content = b"".join([piece async for piece in reading])
                finally:
                    await reading.aclose()
                async for _ in files.kept():
                    break
            finally:
                await files.remove(upload.key)
    except TimeoutError:
        said = f"{config.files_url.partition('?')[0]} does not answer within {STORAGE_S:.0f} s"
        return Finding("stored files", "problem", said, advice)
    except PlatformError as error:
        return Finding("stored files", "problem", str(error), advice)
    if content != b"joelclaw doctor":
        return Finding("stored files", "problem", f"{files.place} gives back other bytes than it was given", advice)
    return Finding("stored files", "ok", f"{files.place} can be written, listed, read and cleared")


# -- backups


def check_backups(config: Config, now_ms: float) -> Iterator[Finding]:
    """Each place of backups can be written, and the newest one there is not older than the calendar allows."""
    if config.backup.cron is None:
        if config.database.exists():
            yield Finding("backups", "warning", "nobody makes backups by the clock", "declare [backup] cron")
        return
    # Imported late: the library for buckets is large, and most ask for none of it.
    from joelclaw.backup.declaring import check_declaration
    from joelclaw.backup.destinations import open_destination

    try:
        check_declaration(config)
    except ConfigRefused as error:
        yield Finding("backups", "problem", str(error), "correct [backup] in joelclaw.toml")
        return
    due_at = _due_since(config, now_ms)
    for url in config.backup_urls:
        destination = open_destination(url, config.files_credentials)
        try:
            destination.probe()
            names = destination.names()
        except BackupFailed as error:
            advice = "correct backup.to and its key; the key needs to list, get, put and delete"
            yield Finding("backups", "problem", str(error), advice)
            continue
        yield _newest(destination.place, names[-1].at if names else None, due_at)
    yield from _drilled(config)


def _due_since(config: Config, now_ms: float) -> float:
    """The last time at which a backup was due for so long that it should be there."""
    from joelclaw.scheduler.calendars import calendar_times
    from joelclaw.system.backups import OVERDUE_MS

    assert config.backup.cron is not None
    until = now_ms - OVERDUE_MS
    back_ms = DAY_MS
    while True:  # Calendars only go forward, and each comes at least once in some years.
        times = takewhile(lambda at: at <= until, calendar_times(config.backup.cron, config.backup.tz, until - back_ms))
        if due := deque(times, maxlen=1):
            return due[0]
        if back_ms > BACK_MAX_MS:
            return 0.0
        back_ms *= 4


def _newest(place: str, newest: datetime | None, due_at: float) -> Finding:
    advice = "make one with `joelclaw backup now`; if the server runs, its log says why it makes none"
    if newest is None:
        return Finding("backups", "warning", f"{place} can be written, and has no backup", advice)
    said = f"the newest backup in {place} is of {newest:%Y-%m-%d %H:%M} UTC"
    if newest.timestamp() * 1000 < due_at:
        due = datetime.fromtimestamp(due_at / 1000, UTC)
        return Finding("backups", "problem", f"{said}, and one was due at {due:%Y-%m-%d %H:%M} UTC", advice)
    return Finding("backups", "ok", said)


def _drilled(config: Config) -> Iterator[Finding]:
    """What the newest drill in the history found. The database is only read, beside whoever serves it."""
    from joelclaw.store.sqlite import open_sqlite
    from joelclaw.system.backups import BackupAttempt
    from joelclaw.values import wire
    from joelclaw.values.keys import after, string_key

    if config.backup.drill == "never" or not config.database.exists():
        return
    try:
        with closing(open_sqlite(config.store_url, read_only=True)) as store:
            table = next((one for one in store.layout().tables if one.name == BackupAttempt.__table__), None)
            if table is None:
                return  # No server has served it yet.
            by_work = next(index for index in table.indexes if index.name == "byWork")
            drills = string_key("drill")
            with store.read() as snapshot:
                found = snapshot.scan(table, by_work, drills, after(drills), reverse=True, limit=1)
    except StoreUnreadable as error:
        yield Finding("backups", "problem", f"the history of drills cannot be read: {error}", "restore a backup")
        return
    if not found:
        advice = "restore the newest into a scratch folder: `joelclaw backup drill`"
        yield Finding("backups", "warning", "no backup was ever drilled", advice)
        return
    drill: Any = wire.decode(found[0][1])
    at = f"{datetime.fromtimestamp(drill['endedAt'] / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    if drill["outcome"] == "failed":
        said, advice = f"the last drill failed at {at}: {drill['error']}", "make a new one: `joelclaw backup now`"
        yield Finding("backups", "problem", said, advice)
    else:
        yield Finding("backups", "ok", f"the last drill succeeded at {at}")


# -- the site


def check_site(config: Config, node_version: Callable[[], str] | None = None) -> Iterator[Finding]:
    """The programs and packages that pages are built with, where types are written for some."""
    packages = {package for folder in config.typescript_folders if (package := _package_above(folder, config.root))}
    if not packages:
        return
    yield _node((node_version or _ask_node)())
    for package in sorted(packages):
        yield _convex(package)


def _node(told: str) -> Finding:
    found = re.match(r"v(\d+)", told)
    if found is None:
        return Finding(
            "site", "warning", "node is not installed", f"install Node {NODE_MIN} or newer to build the site"
        )
    if int(found[1]) < NODE_MIN:
        return Finding("site", "warning", f"node is {told}", f"install Node {NODE_MIN} or newer to build the site")
    return Finding("site", "ok", f"node is {told}")


def _convex(package: Path) -> Finding:
    try:
        version = json.loads((package.parent / "node_modules/convex/package.json").read_text("utf-8"))["version"]
        numbers = tuple(map(int, version.split("-")[0].split(".")[:2]))
    except (OSError, ValueError, KeyError, TypeError):
        said = f"the package 'convex' is not installed in {package.parent}"
        return Finding("site", "warning", said, f"cd {package.parent} && npm install convex")
    if numbers < CONVEX_MIN:
        wanted = ".".join(map(str, CONVEX_MIN))
        return Finding("site", "warning", f"convex is {version}", f"use {wanted} or newer; older ones are not tested")
    return Finding("site", "ok", f"convex is {version}")


def _package_above(folder: Path, root: Path) -> Path | None:
    for place in [folder, *folder.parents]:
        if (place / "package.json").is_file():
            return place / "package.json"
        if place == root:
            break
    return None


def _ask_node() -> str:
    try:
        done = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=REACH_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
