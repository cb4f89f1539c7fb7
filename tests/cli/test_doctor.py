"""`joelclaw doctor`: each check shown its failure, and the command over all of them."""

import json
import os
import socket
from collections.abc import Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner

from joelclaw.cli import checks, main
from joelclaw.cli.checks import Finding
from joelclaw.config import Config, load_config
from joelclaw.errors import CommandFailed
from joelclaw.server.serving import check_file_system
from tests.files.conftest import s3_server as s3_server
from tests.files.s3_server import CREDENTIALS, S3Server

NOW_MS = 1_764_000_000_000.0


def configured(root: Path, text: str = "") -> Config:
    (root / "joelclaw.toml").write_text(text)
    return load_config(root, {})


def worst(findings: Iterable[Finding]) -> list[str]:
    """What was said at other levels than ok."""
    return [f"{finding.level}: {finding.said}" for finding in findings if finding.level != "ok"]


def test_a_port_that_another_program_has_is_a_problem(tmp_path: Path) -> None:
    """Unless that is the running server; two settings cannot share one, and a host has to be this machine's."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = configured(tmp_path, f"[server]\napi_port = {port}\nsite_port = 0\n")
        in_use = f"problem: server.api_port: port {port} of 127.0.0.1 is in use by another program"
        assert worst(checks.check_ports(config, running=False)) == [in_use]
        assert worst(checks.check_ports(config, running=True)) == []
    config = configured(tmp_path, f"[server]\napi_port = {port}\nsite_port = {port}\n")
    assert worst(checks.check_ports(config, running=False)) == [
        f"problem: server.site_port and server.api_port are both {port}"
    ]
    config = configured(tmp_path, '[server]\nhost = "203.0.113.7"\napi_port = 0\nsite_port = 0\nmetrics_port = 9\n')
    [said] = worst(checks.check_ports(config, running=False))
    assert said.startswith("problem: server.metrics_port: port 9 of 203.0.113.7 cannot be had")


def test_a_network_file_system_is_a_problem_and_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the doctor and by a server that starts, with a sentence; a declaration makes it a warning."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text("27 1 0:40 / / rw - nfs4 host:/export rw\n")
    config = configured(tmp_path, '[store]\nurl = "sqlite:///data/app.db"\n')
    assert checks.check_file_system(config.database, allowed=False, mounts=mounts).level == "problem"
    assert checks.check_file_system(config.database, allowed=True, mounts=mounts).level == "warning"
    monkeypatch.setattr("joelclaw.server.serving.network_file_system", lambda _: "nfs4")
    with pytest.raises(CommandFailed, match=r"^joelclaw\.toml:2: .*app\.db is on nfs4, .*allow_network_file_system"):
        check_file_system(config)
    check_file_system(configured(tmp_path, "[store]\nallow_network_file_system = true\n"))


@pytest.mark.parametrize(("free", "level"), [(2**40, "ok"), (2**30, "warning"), (2**20, "problem")])
def test_little_room_is_told(tmp_path: Path, free: int, level: str) -> None:
    """As advice first; also for a folder that is not there yet."""
    assert checks.check_space(tmp_path / "not" / "yet", free_bytes=free).level == level


def test_a_folder_that_cannot_be_written_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the user who needs it; what can be made is fine."""
    assert checks.check_folder(tmp_path / "new").level == "ok"

    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checks.tempfile, "TemporaryFile", refuse)  # Permissions bind nobody who is root.
    finding = checks.check_folder(tmp_path / "new")
    assert (finding.level, finding.said) == ("problem", f"{tmp_path} cannot be written: Permission denied")
    assert str(os.geteuid()) in finding.advice


