"""`joelclaw.engine.tally`: what is counted of runs, and that it cannot grow without end."""

import pytest

from joelclaw.engine import tally as tally_module
from joelclaw.engine.runs import UNRECORDED
from joelclaw.engine.tally import OTHER, Histogram, Tally
from joelclaw.functions.calls import Failure, Outcome

DONE = Outcome()
REFUSED = Outcome(failure=Failure(message="no", data=b'"no"'))
BROKEN = Outcome(failure=Failure(message="Uncaught ValueError"))


def test_a_bound_belongs_to_its_own_bucket() -> None:
    """As Prometheus has it: less or equal."""
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 9.0):
        histogram.add(value)
    assert (histogram.counts, histogram.total) == ([2, 2, 1], 14.0)


def test_runs_are_counted_by_function_kind_and_outcome() -> None:
    """An `AppError` is the app's word, anything else a fault; how long they took goes by kind, in seconds."""
    tally = Tally()
    for outcome in (DONE, DONE, REFUSED, BROKEN):
        tally.ran("mutation", "notes:add", outcome, 2.0)
    assert tally.calls == {
        ("mutation", "notes:add", "success"): 2,
        ("mutation", "notes:add", "app_error"): 1,
        ("mutation", "notes:add", "error"): 1,
    }
    assert tally.took["mutation"].total == pytest.approx(0.008)
    assert sum(tally.took["query"].counts) == 0


def test_an_action_is_counted_at_its_end() -> None:
    """Not while it runs: how it ends is not known."""
    tally = Tally()
    run = tally.follow("action", "mail:send", UNRECORDED.begin("action", "mail:send", "", "HttpApi"))
    run.logged(["[LOG] 'hi'"])
    assert tally.calls == {}
    run.ended(BROKEN)
    assert tally.calls == {("action", "mail:send", "error"): 1}


def test_names_do_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that were made up share a line, and so does whatever is too much; those that are known go on."""
    monkeypatch.setattr(tally_module, "FUNCTIONS_MAX", 3)
    tally = Tally()
    for number in range(10):
        unknown = Failure(message="", code="function_not_found")
        tally.ran("query", f"made:up{number}", Outcome(failure=unknown), 0.0)
        tally.ran("query", f"real:{number}", DONE, 0.0)
    assert tally.calls == {
        ("query", OTHER, "error"): 10,
        ("query", "real:0", "success"): 1,
        ("query", "real:1", "success"): 1,
        ("query", OTHER, "success"): 8,
    }
    tally.ran("query", "real:1", DONE, 0.0)
    assert tally.calls["query", "real:1", "success"] == 2
