"""Subscriptions: what a write costs when it concerns everybody, a few, or nobody."""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from itertools import count
from statistics import median
from uuid import uuid4

from bench.calls import BODY, SUCCESS, call, value_of
from bench.load import ANSWER_TIMEOUT_S, Watcher, WrongAnswer, ask, drive, post, watch
from bench.servers import Served, limit, ours
from bench.table import Effort, Line, milliseconds, ratio_of_medians, unmeasured

SOCKETS = 1_000
RESULT_BYTES = 8_000
BROADCASTS_A_ROUND = 10

QUERIES = 100
WRITES_A_ROUND = 100

FEW, MANY = 100, 100_000
"""Subscriptions that a commit does not touch, each to a query of its own, over `FEW` sockets."""

_RUN = re.compile(rb'"run":(\d+)')


class Audience:
    """Watchers who wait for frames together."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.watchers: list[Watcher] = []
        self.last_at = 0.0
        self._wanted = 0
        self._complete: asyncio.Future[None] | None = None

    def hear(self, frame: bytes) -> None:
        if frame.startswith(b'{"type":"Ping"'):
            return
        self.frames.append(frame)
        if len(self.frames) == self._wanted and self._complete is not None:
            self.last_at = time.perf_counter()
            self._complete.set_result(None)

    def expect(self, frames: int) -> "asyncio.Future[None]":
        """Complete when so many frames have come from now on."""
        self.frames.clear()
        self._wanted = frames
        self._complete = asyncio.get_running_loop().create_future()
        return self._complete

    async def told(self, complete: "asyncio.Future[None]") -> list[bytes]:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await complete
        except TimeoutError:
            raise WrongAnswer(f"{len(self.frames)} of {self._wanted} frames came") from None
        return self.frames


async def subscribe(audience: Audience, server: Served, queries: Sequence[tuple[str, Mapping[str, object]]]) -> None:
    """Open a socket and subscribe to these; their first transition goes to the audience."""
    watcher = await watch(server.port, "/api/1.39.1/sync", audience.hear)
    audience.watchers.append(watcher)
    watcher.send(
        {"type": "Connect", "sessionId": str(uuid4()), "connectionCount": 0, "lastCloseReason": "InitialConnect"}
    )
    additions = [
        {"type": "Add", "queryId": number, "udfPath": path, "args": [args]}
        for number, (path, args) in enumerate(queries)
    ]
    watcher.send({"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": additions})


async def audience_of(server: Served, sockets: Sequence[Sequence[tuple[str, Mapping[str, object]]]]) -> Audience:
    """Subscribers, each to its queries, all of whom have their first results."""
    audience = Audience()
    first = audience.expect(len(sockets))
    for queries in sockets:
        await subscribe(audience, server, queries)
    for frame in await audience.told(first):
        if not frame.startswith(b'{"type":"Transition"') or b"QueryFailed" in frame:
            raise WrongAnswer(frame[:2_000].decode())
    return audience


# -- everybody


async def broadcast(effort: Effort) -> list[Line]:
    """
    One query, a thousand subscribers: from the write to the last one told, beside a plain broadcast.

    The result names its run by a number of chance: everybody is told the same one, so it ran once.
    """
    with ours() as joelclaw, limit() as by_hand:
        first = call("mutation", "messages:insert", channel="news", body="")
        await value_of(joelclaw, first)
        mine = await audience_of(joelclaw, [[("messages:latest", {"channel": "news"})]] * SOCKETS)
        theirs = Audience()
        theirs.watchers = [await watch(by_hand.port, "/watch", theirs.hear) for _ in range(SOCKETS)]
        times: list[tuple[float, float]] = []
        for number in range(effort.rounds * BROADCASTS_A_ROUND):
            body = f"{number:08}".ljust(RESULT_BYTES, "x")
            write = call("mutation", "messages:insert", channel="news", body=body)
            plain = post("/insert", {"channel": "news", "body": body})
            times.append(
                (await _until_told(mine, joelclaw, write, body), await _until_told(theirs, by_hand, plain, body))
            )
            runs = {match[1] for frame in mine.frames if (match := _RUN.search(frame))}
            if len(runs) != 1:
                raise WrongAnswer(f"a query for {SOCKETS} subscribers ran {len(runs)} times")
    told, limits = zip(*times, strict=True)
    over_limit = ratio_of_medians(told, limits)
    return [
        Line(
            f"{SOCKETS:,} subscribers of one {RESULT_BYTES // 1000} KB result, last one told; 1 run",
            milliseconds(told),
            f"limit's broadcast {milliseconds(limits)}",
            over_limit,
            "≤ 1.3",
            over_limit <= 1.3,
        )
    ]


async def _until_told(audience: Audience, server: Served, write: bytes, body: str) -> float:
    complete = audience.expect(len(audience.watchers))
    started = time.perf_counter()
    answer = asyncio.ensure_future(ask(server.port, write))
    frames = await audience.told(complete)
    await answer
    text = body.encode()
    if not all(text in frame for frame in frames):
        raise WrongAnswer(f"not everybody was told {body[:20]}")
    return (audience.last_at - started) * 1000


# -- a few


async def concerned(effort: Effort) -> list[Line]:
    """A thousand sockets on a hundred queries, ten on each: what a write that concerns one query computes."""
    what = f"{SOCKETS:,} sockets on {QUERIES} queries, a write that concerns one: CPU in all"
    budget = "< 3 ms"
    told_by_one = SOCKETS // QUERIES
    with ours() as joelclaw:
        for number in range(QUERIES):
            await value_of(joelclaw, call("mutation", "messages:insert", channel=f"channel-{number}", body=""))
        sockets = [[("messages:latest", {"channel": f"channel-{number % QUERIES}"})] for number in range(SOCKETS)]
        audience = await audience_of(joelclaw, sockets)
        all_ms: list[float] = []
        gateways_ms: list[float] = []
        for _ in range(effort.rounds):
            before, gateway_before = joelclaw.cpu_ms(), joelclaw.gateway_cpu_ms()
            for number in range(WRITES_A_ROUND):
                body = f"{BODY} {number}"
                write = call("mutation", "messages:insert", channel=f"channel-{number % QUERIES}", body=body)
                complete = audience.expect(told_by_one)
                await asyncio.gather(ask(joelclaw.port, write), audience.told(complete))
                if len(audience.frames) != told_by_one or not all(body.encode() in frame for frame in audience.frames):
                    raise WrongAnswer(f"not exactly the {told_by_one} subscribers of one query were told")
            after, gateway_after = joelclaw.cpu_ms(), joelclaw.gateway_cpu_ms()
            if before is None or after is None or gateway_before is None or gateway_after is None:
                return [unmeasured(what, budget)]
            all_ms.append((after - before) / WRITES_A_ROUND)
            gateways_ms.append((gateway_after - gateway_before) / WRITES_A_ROUND)
    return [
        Line(
            what,
            milliseconds(all_ms),
            f"of it the gateway {milliseconds(gateways_ms)}",
            None,
            budget,
            median(all_ms) < 3,
        )
    ]


# -- nobody


async def untouched(effort: Effort) -> list[Line]:
    """An insert that touches none of many subscriptions, beside the same among few."""
    with ours() as among_many, ours() as among_few:
        many = await _others(among_many, MANY)
        few = await _others(among_few, FEW)
        p50: list[tuple[float, float]] = []
        cpu: list[tuple[float, float]] = []
        for _ in range(effort.rounds):
            (many_p50, many_cpu), (few_p50, few_cpu) = [
                await _lone_inserts(server, effort) for server in (among_many, among_few)
            ]
            p50.append((many_p50, few_p50))
            if many_cpu is not None and few_cpu is not None:
                cpu.append((many_cpu, few_cpu))
        if many.frames or few.frames:
            raise WrongAnswer("an insert told somebody whom it does not concern")
    what, budget = f"a commit among {MANY:,} subscriptions that it does not touch", "the same, within 10 %"
    lines = [_same(f"{what}, p50", budget, p50, FEW)]
    lines.append(
        _same("the same, gateway's CPU", budget, cpu, FEW) if cpu else unmeasured("the same, gateway's CPU", budget)
    )
    return lines


async def _others(server: Served, subscriptions: int) -> Audience:
    numbers = count()
    each = subscriptions // FEW
    sockets = [[("messages:channel", {"channel": f"other-{next(numbers)}"}) for _ in range(each)] for _ in range(FEW)]
    audience = await audience_of(server, sockets)
    audience.frames.clear()
    return audience


async def _lone_inserts(server: Served, effort: Effort) -> tuple[float, float | None]:
    """Median latency, and what the gateway computed for each; both in milliseconds."""
    write = call("mutation", "messages:insert", channel="elsewhere", body=BODY)
    before = server.gateway_cpu_ms()
    figures = await drive(server.port, lambda: write, callers=1, seconds=effort.seconds, check=SUCCESS.__eq__)
    after = server.gateway_cpu_ms()
    cpu = None if before is None or after is None else (after - before) / figures.answers
    return figures.percentile_ms(0.5), cpu


def _same(what: str, budget: str, pairs: Sequence[tuple[float, float]], few: int) -> Line:
    many, fewer = zip(*pairs, strict=True)
    ratio = ratio_of_medians(many, fewer)
    return Line(what, milliseconds(many), f"among {few} {milliseconds(fewer)}", ratio, budget, ratio <= 1.1)
