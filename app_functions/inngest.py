"""
Inngest: what it did, fetched from its API, and what its functions report to us, over a webhook.

A cron that never overlaps itself begins a run every five minutes, which asks every ten seconds until the next is due.
Events come newest first, so a way begins at the newest and leads back to where the one before began, page by page; each
page is kept with the place behind it, in one transaction. However long Inngest was away or we were, and whatever ends a
run, the way is gone to its end, and each event is kept once. Ways overlap by some minutes, for Inngest lists an event
later than it received it.

An event's runs are asked for until all have ended, less and less often. In the transaction in which a run is seen to
have ended first, it is counted for the stats. A run is forgotten long after Inngest is asked for it last.

A report is signed as Standard Webhooks say: HMAC-SHA256 over id, time and the raw body, with a
secret that both sides know. The signature proves the sender, the time bounds how long a copy of it
is worth anything, and the id, which is unique in the table, makes each one count once: whoever
repeats it, the sender after a lost answer or somebody who listened, changes nothing.

Elsewhere: `_inngest_api.py` speaks with Inngest; `pipeline.py` shows what was kept; `health.py` whether it answers.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import logging
from typing import Annotated, Any, Final

from app_functions import stats
from app_functions._inngest_api import PAGE, RUNS_MAX, Api, CannotAsk, opened
from app_functions._sources import went_well, went_wrong
from joelclaw import (
    ActionCtx,
    Meta,
    MutationCtx,
    Object,
    QueryCtx,
    Request,
    Response,
    action,
    cron,
    http_action,
    mutation,
    query,
    role,
)
from schema import (
    Delivery,
    Increment,
    NewEvent,
    NewRun,
    PipelineEvent,
    PipelineFunction,
    PipelinePlace,
    PipelineQuestion,
    PipelineRun,
)

TOLERANCE_S = 5 * 60
"""By how much a report's time may differ from ours."""

KEPT_MS = 30 * 24 * 60 * 60 * 1000.0
BODY_BYTES_MAX = 200_000

MINUTE_MS: Final = 60_000.0
DAY_MS: Final = 24 * 60 * MINUTE_MS

FETCHED_KEPT_MS: Final = 7 * DAY_MS
FIRST_LOOK_MS: Final = DAY_MS
"""How far back the first way leads."""

OVERLAP_MS: Final = 5 * MINUTE_MS
LAG_MAX_MS: Final = DAY_MS
"""No way begins earlier because Inngest is quiet: what was forgotten here is not to be fetched again."""

POLLED_EVERY_S: Final = 10.0
POLLED_FOR_S: Final = 298.0
PATIENCE_S: Final = 120.0
"""The longest wait after failures, unless Inngest asks for more."""

PAGES_MAX: Final = 10
QUESTIONS_MAX: Final = 50
"""What is asked for at a time, at most."""

YOUNG_MS: Final = 10 * MINUTE_MS
"""A younger event may have runs that are not listed yet."""

log = logging.getLogger("inngest")


class Place(Object):
    """How far events were fetched, see `PipelinePlace`."""

    after: float
    cursor: str | None
    newest: float


class Answer(Object):
    """The runs of an event."""

    event_id: str
    runs: Annotated[list[NewRun], Meta(max_length=RUNS_MAX)]


# -- fetched


@query
def place(ctx: QueryCtx, url: str) -> Place | None:
    """How far events were fetched; None: Inngest does not want to be asked now."""
    known = ctx.db.find(PipelinePlace.by_url, url=url)
    if known is None:
        after = ctx.now() - FIRST_LOOK_MS
        return Place(after=after, cursor=None, newest=after)
    if ctx.before(known.quiet_until):
        return None
    return Place(after=known.after, cursor=known.cursor, newest=known.newest)


@query
def questions(ctx: QueryCtx) -> list[str]:
    """Events whose runs are to be asked for now."""
    found = ctx.db.query(PipelineQuestion.by_ask_at).take(QUESTIONS_MAX)
    return [one.event_id for one in found if ctx.after(one.ask_at)]


@mutation
def keep_events(
    ctx: MutationCtx,
    url: str,
    events: Annotated[list[NewEvent], Meta(max_length=2 * PAGE)],
    before: Place,
    behind: Place,
) -> int:
    """Keep a page of events, and the place behind it; how many are new. Nothing changes if somebody else went on."""
    known = ctx.db.find(PipelinePlace.by_url, url=url)
    if known is not None and (known.after, known.cursor) != (before.after, before.cursor):
        return 0
    new = sum(_keep_event(ctx, event) for event in events)
    if known is None:
        ctx.db.insert(PipelinePlace(url=url, after=behind.after, cursor=behind.cursor, newest=behind.newest))
    elif behind != before:
        ctx.db.patch(known, after=behind.after, cursor=behind.cursor, newest=behind.newest)
    return new


