"""The `convex` package for Python against a real server: item 18 of the wire protocol's checklist."""

from collections.abc import Callable

import pytest

from tests.conformance.conftest import Start
from tests.conformance.deadline import PATIENCE_S
from tests.conformance.deployment import Deployment
from tests.conformance.proxy import Proxy
from tests.conformance.remote import Refused
from tests.conformance.test_node import VALUES
from tests.conformance.tokens import token


def test_item_18_query_mutation_action(deployment: Deployment, python: Start, room: str) -> None:
    """The three kinds of calls, over the socket and over HTTP."""
    client = python(deployment.url)
    id = client.mutation("messages:send", room=room, body="one")
    assert [message["_id"] for message in client.query("messages:listed", room=room)] == [id]
    assert client.action("messages:relay", room=room, body="two") == 2
    client.do("http", kind="mutation", path="messages:send", args={"room": room, "body": "three"})
    assert client.do("http", kind="action", path="messages:relay", args={"room": room, "body": "four"}) == 4
    listed = client.do("http", kind="query", path="messages:listed", args={"room": room})
    assert [message["body"] for message in listed] == ["one", "two", "three", "four"]


def test_item_18_values(deployment: Deployment, python: Start) -> None:
    """Every type of value comes back, from a function and from the database."""
    client = python(deployment.url)
    assert client.query("values:echo", value=VALUES) == VALUES
    assert client.query("values:kept", id=client.mutation("values:keep", value=VALUES)) == VALUES


def test_item_18_subscription(deployment: Deployment, python: Start, room: str) -> None:
    """A subscription sees what others write; two names of a function are one."""
    client = python(deployment.url)
    client.subscribe("list", "messages:listed", room=room)
    client.subscribe("same", "messages.js:listed", room=room)
    client.wait_for("list", lambda value: value == [])
    deployment.mutation("messages:send", room=room, body="one")
    for name in ("list", "same"):
        client.wait_for(name, lambda value: [message["body"] for message in value] == ["one"])


@pytest.mark.parametrize("kind", ["query", "mutation", "action"])
def test_item_18_errors(deployment: Deployment, python: Start, kind: str, room: str) -> None:
    """An error of the application has its data; another has none. The call after it works."""
    client = python(deployment.url)
    path = {"query": "failing:asked", "mutation": "failing:changed", "action": "failing:acted"}[kind]
    args = {"room": room} if kind == "mutation" else {}
    with pytest.raises(Refused) as caught:
        client.do(kind, path=path, args=args | {"data": {"code": "busy"}})
    assert caught.value.data == {"code": "busy"}
    with pytest.raises(Refused, match="Server Error") as caught:
        client.do(kind, path=path, args=args)
    assert not caught.value.has_data
    assert client.query("messages:listed", room=room) == []


def test_item_18_auth(token_deployment: Deployment, python: Start, room: str) -> None:
    """Signed in, the client is its user; signed out, a stranger again; subscriptions follow."""
    client = python(token_deployment.url)
    client.subscribe("me", "identity:me")
    client.wait_for("me", lambda value: value is None)
    client.do("sign_in", token=token("ann"))
    client.wait_for("me", lambda value: value == "ann")
    assert client.mutation("identity:sign", room=room) == "ann"
    assert client.action("identity:acting") == "ann"
    before = len(client.events("me"))
    client.do("sign_out")
    assert client.action("identity:acting") is None
    client.wait_for("me", lambda value: value is None, after=before)


def test_item_18_reconnect(
    deployment: Deployment, python: Start, through: Callable[[Deployment], Proxy], room: str
) -> None:
    """
    After an outage the client is subscribed again, knows what it missed, and can write.

    Not during it: this client may give a call up that it cannot send.
    """
    proxy = through(deployment)
    client = python(proxy.url)
    client.subscribe("list", "messages:listed", room=room)
    client.wait_for("list", lambda value: value == [])

    proxy.go_offline()
    deployment.mutation("messages:send", room=room, body="missed")
    proxy.wait_until_refused()
    proxy.go_online()
    client.wait_for("list", lambda value: [message["body"] for message in value] == ["missed"])
    client.mutation("messages:send", room=room, body="after")
    client.wait_for("list", lambda value: [message["body"] for message in value] == ["missed", "after"])


def test_item_18_cut_between_commit_and_response(
    deployment: Deployment, python: Start, through: Callable[[Deployment], Proxy], room: str
) -> None:
    """
    A call whose response was lost is sent again, and answered.

    It runs twice: this client is a new session on every connection, so that nobody can tell
    the second call from one that is meant.
    """
    proxy = through(deployment)
    client = python(proxy.url)
    client.query("messages:listed", room=room)
    proxy.hold_answers()
    sent = client.start("mutation", path="counters:step", args={"name": room})
    outside = python(deployment.url)
    outside.subscribe("value", "counters:value", name=room)
    outside.wait_for("value", lambda value: value == 1)
    proxy.cut()
    assert sent.result(PATIENCE_S) == 2
