"""
A stranger calls every function of this repository's own app, over HTTP and over a socket.

What strangers may do is listed here. A function that is open and not on the list, or whose rule nobody has
written down, fails the test: whoever adds one has to say here that it is meant.
"""

import base64
import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from joelclaw.cli.project import declaration_without_secrets, load_manifest
from joelclaw.functions.manifest import RouteSpec
from tests.conformance.conftest import ROOT, Start
from tests.conformance.deadline import PATIENCE_S
from tests.conformance.deployment import ADMIN_KEY, Deployment, declare
from tests.conformance.remote import Refused
from tests.ports import free_port

OPEN = {
    "calls:live",
    "comments:forArticle",
    "comments:totals",
    "invitations:look",
    "network:publicMap",
    "stats:history",
    "stats:totals",
    "users:me",
}
"""Strangers may call these, and are meant to."""

PAGE = {"numItems": 10, "cursor": None}
RULES: dict[str, dict[str, Any]] = {
    "chat:edit": {"id": "<message>", "body": "not theirs"},
    "chat:history": {"room": "<room>", "paginationOpts": PAGE},
    "chat:leave": {"room": "<room>"},
    "chat:markRead": {"room": "<room>", "seq": 1},
    "chat:members": {"room": "<room>"},
    "chat:remove": {"id": "<message>"},
    "chat:send": {"room": "<room>", "body": "hello", "key": "12345678"},
    "chat:uploadUrl": {"room": "<room>"},
    "comments:edit": {"id": "<comment>", "body": "not theirs"},
    "comments:remove": {"id": "<comment>"},
    "comments:resolve": {"id": "<comment>"},
    "presence:gone": {"room": "<room>", "page": "any-page"},
    "presence:here": {"room": "<room>", "page": "any-page"},
    "presence:keyPressed": {"room": "<room>"},
    "presence:typing": {"room": "<room>"},
    "presence:who": {"room": "<room>"},
}
"""Functions with a rule of their own: arguments that are right. `<comment>` is the id of one that there is."""

OPEN_ROUTES: set[str] = set()
"""Requests that strangers may make, and are meant to: `GET /feed`."""

SECRETS = {
    "INNGEST_WEBHOOK_SECRET": "whsec_c2VjcmV0IG9mIHRoZSB3ZWJob29r",
    "STATS_KEY": "a key that no stranger has, of forty letters",
}
"""Without theirs, routes answer that they are not configured, which is no refusal."""

CLOSED = {"internal", "signed in"}
ANCHOR = {"paragraph": "p1", "quote": "so"}


