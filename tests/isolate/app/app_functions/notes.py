"""Functions that behave."""

import logging
import warnings

from joelclaw import AppError, MutationCtx, QueryCtx, mutation, query
from schema import Note


@mutation
def add(ctx: MutationCtx, text: str) -> str:
    return ctx.db.insert(Note(text=text))


@mutation
def add_and_refuse(ctx: MutationCtx, text: str) -> None:
    ctx.db.insert(Note(text=text))
    raise AppError("changed my mind")


@mutation
def touch_nothing(ctx: MutationCtx) -> int:
    return ctx.db.query(Note).count()


@mutation
def add_slowly(ctx: MutationCtx, text: str, rounds: int) -> None:
    for _ in range(rounds):
        sum(range(10_000))
    ctx.db.insert(Note(text=text))


@query
def texts(ctx: QueryCtx) -> list[str]:
    return [note.text for note in ctx.db.query(Note.by_text)]


@query
def greet(ctx: QueryCtx, name: str) -> str:
    import colorsys  # Imports in a function are nothing forbidden.

    assert colorsys
    return f"Hello {name} of {ctx.env['TOWN']}"


@query
def talk(ctx: QueryCtx) -> None:
    print("said", 1, "thing")
    print("without an end", end="")
    logging.getLogger("app").info("logged %d", 2)
    logging.getLogger("app").error("failed")
    warnings.warn("old", UserWarning, stacklevel=1)


@query
def talk_with_structlog(ctx: QueryCtx) -> None:
    import structlog

    structlog.get_logger().warning("room is full", room=7)


@query
def chatter(ctx: QueryCtx, lines: int) -> None:
    for number in range(lines):
        print(number)


@query
def talk_at_length(ctx: QueryCtx) -> None:
    print("ä" * 100_000)
