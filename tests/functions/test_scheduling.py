"""Scheduling, as functions see it, and the system's half of it: on a clock that is moved."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from joelclaw.errors import AppRefused
from joelclaw.functions.calls import Failure
from joelclaw.functions.retries import Retry, retry_spec
from joelclaw.limits import Limits
from joelclaw.system import jobs as system_jobs
from joelclaw.system.tables import ScheduledJob
from joelclaw.values.int64 import Int64
from tests.functions.deployment import CallError, Deployment, person, value_of

FILES = {
    "schema.py": """
        from joelclaw import *
        class Note(Table):
            __table__ = "notes"
            text: str
    """,
    "f.py": """
        from datetime import UTC, datetime, timedelta
        from typing import Any
        from joelclaw import *
        from schema import Note

        @mutation
        def write(ctx: MutationCtx, text: str) -> None:
            ctx.db.insert(Note(text=text))

        @mutation
        def later(ctx: MutationCtx, text: str, delay: str = "0s") -> Id[ScheduledJob]:
            ctx.db.insert(Note(text="scheduled " + text))
            return ctx.scheduler.run_after(delay, write, text=text)

        @mutation
        def at(ctx: MutationCtx, at: float) -> list[Id[ScheduledJob]]:
            moment = datetime.fromtimestamp(at / 1000, tz=UTC)
            return [ctx.scheduler.run_at(at, write, "number"), ctx.scheduler.run_at(moment, write, "datetime")]

        @query
        def texts(ctx: QueryCtx) -> list[str]:
            return [note.text for note in ctx.db.query(Note) if not note.text.startswith("scheduled ")]

        @query
        def jobs(ctx: QueryCtx) -> list[ScheduledJob]:
            return ctx.db.query(ScheduledJob).collect()

        @mutation
        def later_and_fail(ctx: MutationCtx) -> None:
            ctx.scheduler.run_after("0s", write, text="never")
            raise ValueError("after all")

        @mutation
        def nested(ctx: MutationCtx) -> None:
            ctx.run_mutation(later, text="kept")
            try:
                ctx.run_mutation(later_and_fail)
            except ValueError:
                pass

        @mutation
        def cancel(ctx: MutationCtx, id: Id[ScheduledJob]) -> None:
            ctx.scheduler.cancel(id)

        @mutation
        def fails(ctx: MutationCtx, text: str) -> None:
            ctx.db.insert(Note(text=text))
            raise AppError({"text": text})

        @mutation
        def schedule_failure(ctx: MutationCtx) -> Id[ScheduledJob]:
            return ctx.scheduler.run_after("0s", fails, text="undone")

        @mutation
        def cancels_itself(ctx: MutationCtx) -> None:
            for job in ctx.db.query(ScheduledJob):
                ctx.scheduler.cancel(job.id)
            ctx.scheduler.run_after("0s", write, text="child")
            ctx.db.insert(Note(text="ran"))

        @mutation
        def schedule_suicide(ctx: MutationCtx) -> Id[ScheduledJob]:
            return ctx.scheduler.run_after("0s", cancels_itself)

        @mutation
        def who(ctx: MutationCtx) -> None:
            ctx.db.insert(Note(text=str(ctx.auth.identity)))

        @mutation
        def who_later(ctx: MutationCtx) -> None:
            ctx.scheduler.run_after("0s", who)

        @mutation
        def count_down(ctx: MutationCtx, n: int) -> None:
            ctx.db.insert(Note(text=str(n)))
            if n:
                ctx.scheduler.run_after("1s", count_down, n - 1)

        @mutation
        def many(ctx: MutationCtx, count: int, size: int = 1) -> None:
            for _ in range(count):
                ctx.scheduler.run_after("1h", write, text="x" * size)

        @mutation
        def anything(ctx: MutationCtx, value: Any) -> None:
            assert type(value) is Int64, type(value)
            ctx.db.insert(Note(text=repr(value)))

        @mutation
        def anything_later(ctx: MutationCtx) -> None:
            ctx.scheduler.run_after("0s", anything, value=Int64(7))
            ctx.scheduler.run_after("0s", deep, value=nest(62))

        def nest(levels: int) -> Any:
            value: Any = 1.0
            for _ in range(levels):
                value = [value]
            return value

        @mutation
        def deep(ctx: MutationCtx, value: Any) -> None:
            ctx.db.insert(Note(text="deep"))

        @mutation
        def wrong(ctx: MutationCtx, how: str) -> None:
            anything: Any = ctx.scheduler
            now = ctx.now()
            year = 365 * 86_400_000.0
            match how:
                case "number": anything.run_after(5, write, text="x")
                case "negative": anything.run_after(timedelta(seconds=-1), write, text="x")
                case "unit": anything.run_after("5", write, text="x")
                case "far": anything.run_after(timedelta(days=6 * 365), write, text="x")
                case "future": anything.run_at(now + 5.1 * year, write, text="x")
                case "past": anything.run_at(now - 5.1 * year, write, text="x")
                case "infinite": anything.run_at(float("inf"), write, text="x")
                case "naive": anything.run_at(datetime(2030, 1, 1), write, text="x")
                case "bool": anything.run_at(True, write, text="x")
                case "string": anything.run_at("soon", write, text="x")
                case "query": anything.run_after("1s", texts)
                case "plain": anything.run_after("1s", nest, 1)
                case "path": anything.run_after("1s", "f:write", text="x")
                case "missing": anything.run_after("1s", write)
                case "unknown": anything.run_after("1s", write, text="x", n=1)
                case "type": anything.run_after("1s", write, text=5)
                case "none": anything.cancel(None)
                case "id": anything.cancel(ctx.db.insert(Note(text="x")))
                case _: raise AssertionError(how)

        @query
        def from_query(ctx: QueryCtx) -> None:
            context: Any = ctx
            context.scheduler.run_after("1s", write, text="x")

        @action
        async def act(ctx: ActionCtx, text: str) -> None:
            await ctx.run_mutation(write, text=text)

        @action(retry=Retry(attempts=3, backoff="10s", growth=3, jitter=0.5, backoff_max="20s"))
        async def flaky(ctx: ActionCtx) -> None: ...

        @mutation
        def act_later(ctx: MutationCtx, retried: bool = False) -> Id[ScheduledJob]:
            if retried:
                return ctx.scheduler.run_after("0s", flaky)
            return ctx.scheduler.run_after("0s", act, text="acted")

        @action
        async def from_action(ctx: ActionCtx, cancel: bool = False) -> Id[ScheduledJob]:
            job = await ctx.scheduler.run_after("1s", act, "x")
            await ctx.scheduler.run_at(ctx.now() + 2_000, write, text="y")
            if cancel:
                await ctx.scheduler.cancel(job)
            return job

        @action
        async def from_action_wrong(ctx: ActionCtx) -> None:
            anything: Any = ctx.scheduler
            await anything.run_after("1s", write, text=5)
    """,
}


class Jobs:
    """A deployment, and what the gateway does with its jobs."""

    def __init__(self, app: Deployment) -> None:
        self.app = app
        self.call = app.mutate

    def run_due(self) -> int:
        """Run the mutations that are due, and what becomes due by that; how many ran."""
        count = 0
        while due := self.due("mutations"):
            for job in due:
                self.call("_system/jobs:run", id=job)
                count += 1
        return count

    def due(self, line: str, limit: int = 100) -> list[str]:
        return [job["id"] for job in self.app.query("_system/jobs:due", line=line, limit=limit)]

    def all(self) -> list[dict[str, Any]]:
        jobs: list[dict[str, Any]] = self.app.query("f:jobs")
        return jobs

    def job(self, id: str) -> dict[str, Any]:
        return next(job for job in self.all() if job["_id"] == id)

    def state(self, id: str) -> str:
        kind: str = self.job(id)["state"]["kind"]
        return kind

    @property
    def texts(self) -> list[str]:
        texts: list[str] = self.app.query("f:texts")
        return texts

    def wait(self, **duration: float) -> None:
        self.app.hooks.time.advance(timedelta(**duration))

    def fail_attempt(self, id: str) -> None:
        assert self.call("_system/jobs:claim", id=id) == "{}"
        self.wait(seconds=1)
        self.call("_system/jobs:end", id=id, error="no network", code="internal")


@pytest.fixture
def jobs(deployment: Callable[..., Deployment]) -> Jobs:
    return Jobs(deployment(FILES))


# -- mutations


def test_a_job_runs_when_its_time_has_come(jobs: Jobs) -> None:
    """Not before; its document tells what, with what, when, and how it went (SCH-1, SCH-2, SCH-3, SCH-15, SCH-20)."""
    soon = jobs.call("f:later", text="soon")
    late = jobs.call("f:later", text="late", delay="1m")
    began = jobs.app.hooks.clock()
    assert jobs.run_due() == 1
    assert jobs.texts == ["soon"]
    done, waits = jobs.job(soon), jobs.job(late)
    assert done["name"] == "f:write"
    assert done["args"] == [{"text": "soon"}]
    assert (done["state"], done["completedTime"]) == ({"kind": "success"}, began)
    assert (waits["state"], waits["scheduledTime"]) == ({"kind": "pending"}, began + 60_000)
    assert "completedTime" not in waits
    jobs.wait(minutes=1)
    assert jobs.run_due() == 1
    assert jobs.texts == ["soon", "late"]
    assert jobs.state(late) == "success"


def test_instants_are_datetimes_or_milliseconds(jobs: Jobs) -> None:
    """Both mean the same; one that is past means now (SCH-1)."""
    at = jobs.app.hooks.clock() - 5_000
    ids = jobs.call("f:at", at=at)
    assert [jobs.job(id)["scheduledTime"] for id in ids] == [at, at]
    jobs.run_due()
    assert jobs.texts == ["number", "datetime"]


def test_a_failed_mutation_has_scheduled_nothing(jobs: Jobs) -> None:
    """Whole or nested; what a nested one that is kept has scheduled runs after the outermost (SCH-5, SCH-6)."""
    with pytest.raises(CallError):
        jobs.call("f:laterAndFail")
    assert jobs.all() == []
    jobs.call("f:nested")
    assert jobs.texts == []
    assert jobs.run_due() == 1
    assert jobs.texts == ["kept"]


def test_cancel(jobs: Jobs) -> None:
    """Before the run: canceled, and it never runs. Afterwards, or again: no error, and nothing changes (SCH-7)."""
    first, second = jobs.call("f:later", text="first"), jobs.call("f:later", text="second")
    jobs.call("f:cancel", id=first)
    assert jobs.run_due() == 1
    assert jobs.call("_system/jobs:run", id=first) is None
    assert jobs.texts == ["second"]
    before = jobs.all()
    jobs.wait(minutes=1)
    for id in (first, second):
        jobs.call("f:cancel", id=id)
    assert jobs.all() == before
    assert [jobs.state(first), jobs.state(second)] == ["canceled", "success"]


def test_a_job_may_cancel_itself(jobs: Jobs) -> None:
    """It ends as canceled, its writes stand, and what it schedules afterwards is canceled from the start (SCH-8)."""
    id = jobs.call("f:scheduleSuicide")
    assert jobs.run_due() == 1
    assert jobs.texts == ["ran"]
    assert [job["state"]["kind"] for job in jobs.all()] == ["canceled", "canceled"]
    assert jobs.state(id) == "canceled"


def test_a_failing_job_leaves_its_error_and_nothing_else(jobs: Jobs) -> None:
    """State failed with the message, its writes undone; jobs before and after it are untouched (SCH-3, SCH-13)."""
    jobs.call("f:later", text="before")
    id = jobs.call("f:scheduleFailure")
    jobs.call("f:later", text="after")
    before, failing, after = jobs.due("mutations")
    jobs.call("_system/jobs:run", id=before)
    report = jobs.call("_system/jobs:run", id=failing)
    jobs.call("_system/jobs:run", id=after)
    assert failing == id
    assert jobs.texts == ["before", "after"]
    assert jobs.job(id)["state"] == {"kind": "failed", "error": 'Uncaught ConvexError: {"text":"undone"}'}
    assert "at fails (app_functions/f.py" in report["frames"]
    assert jobs.run_due() == 0


def test_a_job_has_no_identity(jobs: Jobs) -> None:
    """Whoever scheduled it (SCH-11, AUTH-4)."""
    value_of(jobs.app.run_mutation("f:whoLater", identity=person("ann")))
    jobs.run_due()
    assert jobs.texts == ["None"]


def test_a_function_may_schedule_itself(jobs: Jobs) -> None:
    """A chain of ten steps ends (SCH-17)."""
    jobs.call("f:countDown", n=10)
    for _ in range(10):
        assert jobs.run_due() == 0
        jobs.wait(seconds=1)
        assert jobs.run_due() == 1
    jobs.wait(hours=1)
    assert jobs.run_due() == 0
    assert jobs.texts == [str(n) for n in range(10, -1, -1)]


def test_arguments_keep_their_types(jobs: Jobs) -> None:
    """An int64 stays one; they may nest as deep as those of any call (SCH-14)."""
    jobs.call("f:anythingLater")
    jobs.run_due()
    assert jobs.texts == [repr(Int64(7)), "deep"]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("number", "5 is not a duration: a number does not say its unit"),
        ("negative", "it is negative"),
        ("unit", "'5' is not a duration: it has no unit"),
        ("far", "is more than 5 years in the future"),
        ("future", "is more than 5 years in the future"),
        ("past", "is more than 5 years in the past"),
        ("infinite", "inf must be a finite number"),
        ("naive", "has no time zone"),
        ("bool", "True is no instant"),
        ("string", "'soon' is no instant"),
        ("query", "Attempted to schedule f.texts, which is a query"),
        ("plain", "Attempted to schedule <function nest"),
        ("path", "Attempted to schedule 'f:write', which is no function of the app"),
        ("missing", "missing the required field `text`"),
        ("unknown", "extra field `n`"),
        ("type", "does not match validator"),
        ("id", "is no id of a scheduled job"),
        ("none", "None is no id of a scheduled job"),
    ],
)
def test_what_cannot_be_scheduled_is_refused_at_once(jobs: Jobs, how: str, message: str) -> None:
    """Where the mistake is, with what is wrong, and nothing is scheduled (SCH-18, SCH-19)."""
    with pytest.raises(CallError) as caught:
        jobs.call("f:wrong", how=how)
    assert message in str(caught.value)
    assert jobs.all() == []


def test_queries_schedule_nothing(jobs: Jobs) -> None:
    """Their context has no scheduler (SCH-10)."""
    with pytest.raises(CallError, match="has no attribute 'scheduler'"):
        jobs.app.query("f:fromQuery")


def test_a_mutation_schedules_a_thousand_functions(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    """And no more; above three quarters of it the log warns (SCH-21)."""
    with caplog.at_level(logging.WARNING):
        jobs.call("f:many", count=750)
        assert caplog.text == ""
        jobs.call("f:many", count=751)
        assert "Many functions scheduled in a single function execution (actual: 751, limit: 1000)" in caplog.text
    jobs.call("f:many", count=1_000)
    with pytest.raises(CallError, match=r"Too many functions scheduled by this mutation \(limit: 1000\)"):
        jobs.call("f:many", count=1_001)
    assert len(jobs.all()) == 750 + 751 + 1_000


def test_what_is_scheduled_is_16_mebibytes_together(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    """4 for one; the documents that hold it count against nothing else (SCH-21)."""
    overhead = len("text") + 1 + 2 + 2
    jobs.call("f:many", count=4, size=4 * 2**20 - overhead)
    assert "bytes of arguments of scheduled functions" in caplog.text
    with pytest.raises(CallError, match=r"Arguments for f.write are too large to be scheduled \(actual: 4194305 bytes"):
        jobs.call("f:many", count=1, size=4 * 2**20 - overhead + 1)
    with pytest.raises(CallError, match="Too large total size of the arguments of scheduled functions"):
        jobs.call("f:many", count=5, size=4 * 2**20 - overhead)
    assert jobs.due("mutations") == []
    jobs.wait(hours=1)
    assert len(jobs.due("mutations")) == 4


def test_so_many_jobs_may_be_outstanding(deployment: Callable[..., Deployment]) -> None:
    """One more is refused, and leaves nothing; whatever ends, or is canceled, makes room."""
    jobs = Jobs(deployment(FILES, limits=Limits(scheduled_outstanding=2)))
    first = jobs.call("f:later", text="first")
    jobs.call("f:later", text="second", delay="1h")
    refused = r"Too many scheduled functions wait for their time \(limit: 2\).*raise limits.scheduled_outstanding"
    with pytest.raises(CallError, match=refused):
        jobs.call("f:later", text="third")
    assert len(jobs.all()) == 2
    jobs.run_due()
    third = jobs.call("f:later", text="third", delay="1h")
    with pytest.raises(CallError, match=refused):
        jobs.call("f:later", text="fourth")
    jobs.call("f:cancel", id=third)
    jobs.call("f:cancel", id=first)
    jobs.call("f:later", text="fourth")
    with pytest.raises(CallError, match=refused):
        jobs.call("f:later", text="fifth")


# -- actions


def test_an_action_job_is_claimed_run_and_ended(jobs: Jobs) -> None:
    """Once: whoever claims it a second time gets nothing (SCH-12)."""
    id = jobs.call("f:actLater")
    assert jobs.due("mutations") == []
    assert jobs.due("actions") == [id]
    assert jobs.call("_system/jobs:claim", id=id) == '{"text":"acted"}'
    assert jobs.state(id) == "inProgress"
    assert jobs.call("_system/jobs:claim", id=id) is None
    assert jobs.due("actions") == []
    jobs.call("_system/jobs:end", id=id, error=None, code="")
    assert jobs.state(id) == "success"
    jobs.call("_system/jobs:end", id=id, error="again", code="")
    assert jobs.state(id) == "success"


def test_an_action_that_was_cut_off_has_failed(jobs: Jobs) -> None:
    """It is not run again: nobody knows how far it came (SCH-12)."""
    id = jobs.call("f:actLater")
    jobs.call("_system/jobs:claim", id=id)
    assert jobs.call("_system/jobs:recover", limit=10) is False
    error = f"{system_jobs.CUT_OFF} {system_jobs.DECLARE_RETRY}"
    assert jobs.job(id)["state"] == {"kind": "failed", "error": error}
    assert jobs.due("actions") == []


def test_an_action_that_may_be_is_tried_again(jobs: Jobs) -> None:
    """Later each time, at most so often; every attempt can be seen, with its error."""
    id = jobs.call("f:actLater", retried=True)
    jobs.fail_attempt(id)
    waits = jobs.job(id)
    assert waits["state"] == {"kind": "pending"}
    [attempt] = waits["attempts"]
    now = jobs.app.hooks.clock()
    assert attempt == {"startedAt": now - 1_000, "endedAt": now, "error": "no network"}
    assert 5_000 <= waits["scheduledTime"] - now <= 10_000
    assert jobs.due("actions") == []
    jobs.wait(seconds=10)
    assert jobs.due("actions") == [id]
    assert jobs.call("_system/jobs:claim", id=id) == "{}"
    jobs.call("_system/jobs:recover", limit=10)
    assert jobs.job(id)["attempts"][1]["error"] == system_jobs.CUT_OFF
    assert 10_000 <= jobs.job(id)["scheduledTime"] - jobs.app.hooks.clock() <= 20_000
    jobs.wait(seconds=20)
    jobs.fail_attempt(id)
    over = jobs.job(id)
    assert over["state"] == {"kind": "failed", "error": "no network"}
    assert len(over["attempts"]) == 3


def test_long_errors_of_attempts_are_cut(jobs: Jobs) -> None:
    """A hundred attempts fit into one document; the job's own error is whole."""
    id = jobs.call("f:actLater", retried=True)
    for _ in range(3):
        jobs.call("_system/jobs:claim", id=id)
        jobs.call("_system/jobs:end", id=id, error="x" * 10_000, code="internal")
        jobs.wait(minutes=1)
    job = jobs.job(id)
    assert {len(attempt["error"]) for attempt in job["attempts"]} == {system_jobs.ATTEMPT_ERROR_LENGTH_MAX}
    assert len(job["state"]["error"]) == 10_000