@pytest.fixture(scope="module")
def own_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """This repository's app, served as it is in production."""
    project = tmp_path_factory.mktemp("strangers") / "project"
    shutil.copytree(ROOT / "app_functions", project / "app_functions", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("joelclaw.toml", "schema.py"):
        shutil.copy(ROOT / name, project / name)
    declare(project, "api_port", f'{free_port()}\nsite_port = {free_port()}\nadmin_key = "{ADMIN_KEY}"')
    deployment = Deployment(project, env={"AUTH_GITHUB_ID": "id", "AUTH_GITHUB_SECRET": "secret", **SECRETS})
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


@pytest.fixture(scope="module")
def routes() -> list[RouteSpec]:
    """What the app answers of itself on the site's port."""
    found = load_manifest(declaration_without_secrets(ROOT)).routes
    assert found
    return list(found)


@pytest.fixture(scope="module")
def ids(own_app: Deployment) -> dict[str, str]:
    """Of one thing of each kind that is not the stranger's."""
    owner = Owner(own_app)
    room = owner.mutation("chat:openRoom", slug="lobby", title="Lobby")
    owner.mutation("chat:send", room=room, body="among us", key="12345678")
    [message] = owner.query("chat:history", room=room, paginationOpts=PAGE)["page"]
    comment = owner.mutation("comments:add", article="a", anchor=ANCHOR, body="mine", key="12345678")
    return {"<room>": room, "<message>": message["id"], "<comment>": comment}


class Owner:
    """The owner of the site, as an administrator acts for them: who signed in with GitHub, with a document."""

    def __init__(self, deployment: Deployment) -> None:
        self._url = deployment.url
        self._acting = ""
        user = self.mutation("users:arrived", provider="github", accountId="1", name="Joel", image=None, claims={})
        issuer = told(deployment.server.tells("  HTTP actions: "), "/.well-known/openid-configuration")["issuer"]
        identity = {
            "issuer": issuer,
            "subject": f"{user}|session",
            "tokenIdentifier": f"{issuer}|{user}",
            "provider": "github",
            "githubId": "1",
            "login": "joelhooks",
        }
        self._acting = ":" + base64.b64encode(json.dumps(identity).encode()).decode()

    def query(self, path: str, /, **args: Any) -> Any:
        return self._call("query", path, args)

    def mutation(self, path: str, /, **args: Any) -> Any:
        return self._call("mutation", path, args)

    def _call(self, kind: str, path: str, args: dict[str, Any]) -> Any:
        call = {"path": path, "args": args, "format": "convex_encoded_json"}
        answer = told(self._url, f"/api/{kind}", call, Authorization=f"Convex {ADMIN_KEY}{self._acting}")
        assert answer["status"] == "success", answer
        return answer["value"]


def refused(functions: list[dict[str, Any]]) -> list[tuple[str, str, dict[str, Any]]]:
    """Every function that a stranger may not call: kind, path, arguments if it has a rule."""
    found: list[tuple[str, str, dict[str, Any]]] = []
    for spec in functions:
        path, allow = spec["path"], spec["allow"]
        if allow == "anyone":
            assert path in OPEN, f"{path} is open to strangers; close it, or write into OPEN that it is meant"
        elif allow.startswith("rule "):
            assert path in RULES, f"{path} has the rule {allow!r}; write its arguments into RULES"
            found.append((spec["kind"], path, RULES[path]))
        else:
            assert allow in CLOSED or allow.startswith("role "), f"{path}: who is {allow!r}?"
            found.append((spec["kind"], path, {}))
    return found


def test_a_stranger_is_refused(
    own_app: Deployment, ids: dict[str, str], functions: list[dict[str, Any]], node: Start
) -> None:
    """Wherever `allow` says so: it looks as if there were no such function, over HTTP and over a socket."""
    owner = Owner(own_app)
    before = everything(owner, ids)
    client = node(own_app.url)
    nothing = {kind: told_over_http(own_app, kind, "no:such", {}) for kind in ("query", "mutation", "action")}
    for kind, path, described in refused(functions):
        args = {name: ids.get(value, value) if isinstance(value, str) else value for name, value in described.items()}
        answer = told_over_http(own_app, kind, path, args)
        assert answer == nothing[kind].replace("no:such", path), path
        with pytest.raises(Refused) as caught:
            getattr(client, kind)(path, **args)
        assert f"Could not find public function for '{path}'" in caught.value.message, path
        assert told_over_http(own_app, kind, path, {"no": "such"}) == answer, path
        for other in {"query", "mutation", "action"} - {kind}:
            assert told_over_http(own_app, other, path, args) == nothing[other].replace("no:such", path), path
    assert everything(owner, ids) == before


def test_a_request_that_nobody_signed_is_refused(own_app: Deployment, routes: list[RouteSpec]) -> None:
    """Each route says 401 to a stranger, whatever they send, or is written down as open."""
    assert {route.name for route in routes} >= OPEN_ROUTES
    site = own_app.server.tells("  HTTP actions: ")
    for route in routes:
        if route.name in OPEN_ROUTES:
            continue
        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer x", "webhook-id": "1"}):
            body = b'{"increments": []}' if route.method in ("POST", "PUT", "PATCH") else None
            request = urllib.request.Request(f"{site}{route.path}", body, headers, method=route.method)
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(request, timeout=PATIENCE_S)
            assert caught.value.code == 401, f"{route.name} answers {caught.value.code}; is it meant for strangers?"


def everything(owner: Owner, ids: dict[str, str]) -> list[Any]:
    """What the stranger would have liked to change."""
    return [
        owner.query("comments:forArticle", article="a"),
        owner.query("chat:rooms"),
        owner.query("chat:history", room=ids["<room>"], paginationOpts=PAGE),
        owner.query("chat:members", room=ids["<room>"]),
    ]


def test_the_lists_are_of_functions_that_exist(functions: list[dict[str, Any]]) -> None:
    """A function that is gone, or closed by now, is not on the lists any more."""
    assert {spec["path"] for spec in functions if spec["allow"] == "anyone"} == OPEN
    assert {spec["path"] for spec in functions if spec["allow"].startswith("rule ")} == set(RULES)


def told_over_http(deployment: Deployment, kind: str, path: str, args: dict[str, Any]) -> str:
    """The error that a stranger is answered with, without the request's id."""
    answer = told(deployment.url, f"/api/{kind}", {"path": path, "args": args, "format": "convex_encoded_json"})
    assert answer["status"] == "error", (path, answer)
    message: str = answer["errorMessage"]
    return message.partition("] ")[2] if message.startswith("[Request ID") else message


def told(url: str, path: str, body: Any = None, **headers: str) -> Any:
    """What a request is answered with, whatever its status."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        return json.load(error)
