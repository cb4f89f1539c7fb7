"""HTTP clients against a real server: item 19 of the wire protocol's checklist. Errors are in `test_node.py`."""

from tests.conformance.conftest import Start
from tests.conformance.deployment import Deployment
from tests.conformance.tokens import token


def test_item_19_query_mutation_action(deployment: Deployment, node: Start, room: str) -> None:
    """The three kinds of calls; mutations that a client queues itself, and those that it does not."""
    client = node(deployment.url)

    def call(kind: str, path: str, **more: object) -> object:
        args = {"room": room} if kind == "query" else {"room": room, "body": "x"}
        return client.do("http", kind=kind, path=path, args=args, **more)

    call("mutation", "messages:send")
    call("mutation", "messages:send", skip_queue=True)
    assert call("action", "messages:relay") == 3
    assert call("query", "messages:tally") == {"messages": 3, "characters": 3}


def test_item_19_trailing_slash(deployment: Deployment, node: Start, room: str) -> None:
    """An address with a slash at its end doubles the slash in every path, on HTTP and on the socket."""
    client = node(deployment.url + "/")
    client.do("http", kind="mutation", path="messages:send", args={"room": room, "body": "x"})
    assert client.query("messages:tally", room=room) == {"messages": 1, "characters": 1}


def test_item_19_consistent_queries(deployment: Deployment, node: Start, room: str) -> None:
    """
    Queries at the timestamp of a client's first question are answered, whatever was written since.

    No old versions are kept: they are answered at the newest snapshot, never at one before the first.
    """
    client = node(deployment.url)

    def consistent(path: str) -> object:
        return client.do("http", kind="consistentQuery", path=path, args={"room": room})

    client.mutation("messages:send", room=room, body="x")
    assert consistent("messages:tally") == {"messages": 1, "characters": 1}
    client.mutation("messages:send", room=room, body="y")
    assert consistent("messages:tally") == {"messages": 2, "characters": 2}


def test_item_19_signed_in(token_deployment: Deployment, node: Start, room: str) -> None:
    """A token in the header makes the caller its user; a refused one is an error that says so."""
    client = node(token_deployment.url)
    assert client.do("http", kind="query", path="identity:me", args={}, token=token("ann")) == "ann"
    assert client.do("http", kind="mutation", path="identity:sign", args={"room": room}) == "ann"
    assert token_deployment.bodies(room) == ["ann"]
    failed = client.start("http", kind="query", path="identity:me", args={}, token=token("ann", signature="wrong"))
    assert "Could not verify token" in str(failed.exception(60))
