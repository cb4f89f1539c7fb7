"""Functions that end their process, make it unfit, or wait."""

import asyncio
import os
import signal
from pathlib import Path

from app_functions import notes
from joelclaw import ActionCtx, MutationCtx, QueryCtx, action, anyone, mutation, query
from joelclaw.isolate import framing
from joelclaw.store.sqlite import SqliteTransaction
from schema import Note

VERSION = 1
HOARD: list[bytearray] = []


@query(allow=anyone)
def abort(ctx: QueryCtx, room: str) -> int:
    """Dies as long as the room has a note that says so."""
    if ctx.db.query(Note.by_room, room=room, text="abort").first() is not None:
        os.abort()
    return ctx.db.query(Note.by_room, room=room).count()


@query(allow=anyone)
def hang(ctx: QueryCtx) -> int:
    return sum(range(10**15))


@query(allow=anyone)
def hoard(ctx: QueryCtx, megabytes: int) -> int:
    HOARD.append(bytearray(b"x") * (megabytes * 1_000_000))
    return os.getpid()


@query(allow=anyone)
def pid(ctx: QueryCtx) -> int:
    return os.getpid()


@mutation(allow=anyone)
def writer_pid(ctx: MutationCtx) -> int:
    return os.getpid()


@mutation(allow=anyone)
def hoard_in_writer(ctx: MutationCtx, megabytes: int) -> int:
    HOARD.append(bytearray(b"x") * (megabytes * 1_000_000))
    return os.getpid()


@mutation(allow=anyone)
def abort_mutation(ctx: MutationCtx, room: str) -> None:
    ctx.db.insert(Note(room=room, text="left by the dead"))
    os.abort()


@mutation(allow=anyone)
def die_before_commit(ctx: MutationCtx, room: str) -> None:
    ctx.db.insert(Note(room=room, text="left by the dead"))
    SqliteTransaction.commit = die  # type: ignore[method-assign,assignment]


@mutation(allow=anyone)
def die_after_commit(ctx: MutationCtx, room: str) -> None:
    ctx.db.insert(Note(room=room, text="left by the dead"))
    framing.framed = die  # type: ignore[assignment]  # Every message passes through it.


def die(*args: object) -> None:
    """In the place of what the process would do next."""
    os.kill(os.getpid(), signal.SIGKILL)


@mutation(allow=anyone)
def hang_mutation(ctx: MutationCtx, room: str) -> int:
    ctx.db.insert(Note(room=room, text="left by the dead"))
    return sum(range(10**15))


@action(allow=anyone)
async def add_and_abort(ctx: ActionCtx, room: str) -> None:
    await ctx.run_mutation(notes.add, room=room, text="before")
    os.abort()


@action(allow=anyone)
async def add_and_count(ctx: ActionCtx, room: str) -> int:
    await ctx.run_mutation(notes.add, room=room, text="from an action")
    return await ctx.run_query(notes.count, room=room)


@action(allow=anyone)
async def wait_for_file(ctx: ActionCtx, file: str) -> int:
    Path(file).with_suffix(".begun").touch()
    while not Path(file).exists():
        await asyncio.sleep(0.005)
    return VERSION


@action(allow=anyone)
async def version(ctx: ActionCtx) -> int:
    return VERSION


@action(allow=anyone)
async def actor_pid(ctx: ActionCtx) -> int:
    return os.getpid()


@action(allow=anyone)
async def ask_version(ctx: ActionCtx) -> int:
    return await ctx.run_action(version)


@action(allow=anyone)
async def wait_and_tidy(ctx: ActionCtx, begun: str) -> None:
    """Never ends by itself; leaves a note when it is cancelled."""
    Path(begun).touch()
    try:
        await asyncio.Event().wait()
    finally:
        await ctx.run_mutation(notes.add, room="tidied", text="left in good order")


@action(allow=anyone)
async def ignore_cancelling(ctx: ActionCtx, begun: str) -> None:
    Path(begun).touch()
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue
