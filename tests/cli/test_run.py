"""`joelclaw run`: what is asked of a server, and what is shown of its answer."""

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.server import ServerConnection, serve

from joelclaw.cli.run import spellings
from tests.cli.conftest import ADMIN_KEY, Run, ScriptedServer

UNKNOWN = {"status": "error", "errorMessage": "Could not find function for 'x'. Did you forget to run `joelclaw dev`?"}


def test_a_result_is_printed(joelclaw: Run, server: ScriptedServer) -> None:
    """The value goes to standard output, log lines to standard error; the call is the administrator's."""
    server.answer(200, {"status": "success", "value": {"a": [1]}, "logLines": ["[LOG] 'hi'"]})
    result = joelclaw("run", "notes:list", '{"room": "lobby"}', "--url", server.url)

    assert result.code == 0
    assert json.loads(result.out) == {"a": [1]}
    assert result.err == "[LOG] 'hi'\n"
    assert server.asked[0].path == "/api/function"
    assert server.asked[0].authorization == f"Convex {ADMIN_KEY}"
    assert server.asked[0].body == {
        "path": "notes:list",
        "args": {"room": "lobby"},
        "format": "convex_encoded_json",
    }


def test_text_of_a_result_stays_as_it_is(joelclaw: Run, server: ScriptedServer) -> None:
    """Brackets, colons and long lines of a value reach a pipe unchanged."""
    value = "[bold]:smile:[/bold] " + "x" * 500
    server.answer(200, {"status": "success", "value": value})

    assert json.loads(joelclaw("run", "notes:list", "--url", server.url).out) == value


def test_a_failure_exits_with_1(joelclaw: Run, server: ScriptedServer) -> None:
    """A function that failed leaves standard output empty; its message and data are shown."""
    server.answer(200, {"status": "error", "errorMessage": "Server Error", "errorData": {"code": 7}})
    result = joelclaw("run", "notes:list", "--url", server.url)

    assert (result.code, result.out) == (1, "")
    assert result.err == 'error: Server Error\n{\n  "code": 7\n}\n'


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"status": "success", "value": {"$integer": "AQAAAAAAAAA="}, "logLines": ["one"]}, 0),
        ({"status": "error", "errorMessage": "no", "errorData": None}, 1),
    ],
)
def test_json_is_one_line(joelclaw: Run, server: ScriptedServer, answer: dict[str, Any], code: int) -> None:
    """With --json the whole outcome is one line on standard output, and nothing else is said."""
    server.answer(200, answer)
    result = joelclaw("run", "notes:list", "--json", "--url", server.url)

    assert (result.code, result.err) == (code, "")
    assert result.out.count("\n") == 1
    assert json.loads(result.out) == answer


def test_a_user_is_acted_as(joelclaw: Run, server: ScriptedServer) -> None:
    """--as puts the user behind the key, with issuer and token identifier filled in."""
    server.answer(200, {"status": "success", "value": None})
    joelclaw("run", "notes:list", "--as", '{"subject": "ann", "role": "owner"}', "--url", server.url)

    scheme, _, credentials = server.asked[0].authorization.partition(" ")
    key, _, user = credentials.rpartition(":")
    assert (scheme, key) == ("Convex", ADMIN_KEY)
    assert json.loads(base64.b64decode(user)) == {
        "subject": "ann",
        "role": "owner",
        "issuer": "https://joelclaw.test",
        "tokenIdentifier": "https://joelclaw.test|ann",
    }


@pytest.mark.parametrize(
    ("written", "paths"),
    [
        ("notes:list", ["notes:list"]),
        ("notes:for_room", ["notes:for_room", "notes:forRoom"]),
        ("ops/my_stats:by_day", ["ops/my_stats:by_day", "ops/myStats:byDay"]),
        ("ops.stats.by_day", ["ops/stats:by_day", "ops/stats:byDay"]),
        ("notes", ["notes"]),
        ("notes.js:list", ["notes.js:list"]),
        ("_system/cli/tables:default", ["_system/cli/tables:default"]),
    ],
)
def test_python_spellings_are_understood(written: str, paths: list[str]) -> None:
    """A function may be written as on the wire or as in Python; as written is tried first."""
    assert spellings(written) == paths


