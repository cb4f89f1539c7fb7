"""
Time that really passes, seen by shipped clients.

Everything else about time is tested with a clock that is moved; here nothing is moved, and
nothing is waited for but what the clients are told. They watch everything at once: so time passes
only once, and what is shown can be shown for long enough to be seen on a machine that is busy.
"""

import sys
import time
from collections.abc import Iterator

import pytest

from tests.conformance.deployment import Deployment
from tests.conformance.remote import CLIENTS, Remote

SHOWN_MS = 6_000.0
"""How long a document lasts, and a phase; `times:fresh` shows a card for as long."""

QUERIES = ("fresh", "phase", "typing")
Seen = dict[str, list[object]]
"""Results of each query, in order."""


@pytest.fixture(scope="module")
def seen(deployment: Deployment, node_modules: object) -> Iterator[dict[str, Seen]]:
    """What the npm package in Node and the package for Python are shown, each in a room of its own."""
    programs = {"node": ["node", str(CLIENTS / "node.mjs")], "python": [sys.executable, str(CLIENTS / "python.py")]}
    # A client for each query: those for Python tell of all their queries when one has changed.
    clients = {
        (name, query): Remote([*program, deployment.url]) for name, program in programs.items() for query in QUERIES
    }
    try:
        for (name, query), client in clients.items():
            if query != "phase":
                client.subscribe(query, f"times:{query}", room=f"{__name__} {name}")
                client.wait_for(query, lambda value: value == 0)
        now = time.time() * 1_000
        for name in programs:
            begins_at, ends_at = now + SHOWN_MS, now + 2 * SHOWN_MS
            clients[name, "phase"].subscribe("phase", "times:phase", beginsAt=begins_at, endsAt=ends_at)
            deployment.mutation("times:hear", room=f"{__name__} {name}")
            deployment.mutation("times:typeFor", room=f"{__name__} {name}", ms=SHOWN_MS)
        for (_, query), client in clients.items():
            if query != "phase":
                client.wait_for(query, lambda value: value == 0, after=2)
        for name in programs:
            clients[name, "phase"].wait_for("phase", lambda value: value == "over")
        yield {
            name: {query: [event["value"] for event in clients[name, query].events(query)] for query in QUERIES}
            for name in programs
        }
    finally:
        for client in clients.values():
            client.close()


@pytest.fixture(params=["node", "python"])
def shown(seen: dict[str, Seen], request: pytest.FixtureRequest) -> Seen:
    """What one of them is shown."""
    return seen[request.param]


def test_a_card_disappears_by_itself(shown: Seen) -> None:
    """A card is shown while `ctx.within` says so. Six seconds after the only write it is gone, with no other one."""
    assert shown["fresh"] == [0, 1, 0]


def test_a_result_passes_through_its_phases(shown: Seen) -> None:
    """`ctx.before` and `ctx.after` are asked again at both their moments, and at no other."""
    assert shown["phase"] == ["before", "on", "over"]


def test_a_document_removes_itself(shown: Seen) -> None:
    """A document of a table with `expires_at` goes when its time comes, and who watches the table is told."""
    assert shown["typing"] == [0, 1, 0]
