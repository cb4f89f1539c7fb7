"""The counters of this repository's own app: many machines count, one page watches."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.calls import CALLERS, call, drive_for, value_of
from bench.live import Audience, subscribe
from bench.load import ANSWER_TIMEOUT_S, WrongAnswer
from bench.servers import Served, ours
from bench.table import Effort, Line, milliseconds, rate

ROOT = Path(__file__).parents[1]
KEY = "benchmarks-count-with-this"
DECLARED = f"""\
[app]
name = "counters"

[auth]
providers = ["anonymous"]
on_first_sign_in = "users.arrived"

[auth.roles]
owner = ["github:nobody"]

[env]
STATS_KEY = "{KEY}"

[codegen]
typescript = []
"""

TICKS = 3
COUNTED = b'{"counted":true,"repeated":false}'


async def counters(effort: Effort) -> list[Line]:
    """
    Reports over HTTP, each a request with the key and a transaction; the totals are exact afterwards.

    How often the page is told is counted, too: no more than twice a second, whatever the rate.
    """
    report = _report()
    with _own_app() as joelclaw:
        page = Audience()
        first = page.expect(1)
        await subscribe(page, joelclaw, [("stats:totals", {})])
        await page.told(first)
        told_first = len(page.frames)
        runs = [await drive_for(effort, joelclaw, lambda: report, COUNTED.__eq__) for _ in range(effort.rounds)]
        seconds = sum(run.seconds for run in runs)
        told = len(page.frames) - told_first
        await _expect_total(joelclaw, TICKS * sum(run.answers for run in runs))
    rates = [run.rate for run in runs]
    return [
        Line(
            f"reports to the site's counters, {CALLERS} machines",
            rate(rates),
            f"p50 {milliseconds([run.percentile_ms(0.5) for run in runs])}",
            budget="≥ 300/s",
            met=min(rates) >= 300,
        ),
        Line(
            "the same, how often a page is told of totals",
            f"{told / seconds:.1f}/s",
            budget="≤ 2/s",
            met=told <= 2 * seconds + 1,
        ),
    ]


@contextmanager
def _own_app() -> Iterator[Served]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        shutil.copytree(ROOT / "app_functions", folder / "app_functions", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "schema.py", folder)
        (folder / "joelclaw.toml").write_text(DECLARED)
        with ours(app=folder) as served:
            yield served


def _report() -> bytes:
    content = json.dumps({"increments": [{"counter": "tokens", "ticks": TICKS}]}).encode()
    head = f"POST /http/stats HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


async def _expect_total(server: Served, ticks: int) -> None:
    """All of it arrives, and no more than that."""
    query = call("query", "stats:totals")
    found: float = 0
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while found < ticks:
                await asyncio.sleep(0.1)
                totals = await value_of(server, query)
                assert isinstance(totals, list)
                [found] = [total["value"] for total in totals if total["name"] == "tokens"]
    except TimeoutError:
        pass
    if found != ticks:
        raise WrongAnswer(f"{ticks} ticks were acknowledged, {found} counted")
