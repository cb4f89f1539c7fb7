"""Jobs as a shipped client sees them: it schedules, and watches the job's document change."""

from tests.conformance.conftest import Start
from tests.conformance.deployment import Deployment


def test_a_client_schedules_and_sees_its_job_run(deployment: Deployment, node: Start, room: str) -> None:
    """Pending, then success, in the same view as what the job wrote; nobody asks again (SCH-2, SCH-4)."""
    client = node(deployment.url)
    client.subscribe("list", "messages:listed", room=room)
    id = client.mutation("later:send", room=room, body="later", delay="4s")
    client.subscribe("job", "later:job", id=id)
    pending = client.wait_for("job", lambda job: job["state"]["kind"] == "pending")
    assert (pending["name"], pending["args"]) == ("later:deliver", [{"room": room, "body": "later"}])
    assert "completedTime" not in pending
    done = client.wait_for("job", lambda job: job["state"]["kind"] != "pending")
    assert done["state"] == {"kind": "success"}
    assert done["completedTime"] >= done["scheduledTime"] == pending["scheduledTime"]
    [message] = client.wait_for("list", lambda messages: len(messages) == 1)
    assert message["body"] == "later"


def test_a_client_cancels_a_job(deployment: Deployment, node: Start, room: str) -> None:
    """Whoever watches it sees it canceled; what comes after it runs, and it does not (SCH-7)."""
    client = node(deployment.url)
    id = client.mutation("later:send", room=room, body="never", delay="4s")
    client.subscribe("job", "later:job", id=id)
    client.wait_for("job", lambda job: job["state"]["kind"] == "pending")
    client.mutation("later:cancel", id=id)
    canceled = client.wait_for("job", lambda job: job["state"]["kind"] != "pending")
    assert canceled["state"] == {"kind": "canceled"}
    client.subscribe("list", "messages:listed", room=room)
    client.mutation("later:send", room=room, body="after it", delay="5s")
    [message] = client.wait_for("list", lambda messages: len(messages) > 0)
    assert message["body"] == "after it"
