"""Scheduling, as functions see it, and the system's half of it: on a clock that is moved."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.functions.deployment import CallError, Deployment

FILES = {
    "schema.py": """
        from joelclaw import *
        class Note(Table):
            __table__ = "notes"
            text: str
    """,
    "f.py": """
        from datetime import UTC, datetime
        from typing import Any
        from joelclaw import *
        from schema import Note

        @mutation
        def write(ctx: MutationCtx, text: str) -> None:
            ctx.db.insert(Note(text=text))

        @mutation
        def later(ctx: MutationCtx, text: str, delay: str = "0s") -> Id[ScheduledJob]:
            return ctx.scheduler.run_after(delay, write, text=text)

        @query
        def texts(ctx: QueryCtx) -> list[str]:
            return [note.text for note in ctx.db.query(Note)]

        @query
        def jobs(ctx: QueryCtx) -> list[ScheduledJob]:
            return ctx.db.query(ScheduledJob).collect()
    """,
}


class Jobs:
    """A deployment, and what the gateway does with its jobs."""

    def __init__(self, app: Deployment) -> None:
        self.app = app

    def run_due(self) -> int:
        """Run what is due, and what becomes due by that; how many jobs ran."""
        count = 0
        while due := self.due("mutations"):
            for job in due:
                self.app.mutate("_system/jobs:run", id=job)
                count += 1
        return count

    def due(self, line: str, limit: int = 100) -> list[str]:
        return [job["id"] for job in self.app.query("_system/jobs:due", line=line, limit=limit)]

    def job(self, id: str) -> dict[str, Any]:
        return next(job for job in self.app.query("f:jobs") if job["_id"] == id)

    def state(self, id: str) -> str:
        kind: str = self.job(id)["state"]["kind"]
        return kind

    def wait(self, **duration: float) -> None:
        self.app.hooks.time.advance(timedelta(**duration))


@pytest.fixture
def jobs(deployment: Callable[..., Deployment]) -> Iterator[Jobs]:
    yield Jobs(deployment(FILES))


def test_a_job_runs_when_its_time_has_come(jobs: Jobs) -> None:
    """Not before; its document tells what, with what, when, and how it went (SCH-1, SCH-2, SCH-3, SCH-15)."""
    soon = jobs.app.mutate("f:later", text="soon")
    late = jobs.app.mutate("f:later", text="late", delay="1m")
    began = jobs.app.hooks.clock()
    assert jobs.run_due() == 1
    assert jobs.app.query("f:texts") == ["soon"]
    done, waits = jobs.job(soon), jobs.job(late)
    assert done["name"] == "f:write"
    assert done["args"] == [{"text": "soon"}]
    assert (done["state"], done["completedTime"]) == ({"kind": "success"}, began)
    assert (waits["state"], waits["scheduledTime"]) == ({"kind": "pending"}, began + 60_000)
    assert "completedTime" not in waits
    jobs.wait(minutes=1)
    assert jobs.run_due() == 1
    assert jobs.app.query("f:texts") == ["soon", "late"]
    assert jobs.state(late) == "success"


def test_errors() -> None:
    assert CallError
