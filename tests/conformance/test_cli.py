"""The official command line as it is shipped, against a real server."""

import json
import re
import shlex
import shutil
import socket
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.codegen.compiler import diagnostics
from tests.conformance.deployment import ADMIN_KEY, Deployment, copy_app
from tests.conformance.official_cli import WebProject

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "convex-cli.md"
TSCONFIG = Path(__file__).parents[1] / "codegen" / "site" / "tsconfig.json"
REFUSED = "Functions of this deployment are Python"


@pytest.fixture
def convex(deployment: Deployment, node_modules: Path, tmp_path: Path) -> WebProject:
    """The command line, pointed at the shared deployment."""
    return WebProject(tmp_path / "web", node_modules, deployment.url, ADMIN_KEY)


def as_json(**arguments: Any) -> str:
    return json.dumps(arguments)


def ask(deployment: Deployment, path: str, *, key: str = ADMIN_KEY, body: bytes | None = None, **headers: str) -> Any:
    """A request with an admin key: status and parsed body."""
    sent = {"Authorization": f"Convex {key}", "Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(deployment.url + path, body, sent)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


# -- run


def test_run_calls_functions_of_every_kind(convex: WebProject, room: str) -> None:
    """`run` prints what a mutation, a query and an action return, as JSON, and nothing else."""
    sent = convex("run", "messages:send", as_json(room=room, body="hi"))
    assert (sent.code, sent.err) == (0, "")
    id = json.loads(sent.out)

    listed = convex("run", "messages:listed", as_json(room=room))
    (message,) = json.loads(listed.out)
    assert listed.code == 0
    assert {name: message[name] for name in ("_id", "body", "room")} == {"_id": id, "body": "hi", "room": room}

    assert convex("run", "messages:relay", as_json(room=room, body="ho")).out == "2\n"


def test_run_calls_internal_functions(convex: WebProject, deployment: Deployment, room: str) -> None:
    """With an admin key, `run` reaches a function that no client may call."""
    assert convex("run", "later:deliver", as_json(room=room, body="inside")) == (0, "", "")  # It prints no null.
    assert deployment.bodies(room) == ["inside"]


def test_run_takes_an_identity(convex: WebProject) -> None:
    """`run --identity` acts as that user."""
    acting = convex("run", "identity:me", "--identity", as_json(subject="joel"))
    assert acting == (0, '"joel"\n', "")
    assert convex("run", "identity:me") == (0, "", "")  # Nobody: null, which it does not print.


def test_run_watches_a_query(convex: WebProject, deployment: Deployment, room: str) -> None:
    """`run --watch` prints the result again whenever it changes."""
    with convex.watching("run", "--watch", "messages:newest", as_json(room=room)) as watching:
        watching.tells("null\n")
        deployment.mutation("messages:send", room=room, body="first")
        watching.tells('"first"\n')
        deployment.mutation("messages:send", room=room, body="second")
        assert watching.tells('"second"\n') == 'null\n"first"\n"second"\n'


def test_run_names_the_functions_when_one_is_not_there(convex: WebProject) -> None:
    """A wrong name is answered with all right ones, and an exit code."""
    ran = convex("run", "messages:lisetd")

    assert ran.code == 1
    assert "Could not find function for 'messages:lisetd'" in ran.err
    assert "Available functions:\n• counters:step\n• counters:value\n" in ran.err
    assert "• messages:listed\n" in ran.err
    assert "_system" not in ran.err


def test_run_says_which_argument_is_wrong(convex: WebProject) -> None:
    """Arguments that do not fit are named with what the function takes."""
    ran = convex("run", "messages:listed", as_json(rom="a"))

    assert ran.code == 1
    assert "Object contains extra field `rom`" in ran.err
    assert "Validator: v.object({room: v.string()})" in ran.err


def test_inline_queries_are_refused_with_a_way_out(convex: WebProject) -> None:
    """`run --inline-query` is JavaScript; the refusal says so, at once, and what to do instead."""
    ran = convex("run", "--inline-query", "await ctx.db.query('messages').take(1)")

    assert ran.code == 1
    assert f"400 Bad Request: NotSupported: {REFUSED}: it runs no JavaScript. Write a query" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "messages:listed", '{"room":"a"}'],
        ["run", "messages:lisetd"],
        ["run", "--watch", "messages:listed", '{"room":"a"}'],
        ["run", "--inline-query", "1"],
        ["data"],
        ["data", "messages"],
        ["import", "--table", "messages", "-y", "package.json", "--format", "jsonLines"],
    ],
    ids=" ".join,
)
def test_components_are_refused(convex: WebProject, arguments: list[str]) -> None:
    """`--component` of every command that has it ends with a sentence, and not in a crash of the command line."""
    ran = convex(*arguments, "--component", "workpool")

    assert (ran.code, ran.out) == (1, "")
    assert re.search("no (mounted )?components|in a component: there are none", ran.err), ran.err
    assert "    at " not in ran.err  # Where a crash tells its frames.