def test_the_second_spelling_is_tried(joelclaw: Run, server: ScriptedServer) -> None:
    """When no function has the name as written, the wire's spelling of it is called."""
    server.answer(200, UNKNOWN)
    server.answer(200, {"status": "success", "value": 1})
    result = joelclaw("run", "notes:for_room", "--url", server.url)

    assert (result.code, result.out) == (0, "1\n")
    assert [asked.body["path"] for asked in server.asked] == ["notes:for_room", "notes:forRoom"]


def test_another_failure_is_not_tried_again(joelclaw: Run, server: ScriptedServer) -> None:
    """A function that exists and fails is called once."""
    server.answer(200, {"status": "error", "errorMessage": "boom"})

    assert joelclaw("run", "notes:for_room", "--url", server.url).code == 1
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (403, {"code": "BadDeployKey", "message": "the key is wrong"}, "error: the key is wrong (403 BadDeployKey)\n"),
        (404, "<html>", "answered 404, but not as a deployment does; is it the right address?\n"),
        (200, "<html>", "answered 200, but not as a deployment does; is it the right address?\n"),
    ],
)
def test_a_server_that_refuses_is_quoted(
    joelclaw: Run, server: ScriptedServer, status: int, body: object, sentence: str
) -> None:
    """What is no outcome of a function is told as what it is."""
    server.answer(status, body)
    result = joelclaw("run", "notes:list", "--url", server.url)

    assert (result.code, result.out) == (1, "")
    assert result.err.endswith(sentence)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("option", [[], ["--watch"]])
def test_no_server_is_a_sentence(joelclaw: Run, project: Path, option: list[str]) -> None:
    """Where nobody listens, the address and what to do are told; the address is the declaration's."""
    port = free_port()
    (project / "joelclaw.toml").write_text(f'[server]\nhost = "0.0.0.0"\napi_port = {port}\n')
    result = joelclaw("run", "notes:list", *option)

    assert result == (
        1,
        "",
        (
            f"error: no server answers at http://127.0.0.1:{port} (Connection refused); "
            f"start it with `joelclaw dev`, or name it with --url\n"
        ),
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["[1]"], "ARGUMENTS must be a JSON object"),
        (["{"], "ARGUMENTS must be a JSON object"),
        (["{}", "--as", "ann"], "--as must be a JSON object"),
        (["{}", "--as", "{}"], "--as needs a subject"),
    ],
)
def test_malformed_arguments_are_misuse(joelclaw: Run, arguments: list[str], words: str) -> None:
    """Text that is no JSON object never reaches a server."""
    result = joelclaw("run", "notes:list", *arguments)

    assert result.code == 2
    assert words in result.err


def test_an_address_without_scheme_is_refused(joelclaw: Run) -> None:
    """`--url localhost:3210` is refused with the form it should have."""
    result = joelclaw("run", "notes:list", "--url", "localhost:3210")

    assert result.code == 1
    assert "write it like http://127.0.0.1:3210" in result.err


