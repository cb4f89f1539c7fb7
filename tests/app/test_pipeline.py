"""The app's pipeline: what Inngest did, fetched from its API, and counted once."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from app_functions import _inngest_api, health, inngest, pipeline, stats
from joelclaw import PageOptions
from joelclaw.testing import Backend, CallRefused
from tests.app.fake_inngest import (
    SIGNING_KEY,
    FakeInngest,
    Fault,
    cuts_off,
    fake_inngest,
    function_id,
    hangs,
    refuses,
    says,
)
from tests.app.people import guest, owner, reader

NEWEST = PageOptions(num_items=1_000, cursor=None)


@pytest.fixture
def fake(backend: Backend) -> Iterator[FakeInngest]:
    """An Inngest that the app knows."""
    with fake_inngest() as fake:
        backend.env["INNGEST_URL"] = fake.url
        backend.env["INNGEST_SIGNING_KEY"] = SIGNING_KEY
        yield fake


def poll(backend: Backend) -> int:
    """Fetch once; how many events were new."""
    return backend.internal.action(inngest.poll, for_s=0)


def shown(backend: Backend) -> list[str]:
    """The names of the newest events, the oldest first."""
    return [event.name for event in owner(backend).query(pipeline.activity, pagination_opts=NEWEST).page][::-1]


def executed(backend: Backend) -> float:
    """Functions that were counted, when all are that are going to be."""
    backend.internal.mutation(stats.publish)
    [total] = [one for one in backend.query(stats.totals) if one.name == "functions"]
    return total.value


def source(backend: Backend) -> health.SourceSeen:
    [found] = [one for one in owner(backend).query(health.sources) if one.name == "inngest"]
    return found


def test_only_the_owner_sees_the_pipeline(backend: Backend) -> None:
    """Nobody else does, and nobody at all fetches or writes it from outside."""
    for caller in (backend, guest(backend), reader(backend)):
        with pytest.raises(CallRefused):
            caller.query(pipeline.activity, pagination_opts=NEWEST)
        with pytest.raises(CallRefused):
            caller.query(pipeline.functions)
    with pytest.raises(CallRefused):
        owner(backend).action(inngest.poll)
    with pytest.raises(CallRefused):
        owner(backend).mutation(inngest.keep_runs, answers=[])


def test_without_an_address_nothing_is_asked(backend: Backend) -> None:
    """The cron runs and ends at once; the source says which variable would configure it."""
    backend.clock.advance("5m")
    assert (source(backend).state, source(backend).setting) == ("not configured", "INNGEST_URL")


def test_events_and_runs_appear_on_an_open_page(backend: Backend, fake: FakeInngest) -> None:
    """The newest first, with what they started; when nothing has changed, pages hear nothing."""
    now = backend.clock.now()
    first = fake.receive("video/uploaded", now - 2_000)
    fake.receive("note/saved", now - 1_000)
    run = fake.start(first, "app-transcribe", now)
    page = owner(backend).subscribe(pipeline.activity, pagination_opts=NEWEST)

    assert poll(backend) == 2
    [note, video] = page.value.page
    assert (note.name, video.name, note.runs) == ("note/saved", "video/uploaded", [])
    [seen] = video.runs
    assert (seen.id, seen.state, seen.started_at, seen.ended_at) == (run, "running", now, None)
    heard = len(page.history)
    backend.clock.advance("15s")
    assert poll(backend) == 0
    assert len(page.history) == heard

    fake.end(run, now + 5_000, "Failed", {"name": "Error", "message": "No audio track.", "stack": "..."})
    backend.clock.advance("15s")
    poll(backend)
    [seen] = page.value.page[1].runs
    assert (seen.state, seen.ended_at, seen.problem) == ("failed", now + 5_000, "No audio track.")


def test_functions_have_their_last_run(backend: Backend, fake: FakeInngest) -> None:
    """Its state, and how many began within the hour, which goes down by itself; and a name, once Inngest told one."""
    now = backend.clock.now()
    event = fake.receive("video/uploaded", now - 1_000)
    run = fake.start(event, "app-transcribe", now)
    fake.start(fake.receive("video/uploaded", now - 500), "app-transcribe", now - 400)
    poll(backend)
    page = owner(backend).subscribe(pipeline.functions)
    [seen] = page.value
    assert (seen.name, seen.state, seen.runs_lately) == (function_id("app-transcribe")[:8], "running", 2)

    fake.end(run, now + 1_000)
    fake.report(run, "app-transcribe", now + 2_000)
    backend.clock.advance("15s")
    poll(backend)
    [seen] = page.value
    assert (seen.name, seen.state, seen.started_at) == ("app-transcribe", "completed", now)
    assert shown(backend) == ["video/uploaded", "video/uploaded"]

    del backend.env["INNGEST_URL"]
    backend.clock.advance("1h")
    assert [one.runs_lately for one in page.value] == [0]


def test_a_report_before_its_run_names_it_too(backend: Backend, fake: FakeInngest) -> None:
    """Whichever of the two is fetched first."""
    now = backend.clock.now()
    event = fake.receive("video/uploaded", now - 2_000)
    run = fake.start(event, "app-transcribe", now - 1_500)
    fake.end(run, now - 1_200)
    fake.report(run, "app-transcribe", now - 1_000)
    poll(backend)

    [seen] = owner(backend).query(pipeline.functions)
    assert seen.name == "app-transcribe"


def test_each_function_is_counted_once(backend: Backend, fake: FakeInngest) -> None:
    """When it has completed or failed, however often it is fetched; not while it runs, nor when it was cancelled."""
    now = backend.clock.now()
    event = fake.receive("video/uploaded", now - 1_000)
    runs = [fake.start(event, f"app-{number}", now) for number in range(4)]
    fake.end(runs[0], now + 1, "Completed")
    poll(backend)
    assert executed(backend) == 1
    fake.end(runs[1], now + 2, "Failed", "gone")
    fake.end(runs[2], now + 3, "Cancelled")
    for _ in range(3):
        backend.clock.advance("20s")
        poll(backend)

    assert executed(backend) == 2


def test_a_long_way_back_is_gone_to_its_end(
    backend: Backend, fake: FakeInngest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than fits into one time is fetched in several, in which new events arrive; none is lost or there twice."""
    monkeypatch.setattr(inngest, "PAGES_MAX", 2)
    now = backend.clock.now()
    expected = [f"event/{number}" for number in range(330)]
    for number, name in enumerate(expected):
        fake.receive(name, now - 3_600_000 + number)
    assert poll(backend) == 100
    fake.receive("event/new", now)
    assert poll(backend) == 100
    assert [poll(backend), poll(backend), poll(backend)] == [100, 30, 1]

    assert shown(backend) == [*expected, "event/new"]
    assert poll(backend) == 0


