"""
Pipeline: what Inngest did lately, for the owner.

Elsewhere: `inngest.py` fetches it; `health.py` has whether Inngest answers.
"""

from datetime import timedelta
from typing import Final

from app_functions._people import OWNER
from joelclaw import Object, Page, PageOptions, QueryCtx, gt, query, role
from schema import PipelineEvent, PipelineFunction, PipelineRun, RunState

FUNCTIONS_MAX: Final = 200
RUNS_MAX: Final = 20
"""Of one event, that are shown."""

LATELY: Final = timedelta(hours=1)


class RunSeen(Object):
    """A run of a function."""

    id: str
    function: str
    state: RunState
    started_at: float
    ended_at: float | None
    problem: str


class EventSeen(Object):
    """An event, and what it started."""

    id: str
    name: str
    received_at: float
    runs: list[RunSeen]


class FunctionSeen(Object):
    """A function that has run within a week: its last run, and how many began within the hour."""

    id: str
    name: str
    state: RunState
    started_at: float
    problem: str
    runs_lately: int


@query(allow=role(OWNER))
def activity(ctx: QueryCtx, pagination_opts: PageOptions) -> Page[EventSeen]:
    """The newest events first, without those by which Inngest reports that a function has ended."""
    found = ctx.db.query(PipelineEvent.by_received_at, is_report=False).order("desc")
    return found.paginate(pagination_opts).map(lambda one: _event(ctx, one))


@query(allow=role(OWNER))
def functions(ctx: QueryCtx) -> list[FunctionSeen]:
    """Functions that have run within a week, by name."""
    found = ctx.db.query(PipelineFunction).take(FUNCTIONS_MAX)
    seen = [it for it in (_function(ctx, one) for one in found) if it is not None]
    return sorted(seen, key=lambda it: (it.name, it.id))


# -- helpers


def _event(ctx: QueryCtx, found: PipelineEvent) -> EventSeen:
    event = found.event
    runs = ctx.db.query(PipelineRun.by_event_id, event_id=event.event_id).take(RUNS_MAX)
    return EventSeen(
        id=event.event_id,
        name=event.name,
        received_at=event.received_at,
        runs=[
            RunSeen(
                id=one.run.run_id,
                function=_name(ctx, one.run.function_id),
                state=one.run.state,
                started_at=one.run.started_at,
                ended_at=one.run.ended_at,
                problem=one.run.problem,
            )
            for one in runs
        ],
    )


def _function(ctx: QueryCtx, found: PipelineFunction) -> FunctionSeen | None:
    id = found.function_id
    last = ctx.db.query(PipelineRun.by_function, run_function_id=id).order("desc").first()
    if last is None:
        return None
    since = ctx.now() - LATELY / timedelta(milliseconds=1)
    lately = ctx.db.query(PipelineRun.by_function, run_function_id=id, run_started_at=gt(since))
    oldest = lately.first()
    if oldest is not None:
        # When it is not lately any more, the number changes.
        ctx.within(oldest.run.started_at, LATELY)
    return FunctionSeen(
        id=id,
        name=_name(ctx, id),
        state=last.run.state,
        started_at=last.run.started_at,
        problem=last.run.problem,
        runs_lately=lately.count(),
    )


def _name(ctx: QueryCtx, function_id: str) -> str:
    known = ctx.db.find(PipelineFunction.by_function_id, function_id=function_id)
    return known.name if known is not None and known.name is not None else function_id[:8]