class TestAdminKey:
    def test_the_key_of_a_development_server_is_found(
        self, joelclaw: Run, project: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without a variable, the key that lies beside the database is used."""
        monkeypatch.delenv("JOELCLAW_ADMIN_KEY")
        (project / "data").mkdir()
        (project / "data" / "admin_key").write_text("garden|fedcba9876543210\n")
        server.answer(200, {"status": "success", "value": None})

        assert joelclaw("run", "notes:list", "--url", server.url).code == 0
        assert server.asked[0].authorization == "Convex garden|fedcba9876543210"

    @pytest.mark.usefixtures("project")
    def test_without_a_key_nobody_is_asked(
        self, joelclaw: Run, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No key anywhere: a sentence that says where one may be put."""
        monkeypatch.delenv("JOELCLAW_ADMIN_KEY")
        result = joelclaw("run", "notes:list", "--url", server.url)

        assert result.code == 1
        assert "set JOELCLAW_ADMIN_KEY" in result.err
        assert server.asked == []


@contextmanager
def scripted_socket(handler: Callable[[ServerConnection], None]) -> Iterator[str]:
    with serve(handler, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


def transition(*modifications: dict[str, Any]) -> str:
    return json.dumps({"type": "Transition", "modifications": list(modifications)})


def updated(value: object, log_lines: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"type": "QueryUpdated", "queryId": 0, "value": value, "logLines": list(log_lines), "journal": None}


def failed(message: str) -> dict[str, Any]:
    return {"type": "QueryFailed", "queryId": 0, "errorMessage": message, "logLines": [], "journal": None}


class TestWatch:
    def test_each_result_is_printed(self, joelclaw: Run) -> None:
        """A subscription as administrator prints every result and failure, until the connection ends."""
        heard: list[dict[str, Any]] = []

        def server(connection: ServerConnection) -> None:
            heard.extend(json.loads(connection.recv()) for _ in range(3))
            connection.send(transition(updated([1])))
            connection.send('{"type": "Ping"}')
            connection.send(transition(failed("boom"), updated([2], ("note",))))

        with scripted_socket(server) as url:
            result = joelclaw("run", "notes:list", '{"room": 1}', "--watch", "--json", "--url", url)

        assert [json.loads(line) for line in result.out.splitlines()] == [
            {"status": "success", "value": [1]},
            {"status": "error", "errorMessage": "boom"},
            {"status": "success", "value": [2], "logLines": ["note"]},
        ]
        assert result.code == 1
        assert "has closed the connection" in result.err
        assert [message["type"] for message in heard] == ["Connect", "Authenticate", "ModifyQuerySet"]
        assert heard[1]["value"] == ADMIN_KEY
        assert heard[2]["modifications"] == [
            {"type": "Add", "queryId": 0, "udfPath": "notes:list", "args": [{"room": 1}]}
        ]

    def test_a_user_is_acted_as(self, joelclaw: Run) -> None:
        """--as subscribes as that user."""
        heard: list[dict[str, Any]] = []

        def server(connection: ServerConnection) -> None:
            heard.extend(json.loads(connection.recv()) for _ in range(3))

        with scripted_socket(server) as url:
            joelclaw("run", "notes:list", "--watch", "--as", '{"subject": "ann"}', "--url", url)

        assert heard[1]["impersonating"]["tokenIdentifier"] == "https://joelclaw.test|ann"

    def test_the_second_spelling_is_tried(self, joelclaw: Run) -> None:
        """A name that is unknown as written is subscribed to in the wire's spelling."""
        paths: list[str] = []

        def server(connection: ServerConnection) -> None:
            path = [json.loads(connection.recv()) for _ in range(3)][2]["modifications"][0]["udfPath"]
            paths.append(path)
            if path == "notes:for_room":
                connection.send(transition(failed(str(UNKNOWN["errorMessage"]))))
                connection.recv()  # Until the client leaves.
            else:
                connection.send(transition(updated(7)))

        with scripted_socket(server) as url:
            result = joelclaw("run", "notes:for_room", "--watch", "--url", url)

        assert paths == ["notes:for_room", "notes:forRoom"]
        assert result.out == "7\n"

    def test_a_refused_key_ends_it(self, joelclaw: Run) -> None:
        """What the server refuses the connection for is told."""

        def server(connection: ServerConnection) -> None:
            connection.send('{"type": "AuthError", "error": "the key is wrong", "baseVersion": 0}')

        with scripted_socket(server) as url:
            result = joelclaw("run", "notes:list", "--watch", "--url", url)

        assert result == (1, "", "error: the server refuses: the key is wrong\n")
