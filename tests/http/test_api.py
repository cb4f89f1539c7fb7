"""`joelclaw.http`: the client API, from a request's bytes to an answer's, inside the framework's app."""

import asyncio
import base64
import json
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec
import pytest
from convex.values import json_to_convex

from joelclaw.auth.admin_keys import AdminKeys
from joelclaw.auth.authenticator import Authenticator, UserVerifier
from joelclaw.engine.asker import Asker
from joelclaw.errors import ProviderFailed
from joelclaw.functions.calls import Call, Failure, Outcome, Range
from joelclaw.http.api import Api
from joelclaw.http.app import App
from joelclaw.http.requests import ENVELOPE_BYTES, Cors
from joelclaw.sync.socket import Sockets
from joelclaw.sync.wording import Wording
from joelclaw.values.timestamps import decode_ts, encode_ts
from tests.http.client import HttpClient
from tests.sync.stand_in import T0, StandInEngine, boom, fails, value
from tests.sync.transport import Transport, idle

ADMIN_KEY = "joelclaw|0123456789abcdef"
ADMIN = f"Convex {ADMIN_KEY}"
ANN = {"name": "Ännchen 🦀", "subject": "ann", "issuer": "https://a.test"}


class World(HttpClient):
    """An engine behind the app, and a client of it."""

    def __init__(
        self,
        *,
        development: bool = True,
        allowed_origins: tuple[str, ...] = (),
        arguments_bytes: int = 2**24,
        users: UserVerifier | None = None,
    ) -> None:
        self.engine = engine = StandInEngine()
        engine.answer("q:list", value("[1]", log_lines=["[LOG] 'listing'"]))
        engine.answer("internal:q", value('"inner"'))
        engine.answer("deep/er:q", value('"deep"'))
        engine.declare("mutation", "m:send")
        engine.declare("action", "a:run")
        self.reported: list[tuple[str, str, Failure]] = []
        wording = Wording(development=development, report=lambda *report: self.reported.append(report))
        authenticator = Authenticator(AdminKeys(_no_key, ADMIN_KEY), users)
        self.sockets = Sockets(engine, authenticator, wording)
        api = Api(
            engine,
            authenticator,
            wording,
            self.sockets,
            name="trial",
            version="1.2.3",
            cors=Cors(allowed_origins, development=development),
            arguments_bytes=lambda: arguments_bytes,
        )
        self.app = App(api)
        super().__init__(self.app)


def note(seen: list[Any], fact: Callable[[Call], Any]) -> Callable[[Call], Outcome]:
    """A query that writes down what it was called with."""

    def answer(call: Call) -> Outcome:
        seen.append(fact(call))
        return Outcome(value=b"1")

    return answer


async def _no_key(_: str) -> None:
    return None


def play(scene: Callable[[World], Awaitable[None]], world: Callable[[], World] = World) -> None:
    async def run() -> None:
        await scene(world())

    asyncio.run(run())


def acting_as(attributes: dict[str, Any]) -> str:
    return f"{ADMIN}:{base64.b64encode(msgspec.json.encode(attributes)).decode()}"


# -- calling functions


def test_a_query_is_answered() -> None:
    """The body that the official client reads, byte by byte."""

    async def scene(world: World) -> None:
        reply = await world.post("/api/query", {"path": "q:list", "format": "convex_encoded_json", "args": [{}]})
        assert reply.status == 200
        assert reply.headers["content-type"] == "application/json"
        assert reply.headers["content-length"] == str(len(reply.body))
        assert reply.body == b"""{"status":"success","value":[1],"logLines":["[LOG] 'listing'"]}"""

    play(scene)


