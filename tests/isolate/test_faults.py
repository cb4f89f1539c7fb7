"""Faults of user code, on real processes: only the call that commits one fails."""

import signal

import pytest

from joelclaw.functions.calls import Failure
from joelclaw.isolate.messages import CallDone, CloseRound, OpenRound, RoundClosed, RoundOpened, RunCalls
from tests.isolate.isolates import Deployment, Isolate, call, texts, value

USE_AN_ACTION = "in queries and mutations. Please consider using an action."
ADVICE = "Consider doing less at a time, or raise limits.%s in joelclaw.toml."
TIMED_OUT = f"Function execution timed out (maximum duration: 0.1s). {ADVICE % 'transaction_time_s'}"
WAITED_TOO_LONG = f"Function execution timed out (maximum duration: 1.5s). {ADVICE % 'transaction_wall_s'}"

SURVIVABLE = [
    ("loop", TIMED_OUT),
    ("loop_and_swallow", TIMED_OUT),
    ("wait", WAITED_TOO_LONG),
    ("exit", "SystemExit"),
    ("interrupt", "KeyboardInterrupt"),
    (
        "allocate",
        "Uncaught MemoryError: the process may hold no more; work on less at a time, or raise limits.isolate_memory_mb",
    ),
    ("recurse", "RecursionError"),
    ("nest", ""),
    ("unencodable", "object"),
    ("connect", f"Can't use the network (socket.getaddrinfo()) {USE_AN_ACTION}"),
    ("write_file", f"Can't use open() for writing {USE_AN_ACTION}"),
    ("remove_file", f"Can't use os.remove() {USE_AN_ACTION}"),
    ("subprocess", f"Can't use subprocess.Popen() {USE_AN_ACTION}"),
    ("system", f"Can't use os.system() {USE_AN_ACTION}"),
    ("fork", f"Can't use os.fork() {USE_AN_ACTION}"),
    ("spawn", f"Can't use other processes {USE_AN_ACTION}"),
    ("make_pipe", f"Can't use os.mkfifo() {USE_AN_ACTION}"),
    ("thread", f"Can't use threads {USE_AN_ACTION}"),
    ("sleep", f"Can't use time.sleep() {USE_AN_ACTION}"),
    ("swallow_effect", f"Can't use the network (socket.socket()) {USE_AN_ACTION}"),
]
"""The fault, and what its failure says."""

PROCESSOR_TIME = {"transaction_time_s": 0.1}
CLOCK_TIME = {"transaction_wall_s": 1.5}


def limits_for(fault: str) -> dict[str, float]:
    """A limit that is soon reached, for a fault that reaches it; the calls around it have to stay below, too."""
    return {"loop": PROCESSOR_TIME, "loop_and_swallow": PROCESSOR_TIME, "wait": CLOCK_TIME}.get(fault, {})


def failure(isolate: Isolate, path: str, name: str) -> Failure:
    [outcome] = isolate.run(call(path, name=name))
    assert outcome.failure is not None, outcome
    return outcome.failure


@pytest.mark.parametrize(("name", "sentence"), SURVIVABLE)
def test_a_mutation_fails_alone(deployment: Deployment, name: str, sentence: str) -> None:
    """
    A fault undoes its own mutation; those before and after it in the batch are committed, by the same process
    (LIM-8, LIM-10, LIM-13).
    """
    writer = deployment.writer(**limits_for(name))
    before, fault, after = writer.run(
        call("notes:add", text="before"), call("faults:write", name=name), call("notes:add", text="after")
    )
    assert value(before)
    assert value(after)
    assert fault.failure is not None
    assert sentence in fault.failure.message
    assert texts(deployment.reader()) == ["after", "before"]
    assert writer.process.poll() is None


@pytest.mark.parametrize(("name", "sentence"), SURVIVABLE)
def test_a_query_fails_alone(deployment: Deployment, name: str, sentence: str) -> None:
    """
    A fault fails its own query, also in a round; the next ones are answered by the same process (LIM-8, LIM-10,
    LIM-13).
    """
    reader = deployment.reader(**limits_for(name))
    assert sentence in failure(reader, "faults:ask", name).message
    reader.send(OpenRound(round=1))
    reader.receive(RoundOpened)
    reader.send(RunCalls(round=1, calls=[call("faults:ask", name=name), call("notes:greet", name="you")]))
    in_round = reader.receive(CallDone).outcome.failure
    assert in_round is not None
    assert sentence in in_round.message
    assert value(reader.receive(CallDone).outcome) == "Hello you of Zürich"
    reader.send(CloseRound(round=1))
    reader.receive(RoundClosed)


def test_a_query_cannot_drive_the_database_for_ever(deployment: Deployment) -> None:
    """Time in database calls is not charged, but the clock ends a query that does nothing else (LIM-10)."""
    reader = deployment.reader(**CLOCK_TIME)
    [outcome] = reader.run(call("faults:walkForEver"))
    assert outcome.failure is not None
    assert "timed out" in outcome.failure.message or "Too many" in outcome.failure.message
    assert value(*reader.run(call("notes:greet", name="you")))


def test_a_crash_ends_the_process(deployment: Deployment) -> None:
    """What kills the interpreter kills the isolate, at once, and tells where it happened."""
    reader = deployment.reader()
    reader.start_batch(call("faults:ask", name="abort"))
    assert reader.wait() == -signal.SIGABRT
    assert "faults.py" in reader.stderr()


def test_a_hang_in_c_is_given_up(deployment: Deployment) -> None:
    """A call that never returns to the interpreter ends with its process, also if no gateway kills it."""
    reader = deployment.reader(**CLOCK_TIME)
    reader.start_batch(call("faults:ask", name="hang_in_c"))
    assert reader.wait() == -signal.SIGPROF


def test_a_limit_holds_for_each_call_anew(deployment: Deployment) -> None:
    """What one call has used up is not charged to the next."""
    reader = deployment.reader(**PROCESSOR_TIME)
    [*outcomes] = reader.run(*[call("faults:ask", name="loop"), call("notes:greet", name="you")] * 3)
    assert [outcome.failure is None for outcome in outcomes] == [False, True] * 3


def test_imports_in_a_function_are_allowed(deployment: Deployment) -> None:
    """A function may import what nobody has imported yet."""
    assert value(*deployment.reader().run(call("notes:greet", name="you"))) == "Hello you of Zürich"
