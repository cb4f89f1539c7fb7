"""The npm package in Node, against a real server. Items are those of the wire protocol's checklist."""

from tests.conformance.conftest import Start
from tests.conformance.deployment import Deployment


def test_item_1_a_subscription_sees_what_others_write(deployment: Deployment, node: Start, room: str) -> None:
    """The first result comes, and another one after each write of another client."""
    watching, writing = node(deployment.url), node(deployment.url)
    watching.subscribe("list", "messages:listed", room=room)
    assert watching.wait_for("list", lambda _: True) == []

    for count, body in enumerate(["one", "two"], 1):
        id = writing.mutation("messages:send", room=room, body=body)
        messages = watching.wait_for("list", lambda value, count=count: len(value) == count)
        assert messages[-1]["body"] == body
        assert messages[-1]["_id"] == id
