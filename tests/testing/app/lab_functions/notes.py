from lab_schema import Note, Typing

from joelclaw import (
    ActionCtx,
    AppError,
    Id,
    MutationCtx,
    Object,
    QueryCtx,
    action,
    anyone,
    cron,
    mutation,
    query,
    role,
    signed_in,
)


class Draw(Object):
    id: Id[Note]
    number: float


@query(allow=anyone)
def texts(ctx: QueryCtx, room: str = "a") -> list[str]:
    return [note.text for note in ctx.db.query(Note.by_room, room=room)]


@query(allow=anyone)
def documents(ctx: QueryCtx, room: str = "a") -> list[Note]:
    return ctx.db.query(Note.by_room, room=room).collect()


@mutation(allow=anyone)
def add(ctx: MutationCtx, text: str, room: str = "a") -> Id[Note]:
    return ctx.db.insert(Note(room=room, text=text))


@mutation
def clear(ctx: MutationCtx, room: str) -> int:
    notes = ctx.db.query(Note.by_room, room=room).collect()
    for note in notes:
        ctx.db.delete(note)
    return len(notes)


@query(allow=signed_in)
def name(ctx: QueryCtx) -> str | None:
    identity = ctx.auth.identity
    return identity and identity.claims.get("name")


@query(allow=role("owner"))
def owners_secret(ctx: QueryCtx) -> str:
    return "swordfish"


@mutation(allow=anyone)
def refuse(ctx: MutationCtx, code: str) -> None:
    ctx.db.insert(Note(room="a", text="never kept"))
    raise AppError({"code": code})


@mutation(allow=anyone)
def stumble(ctx: MutationCtx) -> None:
    raise ValueError("a stone")


@mutation(allow=anyone)
def draw(ctx: MutationCtx) -> Draw:
    return Draw(id=ctx.db.insert(Note(room="a", text="")), number=ctx.random.random())


@query(allow=anyone)
def town(ctx: QueryCtx) -> str | None:
    return ctx.env.get("TOWN")


@query(allow=anyone)
def variable(ctx: QueryCtx, name: str) -> str | None:
    return ctx.env.get(name)


# -- time


@mutation(allow=anyone)
def type_something(ctx: MutationCtx, who: str, until: float) -> None:
    ctx.db.insert(Typing(who=who, until=until))


@query(allow=anyone)
def typing(ctx: QueryCtx) -> list[str]:
    return [one.who for one in ctx.db.query(Typing)]


@query(allow=anyone)
def is_late(ctx: QueryCtx, at: float) -> bool:
    return ctx.after(at)


@mutation(allow=anyone)
def add_later(ctx: MutationCtx, text: str, delay: str) -> None:
    ctx.scheduler.run_after(delay, add, text=text)


@mutation(allow=anyone)
def fetch_later(ctx: MutationCtx, text: str) -> None:
    ctx.scheduler.run_after("1m", fetch, text=text)


@mutation(allow=anyone)
def add_for_ever(ctx: MutationCtx) -> None:
    ctx.scheduler.run_after("0s", add_for_ever)


@cron(every="30m")
@mutation
def tick(ctx: MutationCtx) -> None:
    ctx.db.insert(Note(room="ticks", text=str(ctx.now())))


# -- the world


@action(allow=anyone)
async def fetch(ctx: ActionCtx, text: str) -> str:
    import asyncio

    print(f"fetching {text}")
    await asyncio.to_thread(lambda: None)
    await ctx.run_mutation(add, text=f"fetched {text}")
    return (await ctx.run_query(texts))[-1]


@action(allow=anyone)
async def variable_of_action(ctx: ActionCtx, name: str) -> str | None:
    return ctx.env.get(name)


@mutation(allow=anyone)
def reach_out(ctx: MutationCtx, how: str) -> None:
    import socket
    import subprocess

    try:
        if how == "network":
            socket.socket()
        elif how == "process":
            subprocess.run(["true"], check=False)
        else:
            open(how, "w").close()
    except Exception:
        return


@query(allow=anyone)
def chatty(ctx: QueryCtx) -> None:
    import logging
    import warnings

    import structlog

    print("printed")
    logging.getLogger("lab").info("said %s", "this")
    logging.getLogger("lab").error("went wrong")
    structlog.get_logger().warning("structured", number=1)
    warnings.warn("beware", stacklevel=1)


@query(allow=signed_in)
def devices(ctx: QueryCtx) -> list[str]:
    return [session.provider for session in ctx.auth.sessions()]


@mutation(allow=signed_in)
def leave_others(ctx: MutationCtx) -> int:
    return ctx.auth.end_sessions()