def test_a_success_ends_the_attempts(jobs: Jobs) -> None:
    """The successful one is the last that is kept."""
    id = jobs.call("f:actLater", retried=True)
    jobs.fail_attempt(id)
    jobs.wait(seconds=10)
    jobs.call("_system/jobs:claim", id=id)
    jobs.call("_system/jobs:end", id=id, error=None, code="")
    assert jobs.state(id) == "success"
    assert [attempt.get("error") for attempt in jobs.job(id)["attempts"]] == ["no network", None]


def test_what_cannot_be_mended_by_trying_is_not_tried_again(jobs: Jobs) -> None:
    """Arguments that do not fit any more do not fit a minute later."""
    id = jobs.call("f:actLater", retried=True)
    jobs.call("_system/jobs:claim", id=id)
    jobs.call("_system/jobs:end", id=id, error="ArgumentValidationError: no", code="arguments_refused")
    assert jobs.state(id) == "failed"


def test_children_of_a_canceled_action_are_canceled(jobs: Jobs) -> None:
    """What an action schedules after it was canceled never runs, through mutations too; before it, it does (SCH-9)."""
    id = jobs.call("f:actLater")
    jobs.call("_system/jobs:claim", id=id)
    value_of(jobs.app.run_mutation("f:later", {"text": "before"}, job=id))
    jobs.call("f:cancel", id=id)
    value_of(jobs.app.run_mutation("f:later", {"text": "after"}, job=id))
    jobs.run_due()
    assert jobs.texts == ["before"]
    jobs.call("_system/jobs:end", id=id, error="too late", code="")
    assert [job["state"]["kind"] for job in jobs.all()] == ["canceled", "success", "canceled"]


