"""Messages that are sent later."""

from joelclaw import Id, MutationCtx, QueryCtx, ScheduledJob, anyone, mutation, query
from schema import Message


@mutation
def deliver(ctx: MutationCtx, room: str, body: str) -> None:
    """What a job does."""
    ctx.db.insert(Message(room=room, body=body))


@mutation(allow=anyone)
def send(ctx: MutationCtx, room: str, body: str, delay: str) -> Id[ScheduledJob]:
    """Deliver a message when so much time has passed."""
    return ctx.scheduler.run_after(delay, deliver, room=room, body=body)


@mutation(allow=anyone)
def cancel(ctx: MutationCtx, id: Id[ScheduledJob]) -> None:
    """Do not deliver it."""
    ctx.scheduler.cancel(id)


@query(allow=anyone)
def job(ctx: QueryCtx, id: Id[ScheduledJob]) -> ScheduledJob | None:
    """How far a job is."""
    return ctx.db.get(id)