# -- data


def test_data_lists_the_tables(convex: WebProject) -> None:
    """`data` prints the app's tables by name; the platform's are not among them."""
    assert convex("data") == (0, "cards\ncounters\nentries\nkept\nmessages\npages\ntyping\n", "")


def test_data_shows_documents(convex: WebProject, deployment: Deployment, room: str) -> None:
    """`data <table>` prints whole documents with values of every type, the newest first, as many as asked for."""
    kept = {"blob": {"$bytes": "AQI="}, "count": {"$integer": "AwAAAAAAAAA="}, "list": [1.5, None, room]}
    deployment.mutation("values:keep", value="older")
    id = deployment.mutation("values:keep", value=kept)

    lines = convex("data", "kept", "--limit", "1", "--format", "jsonl")
    table = convex("data", "kept", "--limit", "1")

    assert lines.code == table.code == 0
    value = f'{{ "blob": Bytes("AQI="), "count": 3n, "list": [1.5, null, {json.dumps(room)}] }}'
    assert lines.out.startswith(f'{{ "_id": "{id}", "_creationTime": ')
    assert lines.out.endswith(f', "value": {value} }}\n')
    assert table.out.splitlines()[0].split() == ["_id", "|", "_creationTime", "|", "value"]
    assert table.out.splitlines()[2].endswith(f"| {value}")
    assert "Showing the 1 most recently created document." in table.err


def test_data_orders_documents(convex: WebProject, deployment: Deployment) -> None:
    """`data --order asc` begins with the oldest document, and goes on behind it."""
    deployment.mutation("times:hear", room="first")
    deployment.mutation("times:hear", room="second")

    ascending = convex("data", "cards", "--order", "asc", "--format", "json", "--limit", "1000")
    descending = convex("data", "cards", "--order", "desc", "--format", "json", "--limit", "1000")

    assert json.loads(ascending.out) == json.loads(descending.out)[::-1]
    assert [card["room"] for card in json.loads(ascending.out)][-2:] == ["first", "second"]


def test_data_shows_system_tables(convex: WebProject, deployment: Deployment, room: str) -> None:
    """`data _scheduled_functions` and `data _storage` show jobs and files."""
    id = deployment.mutation("later:send", room=room, body="later", delay="1h")

    jobs = convex("data", "_scheduled_functions", "--limit", "1", "--format", "json")
    assert f'"_id": "{id}"' in jobs.out
    assert '"name": "later:deliver"' in jobs.out
    assert convex("data", "_storage").code == 0

    deployment.mutation("later:cancel", id=id)


def test_data_of_a_table_that_is_not_there_ends(convex: WebProject) -> None:
    """A misspelt table has no documents. A failing query would be a crash to the command line, which hangs in it."""
    assert convex("data", "mesages") == (0, "", "There are no documents in this table.\n")


# -- env


def test_env_sets_reads_and_removes(convex: WebProject) -> None:
    """`env set`, `get`, `list` and `remove` see each other's changes at once."""
    assert convex("env", "set", "CLI_A", "one two").code == 0
    assert convex("env", "set", "CLI_B", "2").code == 0
    assert convex("env", "get", "CLI_A") == (0, "one two\n", "")
    assert [line for line in convex("env", "list").out.splitlines() if line.startswith("CLI_")] == [
        "CLI_A=one two",
        "CLI_B=2",
    ]

    assert convex("env", "remove", "CLI_A").code == 0
    assert convex("env", "remove", "CLI_B").code == 0
    gone = convex("env", "get", "CLI_A")
    assert gone.out == ""
    assert 'Environment variable "CLI_A" not found' in gone.err


def test_env_refuses_a_name_that_is_none(convex: WebProject) -> None:
    """The server's sentence about a wrong name reaches the terminal."""
    ran = convex("env", "set", "1ST", "x")

    assert ran.code == 1
    assert "'1ST' is no name of an environment variable; use letters, digits and '_', no digit first" in ran.err