def test_a_canceled_action_is_not_tried_again(jobs: Jobs) -> None:
    """Canceled while it runs, or between two attempts."""
    first, second = (jobs.call("f:actLater", retried=True) for _ in range(2))
    jobs.call("_system/jobs:claim", id=first)
    jobs.call("f:cancel", id=first)
    jobs.call("_system/jobs:end", id=first, error="no", code="")
    jobs.fail_attempt(second)
    jobs.call("f:cancel", id=second)
    jobs.wait(hours=1)
    assert jobs.due("actions") == []
    assert [jobs.state(first), jobs.state(second)] == ["canceled", "canceled"]


def test_actions_schedule_and_cancel(jobs: Jobs) -> None:
    """Mutations and actions, after a while and at an instant; wrong arguments are refused at once (SCH-10)."""
    id = value_of(asyncio.run(jobs.app.run_action("f:fromAction")))
    assert [(job["_id"] == id, job["name"], job["args"]) for job in jobs.all()] == [
        (True, "f:act", [{"text": "x"}]),
        (False, "f:write", [{"text": "y"}]),
    ]
    canceled = value_of(asyncio.run(jobs.app.run_action("f:fromAction", {"cancel": True})))
    assert jobs.state(canceled) == "canceled"
    refused = asyncio.run(jobs.app.run_action("f:fromActionWrong")).failure
    assert isinstance(refused, Failure)
    assert "ArgumentValidationError" in refused.message
    assert len(jobs.all()) == 4


