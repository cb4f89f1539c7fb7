"""
Time that really passes, seen by shipped clients.

Everything else about time is tested with a clock that is moved; here nothing is moved, and
nothing is waited for but what the client is told.
"""

import time

import pytest

from tests.conformance.conftest import Start
from tests.conformance.deployment import Deployment


@pytest.fixture(params=["node", "python"])
def start(request: pytest.FixtureRequest) -> Start:
    """The npm package in Node, and the package for Python."""
    client: Start = request.getfixturevalue(request.param)
    return client


def values(client: object, name: str) -> list[object]:
    return [event["value"] for event in client.events(name)]  # type: ignore[attr-defined]


def test_a_card_disappears_by_itself(deployment: Deployment, start: Start, room: str) -> None:
    """A card is shown while `ctx.within` says so. Two seconds after the only write it is gone, with no other one."""
    client = start(deployment.url)
    client.subscribe("fresh", "times:fresh", room=room)
    client.wait_for("fresh", lambda value: value == 0)
    client.mutation("times:hear", room=room)
    client.wait_for("fresh", lambda value: value == 1)
    client.wait_for("fresh", lambda value: value == 0, after=2)

    assert values(client, "fresh") == [0, 1, 0]


def test_a_result_passes_through_its_phases(deployment: Deployment, start: Start) -> None:
    """`ctx.before` and `ctx.after` are asked again at both their moments, and at no other."""
    client = start(deployment.url)
    now = time.time() * 1_000
    client.subscribe("phase", "times:phase", beginsAt=now + 2_000, endsAt=now + 4_000)
    client.wait_for("phase", lambda value: value == "over")

    assert values(client, "phase") == ["before", "on", "over"]


def test_a_document_removes_itself(deployment: Deployment, start: Start, room: str) -> None:
    """A document of a table with `expires_at` goes when its time comes, and who watches the table is told."""
    client = start(deployment.url)
    client.subscribe("typing", "times:typing", room=room)
    client.wait_for("typing", lambda value: value == 0)
    client.mutation("times:typeFor", room=room, ms=2_000.0)
    client.wait_for("typing", lambda value: value == 1)
    client.wait_for("typing", lambda value: value == 0, after=2)

    assert values(client, "typing") == [0, 1, 0]