def test_what_came_while_inngest_was_away_is_fetched(backend: Backend, fake: FakeInngest) -> None:
    """Half a day later, with pages that fail in the middle of the way."""
    now = backend.clock.now()
    fake.receive("before", now - 1_000)
    poll(backend)
    fake.fault = refuses(500)
    for number in range(120):
        fake.receive(f"event/{number:03}", now + number * 1_000)
    backend.env["INNGEST_URL"] = ""
    backend.clock.advance("6h")
    backend.env["INNGEST_URL"] = fake.url
    poll(backend)
    assert (source(backend).state, shown(backend)) == ("down", ["before"])

    answered = 0

    def one_page_only(handler: Any) -> None:
        nonlocal answered
        answered += 1
        fake.answer(handler) if answered == 1 else refuses(503)(handler)

    fake.fault = one_page_only
    poll(backend)
    assert len(shown(backend)) == 51
    fake.fault = None
    poll(backend)
    assert shown(backend) == ["before", *(f"event/{number:03}" for number in range(120))]


def test_events_that_are_listed_late_are_not_missed(backend: Backend, fake: FakeInngest) -> None:
    """Inngest lists an event some seconds after it received it, when a later one may be listed already."""
    now = backend.clock.now()
    fake.receive("later", now)
    poll(backend)
    fake.receive("earlier", now - 30_000)
    poll(backend)

    assert shown(backend) == ["earlier", "later"]


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (refuses(500), "Inngest answers 500."),
        (refuses(401), "Inngest does not take our signing key (401)."),
        (refuses(429), "Inngest asks us to ask less often (429)."),
        (cuts_off, "Inngest's answer was cut off."),
        (says(b'{"data": [{'), "What Inngest answers is no list."),
        (says(b"<html>"), "What Inngest answers is no list."),
        (says(b'{"data": 7}'), "What Inngest answers is no list."),
        (says(b'{"data": [7, {"name": "x"}]}'), "Nothing of what Inngest lists is understood."),
        (says(b'{"data": [' + b" " * (_inngest_api.BODY_BYTES_MAX + 1)), "Inngest's answer is longer than 8 MiB."),
    ],
)
def test_an_inngest_that_fails_says_so_and_blanks_nothing(
    backend: Backend, fake: FakeInngest, fault: Fault, problem: str
) -> None:
    """What was fetched stays, the source is down with a sentence and since when, and comes back by itself."""
    fake.receive("video/uploaded", backend.clock.now())
    poll(backend)
    assert source(backend).state == "up"
    fake.fault = fault
    poll(backend)
    down_at = backend.clock.now()
    poll(backend)

    seen = source(backend)
    assert (seen.state, seen.problem, seen.down_since) == ("down", problem, down_at)
    assert shown(backend) == ["video/uploaded"]
    fake.fault = None
    poll(backend)
    assert source(backend).state == "up"


