"""Jobs by the service that serves, under a clock that is moved: waits, attempts, forgetting."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from joelclaw.testing import Backend
from tests.scheduler.fixtures import write

FILES = {
    "joelclaw.toml": "",
    "schema.py": """
        from joelclaw import Table

        class Note(Table):
            __table__ = "notes"
            text: str
        """,
    "app_functions/f.py": """
        from joelclaw import *
        from schema import Note

        @mutation
        def write(ctx: MutationCtx, text: str) -> int:
            ctx.db.insert(Note(text=text))
            return ctx.db.query(Note).count()

        @mutation
        def later(ctx: MutationCtx, delay: str) -> Id[ScheduledJob]:
            return ctx.scheduler.run_after(delay, write, text=delay)

        @action(retry=Retry(attempts=4, backoff="1m", growth=10, jitter=0, backoff_max="1h"))
        async def flaky(ctx: ActionCtx, good: int) -> None:
            if await ctx.run_mutation(write, text=str(ctx.now())) < good:
                raise ValueError("no network")

        @mutation
        def flaky_later(ctx: MutationCtx, good: int) -> Id[ScheduledJob]:
            return ctx.scheduler.run_after("0s", flaky, good)

        @query
        def texts(ctx: QueryCtx) -> list[str]:
            return [note.text for note in ctx.db.query(Note)]

        @query
        def job(ctx: QueryCtx, id: Id[ScheduledJob]) -> ScheduledJob | None:
            return ctx.db.get(id)
        """,
}

MINUTE_MS = 60_000


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    write(tmp_path, FILES)
    with Backend(tmp_path / "app") as backend:
        yield backend


def test_jobs_wait_for_their_time_and_are_forgotten_after_a_week(backend: Backend) -> None:
    """A month passes in a moment: each runs at its time, and is gone a week after its end (SCH-15, SCH-22)."""
    call = backend.internal
    minute, month = call.mutation("f:later", delay="1m"), call.mutation("f:later", delay="30d")
    assert call.query("f:texts") == []
    backend.clock.advance("1m")
    assert call.query("f:texts") == ["1m"]
    backend.clock.advance("167h59m")
    assert call.query("f:job", id=minute)["state"] == {"kind": "success"}
    backend.clock.advance("1m")
    assert call.query("f:job", id=minute) is None
    assert call.query("f:job", id=month)["state"] == {"kind": "pending"}
    backend.clock.advance("30d")
    assert call.query("f:texts") == ["1m", "30d"]


def test_a_subscriber_sees_every_attempt(backend: Backend) -> None:
    """A minute later, then ten: the document tells of each run, and of the next one's time."""
    call = backend.internal
    id = call.mutation("f:flakyLater", good=3)
    live = call.subscribe("f:job", id=id)
    begun = backend.clock.now()
    assert live.value["state"] == {"kind": "pending"}
    assert live.value["scheduledTime"] == begun + MINUTE_MS
    assert live.value["attempts"] == [
        {"startedAt": begun, "endedAt": begun, "error": "Uncaught ValueError: no network"}
    ]
    backend.clock.advance("1m")
    assert len(live.value["attempts"]) == 2
    assert live.value["scheduledTime"] == begun + 11 * MINUTE_MS
    backend.clock.advance("10m")
    assert live.value["state"] == {"kind": "success"}
    assert "error" not in live.value["attempts"][2]
    assert call.query("f:texts") == [str(begun + wait * MINUTE_MS) for wait in (0, 1, 11)]


def test_attempts_come_to_an_end(backend: Backend) -> None:
    """After the last of them the job has failed, with its error."""
    call = backend.internal
    id = call.mutation("f:flakyLater", good=100)
    backend.clock.advance("30d")
    assert len(call.query("f:texts")) == 4
    assert call.query("f:job", id=id) is None
    id = call.mutation("f:flakyLater", good=100)
    backend.clock.advance("1d")
    job = call.query("f:job", id=id)
    assert (job["state"]["kind"], len(job["attempts"])) == ("failed", 4)