def test_a_query_in_memory_is_not_run_again() -> None:
    """Until a commit meets its read set; and a failure is not remembered (ERR-13)."""

    async def scene(world: World) -> None:
        world.engine.answer("q:bad", fails(boom()))
        for _ in range(3):
            await world.post("/api/query", {"path": "q:list", "args": {}})
            await world.post("/api/query", {"path": "q:bad", "args": {}})
        assert world.engine.runs.count("q:list") == 1
        assert world.engine.runs.count("q:bad") == 3
        world.engine.commit(touched=1)
        await world.post("/api/query", {"path": "q:list", "args": {}})
        assert world.engine.runs.count("q:list") == 2

    play(scene)


@pytest.mark.parametrize("args", [{"a": 1}, [{"a": 1}]])
def test_pitfall_47_args_are_an_object_or_an_array_with_one(args: Any) -> None:
    """JavaScript sends the array, people the object (VAL-20)."""
    seen: list[bytes] = []

    async def scene(world: World) -> None:
        world.engine.answer("q:args", note(seen, lambda call: call.args))
        assert (await world.post("/api/query", {"path": "q:args", "args": args})).status == 200

    play(scene)
    assert seen == [b'{"a":1}']


@pytest.mark.parametrize("args", [[], [{}, {}], [1], "x", None, 7])
def test_other_arguments_are_refused(args: Any) -> None:
    """With a code and a sentence."""

    async def scene(world: World) -> None:
        reply = await world.post("/api/query", {"path": "q:list", "args": args})
        assert (reply.status, reply.json["code"]) == (400, "BadArgs")
        assert world.engine.runs == []

    play(scene)


def test_mutations_and_actions_are_answered() -> None:
    """Each on its route."""

    async def scene(world: World) -> None:
        assert (await world.post("/api/mutation", {"path": "m:send", "args": {}})).json == {
            "status": "success",
            "value": "done",
            "logLines": [],
        }
        running = asyncio.create_task(world.post("/api/action", {"path": "a:run", "args": {}}))
        await idle()
        world.engine.actions[0].answer.set_result(Outcome(value=b'"acted"'))
        assert (await running).json["value"] == "acted"

    play(scene)


@pytest.mark.parametrize(
    ("route", "path", "words"),
    [
        ("query", "no:such", "Could not find public function for 'no:such'"),
        ("query", "internal:q", "Could not find public function for 'internal:q'"),
        ("query", "m:send", "Trying to execute m:send as query"),
        ("mutation", "q:list", "Trying to execute q:list as mutation"),
        ("action", "q:list", "Trying to execute q:list as action"),
    ],
)
def test_pitfall_45_refused_functions_are_answered_with_200(route: str, path: str, words: str) -> None:
    """As a function's own error, or the client would show the body as a message (ERR-3)."""

    async def scene(world: World) -> None:
        reply = await world.post(f"/api/{route}", {"path": path, "args": {}})
        assert reply.status == 200
        assert reply.json["status"] == "error"
        assert words in reply.json["errorMessage"]
        assert world.engine.runs == []

    play(scene)


def test_pitfall_45_application_errors_keep_their_data_and_status_200() -> None:
    """`errorData` is there for AppErrors, null included, and absent for others (pitfall 17) (ERR-3, ERR-4)."""

    async def scene(world: World) -> None:
        world.engine.answer("q:app", fails(boom("Uncaught AppError: nope", data=b'{"code":7}')))
        world.engine.answer("q:null", fails(boom("Uncaught AppError: null", data=b"null")))
        world.engine.answer("q:plain", fails(boom()))
        app, null, plain = [
            await world.post("/api/query", {"path": path, "args": {}, "format": "convex_encoded_json"})
            for path in ("q:app", "q:null", "q:plain")
        ]
        assert [reply.status for reply in (app, null, plain)] == [200, 200, 200]
        assert app.json["errorData"] == {"code": 7}
        assert null.json["errorData"] is None
        assert "errorData" not in plain.json

    play(scene)


