"""
Calls over HTTP: queries from memory, queries from the database, inserts, money transfers.

An uncached query of ours is one that no call has asked before: its `limit` is another number
each time, all of them above the fifty documents that a channel has. So each call decodes its
arguments, runs the function, reads the same fifty documents and is filed in the cache; nothing
is switched off.
"""

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate, count
from random import Random
from statistics import median
from typing import NamedTuple

import msgspec

from bench.load import Check, Figures, MakeRequest, WrongAnswer, ask, drive, in_turn, post, request
from bench.servers import Served, limit, ours
from bench.table import Effort, Line, milliseconds, rate, ratio_of_medians

CALLERS = 32
CHANNELS = 100
DOCUMENTS = 50
BODY = "a message of a usual length, as people write them when they chat"

TRANSFER_CALLERS = 64
ACCOUNTS = 100_000
OPENING_BALANCE = 1_000
SEEDED_AT_ONCE = 5_000
AUDITED_AT_ONCE = 10_000
ZIPF_EXPONENT = 1.5
TRANSFERS_MADE = 50_000
"""Requests that are made beforehand, and gone through again and again."""

SEED = 7

SUCCESS = b'{"status":"success","value":null,"logLines":[]}'


def call(kind: str, path: str, **args: object) -> bytes:
    """A call of the client API."""
    return post(f"/api/{kind}", {"path": path, "args": args, "format": "json"})


async def value_of(server: Served, call: bytes) -> object:
    """What a call returned."""
    answer = msgspec.json.decode(await ask(server.port, call))
    if answer["status"] != "success":
        raise WrongAnswer(str(answer))
    return answer["value"]


async def seed_messages(server: Served) -> None:
    await value_of(server, call("mutation", "messages:seed", channels=CHANNELS, messages=DOCUMENTS))


def has_documents(body: bytes) -> bool:
    return body.count(b'"body":') == DOCUMENTS


def limits_reads() -> MakeRequest:
    return in_turn([post("/read", {"channel": f"channel-{number}"}) for number in range(CHANNELS)])


def uncached_queries() -> MakeRequest:
    numbers = count(DOCUMENTS + 1)

    def make() -> bytes:
        number = next(numbers)
        return call("query", "messages:channel", channel=f"channel-{number % CHANNELS}", limit=number)

    return make


async def drive_for(
    effort: Effort, server: Served, make: MakeRequest, check: Check, *, callers: int = CALLERS
) -> Figures:
    return await drive(server.port, make, callers=callers, seconds=effort.seconds, check=check)


# -- reads


async def cached(effort: Effort) -> list[Line]:
    """
    One query, in memory after its first call, beside the limit's reads from the database, and
    beside a handler that sends the same bytes and does nothing else.
    """
    with ours() as joelclaw, limit() as by_hand:
        await seed_messages(joelclaw)
        query = call("query", "messages:channel", channel="channel-1")
        expected = await ask(joelclaw.port, query)
        if not has_documents(expected):
            raise WrongAnswer(expected.decode())
        await ask(by_hand.port, request("PUT", "/bare", expected))
        bare = query.replace(b"/api/query", b"/bare")
        read = limits_reads()
        rates = [
            (
                (await drive_for(effort, joelclaw, lambda: query, expected.__eq__)).rate,
                (await drive_for(effort, by_hand, read, has_documents)).rate,
                (await drive_for(effort, by_hand, lambda: bare, expected.__eq__)).rate,
            )
            for _ in range(effort.rounds)
        ]
    from_memory, limits, bares = zip(*rates, strict=True)
    over_limit, over_bare = ratio_of_medians(from_memory, limits), ratio_of_medians(from_memory, bares)
    what = f"cached query, {CALLERS} callers"
    return [
        Line(what, rate(from_memory), f"limit's reads {rate(limits)}", over_limit, "≥ 2", over_limit >= 2),
        Line(what, rate(from_memory), f"bare handler {rate(bares)}", over_bare, "≥ 0.7", over_bare >= 0.7),
    ]


