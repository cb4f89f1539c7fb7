"""
The `convex` package for Python: `python python.py URL`. Requests as in `talk.mjs`.

Its calls keep the interpreter to themselves until they are answered; only its asynchronous
iterators do not. So subscriptions live in an event loop, and calls come one at a time.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import convex
from convex.http_client import ConvexHttpClient
from convex.values import convex_to_json, json_to_convex


async def main(url: str) -> None:
    client = convex.ConvexClient(url)
    over_http = ConvexHttpClient(url)
    following: set[asyncio.Task[None]] = set()

    def call(method: Callable[[str, Any], Any]) -> Callable[..., Any]:
        return lambda path, args: convex_to_json(method(path, json_to_convex(args)))

    async def follow(name: str, path: str, args: Any) -> None:
        decoded: Any = json_to_convex(args)
        async for value in client.subscribe(path, decoded):
            say({"event": name, "value": convex_to_json(value)})

    def subscribe(**subscription: Any) -> None:
        following.add(asyncio.create_task(follow(**subscription)))

    handlers: dict[str, Callable[..., Any]] = {
        "query": call(client.query),
        "mutation": call(client.mutation),
        "action": call(client.action),
        "subscribe": subscribe,
        "sign_in": lambda token: client.set_auth(token),
        "sign_out": lambda: client.clear_auth(),
        "http": lambda kind, path, args: call(getattr(over_http, kind))(path, args),
    }

    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        request = json.loads(line)
        id, do = request.pop("id"), request.pop("do")
        try:
            say({"id": id, "value": handlers[do](**request)})
        except Exception as error:
            described: dict[str, Any] = {"name": type(error).__name__, "message": str(error)}
            if isinstance(error, convex.ConvexError):
                described["data"] = convex_to_json(error.data)
            say({"id": id, "error": described})


def say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