def test_development_tells_all_and_production_the_first_line() -> None:
    """The request id that is told is the one in the report."""

    async def scene(world: World) -> None:
        world.engine.answer("q:bad", lambda _: Outcome(failure=boom(), log_lines=["[LOG] 1"], reads=[Range(1, b"")]))
        reply = await world.post("/api/query", {"path": "q:bad", "args": {}})
        [(request_id, path, _)] = world.reported
        first = f"[Request ID: {request_id}] Server Error"
        assert path == "q:bad"
        if world.sockets.wording.development:
            assert reply.json["errorMessage"] == f"{first}\nUncaught ValueError: boom\n    at f (app.py:1)"
            assert reply.json["logLines"] == ["[LOG] 1"]
        else:
            assert reply.json["errorMessage"] == first
            assert reply.json["logLines"] == []
            admin = await world.post("/api/query", {"path": "q:bad", "args": {}}, authorization=ADMIN)
            assert "boom" in admin.json["errorMessage"]

    play(scene)
    play(scene, lambda: World(development=False))


def test_get_query() -> None:
    """For people with curl: arguments are JSON text in the URL, and need no content type."""
    seen: list[bytes] = []

    async def scene(world: World) -> None:
        world.engine.answer("q:args", note(seen, lambda call: call.args))
        reply = await world.request("GET", "/api/query", query="path=q%3Aargs&args=%7B%22a%22%3A+1%7D&format=json")
        assert reply.json["value"] == 1
        assert (await world.request("GET", "/api/query", query="path=q:args")).status == 200
        for bad in ("", "args={}", "path=q:args&args={", "path=q:args&format=xml"):
            reply = await world.request("GET", "/api/query", query=bad)
            assert reply.status == 400
            assert set(reply.json) == {"code", "message"}

    play(scene)
    assert seen == [b'{"a":1}', b"{}"]


def test_function_runs_anything_for_administrators() -> None:
    """Any kind, internal ones too; nobody else may, and the command line finds its words."""

    async def scene(world: World) -> None:
        refused = await world.post("/api/function", {"path": "q:list", "args": {}})
        assert (refused.status, refused.json["code"]) == (403, "BadDeployKey")
        for path, expected in (("internal:q", "inner"), ("m:send", "done")):
            reply = await world.post("/api/function", {"path": path, "args": {}}, authorization=ADMIN)
            assert reply.json["value"] == expected
        unknown = await world.post("/api/function", {"path": "no:such", "args": {}}, authorization=ADMIN)
        assert "Could not find function for 'no:such'" in unknown.json["errorMessage"]

    play(scene)


def test_run_by_path() -> None:
    """The module's folders and the function are the route."""

    async def scene(world: World) -> None:
        assert (await world.post("/api/run/deep/er/q", {"args": {}})).json["value"] == "deep"
        assert (await world.post("/api/run/m/send", {"args": {}})).json["value"] == "done"
        assert "Could not find" in (await world.post("/api/run/internal/q", {"args": {}})).json["errorMessage"]
        for path in ("/api/run/alone", "/api/run/a//b"):
            reply = await world.post(path, {"args": {}})
            assert (reply.status, reply.json["code"]) == (400, "MissingIdentifier"), path

    play(scene)


def test_query_batch_answers_each() -> None:
    """A failing one does not take the others with it."""

    async def scene(world: World) -> None:
        queries: list[Any] = [{"path": path, "args": {}} for path in ("q:list", "no:such")]
        reply = await world.post("/api/query_batch", {"queries": queries})
        assert [result["status"] for result in reply.json["results"]] == ["success", "error"]

    play(scene)


