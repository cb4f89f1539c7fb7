"""The dashboard: how the parts of the system are, and the log, for the owner alone."""

import json
import time
from pathlib import Path

from tests.auth.fake_github import FakeGithub
from tests.conformance.deployment import Server
from tests.redis_server import RedisServer
from tests.site.conftest import Deploy, Visit
from tests.site.deployments import SiteDeployment

DASHBOARD = "/dashboard/"


def test_the_dashboard_is_the_owners(deployment: SiteDeployment, github: FakeGithub, visitor: Visit) -> None:
    """Strangers are asked to sign in, readers are told whose page it is, and neither is shown anything of it."""
    deployment.tell("health:report", component="gateway", state="up")
    stranger = visitor("stranger", DASHBOARD)
    stranger.reads("This page is for the owner of this site.", "main")
    reader = visitor("ann", DASHBOARD)
    reader.sign_in(github, "ann", "Ann Arbor")
    reader.reads("You are here as a reader.", "main")
    reader.no_longer_reads("gateway", "main")

    owner = visitor("joel", DASHBOARD)
    owner.sign_in_as_owner(github)
    owner.reads("gateway", "main")


def test_a_component_goes_grey_by_itself(deployment: SiteDeployment, github: FakeGithub, visitor: Visit) -> None:
    """On an open page, when its report does not count any more; its next one brings it back."""
    page = visitor("joel", DASHBOARD)
    page.sign_in_as_owner(github)
    page.reads("No component has reported yet.")
    deployment.tell("health:report", component="gateway", state="degraded", detail="slow", freshForS=3.0)
    page.counts("main li[data-state=silent]", 1)

    deployment.tell("health:report", component="gateway", state="up", detail="12 sessions")
    page.counts("main li[data-state=up]", 1)
    page.reads("12 sessions", "main")


def test_the_log_goes_on_over_a_rotation(deploy: Deploy, github: FakeGithub, visitor: Visit, tmp_path: Path) -> None:
    """Lines appear, each once, before and after the file was renamed; filters and a pause choose what is shown."""
    log = tmp_path / "slog.jsonl"
    log.write_text("")
    deployment = deploy(env={"SLOG_PATH": str(log)})

    def write(text: str, level: str = "info") -> None:
        with log.open("a") as file:
            file.write(json.dumps({"msg": text, "level": level, "component": "gateway", "session": 7}) + "\n")
        deployment.act("slog:follow", forS=0.0)

    page = visitor("joel", DASHBOARD)
    page.sign_in_as_owner(github)
    page.reads("Nothing was logged yet.")
    write("before the rotation")
    page.reads("before the rotation", "main")
    log.rename(f"{log}.1")
    write("after the rotation", "error")
    page.reads("after the rotation", "main")
    page.counts("main ol li", 2)
    deployment.tell("health:report", component="gateway", state="up", detail="12 sessions")
    deployment.tell("health:report", component="memory", state="degraded", detail="Answers take 4 seconds.")
    deployment.tell("health:report", component="vault", state="down", detail="Sealed.")
    page.counts("main li[data-state=down]", 1)
    page.is_accessible()
    page.take_pictures("dashboard")

    page.click("Pause")
    write("while it is paused")
    page.reads("1 line since.", "main")
    page.no_longer_reads("while it is paused", "main")
    page.click("Go on")
    page.reads("while it is paused", "main")


def test_what_redis_has_is_live(deploy: Deploy, github: FakeGithub, visitor: Visit, redis: RedisServer) -> None:
    """It comes, changes and goes on an open page; it stays while Redis is gone, and our server may be killed."""
    client = redis.client

    def tell(key: str) -> None:
        client.publish("joelclaw:changes", key)

    client.rpush("joelclaw:queue:mail", json.dumps({"at": time.time() - 90, "to": "joel"}), "{}")
    client.xadd("joelclaw:queue:telegram", {"text": "hello"})
    client.set("joelclaw:queue:broken", "a text")
    client.hset("joelclaw:session:7f3a", mapping={"title": "Voice call", "host": "panda", "state": "talking"})
    client.set("joelclaw:session:02bc", json.dumps({"title": "Terminal", "host": "clanker", "at": time.time() - 900}))
    client.hset("joelclaw:loop:tests", mapping=_loop("Write the tests", "running", 4, "mypy has two complaints"))
    client.hset("joelclaw:loop:notes", mapping=_loop("Tidy the notes", "waiting", 12, "for an answer"))
    client.hset("joelclaw:loop:deploy", mapping=_loop("Deploy the gateway", "failed", 1, "The pod does not start."))
    deployment = deploy(env={"REDIS_URL": redis.url})
    page = visitor("joel", DASHBOARD)
    page.sign_in_as_owner(github)
    page.reads("mypy has two complaints", "main")
    page.reads("2 waiting", "main")
    page.reads("It is a string, neither a list nor a stream.", "main")
    page.reads("panda", "main")
    page.is_accessible()
    page.take_pictures("dashboard-redis")

    client.hset("joelclaw:loop:tests", mapping={"state": "done", "iteration": 5, "detail": "all of them are green"})
    tell("loop:tests")
    page.reads("all of them are green", "main")
    page.counts("main li[data-state=done]", 1)
    client.delete("joelclaw:session:7f3a")
    tell("session:7f3a")
    page.no_longer_reads("panda", "main")

    redis.kill()
    page.reads("; Redis is down.", "main")
    page.counts("main li[data-state=down]", 1)
    page.reads("all of them are green", "main")
    page.take_pictures("dashboard-redis-down")
    redis.start()
    page.reads("No agent has a loop.", "main")
    page.no_longer_reads("; Redis is down.", "main")

    deployment.restart(Server.kill)
    client.hset("joelclaw:loop:after", mapping=_loop("After the crash", "running", 1, ""))
    page.reads("After the crash", "main")


def _loop(title: str, state: str, iteration: int, detail: str) -> dict[str, str | float]:
    now = time.time()
    return {"title": title, "state": state, "iteration": iteration, "detail": detail, "updated_at": now - 5}
