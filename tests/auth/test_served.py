"""Identity on a real server: declared issuers from save to socket, and admin keys that are revoked."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from joelclaw.auth.admin_keys import generate_admin_key, hash_of
from joelclaw.clock import SystemClock
from tests.auth.fake_issuer import DISCOVERY, FakeIssuer, fake_issuer
from tests.http.site_server import PATIENCE_S, SiteServer, served

FUNCTIONS = """
from joelclaw import *

@query(allow=anyone)
def who(ctx: QueryCtx) -> str | None:
    identity = ctx.auth.identity
    return None if identity is None else identity.token_identifier

@query(allow=signed_in)
def inside(ctx: QueryCtx) -> str:
    return "inside"

@mutation
def change(ctx: MutationCtx) -> str:
    return "changed"

@http_action("GET", "/who")
async def who_over_http(ctx: ActionCtx, request: Request) -> Response:
    identity = ctx.auth.identity
    return Response("nobody" if identity is None else identity.subject)
"""


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    with fake_issuer(clock=SystemClock()) as issuer:
        yield issuer


def declaration(issuer: FakeIssuer, application: str = "app") -> str:
    return f'[[auth.issuers]]\ndomain = "{issuer.name}"\napplication_id = "{application}"\nprivate_network = true\n'


@contextmanager
def deployment(folder: Path, declared: str = "") -> Iterator[SiteServer]:
    """A deployment in development, with what else is declared."""
    root = folder / "app"
    (root / "app_functions").mkdir(parents=True)
    (root / "schema.py").touch()
    (root / "app_functions" / "f.py").write_text(FUNCTIONS)
    with served(folder, env=declared, development=True, users=None) as server:
        yield server


def call(server: SiteServer, path: str, authorization: str | None = None, kind: str = "query") -> Any:
    """What is answered: the value, or status and code of a refusal."""
    headers = {} if authorization is None else {"Authorization": authorization}
    reply = server.client.post(f"{server.api_url}/api/{kind}", json={"path": path, "args": {}}, headers=headers)
    answer = reply.json()
    if reply.status_code != 200:
        return reply.status_code, answer["code"]
    return answer["value"] if answer["status"] == "success" else answer["errorMessage"]


@contextmanager
def socket_of(server: SiteServer) -> Iterator[ClientConnection]:
    url = server.api_url.replace("http://", "ws://")
    with connect(f"{url}/api/1.48.0/sync", open_timeout=PATIENCE_S) as peer:
        yield peer


def say(peer: ClientConnection, **message: Any) -> None:
    peer.send(msgspec.json.encode(message).decode())


def hear(peer: ClientConnection) -> dict[str, Any]:
    return dict(msgspec.json.decode(peer.recv(timeout=PATIENCE_S)))


def until(fact: Callable[[], bool]) -> None:
    """Ask until it is so."""
    over_at = time.monotonic() + PATIENCE_S
    while not fact():
        assert time.monotonic() < over_at, "it did not come to that"


def test_tokens_of_a_declared_issuer_count(issuer: FakeIssuer, tmp_path: Path) -> None:
    """
    AUTH-1, AUTH-17, AUTH-18: over HTTP, in HTTP actions and on the socket; an issuer that is down signs nobody out.

    And what is declared changes with a save: no restart, and only sockets with tokens that do not count are told.
    """
    issuer.reset()
    with deployment(tmp_path, declaration(issuer)) as server:
        bearer = f"Bearer {issuer.token()}"
        issuer.switch(discovery="500")
        assert call(server, "f:who", bearer) == (503, "AuthProviderDiscoveryFailed")
        assert server.get("/who", headers={"Authorization": bearer}).status_code == 503
        with socket_of(server) as peer:
            say(peer, type="Authenticate", baseVersion=0, tokenType="User", value=issuer.token())
            with pytest.raises(ConnectionClosed) as closed:
                hear(peer)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1013
        issuer.switch(discovery="right")
        # It is asked again two seconds after it has failed.
        until(lambda: call(server, "f:who", bearer) == f"{issuer.name}|ann")

        assert call(server, "f:inside", bearer) == "inside"
        assert "Could not find" in call(server, "f:inside")
        assert server.get("/who", headers={"Authorization": bearer}).text == "ann"
        assert call(server, "f:who", f"Bearer {issuer.token(aud='other')}") == (401, "NoAuthProvider")
        with socket_of(server) as peer, socket_of(server) as stranger, socket_of(server) as refused:
            say(stranger, type="Authenticate", baseVersion=0, tokenType="None")
            say(refused, type="Authenticate", baseVersion=0, tokenType="User", value=issuer.token()[:-8])
            assert hear(refused)["type"] == "AuthError"
            say(peer, type="Authenticate", baseVersion=0, tokenType="User", value=issuer.token())
            assert hear(peer)["endVersion"]["identity"] == 1

            toml = tmp_path / "app" / "joelclaw.toml"
            server.live_again.clear()
            toml.write_text(toml.read_text().replace('application_id = "app"', 'application_id = "other"'))
            assert server.live_again.wait(PATIENCE_S)

            assert call(server, "f:who", bearer) == (401, "NoAuthProvider")
            assert call(server, "f:who", f"Bearer {issuer.token(aud='other')}") == f"{issuer.name}|ann"
            told = hear(peer)
            assert (told["type"], told["baseVersion"], told["authUpdateAttempted"]) == ("AuthError", 1, False)
            assert told["error"] == "The issuer of this token is not declared any more, or differently"
            with pytest.raises(ConnectionClosed):
                hear(peer)
            assert hear(stranger)["endVersion"]["identity"] == 1
            say(stranger, type="Authenticate", baseVersion=1, tokenType="None")
            assert hear(stranger)["endVersion"]["identity"] == 2
    assert len(issuer.journal.at(DISCOVERY)) >= 2


def test_a_revoked_key_closes_its_sockets(tmp_path: Path) -> None:
    """At once, and only those; over HTTP it opens nothing any more. The key of the first start stays."""
    with deployment(tmp_path) as server:
        first, laptop = server.admin_key, generate_admin_key("laptop")
        admin(server, first, "create", name="laptop", hash=hash_of(laptop))
        with socket_of(server) as kept, socket_of(server) as ended:
            for peer, key in ((kept, first), (ended, laptop)):
                say(peer, type="Authenticate", baseVersion=0, tokenType="Admin", value=key)
                assert hear(peer)["type"] == "Transition"

            assert admin(server, first, "revokeNamed", name="laptop") is True

            told = hear(ended)
            assert (told["type"], told["error"]) == ("AuthError", "The admin key was revoked")
            with pytest.raises(ConnectionClosed):
                hear(ended)
            say(kept, type="Authenticate", baseVersion=1, tokenType="None")
            assert hear(kept)["type"] == "Transition"
        assert call(server, "f:change", f"Convex {laptop}", "mutation") == (403, "BadDeployKey")
        assert call(server, "f:change", f"Convex {first}", "mutation") == "changed"


def test_a_key_that_only_looks_changes_nothing_and_sees_no_secrets(tmp_path: Path) -> None:
    """Queries, internal ones too, logs and health; no mutation, no deploy, no environment, on no way in."""
    with deployment(tmp_path) as server:
        look = generate_admin_key("look")
        admin(server, server.admin_key, "create", name="look", hash=hash_of(look), scope="read_only")
        key = {"Authorization": f"Convex {look}"}

        assert call(server, "f:inside", key["Authorization"]) == "inside"
        assert "read-only" in call(server, "f:change", key["Authorization"], "mutation")
        assert "read-only" in call(server, "f:change", key["Authorization"], "function")
        assert "read-only" in call(server, "_system/env:values", key["Authorization"])
        assert "read-only" in call(server, "_system/adminKeys:create", key["Authorization"], "mutation")
        checked = server.client.get(f"{server.api_url}/api/check_admin_key", headers=key)
        assert checked.json()["isReadOnly"] is True
        assert server.client.get(f"{server.api_url}/metrics", headers=key).status_code == 200
        for method, path in (
            ("GET", "/api/list_environment_variables"),
            ("POST", "/api/update_environment_variables"),
            ("POST", "/api/export/request/zip"),
            ("POST", "/api/import/start_upload"),
            ("POST", "/api/deploy2/start_push"),
            ("GET", "/api/joelclaw/deployments"),
        ):
            reply = server.client.request(method, server.api_url + path, headers=key, json={})
            assert reply.status_code == 403, path
        with socket_of(server) as peer:
            adding = {"type": "Add", "queryId": 0, "udfPath": "_system/env:values", "args": [{}]}
            say(peer, type="ModifyQuerySet", baseVersion=0, newVersion=1, modifications=[adding])
            hear(peer)
            say(peer, type="Authenticate", baseVersion=0, tokenType="Admin", value=look)
            [answer] = hear(peer)["modifications"]
            assert answer["type"] == "QueryFailed"
            assert "read-only" in answer["errorMessage"]


def test_a_key_ends(tmp_path: Path) -> None:
    """One that has expired opens nothing; how it is used is noted."""
    with deployment(tmp_path) as server:
        old = generate_admin_key("old")
        admin(server, server.admin_key, "create", name="old", hash=hash_of(old), expiresAt=1.0)

        assert call(server, "f:change", f"Convex {old}", "mutation") == (403, "BadDeployKey")
        # It is written beside the request.
        until(lambda: any("lastUsedAt" in key for key in admin(server, server.admin_key, "list")))
        assert ["lastUsedAt" in key for key in admin(server, server.admin_key, "list")] == [True, False]


def admin(server: SiteServer, key: str, function: str, **arguments: Any) -> Any:
    """A function about admin keys, as the command line calls it."""
    body = {"path": f"_system/adminKeys:{function}", "args": arguments}
    reply = server.client.post(f"{server.api_url}/api/function", json=body, headers={"Authorization": f"Convex {key}"})
    answer = reply.json()
    assert answer.get("status") == "success", answer
    return answer["value"]
