"""
The collector: what `/metrics` says, written when it is asked for.

Nothing is counted here, so that a deployment which nobody watches pays nothing for it. Every
label has few values: functions are those that some release declared (`engine/tally.py` sees to
that), processes are named by role and place, never by process id.

Names follow the Prometheus conventions: base units, `_total` for what only grows. They are an
interface: people's dashboards and alarms hang on them.
"""

import os
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from joelclaw.engine.engine import Engine
from joelclaw.engine.tally import Histogram
from joelclaw.metrics.processes import resident_bytes

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Backlog(NamedTuple):
    """Scheduled jobs that have not ended."""

    outstanding: int
    next_at: float | None
    """When the first of those that wait is due, or was."""


class Metrics(Collector):
    """
    The metrics of one deployment, as `version` of the platform runs it.

    `deployed` tells which version of the app serves. It and the others are asked when somebody scrapes.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        version: str,
        deployed: Callable[[], int | None],
        connections: Callable[[], int],
        subscriptions: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._version = version
        self._deployed = deployed
        self._connections = connections
        self._subscriptions = subscriptions
        self._backlog: Backlog | None = None
        self._backups_healthy: bool | None = None
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def text(self, *, backlog: Backlog | None, backups_healthy: bool | None) -> bytes:
        """All of them, in Prometheus' text format. What is None is left out: nobody could tell."""
        self._backlog, self._backups_healthy = backlog, backups_healthy
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Names are not checked against others': we are alone in the registry."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Read everything now."""
        yield from self._about_calls()
        yield from self._about_lanes()
        yield from self._about_processes()
        yield from self._about_the_rest()

    def _about_calls(self) -> Iterable[Metric]:
        tally = self._engine.tally
        calls = CounterMetricFamily(
            "joelclaw_function_runs",
            "Runs of functions; answers from the cache are none.",
            labels=["function", "kind", "outcome"],
        )
        for (kind, path, ending), count in tally.calls.items():
            calls.add_metric([path, kind, ending], count)
        yield calls
        seconds = HistogramMetricFamily(
            "joelclaw_function_run_seconds", "How long a run took, without its wait before the lane.", labels=["kind"]
        )
        for kind, histogram in tally.took.items():
            seconds.add_metric([kind], _buckets(histogram), histogram.total)
        yield seconds
        batches = HistogramMetricFamily(
            "joelclaw_writer_batch_calls", "Mutations that the writer ran in one batch, which is one commit."
        )
        batches.add_metric([], _buckets(tally.batches), tally.batches.total)
        yield batches

    def _about_lanes(self) -> Iterable[Metric]:
        waiting = GaugeMetricFamily("joelclaw_lane_waiting", "Calls that wait before a lane.", labels=["lane"])
        running = GaugeMetricFamily("joelclaw_lane_running", "Calls that run in a lane.", labels=["lane"])
        isolates = GaugeMetricFamily("joelclaw_isolates", "Processes of a lane that take work.", labels=["lane"])
        restarts = CounterMetricFamily(
            "joelclaw_isolate_restarts", "Processes of a lane that died and were replaced.", labels=["lane"]
        )
        for lane, state in self._engine.vitals.lanes.items():
            waiting.add_metric([lane], state.waiting)
            running.add_metric([lane], state.running)
            isolates.add_metric([lane], len(state.isolates))
            restarts.add_metric([lane], state.restarts)
        yield from (waiting, running, isolates, restarts)

    def _about_processes(self) -> Iterable[Metric]:
        memory = GaugeMetricFamily("joelclaw_resident_memory_bytes", "Memory of a process.", labels=["process"])
        processes = {"gateway": os.getpid()}
        for lane, state in self._engine.vitals.lanes.items():
            processes |= {f"{lane}-{place}": isolate.pid for place, isolate in enumerate(state.isolates, 1)}
        for name, pid in processes.items():
            size = resident_bytes(pid)
            if size is not None:
                memory.add_metric([name], size)
        yield memory

    def _about_the_rest(self) -> Iterable[Metric]:
        vitals = self._engine.vitals
        build = GaugeMetricFamily("joelclaw_info", "What runs here.", labels=["version"])
        build.add_metric([self._version], 1)
        yield build
        yield CounterMetricFamily(
            "joelclaw_cache_hits", "Queries of callers that were answered from memory.", vitals.cache_hits
        )
        yield CounterMetricFamily(
            "joelclaw_cache_misses", "Queries of callers that waited for a run.", vitals.cache_misses
        )
        yield GaugeMetricFamily("joelclaw_cache_bytes", "Weight of the results in memory.", vitals.cache_bytes)
        yield GaugeMetricFamily("joelclaw_connections", "Open sockets of clients.", self._connections())
        yield GaugeMetricFamily("joelclaw_subscriptions", "Queries that clients subscribe to.", self._subscriptions())
        yield GaugeMetricFamily("joelclaw_write_ahead_log_bytes", "Size of the database's log.", vitals.log_bytes)
        yield GaugeMetricFamily("joelclaw_release", "Deploys since the start; a step is one.", vitals.release)
        if (deployed := self._deployed()) is not None:
            yield GaugeMetricFamily("joelclaw_deployed_version", "The version of the app that serves.", deployed)
        if self._backlog is not None:
            yield from self._about_jobs(self._backlog)
        if self._backups_healthy is not None:
            yield GaugeMetricFamily(
                "joelclaw_backups_healthy", "1, or 0 when they fail or are overdue.", float(self._backups_healthy)
            )

    def _about_jobs(self, backlog: Backlog) -> Iterable[Metric]:
        now = self._engine.clock.now_ms()
        late_ms = 0.0 if backlog.next_at is None else max(0.0, now - backlog.next_at)
        yield GaugeMetricFamily("joelclaw_jobs_outstanding", "Scheduled jobs that have not ended.", backlog.outstanding)
        yield GaugeMetricFamily(
            "joelclaw_jobs_lag_seconds", "How long the most overdue job has waited beyond its time.", late_ms / 1e3
        )


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Counts up to each bound, the smaller ones included, as the text format has them."""
    bounds = [*(repr(float(bound)) for bound in histogram.bounds), "+Inf"]
    return list(zip(bounds, map(float, accumulate(histogram.counts)), strict=True))
