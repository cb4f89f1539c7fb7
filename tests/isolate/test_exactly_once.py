"""Exactly once: no death of a writer loses an outcome or runs a mutation twice."""

import signal
import socket

from joelclaw.isolate.messages import BatchDone
from tests.isolate.isolates import PATIENCE_S, Deployment, call, texts, value


def test_a_repeated_call_gets_the_first_outcome(deployment: Deployment) -> None:
    """A call id that has run is answered from its record, with the commit it then had; nothing runs (SYNC-9)."""
    writer = deployment.writer()
    [first] = writer.run(call("notes:add", text="one", call_id="a"))
    [other] = writer.run(call("notes:add", text="two", call_id="b"))
    [again] = writer.run(call("notes:add", text="never looked at", call_id="a"))
    assert (again.value, again.commit_ts) == (first.value, first.commit_ts)
    assert first.commit_ts < other.commit_ts
    assert texts(deployment.reader()) == ["one", "two"]


def test_a_call_twice_in_a_batch_runs_once(deployment: Deployment) -> None:
    """The record is seen within the transaction that wrote it."""
    first, again = deployment.writer().run(*[call("notes:add", text="one", call_id="a")] * 2)
    assert value(first) == value(again)
    assert texts(deployment.reader()) == ["one"]


def test_a_failure_leaves_no_record(deployment: Deployment) -> None:
    """A mutation that failed wrote nothing, not even that it failed, and may be tried again."""
    writer = deployment.writer()
    failed = writer.batch(call("notes:addAndRefuse", text="one", call_id="a"))
    assert failed.outcomes[0].failure is not None
    assert (failed.ts, failed.keys) == (0, [])
    assert value(*writer.run(call("notes:add", text="two", call_id="a")))


def test_killed_before_the_commit(deployment: Deployment) -> None:
    """A batch whose writer dies before COMMIT did not happen: no reply is left, and its calls run when asked again."""
    writer = deployment.writer()
    added = call("notes:add", text="one", call_id="a")
    writer.start_batch(added, call("faults:write", name="abort", call_id="b"))
    assert writer.wait() == -signal.SIGABRT

    writer = deployment.writer()
    assert deployment.prepared is not None
    assert deployment.prepared.unsent == []
    assert value(*writer.run(added))
    assert texts(deployment.reader()) == ["one"]


def test_killed_after_the_commit(deployment: Deployment) -> None:
    """A reply that nobody read is told by the next writer, outcomes and keys; asking again runs nothing."""
    writer = deployment.writer()
    added = call("notes:add", text="one", call_id="a")
    writer.start_batch(added)
    writer.socket.settimeout(PATIENCE_S)
    assert writer.socket.recv(1, socket.MSG_PEEK), "the reply is on its way, so the commit is done"
    writer.kill()

    writer = deployment.writer()
    assert deployment.prepared is not None
    [unsent] = deployment.prepared.unsent
    assert unsent.batch == 1
    assert unsent.ts == deployment.prepared.ts == unsent.outcomes[0].commit_ts
    assert unsent.keys
    [again] = writer.run(added)
    assert (again.value, again.commit_ts) == (unsent.outcomes[0].value, unsent.ts)
    assert texts(deployment.reader()) == ["one"]


def test_published_replies_are_forgotten(deployment: Deployment) -> None:
    """Only replies newer than what the gateway has published are kept, in the order of their commits."""
    writer = deployment.writer()
    published, kept, newest = (writer.batch(call("notes:add", text=text)) for text in ("one", "two", "three"))
    writer.published_ts = published.ts
    last = writer.batch(call("notes:add", text="four"))
    writer.kill()
    deployment.writer()
    assert deployment.prepared is not None
    assert [reply.ts for reply in deployment.prepared.unsent] == [kept.ts, newest.ts, last.ts]


def test_a_mutation_that_wrote_nothing_names_the_newest_commit(deployment: Deployment) -> None:
    """Without writes and records there is no commit, and the outcome names one that a client can wait for."""
    writer = deployment.writer()
    added = writer.batch(call("notes:add", text="one"))
    looked = writer.batch(call("notes:touchNothing"))
    assert (looked.ts, looked.outcomes[0].commit_ts) == (0, added.ts)


def test_the_budget_leaves_the_rest_undone(deployment: Deployment) -> None:
    """A batch that takes long commits what it has; calls that did not start are not among the outcomes."""
    writer = deployment.writer(transaction_time_s=5.0, transaction_wall_s=10.0)
    slow = [call("notes:addSlowly", text=str(number), rounds=200) for number in range(60)]
    done: BatchDone = writer.batch(*slow)
    assert 0 < len(done.outcomes) < len(slow)
    assert len(texts(deployment.reader())) == len(done.outcomes)
