"""
`joelclaw doctor`: whether this deployment can run here, and what to do if it cannot.

It may be asked before the first start and beside a running server. The questions are in `checks.py`.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import rich_click as click
from rich.text import Text

from joelclaw.cli import checks
from joelclaw.cli.checks import Finding
from joelclaw.cli.project import project_option
from joelclaw.cli.terminal import answer, out, visible
from joelclaw.clock import SystemClock
from joelclaw.config import Config, load_config
from joelclaw.errors import ConfigRefused

_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@project_option
def doctor(as_json: bool, project: Path) -> None:
    """
    Look for what would keep this deployment from running well.

    Exits with 1 if there is a problem; warnings are advice.
    """
    findings = list(examine(project))
    if as_json:
        answer(msgspec.json.format(msgspec.json.encode(findings), indent=2).decode())
    else:
        for finding in findings:
            _show(finding)
    if any(finding.level == "problem" for finding in findings):
        sys.exit(1)


def examine(project: Path) -> Iterator[Finding]:
    """Everything there is to find. Without a declaration that can be read there is nothing to examine further."""
    try:
        config = load_config(project, os.environ)
    except ConfigRefused as error:
        yield Finding("configuration", "problem", str(error), "correct joelclaw.toml, and ask again")
        return
    yield Finding("configuration", "ok", f"{config.source.path} is right")
    yield from _examine(config)


def _examine(config: Config) -> Iterator[Finding]:
    running = config.server.api_port != 0 and not checks.live(checks.own_url(config))
    folder = config.database.parent
    yield from checks.check_ports(config, running=running)
    yield checks.check_file_system(config.database, allowed=config.store.allow_network_file_system)
    yield checks.check_space(folder)
    yield checks.check_folder(folder)
    yield from checks.check_secrecy(config)
    yield from checks.check_sqlite()
    yield checks.check_clock(SystemClock().now_ms(), config.database)
    yield from checks.check_origins(config, running=running)
    yield checks.check_storage(config)
    yield from checks.check_site(config)


def _show(finding: Finding) -> None:
    advice = f"\n        {visible(finding.advice)}" if finding.advice else ""
    out.print(
        Text.assemble(
            (f"{finding.level:8}", _STYLES[finding.level]),
            (f"{finding.check}: ", "bold"),
            visible(finding.said),
            advice,
        ),
        soft_wrap=True,
    )
