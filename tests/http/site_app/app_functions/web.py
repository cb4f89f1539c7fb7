"""HTTP actions for tests. `gates` are opened from outside by a request, so that nothing has to wait for time."""

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

from joelclaw import ActionCtx, AppError, MutationCtx, QueryCtx, Request, Response, http_action, mutation, query
from schema import Note

gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
counts: defaultdict[str, int] = defaultdict(int)


@mutation
def note(ctx: MutationCtx, text: str) -> None:
    print(f"noting {text}")
    ctx.db.insert(Note(text=text))


@query
def notes(ctx: QueryCtx) -> list[str]:
    return [note.text for note in ctx.db.query(Note)]


@query
def subject(ctx: QueryCtx) -> str | None:
    return ctx.auth.identity and ctx.auth.identity.subject


@http_action("GET", "/")
async def root(ctx: ActionCtx, request: Request) -> Response:
    return Response("the root", headers={"X-Answer": "root"})


@http_action("GET", "/seen")
@http_action("POST", "/seen")
@http_action("GET", prefix="/seen/")
async def seen(ctx: ActionCtx, request: Request) -> Response:
    """What arrived."""
    return Response.json(
        {
            "method": request.method,
            "url": request.url,
            "path": request.path,
            "query": request.query,
            "headers": request.headers.pairs,
            "type": request.headers.get("CONTENT-type"),
            "twice": request.headers.get_all("x-twice"),
            "client": request.client,
            "body": (await request.body()).decode("latin-1"),
        }
    )


@http_action("GET", prefix="/seen/deeper/")
async def deeper(ctx: ActionCtx, request: Request) -> Response:
    return Response(f"deeper: {request.path}")


@http_action("GET", "/seen/exact")
async def exact(ctx: ActionCtx, request: Request) -> Response:
    return Response("exact")


@http_action("OPTIONS", "/seen/exact")
async def preflight(ctx: ActionCtx, request: Request) -> Response:
    return Response(status=204, headers={"Access-Control-Allow-Origin": "https://a.test"})


@http_action("POST", "/echo")
async def echo(ctx: ActionCtx, request: Request) -> Response:
    """The same bytes, read whole."""
    body = await request.body()
    assert body == await request.body()
    return Response(body, headers={"Content-Type": request.headers.get("content-type", "application/octet-stream")})


@http_action("POST", "/stream")
async def stream(ctx: ActionCtx, request: Request) -> Response:
    """The same bytes, as they come."""
    return Response(request.stream())


@http_action("POST", "/json")
async def parsed(ctx: ActionCtx, request: Request) -> Response:
    value: Any = await request.json()
    return Response.json({"text": await request.text(), "value": value}, status=201)


@http_action("GET", "/cookies")
async def cookies(ctx: ActionCtx, request: Request) -> Response:
    return Response(headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-One", "1")])


@http_action("POST", "/note")
async def take_note(ctx: ActionCtx, request: Request) -> Response:
    await ctx.run_mutation(note, await request.text())
    return Response.json(await ctx.run_query(notes))


@http_action("GET", "/who")
async def who(ctx: ActionCtx, request: Request) -> Response:
    identity = ctx.auth.identity
    return Response.json([identity and identity.subject, await ctx.run_query(subject)])


@http_action("GET", "/header")
async def header(ctx: ActionCtx, request: Request) -> Response:
    """Uses the header for itself, and does not ask whose it is."""
    return Response(request.headers.get("authorization", "none"))


@http_action("GET", "/env")
async def env(ctx: ActionCtx, request: Request) -> Response:
    return Response.json({**ctx.env, "pid": os.getpid()})


@http_action("GET", prefix="/fails/")
async def fails(ctx: ActionCtx, request: Request) -> Response:
    match request.path:
        case "/fails/app":
            raise AppError({"code": 7})
        case "/fails/type":
            return wrong_type()
        case "/fails/late":
            return Response(late())
        case "/fails/piece":
            return Response(wrong_piece())
        case "/fails/large":
            return Response(b"x" * 300_000)
        case "/fails/short":
            return Response(late(), headers={"Content-Length": "100"})
        case "/fails/injected":
            return Response(headers={"X-Name": "a\r\nSet-Cookie: b"})
    raise ValueError("secret")


async def late() -> AsyncIterator[bytes]:
    yield b"begun"
    raise ValueError("too late")


def wrong_type() -> Response:
    anything: Any = "text"
    response: Response = anything
    return response


async def wrong_piece() -> AsyncIterator[bytes]:
    piece: Any = "text"
    yield piece


@http_action("GET", "/events")
async def events(ctx: ActionCtx, request: Request) -> Response:
    """One event for each time its gate is opened."""
    return Response(event_stream(), headers={"Content-Type": "text/event-stream"})


async def event_stream() -> AsyncIterator[bytes]:
    try:
        for number in range(3):
            yield b"data: %d\n\n" % number
            await gates[f"event{number}"].wait()
    finally:
        counts["streams closed"] += 1
        gates["closed"].set()


@http_action("GET", "/endless")
async def endless(ctx: ActionCtx, request: Request) -> Response:
    return Response(endless_stream())


async def endless_stream() -> AsyncIterator[bytes]:
    try:
        while True:
            counts["pieces"] += 1
            yield b"x" * 50_000
    finally:
        gates["endless closed"].set()


@http_action("GET", "/waits")
async def waits(ctx: ActionCtx, request: Request) -> Response:
    return Response(waiting_stream())


async def waiting_stream() -> AsyncIterator[bytes]:
    """Waits for something that never happens."""
    try:
        yield b"begun"
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        gates["waits closed"].set()


@http_action("GET", "/goes-on")
async def goes_on(ctx: ActionCtx, request: Request) -> Response:
    """Waits for its gate, and leaves a note then, whoever is still there."""
    counts["going on"] += 1
    gates["going on"].set()
    await gates["go on"].wait()
    await ctx.run_mutation(note, "went on")
    gates["went on"].set()
    return Response("nobody hears this")


@http_action("POST", "/half")
async def half(ctx: ActionCtx, request: Request) -> Response:
    """Says what became of a body that does not end well."""
    try:
        await request.body()
    except Exception as error:
        counts[type(error).__name__] += 1
        gates["half"].set()
        raise
    return Response("whole")


@http_action("GET", prefix="/dies/")
async def dies(ctx: ActionCtx, request: Request) -> Response:
    if request.path == "/dies/late":
        return Response(dying_stream())
    os.abort()


async def dying_stream() -> AsyncIterator[bytes]:
    yield b"begun"
    await gates["die"].wait()
    os.abort()


@http_action("POST", "/ignores")
async def ignores(ctx: ActionCtx, request: Request) -> Response:
    return Response("ignored")


@http_action("GET", prefix="/gates/")
async def open_gate(ctx: ActionCtx, request: Request) -> Response:
    """Open a gate."""
    gates[request.path.removeprefix("/gates/").replace("%20", " ")].set()
    return Response()


@http_action("GET", prefix="/await/")
async def await_gate(ctx: ActionCtx, request: Request) -> Response:
    """Answered when somebody has opened the gate; with what was counted."""
    await gates[request.path.removeprefix("/await/").replace("%20", " ")].wait()
    return Response.json(counts)