def test_what_others_may_read_or_write_is_told(tmp_path: Path) -> None:
    """An open folder or key is a problem, a readable database a warning; nothing there is nothing wrong."""
    config = configured(tmp_path)
    assert worst(checks.check_secrecy(config)) == []
    config.database.parent.mkdir(mode=0o700)
    for path, mode in ((config.database, 0o644), (config.admin_key_file, 0o640)):
        path.touch()
        path.chmod(mode)
    config.database.parent.chmod(0o777)
    found = list(checks.check_secrecy(config))
    assert [(finding.level, finding.advice.split()[1]) for finding in found] == [
        ("warning", "640"),
        ("problem", "775"),
        ("problem", "600"),
    ]
    for finding in found:
        _, mode, path = finding.advice.split()
        Path(path).chmod(int(mode, 8))
    assert worst(checks.check_secrecy(config)) == []


def test_an_old_sqlite_is_a_problem() -> None:
    """And one without full-text search."""
    assert worst(checks.check_sqlite((3, 7, 0))) == ["problem: SQLite is 3.7.0"]
    assert worst(checks.check_sqlite()) == []
    assert checks.full_text(set()).level == "problem"


def test_a_clock_that_is_wrong_is_a_problem(tmp_path: Path) -> None:
    """One that was never set, and one behind what was written already."""
    database = tmp_path / "app.db"
    assert checks.check_clock(NOW_MS, database).level == "ok"
    assert checks.check_clock(0.0, database).level == "problem"
    database.touch()
    os.utime(database, (NOW_MS / 1e3 + 3_600, NOW_MS / 1e3 + 3_600))
    assert "3600 s in the future" in checks.check_clock(NOW_MS, database).said
    os.utime(database, (NOW_MS / 1e3 + 1, NOW_MS / 1e3 + 1))
    assert checks.check_clock(NOW_MS, database).level == "ok"


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ('allowed_origins = ["https://a.test"]', []),
        ("", ["warning: pages of any web site may call this deployment"]),
        (
            'api_origin = "https://a.test"\nsite_origin = "https://a.test"\nallowed_origins = ["https://a.test"]',
            ["problem: server.api_origin and server.site_origin are both https://a.test"],
        ),
        (
            'api_origin = "http://a.test"\nallowed_origins = ["https://a.test"]',
            ["warning: server.api_origin is http://a.test: keys and data travel readable, and pages on https cannot"],
        ),
        ('allowed_origins = ["https://A.test"]', ["problem: server.allowed_origins has https://A.test, which no"]),
        (
            'host = "0.0.0.0"\nallowed_origins = ["https://a.test"]',
            ["warning: server.api_origin is not declared", "warning: server.site_origin is not declared"],
        ),
    ],
)
def test_origins_that_cannot_work_are_told(tmp_path: Path, server: str, said: list[str]) -> None:
    """What browsers refuse, what leaks, and what leads nowhere."""
    found = worst(checks.check_origins(configured(tmp_path, f"[server]\n{server}\n"), running=False))
    assert [text.startswith(beginning) for text, beginning in zip(found, said, strict=True)] == [True] * len(said)


def test_an_origin_that_leads_elsewhere_is_a_problem(tmp_path: Path) -> None:
    """Asked only while the server runs: before, nobody could answer."""
    config = configured(tmp_path, '[server]\napi_origin = "https://a.test"\nallowed_origins = ["https://a.test"]\n')
    assert worst(checks.check_origins(config, running=True, reach=lambda _: "")) == []
    assert worst(checks.check_origins(config, running=True, reach=lambda _: "no such host")) == [
        "problem: https://a.test does not lead here: no such host"
    ]


