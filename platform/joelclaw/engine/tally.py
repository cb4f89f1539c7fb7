"""
The tally: what the lanes have done since the start, in plain numbers.

Counting has to cost nothing that a caller could notice, so there are integers here and no
metrics library and no lock: everything happens on the gateway's loop. `metrics/`
reads the numbers when somebody asks for them. (Measured: 0.8 microseconds a run, 0.04 for an answer
from the cache.)

A function that nobody declared has no line of its own: names that callers make up must not
fill the memory of whoever collects.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final, Literal, TypeAlias

from joelclaw.engine.isolates import Isolate
from joelclaw.engine.runs import OngoingRun, RunKind
from joelclaw.functions.calls import Outcome
from joelclaw.isolate.messages import Role

Ending: TypeAlias = Literal["success", "app_error", "error"]
"""Of a run: it returned, raised an `AppError`, or failed in any other way."""

FUNCTIONS_MAX: Final = 10_000
"""Lines of calls; the runs of any further function are added to `OTHER`. Deploys bring new names for years."""

OTHER: Final = "(other)"

RUN_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0, 300.0)
BATCH_CALLS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0)


class Histogram:
    """How often something was how large: a count for each bound, and one for what is above all of them."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Tally:
    """The numbers of one engine."""

    def __init__(self) -> None:
        self.calls: dict[tuple[RunKind, str, Ending], int] = {}
        self.took: dict[RunKind, Histogram] = {
            "query": Histogram(RUN_S),
            "mutation": Histogram(RUN_S),
            "action": Histogram(RUN_S),
            "http_action": Histogram(RUN_S),
        }
        self.batches = Histogram(BATCH_CALLS)
        """Mutations for each batch that the writer finished: one commit, unless none of them wrote."""

    def ran(self, kind: RunKind, path: str, outcome: Outcome, took_ms: float) -> None:
        """A run is over."""
        failure = outcome.failure
        ending: Ending = "success" if failure is None else "error" if failure.data is None else "app_error"
        if failure is not None and failure.code == "function_not_found":
            path = OTHER
        line = kind, path, ending
        if line not in self.calls and len(self.calls) >= FUNCTIONS_MAX:
            line = kind, OTHER, ending
        self.calls[line] = self.calls.get(line, 0) + 1
        self.took[kind].add(took_ms / 1e3)

    def follow(self, kind: RunKind, path: str, ongoing: OngoingRun) -> "CountedRun":
        """An action begins: count it at its end, and pass on what is told of it."""
        return CountedRun(self, kind, path, ongoing)


class CountedRun:
    """An action that runs: an `OngoingRun` before another one."""

    __slots__ = ("_began_s", "_kind", "_ongoing", "_path", "_tally")

    def __init__(self, tally: Tally, kind: RunKind, path: str, ongoing: OngoingRun) -> None:
        self._tally = tally
        self._kind: RunKind = kind
        self._path = path
        self._ongoing = ongoing
        self._began_s = perf_counter()

    def logged(self, lines: Sequence[str], /) -> None:
        self._ongoing.logged(lines)

    def answered(self, status: int, /) -> None:
        self._ongoing.answered(status)

    def ended(self, outcome: Outcome, /) -> None:
        self._tally.ran(self._kind, self._path, outcome, (perf_counter() - self._began_s) * 1e3)
        self._ongoing.ended(outcome)


@dataclass(frozen=True)
class LaneState:
    """One lane at this moment."""

    isolates: list[Isolate]
    """Those that take work."""

    waiting: int
    """Calls before it; of readers' rounds, the subscribers that wait for one."""

    running: int
    restarts: int
    """Since the start, of processes that died."""


@dataclass(frozen=True)
class Vitals:
    """The engine at this moment, for whoever watches over it."""

    lanes: dict[Role, LaneState]
    log_bytes: int
    """Of the write-ahead log."""

    cache_bytes: int
    cache_hits: int
    cache_misses: int
    published_ts: int
    release: int
    """How many deploys this process has seen; 0 before the first."""
