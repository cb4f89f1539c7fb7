"""
A stranger calls every function of this repository's own app, over HTTP and over a socket.

What strangers may do is listed here. A function that is open and not on the list, or whose rule nobody has
written down, fails the test: whoever adds one has to say here that it is meant.
"""

import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.conftest import ROOT, Start
from tests.conformance.deadline import PATIENCE_S
from tests.conformance.deployment import Deployment, declare
from tests.conformance.remote import Refused
from tests.ports import free_port

OPEN = {
    "calls:live",
    "chat:history",
    "chat:openRoom",
    "chat:rooms",
    "chat:send",
    "comments:add",
    "comments:counts",
    "comments:forArticle",
}
"""Strangers may call these, and are meant to."""

RULES: dict[str, dict[str, Any]] = {
    "comments:edit": {"body": "not theirs"},
    "comments:resolve": {},
}
"""Functions with a rule of their own, of a comment: their arguments beside its id."""

CLOSED = {"internal", "signed in"}
ANCHOR = {"paragraph": "p1", "quote": "so"}


@pytest.fixture(scope="module")
def own_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """This repository's app, served as it is in production."""
    project = tmp_path_factory.mktemp("strangers") / "project"
    shutil.copytree(ROOT / "app_functions", project / "app_functions", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("joelclaw.toml", "schema.py"):
        shutil.copy(ROOT / name, project / name)
    declare(project, "api_port", f"{free_port()}\nsite_port = {free_port()}")
    deployment = Deployment(project)
    deployment.start()
    yield deployment
    deployment.server.stop()


@pytest.fixture(scope="module")
def functions() -> list[dict[str, Any]]:
    """What the app's manifest lists."""
    command = [sys.executable, "-m", "joelclaw.cli", "functions", "--json"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    specs: list[dict[str, Any]] = json.loads(listed.stdout)
    assert specs
    return specs


def refused(functions: list[dict[str, Any]]) -> list[tuple[str, str, dict[str, Any] | None]]:
    """Every function that a stranger may not call: kind, path, arguments beside a comment's id if it has a rule."""
    found: list[tuple[str, str, dict[str, Any] | None]] = []
    for spec in functions:
        path, allow = spec["path"], spec["allow"]
        if allow == "anyone":
            assert path in OPEN, f"{path} is open to strangers; close it, or write into OPEN that it is meant"
        elif allow.startswith("rule "):
            assert path in RULES, f"{path} has the rule {allow!r}; write its arguments into RULES"
            found.append((spec["kind"], path, RULES[path]))
        else:
            assert allow in CLOSED or allow.startswith("role "), f"{path}: who is {allow!r}?"
            found.append((spec["kind"], path, None))
    return found


def test_a_stranger_is_refused(own_app: Deployment, functions: list[dict[str, Any]], node: Start) -> None:
    """Wherever `allow` says so: it looks as if there were no such function, over HTTP and over a socket."""
    comment = own_app.mutation("comments:add", article="a", anchor=ANCHOR, body="mine", name="Guest")
    before = own_app.query("comments:forArticle", article="a")
    client = node(own_app.url)
    nothing = {kind: told_over_http(own_app, kind, "no:such", {}) for kind in ("query", "mutation", "action")}
    for kind, path, of_comment in refused(functions):
        args = {} if of_comment is None else {"id": comment, **of_comment}
        answer = told_over_http(own_app, kind, path, args)
        assert answer == nothing[kind].replace("no:such", path), path
        with pytest.raises(Refused) as caught:
            getattr(client, kind)(path, **args)
        assert f"Could not find public function for '{path}'" in caught.value.message, path
        for other in {"query", "mutation", "action"} - {kind}:
            assert told_over_http(own_app, other, path, args) == nothing[other].replace("no:such", path), path
    assert own_app.query("comments:forArticle", article="a") == before


def test_the_lists_are_of_functions_that_exist(functions: list[dict[str, Any]]) -> None:
    """A function that is gone, or closed by now, is not on the lists any more."""
    assert {spec["path"] for spec in functions if spec["allow"] == "anyone"} == OPEN
    assert {spec["path"] for spec in functions if spec["allow"].startswith("rule ")} == set(RULES)


def told_over_http(deployment: Deployment, kind: str, path: str, args: dict[str, Any]) -> str:
    """The error that a stranger is answered with, without the request's id."""
    body = json.dumps({"path": path, "args": args, "format": "convex_encoded_json"}).encode()
    request = urllib.request.Request(f"{deployment.url}/api/{kind}", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        answer = json.load(error)
    assert answer["status"] == "error", (path, answer)
    message: str = answer["errorMessage"]
    return message.partition("] ")[2] if message.startswith("[Request ID") else message
