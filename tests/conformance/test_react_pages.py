"""
`usePaginatedQuery` in Chromium while somebody else writes: nothing is lost, doubled or out of order.

The scene holds the same list twice, whole and in pages. A client sees one snapshot at a time,
so in every frame that was ever shown the loaded pages have to be the beginning of the whole:
same documents, same order, same fields. That is the model; no frame is exempt.
"""

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.browser import Page
from tests.conformance.conftest import Open
from tests.conformance.deployment import Deployment, Server
from tests.conformance.proxy import Proxy

Through = Callable[[Deployment], Proxy]

SCENES = {"asc": "EntriesUpwards", "desc": "EntriesDownwards"}


class Writer:
    """Somebody who changes a room's entries at random, anywhere, all at different ranks."""

    def __init__(self, deployment: Deployment, room: str, seed: int) -> None:
        print("seed", seed)
        self._deployment = deployment
        self._room = room
        self._random = random.Random(seed)
        self.ranks: list[float] = []

    def put(self, count: int) -> None:
        ranks = [self._new() for _ in range(count)]
        self._deployment.mutation("entries:put", room=self._room, ranks=ranks)

    def write(self) -> None:
        """One change: mostly inserts, so that pages grow until they are split."""
        what = self._random.choices(["put", "take", "move", "rename"], [5, 3, 2, 2])[0]
        if what == "put":
            self.put(self._random.randint(1, 3))
            return
        rank = self._random.choice(self.ranks)
        if what == "take":
            self.ranks.remove(rank)
            self._deployment.mutation("entries:take", room=self._room, rank=rank)
        elif what == "move":
            self.ranks.remove(rank)
            self._deployment.mutation("entries:move", room=self._room, rank=rank, to=self._new())
        else:
            text = str(self._random.random())
            self._deployment.mutation("entries:rename", room=self._room, rank=rank, text=text)

    def _new(self) -> float:
        rank = self._random.random()
        self.ranks.append(rank)
        return rank


def assert_whole(shown: list[dict[str, Any]]) -> None:
    """In every frame the pages are the beginning of the list, and all of it once they say that there is no more."""
    for number, it in enumerate(shown):
        if it["whole"] is None:
            continue
        assert it["pages"] == it["whole"][: len(it["pages"])], f"frame {number} of {len(shown)}"
        if it["status"] == "Exhausted":
            assert len(it["pages"]) == len(it["whole"]), f"frame {number} of {len(shown)}"


def load_all(page: Page) -> None:
    """Load more until there is no more."""
    while page.shown[-1]["status"] != "Exhausted":
        page.start("loadMore", 100)
        page.until_showing("it.status === 'Exhausted' || it.status === 'CanLoadMore'")


def until_current(page: Page, count: int) -> None:
    """Wait until the page shows what was written last."""
    page.until_showing(f"it.whole?.length === {count} && it.status !== 'LoadingMore'")


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_pages_are_whole_under_random_writes(deployment: Deployment, scene: Open, room: str, direction: str) -> None:
    """
    Inserts, deletes, moves and changes before, inside and behind the loaded pages (PAG-19, PAG-20, PAG-22).

    Pages are loaded, grow, are split and shrink meanwhile.
    """
    writer = Writer(deployment, room, seed=7 if direction == "asc" else 8)
    writer.put(30)
    page = scene(SCENES[direction], deployment.url, room)
    page.until_showing("it.pages.length === 4 && it.whole !== null")
    for number in range(120):
        writer.write()
        if number % 15 == 14:
            page.start("loadMore", 4)
    until_current(page, len(writer.ranks))
    load_all(page)

    assert_whole(page.shown)
    assert len(page.shown[-1]["pages"]) == len(writer.ranks)
    assert page.sockets["ranges"] > 0, "no page was split"
    assert page.sockets["opened"] == 1


def test_pages_are_whole_over_lost_connections(
    deployment: Deployment, scene: Open, through: Through, room: str
) -> None:
    """Cut off again and again while others write: journals pin the pages, and every frame is whole (PAG-19)."""
    proxy = through(deployment)
    writer = Writer(deployment, room, seed=9)
    writer.put(30)
    page = scene("EntriesUpwards", proxy.url, room)
    page.until_showing("it.pages.length === 4 && it.whole !== null")
    for _ in range(5):
        page.act("loadMore", 4)
        page.until_showing("it.status === 'CanLoadMore' || it.status === 'Exhausted'")
        proxy.go_offline()
        page.until("!connected()")
        for _ in range(10):
            writer.write()
        proxy.go_online()
        page.until("connected()")
        until_current(page, len(writer.ranks))
    load_all(page)

    assert_whole(page.shown)
    assert len(page.shown[-1]["pages"]) == len(writer.ranks)
    assert page.sockets["opened"] >= 6


def test_an_empty_list_fills(deployment: Deployment, scene: Open, room: str) -> None:
    """A first page that was empty takes all that comes, and is split as it grows (PAG-21)."""
    page = scene("EntriesUpwards", deployment.url, room)
    page.until_showing("it.status === 'Exhausted' && it.whole !== null")
    writer = Writer(deployment, room, seed=10)
    for _ in range(25):
        writer.put(1)
    until_current(page, 25)
    load_all(page)

    assert_whole(page.shown)
    assert len(page.shown[-1]["pages"]) == 25
    assert page.sockets["ranges"] > 0, "no page was split"


def test_cursors_of_an_index_that_changed(own_deployment: Deployment, scene: Open, room: str) -> None:
    """A deploy that changes the index makes cursors invalid: the hook starts from the first page, whole (PAG-18)."""
    writer = Writer(own_deployment, room, seed=11)
    writer.put(20)
    page = scene("EntriesUpwards", own_deployment.url, room)
    page.until_showing("it.pages.length === 4 && it.whole !== null")
    page.act("loadMore", 4)
    page.until_showing("it.pages.length === 8")

    schema = own_deployment.project / "schema.py"
    schema.write_text(schema.read_text().replace('index("room", "rank")', 'index("room", "rank", "text")'))
    frames = len(page.shown)
    own_deployment.restart(Server.stop)
    page.until(f"shown.slice({frames}).some((it) => it.status === 'LoadingFirstPage')")
    page.until_showing("it.pages.length === 4 && it.status === 'CanLoadMore'")
    writer.put(1)
    until_current(page, 21)
    load_all(page)

    assert_whole(page.shown)
    assert len(page.shown[-1]["pages"]) == 21
