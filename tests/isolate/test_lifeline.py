"""The lifeline: isolates end with their gateway, whatever they are doing, and free the write lock."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from joelclaw.isolate.messages import ActionDone, RunAction
from tests.isolate.isolates import PATIENCE_S, Deployment, Isolate, call, texts, value

GATEWAY = """
import pathlib, sys
from tests.isolate.isolates import Deployment, call

# Stands in for a gateway: its writer is in the middle of something, and then nothing more is heard of it.
writer = Deployment(pathlib.Path(sys.argv[1])).writer(transaction_time_s=600.0, transaction_wall_s=600.0)
writer.start_batch(call("notes:add", text="lost"), call("faults:write", name=sys.argv[2]))
writer.wait_for_stderr("begun")
print(writer.process.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("role", ["writer", "reader", "actor"])
def test_an_idle_isolate_ends_when_its_link_closes(deployment: Deployment, role: str) -> None:
    """The end of the socket is the end of the process, in good order: a writer leaves one file, with everything."""
    isolate: Isolate = getattr(deployment, role)()
    isolate.socket.close()
    assert isolate.wait() == 0
    if role == "writer":
        assert [path.name for path in deployment.database.parent.glob("data.db*")] == ["data.db"]


def test_a_busy_isolate_ends_when_its_link_closes(deployment: Deployment) -> None:
    """An endless loop does not keep a process whose gateway let it go; what it had written is undone."""
    writer = deployment.writer(transaction_time_s=600.0, transaction_wall_s=600.0)
    writer.start_batch(call("notes:add", text="lost"), call("faults:write", name="loop"))
    writer.wait_for_stderr("begun")
    writer.socket.close()
    assert writer.wait() == 0
    successor = deployment.writer()
    assert value(*successor.run(call("notes:add", text="kept")))
    assert texts(deployment.reader()) == ["kept"]


@pytest.mark.parametrize(
    "fault",
    [
        "loop",
        "wait",
        pytest.param("hang_in_c", marks=pytest.mark.skipif(sys.platform != "linux", reason="needs the kernel's help")),
    ],
)
def test_a_killed_gateway_leaves_no_writer_behind(deployment: Deployment, tmp_path: Path, fault: str) -> None:
    """A gateway that is killed takes a writer in the middle of anything with it, and the write lock is free."""
    command = [sys.executable, "-c", GATEWAY, str(tmp_path), fault]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as gateway:
        assert gateway.stdout is not None
        writer = int(gateway.stdout.readline())
        ended = os.pidfd_open(writer) if sys.platform == "linux" else None
        gateway.kill()
    if ended is not None:
        ready, _, _ = select.select([ended], [], [], PATIENCE_S)
        assert ready, f"process {writer} outlives its gateway"
        os.close(ended)
    successor = deployment.writer()
    assert value(*successor.run(call("notes:add", text="kept")))
    assert texts(deployment.reader()) == ["kept"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_of_the_whole_group_is_the_gateways_affair(deployment: Deployment, number: signal.Signals) -> None:
    """The isolate goes on until its link closes: what was received is still answered."""
    writer = deployment.writer()
    for text in ("one", "two", "three"):
        writer.process.send_signal(number)
        value(*writer.run(call("notes:add", text=text)))
    assert texts(deployment.reader()) == ["one", "three", "two"]


def test_what_an_action_starts_can_be_stopped(deployment: Deployment) -> None:
    """That isolates do not heed a signal is not passed on to other programs."""
    (deployment.root / "app_functions" / "programs.py").write_text(
        "import subprocess\nfrom joelclaw import ActionCtx, action\n\n"
        "@action\nasync def stopped(ctx: ActionCtx) -> int:\n"
        "    program = subprocess.Popen(['sleep', '600'])\n"
        "    program.terminate()\n"
        "    return program.wait(20)\n"
    )
    actor = deployment.actor()
    actor.send(RunAction(run=1, call=call("programs:stopped")))
    assert value(actor.receive(ActionDone).outcome) == -signal.SIGTERM
