"""The command line as a whole: quick help, honest exit codes, sentences instead of tracebacks."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_the_help_imports_no_server() -> None:
    """`joelclaw --help` lists the commands without importing the server, its libraries, or the watcher."""
    program = (
        "import sys\n"
        "from joelclaw.cli import main\n"
        "try: main(['--help'])\n"
        "finally: print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = set(done.stderr.split())
    assert loaded & {"litestar", "uvicorn", "websockets", "watchfiles", "sqlite3", "joelclaw.server"} == set()
    assert all(command in done.stdout for command in ("new", "dev", "serve", "run", "functions", "codegen"))


@pytest.mark.parametrize(
    "arguments", [["bogus"], ["run"], ["functions", "--bogus"], ["run", "a:b", "--project", "nowhere"]]
)
def test_misuse_exits_with_2(joelclaw: Run, arguments: list[str]) -> None:
    """An unknown command or option, or a missing argument, is a usage error."""
    result = joelclaw(*arguments)

    assert result.code == 2
    assert result.out == ""
    assert "Traceback" not in result.err


@pytest.mark.parametrize("command", [["functions"], ["codegen"], ["run", "a:b"], ["dev"], ["serve"]])
def test_a_wrong_declaration_is_a_sentence(joelclaw: Run, project: Path, command: list[str]) -> None:
    """Every command that reads joelclaw.toml says what is wrong in it, and exits with 1."""
    (project / "joelclaw.toml").write_text("[server]\napi_prot = 3210\n")
    result = joelclaw(*command)

    assert result == (1, "", "error: joelclaw.toml:2: server has no 'api_prot'; did you mean 'api_port'?\n")


@pytest.mark.parametrize("command", ["dev", "serve"])
def test_serving_needs_the_variables_that_the_declaration_names(
    joelclaw: Run, project: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deployment does not start without the secrets that its functions would miss."""
    monkeypatch.delenv("GARDEN_SECRET", raising=False)
    (project / "joelclaw.toml").write_text('[env]\nSECRET = { from = "GARDEN_SECRET" }\n')
    result = joelclaw(command)

    assert result.code == 1
    assert result.err.startswith("error: joelclaw.toml:2: env.SECRET comes from the environment variable GARDEN_SECRET")