async def uncached(effort: Effort) -> list[Line]:
    """Fifty documents from the database, by many callers and by one."""
    with ours() as joelclaw, limit() as by_hand:
        await seed_messages(joelclaw)
        query, read = uncached_queries(), limits_reads()
        rates: list[tuple[float, float]] = []
        alone: list[tuple[float, float]] = []
        for _ in range(effort.rounds):
            rates.append(
                (
                    (await drive_for(effort, joelclaw, query, has_documents)).rate,
                    (await drive_for(effort, by_hand, read, has_documents)).rate,
                )
            )
            alone.append(
                (
                    (await drive_for(effort, joelclaw, query, has_documents, callers=1)).percentile_ms(0.5),
                    (await drive_for(effort, by_hand, read, has_documents, callers=1)).percentile_ms(0.5),
                )
            )
    mine, limits = zip(*rates, strict=True)
    p50, limits_p50 = zip(*alone, strict=True)
    over_limit = ratio_of_medians(mine, limits)
    return [
        Line(
            f"uncached {DOCUMENTS}-document query, {CALLERS} callers",
            rate(mine),
            f"limit {rate(limits)}",
            over_limit,
            "≥ 0.7",
            over_limit >= 0.7,
        ),
        Line(
            "the same, p50 of a lone caller",
            milliseconds(p50),
            f"limit {milliseconds(limits_p50)}",
            ratio_of_medians(p50, limits_p50),
            "< 1 ms",
            median(p50) < 1,
        ),
    ]


# -- inserts


async def insert(effort: Effort) -> list[Line]:
    """Durable when answered; what was acknowledged is counted in the database afterwards."""
    with ours() as joelclaw, limit() as by_hand:
        mine = in_turn([call("mutation", "messages:insert", channel="inserted", body=BODY)])
        theirs = in_turn([post("/insert", {"channel": "inserted", "body": BODY})])
        before = msgspec.json.decode(await ask(by_hand.port, post("/count", None)))
        rates: list[tuple[float, float]] = []
        answers = limits_answers = 0
        for _ in range(effort.rounds):
            figures = await drive_for(effort, joelclaw, mine, SUCCESS.__eq__)
            limits = await drive_for(effort, by_hand, theirs, b"null".__eq__)
            rates.append((figures.rate, limits.rate))
            answers += figures.answers
            limits_answers += limits.answers
        await _expect(joelclaw, call("query", "messages:count"), answers)
        after = msgspec.json.decode(await ask(by_hand.port, post("/count", None)))
        if after - before != limits_answers:
            raise WrongAnswer(f"{limits_answers} inserts acknowledged, {after - before} there")
    mine_rates, limits_rates = zip(*rates, strict=True)
    over_limit = ratio_of_medians(mine_rates, limits_rates)
    return [
        Line(
            f"durable insert, {CALLERS} callers",
            rate(mine_rates),
            f"limit {rate(limits_rates)}",
            over_limit,
            "≥ 0.8",
            over_limit >= 0.8,
        )
    ]


async def _expect(server: Served, query: bytes, value: object) -> None:
    found = await value_of(server, query)
    if found != value:
        raise WrongAnswer(f"{value} expected, {found} found")


# -- money


class Transfers:
    """Transfers between accounts that are drawn by chance, and which accounts they touch."""

    def __init__(self, cumulative: Sequence[float] | None, chance: Random) -> None:
        """`cumulative` are weights of the accounts, added up; None: all alike."""
        self._pairs = [_pair(cumulative, chance) for _ in range(TRANSFERS_MADE)]
        self._requests = [
            call("mutation", "bank:transfer", source=source, target=target, amount=1 + number % 50)
            for number, (source, target) in enumerate(self._pairs)
        ]
        self.make = in_turn(self._requests)

    def touched(self, made: int) -> set[int]:
        """The accounts of the first transfers that were made."""
        return {account for pair in self._pairs[:made] for account in pair}


