"""
Pages under thousands of random writes, against a model: a sorted list.

A client that behaves as the shipped hook does (loads more, splits pages that have grown, keeps
journals) and wakes a page only when a commit meets the page's read set. Whatever happens, its
pages put together are the beginning of the list.
"""

import random
from collections.abc import Callable
from typing import Any

import pytest

from joelclaw.functions.calls import Range
from joelclaw.schema.layout import IndexKey
from tests.functions.deployment import Deployment, value_of

FILES = {
    "schema.py": """
        from joelclaw import *

        class Item(Table):
            __table__ = "items"
            room: str
            rank: int
            by_rank = index("room", "rank")
    """,
    "items.py": """
        from joelclaw import *
        from schema import Item

        @query
        def page(ctx: QueryCtx, pagination_opts: PageOptions, desc: bool, even: bool) -> Page[int]:
            items = ctx.db.query(Item.by_rank, room="a").order("desc" if desc else "asc")
            if even:
                items = items.filter(lambda item: item.rank % 2 == 0)
            return items.paginate(pagination_opts).map(lambda item: item.rank)

        @mutation
        def put(ctx: MutationCtx, rank: int, room: str) -> None:
            ctx.db.insert(Item(room=room, rank=rank))

        @mutation
        def take(ctx: MutationCtx, rank: int) -> None:
            ctx.db.delete(ctx.db.query(Item.by_rank, room="a", rank=rank).first())

        @mutation
        def move(ctx: MutationCtx, rank: int, to: int) -> None:
            ctx.db.patch(ctx.db.query(Item.by_rank, room="a", rank=rank).first(), rank=to)
    """,
}

STEPS = 1_500
SIZE = 4
"""Of a page; twice as much, and it is split."""


class Loaded:
    """A page as a client holds it: what it asks for, what it remembers, what it shows."""

    def __init__(self, cursor: str | None, end: str | None = None) -> None:
        self.options = {"numItems": float(SIZE), "cursor": cursor, **({} if end is None else {"endCursor": end})}
        self.journal: str | None = None
        self.result: Any = None
        self.reads: list[Range] = []

    def is_met_by(self, keys: list[Any]) -> bool:
        return any(_contains(read, key) for key in keys if isinstance(key, IndexKey) for read in self.reads)


def _contains(read: Range, key: IndexKey) -> bool:
    return (
        read.index == key.index
        and key.key.startswith(read.prefix)
        and (read.start is None or key.key >= read.start)
        and (read.end is None or key.key < read.end)
    )


class Client:
    """Holds pages one behind the other, and keeps them current."""

    def __init__(self, items: Deployment, *, desc: bool, even: bool) -> None:
        self._items = items
        self._arguments = {"desc": desc, "even": even}
        self.pages = [self._run(Loaded(None))]
        self.splits = 0

    @property
    def shown(self) -> list[int]:
        return [int(rank) for page in self.pages for rank in page.result["page"]]

    @property
    def is_done(self) -> bool:
        return bool(self.pages[-1].result["isDone"])

    def hear(self, keys: list[Any]) -> None:
        """A commit: run again what it met, and nothing else."""
        for page in self.pages:
            if page.is_met_by(keys):
                self._run(page)
        self._split()

    def load_more(self) -> None:
        if not self.is_done:
            self.pages.append(self._run(Loaded(self.pages[-1].result["continueCursor"])))

    def drop_last(self) -> None:
        if len(self.pages) > 1:
            self.pages.pop()

    def reconnect(self) -> None:
        """Everything is asked for again; the journals are all that is left of the old connection."""
        for page in self.pages:
            self._run(page)

    def _split(self) -> None:
        for place, page in reversed(list(enumerate(self.pages))):
            result = page.result
            if result["splitCursor"] is not None and len(result["page"]) > 2 * SIZE:
                cursor, middle, end = page.options["cursor"], result["splitCursor"], result["continueCursor"]
                self.pages[place : place + 1] = [self._run(Loaded(cursor, middle)), self._run(Loaded(middle, end))]
                self.splits += 1

    def _run(self, page: Loaded) -> Loaded:
        arguments = {"paginationOpts": page.options, **self._arguments}
        outcome = self._items.run_query("items:page", arguments, journal=page.journal)
        page.result, page.journal, page.reads = value_of(outcome), outcome.journal, outcome.reads
        return page


@pytest.mark.parametrize(
    ("desc", "even", "seed"), [(False, False, 1), (True, False, 2), (False, True, 3), (True, True, 4)]
)
def test_pages_are_gapless_whatever_is_written(
    deployment: Callable[..., Deployment], desc: bool, even: bool, seed: int
) -> None:
    """Up or down, filtered or not: no item twice, none missing, after each of the steps (PAG-19, PAG-22)."""
    print("seed", seed)
    rnd = random.Random(seed)
    items = deployment(FILES)
    model: set[int] = set()
    client = Client(items, desc=desc, even=even)
    commits = 0
    for _ in range(STEPS):
        what = rnd.choices(["put", "take", "move", "elsewhere", "more", "less", "reconnect"], [9, 6, 4, 1, 2, 1, 1])[0]
        if what == "more":
            client.load_more()
        elif what == "less":
            client.drop_last()
        elif what == "reconnect":
            client.reconnect()
        else:
            write(items, model, what, rnd)
            assert items.last_commit is not None
            commits += 1
            client.hear(items.last_commit.keys)
        whole = sorted((rank for rank in model if not even or rank % 2 == 0), reverse=desc)
        shown = client.shown
        assert shown == whole[: len(shown)]
        assert not client.is_done or shown == whole
    assert client.splits > 5, "no page was split"
    assert commits > STEPS / 2


def write(items: Deployment, model: set[int], what: str, rnd: random.Random) -> None:
    """One commit, and the same in the model."""
    fresh = rnd.randrange(10**6)
    if what == "elsewhere":
        items.mutate("items:put", rank=fresh, room="b")
    elif what == "put" or not model:
        items.mutate("items:put", rank=fresh, room="a")
        model.add(fresh)
    else:
        rank = rnd.choice(sorted(model))
        model.remove(rank)
        if what == "take":
            items.mutate("items:take", rank=rank)
        else:
            items.mutate("items:move", rank=rank, to=fresh)
            model.add(fresh)