def test_an_inngest_that_hangs_is_left(backend: Backend, fake: FakeInngest, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that does not end is bounded in time, as a whole."""
    until = threading.Event()
    fake.fault = hangs(until)
    with monkeypatch.context() as patch:
        patch.setattr(_inngest_api, "ANSWER_TIMEOUT_S", 0.2)
        poll(backend)
    until.set()
    assert source(backend).problem == "Inngest does not answer in time."
    fake.fault = None
    fake.receive("after", backend.clock.now())
    poll(backend)
    assert shown(backend) == ["after"]


def test_an_inngest_that_is_not_there_is_down(backend: Backend, fake: FakeInngest) -> None:
    """As is one whose address is none."""
    backend.env["INNGEST_URL"] = "http://127.0.0.1:1"
    poll(backend)
    assert "Inngest cannot be reached" in (source(backend).problem or "")
    backend.env["INNGEST_URL"] = "no address"
    poll(backend)
    assert "Inngest cannot be reached" in (source(backend).problem or "")


def test_inngest_is_left_alone_for_as_long_as_it_asks(backend: Backend, fake: FakeInngest) -> None:
    """`Retry-After` holds over runs of the cron; then we ask again."""
    fake.receive("video/uploaded", backend.clock.now())
    fake.fault = refuses(429, "120")
    poll(backend)
    fake.fault = None
    asked = len(fake.asked)
    poll(backend)
    assert (len(fake.asked), source(backend).state) == (asked, "down")

    backend.clock.advance("2m")
    poll(backend)
    assert (shown(backend), source(backend).state) == (["video/uploaded"], "up")


def test_something_strange_in_a_list_keeps_nothing_else_away(
    backend: Backend, fake: FakeInngest, caplog: pytest.LogCaptureFixture
) -> None:
    """It is left out, and logged; names that are too long are cut, times that are none are the beginning of time."""
    now = backend.clock.now()
    event = fake.receive("x" * 500, now)
    fake.events[event]["data"] = [1]
    fake.events["broken"] = {"internal_id": "0", "name": 3, "received_at": fake.events[event]["received_at"]}
    run = fake.start(event, "app-a", now)
    fake.runs[event][0].update(status="Unheard of", run_started_at="0001-01-01T00:00:00Z")
    poll(backend)

    [seen] = owner(backend).query(pipeline.activity, pagination_opts=NEWEST).page
    assert (seen.name, [(it.id, it.state, it.started_at) for it in seen.runs]) == ("x" * 200, [(run, "running", 0.0)])
    assert "not understood" in caplog.text


def test_runs_are_asked_for_less_and_less_often(backend: Backend, fake: FakeInngest) -> None:
    """Until all have ended, and the event is so old that no others come."""
    now = backend.clock.now()
    event = fake.receive("video/uploaded", now)
    run = fake.start(event, "app-transcribe", now)
    path = f"/v1/events/{event}/runs"
    poll(backend)
    poll(backend)
    assert fake.asked.count(path) == 1
    key = backend.env.pop("INNGEST_URL")
    backend.clock.advance("2h")
    backend.env["INNGEST_URL"] = key
    poll(backend)
    backend.clock.advance("10s")
    poll(backend)
    assert fake.asked.count(path) == 2

    fake.end(run, backend.clock.now())
    backend.env.pop("INNGEST_URL")
    backend.clock.advance("30m")
    backend.env["INNGEST_URL"] = key
    poll(backend)
    assert (fake.asked.count(path), executed(backend)) == (3, 1)
    backend.env.pop("INNGEST_URL")
    backend.clock.advance("3h")
    backend.env["INNGEST_URL"] = key
    poll(backend)
    assert fake.asked.count(path) == 3


def test_what_was_fetched_goes_by_itself(backend: Backend, fake: FakeInngest, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a week; Inngest is not asked for it again by then, however quiet it is, so nothing is counted twice."""
    assert inngest.FETCHED_KEPT_MS == 7 * 86_400_000 > 2 * inngest.FIRST_LOOK_MS + inngest.LAG_MAX_MS
    monkeypatch.setattr(inngest, "FETCHED_KEPT_MS", 3_600_000.0)
    monkeypatch.setattr(inngest, "LAG_MAX_MS", 600_000.0)
    now = backend.clock.now()
    event = fake.receive("video/uploaded", now)
    fake.end(fake.start(event, "app-transcribe", now), now)
    for pause in ("20m", "40m"):
        poll(backend)
        backend.env.pop("INNGEST_URL")
        backend.clock.advance(pause)
        backend.env["INNGEST_URL"] = fake.url
    fake.receive("note/saved", backend.clock.now())
    poll(backend)

    assert (shown(backend), executed(backend)) == (["note/saved"], 1)
