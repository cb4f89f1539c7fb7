"""What `joelclaw dev` and `joelclaw serve` tell while they run."""

import stat
from pathlib import Path

import pytest

from joelclaw.cli.host import TerminalHost
from joelclaw.config import Config, load_config
from joelclaw.errors import AppRefused
from joelclaw.functions.manifest import FunctionSpec, Internal, Manifest, Place, Problem
from joelclaw.schema.validators import ObjectType

KEY = "garden|0123456789abcdef"


@pytest.fixture
def config(project: Path) -> Config:
    (project / "joelclaw.toml").write_text('[app]\nname = "garden"\n[codegen]\ntypescript = ["site/types"]\n')
    return load_config(project, {})


def manifest(*paths: str) -> Manifest:
    return Manifest(
        functions=tuple(
            FunctionSpec(
                path=path,
                python_path=path,
                kind="query",
                allow=Internal(),
                args=ObjectType(fields=()),
                place=Place("app_functions/a.py", 1),
            )
            for path in paths
        )
    )


def test_the_start_tells_what_is_where(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    """Address, app, database and types are told once clients are answered; the platform's own functions not."""
    host = TerminalHost(config, development=True)
    host.deployed(manifest("a:b", "_system/x:y"), took_ms=12.3, written=[], first=True)
    assert capsys.readouterr().err == ""
    host.serving("http://127.0.0.1:3210", site_url="http://127.0.0.1:3211", development=True)

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "garden is served",
        "  clients: http://127.0.0.1:3210",
        "  app: 1 function, 0 tables in 12 ms",
        "  database: data/joelclaw.db",
        "  types: site/types",
    ]


def test_a_reload_is_a_line(config: Config, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each later deploy tells what is live and which files were written."""
    host = TerminalHost(config, development=True)
    host.deployed(manifest("a:b", "a:c"), took_ms=99.6, written=[project / "site" / "types" / "api.d.ts"], first=False)

    assert capsys.readouterr().err == "live: 2 functions, 0 tables in 100 ms; wrote site/types/api.d.ts\n"


@pytest.mark.parametrize(
    ("serving", "consequence"),
    [
        (False, "Nothing is served yet; save a correction, and it is."),
        (True, "What was live stays live; save a correction, and it is taken over."),
    ],
)
def test_a_refusal_tells_every_problem(
    config: Config, capsys: pytest.CaptureFixture[str], serving: bool, consequence: str
) -> None:
    """Problems are told a line each, with file and line in front, and what it means for what is served."""
    host = TerminalHost(config, development=True)
    if serving:
        host.serving("http://127.0.0.1:3210", site_url="http://127.0.0.1:3211", development=True)
        capsys.readouterr()
    long = "x" * 300
    host.refused(
        AppRefused(
            [
                Problem(place=Place("schema.py", 3), name="Note.[bold]", reason=long, advice="write :smile:"),
                Problem(place=Place("app_functions/a.py", 7), name="a.b", reason="is wrong"),
            ]
        )
    )

    assert capsys.readouterr().err.splitlines() == [
        f"schema.py:3: Note.[bold]: {long}; write :smile:",
        "app_functions/a.py:7: a.b: is wrong",
        "2 problems in the app",
        consequence,
    ]


def test_a_development_key_is_kept_for_the_command_line(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    """While developing, the key goes into a file that its owner alone reads, and an old one is replaced."""
    path = config.admin_key_file
    path.parent.mkdir()
    path.write_text("old")
    path.chmod(0o644)
    host = TerminalHost(config, development=True)
    host.admin_key_made(KEY)
    host.serving("http://127.0.0.1:3210", site_url="http://127.0.0.1:3211", development=True)

    assert path.read_text() == f"{KEY}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = capsys.readouterr().err
    assert KEY not in told
    assert "  admin key: data/admin_key" in told.splitlines()


def test_a_production_key_is_shown_and_kept_nowhere(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    """In production the key is told, once, and no file holds it."""
    TerminalHost(config, development=False).admin_key_made(KEY)

    assert f"    {KEY}\n" in capsys.readouterr().err
    assert not config.admin_key_file.exists()
