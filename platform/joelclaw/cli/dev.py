"""`joelclaw dev`: serve the project and follow its files."""

from pathlib import Path

import rich_click as click

from joelclaw.cli.host import TerminalHost
from joelclaw.cli.project import declaration, project_option


@click.command()
@project_option
def dev(project: Path) -> None:
    """Serve the project here, and take over every change of its files."""
    config = declaration(project)
    # Imported late: the whole server hangs on it.
    from joelclaw import server

    server.run(config, development=True, host=TerminalHost(config, development=True))