# -- the system's own


def test_a_function_that_is_gone_when_it_is_due(jobs: Jobs) -> None:
    """Failed, with a sentence that says what a deploy has done; so has one that is of another kind now (SCH-19)."""
    id = jobs.call("_system/jobs:schedule", path="f:removed", args="{}", at=0.0)
    other = jobs.call("_system/jobs:schedule", path="f:texts", args="{}", at=0.0)
    jobs.run_due()
    error = jobs.job(id)["state"]["error"]
    assert error.startswith(
        "Attempted to run a scheduled function at nonexistent path: f:removed. A deploy has removed"
    )
    assert "it is defined as Query" in jobs.job(other)["state"]["error"]


def test_a_mutation_job_that_could_not_even_end_has_failed(jobs: Jobs) -> None:
    """As one that ends its process: it leaves the line, so that it does not come again."""
    id = jobs.call("f:later", text="poison")
    jobs.call("_system/jobs:end", id=id, error="The process ended", code="isolate_died")
    assert jobs.job(id)["state"] == {"kind": "failed", "error": "The process ended"}
    assert jobs.run_due() == 0


def test_due_is_bounded_and_looks_again_at_the_next_instant(jobs: Jobs) -> None:
    """The earliest first; the result holds until the next job's time has come, and reads nothing behind it (SCH-22)."""
    late = jobs.call("f:later", text="late", delay="2m")
    early = [jobs.call("f:later", text="early", delay="1m") for _ in range(3)]
    arguments = {"line": "mutations", "limit": 2}
    outcome = jobs.app.run_query("_system/jobs:due", arguments)
    assert value_of(outcome) == []
    assert outcome.expires == jobs.app.hooks.clock() + 60_000
    jobs.wait(minutes=1)
    assert jobs.due("mutations", limit=2) == early[:2]
    jobs.wait(minutes=1)
    assert jobs.due("mutations", limit=10) == [*early, late]