# -- formats


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("convex_encoded_json", b'{"i":{"$integer":"AQAAAAAAAAA="},"n":{"$float":"AAAAAAAA+H8="},"x":3}'),
        ("convex_json", b'{"i":{"$integer":"AQAAAAAAAAA="},"n":{"$float":"AAAAAAAA+H8="},"x":3}'),
        ("json", b'{"i":"1","n":"NaN","x":3.0}'),
        ("convex_clean_json", b'{"i":"1","n":"NaN","x":3.0}'),
        (None, b'{"i":"1","n":"NaN","x":3.0}'),
        ("export_json", b'{"i":1,"n":{"$float":"AAAAAAAA+H8="},"x":3.0}'),
    ],
)
def test_formats(name: str | None, expected: bytes) -> None:
    """Each output format and its alias; people's is the default (VAL-16)."""

    async def scene(world: World) -> None:
        wire = '{"i":{"$integer":"AQAAAAAAAAA="},"n":{"$float":"AAAAAAAA+H8="},"x":3}'
        world.engine.answer("q:values", value(wire))
        body = {"path": "q:values", "args": {}} | ({"format": name} if name else {})
        reply = await world.post("/api/query", body)
        assert reply.body == b'{"status":"success","value":' + expected + b',"logLines":[]}'

    play(scene)


def test_the_python_client_can_read_whole_numbers() -> None:
    """It takes an integer literal for no value; others are not made to pay for that."""

    async def scene(world: World) -> None:
        world.engine.answer("q:n", value('{"n":7,"text":[1,2.5]}'))
        world.engine.answer("q:bad", fails(boom("Uncaught AppError", data=b'{"code":7}')))

        async def ask(path: str, client: str) -> Any:
            body = {"path": path, "format": "convex_encoded_json", "args": [{}]}
            return await world.post("/api/query", body, convex_client=client)

        python = await ask("q:n", "python-0.8.1")
        assert json_to_convex(json.loads(python.body)["value"]) == {"n": 7.0, "text": [1.0, 2.5]}
        assert b'"errorData":{"code":7.0}' in (await ask("q:bad", "python-0.8.1")).body
        assert b'{"n":7,"text":[1,2.5]}' in (await ask("q:n", "npm-1.48.0")).body

    play(scene)


def test_an_unknown_format_is_refused() -> None:
    """By name."""

    async def scene(world: World) -> None:
        reply = await world.post("/api/query", {"path": "q:list", "args": {}, "format": "xml"})
        assert (reply.status, reply.json["code"]) == (400, "BadFormat")

    play(scene)


# -- what is no request


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"path":7,"args":{}}', b"\xff"])
def test_a_body_that_is_no_call_is_refused(body: bytes) -> None:
    """As JSON with code and message (pitfall 50)."""

    async def scene(world: World) -> None:
        reply = await world.post("/api/query", body)
        assert (reply.status, reply.json["code"]) == (400, "BadJsonBody")
        assert reply.json["message"]

    play(scene)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        ("application/vnd.x+json", 200),
        ("text/plain", 400),
        ("application/jsonx", 400),
    ],
)
def test_the_body_has_to_say_that_it_is_json(content_type: str, status: int) -> None:
    """So that a form on another page cannot send one without a preflight."""

    async def scene(world: World) -> None:
        reply = await world.post("/api/query", {"path": "q:list", "args": {}}, content_type=content_type)
        assert reply.status == status
        if status != 200:
            assert reply.json["code"] == "BadJsonBody"

    play(scene)


@pytest.mark.parametrize("path", ["", "::", "a..b:c", "q:"])
def test_a_malformed_path_is_refused(path: str) -> None:
    """It could not name a function anywhere."""

    async def scene(world: World) -> None:
        reply = await world.post("/api/query", {"path": path, "args": {}})
        assert (reply.status, reply.json["code"]) == (400, "BadConvexFunctionIdentifier")

    play(scene)


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_has_a_limit(announced: bool) -> None:
    """
    As much as arguments may have and something for the rest, then 413, whether the size is announced or found out.

    The sentence names the setting.
    """
    enough = 10_000 + ENVELOPE_BYTES

    async def scene(world: World) -> None:
        headers = {"content_length": str(enough + 1)} if announced else {}
        body = b"{}" if announced else b" " * (enough + 1)
        envelope = b'{"path": "q:list", "args": {}, "format": "json"}'
        for pieces in (1, 3):
            reply = await world.request(
                "POST", "/api/query", envelope.ljust(enough), pieces=pieces, content_type="application/json"
            )
            assert reply.status == 200
            reply = await world.request(
                "POST", "/api/query", body, headers, pieces=pieces, content_type="application/json"
            )
            assert (reply.status, reply.json["code"]) == (413, "RequestTooLarge")
            assert "larger than 12,000 bytes; raise limits.arguments_bytes in joelclaw.toml" in reply.json["message"]

    play(scene, lambda: World(arguments_bytes=10_000))


