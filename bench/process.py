"""The processes themselves: what they weigh, how fast they start, how fast new code serves."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.calls import call, value_of
from bench.live import audience_of
from bench.load import WrongAnswer
from bench.servers import APP, limit, ours
from bench.table import Effort, Line, milliseconds, ratio_of_medians, unmeasured

FIRST_SOCKETS = 100
"""They pay for what is there once, however many there are."""

MORE_SOCKETS = 1_000

MODULES, FUNCTIONS_EACH = 10, 5
RELOADS_A_ROUND = 3
BETWEEN_SAVES_S = 1.0
"""Faster nobody saves by hand, and the platform gets ready for the next save meanwhile."""

MODULE = """\
from joelclaw import QueryCtx, anyone, query
from schema import Message
"""

FUNCTION = """\

@query(allow=anyone)
def number_{number}(ctx: QueryCtx, channel: str, limit: int = 50) -> list[Message]:
    \"\"\"The first messages of a channel.\"\"\"
    return ctx.db.query(Message.by_channel, channel=channel).take(limit)
"""

WATCHED = """\
from joelclaw import QueryCtx, anyone, query

@query(allow=anyone)
def edition(ctx: QueryCtx) -> str:
    return "edition {edition}"
"""


async def memory(_effort: Effort) -> list[Line]:
    """Of all processes together, after each kind of call was made once; then of a thousand more subscribed sockets."""
    idle, each = "memory, idle, all processes together", "memory of a subscribed connection"
    with ours() as joelclaw:
        await value_of(joelclaw, call("mutation", "messages:insert", channel="news", body="hello"))
        sockets = [[("messages:latest", {"channel": "news"})]] * MORE_SOCKETS
        await value_of(joelclaw, call("query", "messages:latest", channel="news"))
        idle_bytes = joelclaw.memory_bytes()
        some = await audience_of(joelclaw, sockets[:FIRST_SOCKETS])
        before = joelclaw.memory_bytes()
        more = await audience_of(joelclaw, sockets)
        after = joelclaw.memory_bytes()
        assert len(some.watchers) + len(more.watchers) == FIRST_SOCKETS + MORE_SOCKETS
    if idle_bytes is None or before is None or after is None:
        return [unmeasured(idle, "< 150 MB"), unmeasured(each, "< 20 KB")]
    megabytes, kilobytes = idle_bytes / 1e6, (after - before) / MORE_SOCKETS / 1e3
    return [
        Line(idle, f"{megabytes:.0f} MB", budget="< 150 MB", met=megabytes < 150),
        Line(each, f"{kilobytes:.1f} KB", budget="< 20 KB", met=kilobytes < 20),
    ]


async def start(effort: Effort) -> list[Line]:
    """`joelclaw dev` on a fresh project, to its first answer; beside it the limit, which loads nothing."""
    mine: list[float] = []
    limits: list[float] = []
    for _ in range(effort.rounds):
        with ours(development=True) as joelclaw:
            mine.append(joelclaw.start_s * 1000)
        with limit() as by_hand:
            limits.append(by_hand.start_s * 1000)
    return [
        Line(
            "`joelclaw dev`, start to serving",
            milliseconds(mine),
            f"limit {milliseconds(limits)}",
            ratio_of_medians(mine, limits),
            "< 1.5 s",
            median(mine) < 1_500,
        )
    ]


async def reload(effort: Effort) -> list[Line]:
    """From the save of a file to the frame that shows a subscriber what the new code answers."""
    times: list[float] = []
    with _app_of_many_functions() as app, ours(development=True, app=app) as joelclaw:
        watched = joelclaw.folder / "app_functions" / "watched.py"
        audience = await audience_of(joelclaw, [[("watched:edition", {})]])
        for edition in range(1, effort.rounds * RELOADS_A_ROUND + 1):
            await asyncio.sleep(BETWEEN_SAVES_S)
            told = audience.expect(1)
            started = time.perf_counter()
            watched.write_text(WATCHED.format(edition=edition))
            [frame] = await audience.told(told)
            times.append((audience.last_at - started) * 1000)
            if f'"edition {edition}"'.encode() not in frame:
                raise WrongAnswer(frame.decode())
    return [
        Line(
            f"reload of {MODULES * FUNCTIONS_EACH} functions, save to a subscriber's frame",
            milliseconds(times),
            f"slowest of {len(times)}: {milliseconds([max(times)])}",
            None,
            "< 400 ms",
            median(times) < 400,
        )
    ]


@contextmanager
def _app_of_many_functions() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        app = Path(name) / "app"
        shutil.copytree(APP, app, ignore=shutil.ignore_patterns("data", "__pycache__"))
        functions = "".join(FUNCTION.format(number=number) for number in range(FUNCTIONS_EACH))
        for number in range(MODULES):
            (app / "app_functions" / f"many_{number}.py").write_text(MODULE + functions)
        (app / "app_functions" / "watched.py").write_text(WATCHED.format(edition=0))
        toml = app / "joelclaw.toml"
        toml.write_text(toml.read_text().replace("typescript = []", 'typescript = ["generated"]'))
        yield app
