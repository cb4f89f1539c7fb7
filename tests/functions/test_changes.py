"""Loops over a query that write to what they walk: each document once, whatever was fetched ahead."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.functions.deployment import Deployment

SCHEMA = """
    from joelclaw import *

    class Day(Table):
        __table__ = "days"
        n: float
        visits: int = 0
        by_n = index("n")
"""

FUNCTIONS = """
    from random import Random
    from joelclaw import *
    from schema import Day

    @mutation
    def fill(ctx: MutationCtx, ns: list[float]) -> None:
        for n in ns:
            ctx.db.insert(Day(n=n))

    @query
    def numbers(ctx: QueryCtx) -> list[float]:
        return [day.n for day in ctx.db.query(Day.by_n)]

    @query
    def visits(ctx: QueryCtx) -> list[int]:
        return sorted({day.visits for day in ctx.db.query(Day)})

    @mutation
    def delete_each(ctx: MutationCtx) -> int:
        return sum(1 for day in ctx.db.query(Day.by_n) if not ctx.db.delete(day))

    @mutation
    def mark_each(ctx: MutationCtx) -> None:
        for day in ctx.db.query(Day):
            ctx.db.patch(day, visits=day.visits + 1)

    @mutation
    def postpone_each(ctx: MutationCtx, by: float) -> None:
        for day in ctx.db.query(Day.by_n):
            ctx.db.patch(day, n=day.n + by, visits=day.visits + 1)

    @mutation
    def copy_each(ctx: MutationCtx) -> None:
        for day in ctx.db.query(Day.by_n):
            ctx.db.insert(Day(n=day.n + 0.5))

    @mutation
    def drop_next(ctx: MutationCtx) -> list[float]:
        seen = []
        for day in ctx.db.query(Day.by_n):
            seen.append(day.n)
            following = ctx.db.query(Day.by_n, n=gt(day.n)).first()
            if following is not None:
                ctx.db.delete(following)
        return seen

    @mutation
    def rename_next(ctx: MutationCtx) -> list[int]:
        seen = []
        for day in ctx.db.query(Day.by_n):
            seen.append(day.visits)
            following = ctx.db.query(Day.by_n, n=gt(day.n)).first()
            if following is not None:
                ctx.db.patch(following, visits=7)
        return seen

    @mutation
    def undone(ctx: MutationCtx, ids: list[Id[Day]]) -> None:
        for id in ids:
            ctx.db.delete(id)
        ctx.db.insert(Day(n=50.0))
        raise AppError("no")

    @mutation
    def churn(ctx: MutationCtx, seed: int, direction: str, low: float, high: float) -> int:
        random = Random(seed)
        state = {day.id: (day.n, day.creation_time) for day in ctx.db.query(Day).collect()}
        inside = lambda id: id in state and low <= state[id][0] <= high
        left = sorted((id for id in state if inside(id)), key=state.get, reverse=direction == "desc")
        visited = 0
        for day in ctx.db.query(Day.by_n, n=between(low, high)).order(direction):
            left = left[next(place for place, id in enumerate(left) if inside(id)):]
            assert day.id == left.pop(0) and day.n == state[day.id][0], "another one was due"
            visited += 1
            for _ in range(random.randrange(4)):
                id, n = random.choice(list(state)), float(random.randrange(100))
                what = random.randrange(5)
                if what == 0:
                    ctx.db.delete(id)
                    del state[id]
                elif what == 1:
                    new = Day(n=n)
                    ctx.db.insert(new)
                    state[new.id] = (n, new.creation_time)
                elif what == 2:
                    try:
                        ctx.run_mutation(undone, ids=random.sample(list(state), 3))
                    except AppError:
                        pass
                else:
                    ctx.db.patch(id, n=n)
                    state[id] = (n, state[id][1])
        assert not any(map(inside, left)), "some were left out"
        return visited
"""


@pytest.fixture
def days(deployment: Callable[..., Deployment]) -> Deployment:
    return deployment({"schema.py": SCHEMA, "days.py": FUNCTIONS})


def filled(days: Deployment, count: int) -> Deployment:
    days.mutate("days:fill", ns=[float(n) for n in range(count)])
    return days


def test_a_loop_that_deletes_each_document_misses_none(days: Deployment) -> None:
    """Deleting what is visited leaves nothing, over the borders of slices."""
    assert filled(days, 200).mutate("days:deleteEach") == 200
    assert days.query("days:numbers") == []


def test_a_loop_that_changes_each_document_visits_each_once(days: Deployment) -> None:
    """Patching what is visited, in place or forward along the index, visits each document once, and ends."""
    filled(days, 200).mutate("days:markEach")
    assert days.query("days:visits") == [1]
    for by in (0.5, 1000.0, -1000.0):
        days.mutate("days:postponeEach", by=by)
    assert days.query("days:visits") == [4]


def test_a_loop_does_not_visit_what_it_inserts(days: Deployment) -> None:
    """Copying each document ends after the originals, though each copy stands before the next original."""
    filled(days, 100).mutate("days:copyEach")
    assert len(days.query("days:numbers")) == 200


def test_a_loop_does_not_visit_what_it_deletes_ahead(days: Deployment) -> None:
    """Deleting the following document skips it, wherever slices end."""
    assert filled(days, 100).mutate("days:dropNext") == [float(n) for n in range(0, 100, 2)]


def test_a_loop_sees_documents_as_they_are_when_their_turn_comes(days: Deployment) -> None:
    """What was patched ahead is handed out with the patch, wherever slices end: saving it loses nothing."""
    assert filled(days, 100).mutate("days:renameNext") == [0] + [7] * 99


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("seed", range(40))
def test_a_loop_agrees_with_the_rule_whatever_it_writes(days: Deployment, seed: int, direction: str) -> None:
    """
    Against a model: those that were there and still are, once, in their first order, as they are by then.

    Deletes, inserts, moves in and out of the range, and nested mutations that are undone, at random.
    """
    print("seed", seed)
    days.mutate("days:fill", ns=[float((n * 37 + seed) % 100) for n in range(150)])
    bounds: dict[str, Any] = {"low": 10.0, "high": 80.0} if seed % 2 else {"low": -1.0, "high": 1000.0}
    assert days.mutate("days:churn", seed=seed, direction=direction, **bounds) > 20