def test_a_body_comes_in_any_pieces() -> None:
    """However the network cuts it. The seed is printed."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    pieces = random.Random(seed).randrange(2, 40)

    async def scene(world: World) -> None:
        body = msgspec.json.encode({"path": "q:list", "args": {"text": "x" * 5_000}})
        reply = await world.request("POST", "/api/query", body, pieces=pieces, content_type="application/json")
        assert reply.json["status"] == "success"

    play(scene)


@pytest.mark.parametrize("path", ["/api/nothing", "/api/v1/list", "/api", "/api/deploy2/start_push", "/api/sync"])
def test_pitfall_49_unknown_api_routes_answer_400(path: str) -> None:
    """The official command line retries a 404 for a minute; of a 400 it shows the sentence."""

    async def scene(world: World) -> None:
        for method in ("GET", "POST"):
            reply = await world.request(method, path)
            assert reply.status == 400
            assert reply.json["code"] == "NotSupported"
            assert path in reply.json["message"]

    play(scene)


def test_pitfall_50_whatever_is_refused_is_json() -> None:
    """Outside the API, with a wrong method, and where the framework refuses a request itself."""

    async def scene(world: World) -> None:
        for method, path, status in (("GET", "/nowhere", 404), ("DELETE", "/api/query", 405), ("GET", "/echo", 404)):
            reply = await world.request(method, path)
            assert (reply.status, set(reply.json)) == (status, {"code", "message"})

    play(scene)


def test_pitfall_48_a_double_slash_is_one() -> None:
    """The address that the client was given ends in a slash."""

    async def scene(world: World) -> None:
        reply = await world.post("//api/query", {"path": "q:list", "args": {}})
        assert reply.json["status"] == "success"

    play(scene)


def test_our_own_faults_say_nothing_of_internals() -> None:
    """500, and the sentence that clients know (ERR-11)."""

    async def scene(world: World) -> None:
        def explode(_: Any) -> Outcome:
            raise RuntimeError("secret")

        world.engine.answer("q:explode", explode)
        reply = await world.post("/api/query", {"path": "q:explode", "args": {}})
        assert (reply.status, reply.json["code"]) == (500, "InternalServerError")
        assert b"secret" not in reply.body

    play(scene)


# -- texts


def test_texts() -> None:
    """What health checks and the command line ask for."""

    async def scene(world: World) -> None:
        texts = {path: (await world.request("GET", path)).body for path in ("/version", "/instance_name", "/")}
        assert texts["/version"] == b"1.2.3"
        assert texts["/instance_name"] == b"trial"
        assert b"running" in texts["/"]
        assert (await world.request("GET", "/version")).headers["content-type"].startswith("text/plain")

    play(scene)


def test_echo_sends_the_body_back() -> None:
    """In the pieces that it came in, with its content type."""

    async def scene(world: World) -> None:
        body = b"0123456789" * 1_000
        reply = await world.request("POST", "/echo", body, pieces=7, content_type="image/png", origin="https://a.test")
        assert reply.body == body
        assert reply.headers["content-type"] == "image/png"
        assert reply.headers["access-control-allow-origin"] == "https://a.test"

    play(scene)


# -- CORS


def test_a_preflight_is_answered_with_what_it_asks_for() -> None:
    """Browsers ask before every call of the HTTP client."""

    async def scene(world: World) -> None:
        reply = await world.request(
            "OPTIONS",
            "/api/mutation",
            origin="https://a.test",
            access_control_request_method="POST",
            access_control_request_headers="content-type,convex-client",
        )
        assert reply.status == 200
        assert reply.headers["access-control-allow-origin"] == "https://a.test"
        assert reply.headers["access-control-allow-headers"] == "content-type,convex-client"
        assert "POST" in reply.headers["access-control-allow-methods"]
        assert reply.headers["access-control-max-age"] == "86400"
        assert "origin" in reply.headers["vary"]

    play(scene)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/api/query", {"content_type": "application/json"}, 400),
        ("POST", "/api/query", {"content_type": "text/plain"}, 400),
        ("GET", "/api/query", {"authorization": "Bearer a.b.c"}, 400),
        ("POST", "/api/function", {"content_type": "application/json"}, 400),
        ("GET", "/api/nothing", {}, 400),
        ("GET", "/nowhere", {}, 404),
        ("DELETE", "/api/query", {}, 405),
        ("GET", "/version", {}, 200),
    ],
)
def test_pitfall_46_every_answer_has_cors_headers(method: str, path: str, headers: dict[str, str], status: int) -> None:
    """Without them the page sees a network failure instead of the error."""

    async def scene(world: World) -> None:
        reply = await world.request(method, path, headers=headers, origin="https://a.test")
        assert reply.status == status
        assert reply.headers["access-control-allow-origin"] == "https://a.test"

    play(scene)


def test_only_pages_that_somebody_has_named_bring_credentials() -> None:
    """
    H2: a visitor's cookies mean nothing to us, but perhaps to a proxy in front. Where any page may call, none
    reads an answer that they have bought.
    """

    async def bring(world: World, origin: str) -> list[str | None]:
        replies = [await world.request(method, "/api/query", origin=origin) for method in ("POST", "OPTIONS")]
        assert {reply.headers["access-control-allow-origin"] for reply in replies} == {origin}
        return [reply.headers.get("access-control-allow-credentials") for reply in replies]

    async def nobody_is_named(world: World) -> None:
        assert await bring(world, "https://a.test") == [None, None]

    async def somebody_is(world: World) -> None:
        assert await bring(world, "https://a.test") == ["true", "true"]

    play(nobody_is_named)
    play(somebody_is, partial(World, allowed_origins=("https://a.test",)))


def test_without_an_origin_none_is_allowed() -> None:
    """Programs send none and need none; caches are told that it matters."""

    async def scene(world: World) -> None:
        reply = await world.request("GET", "/version")
        assert "access-control-allow-origin" not in reply.headers
        assert "origin" in reply.headers["vary"]

    play(scene)


def test_declared_origins_are_the_only_ones() -> None:
    """With `allowed_origins`, other pages cannot read answers or pass a preflight."""

    async def scene(world: World) -> None:
        for method in ("POST", "OPTIONS"):
            ours = await world.request(method, "/api/query", origin="https://a.test")
            other = await world.request(method, "/api/query", origin="https://evil.test")
            assert ours.headers["access-control-allow-origin"] == "https://a.test"
            assert not [name for name in other.headers if name.startswith("access-control")]

    for development in (False, True):
        play(scene, partial(World, allowed_origins=("https://a.test",), development=development))


@pytest.mark.parametrize(
    ("origin", "is_ours"),
    [
        ("http://localhost:3001", True),
        ("http://127.0.0.1:5173", True),
        ("https://localhost", True),
        ("http://[::1]:3000", True),
        ("http://localhost.evil.test:3000", False),
        ("http://127.0.0.1.evil.test", False),
        ("http://evil.test/http://localhost:3000", False),
        ("null", False),
    ],
)
def test_pages_of_this_machine_count_in_development(origin: str, is_ours: bool) -> None:
    """Whatever port a site's server has found; in production only if they are declared."""

    async def answered(world: World) -> bool:
        reply = await world.request("POST", "/api/query", origin=origin)
        return reply.headers.get("access-control-allow-origin") == origin

    async def in_development(world: World) -> None:
        assert await answered(world) is is_ours

    async def in_production(world: World) -> None:
        assert not await answered(world)

    play(in_development, partial(World, allowed_origins=("https://a.test",), development=True))
    play(in_production, partial(World, allowed_origins=("https://a.test",), development=False))