def _pair(cumulative: Sequence[float] | None, chance: Random) -> tuple[int, int]:
    source = target = 0
    while source == target:
        source, target = (
            (chance.randrange(ACCOUNTS), chance.randrange(ACCOUNTS))
            if cumulative is None
            else (_drawn(cumulative, chance), _drawn(cumulative, chance))
        )
    return source, target


def _drawn(cumulative: Sequence[float], chance: Random) -> int:
    return min(bisect(cumulative, chance.random() * cumulative[-1]), ACCOUNTS - 1)


def zipf_weights() -> list[float]:
    """The n-th most wanted account is wanted 1/n**1.5 as much as the first, which is in two transfers of three."""
    return list(accumulate(rank**-ZIPF_EXPONENT for rank in range(1, ACCOUNTS + 1)))


class Audit(NamedTuple):
    """All accounts, added up."""

    accounts: int
    total: int
    transfers: int
    changed: int


async def audit(server: Served) -> Audit:
    sums = Audit(0, 0, 0, 0)
    first: object = 0
    while first is not None:
        part = await value_of(server, call("query", "bank:audit", first=first, limit=AUDITED_AT_ONCE))
        assert isinstance(part, dict)
        sums = Audit(*(total + part[name] for name, total in sums._asdict().items()))
        first = part["next"]
    return sums


async def transfer(effort: Effort) -> list[Line]:
    """
    Two reads and two writes in a seeded database, accounts drawn uniformly or by Zipf's law.

    At the end no money was made or lost, and exactly the accounts of acknowledged transfers
    have changed.
    """
    chance = Random(SEED)
    kinds = {"uniform": Transfers(None, chance), f"Zipf {ZIPF_EXPONENT}": Transfers(zipf_weights(), chance)}
    runs: dict[str, list[Figures]] = {name: [] for name in kinds}
    with ours() as joelclaw:
        for first in range(0, ACCOUNTS, SEEDED_AT_ONCE):
            await value_of(joelclaw, call("mutation", "bank:seed", first=first, count=SEEDED_AT_ONCE))
        for _ in range(effort.rounds):
            for name, transfers in kinds.items():
                runs[name].append(
                    await drive_for(effort, joelclaw, transfers.make, SUCCESS.__eq__, callers=TRANSFER_CALLERS)
                )
        _check(await audit(joelclaw), kinds, runs)
    uniform, zipf = ([figures.rate for figures in figures] for figures in runs.values())
    over_uniform = ratio_of_medians(zipf, uniform)
    what = f"money transfer, {TRANSFER_CALLERS} callers, {ACCOUNTS:,} accounts"
    lines = [
        Line(
            f"{what}, Zipf {ZIPF_EXPONENT}",
            rate(zipf),
            f"uniform {rate(uniform)}",
            over_uniform,
            "0.9 to 1.1",
            0.9 <= over_uniform <= 1.1,
        )
    ]
    for name, figures in runs.items():
        p99 = [run.percentile_ms(0.99) for run in figures]
        p50 = [run.percentile_ms(0.5) for run in figures]
        lines.append(
            Line(
                f"the same, {name}, p99",
                milliseconds(p99),
                f"p50 {milliseconds(p50)}",
                None,
                "< 60 ms",
                median(p99) < 60,
            )
        )
    return lines


def _check(found: Audit, kinds: dict[str, Transfers], runs: dict[str, list[Figures]]) -> None:
    made = {name: sum(run.answers for run in figures) for name, figures in runs.items()}
    touched = set().union(*(transfers.touched(made[name]) for name, transfers in kinds.items()))
    expected = Audit(ACCOUNTS, ACCOUNTS * OPENING_BALANCE, 2 * sum(made.values()), len(touched))
    if found != expected:
        raise WrongAnswer(f"{expected} expected, {found} found (seed {SEED})")
