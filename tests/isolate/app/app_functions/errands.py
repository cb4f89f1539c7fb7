"""Actions."""

import asyncio
import hashlib
import sys
import time

from app_functions import notes
from joelclaw import ActionCtx, action


@action
async def add_twice(ctx: ActionCtx, text: str) -> list[str]:
    print("adding", text)
    first = await ctx.run_mutation(notes.add, text=text)
    second = await ctx.run_mutation(notes.add, text=f"{text} again")
    return [first, second]


@action
async def wait(ctx: ActionCtx) -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.Event().wait()


@action
async def hog(ctx: ActionCtx) -> None:
    while True:
        pass


@action
async def greet(ctx: ActionCtx, name: str) -> str:
    print("greeting", name)
    await asyncio.sleep(0)
    return f"Hello {name} of {ctx.env['TOWN']}"


@action
async def leave(ctx: ActionCtx) -> None:
    sys.exit(3)


@action
async def leave_in_a_task(ctx: ActionCtx) -> str:
    task = asyncio.create_task(leave_later())
    await asyncio.wait([task])
    return "still here"


async def leave_later() -> None:
    sys.exit(3)


@action
async def tell(ctx: ActionCtx) -> None:
    print("before")
    await ctx.run_mutation(notes.add, text="told")
    print("after")


@action
async def block(ctx: ActionCtx, seconds: float) -> str:
    print("blocking")
    nap(seconds)
    return "slept"


def nap(seconds: float) -> None:
    time.sleep(seconds)


@action
async def compute(ctx: ActionCtx, seconds: float) -> None:
    """One call into C that lets no signal through."""
    began = time.monotonic()
    rounds = 1 << 14
    while time.monotonic() - began < seconds:
        began = time.monotonic()
        hashlib.pbkdf2_hmac("sha256", b"", b"", rounds)
        rounds *= 2


@action
async def tidy(ctx: ActionCtx) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        await ctx.run_mutation(notes.add, text="tidied")