# -- who asks


def test_an_admin_key_opens_internal_functions_and_has_no_identity() -> None:
    """AUTH-15; the scheme is read in any case."""
    seen: list[Any] = []

    async def scene(world: World) -> None:
        world.engine.answer("internal:me", note(seen, lambda call: (call.identity, call.privileged)))
        await world.post("/api/query", {"path": "internal:me", "args": {}}, authorization=f"cONVEX  {ADMIN_KEY}")

    play(scene)
    assert seen == [(None, True)]


def test_an_administrator_acts_as_a_user() -> None:
    """AUTH-16: the function sees that identity, non-ASCII names intact."""
    seen: list[Any] = []

    async def scene(world: World) -> None:
        world.engine.answer("internal:me", note(seen, lambda call: (call.identity, call.privileged)))
        reply = await world.post("/api/query", {"path": "internal:me", "args": {}}, authorization=acting_as(ANN))
        assert reply.json["status"] == "success"

    play(scene)
    [(identity, privileged)] = seen
    assert privileged
    assert identity.claims == {"name": "Ännchen 🦀"}
    assert identity.token_identifier == "https://a.test|ann"


@pytest.mark.parametrize(
    ("authorization", "status", "code"),
    [
        ("Bearer x", 401, "InvalidAuthHeader"),
        ("Bearer e30.e30.sig", 401, "NoAuthProvider"),
        ("Bearer", 401, "InvalidAuthHeader"),
        ("Basic dXNlcg==", 401, "InvalidAuthHeader"),
        ("Convex joelclaw|wrong", 403, "BadDeployKey"),
        (f"{ADMIN}:not base64", 403, "BadDeployKey"),
        (f"{ADMIN}:bnVsbA==", 403, "BadDeployKey"),
    ],
)
def test_a_bad_authorization_is_refused(authorization: str, status: int, code: str) -> None:
    """Before anything runs, with code and message."""

    async def scene(world: World) -> None:
        reply = await world.post("/api/query", {"path": "q:list", "args": {}}, authorization=authorization)
        assert (reply.status, reply.json["code"]) == (status, code)
        assert world.engine.runs == []

    play(scene)


