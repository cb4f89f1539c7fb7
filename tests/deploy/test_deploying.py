"""
Deploys from the command line to a real server: keys, versions, refusals, rollbacks, restarts, kills.

Server and command line are processes of their own, as in production.
"""

import http.client
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from joelclaw.config import load_config
from joelclaw.deploy.parcel import Parcel, Settings, parcel_of
from joelclaw.deploy.requirements import read_lock
from joelclaw.deploy.sources import read_sources
from tests.conformance.deployment import Deployment, Server
from tests.deploy.workshop import NOTES, PATIENCE_S, SCHEMA, save, word
from tests.ports import free_port

ADMIN_KEY = "deploys|0123456789abcdef0123456789abcdef"

STARS = SCHEMA + "    stars: int\n"
"""A schema that notes without stars do not fit."""


class Told(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str


class Site:
    """A server, and the checkout of a developer who deploys to it."""

    def __init__(self, root: Path) -> None:
        self.project = root / "checkout"
        self.deployment = Deployment(root / "server")
        for project in (self.project, self.deployment.project):
            save(project, "schema.py", SCHEMA)
            save(project, "app_functions/notes.py", NOTES)
            save(project, "app_functions/b.py", word("files"))
        declaration = f'[server]\nadmin_key = "{ADMIN_KEY}"\napi_port = {free_port()}\nsite_port = 0\n'
        save(self.deployment.project, "joelclaw.toml", f"{declaration}[limits]\nreaders = 1\n")
        self.deployment.start()

    def save(self, name: str, text: str) -> None:
        """Edit the checkout."""
        save(self.project, name, text)

    def run(self, *arguments: str, key: str = ADMIN_KEY, project: Path | None = None) -> Told:
        """`joelclaw <arguments>` in the checkout."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("JOELCLAW_")},
            "JOELCLAW_URL": self.deployment.url,
            "JOELCLAW_DEPLOY_KEY": key,
            "JOELCLAW_ADMIN_KEY": ADMIN_KEY,
            "GIT_CEILING_DIRECTORIES": str(self.project.parent),
            "GIT_CONFIG_GLOBAL": os.devnull,
        }
        done = subprocess.run(
            [sys.executable, "-m", "joelclaw.cli", *arguments, "--project", str(project or self.project)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=10 * PATIENCE_S,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Told(done.returncode, done.stdout, done.stderr)

    def deploy(self, *arguments: str, **options: Any) -> dict[str, Any]:
        """Deploy the checkout; what came of it."""
        told = self.run("deploy", "--json", *arguments, **options)
        assert told.code == 0, told.err
        return dict(json.loads(told.out))

    def refused(self, *arguments: str, **options: Any) -> str:
        """Why a command failed."""
        told = self.run(*arguments, **options)
        assert (told.code, told.out) == (1, ""), told
        return told.err

    def versions(self) -> list[dict[str, Any]]:
        told = self.run("deployments", "--json")
        assert told.code == 0, told.err
        return list(json.loads(told.out))

    def told_version(self) -> tuple[int, str]:
        """Which version serves, as health says it, and as metrics do."""
        with urllib.request.urlopen(f"{self.deployment.url}/health/ready", timeout=PATIENCE_S) as response:
            number: int = json.load(response)["version"]
        request = urllib.request.Request(
            f"{self.deployment.url}/metrics", headers={"Authorization": f"Convex {ADMIN_KEY}"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            [line] = re.findall(r"^joelclaw_deployed_version .*$", response.read().decode(), re.MULTILINE)
        return number, line

    def word(self) -> str:
        """Which code answers."""
        return str(self.deployment.query("b:word"))

    def restart(self, stop: Callable[[Server], None] = Server.stop) -> None:
        self.deployment.restart(stop)

    def post(self, path: str, body: bytes, key: str | None) -> tuple[int, dict[str, Any]]:
        """Ask a route as a program of somebody else would; status and answer."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Convex {key}"} if key else {})
        request = urllib.request.Request(f"{self.deployment.url}{path}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=10 * PATIENCE_S) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def push(self, parcel: Parcel, key: str | None = ADMIN_KEY, **asked: Any) -> tuple[int, dict[str, Any]]:
        """Send a parcel past the command line."""
        return self.post("/api/joelclaw/deploy", msgspec.msgpack.encode({"parcel": parcel.pack(), **asked}), key)

    def parcel(self) -> Parcel:
        config = load_config(self.project, None)
        return parcel_of(config, read_sources(config), read_lock(config))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.deployment.server.kill()


def test_from_a_key_to_a_rollback(site: Site) -> None:
    """A deploy key deploys, lists and rolls back; each version has author, message and changes; it is revocable."""
    key = site.run("deploy-key", "create", "ci").out.strip()
    assert re.fullmatch(r"deploy:ci\|[\w-]{40,}", key)
    assert "there is a key called ci already" in site.refused("deploy-key", "create", "ci")
    assert key not in site.run("deploy-key", "list", "--json").out
    assert site.deploy(key=key)["unchanged"]

    site.save("app_functions/b.py", word("second"))
    site.save("app_functions/more.py", word("more"))
    tried = site.run("deploy", "--dry-run", key=key)
    assert (tried.code, site.word(), len(site.versions())) == (0, "files", 1)
    done = site.run("deploy", "--message", "Say more", "--author", "Ada", key=key)
    assert (
        tried.out
        == done.out
        == ("~ function b:word\n+ function more:word\n~ file app_functions/b.py\n+ file app_functions/more.py\n")
    )
    assert "live: version 2, after 1" in done.err
    assert (site.word(), site.deployment.query("more:word")) == ("second", "more")

    assert "live: version 3, the code of version 1, after 2" in site.run("rollback", key=key).err
    assert site.word() == "files"
    assert site.run("rollback", "2", key=key).code == 0
    assert site.word() == "second"
    told = [(one["number"], one["kind"], one["author"], one["message"], one["restores"]) for one in site.versions()]
    assert told == [
        (4, "rollback", "ci", "back to version 2: Say more", 2),
        (3, "rollback", "ci", "back to version 1: files of the server", 1),
        (2, "deploy", "Ada", "Say more", 0),
        (1, "files", "joelclaw serve", "files of the server", 0),
    ]
    assert "Say more" in site.run("deployments", key=key).out

    # It opens nothing else.
    call = msgspec.json.encode({"path": "b:word", "args": {}})
    for path in ("/api/function", "/api/query", "/api/update_environment_variables", "/api/export/request/zip"):
        assert site.post(path, call, key)[0] == 403
    for nobody in ("deploy:ci|not-the-secret-of-anything-here", "deploys|wrong-wrong-wrong-wrong"):
        assert site.push(site.parcel(), nobody)[0] == 403
    assert site.push(site.parcel(), None)[0] == 403
    assert "ci is revoked" in site.run("deploy-key", "revoke", "ci").err
    assert "does not deploy here" in site.refused("deploy", key=key)
    assert "no key called ci" in site.refused("deploy-key", "revoke", "ci")


def test_a_refused_deploy_changes_nothing(site: Site) -> None:
    """Broken code, documents that do not fit, missing packages and hostile parcels: all problems, and no trace."""
    site.deployment.mutation("notes:add", text="kept")
    before = site.versions()

    def problems(*arguments: str) -> list[str]:
        return site.refused(*arguments).splitlines()

    site.save("app_functions/b.py", "def (\n")
    site.save("app_functions/c.py", "import nothing_of_this_name\n")
    told = problems("deploy")
    assert told[0].startswith("app_functions/b.py:1: ")
    assert told[1].startswith("app_functions/c.py:1: ")
    assert told[-1] == "2 problems in the app"
    (site.project / "app_functions" / "c.py").unlink()

    site.save("app_functions/b.py", word("new"))
    site.save("schema.py", STARS)
    for arguments in (["deploy", "--dry-run"], ["deploy"]):
        told = problems(*arguments)
        assert "does not match this schema" in told[0]
        assert told[0].startswith("schema.py:")
    site.save("schema.py", SCHEMA)

    site.save("requirements.lock", "msgspec==0.0.1\nno-such-thing==1.2\n")
    told = problems("deploy")
    assert told[0].startswith("requirements.lock:1: msgspec: the server has ")
    assert told[1].startswith("requirements.lock:2: no-such-thing: the server does not have it, and the lock asks for")
    (site.project / "requirements.lock").unlink()

    site.save("joelclaw.toml", '[env]\nTOKEN = { from = "NOWHERE_SET" }\n')
    assert "NOWHERE_SET, which is not set where the server runs" in problems("deploy")[0]
    site.save("joelclaw.toml", "")

    settings = Settings(functions="app_functions", schema="schema.py", wire_names="camel")
    climbing = Parcel(files={"../../joelclaw.toml": b"[server]"}, settings=settings)
    assert site.push(climbing)[1]["code"] == "BadBundle"
    assert site.post("/api/joelclaw/deploy", b"no parcel", ADMIN_KEY)[1]["code"] == "BadBundle"
    assert site.push(site.parcel(), author="x" * 201)[1]["code"] == "BadBundle"

    status, refusal = site.post("/api/joelclaw/deploy", b"x" * 40_000_000, ADMIN_KEY)
    assert (status, refusal["code"]) == (413, "BundleTooLarge")

    assert site.versions() == before
    assert (site.word(), site.deployment.query("notes:texts")) == ("files", ["kept"])
    assert site.deploy()["number"] == 2
    assert site.word() == "new"


def test_two_deploys_are_told_apart(site: Site) -> None:
    """The one that is based on an older version hears whose deploy it would undo; --force does it all the same."""
    site.save("app_functions/b.py", word("one"))
    one = site.parcel()
    site.save("app_functions/b.py", word("two"))
    two = site.parcel()

    with ThreadPoolExecutor(2) as both:
        answers = list(
            both.map(lambda sent: site.push(sent[0], author=sent[1], based_on=1), [(one, "Ada"), (two, "Bob")])
        )

    assert sorted(status for status, _ in answers) == [200, 409]
    [lost] = [answer for status, answer in answers if status == 409]
    winner = "Ada" if answers[0][0] == 200 else "Bob"
    assert lost["code"] == "VersionConflict"
    assert re.match(
        rf"This is based on version 1, and version 2 serves: {winner} deployed it at \d{{4}}-", lost["message"]
    )
    assert [one["author"] for one in site.versions()] == [winner, "joelclaw serve"]
    assert site.word() == ("one" if winner == "Ada" else "two")
    loser = two if winner == "Ada" else one
    assert site.push(loser)[0] == 200
    assert site.word() == ("two" if winner == "Ada" else "one")


def test_a_rollback_that_documents_do_not_fit_is_refused(site: Site) -> None:
    """It says which document, what serves goes on, and other versions can still be gone back to."""
    site.save("schema.py", SCHEMA.replace("text: str", "text: str | int"))
    site.save("app_functions/notes.py", NOTES.replace("text: str) -> str:", "text: str | int) -> str:"))
    site.deploy()
    site.deployment.mutation("notes:add", text=7)

    assert "does not match this schema" in site.refused("rollback")
    assert "no version 9" in site.refused("rollback", "9")
    assert [one["number"] for one in site.versions()] == [2, 1]
    site.save("app_functions/b.py", word("third"))
    site.deploy()
    assert site.run("rollback").code == 0
    assert (site.word(), site.versions()[0]["restores"]) == ("files", 2)


def test_a_restart_serves_the_newest(site: Site) -> None:
    """What was deployed last serves, until other files are put beside the server; nothing is undone in silence."""
    site.save("app_functions/b.py", word("deployed"))
    site.deploy("--author", "Ada")
    site.restart()
    assert site.word() == "deployed"
    site.restart(Server.kill)
    assert (site.word(), len(site.versions())) == ("deployed", 2)

    save(site.deployment.project, "app_functions/b.py", word("image"))
    site.restart()
    assert site.word() == "image"
    told = site.deployment.server.tells('{"replaces": 2, ')
    assert "`joelclaw rollback 2` goes back to it" in told
    assert [(one["number"], one["kind"]) for one in site.versions()] == [(3, "files"), (2, "deploy"), (1, "files")]
    assert {"change": "changed", "kind": "function", "name": "b:word"} in site.versions()[0]["changes"]

    assert site.run("rollback").code == 0
    site.restart()
    assert (site.word(), len(site.versions())) == ("deployed", 4)
    save(site.deployment.project, "app_functions/b.py", word("deployed"))
    site.restart()
    assert (site.word(), len(site.versions())) == ("deployed", 4)


def test_health_and_metrics_tell_which_version_serves(site: Site) -> None:
    """From the start, after a deploy and a rollback, and after a restart; a trial and a deploy of nothing are none."""
    assert site.told_version() == (1, "joelclaw_deployed_version 1.0")
    site.deploy()
    site.save("app_functions/b.py", word("second"))
    assert site.run("deploy", "--dry-run").code == 0
    assert site.told_version() == (1, "joelclaw_deployed_version 1.0")
    site.restart()
    assert site.told_version() == (1, "joelclaw_deployed_version 1.0")
    site.deploy()
    assert site.told_version() == (2, "joelclaw_deployed_version 2.0")
    assert site.run("rollback").code == 0
    assert site.told_version() == (3, "joelclaw_deployed_version 3.0")
    site.restart()
    assert site.told_version() == (3, "joelclaw_deployed_version 3.0")


def test_a_server_that_is_killed_comes_back_with_one_version_whole(site: Site) -> None:
    """At whatever moment of a deploy: list, code, schema and data are all of the old version, or all of the new one."""
    seed = 20261125
    print("seed", seed)
    chance = random.Random(seed)
    site.deployment.mutation("notes:add", text="kept")
    begun_s = time.monotonic()
    site.save("app_functions/b.py", word("0"))
    assert site.push(site.parcel())[0] == 200
    lasts_s = time.monotonic() - begun_s
    for number in range(1, 4):
        site.save("app_functions/b.py", word(f"{number}"))
        site.save(
            "schema.py", f"{SCHEMA}    field_{number}: int = {number}\n    by_{number} = index('field_{number}')\n"
        )
        parcel, before = site.parcel(), site.versions()[0]
        began = threading.Event()

        def deploy(parcel: Parcel = parcel, began: threading.Event = began) -> None:
            began.set()
            try:
                site.push(parcel)
            except (OSError, http.client.HTTPException):
                pass  # It has lost its server.

        sending = threading.Thread(target=deploy)
        sending.start()
        began.wait(PATIENCE_S)
        sending.join(chance.uniform(0.0, lasts_s))  # Any moment is one: the deploy may be over by then.
        site.restart(Server.kill)
        sending.join(PATIENCE_S)

        newest = site.versions()[0]
        assert newest["digest"] in (before["digest"], parcel.digest)
        assert (site.word() == f"{number}") == (newest["digest"] == parcel.digest)
        assert site.deployment.query("notes:texts") == ["kept"]
        if newest["digest"] != parcel.digest:
            assert site.push(parcel)[0] == 200
        assert site.word() == f"{number}"


def test_a_deploy_from_a_repository(site: Site) -> None:
    """Commit, subject and whether files changed are kept; a history without the commit that serves is refused."""

    def git(*arguments: str, cwd: Path = site.project) -> str:
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
        done = subprocess.run(["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q")
    git("config", "user.name", "Ada")
    git("add", ".")
    git("commit", "-q", "-m", "Begin\n\nWith little.")
    other = site.project.parent / "other"
    shutil.copytree(site.project, other)
    site.save("app_functions/b.py", word("ada"))
    git("commit", "-q", "-a", "-m", "Say ada")
    site.deploy()
    version = site.versions()[0]
    assert (version["author"], version["message"]) == ("Ada", "Say ada")
    assert (version["gitCommit"], version["gitDirty"]) == (git("rev-parse", "HEAD"), False)

    save(other, "app_functions/b.py", word("bob"))
    git("commit", "-q", "-a", "-m", "Say bob", cwd=other)
    refusal = site.refused("deploy", project=other)
    assert refusal.startswith("error: version 2 serves, deployed by Ada at ")
    assert "merge it first, or replace it with --force" in refusal
    site.save("app_functions/b.py", word("ada, changed"))
    site.deploy()
    assert site.versions()[0]["gitDirty"]
    site.deploy("--force", project=other)
    assert site.word() == "bob"


def test_a_server_in_development_takes_no_deploys(site: Site) -> None:
    """It serves the files of its project, and says so."""
    site.deployment.server.stop()
    command = [sys.executable, "-m", "joelclaw.cli", "dev", "--project", str(site.deployment.project)]
    site.deployment.server = Server(command, site.deployment.project)
    site.deployment.url = site.deployment.server.tells("  clients: ")

    assert "`joelclaw dev` serves the files of its project" in site.refused("deploy")


def test_the_deploy_of_the_page_changes_what_it_shows(site: Site) -> None:
    """What docs/deploying.md deploys is taken, on top of the version that it speaks of, and told in the same lines."""
    page = (Path(__file__).parents[2] / "docs" / "deploying.md").read_text("utf-8")
    files = dict(re.findall(r"```python\n# (\S+\.py)\n(.*?)```", page, re.DOTALL))
    shown = re.findall(r"^[-+~] \w+ \S+$", page, re.MULTILINE)
    for project in (site.deployment.project, site.project):
        (project / "app_functions" / "b.py").unlink()
    functions = files["app_functions/notes.py"]
    begin, end = functions.index("@query"), functions.index("@mutation")
    site.save("app_functions/notes.py", functions[:begin] + functions[end:])
    site.save("schema.py", re.sub(r" +(author|by_author) ?[:=].*\n", "", files["schema.py"]))
    site.deploy()
    id = site.deployment.mutation("notes:add", text="Hello")
    for name, text in files.items():
        site.save(name, text)

    assert site.run("deploy").out.splitlines() == shown
    assert id
    assert site.deployment.query("notes:byAuthor", author="") == ["Hello"]
