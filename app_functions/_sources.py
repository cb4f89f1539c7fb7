"""
Sources: places outside from which we fetch, and whether that went well.

A source that fails leaves what was fetched before where it is: only its own document says that it is down, and since
when. A success is written once a minute at most, so a source that is asked every second costs few writes.

Elsewhere: `health.py` shows them to the owner; `slog.py` fetches.
"""

from typing import Final

from joelclaw import MutationCtx
from schema import Source, SourceName

TOLD_EVERY_MS: Final = 60_000.0
PROBLEM_CHARACTERS: Final = 400


def went_well(ctx: MutationCtx, name: SourceName) -> None:
    """A try went well just now."""
    source = ctx.db.find(Source.by_name, name=name)
    if source is None:
        ctx.db.insert(Source(name=name, good_at=ctx.now()))
    elif source.problem is not None or source.good_at is None or ctx.now() - source.good_at >= TOLD_EVERY_MS:
        ctx.db.patch(source, good_at=ctx.now(), problem=None, down_since=None)


def went_wrong(ctx: MutationCtx, name: SourceName, problem: str) -> None:
    """A try failed just now. How long it has been failing is kept; the same problem again writes nothing."""
    problem = problem[:PROBLEM_CHARACTERS]
    source = ctx.db.find(Source.by_name, name=name)
    if source is None:
        ctx.db.insert(Source(name=name, problem=problem, down_since=ctx.now()))
    elif source.problem != problem:
        ctx.db.patch(source, problem=problem, down_since=source.down_since or ctx.now())
