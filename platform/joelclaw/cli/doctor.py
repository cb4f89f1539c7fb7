"""
`joelclaw doctor`: whether this deployment can run here, and what to do if it cannot.

It may be asked before the first start and beside a running server. The questions are in `checks.py`.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import rich_click as click
from rich.text import Text

from joelclaw.cli.project import project_option
from joelclaw.cli.terminal import answer, out, visible

if TYPE_CHECKING:
    from joelclaw.cli.checks import Finding

_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@project_option
def doctor(as_json: bool, project: Path) -> None:
    """
    Look for what would keep this deployment from running well.

    Exits with 1 if there is a problem; warnings are advice.
    """
    # Imported late: other commands open no database.
    from joelclaw.cli.checks import examine

    findings = list(examine(project))
    if as_json:
        answer(msgspec.json.format(msgspec.json.encode(findings), indent=2).decode())
    else:
        for finding in findings:
            _show(finding)
    if any(finding.level == "problem" for finding in findings):
        sys.exit(1)


def _show(finding: "Finding") -> None:
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
