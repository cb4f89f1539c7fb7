"""An action that lasts until it is told to go on."""

import asyncio

from app_functions import messages
from joelclaw import ActionCtx, action, anyone


@action(allow=anyone)
async def until_told(ctx: ActionCtx, room: str) -> str:
    """Say "started" in the room, wait for somebody's "go", say "finished"."""
    await ctx.run_mutation(messages.send, room=room, body="started")
    while all(message.body != "go" for message in await ctx.run_query(messages.listed, room=room)):
        await asyncio.sleep(0.01)
    await ctx.run_mutation(messages.send, room=room, body="finished")
    return "done"
