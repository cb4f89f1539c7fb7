"""
The command line: `joelclaw dev`, `joelclaw run comments:add '{...}'`, ...

One file a command, and each thin: it reads the declaration, asks the part of the platform
that does the work, and tells what came of it. What they share lives in `project.py` (the
declaration, the app's manifest), `client.py` (a running server) and `terminal.py`.

Answers go to standard output and everything said about them to standard error, so that a pipe
carries answers only. Exit codes: 0 it was done, 1 it was not, 2 it was asked for wrongly.
What the user has to know is a sentence; a traceback is a defect of ours.

Commands import the machinery that they start when they start it: the help has to be quick.
"""

from importlib.metadata import version

import rich_click as click

from joelclaw.cli.admin_key import admin_key
from joelclaw.cli.auth import auth
from joelclaw.cli.backup import backup
from joelclaw.cli.codegen import codegen
from joelclaw.cli.crons import crons
from joelclaw.cli.deploy import deploy, deployments, rollback
from joelclaw.cli.deploy_key import deploy_key
from joelclaw.cli.dev import dev
from joelclaw.cli.doctor import doctor
from joelclaw.cli.env import env
from joelclaw.cli.export import export
from joelclaw.cli.functions import functions
from joelclaw.cli.importing import import_file
from joelclaw.cli.logs import logs
from joelclaw.cli.new import new
from joelclaw.cli.run import run
from joelclaw.cli.serve import serve
from joelclaw.cli.terminal import tell_error
from joelclaw.errors import PlatformError

__all__ = ["main"]


class _Commands(click.RichGroup):
    """A group whose commands fail with a sentence."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except PlatformError as error:
            tell_error(error)
            ctx.exit(1)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("joelclaw"), prog_name="joelclaw", message="%(prog)s %(version)s")
def main() -> None:
    """A reactive backend whose functions are typed Python files."""


COMMANDS = (
    *(new, dev, serve, deploy, deployments, rollback, deploy_key, admin_key, run, backup, crons, logs, env),
    *(auth, functions, codegen, export, import_file, doctor),
)
for command in COMMANDS:
    main.add_command(command)
