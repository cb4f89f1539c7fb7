"""
The log: a file of JSON lines on this machine, `SLOG_PATH`, which the owner sees live.

A cron that never overlaps itself begins a run every five minutes, which follows the file until the next is due. So
whatever ends one, the file is followed again within five minutes, from where it was left. Lines and the place behind
them are written by one mutation, which refuses lines that were read from another place than the one that is kept:
killed at any moment, a run has kept a line with its place, or neither.

A line that is no JSON object is shown as it is, as a warning; a long one is cut. Nothing in the file can end a run.

Elsewhere: `_logfile.py` reads on over rotations; `_loglines.py` understands lines; `health.py` shows whether the
file can be read.
"""

import asyncio
from pathlib import Path
from typing import Annotated, Final

from app_functions._logfile import LINES_MAX, Place, Taken, read_on
from app_functions._loglines import note, understood
from app_functions._people import OWNER
from app_functions._sources import went_well, went_wrong
from joelclaw import (
    ActionCtx,
    Meta,
    MutationCtx,
    Object,
    Page,
    PageOptions,
    QueryCtx,
    action,
    cron,
    mutation,
    query,
    role,
)
from schema import LogLevel, LogLine, LogPlace, NewLine

KEPT_MS: Final = 7 * 24 * 3_600_000.0
LOOKED_EVERY_S: Final = 0.5
FOLLOWED_FOR_S: Final = 298.0
GAP: Final = "Lines may be missing here: the file was cut, or rotated away before it was read."


class ReadPlace(Object):
    """A place in a file, see `_logfile.py`."""

    inode: str
    offset: int
    sign: str
    inside_line: bool


class LineSeen(Object):
    """A line, as the owner sees it."""

    id: str
    at: float
    level: LogLevel
    component: str
    text: str
    details: str


@query(allow=role(OWNER))
def tail(
    ctx: QueryCtx, pagination_opts: PageOptions, component: str | None = None, level: LogLevel | None = None
) -> Page[LineSeen]:
    """The newest lines first, of one component or of one level if asked for."""
    if component and level:
        found = ctx.db.query(LogLine.by_component_and_level, line_component=component, line_level=level)
    elif component:
        found = ctx.db.query(LogLine.by_component, line_component=component)
    elif level:
        found = ctx.db.query(LogLine.by_level, line_level=level)
    else:
        found = ctx.db.query(LogLine)
    return found.order("desc").paginate(pagination_opts).map(_seen)


@query
def place(ctx: QueryCtx, path: str) -> ReadPlace | None:
    """How far a file was read."""
    known = ctx.db.find(LogPlace.by_path, path=path)
    if known is None:
        return None
    return ReadPlace(inode=known.inode, offset=known.offset, sign=known.sign, inside_line=known.inside_line)


@mutation
def keep(
    ctx: MutationCtx,
    path: str,
    lines: Annotated[list[NewLine], Meta(max_length=LINES_MAX + 2)],
    behind: ReadPlace,
    before: ReadPlace | None = None,
) -> bool:
    """Keep lines that were read between two places; False if the file was read on by somebody else."""
    if place(ctx, path) != before:
        return False
    for line in lines:
        ctx.db.insert(LogLine(line=line, forget_at=ctx.now() + KEPT_MS))
    known = ctx.db.find(LogPlace.by_path, path=path)
    if known is None:
        ctx.db.insert(
            LogPlace(
                path=path, inode=behind.inode, offset=behind.offset, sign=behind.sign, inside_line=behind.inside_line
            )
        )
    else:
        ctx.db.patch(known, inode=behind.inode, offset=behind.offset, sign=behind.sign, inside_line=behind.inside_line)
    return True


@mutation
def tried(ctx: MutationCtx, problem: str | None = None) -> None:
    """The file could be read, or why not."""
    if problem is None:
        went_well(ctx, "slog")
    else:
        went_wrong(ctx, "slog", problem)


@cron(every="5m")
@action
async def follow(ctx: ActionCtx, for_s: float = FOLLOWED_FOR_S) -> int:
    """Keep what is written into the log file, for so long; how many lines. With 0, what is there now."""
    path = ctx.env.get("SLOG_PATH", "")
    if not path:
        return 0
    end = asyncio.get_running_loop().time() + for_s
    kept = 0
    told: str | None = None
    while True:
        try:
            kept += await _catch_up(ctx, path)
            problem = None
        except OSError as error:
            problem = _sentence(path, error)
        # A run tells how it goes at its beginning, and when that changes.
        if told is None or told != (problem or ""):
            await ctx.run_mutation(tried, problem)
            told = problem or ""
        if asyncio.get_running_loop().time() >= end:
            return kept
        await asyncio.sleep(LOOKED_EVERY_S)


# -- helpers


async def _catch_up(ctx: ActionCtx, path: str) -> int:
    """Keep all there is; how many lines."""
    kept = 0
    while True:
        before = await ctx.run_query(place, path)
        known = None if before is None else Place(before.inode, before.offset, before.sign, before.inside_line)
        taken = await asyncio.to_thread(read_on, Path(path), known)
        if taken.place is None or taken.place == known:
            return kept
        behind = ReadPlace(
            inode=taken.place.inode,
            offset=taken.place.offset,
            sign=taken.place.sign,
            inside_line=taken.place.inside_line,
        )
        lines = _lines(taken, ctx.now())
        if await ctx.run_mutation(keep, path, lines, behind, before):
            kept += len(lines)


def _lines(taken: Taken, now: float) -> list[NewLine]:
    gap = [note(GAP, now)] if taken.gap else []
    return gap + [line for raw in taken.lines if (line := understood(raw, now)) is not None]


def _sentence(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"There is no file {path}."
    if isinstance(error, PermissionError):
        return f"{path} may not be read by the user that runs joelclaw."
    return f"{path} cannot be read: {error.strerror or error}."


def _seen(found: LogLine) -> LineSeen:
    line = found.line
    return LineSeen(
        id=found.id, at=line.at, level=line.level, component=line.component, text=line.text, details=line.details
    )