# -- idempotency keys


def test_an_idempotency_key_names_the_call() -> None:
    """The same request has the same call id; another key, argument, function or caller has another."""

    async def scene(world: World) -> None:
        world.engine.declare("mutation", "m:other")

        async def call_id(key: str, path: str = "m:send", args: Any = None, **headers: str) -> str:
            await world.post("/api/mutation", {"path": path, "args": args or {}}, idempotency_key=key, **headers)
            return str(world.engine.mutations[-1]["call_id"])

        first = await call_id("k")
        assert first != ""
        assert await call_id("k") == first
        others = [
            await call_id("k2"),
            await call_id("k", path="m:other"),
            await call_id("k", args={"a": 1}),
            await call_id("k", authorization=ADMIN),
            await call_id("k", authorization=acting_as(ANN)),
        ]
        assert len({first, *others}) == 6

    play(scene)


def test_without_an_idempotency_key_nothing_is_named() -> None:
    """Legitimate repeated calls are not swallowed."""

    async def scene(world: World) -> None:
        await world.post("/api/mutation", {"path": "m:send", "args": {}})
        assert world.engine.mutations[-1]["call_id"] == ""

    play(scene)


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_an_idempotency_key_has_a_length(key: str) -> None:
    """A key that cannot be kept is refused before the mutation runs."""

    async def scene(world: World) -> None:
        reply = await world.post("/api/mutation", {"path": "m:send", "args": {}}, idempotency_key=key)
        assert (reply.status, reply.json["code"]) == (400, "BadIdempotencyKey")
        assert world.engine.mutations == []

    play(scene)


