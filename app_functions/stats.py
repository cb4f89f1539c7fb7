"""
Stats: what was counted, in all and over time.

Hundreds of increments a second come in, and a page wants to be told twice a second. So `add` writes into a table
that no page reads, and has `publish` run half a second later, unless it will anyway. `publish` moves what has
gathered into the totals, the minutes and the hours, in one transaction: whatever a page reads, they agree, and
nothing is counted twice. When nothing is counted, nothing runs but a cron that finds nothing.

Counters count whole ticks, so sums are exact in any order; how many of them make the unit that is shown, `COUNTERS`
says. Minutes and hours are those of UTC. An increment belongs to the minute in which it was added.

Not done: to have a cron sum up hours from minutes. One that came late would find its minutes forgotten.
"""

import hmac
import json
import logging
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, get_args

from joelclaw import (
    ActionCtx,
    AppError,
    Meta,
    MutationCtx,
    Object,
    QueryCtx,
    Request,
    Response,
    anyone,
    between,
    cron,
    http_action,
    mutation,
    query,
)
from schema import TICKS_MAX, CountedHour, CountedKey, CountedMinute, Counter, CounterName, Increment, Uncounted

Span = Literal["hour", "day", "month"]


class Counted(Object):
    """What a counter counts, in words."""

    label: str
    unit: str
    ticks_per_unit: int = 1


COUNTERS: Final[dict[CounterName, Counted]] = {
    "functions": Counted(label="Functions executed", unit="functions"),
    "tokens": Counted(label="Tokens", unit="tokens"),
    "transcription": Counted(label="Transcription", unit="minutes", ticks_per_unit=60),
}

MINUTE_MS: Final = 60_000.0
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

STEPS: Final[dict[Span, tuple[float, int]]] = {"hour": (MINUTE_MS, 60), "day": (HOUR_MS, 24), "month": (DAY_MS, 30)}
"""How long a step of each span is, and how many it has."""

TOLD_EVERY: Final = "500ms"
MINUTES_KEPT_MS: Final = 2 * DAY_MS
HOURS_KEPT_MS: Final = 366 * DAY_MS
KEYS_KEPT_MS: Final = DAY_MS

INCREMENTS_MAX: Final = 100
BODY_BYTES_MAX: Final = 16_384
KEY_CHARACTERS_MIN: Final = 16
"""A shorter STATS_KEY is none: it could be guessed."""

log = logging.getLogger("stats")


class Total(Object):
    """A counter's total, in its unit."""

    name: CounterName
    label: str
    unit: str
    value: float


class Step(Object):
    """How much was counted in a step that began then."""

    at: float
    value: float


class History(Object):
    """A counter over time: steps without a gap, the oldest first. The one that has not ended is not among them."""

    name: CounterName
    label: str
    unit: str
    step_ms: float
    steps: list[Step]


# -- asking


@query(allow=anyone)
def totals(ctx: QueryCtx) -> list[Total]:
    """What every counter has counted, half a second ago at most."""
    found = {counter.name: counter.ticks for counter in ctx.db.query(Counter)}
    return [
        Total(name=name, label=it.label, unit=it.unit, value=found.get(name, 0) / it.ticks_per_unit)
        for name, it in COUNTERS.items()
    ]


