"""Functions that do what a query or mutation must not, each in its own way."""

import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from joelclaw import MutationCtx, QueryCtx, mutation, query
from schema import Note


def fault(name: str) -> Any:
    os.write(2, b"begun\n")  # For tests that must not act before it has.
    return FAULTS[name]()


@query
def ask(ctx: QueryCtx, name: str) -> Any:
    ctx.db.query(Note).first()
    return fault(name)


@mutation
def write(ctx: MutationCtx, name: str) -> Any:
    ctx.db.insert(Note(text=f"left by {name}"))
    return fault(name)


@query
def walk_for_ever(ctx: QueryCtx) -> None:
    while True:
        try:
            while True:
                ctx.db.query(Note).collect()
        except BaseException as error:
            if "timed out" in str(error):
                raise


def loop() -> None:
    while True:
        pass


def loop_and_swallow() -> str:
    swallowed = 0
    while swallowed < 3:
        try:
            while True:
                pass
        except BaseException:
            swallowed += 1
    return "got away with it"


def swallow_effect() -> str:
    with suppress(BaseException):
        socket.socket()
    return "got away with it"


def interrupt() -> None:
    raise KeyboardInterrupt


def recurse(depth: int = 0) -> int:
    return recurse(depth + 1)


def nest() -> Any:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


def write_file() -> None:
    with open("/tmp/joelclaw-must-not-exist", "w") as file:
        file.write("x")


FAULTS: dict[str, Any] = {
    "loop": loop,
    "loop_and_swallow": loop_and_swallow,
    "swallow_effect": swallow_effect,
    "exit": lambda: sys.exit(3),
    "interrupt": interrupt,
    "abort": os.abort,
    "hang_in_c": lambda: sum(range(10**15)),
    "allocate": lambda: len(bytearray(10**9)),
    "recurse": recurse,
    "nest": nest,
    "unencodable": object,
    "connect": lambda: socket.create_connection(("127.0.0.1", 9)),
    "write_file": write_file,
    "remove_file": lambda: os.remove("/tmp/joelclaw-must-not-exist"),
    "subprocess": lambda: subprocess.run(["true"]),
    "system": lambda: os.system("true"),
    "fork": os.fork,
    "spawn": lambda: multiprocessing.get_context("spawn").Process(target=print).start(),
    "make_pipe": lambda: os.mkfifo("/tmp/joelclaw-must-not-exist"),
    "thread": lambda: threading.Thread(target=print).start(),
    "sleep": lambda: time.sleep(60),
    "wait": lambda: threading.Event().wait(60),
}
