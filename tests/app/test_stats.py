"""What is counted: totals, history over time, and who may count."""

import random
from itertools import pairwise
from typing import Any

import pytest

from app_functions import stats
from app_functions.stats import COUNTERS, Span
from joelclaw.testing import Backend, CallFailed, CallRefused
from joelclaw.testing.web import Answered
from schema import CounterName, Increment
from tests.app.people import owner, reader

KEY = "stats-key-of-the-tests"
SPANS: tuple[Span, ...] = ("hour", "day", "month")


def add(backend: Backend, ticks: int, counter: CounterName = "tokens", key: str | None = None) -> bool:
    return backend.internal.mutation(stats.add, increments=[Increment(counter=counter, ticks=ticks)], key=key)


def total(backend: Backend, counter: CounterName = "tokens") -> float:
    [value] = [total.value for total in backend.query(stats.totals) if total.name == counter]
    return value


def values(backend: Backend, span: Span, counter: CounterName = "tokens") -> list[float]:
    return [step.value for step in backend.query(stats.history, name=counter, span=span).steps]


def documents(backend: Backend, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = backend.as_admin().query(
        "_system/cli/tableData", table=table, order="asc", paginationOpts={"numItems": 10_000, "cursor": None}
    )["page"]
    return found


# -- totals


def test_every_counter_is_there_before_it_counts(backend: Backend) -> None:
    """A page shows all of them, with label and unit, at nothing."""
    shown = [(total.name, total.label, total.unit, total.value) for total in backend.query(stats.totals)]
    assert shown == [(name, it.label, it.unit, 0) for name, it in COUNTERS.items()]
    assert [name for name, *_ in shown] == ["functions", "tokens", "transcription"]


def test_a_total_is_in_its_unit(backend: Backend) -> None:
    """Transcription counts seconds, so that sums are exact, and shows minutes."""
    add(backend, 45, "transcription")
    add(backend, 45, "transcription")
    backend.clock.advance("1s")
    assert total(backend, "transcription") == 1.5


def test_a_page_is_told_twice_a_second(backend: Backend) -> None:
    """However many increments come in, the query runs, and the page is told, no more often; the last is not lost."""
    page = backend.subscribe(stats.totals)
    for _ in range(4):
        for _ in range(50):
            add(backend, 1)
        assert total(backend) == page.value[1].value
        backend.clock.advance("500ms")

    assert page.value[1].value == 200
    assert [shown[1].value for shown in page.history] == [0, 50, 100, 150, 200]
    assert page.ran == 5


def test_when_nothing_is_counted_nothing_changes(backend: Backend) -> None:
    """The cron that looks for what was left behind writes nothing, so it wakes no page."""
    add(backend, 1)
    backend.clock.advance("1s")
    page = backend.subscribe(stats.totals)
    backend.clock.advance("10m")
    assert page.ran == 1


def test_what_a_failed_job_left_behind_is_published(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the job that moves it fails, nothing is lost: the cron does it, within ten minutes."""

    def fails(*_: object) -> None:
        raise RuntimeError("as if by a mistake")

    monkeypatch.setattr(stats, "_count", fails)
    add(backend, 7)
    backend.clock.advance("1s")
    monkeypatch.undo()
    add(backend, 2)
    assert total(backend) == 0
    backend.clock.advance("10m")
    assert total(backend) == 9


# -- counting


def test_increments_with_the_same_key_count_once(backend: Backend) -> None:
    """Whoever has no answer sends the same again; another key is another report; after a day a key is forgotten."""
    assert add(backend, 3, key="run-7")
    assert not add(backend, 3, key="run-7")
    assert add(backend, 3, key="run-8")
    backend.clock.advance("1s")
    assert total(backend) == 6

    backend.clock.advance("1d")
    assert add(backend, 3, key="run-7")


def test_a_report_counts_in_whole_or_not_at_all(backend: Backend) -> None:
    """Several counters are one transaction: one that counts backwards refuses all of them, and its key is free."""
    bad = [{"counter": "tokens", "ticks": 5}, {"counter": "functions", "ticks": -1}]
    with pytest.raises(CallFailed):
        backend.internal.mutation("stats:add", increments=bad, key="k")
    backend.clock.advance("1s")
    assert total(backend) == 0
    assert add(backend, 5, key="k")


def test_nobody_outside_counts(backend: Backend) -> None:
    """Counting is for machines with the key, and for functions of the app: not even the owner has it."""
    for caller in (backend, reader(backend), owner(backend)):
        with pytest.raises(CallRefused):
            caller.mutation(stats.add, increments=[])
        with pytest.raises(CallRefused):
            caller.mutation(stats.publish)


# -- history


@pytest.mark.parametrize(("span", "steps", "step_ms"), [("hour", 60, 60e3), ("day", 24, 3600e3), ("month", 30, 864e5)])
def test_a_history_has_all_its_steps(backend: Backend, span: Span, steps: int, step_ms: float) -> None:
    """Steps follow each other without a gap up to the one that is not over, and are zeros where nothing was."""
    history = backend.query(stats.history, name="tokens", span=span)
    ats = [step.at for step in history.steps]
    assert len(ats) == steps
    assert {later - earlier for earlier, later in pairwise(ats)} == {step_ms}
    assert ats[-1] + step_ms <= backend.clock.now() < ats[-1] + 2 * step_ms
    assert {step.value for step in history.steps} == {0}


def test_a_minute_appears_when_it_is_over(backend: Backend) -> None:
    """Increments do not run the history of it; the end of the minute does, and so it goes on without any."""
    page = backend.subscribe(stats.history, name="tokens", span="hour")
    for _ in range(20):
        add(backend, 1)
        backend.clock.advance("1s")
    assert page.ran == 1
    backend.clock.advance("40s")
    assert page.value.steps[-1].value == 20
    backend.clock.advance("1m")
    assert [step.value for step in page.value.steps[-2:]] == [20, 0]
    backend.clock.advance("58m")
    assert page.value.steps[0].value == 20
    backend.clock.advance("1m")
    assert {step.value for step in page.value.steps} == {0}


def test_what_was_added_at_the_end_of_a_minute_belongs_to_it(backend: Backend) -> None:
    """Also if it is published in the next one: the page that showed the minute too early is told."""
    backend.clock.advance("39.8s")
    page = backend.subscribe(stats.history, name="tokens", span="hour")
    add(backend, 9)
    backend.clock.advance("1s")
    assert page.value.steps[-1].value == 9


def test_history_and_total_agree(backend: Backend) -> None:
    """
    Whatever was added whenever, the minutes, the hours and every span sum up to the total.

    Minutes go after two days, hours a year later; the total stays.
    """
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    added = 0
    for _ in range(60):
        ticks = chance.randint(1, 1_000)
        added += ticks
        add(backend, ticks, key=f"key {ticks} {added}")
        backend.clock.advance(f"{chance.choice([1, 400, 700, 59_000, 61_000, 600_000])}ms")
        stored = [sum(one["ticks"] for one in documents(backend, table)) for table in ("counters", "counted_minutes")]
        assert stored == [sum(one["ticks"] for one in documents(backend, "counted_hours"))] * 2
    backend.clock.advance("1h")
    assert total(backend) == added == sum(values(backend, "day"))
    backend.clock.advance("1d")
    assert sum(values(backend, "month")) == added

    backend.clock.advance("1d")
    assert documents(backend, "counted_minutes") == []
    assert sum(one["ticks"] for one in documents(backend, "counted_hours")) == added == total(backend)


def test_counters_do_not_mix(backend: Backend) -> None:
    """What one counts is in no history of another."""
    add(backend, 5, "functions")
    backend.clock.advance("1m")
    assert [sum(values(backend, "hour", name)) for name in COUNTERS] == [5, 0, 0]


# -- over HTTP


def post(backend: Backend, body: Any, *, key: str = KEY) -> Answered:
    return backend.fetch("POST", "/stats", json=body, headers={"Authorization": f"Bearer {key}"})


def test_a_machine_counts_over_http(backend: Backend) -> None:
    """Whoever has the key counts; the same report again changes nothing, and says so."""
    backend.env["STATS_KEY"] = KEY
    report = {"increments": [{"counter": "tokens", "ticks": 12}, {"counter": "functions", "ticks": 1}], "key": "run-7"}
    answers = [post(backend, report).json() for _ in range(2)]
    assert answers == [{"counted": True, "repeated": False}, {"counted": True, "repeated": True}]
    backend.clock.advance("1s")
    assert [total(backend, "tokens"), total(backend, "functions")] == [12, 1]


@pytest.mark.parametrize("key", ["", "wrong", KEY + "x", KEY[:-1], "schlüssel"])
def test_a_wrong_key_counts_nothing(backend: Backend, key: str) -> None:
    """It is refused before anything of the body is read."""
    backend.env["STATS_KEY"] = KEY
    answer = post(backend, {"increments": [{"counter": "tokens", "ticks": 1}]}, key=key)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    backend.clock.advance("1s")
    assert total(backend) == 0


@pytest.mark.parametrize("key", [None, "", "short"])
def test_without_a_key_nobody_counts(backend: Backend, key: str | None) -> None:
    """Where STATS_KEY is not set, or could be guessed, the door is shut, also for whoever sends an empty one."""
    if key is not None:
        backend.env["STATS_KEY"] = key
    answer = post(backend, {"increments": []}, key=key or "")
    assert (answer.status, answer.text) == (503, "counting is not configured")
    assert any("STATS_KEY is not set" in line.text for line in backend.logs)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"increments": 1},
        {"increments": [], "more": 1},
        {"increments": [], "key": ""},
        {"increments": [], "key": 7},
        {"increments": [{"counter": "tokens"}]},
        {"increments": [{"counter": "beans", "ticks": 1}]},
        {"increments": [{"counter": [], "ticks": 1}]},
        {"increments": [{"counter": "tokens", "ticks": 0}]},
        {"increments": [{"counter": "tokens", "ticks": True}]},
        {"increments": [{"counter": "tokens", "ticks": 1.5}]},
        {"increments": [{"counter": "tokens", "ticks": 10**12}]},
        {"increments": [{"counter": "tokens", "ticks": 1}] * 101},
    ],
)
def test_what_is_no_report_is_refused(backend: Backend, body: Any) -> None:
    """The answer says what a report is; nothing of it counts."""
    backend.env["STATS_KEY"] = KEY
    answer = post(backend, body)
    assert answer.status == 400
    assert answer.text
    backend.clock.advance("1s")
    assert total(backend) == 0


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"\xff", 400), (b"[" * 16_000, 400), (b" " * 20_000, 413)])
def test_bytes_that_are_no_report_are_refused(backend: Backend, body: bytes, status: int) -> None:
    """Neither broken text, nor depth without end, nor size gets further than the door."""
    backend.env["STATS_KEY"] = KEY
    answer = backend.fetch("POST", "/stats", body=body, headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status == status
