"""The actor: many actions at once, each with its own lines, limit and answers."""

import re

import msgspec

from joelclaw.functions.calls import Outcome
from joelclaw.isolate.messages import ActionDone, Answer, Ask, CancelRuns, LoopHeld, RunAction
from tests.isolate.isolates import Deployment, call, value


def test_an_action_asks_the_gateway(deployment: Deployment) -> None:
    """What an action calls is asked for, one after another, and the answers become its values."""
    actor = deployment.actor()
    actor.send(RunAction(run=7, call=call("errands:addTwice", text="one")))
    for text, id in (("one", "id1"), ("one again", "id2")):
        ask = actor.receive(Ask)
        assert (ask.run, ask.kind, ask.call.path) == (7, "mutation", "notes:add")
        assert msgspec.json.decode(ask.call.args) == {"text": text}
        actor.send(Answer(ask=ask.ask, outcome=Outcome(value=msgspec.json.encode(id))))
    done = actor.receive(ActionDone)
    assert (done.run, value(done.outcome)) == (7, ["id1", "id2"])
    assert done.outcome.log_lines == ["[LOG] adding one"]


def test_actions_run_beside_each_other(deployment: Deployment) -> None:
    """One that waits holds up nobody, and each has its own log lines."""
    actor = deployment.actor()
    for run, text in ((1, "one"), (2, "two")):
        actor.send(RunAction(run=run, call=call("errands:addTwice", text=text)))
    asks = {ask.run: ask for ask in (actor.receive(Ask), actor.receive(Ask))}
    assert set(asks) == {1, 2}
    actor.send(RunAction(run=3, call=call("errands:greet", name="you")))
    done = actor.receive(ActionDone)
    assert (done.run, value(done.outcome)) == (3, "Hello you of Zürich")
    assert done.outcome.log_lines == ["[LOG] greeting you"]


def test_an_action_over_its_time_is_answered_for(deployment: Deployment) -> None:
    """An action that is over its limit fails, also if it does not heed its cancellation (LIM-9)."""
    actor = deployment.actor(action_time_s=0.05)
    actor.send(RunAction(run=1, call=call("errands:wait")))
    failure = actor.receive(ActionDone).outcome.failure
    assert failure is not None
    assert failure.message == (
        "Action `errands:wait` execution timed out (maximum duration 0.05s). "
        "Consider doing less at a time, or raise limits.action_time_s in joelclaw.toml."
    )
    actor.send(RunAction(run=2, call=call("errands:greet", name="you")))
    assert value(actor.receive(ActionDone).outcome)


def test_leaving_fails_the_action_alone(deployment: Deployment) -> None:
    """`sys.exit()` in an action, or in a task that it started, does not end its neighbours' process."""
    actor = deployment.actor()
    actor.send(RunAction(run=1, call=call("errands:leave")))
    failure = actor.receive(ActionDone).outcome.failure
    assert failure is not None
    assert "SystemExit" in failure.message
    actor.send(RunAction(run=2, call=call("errands:leaveInATask")))
    assert value(actor.receive(ActionDone).outcome) == "still here"


def test_a_loop_that_awaits_nothing_is_interrupted(deployment: Deployment) -> None:
    """An action in an endless loop fails, and the others, which could not move, go on to their ends."""
    actor = deployment.actor(action_blocks_s=0.1)
    actor.send(RunAction(run=1, call=call("errands:addTwice", text="one")))
    ask = actor.receive(Ask)
    actor.send(RunAction(run=2, call=call("errands:hog")))
    actor.send(RunAction(run=3, call=call("errands:greet", name="you")))
    hog = actor.receive(ActionDone)
    assert hog.run == 2
    assert hog.outcome.failure is not None
    assert hog.outcome.failure.code == "loop_blocked"
    assert "raise limits.action_blocks_s in joelclaw.toml" in hog.outcome.failure.message
    assert "errands.py" in hog.outcome.failure.frames
    assert actor.receive(ActionDone).run == 3
    actor.send(Answer(ask=ask.ask, outcome=Outcome(value=b'"id1"')))
    assert actor.receive(Ask).run == 1


def test_lines_of_what_an_action_calls_are_inside_its_own(deployment: Deployment) -> None:
    """In order, whatever called function said them (LOG-3)."""
    actor = deployment.actor()
    actor.send(RunAction(run=1, call=call("errands:tell")))
    ask = actor.receive(Ask)
    actor.send(Answer(ask=ask.ask, outcome=Outcome(value=b'"id1"', log_lines=["[LOG] adding", "[WARN] added"])))
    done = actor.receive(ActionDone)
    assert done.outcome.log_lines == ["[LOG] before", "[LOG] adding", "[WARN] added", "[LOG] after"]


def test_who_blocks_the_loop_is_told_once(deployment: Deployment) -> None:
    """With its own line of code and for how long, in its own log lines and to the gateway; it is not stopped."""
    actor = deployment.actor(action_blocks_told_s=0.05)
    actor.send(RunAction(run=1, call=call("errands:block", seconds=0.4)))
    held = actor.receive(LoopHeld)
    assert held.path == "errands:block"
    assert re.fullmatch(r"nap \(app_functions/errands\.py:\d+\)", held.place)
    assert held.seconds >= 0.3  # The first tick after it began may come 50 ms later.
    done = actor.receive(ActionDone)
    assert value(done.outcome) == "slept"
    blocking, told = done.outcome.log_lines
    assert blocking == "[LOG] blocking"
    assert re.match(rf"\[WARN\] {re.escape(held.place)} kept all other actions waiting for \d+\.\d\d s; ", told)
    actor.send(RunAction(run=2, call=call("errands:greet", name="you")))
    assert actor.receive(ActionDone).outcome.log_lines == ["[LOG] greeting you"]


def test_a_call_into_c_is_told_of_when_it_returns(deployment: Deployment) -> None:
    """No signal gets through while it runs: the next tick is late, and by how much is what is told."""
    actor = deployment.actor(action_blocks_told_s=0.05)
    actor.send(RunAction(run=1, call=call("errands:compute", seconds=0.2)))
    held = actor.receive(LoopHeld)
    assert held.place.startswith("compute (app_functions/errands.py:")


def test_an_action_that_is_cancelled_before_it_begins_is_answered_for(deployment: Deployment) -> None:
    """What arrives together with the order to stop begins, is cancelled, and says so."""
    actor = deployment.actor()
    actor.send(RunAction(run=1, call=call("errands:tidy")), CancelRuns())
    ask = actor.receive(Ask)
    actor.send(Answer(ask=ask.ask, outcome=Outcome(value=b'"id1"')))
    done = actor.receive(ActionDone)
    assert done.run == 1
    assert done.outcome.failure is not None
    assert done.outcome.failure.code == "action_cancelled"


def test_a_cancelled_action_runs_its_finally_blocks(deployment: Deployment) -> None:
    """They may await, and even call functions; its caller is told when they have ended."""
    actor = deployment.actor()
    actor.send(RunAction(run=1, call=call("errands:tidy")))
    actor.send(RunAction(run=2, call=call("errands:greet", name="you")))
    assert actor.receive(ActionDone).run == 2  # So the first one is waiting.
    actor.send(CancelRuns())
    ask = actor.receive(Ask)
    assert msgspec.json.decode(ask.call.args) == {"text": "tidied"}
    actor.send(Answer(ask=ask.ask, outcome=Outcome(value=b'"id1"')))
    failure = actor.receive(ActionDone).outcome.failure
    assert failure is not None
    assert failure.code == "action_cancelled"
    assert "The server is shutting down" in failure.message
