"""The test app as a server of its own process, and its administrator's command line."""

import shutil
from pathlib import Path

from click.testing import CliRunner

from joelclaw.cli import main
from tests.conformance.deployment import Deployment
from tests.ports import free_port
from tests.transfer.places import APP

ADMIN_KEY = "transfer|0123456789abcdef0123456789abcdef"

DECLARED = """
[app]
name = "transfer"
[server]
api_port = {port}
site_port = 0
admin_key = "{key}"
[limits]
readers = 1
[store]
durability = "normal"
"""


def project(folder: Path) -> Path:
    """A copy of the app that takes a free port, and takes it again after a restart."""
    shutil.copytree(APP, folder, ignore=shutil.ignore_patterns("__pycache__", "data"))
    (folder / "joelclaw.toml").write_text(DECLARED.format(port=free_port(), key=ADMIN_KEY))
    return folder


def started(folder: Path) -> Deployment:
    deployment = Deployment(project(folder))
    deployment.start()
    return deployment


class Refused(Exception):
    """A command has not done what it was asked for."""


def joelclaw(deployment: Deployment, *arguments: str, typed: str | None = None) -> str:
    """What a command tells."""
    environment = {"JOELCLAW_ADMIN_KEY": ADMIN_KEY, "JOELCLAW_URL": deployment.url, "COLUMNS": "200"}
    arguments = (*arguments, "--project", str(deployment.project))
    result = CliRunner().invoke(main, arguments, prog_name="joelclaw", env=environment, input=typed)
    if result.exit_code:
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        raise Refused(result.output)
    return result.output