# -- logs


def test_logs_show_the_past_and_go_on(convex: WebProject, deployment: Deployment, room: str) -> None:
    """`logs --history` prints runs that were, then those that are, with what went wrong in them."""
    with pytest.raises(AssertionError):
        deployment.query("failing:asked", data=f"before {room}")
    with convex.watching("logs", "--history", "5") as watching:
        watching.tells(f"before {room}")
        with pytest.raises(AssertionError):
            deployment.mutation("failing:changed", room=room, data=f"after {room}")
        told = watching.tells(f"after {room}")

    assert "[CONVEX Q(failing:asked)]" in told
    assert "[CONVEX M(failing:changed)]" in told


# -- function-spec, network-test


def test_function_spec_describes_all_functions(convex: WebProject, deployment: Deployment) -> None:
    """`function-spec` prints where the deployment is, and every function with its validators, internal ones marked."""
    ran = convex("function-spec")
    spec = json.loads(ran.out)
    functions = {function["identifier"]: function for function in spec["functions"]}

    assert ran.code == 0
    assert spec["url"] == deployment.url
    assert functions["counters.js:step"] == {
        "identifier": "counters.js:step",
        "functionType": "Mutation",
        "visibility": {"kind": "public"},
        "args": {
            "type": "object",
            "value": {
                "name": {"fieldType": {"type": "string"}, "optional": False},
                "times": {"fieldType": {"type": "number"}, "optional": True},
                "plus": {"fieldType": {"type": "number"}, "optional": True},
            },
        },
        "returns": {"type": "number"},
    }
    assert functions["later.js:deliver"]["visibility"] == {"kind": "internal"}
    assert functions["messages.js:relay"]["functionType"] == "Action"
    assert not [identifier for identifier in functions if identifier.startswith("_")]


def test_network_test_passes(convex: WebProject) -> None:
    """`network-test` finds HTTP, the socket and echoes of every size in order."""
    ran = convex("network-test")

    assert ran.code == 0
    assert "OK: WebSocket connection established." in ran.err
    assert "OK: echo 4 MiB" in ran.err
    assert "Network test passed." in ran.err


# -- keys and networks


def test_a_wrong_key_is_told(convex: WebProject) -> None:
    """A key that opens nothing ends a command at once, over HTTP and over the socket, with a sentence that says so."""
    wrong = {"CONVEX_SELF_HOSTED_ADMIN_KEY": "conformance|wrong"}

    for arguments in (["run", "messages:listed", as_json(room="a")], ["env", "set", "A", "b"], ["data"]):
        ran = convex(*arguments, **wrong)
        assert ran.code == 1, arguments
        assert "admin key" in ran.err, (arguments, ran.err)
        assert "    at " not in ran.err, "a crash, which waits for a minute where it cannot be reported"


def test_a_server_that_is_not_there_is_told(convex: WebProject) -> None:
    """Where nobody listens, `run` ends by itself and names the address."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        ran = convex("run", "messages:listed", as_json(room="a"), CONVEX_SELF_HOSTED_URL=url)

    assert ran.code == 1
    assert "fetch failed" in ran.err


def test_other_routes_answer_at_once(deployment: Deployment) -> None:
    """A route that is not there is a 400 with a sentence: a 404 would be retried for a minute."""
    assert ask(deployment, "/api/v1/list_usage_limits") == (
        400,
        {"code": "NotSupported", "message": "This deployment has no route /api/v1/list_usage_limits"},
    )


def test_a_key_is_checked(deployment: Deployment) -> None:
    """The dashboard's login learns whether its key is right, and that it may do everything."""
    allowed = {"success": True, "allowedOps": [], "isReadOnly": False}
    assert ask(deployment, "/api/check_admin_key") == (200, allowed)
    status, refusal = ask(deployment, "/api/check_admin_key", key="conformance|wrong")
    assert (status, refusal["code"]) == (403, "BadDeployKey")


# -- pushes


