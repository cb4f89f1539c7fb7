"""A live search, as an official client sees it."""

from typing import Any

from tests.conformance.conftest import Start
from tests.conformance.deployment import Deployment


def test_a_search_follows_what_others_write(deployment: Deployment, node: Start, room: str) -> None:
    """A word that is still being typed finds what comes, in order of relevance, and loses what changes."""
    watching, writing = node(deployment.url), node(deployment.url)
    watching.subscribe("found", "pages:found", room=room, text="reactive con")
    assert watching.wait_for("found", lambda _: True) == []
    id = writing.mutation("pages:write", room=room, text="Convex & friends")
    assert watching.wait_for("found", bool) == ["<mark>Convex</mark> &amp; friends"]
    writing.mutation("pages:write", room=room, text="nothing of the kind")
    writing.mutation("pages:write", room=f"{room} elsewhere", text="reactive contents")
    writing.mutation("pages:write", room=room, text="reactive contents")
    assert watching.wait_for("found", lambda found: len(found) == 2) == [
        "<mark>reactive</mark> <mark>contents</mark>",
        "<mark>Convex</mark> &amp; friends",
    ]
    writing.mutation("pages:rewrite", id=id, text="gone")
    watching.wait_for("found", lambda found: found == ["<mark>reactive</mark> <mark>contents</mark>"])
    assert len(watching.events("found")) == 4, "what does not match is not told"


def test_pages_of_a_search(deployment: Deployment, node: Start, room: str) -> None:
    """Cursors go through the client as they are; the pages together are the result."""
    client = node(deployment.url)
    for number in range(1, 6):
        client.mutation("pages:write", room=room, text="word " * number)
    texts: list[str] = []
    cursor: Any = None
    while True:
        options = {"numItems": 2, "cursor": cursor}
        page = client.query("pages:foundPages", room=room, text="word", paginationOpts=options)
        texts += [text["text"] for text in page["page"]]
        cursor = page["continueCursor"]
        if page["isDone"]:
            break
    assert texts == ["word " * number for number in (5, 4, 3, 2, 1)]
