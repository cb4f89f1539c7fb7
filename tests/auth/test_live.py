"""Sign-in on a server that really runs: over HTTP and sockets, through restarts, and with nothing of it in the log."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.functions.deployment import write_app

PATIENCE_S = 120.0
KEY = "joelclaw|0123456789abcdef0123"
TOML = f"""
[server]
api_port = 0
log_level = "debug"
admin_key = "{KEY}"
allowed_origins = ["https://app.example.com"]

[logs]
quiet_queries = true

[auth]
providers = ["anonymous", "password"]
"""
FILES = {
    "schema.py": """
        from joelclaw import Table

        class User(Table):
            __table__ = "users"
            name: str
            email: str | None = None
    """,
    "users.py": """
        from joelclaw import MutationCtx, QueryCtx, anyone, mutation, query, signed_in
        from schema import User

        @query(allow=signed_in)
        def me(ctx: QueryCtx) -> str:
            return ctx.auth.require_user(User).id

        @query(allow=signed_in)
        def name(ctx: QueryCtx) -> str:
            return ctx.auth.require_user(User).name

        @mutation(allow=anyone)
        def shout(ctx: MutationCtx, text: str) -> str:
            return text.upper()

        @mutation(allow=signed_in)
        def disappear(ctx: MutationCtx) -> None:
            ctx.db.delete(ctx.auth.require_user(User))
    """,
}


class Server:
    """`joelclaw serve` in a folder, and requests to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self._started = threading.Event()
        self.start()

    def start(self) -> None:
        self._started.clear()
        self._begun_with = len(self.said)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "joelclaw.cli", "serve"],
            cwd=self.folder,
            env=os.environ | {"COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        assert self._started.wait(PATIENCE_S), "".join(self.said)
        facts = next((json.loads(line) for line in self.said[self._begun_with :] if '"serving"' in line), None)
        assert facts is not None, "".join(self.said)
        self.api, self.site = facts["api_port"], facts["site_port"]

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.said.append(line)
            if '"serving"' in line:
                self._started.set()
        self._started.set()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)
        self._reading.join(PATIENCE_S)

    # -- what clients ask

    def request(
        self, method: str, path: str, body: Any = None, *, port: int | None = None, **headers: Any
    ) -> tuple[int, Any, dict[str, str]]:
        connection = HTTPConnection("127.0.0.1", port or self.api, timeout=PATIENCE_S)
        raw = None if body is None else json.dumps(body)
        connection.request(method, path, raw, {"content-type": "application/json", **headers})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        try:
            return response.status, json.loads(text), dict(response.headers)
        except json.JSONDecodeError:
            return response.status, text, dict(response.headers)

    def call(self, kind: str, path: str, token: str | None = None, /, **args: Any) -> Any:
        body = {"path": path, "format": "convex_encoded_json", "args": [args]}
        headers: dict[str, Any] = {} if token is None else {"authorization": f"Bearer {token}"}
        status, answer, _ = self.request("POST", f"/api/{kind}", body, **headers)
        return answer if status == 200 else (status, answer)

    def sign_in(self, **args: Any) -> dict[str, str]:
        answer = self.call("action", "auth:signIn", **(args or {"provider": "anonymous", "params": {}}))
        tokens: dict[str, str] = answer["value"]["tokens"]
        return tokens

    def refresh(self, token: str) -> Any:
        answer = self.call("action", "auth:signIn", refreshToken=token)
        assert answer["status"] == "success"
        return answer["value"]

    def command(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "joelclaw.cli", *arguments, "--url", f"http://127.0.0.1:{self.api}"],
            cwd=self.folder,
            env=os.environ | {"COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr


class Socket:
    """A client's socket."""

    def __init__(self, server: Server) -> None:
        self._stack = ExitStack()
        address = f"ws://127.0.0.1:{server.api}/api/1.0/sync"
        opening = connect(address, open_timeout=PATIENCE_S, close_timeout=PATIENCE_S)
        self.wire: ClientConnection = self._stack.enter_context(opening)
        self.say(type="Connect", sessionId="01234567-89ab-cdef-0123-456789abcdef", connectionCount=0)

    def say(self, **message: Any) -> None:
        self.wire.send(json.dumps(message))

    def hear(self, kind: str) -> Any:
        while True:
            message = json.loads(self.wire.recv(timeout=PATIENCE_S))
            if message["type"] == kind:
                return message

    def ask(self, kind: str, path: str, *, number: int) -> str:
        """With what a function is refused that the socket asks for; of a query, the `number`th of its set."""
        if kind == "query":
            add = {"type": "Add", "queryId": number, "udfPath": path, "args": [{}]}
            self.say(type="ModifyQuerySet", baseVersion=number, newVersion=number + 1, modifications=[add])
            while not (changes := self.hear("Transition")["modifications"]):
                pass
            refused: str = changes[0]["errorMessage"]
            return refused
        self.say(type=kind.capitalize(), requestId=number, udfPath=path, args=[{}])
        answer = self.hear(f"{kind.capitalize()}Response")
        assert answer["success"] is False
        return str(answer["result"])

    def authenticate(self, token: str, base: int = 0) -> None:
        self.say(type="Authenticate", baseVersion=base, tokenType="User", value=token)
        while self.hear("Transition")["endVersion"]["identity"] <= base:
            pass


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = write_app(tmp_path_factory.mktemp("signing-in"), FILES)
    (folder / "joelclaw.toml").write_text(TOML)
    running = Server(folder)
    yield running
    running.stop()


def test_somebody_signs_in_stays_and_leaves(server: Server) -> None:
    """J10, S4, T5, T7: tokens that functions know, renewed, and refused at once after signing out; never an error."""
    tokens = server.sign_in()
    me = server.call("query", "users:me", tokens["token"])["value"]
    renewed = server.refresh(tokens["refreshToken"])["tokens"]

    assert server.call("query", "users:me", renewed["token"])["value"] == me
    assert server.call("query", "auth:isAuthenticated", renewed["token"])["value"] is True
    assert server.call("query", "auth:isAuthenticated")["value"] is False
    assert server.call("action", "auth:signOut", renewed["token"]) == {
        "status": "success",
        "value": None,
        "logLines": [],
    }
    for token in (tokens["token"], renewed["token"]):
        assert server.call("query", "users:me", token)[0] == 401
    for token in (tokens["refreshToken"], renewed["refreshToken"], "", "x", "a.b.c", "x" * 100_000):
        answer = server.call("action", "auth:signIn", refreshToken=token)
        if token:
            assert answer["value"] == {"tokens": None}
    assert server.call("action", "auth:signOut")["value"] is None


def test_what_is_wrong_is_told_in_the_form_of_clients(server: Server) -> None:
    """Each refusal has a text and a code; a code that nobody knows is no error. Nobody is signed in by any."""

    def told(**args: Any) -> Any:
        answer = server.call("action", "auth:signIn", **args)
        assert answer["status"] == "error"
        return answer["errorMessage"].split("\n")[1], answer["errorData"]["code"]

    assert told(provider="nope") == (
        "Uncaught ConvexError: Provider `nope` is not configured",
        "PROVIDER_NOT_CONFIGURED",
    )
    assert told()[1] == "PROVIDER_NOT_CONFIGURED"
    assert told(provider="anonymous", more=1)[1] == "BAD_ARGUMENTS"
    assert told(provider="anonymous", params={"name": 1})[1] == "BAD_ARGUMENTS"
    assert told(provider="anonymous", params={"name": "x" * 201})[1] == "BAD_ARGUMENTS"
    assert told(refreshToken=3)[1] == "BAD_ARGUMENTS"
    assert server.call("action", "auth:signIn", params={"code": "12345678"})["value"] == {"tokens": None}
    assert server.call("action", "auth:signIn", params={"code": "1"}, verifier="undefined")["value"] == {"tokens": None}


HALF = "\ud800"
"""Half a surrogate pair, which JSON can spell and no text can have."""

UNREADABLE: list[dict[str, Any]] = [
    {"provider": HALF},
    {"refreshToken": f"a.{HALF}.c"},
    {"params": {"code": HALF}},
    {"params": {"code": "1"}, "verifier": HALF},
    {"provider": "anonymous", "params": {"name": HALF}},
    {"provider": "anonymous", "params": {HALF: "name"}},
    {"provider": "anonymous", "params": {"name": "\udc00"}},
    {"provider": "password", "params": {"flow": "signIn", "email": f"{HALF}@example.com", "password": "a password"}},
    {HALF: "provider"},
]
NO_VALUE: list[dict[str, Any]] = [
    {"provider": "anonymous", "params": {"name": {"$integer": "AQ"}}},
    {"provider": "anonymous", "params": {"$name": "x"}},
]


def test_half_a_character_is_refused_over_http(server: Server) -> None:
    """It says so, whichever field has it, and nobody is signed in."""
    for args in UNREADABLE:
        status, answer = server.call("action", "auth:signIn", **args)
        assert (status, answer["code"]) == (400, "BadJsonBody")
        assert "half a surrogate pair" in answer["message"]


def test_half_a_character_fails_one_call_of_a_socket(server: Server) -> None:
    """It says so, and the socket goes on: what is fatal would stop its client until the page is loaded again."""
    socket = Socket(server)
    for number, args in enumerate(UNREADABLE):
        socket.say(type="Action", requestId=number, udfPath="auth:signIn", args=[args])
        answer = socket.hear("ActionResponse")
        assert (answer["requestId"], answer["success"]) == (number, False)
        assert "half a surrogate pair" in answer["result"]
        assert answer["errorData"]["code"] == "BAD_ARGUMENTS"
    socket.say(type="Mutation", requestId=100, udfPath="users:shout", args=[{"text": HALF}])
    assert "half a surrogate pair" in socket.hear("MutationResponse")["result"]
    socket.say(type="Mutation", requestId=101, udfPath="users:shout", args=[{"text": "hey \U0001f600"}])
    assert socket.hear("MutationResponse")["result"] == "HEY \U0001f600"


def test_what_is_no_value_is_refused(server: Server) -> None:
    """A form of `$` that there is not is the caller's mistake, of either action, and the socket goes on."""
    socket = Socket(server)
    for number, args in enumerate(NO_VALUE):
        for path in ("auth:signIn", "auth:signOut"):
            assert server.call("action", path, **args)["errorData"]["code"] == "BAD_ARGUMENTS"
            socket.say(type="Action", requestId=number, udfPath=path, args=[args])
            assert socket.hear("ActionResponse")["errorData"]["code"] == "BAD_ARGUMENTS"


@pytest.mark.parametrize(
    ("params", "name"), [({"name": " Gus "}, "Gus"), ({"name": ""}, "Anonymous"), ({}, "Anonymous")]
)
def test_a_guest_may_say_what_they_are_called(server: Server, params: dict[str, str], name: str) -> None:
    """A name that somebody gives who signs in anonymously is in their document, if it is one."""
    tokens = server.sign_in(provider="anonymous", params=params)

    assert server.call("query", "users:name", tokens["token"])["value"] == name


@pytest.mark.parametrize("kind", ["query", "mutation", "action"])
@pytest.mark.parametrize(
    "path",
    [
        "auth:store",
        "auth:keys",
        "_system/auth/keys:list",
        "_system/auth/sessions:refresh",
        "_system/auth/sessions:list",
        "_system/auth/sessions:end",
        "_system/auth/forgetting:forgetUser",
        "_system/auth/anonymous:signIn",
        "_system/auth/client:isAuthenticated",
    ],
)
def test_nobody_calls_what_is_ours(server: Server, kind: str, path: str) -> None:
    """S6: names of the platform's own, and those that others have, read like names that do not exist."""
    token = server.sign_in()["token"]

    for asked in (server.call(kind, path), server.call(kind, path, token)):
        assert f"Could not find public function for '{path}'" in asked["errorMessage"]
    socket = Socket(server)
    for base, identity in enumerate((None, token)):
        if identity is not None:
            socket.authenticate(identity)
        assert f"Could not find public function for '{path}'" in socket.ask(kind, path, number=base)


def test_a_foreign_page_is_told_nothing(server: Server) -> None:
    """H2: whatever it asks, with whatever cookies, its browser hands it no answer that a visitor's own would get."""
    evil = {"origin": "https://evil.test", "cookie": "__convexAuthJWT=x", "sec-fetch-site": "cross-site"}
    probe = {**evil, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    sign_in = {"path": "auth:signIn", "args": {"provider": "anonymous", "params": {}}, "format": "json"}
    for method, path, body, port in (
        ("OPTIONS", "/api/action", None, server.api),
        ("POST", "/api/action", sign_in, server.api),
        ("GET", "/api/query?path=users:me", None, server.api),
        ("OPTIONS", "/api/auth/signin/github", None, server.site),
        ("GET", "/api/auth/signin/github?code=x", None, server.site),
        ("POST", "/api/auth/callback/github", {}, server.site),
        ("OPTIONS", "/.well-known/jwks.json", None, server.site),
        ("GET", "/.well-known/jwks.json", None, server.site),
    ):
        status, _, headers = server.request(method, path, body, port=port, **(probe if method == "OPTIONS" else evil))
        told = {name.lower(): value for name, value in headers.items()}
        assert status < 500
        assert "access-control-allow-credentials" not in told
        assert "set-cookie" not in told
        assert told.get("access-control-allow-origin", "*") == "*", "public keys alone are for everybody"
        assert path.startswith("/.well-known/") or "access-control-allow-origin" not in told


def test_names_of_ours_are_those_that_are_declared(server: Server) -> None:
    """R6: whatever host a request names, issuer and key set are as declared; only public halves are told."""
    foreign = {"host": "evil.test", "x-forwarded-host": "evil.test", "x-forwarded-proto": "https"}

    status, found, headers = server.request("GET", "/.well-known/openid-configuration", port=server.site, **foreign)
    _, keys, _ = server.request("GET", urlsplit(found["jwks_uri"]).path, port=server.site)

    assert (status, found["issuer"]) == (200, f"http://127.0.0.1:{server.site}")
    assert "evil" not in str(found)
    assert headers["access-control-allow-origin"] == "*"
    assert {field for key in keys["keys"] for field in key} == {"kty", "use", "alg", "kid", "n", "e"}
    again = server.request(
        "GET", "/.well-known/openid-configuration", port=server.site, **{"if-none-match": headers["etag"]}
    )
    assert again[0] == 304
    assert server.request("POST", "/.well-known/jwks.json", port=server.site)[0] == 405


def test_open_sockets_hear_of_a_session_that_has_ended(server: Server) -> None:
    """T4, J10: a session that is ended by the command line, and a user who is deleted: their sockets are told."""
    ann, bob = server.sign_in(), server.sign_in()
    first, second = Socket(server), Socket(server)
    first.authenticate(ann["token"])
    second.authenticate(bob["token"])
    user = server.call("query", "users:me", ann["token"])["value"]

    assert "1 session has ended." in server.command("auth", "sign-out", "--user", user)
    assert first.hear("AuthError")["authUpdateAttempted"] is False
    assert server.call("query", "users:me", ann["token"])[0] == 401
    assert user not in server.command("auth", "sessions")

    server.call("mutation", "users:disappear", bob["token"])
    assert second.hear("AuthError")["baseVersion"] == 1
    assert server.refresh(bob["refreshToken"]) == {"tokens": None}


def test_open_sockets_hear_of_an_import_that_leaves_their_user_out(server: Server) -> None:
    """J10: who has no document any more is signed out at once, on open sockets too; who has one stays."""
    ann, bob = server.sign_in(), server.sign_in()
    first, second = Socket(server), Socket(server)
    first.authenticate(ann["token"])
    second.authenticate(bob["token"])
    stays = server.call("query", "users:me", bob["token"])["value"]
    file = server.folder / "users.jsonl"
    file.write_text(json.dumps({"_id": stays, "name": "Bob"}) + "\n")

    server.command("import", str(file), "--table", "users", "--mode", "replace", "--yes")

    assert first.hear("AuthError")["authUpdateAttempted"] is False
    assert server.call("query", "users:me", ann["token"])[0] == 401
    assert server.refresh(ann["refreshToken"]) == {"tokens": None}
    assert server.call("query", "users:me", bob["token"])["value"] == stays
    second.say(type="Authenticate", baseVersion=1, tokenType="None")
    assert second.hear("Transition")["endVersion"]["identity"] == 2


def test_a_socket_that_signs_in_as_somebody_else_is_told(server: Server) -> None:
    """S3, T3: the old session has ended with the answer, and the socket that carries it hears of it after that."""
    ann = server.sign_in()
    socket = Socket(server)
    socket.authenticate(ann["token"])

    socket.say(type="Action", requestId=0, udfPath="auth:signIn", args=[{"provider": "anonymous", "params": {}}])
    bob = socket.hear("ActionResponse")["result"]["tokens"]

    assert socket.hear("AuthError")["baseVersion"] == 1
    assert server.refresh(ann["refreshToken"]) == {"tokens": None}
    assert server.call("query", "auth:isAuthenticated", bob["token"])["value"] is True


def test_a_restart_signs_nobody_out_and_nobody_in(server: Server) -> None:
    """H8: tokens, keys and what has ended are as they were."""
    stays, left = server.sign_in(), server.sign_in()
    server.call("action", "auth:signOut", left["token"])
    keys = server.request("GET", "/.well-known/jwks.json", port=server.site)[1]

    server.stop()
    server.start()

    assert server.request("GET", "/.well-known/jwks.json", port=server.site)[1] == keys
    assert server.call("query", "auth:isAuthenticated", stays["token"])["value"] is True
    assert server.refresh(stays["refreshToken"])["tokens"] is not None
    assert server.call("query", "users:me", left["token"])[0] == 401
    assert server.refresh(left["refreshToken"]) == {"tokens": None}


def test_a_dropped_key_sends_everybody_for_another_token(server: Server) -> None:
    """J8: tokens of it are refused, sockets are told, and refresh tokens buy tokens of the new one."""
    tokens = server.sign_in()
    socket = Socket(server)
    socket.authenticate(tokens["token"])

    said = server.command("auth", "rotate-keys", "--now")

    assert "signs from now on" in said
    assert socket.hear("AuthError")["type"] == "AuthError"
    assert server.call("query", "users:me", tokens["token"])[0] == 401
    renewed = server.refresh(tokens["refreshToken"])["tokens"]
    assert server.call("query", "auth:isAuthenticated", renewed["token"])["value"] is True
    _, keys, _ = server.request("GET", "/.well-known/jwks.json", port=server.site)
    assert [key["kid"] for key in keys["keys"]] == re.findall(r"(\S+) signs", said)
    assert server.request("POST", "/api/joelclaw/auth/rotate_keys", {})[0] == 403


def test_nothing_of_a_sign_in_is_in_any_log(server: Server) -> None:
    """H6: tokens, refresh tokens, passwords and verifiers of a whole run are in no log line and no file of logs."""
    secrets = ["a password of hers", "a verifier of hers", "a code of hers"]
    account = {"email": "ann@example.com", "password": secrets[0]}
    signed_up = server.sign_in(provider="password", params={"flow": "signUp", **account})
    server.call(
        "action", "auth:signIn", provider="password", params={"flow": "signIn", **account, "password": "wrong one"}
    )
    server.call("action", "auth:signIn", params={"code": secrets[2]}, verifier=secrets[1])
    renewed = server.refresh(signed_up["refreshToken"])["tokens"]
    socket = Socket(server)
    socket.authenticate(renewed["token"])
    server.call("query", "users:me", renewed["token"])
    server.call("query", "users:me", renewed["token"][:-3] + "AAA")
    server.call("action", "auth:signOut", renewed["token"])
    socket.hear("AuthError")
    for tokens in (signed_up, renewed):
        secrets += [tokens["token"], tokens["token"].split(".")[2], tokens["refreshToken"]]
        secrets.append(tokens["refreshToken"].split(".")[2])

    server.stop()

    kept = b"".join(path.read_bytes() for path in server.folder.glob("data/*-logs*") if path.is_file())
    log = "".join(server.said)
    assert "auth:signIn" in log + kept.decode("latin-1")
    for secret in [*secrets, "wrong one"]:
        assert secret not in log
        assert secret.encode() not in kept
    database = b"".join(path.read_bytes() for path in server.folder.glob("data/joelclaw.db*") if path.is_file())
    for secret in [*secrets, (server.folder / "data" / "auth_key").read_text().strip(), "PRIVATE KEY"]:
        assert secret.encode() not in database
