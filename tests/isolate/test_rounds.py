"""Rounds and batches: what a reader answers, and from which snapshot."""

from joelclaw.isolate.messages import (
    CallDone,
    Checkpoint,
    Checkpointed,
    CloseRound,
    OpenRound,
    RoundClosed,
    RoundOpened,
    RunCalls,
)
from tests.isolate.isolates import Deployment, call, texts, value


def test_a_round_keeps_its_snapshot(deployment: Deployment) -> None:
    """All calls of a round see the commits up to its timestamp, however many follow meanwhile (TXN-11)."""
    writer, reader = deployment.writer(), deployment.reader()
    before = writer.batch(call("notes:add", text="one"))
    reader.send(OpenRound(round=1))
    assert reader.receive(RoundOpened).ts == before.ts
    after = writer.batch(call("notes:add", text="two"))
    for _ in range(2):
        reader.send(RunCalls(round=1, calls=[call("notes:texts"), call("notes:texts")]))
        for _ in range(2):
            assert value(reader.receive(CallDone).outcome) == ["one"]
    reader.send(CloseRound(round=1))
    assert reader.receive(RoundClosed).memory_bytes > 0
    done = reader.batch(call("notes:texts"))
    assert done.ts == after.ts
    assert value(done.outcomes[0]) == ["one", "two"]


def test_what_a_query_depends_on_is_told(deployment: Deployment) -> None:
    """An outcome carries the index ranges that a query looked at, empty ones included, and commits tell their keys."""
    writer, reader = deployment.writer(), deployment.reader()
    [nothing] = reader.run(call("notes:texts"))
    [read] = nothing.reads
    done = writer.batch(call("notes:add", text="one"))
    assert read.index in {key.index for key in done.keys}


def test_sizes_are_reported(deployment: Deployment) -> None:
    """Each batch tells what the process holds and how long the database's log is; a checkpoint empties that."""
    writer = deployment.writer()
    done = writer.batch(call("notes:add", text="one"))
    assert done.memory_bytes > 1_000_000
    assert done.log_bytes > 0
    writer.send(Checkpoint())
    assert writer.receive(Checkpointed).log_bytes < done.log_bytes
    assert texts(deployment.reader()) == ["one"]


def test_failures_say_where_they_happened(deployment: Deployment) -> None:
    """A traceback holds the frames of the app's files, innermost first."""
    [outcome] = deployment.reader(transaction_time_s=0.1).run(call("faults:ask", name="loop"))
    assert outcome.failure is not None
    first, *_ = outcome.failure.frames.splitlines()
    assert first.startswith("    at loop (app_functions/faults.py:")