def test_finished_jobs_are_forgotten_after_a_week(jobs: Jobs) -> None:
    """In bounded steps; what waits or runs stays however old (SCH-22)."""
    for n in range(5):
        jobs.call("f:later", text=str(n))
    jobs.run_due()
    waits = jobs.call("f:later", text="late", delay="240h")
    outcome = jobs.app.run_query("_system/jobs:forgettable")
    assert value_of(outcome) is False
    week_ms = 7 * 86_400_000
    assert outcome.expires == jobs.app.hooks.clock() + week_ms
    jobs.wait(days=7, milliseconds=-1)
    assert jobs.call("_system/jobs:forget", limit=3) is False
    assert len(jobs.all()) == 6
    jobs.wait(milliseconds=1)
    assert jobs.app.query("_system/jobs:forgettable") is True
    assert [jobs.call("_system/jobs:forget", limit=3) for _ in range(2)] == [True, False]
    assert [job["_id"] for job in jobs.all()] == [waits]
    jobs.call("f:cancel", id=waits)
    jobs.wait(days=8)
    jobs.call("_system/jobs:forget", limit=3)
    jobs.call("f:cancel", id=waits)
    assert jobs.all() == []


def test_the_platform_hears_of_each_end(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each job, in the transaction of its end, with the document as it is then."""
    heard: list[tuple[str, str]] = []

    def hear(_ctx: object, job: ScheduledJob) -> None:
        heard.append((job.id, job.state.kind))

    monkeypatch.setattr(system_jobs, "FINISHED", [hear])
    done, failed, canceled = jobs.call("f:later", text="x"), jobs.call("f:scheduleFailure"), jobs.call("f:actLater")
    jobs.call("f:cancel", id=canceled)
    jobs.run_due()
    assert heard == [(canceled, "canceled"), (done, "success"), (failed, "failed")]


# -- retry=


@pytest.mark.parametrize(
    ("retry", "problem"),
    [
        (Retry(attempts=1), "attempts=1 is not a whole number from 2 to 100"),
        (Retry(attempts=101), "attempts=101"),
        (Retry(growth=0.5), "growth=0.5 is not a number from 1 to 1000"),
        (Retry(jitter=1.5), "jitter=1.5 is not a number from 0 to 1"),
        (Retry(jitter=float("nan")), "jitter=nan"),
        (Retry(backoff="10"), "'10' is not a duration: it has no unit"),
        (Retry(backoff_max="soon"), "'soon' is not a duration"),
    ],
)
def test_a_retry_that_makes_no_sense_is_refused(retry: Retry, problem: str) -> None:
    """When the app is loaded, with what is wrong."""
    with pytest.raises(ValueError, match=problem):
        retry_spec(retry)


def test_a_wrong_retry_is_told_with_its_place(deployment: Callable[..., Deployment]) -> None:
    """As everything that is wrong with an app."""
    file = """
        from joelclaw import *

        @action(retry=Retry(attempts=0))
        async def first(ctx: ActionCtx) -> None: ...

        @action(retry=5)
        async def second(ctx: ActionCtx) -> None: ...
    """
    with pytest.raises(AppRefused) as caught:
        deployment({"schema.py": "", "f.py": file})
    first, second = map(str, caught.value.problems)
    assert first.startswith("app_functions/f.py:5: f.first: cannot be tried again: attempts=0 is not a whole number")
    assert second.startswith("app_functions/f.py:8: f.second: has retry=5; write retry=Retry(")


def test_waits_grow_up_to_the_longest() -> None:
    """Each is the last times `growth`, less up to `jitter` of itself, and never nothing."""
    spec = retry_spec(Retry(attempts=9, backoff="1s", growth=3, jitter=0.5, backoff_max="10s"))
    assert [spec.delay_ms(n, 0.0) for n in range(1, 5)] == [1_000, 3_000, 9_000, 10_000]
    assert spec.delay_ms(1, 0.5) == 750
    assert retry_spec(Retry(backoff="0s", jitter=1)).delay_ms(2, 0.999) == 1