# -- consistent reads


def test_a_consistent_query_asks_for_a_timestamp_first() -> None:
    """The newest commit's; the answer has the form of /api/query (SYNC-15)."""

    async def scene(world: World) -> None:
        ts = (await world.post("/api/query_ts")).json["ts"]
        assert decode_ts(ts) == T0
        reply = await world.post("/api/query_at_ts", {"path": "q:list", "args": [{}], "ts": ts})
        assert reply.json["status"] == "success"

    play(scene)


def test_query_ts_needs_no_body_and_no_content_type() -> None:
    """The official client sends neither."""

    async def scene(world: World) -> None:
        assert (await world.request("POST", "/api/query_ts")).status == 200

    play(scene)


def test_a_timestamp_holds_for_30_s_after_it_is_outdated() -> None:
    """Or for ever, while nothing is committed: then it is still the newest."""

    async def scene(world: World) -> None:
        async def ask(ts: str) -> int:
            return (await world.post("/api/query_at_ts", {"path": "q:list", "args": {}, "ts": ts})).status

        ts = (await world.post("/api/query_ts")).json["ts"]
        world.engine.clock.advance(timedelta(hours=1))
        assert await ask(ts) == 200
        ts = (await world.post("/api/query_ts")).json["ts"]
        world.engine.commit()
        world.engine.clock.advance(timedelta(seconds=30))
        assert await ask(ts) == 200
        world.engine.clock.advance(timedelta(seconds=1))
        assert await ask(ts) == 400

    play(scene)


@pytest.mark.parametrize("ts", [None, "x", encode_ts(T0 + 1), encode_ts(T0 - 1)])
def test_other_timestamps_are_refused(ts: str | None) -> None:
    """Missing, malformed, from the future, or never given out."""

    async def scene(world: World) -> None:
        reply = await world.post("/api/query_at_ts", {"path": "q:list", "args": {}, "ts": ts})
        assert reply.status == 400
        assert world.engine.runs == []

    play(scene)


# -- the WebSocket on the same origin


@pytest.mark.parametrize("path", ["/api/sync", "/api/1.48.0/sync", "/api/whatever-next/sync", "//api/1.0/sync"])
def test_pitfall_36_any_version_may_connect(path: str) -> None:
    """Clients move on without us."""

    async def scene(world: World) -> None:
        peer = Transport()
        serving = asyncio.create_task(_serve(world, path, peer))
        assert await peer.event() == {"type": "websocket.accept"}
        peer.hang_up()
        await serving

    play(scene)


@pytest.mark.parametrize("path", ["/api/a/b/sync", "/sync", "/api/1.48.0/sync2"])
def test_there_are_no_other_websockets(path: str) -> None:
    """Refused before they are accepted."""

    async def scene(world: World) -> None:
        peer = Transport()
        await _serve(world, path, peer)
        assert (await peer.event())["type"] == "websocket.close"

    play(scene)


async def _serve(world: World, path: str, peer: Transport) -> None:
    scope: Any = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
        "subprotocols": [],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "ws",
        "state": {},
    }
    await world.app(scope, peer.receive, peer.send)  # type: ignore[arg-type]


class Unreachable:
    """Knows nobody: the issuer of all tokens is down."""

    async def verify(self, token: str) -> Asker:
        raise ProviderFailed(f"https://a.test/jwks?{token}", "answered with status 500")


def test_a_token_that_cannot_be_verified_now_is_not_refused() -> None:
    """Its issuer is down: "later", not "signed out", and no word of where its keys are (O14)."""

    async def scene(world: World) -> None:
        reply = await world.post("/api/query", {"path": "q:list", "args": {}}, authorization="Bearer x")
        assert (reply.status, reply.json["code"]) == (503, "AuthProviderDiscoveryFailed")
        assert "a.test" not in reply.json["message"]
        assert world.engine.runs == []

    play(scene, lambda: World(users=Unreachable()))