@mutation
def keep_runs(ctx: MutationCtx, answers: Annotated[list[Answer], Meta(max_length=QUESTIONS_MAX)]) -> None:
    """Keep how runs are now, and when to ask again."""
    ended = 0
    for answer in answers:
        ended += sum(_keep_run(ctx, answer.event_id, run) for run in answer.runs)
        _ask_again(ctx, answer)
    if ended:
        stats.add(ctx, [Increment(counter="functions", ticks=ended)])


@mutation
def tried(ctx: MutationCtx, url: str, problem: str | None = None, wait_s: float = 0.0) -> None:
    """Inngest has answered, or why not, and for how long it wants to be left alone."""
    if problem is None:
        went_well(ctx, "inngest")
        return
    went_wrong(ctx, "inngest", problem)
    if wait_s > 0:
        known = ctx.db.find(PipelinePlace.by_url, url=url)
        quiet_until = ctx.now() + wait_s * 1000
        if known is None:
            after = ctx.now() - FIRST_LOOK_MS
            ctx.db.insert(PipelinePlace(url=url, after=after, newest=after, quiet_until=quiet_until))
        else:
            ctx.db.patch(known, quiet_until=quiet_until)


@cron(every="5m")
@action
async def poll(ctx: ActionCtx, for_s: float = POLLED_FOR_S) -> int:
    """Fetch events and runs again and again, for so long; how many events were new. With 0, once."""
    url = ctx.env.get("INNGEST_URL", "").rstrip("/")
    if not url:
        return 0
    end = asyncio.get_running_loop().time() + for_s
    new = failures = 0
    async with opened(url, ctx.env.get("INNGEST_SIGNING_KEY", "")) as api:
        while True:
            try:
                new += await _fetch(ctx, api, url)
            except CannotAsk as error:
                await ctx.run_mutation(tried, url, str(error), error.wait_s)
                pause_s = max(error.wait_s, min(POLLED_EVERY_S * 2**failures, PATIENCE_S))
                failures += 1
            else:
                pause_s, failures = POLLED_EVERY_S, 0
            if asyncio.get_running_loop().time() + pause_s >= end:
                return new
            await asyncio.sleep(pause_s)


# -- reported


@query(allow=role("owner"))
def recent(ctx: QueryCtx, limit: int = 50) -> list[Delivery]:
    """The newest reports first."""
    return ctx.db.query(Delivery).order("desc").take(limit)


@mutation
def receive(ctx: MutationCtx, delivery_id: str, event: str, body: str) -> bool:
    """Keep a report; False if it is there already."""
    if ctx.db.find(Delivery.by_delivery_id, delivery_id=delivery_id) is not None:
        return False
    ctx.db.insert(Delivery(delivery_id=delivery_id, event=event, body=body, forget_at=ctx.now() + KEPT_MS))
    return True


@http_action("POST", "/inngest/webhook")
async def webhook(ctx: ActionCtx, request: Request) -> Response:
    """Take a report. What is not signed, or not now, is refused before anything of it is believed."""
    secret = ctx.env.get("INNGEST_WEBHOOK_SECRET", "")
    key = _key(secret)
    if key is None:
        log.error("INNGEST_WEBHOOK_SECRET is not set, or is not 'whsec_' and base64: no report can be verified")
        return Response("webhooks are not configured", status=503)
    body = await request.body()
    problem = _problem(request, body, key, ctx.now() / 1000)
    if problem is not None:
        log.warning("a report was refused: %s", problem)
        return Response(problem, status=401)
    event = _event(body)
    if event is None:
        return Response("the body is no report", status=400)
    is_new = await ctx.run_mutation(receive, request.headers["webhook-id"], event, body.decode("utf-8"))
    return Response.json({"received": True, "repeated": not is_new})


def _key(secret: str) -> bytes | None:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _problem(request: Request, body: bytes, key: bytes, now_s: float) -> str | None:
    """Why this is no report of ours; None if it is one."""
    delivery_id = request.headers.get("webhook-id", "")
    sent_at = request.headers.get("webhook-timestamp", "")
    if not delivery_id or len(delivery_id) > 200 or not (sent_at.isascii() and sent_at.isdecimal()):
        return "webhook-id and webhook-timestamp are missing"
    if len(sent_at) > 12 or abs(now_s - int(sent_at)) > TOLERANCE_S:
        return "the report is too old, or of the future"
    signed = b".".join([delivery_id.encode(), sent_at.encode(), body])
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    # Several while secrets are being changed: `v1,<base64> v1,<base64>`.
    for signature in request.headers.get("webhook-signature", "").split():
        version, _, given = signature.partition(",")
        # Compared in constant time: how long it takes must not tell how much of it is right.
        if version == "v1" and hmac.compare_digest(given.encode(), expected):
            return None
    return "the signature is not ours"


