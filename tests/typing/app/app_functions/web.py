import asyncio
from collections.abc import AsyncIterator

from joelclaw import ActionCtx, HttpAction, Request, Response, http_action


@http_action("POST", "/inngest/webhook")
@http_action("PUT", "/inngest/webhook")
async def webhook(ctx: ActionCtx, request: Request) -> Response:
    body: bytes = await request.body()
    text: str | None = request.headers.get("x-signature")
    values: list[str] = request.headers.get_all("x-signature")
    first: list[str] | None = request.query.get("first")
    where: str = request.method + request.url + request.path + (request.client or "")
    print(body, text, values, first, where, await request.text(), await request.json())
    return Response.json({"ok": True}, status=201, headers={"X-A": "b"})


@http_action("GET", prefix="/profile/")
async def profile(ctx: ActionCtx, request: Request) -> Response:
    if request.method == "HEAD":
        return Response(status=204, headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    if request.query:
        return Response("text", headers={"Content-Type": "text/html"})
    return Response(events(request))


async def events(request: Request) -> AsyncIterator[bytes]:
    async for piece in request.stream():
        yield piece
        await asyncio.sleep(0)


route: HttpAction = profile
