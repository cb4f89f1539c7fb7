"""The `convex` package for Python: `python python.py URL`. Requests as in `talk.mjs`."""

import json
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import convex
from convex.values import convex_to_json, json_to_convex


def main(url: str) -> None:
    client = convex.ConvexClient(url)
    over_http = convex.ConvexHttpClient(url)
    speaking = threading.Lock()

    def say(message: dict[str, Any]) -> None:
        with speaking:
            print(json.dumps(message), flush=True)

    def call(method: Callable[[str, Any], Any]) -> Callable[..., Any]:
        return lambda path, args: convex_to_json(method(path, json_to_convex(args)))

    def follow(name: str, path: str, args: Any) -> None:
        for value in client.subscribe(path, json_to_convex(args)):
            say({"event": name, "value": convex_to_json(value)})

    def subscribe(**subscription: Any) -> None:
        threading.Thread(target=follow, kwargs=subscription, daemon=True).start()

    handlers: dict[str, Callable[..., Any]] = {
        "query": call(client.query),
        "mutation": call(client.mutation),
        "action": call(client.action),
        "subscribe": subscribe,
        "sign_in": lambda token: client.set_auth(token),
        "sign_out": lambda: client.clear_auth(),
        "http": lambda kind, path, args: call(getattr(over_http, kind))(path, args),
    }

    def answer(id: int, do: str, **request: Any) -> None:
        try:
            say({"id": id, "value": handlers[do](**request)})
        except convex.ConvexError as error:
            described = {"name": type(error).__name__, "message": str(error), "data": convex_to_json(error.data)}
            say({"id": id, "error": described})
        except Exception as error:
            say({"id": id, "error": {"name": type(error).__name__, "message": str(error)}})

    # The client's calls block their thread.
    with ThreadPoolExecutor(16) as threads:
        for line in sys.stdin:
            threads.submit(answer, **json.loads(line))


if __name__ == "__main__":
    main(sys.argv[1])