def test_nobody_at_an_address_is_told_apart_from_us() -> None:
    """`live` says why not; it raises nothing."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "refused" in checks.live(f"http://127.0.0.1:{port}")
    assert checks.live("http://[") != ""


def test_storage_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    """A probe is written and removed; a folder that is a file is a problem."""
    config = configured(tmp_path, '[files]\nurl = "file:///files"\n')
    assert checks.check_storage(config).level == "ok"
    (tmp_path / "files").mkdir()
    finding = checks.check_storage(config)
    assert (finding.level, finding.said) == (
        "ok",
        f"{tmp_path / 'files'} can be written, listed, read and cleared",
    )
    assert [path for path in (tmp_path / "files").rglob("*") if path.is_file()] == []
    (tmp_path / "other").write_text("no folder")
    finding = checks.check_storage(configured(tmp_path, '[files]\nurl = "file:///other"\n'))
    assert finding.level == "problem"


def test_a_bucket_that_nobody_serves_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In bounded time, and without the key in the sentence."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(checks, "STORAGE_S", 0.5)
    text = f'[files]\nurl = "s3://bucket/p?endpoint=http://127.0.0.1:{port}"\naccess_key_id = "id"\n'
    config = configured(tmp_path, text + 'secret_access_key = "hidden"\n')
    finding = checks.check_storage(config)
    assert finding.level == "problem"
    assert "hidden" not in finding.said + finding.advice


def test_a_bucket_is_tried(s3_server: S3Server, tmp_path: Path) -> None:
    """One that takes and gives back is well; a wrong key and a bucket that is not there are told, with what to do."""

    def found(url: str, key: str) -> Finding:
        text = f'[files]\nurl = "{url}"\naccess_key_id = "{key}"\nsecret_access_key = "S3RVER"\n'
        return checks.check_storage(configured(tmp_path, text))

    there, key = s3_server.url("doctor"), CREDENTIALS["access_key_id"]
    well = found(there, key)
    assert well.level == "ok", well
    assert well.said.endswith("can be written, listed, read and cleared")
    for wrong, reason in (
        (found(there, "somebody"), "403"),
        (found(there.replace("s3://files/", "s3://none/"), key), "404"),
    ):
        assert wrong.level == "problem"
        assert reason in wrong.said
        assert "S3RVER" not in wrong.said
        assert wrong.advice == "correct [files] url and its key; the key needs to list, get, put and delete"


def test_a_site_without_its_packages_is_warned_of(tmp_path: Path) -> None:
    """Node and `convex`, missing or old; without a site nothing is asked."""
    assert list(checks.check_site(configured(tmp_path), lambda: "")) == []
    config = configured(tmp_path, '[codegen]\ntypescript = ["site/convex/_generated"]\n')
    site = tmp_path / "site"
    site.mkdir()
    (site / "package.json").write_text("{}")
    assert worst(checks.check_site(config, lambda: "")) == [
        "warning: node is not installed",
        f"warning: the package 'convex' is not installed in {site}",
    ]
    package = site / "node_modules" / "convex" / "package.json"
    package.parent.mkdir(parents=True)
    package.write_text('{"version": "1.2.3"}')
    assert worst(checks.check_site(config, lambda: "v16.1.0")) == [
        "warning: node is v16.1.0",
        "warning: convex is 1.2.3",
    ]
    package.write_text('{"version": "1.48.0-alpha.1"}')
    assert worst(checks.check_site(config, lambda: "v22.1.0")) == []


def test_the_command_exits_with_1_for_a_problem(tmp_path: Path) -> None:
    """And with 0 for warnings; `--json` has every finding, and a broken declaration is the only one."""
    (tmp_path / "joelclaw.toml").write_text("[server]\napi_port = 0\n")
    good = CliRunner().invoke(main, ["doctor", "--json", "--project", str(tmp_path)])
    found = json.loads(good.stdout)
    assert (good.exit_code, {"check", "level", "said", "advice"}) == (0, found[0].keys())
    assert {"configuration", "ports", "sqlite", "stored files"} <= {finding["check"] for finding in found}
    (tmp_path / "joelclaw.toml").write_text("[server]\napi_prot = 0\n")
    bad = CliRunner().invoke(main, ["doctor", "--project", str(tmp_path)])
    assert bad.exit_code == 1
    assert "did you mean 'api_port'?\n        correct joelclaw.toml" in bad.stdout
