"""Journals, as the npm package keeps them: what a page was, it is again, on another connection and elsewhere."""

from collections.abc import Callable
from typing import Any

from tests.conformance.conftest import Start
from tests.conformance.deployment import Deployment
from tests.conformance.proxy import Proxy

Through = Callable[[Deployment], Proxy]


def ranks(*expected: float) -> Callable[[Any], bool]:
    return lambda value: [entry["rank"] for entry in value["page"]] == list(expected)


def opening(cursor: str | None, items: int = 3) -> dict[str, Any]:
    return {"numItems": float(items), "cursor": cursor, "id": 1.0}


def test_pages_are_the_same_on_another_connection(
    deployment: Deployment, node: Start, through: Through, room: str
) -> None:
    """
    Two pages that have grown keep their ends when the connection is lost and rows came meanwhile (PAG-19).

    The client sends its journals with the subscriptions; they are what was last told.
    """
    proxy = through(deployment)
    deployment.mutation("entries:put", room=room, ranks=[10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0])
    client = node(proxy.url)
    asked = {"room": room, "direction": "asc"}
    client.subscribe("first", "entries:page", **asked, paginationOpts=opening(None))
    first = client.wait_for("first", ranks(10, 20, 30))
    client.subscribe("second", "entries:page", **asked, paginationOpts=opening(first["continueCursor"]))
    client.wait_for("second", ranks(40, 50, 60))
    deployment.mutation("entries:put", room=room, ranks=[15.0, 45.0])
    client.wait_for("first", ranks(10, 15, 20, 30))
    client.wait_for("second", ranks(40, 45, 50, 60))
    journal = client.do("journal", path="entries:page", args={**asked, "paginationOpts": opening(None)})
    assert isinstance(journal, str)

    proxy.go_offline()
    deployment.mutation("entries:put", room=room, ranks=[5.0, 55.0, 65.0])
    deployment.mutation("entries:take", room=room, rank=30.0)
    proxy.go_online()
    client.wait_for("first", ranks(5, 10, 15, 20))
    client.wait_for("second", ranks(40, 45, 50, 55, 60))
    assert client.do("journal", path="entries:page", args={**asked, "paginationOpts": opening(None)}) == journal


def test_a_journal_repeats_a_page_in_another_process(deployment: Deployment, node: Start, room: str) -> None:
    """Who subscribes with a journal gets the page as it is between its borders; who has none, a page of the size."""
    deployment.mutation("entries:put", room=room, ranks=[10.0, 20.0, 30.0, 40.0])
    args = {"room": room, "direction": "desc", "paginationOpts": opening(None, 2)}
    before = node(deployment.url)
    before.subscribe("page", "entries:page", **args)
    before.wait_for("page", ranks(40, 30))
    journal = before.do("journal", path="entries:page", args=args)

    deployment.mutation("entries:put", room=room, ranks=[35.0, 50.0])
    after, fresh = node(deployment.url), node(deployment.url)
    after.do("subscribe_again", name="page", path="entries:page", args=args, journal=journal)
    after.wait_for("page", ranks(50, 40, 35, 30))
    fresh.subscribe("page", "entries:page", **args)
    fresh.wait_for("page", ranks(50, 40))
