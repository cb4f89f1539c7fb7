"""
Pagination, where `tests/functions/test_pages.py` does not show it: by creation order, over absent
values and large pages, and with the shipped client's own pagination.
"""

from collections.abc import Callable
from typing import Any

import pytest

from joelclaw.limits import Limits
from tests.behaviours.lab import SCHEMA
from tests.functions.deployment import Deployment, value_of

FUNCTIONS = """
    from joelclaw import *
    from schema import Thing

    @query
    def by_creation(ctx: QueryCtx, pagination_opts: PageOptions, desc: bool = False) -> Page[Thing]:
        return ctx.db.query(Thing).order("desc" if desc else "asc").paginate(pagination_opts)

    @query
    def by_tag(ctx: QueryCtx, pagination_opts: PageOptions) -> Page[Thing]:
        return ctx.db.query(Thing.by_tag_n).paginate(pagination_opts)

    @query
    def numbers(ctx: QueryCtx, pagination_opts: PageOptions) -> Page[float]:
        return ctx.db.query(Thing).paginate(pagination_opts).map(lambda thing: thing.n)

    @mutation
    def add(ctx: MutationCtx, ns: list[float], tag: str | None = None, tagged: bool = True) -> None:
        for n in ns:
            ctx.db.insert(Thing(n=n, tag=tag if tagged else UNSET))

    @mutation
    def remove(ctx: MutationCtx, n: float) -> None:
        for thing in ctx.db.query(Thing).filter(lambda thing: thing.n == n):
            ctx.db.delete(thing)
"""


@pytest.fixture
def things(deployment: Callable[..., Deployment]) -> Deployment:
    return deployment({"schema.py": SCHEMA, "things.py": FUNCTIONS})


def options(num_items: int, cursor: str | None = None) -> dict[str, Any]:
    return {"numItems": float(num_items), "cursor": cursor}


def page(things: Deployment, path: str, opts: dict[str, Any], journal: str | None = None, **arguments: Any) -> Any:
    return value_of(things.run_query(path, {"paginationOpts": opts, **arguments}, journal=journal))


def ns(page: Any) -> list[float]:
    return [thing["n"] for thing in page["page"]]


@pytest.mark.parametrize("desc", [False, True])
def test_pag_06_the_document_at_the_cursor_may_go(things: Deployment, desc: bool) -> None:
    """PAG-6: by creation order, too, deleting the last document of a page neither skips nor repeats one."""
    things.mutate("things:add", ns=[1.0, 2.0, 3.0, 4.0])
    first = page(things, "things:byCreation", options(2), desc=desc)
    things.mutate("things:remove", n=ns(first)[-1])
    rest = page(things, "things:byCreation", options(2, first["continueCursor"]), desc=desc)
    assert ns(first) + ns(rest) == ([4, 3, 2, 1] if desc else [1, 2, 3, 4])


def test_pag_07_absent_values_come_first_over_page_borders(things: Deployment) -> None:
    """PAG-7: pages of an index begin with absent values, then null, also where a border falls among them."""
    things.mutate("things:add", ns=[5.0, 6.0], tag="a")
    things.mutate("things:add", ns=[3.0, 4.0])
    things.mutate("things:add", ns=[1.0, 2.0], tagged=False)
    pages = [page(things, "things:byTag", options(1))]
    while not pages[-1]["isDone"]:
        pages.append(page(things, "things:byTag", options(1, pages[-1]["continueCursor"])))
    assert [ns(one) for one in pages] == [[1], [2], [3], [4], [5], [6], []]


def test_pag_14_a_page_of_very_many_results_should_be_split(things: Deployment) -> None:
    """PAG-14: up to 6,144 results are a page like others; one more, and a split is recommended."""
    things.mutate("things:add", ns=[float(n) for n in range(6_145)])
    assert page(things, "things:numbers", options(6_144))["pageStatus"] is None
    assert page(things, "things:numbers", options(6_145))["pageStatus"] == "SplitRecommended"


def test_pag_20_an_insert_in_front_of_the_first_page_shows_in_it(things: Deployment) -> None:
    """PAG-20: newest first, what is new appears on the page that was first, whose end stays where it was."""
    things.mutate("things:add", ns=[1.0, 2.0, 3.0])
    first = things.run_query("things:byCreation", {"paginationOpts": options(2), "desc": True})
    things.mutate("things:add", ns=[4.0])
    again = page(things, "things:byCreation", options(2), journal=first.journal, desc=True)
    assert (ns(value_of(first)), ns(again)) == ([3, 2], [4, 3, 2])


def test_pag_14_pages_keep_to_the_limits_that_are_declared(deployment: Callable[..., Deployment]) -> None:
    """PAG-14, PAG-17: close to what a query may read a split is recommended; a page never goes beyond, but is cut."""
    things = deployment({"schema.py": SCHEMA, "things.py": FUNCTIONS}, limits=Limits(documents_read=9))
    things.mutate("things:add", ns=[float(n) for n in range(20)])
    whole = page(things, "things:byCreation", options(6))
    assert (len(whole["page"]), whole["pageStatus"], whole["isDone"]) == (6, None, False)
    large = page(things, "things:byCreation", options(8))
    assert (len(large["page"]), large["pageStatus"]) == (8, "SplitRecommended")
    cut = page(things, "things:byCreation", options(9))
    assert (len(cut["page"]), cut["pageStatus"], cut["isDone"]) == (8, "SplitRequired", False)

    halves = [{"endCursor": cut["splitCursor"]}, {"endCursor": cut["continueCursor"], "cursor": cut["splitCursor"]}]
    parts = [page(things, "things:byCreation", options(9) | half) for half in halves]
    assert ns(parts[0]) + ns(parts[1]) == ns(cut) == list(range(8))

    outcome = things.run_query("things:byCreation", {"paginationOpts": options(10)})
    assert outcome.failure is not None
    assert "Requested too many items: 10" in outcome.failure.message