def _event(body: bytes) -> str | None:
    """The name of the event that is reported; None if the body is no report."""
    if len(body) > BODY_BYTES_MAX:
        return None
    try:
        report: Any = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    name = report.get("name") if isinstance(report, dict) else None
    return name if isinstance(name, str) and 0 < len(name) <= 200 else None


# -- helpers of what is fetched


async def _fetch(ctx: ActionCtx, api: Api, url: str) -> int:
    """
    Go on with a way, or go one, and ask for runs; how many events were new.

    Raises:
        CannotAsk: Inngest does not answer. What came before was kept.
    """
    new = 0
    for _ in range(PAGES_MAX):
        before = await ctx.run_query(place, url)
        if before is None:
            return new
        events = await api.events(before.after - OVERLAP_MS, before.cursor)
        behind = _behind(before, events, ctx.now())
        new += await ctx.run_mutation(keep_events, url, events, before, behind)
        if behind.cursor is None:
            break
    asked = await ctx.run_query(questions)
    answers = [Answer(event_id=event_id, runs=await api.runs(event_id)) for event_id in asked]
    if answers:
        await ctx.run_mutation(keep_runs, answers)
    await ctx.run_mutation(tried, url)
    return new


def _behind(before: Place, events: list[NewEvent], now: float) -> Place:
    """The place behind a page: on the way, or at its end, where the next begins."""
    newest = max([before.newest, *(event.received_at for event in events)])
    if len(events) == PAGE:
        return Place(after=before.after, cursor=events[-1].event_id, newest=newest)
    if before.cursor is None:
        # The whole way was this page, so nothing that came before now is missing, but for what is listed late.
        newest = max(newest, now - LAG_MAX_MS)
    return Place(after=newest, cursor=None, newest=newest)


def _keep_event(ctx: MutationCtx, event: NewEvent) -> bool:
    if ctx.db.find(PipelineEvent.by_event_id, event_event_id=event.event_id) is not None:
        return False
    forget_at = ctx.now() + FETCHED_KEPT_MS
    is_report = event.about_run is not None
    ctx.db.insert(PipelineEvent(event=event, is_report=is_report, forget_at=forget_at))
    ctx.db.insert(
        PipelineQuestion(event_id=event.event_id, received_at=event.received_at, ask_at=ctx.now(), forget_at=forget_at)
    )
    if event.about_run is not None and event.function_name is not None:
        run = ctx.db.find(PipelineRun.by_run_id, run_run_id=event.about_run)
        if run is not None:
            _keep_function(ctx, run.run.function_id, event.function_name)
    return True


def _keep_run(ctx: MutationCtx, event_id: str, run: NewRun) -> bool:
    """Keep how a run is; whether it was seen to have done its work for the first time."""
    known = ctx.db.find(PipelineRun.by_run_id, run_run_id=run.run_id)
    has_ended = run.state in ("completed", "failed")
    if known is None:
        ctx.db.insert(PipelineRun(event_id=event_id, run=run, forget_at=ctx.now() + FETCHED_KEPT_MS))
        report = ctx.db.query(PipelineEvent.by_about_run, event_about_run=run.run_id).first()
        _keep_function(ctx, run.function_id, None if report is None else report.event.function_name)
        return has_ended
    if known.run == run or known.run.state != "running":
        return False
    ctx.db.patch(known, run=run)
    return has_ended


def _keep_function(ctx: MutationCtx, function_id: str, name: str | None) -> None:
    known = ctx.db.find(PipelineFunction.by_function_id, function_id=function_id)
    forget_at = ctx.now() + FETCHED_KEPT_MS
    if known is None:
        ctx.db.insert(PipelineFunction(function_id=function_id, name=name, forget_at=forget_at))
    elif name is not None and name != known.name:
        ctx.db.patch(known, name=name, forget_at=forget_at)
    elif forget_at - known.forget_at > DAY_MS / 24:
        ctx.db.patch(known, forget_at=forget_at)


def _ask_again(ctx: MutationCtx, answer: Answer) -> None:
    """When: the older an event, the later. Not, when it is no longer young and all its runs have ended."""
    question = ctx.db.find(PipelineQuestion.by_event_id, event_id=answer.event_id)
    if question is None:
        return
    age = ctx.now() - question.received_at
    if age > YOUNG_MS and all(run.state != "running" for run in answer.runs):
        ctx.db.delete(question)
    else:
        ctx.db.patch(question, ask_at=ctx.now() + max(POLLED_EVERY_S * 1000, age / 4))
