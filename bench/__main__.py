"""
The benchmarks' command: `python -m bench [row ...]` prints one table.

Whatever the clock says, the exit code is 0: figures are for people to judge. It is 1 when an
answer was wrong, because then there is nothing to judge.
"""

import argparse
import platform
import sys
import time
from collections.abc import Awaitable, Callable

import uvloop

from bench import calls, counters, live, process
from bench.load import WrongAnswer
from bench.servers import cores, raise_descriptor_limit
from bench.table import Effort, Line, written

Row = Callable[[Effort], Awaitable[list[Line]]]

ROWS: dict[str, Row] = {
    "cached": calls.cached,
    "uncached": calls.uncached,
    "insert": calls.insert,
    "transfer": calls.transfer,
    "broadcast": live.broadcast,
    "concerned": live.concerned,
    "untouched": live.untouched,
    "memory": process.memory,
    "start": process.start,
    "reload": process.reload,
    "counters": counters.counters,
}


async def measure(names: list[str], effort: Effort) -> list[Line]:
    lines: list[Line] = []
    for name in names:
        began = time.perf_counter()
        lines += await ROWS[name](effort)
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure this platform beside its limit.")
    parser.add_argument("rows", nargs="*", metavar="row", help=f"which rows: {', '.join(ROWS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds (default: 3)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one measurement of a rate (default: 2)")
    options = parser.parse_args()
    if unknown := [name for name in options.rows if name not in ROWS]:
        parser.error(f"there is no row {unknown[0]!r}; there are {', '.join(ROWS)}")
    raise_descriptor_limit()
    try:
        lines = uvloop.run(measure(options.rows or list(ROWS), Effort(options.rounds, options.seconds)))
    except WrongAnswer as error:
        print(f"wrong answer: {error}", file=sys.stderr)
        return 1
    print(f"{cores()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}\n")
    print(written(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