def test_codegen_writes_types_that_compile(convex: WebProject, deployment: Deployment) -> None:
    """`codegen` writes types of the Python functions and tables, which pass `tsc --strict`, and catch a wrong call."""
    functions = convex.add_schema()

    ran = convex("codegen")

    assert ran.code == 0, ran.err
    shutil.copy(TSCONFIG, convex.folder / "tsconfig.json")
    (convex.folder / "uses.ts").write_text(
        'import type { FunctionArgs, FunctionReturnType } from "convex/server";\n'
        'import { api, internal } from "./convex/_generated/api.js";\n'
        'import type { Doc, Id } from "./convex/_generated/dataModel.js";\n'
        'export const right: FunctionArgs<typeof api.counters.step> = { name: "a", plus: 2 };\n'
        "export const listed: (result: FunctionReturnType<typeof api.messages.listed>) => string | undefined =\n"
        "  (result) => result[0]?.body;\n"
        'export const text = (page: Doc<"pages">): [string, Id<"pages">] => [page.text, page._id];\n'
        "export const inside: FunctionArgs<typeof internal.later.deliver> = { room: 'a', body: 'b' };\n"
        "export const wrong: FunctionArgs<typeof api.counters.step> = { nam: 'a' };\n"
    )
    assert [(found.file, found.line) for found in diagnostics(convex.folder)] == [("uses.ts", 9)]
    assert (functions / "_generated" / "api.js").exists()


@pytest.mark.parametrize(
    "arguments", [["dev", "--once"], ["deploy"], ["run", "--push", "counters:value", '{"name":"-"}']]
)
def test_a_push_changes_nothing_and_succeeds(
    convex: WebProject, deployment: Deployment, arguments: list[str], room: str
) -> None:
    """Habits and scripts keep working: a push of an empty folder ends well, and the deployment is as it was."""
    convex.add_schema()
    deployment.mutation("messages:send", room=room, body="still here")

    ran = convex(*arguments)

    assert ran.code == 0, ran.err
    assert deployment.bodies(room) == ["still here"]


@pytest.mark.parametrize("arguments", [["codegen"], ["deploy"]])
def test_code_that_would_never_run_is_refused(convex: WebProject, arguments: list[str]) -> None:
    """A TypeScript function in the folder fails the push, by name: silently, it would just not exist."""
    functions = convex.add_schema()
    (functions / "mine.ts").write_text(
        'import { queryGeneric } from "convex/server";\nexport const one = queryGeneric({ handler: () => 1 });\n'
    )

    ran = convex(*arguments)

    assert ran.code == 1
    assert f"{REFUSED}: mine.js would never run here." in ran.err


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"\x00\x01", {"Content_Encoding": "br"}, 400, "BadRequest"),
        (b"{}", {"Content_Encoding": "gzip"}, 400, "BadContentEncoding"),
        (b"{}", {}, 400, "BadJsonBody"),
        (b'{"appDefinition":{}}', {"key": "conformance|wrong"}, 403, "BadDeployKey"),
    ],
)
def test_a_push_that_is_none_is_refused(
    deployment: Deployment, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    """Bodies that are broken, packed in another way or of a stranger are refused with a sentence each."""
    answered, refusal = ask(deployment, "/api/deploy2/start_push", body=body, **headers)
    assert (answered, refusal["code"]) == (status, code)


def test_a_push_is_not_unpacked_beyond_measure(deployment: Deployment) -> None:
    """A small body that unpacks to more than a push may have is refused, and the server lives on."""
    import brotli  # type: ignore[import-untyped]

    packed = brotli.compress(b" " * (65 * 1024 * 1024), quality=1)
    assert len(packed) < 100_000

    status, refusal = ask(deployment, "/api/deploy2/start_push", body=packed, Content_Encoding="br")

    assert (status, refusal["code"]) == (413, "RequestTooLarge")
    assert deployment.query("counters:value", name="-") == 0


# -- documentation


def test_the_session_of_the_documentation_runs(node_modules: Path, tmp_path: Path) -> None:
    """What docs/convex-cli.md shows being typed prints what stands below it, with the app that it shows."""
    page = DOCUMENTATION.read_text("utf-8")
    project = copy_app(tmp_path / "project")
    shutil.rmtree(project / "app_functions")
    (project / "app_functions").mkdir()
    for name, text in re.findall(r"```python\n# (\S+\.py)\n(.*?)```", page, re.DOTALL):
        (project / name).write_text(text)
    (session,) = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    steps = [step.partition("\n") for step in session.split("$ npx convex ")[1:]]

    shown = Deployment(project)
    shown.start()
    try:
        convex = WebProject(tmp_path / "web", node_modules, shown.url, ADMIN_KEY)
        told = [(command, convex(*shlex.split(command)).out) for command, _, _ in steps]
    finally:
        shown.server.stop()

    assert len(told) > 5
    assert told == [(command, output) for command, _, output in steps]
