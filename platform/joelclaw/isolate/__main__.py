"""
The isolate's process: `python -m joelclaw.isolate <fd>`.

Joins the gateway on an inherited socket, learns which app and role it has, loads the app, and
serves until the socket closes. Everything that the process needs is imported before the first
message is awaited; only actors pay for asyncio.

Elsewhere: `writer.py`, `reader.py` and `actor.py` are the roles, `hooks.py` what surrounds
one run of a function.
"""

import faulthandler
import gc
import os
import signal
import sys
from contextlib import suppress
from typing import Final

from joelclaw.errors import AppRefused
from joelclaw.functions.loader import LoadedApp, load_app
from joelclaw.functions.storage import Places
from joelclaw.isolate import logs, memory
from joelclaw.isolate.framing import GatewayGone, Link
from joelclaw.isolate.hooks import ProcessHooks
from joelclaw.isolate.lifeline import end_with_gateway
from joelclaw.isolate.messages import Load, Loaded, LoadFailed
from joelclaw.isolate.reader import Reader
from joelclaw.isolate.writer import Writer

GC_THRESHOLDS: Final = (10_000, 20, 50)
"""A page of documents is thousands of objects without a cycle among them: look for cycles seldom."""


def main(fd: int) -> None:
    link = Link(fd)
    os.set_blocking(fd, True)
    # Ctrl-C in a terminal, or a service manager's stop, reaches the whole group of processes; the gateway
    # decides what it means for us. Handled, not ignored: that would be passed on to what actions start.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    os.dup2(2, 1)
    faulthandler.enable()
    end_with_gateway(link)
    with suppress(GatewayGone):
        _serve(link)


def _serve(link: Link) -> None:
    load = link.receive()
    assert isinstance(load, Load)
    logs.capture()
    try:
        app = _load_app(load)
    except AppRefused as refused:
        link.send(LoadFailed(problems=list(refused.problems)))
        return
    logs.capture_structlog()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    memory.limit_growth(load.limits.isolate_memory_mb)
    link.send(Loaded(manifest=app.manifest))
    if load.role == "actor":
        from joelclaw.isolate.actor import serve

        serve(link, load, app)
    hooks = ProcessHooks.of_process(load)
    role = (Writer if load.role == "writer" else Reader)(load, app, hooks, link.send)
    try:
        while True:
            role.take(link.receive())
    finally:
        role.close()


def _load_app(load: Load) -> LoadedApp:
    # `-m` puts the current folder first, and with it files that are not this release's.
    if not sys.flags.safe_path:
        del sys.path[0]
    # Bytecode is trusted by its whole second: never leave any of files that are edited while we run.
    sys.dont_write_bytecode = True
    app = load_app(load.root, load.functions, load.schema, load.wire_names, load.limits, load.crons, load.sign_in)
    app.places = Places(load.api_origin, load.files_url, load.files_credentials)
    return app


if __name__ == "__main__":
    main(int(sys.argv[1]))