@query(allow=anyone)
def history(ctx: QueryCtx, name: CounterName, span: Span) -> History:
    """
    The last 60 minutes, 24 hours or 30 days of a counter, by minute, hour or day.

    Steps in which nothing was counted are there, as zeros. When one ends, it appears by itself.
    """
    step, steps = STEPS[span]
    end = ctx.now() // step * step
    begin = end - steps * step
    # The one thing that time changes. Of what is being counted just now nothing is read, so it runs once a step.
    ctx.before(end + step)
    ticks = [0] * steps
    for began_at, count in _counted(ctx, name, begin, end, by_minute=step < HOUR_MS):
        ticks[int((began_at - begin) // step)] += count
    it = COUNTERS[name]
    return History(
        name=name,
        label=it.label,
        unit=it.unit,
        step_ms=step,
        steps=[Step(at=begin + i * step, value=count / it.ticks_per_unit) for i, count in enumerate(ticks)],
    )


# -- counting


@mutation
def add(
    ctx: MutationCtx,
    increments: Annotated[list[Increment], Meta(max_length=INCREMENTS_MAX)],
    key: Annotated[str, Meta(min_length=1, max_length=100)] | None = None,
) -> bool:
    """Count these; False if increments with this key were counted within a day."""
    if key is not None:
        if ctx.db.find(CountedKey.by_key, key=key) is not None:
            return False
        ctx.db.insert(CountedKey(key=key, forget_at=ctx.now() + KEYS_KEPT_MS))
    if increments and ctx.db.query(Uncounted).first() is None:
        ctx.scheduler.run_after(TOLD_EVERY, publish)
    minute = ctx.now() // MINUTE_MS * MINUTE_MS
    for one in increments:
        _gather(ctx, one, minute)
    return True


# The cron finds something only where a job of `add` has failed.
@cron(every="10m")
@mutation
def publish(ctx: MutationCtx) -> int:
    """Move what has gathered to where pages see it; how many ticks."""
    moved = 0
    for gathered in ctx.db.query(Uncounted).collect():
        _count(ctx, gathered)
        ctx.db.delete(gathered)
        moved += gathered.ticks
    return moved


@http_action("POST", "/stats")
async def receive(ctx: ActionCtx, request: Request) -> Response:
    """
    Count what a machine reports: `{"increments": [{"counter": "tokens", "ticks": 12}], "key": "run-7"}`.

    Whoever has no answer sends the same again, with the same key. `Authorization: Bearer ...` holds STATS_KEY.
    """
    key = ctx.env.get("STATS_KEY", "")
    if len(key) < KEY_CHARACTERS_MIN:
        log.error("STATS_KEY is not set, or shorter than %d characters: nothing is counted", KEY_CHARACTERS_MIN)
        return Response("counting is not configured", status=503)
    given = request.headers.get("authorization", "")
    # Compared in constant time: how long it takes must not tell how much of it is right.
    if not hmac.compare_digest(given.encode(), f"Bearer {key}".encode()):
        return Response("the key is not ours", status=401, headers={"WWW-Authenticate": "Bearer"})
    body = await request.body()
    if len(body) > BODY_BYTES_MAX:
        return Response(f"a report has at most {BODY_BYTES_MAX} bytes", status=413)
    try:
        increments, report_key = _report(body)
    except AppError as error:
        return Response(str(error.data), status=400)
    is_new = await ctx.run_mutation(add, increments, report_key)
    return Response.json({"counted": True, "repeated": not is_new})


# -- helpers


def _counted(
    ctx: QueryCtx, name: CounterName, begin: float, end: float, *, by_minute: bool
) -> Iterator[tuple[float, int]]:
    """When, and how many ticks: `begin` is the first moment, `end` the first that is not asked for."""
    asked = between(begin, end - 1)
    if by_minute:
        for minute in ctx.db.query(CountedMinute.by_time, name=name, began_at=asked):
            yield minute.began_at, minute.ticks
    else:
        for hour in ctx.db.query(CountedHour.by_time, name=name, began_at=asked):
            yield hour.began_at, hour.ticks


def _gather(ctx: MutationCtx, one: Increment, minute: float) -> None:
    gathered = ctx.db.find(Uncounted.by_minute, name=one.counter, minute=minute)
    if gathered is None:
        ctx.db.insert(Uncounted(name=one.counter, minute=minute, ticks=one.ticks))
    else:
        ctx.db.patch(gathered, ticks=gathered.ticks + one.ticks)


def _count(ctx: MutationCtx, gathered: Uncounted) -> None:
    name, ticks, minute = gathered.name, gathered.ticks, gathered.minute
    counter = ctx.db.find(Counter.by_name, name=name)
    if counter is None:
        ctx.db.insert(Counter(name=name, ticks=ticks))
    else:
        ctx.db.patch(counter, ticks=counter.ticks + ticks)

    counted_minute = ctx.db.find(CountedMinute.by_time, name=name, began_at=minute)
    if counted_minute is None:
        forget_at = minute + MINUTES_KEPT_MS
        ctx.db.insert(CountedMinute(name=name, began_at=minute, ticks=ticks, forget_at=forget_at))
    else:
        ctx.db.patch(counted_minute, ticks=counted_minute.ticks + ticks)

    hour = minute // HOUR_MS * HOUR_MS
    counted_hour = ctx.db.find(CountedHour.by_time, name=name, began_at=hour)
    if counted_hour is None:
        ctx.db.insert(CountedHour(name=name, began_at=hour, ticks=ticks, forget_at=hour + HOURS_KEPT_MS))
    else:
        ctx.db.patch(counted_hour, ticks=counted_hour.ticks + ticks)


def _report(body: bytes) -> tuple[list[Increment], str | None]:
    """
    What a report says.

    Raises:
        AppError: It is none; the data says why.
    """
    try:
        report: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise AppError("a report is JSON") from None
    if not isinstance(report, dict) or not report.keys() <= {"increments", "key"}:
        raise AppError('a report is {"increments": [...], "key": "..."}; the key may be left out')
    key, increments = report.get("key"), report.get("increments")
    if key is not None and not (isinstance(key, str) and 0 < len(key) <= 100):
        raise AppError("a key is text of 1 to 100 characters")
    if not isinstance(increments, list) or len(increments) > INCREMENTS_MAX:
        raise AppError(f"increments are a list of at most {INCREMENTS_MAX}")
    return [_increment(one) for one in increments], key


def _increment(one: Any) -> Increment:
    names = get_args(CounterName)
    if not isinstance(one, dict) or one.keys() != {"counter", "ticks"} or one["counter"] not in names:
        raise AppError(f'an increment is {{"counter": "...", "ticks": 1}}, and a counter one of {", ".join(names)}')
    ticks = one["ticks"]
    # In Python, true is an int.
    if type(ticks) is not int or not 1 <= ticks <= TICKS_MAX:
        raise AppError(f"ticks are a whole number from 1 to {TICKS_MAX}")
    return Increment(counter=one["counter"], ticks=ticks)
