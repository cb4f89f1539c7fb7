"""Messages in channels: what is read, inserted and broadcast."""

from joelclaw import MutationCtx, Object, QueryCtx, anyone, mutation, query
from schema import Message


class Latest(Object):
    body: str
    run: int
    """Another number in each run: who is told the same one shares one run."""


@query(allow=anyone)
def channel(ctx: QueryCtx, channel: str, limit: int = 50) -> list[Message]:
    """The first messages of a channel."""
    return ctx.db.query(Message.by_channel, channel=channel).take(limit)


@query(allow=anyone)
def latest(ctx: QueryCtx, channel: str) -> Latest | None:
    """The newest message of a channel."""
    message = ctx.db.query(Message.by_channel, channel=channel).order("desc").first()
    return None if message is None else Latest(body=message.body, run=ctx.random.getrandbits(48))


@query(allow=anyone)
def count(ctx: QueryCtx) -> int:
    """How many messages there are."""
    return ctx.db.query(Message).count()


@mutation(allow=anyone)
def insert(ctx: MutationCtx, channel: str, body: str) -> None:
    """Say something."""
    ctx.db.insert(Message(channel=channel, body=body, author="ann"))


@mutation(allow=anyone)
def seed(ctx: MutationCtx, channels: int, messages: int) -> None:
    """Fill channels."""
    for number in range(channels * messages):
        body = f"message number {number} of the seed, with some words in it"
        ctx.db.insert(Message(channel=f"channel-{number % channels}", body=body, author="ann"))
