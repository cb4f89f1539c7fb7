"""`joelclaw env`: what is asked of a server, and what is shown; a real server is in `tests/logs/test_live.py`."""

import json

import pytest
from click.testing import CliRunner

from joelclaw.cli import main
from tests.cli.conftest import ADMIN_KEY, Run, ScriptedServer

UPDATE = "/api/update_environment_variables"


@pytest.mark.parametrize(
    ("arguments", "stdin", "value"),
    [
        (["A", "b"], None, "b"),
        (["A=b=c"], None, "b=c"),
        (["A="], None, ""),
        (["A"], "from a pipe\n", "from a pipe"),
        (["A"], "two\nlines\n\n", "two\nlines\n"),
        (["A"], "", ""),
    ],
)
def test_a_value_comes_from_the_command_line_or_a_pipe(
    joelclaw: Run, server: ScriptedServer, arguments: list[str], stdin: str | None, value: str
) -> None:
    """`NAME VALUE`, `NAME=VALUE`, or standard input without its last line break."""
    server.answer(200, "")
    result = CliRunner().invoke(main, ["env", "set", *arguments, "--url", server.url], input=stdin)

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "A is set.\n")
    assert server.asked[0].path == UPDATE
    assert server.asked[0].authorization == f"Convex {ADMIN_KEY}"
    assert server.asked[0].body == {"changes": [{"name": "A", "value": value}]}


def test_several_are_removed_at_once(joelclaw: Run, server: ScriptedServer) -> None:
    """All names of one command are one change, made whole or not at all."""
    server.answer(200, "")
    result = joelclaw("env", "unset", "A", "B", "--url", server.url)

    assert (result.code, result.err) == (0, "A and B are not set any more.\n")
    assert server.asked[0].body == {"changes": [{"name": "A", "value": None}, {"name": "B", "value": None}]}


def test_a_refusal_is_a_sentence_without_the_value(joelclaw: Run, server: ScriptedServer) -> None:
    """What the server says is shown; the value is not."""
    server.answer(400, json.dumps({"code": "EnvVarNameForbidden", "message": "that is ours"}))
    result = joelclaw("env", "set", "CONVEX_CLOUD_URL", "hush-hush", "--url", server.url)

    assert (result.code, result.out) == (1, "")
    assert result.err == "error: that is ours (400 EnvVarNameForbidden)\n"


def test_an_answer_of_something_else_is_a_sentence(joelclaw: Run, server: ScriptedServer) -> None:
    """An address where no deployment is."""
    server.answer(502, "<html>bad gateway</html>")
    result = joelclaw("env", "set", "A", "b", "--url", server.url)

    assert result.code == 1
    assert "answered 502, but not as a deployment does" in result.err
